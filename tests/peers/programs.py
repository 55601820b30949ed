"""The real servers and clients that tests/peers talks to, and how to tell whether they are here.

Each entry says what to look for: a server, or another program, in the path (or in /usr/sbin), a Perl module, a PHP
file, a library of Java, a package of Node.js below the folder DELIVERKIT_NODE_MODULES names, a module or a command of
the Python that DELIVERKIT_PEER_PYTHON names, a plugin of pytest in the folder DELIVERKIT_PYTEST_PLUGINS names (not
installed beside our own tests, where it would change how they run), or an index from which pip installs a package.
Servers listen on addresses of their own in 127.0.0.0/8, which are all there on Linux only; Postfix lets nobody but root
start it.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROGRAMS = {
    "postfix": "server postfix",
    "dovecot": "server dovecot",
    "unbound": "server unbound",
    "knot": "server knotd",
    "swaks": "program swaks",
    "chromium": "program chromium",
    "node": "program node",
    "nodemailer": "node nodemailer",
    "mailauth": "node mailauth",
    "php": "program php",
    "phpmailer": "php libphp-phpmailer/autoload.php",
    "mail-dkim": "perl Mail::DKIM::Verifier",
    "opendkim": "server opendkim",
    "pyspf": "python spf",
    "javamail": "java jakarta-mail.jar",
    "opendkim-testmsg": "program opendkim-testmsg",
    "opendkim-testkey": "program opendkim-testkey",
    "python-dotenv": "python dotenv",
    "python-decouple": "python decouple",
    "django-environ": "python environ",
    "dj-email-url": "python dj_email_url",
    "octodns": "python octodns",
    "pre-commit": "command pre-commit",
    "package-index": "index hatchling",
    "zsh": "program zsh",
    "fish": "program fish",
    "pytest-xdist": "plugin xdist",
    "pytest-asyncio": "plugin pytest_asyncio",
    "pytest-randomly": "plugin pytest_randomly",
}


def find(program: str) -> str | None:
    """The path of a program, looked for where administrators' programs lie as well."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def node_modules() -> Path:
    """Where the packages of Node.js are."""
    return Path(os.environ.get("DELIVERKIT_NODE_MODULES", "node_modules")).absolute()


def peer_python() -> str:
    """The Python that has the peers' packages: what they pin cannot change ours."""
    return os.environ.get("DELIVERKIT_PEER_PYTHON") or sys.executable


def peer_command(name: str) -> str | None:
    """A command of the peers' Python, or of the path."""
    beside = Path(peer_python()).parent / name
    return str(beside) if beside.exists() else find(name)


def pytest_plugins_folder() -> Path | None:
    """Where other plugins of pytest are; None where nobody said."""
    told = os.environ.get("DELIVERKIT_PYTEST_PLUGINS")
    return Path(told).absolute() if told else None


@functools.cache
def missing_program(name: str) -> str | None:
    """Why a peer cannot be used here, or None."""
    kind, what = PROGRAMS[name].split()
    if kind == "server" and sys.platform != "linux":
        return f"{what} is only started on Linux, where all of 127.0.0.0/8 is loopback"
    if what == "postfix" and find(what) and os.geteuid():
        return "only root can start postfix"
    if kind in ("server", "program"):
        return None if find(what) else f"the program {what} is not installed"
    if kind == "node":
        if not find("node"):
            return "the program node is not installed"
        return (
            None
            if (node_modules() / what).is_dir()
            else f"{node_modules() / what} is not installed (npm install {what})"
        )
    if kind == "perl":
        if not find("perl"):
            return "the program perl is not installed"
        done = subprocess.run(["perl", f"-M{what}", "-e1"], capture_output=True, timeout=30, check=False)
        return f"the Perl module {what} is not installed" if done.returncode else None
    if kind == "java":
        if not find("javac"):
            return "the program javac is not installed"
        return None if Path("/usr/share/java", what).exists() else f"/usr/share/java/{what} is not installed"
    if kind == "command":
        return None if peer_command(what) else f"the command {what} is not installed"
    if kind == "index":
        words = ["-m", "pip", "install", "-q", "--dry-run", "--no-deps", "--retries=0", "--timeout=10", what]
        done = subprocess.run([sys.executable, *words], capture_output=True, timeout=120, check=False)
        return f"pip finds no index that has {what}" if done.returncode else None
    if kind == "plugin":
        folder = pytest_plugins_folder()
        there = folder is not None and ((folder / what).exists() or (folder / f"{what}.py").exists())
        return None if there else f"the plugin {what} is not in the folder DELIVERKIT_PYTEST_PLUGINS names"
    if kind == "python":
        done = subprocess.run([peer_python(), "-c", f"import {what}"], capture_output=True, timeout=30, check=False)
        return f"the Python module {what} is not installed in {peer_python()}" if done.returncode else None
    if not find("php"):
        return "the program php is not installed"
    return None if Path("/usr/share/php", what).exists() else f"/usr/share/php/{what} is not installed"

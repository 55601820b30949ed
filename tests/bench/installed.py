"""The peers that are packages of other registries: installed once into a folder of their own, never beside ours.

checkdmarc, pyspf and aiodns live in a virtual environment, mailauth below a folder of Node.js packages; so what they
pin cannot change what is measured of ours. Programs of the system (dnsperf, NSD or Knot, Postfix, a C compiler with
libspf2) are named when they are missing, not installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.peers.programs import find

FOLDER = Path(__file__).parents[2] / ".bench"
PYTHON_PEERS = ("checkdmarc", "pyspf", "aiodns")
NODE_PEERS = ("mailauth@4.12.0",)  # the newest that runs on Node.js 18
PROGRAMS = ("knotd", "nsd", "dnsperf", "postfix", "smtp-source", "cc", "node")


def environment() -> dict[str, str]:
    """The variables by which the benchmarks find the peers; whatever the caller set already stays."""
    python = FOLDER / "python" / "bin" / "python"
    told = {
        "DELIVERKIT_PEER_PYTHON": str(python),
        "CHECKDMARC": str(python.with_name("checkdmarc")),
        "DELIVERKIT_NODE_MODULES": str(FOLDER / "node_modules"),
    }
    return {**{name: value for name, value in told.items() if Path(value).exists()}, **os.environ}


def install() -> None:
    """Install what is missing of the packages; says on stderr what it does."""
    FOLDER.mkdir(exist_ok=True)
    python = FOLDER / "python"
    if not (python / "bin" / "checkdmarc").exists():
        print(f"installing {', '.join(PYTHON_PEERS)} into {python}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(python)], check=True)
        subprocess.run([str(python / "bin" / "pip"), "install", "-q", *PYTHON_PEERS], check=True)
    if shutil.which("npm") and not (FOLDER / "node_modules").exists():
        print(f"installing {', '.join(NODE_PEERS)} into {FOLDER / 'node_modules'}", file=sys.stderr)
        quiet = ("--no-audit", "--no-fund", "--no-save", "--silent")
        subprocess.run(["npm", "install", *quiet, "--prefix", str(FOLDER), *NODE_PEERS], check=True)


def missing() -> list[str]:
    """The system's programs that a full comparison wants and this machine does not have."""
    return [program for program in PROGRAMS if not find(program)]

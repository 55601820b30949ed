"""Which versions of mail libraries an application uses, told by its own lock files and lists of requirements.

A lock file names the version that runs; a list of requirements the range that was asked for, and is believed only where
there is no lock file. What this file will not do: run a package manager, or look at what is installed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from deliverkit.facts.settings.tree import Tree, matching

NAMES = frozenset(
    (
        "nodemailer", "@nestjs-modules/mailer", "next", "nuxt", "emailjs", "django", "flask-mail", "fastapi-mail",
        "aiosmtplib", "yagmail", "laravel/framework", "symfony/mailer", "symfony/framework-bundle",
        "swiftmailer/swiftmailer", "phpmailer/phpmailer", "mail", "rails", "actionmailer", "net-smtp", "pony",
    )
)  # fmt: skip
"""What is looked for, in small letters."""

_MOST = 40  # files
_DEEPEST = 4  # folders below the root: a lock file deeper than that is another program's
Pairs: TypeAlias = Iterator[tuple[str, str]]


def versions_of(tree: Tree) -> dict[str, str]:
    """Name to version; of several applications in one tree the first in the order of the paths tells."""
    found: dict[str, str] = {}
    for patterns in (_LOCKED, _ASKED):
        for pattern, read in patterns.items():
            for number, path in enumerate(matching(tree, pattern)):
                if number >= _MOST:
                    break
                text = tree.text(path) if path.count("/") < _DEEPEST else None
                for name, version in read(text) if text else ():
                    if name.lower() in NAMES or name in _RUNTIMES:
                        found.setdefault(name.lower(), version.strip()[:40])
    return found


_RUNTIMES = ("node",)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _table(value: Any, key: str) -> dict[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _package_lock(text: str) -> Pairs:
    for path, entry in _table(_json(text), "packages").items():
        version = entry.get("version") if isinstance(entry, dict) else None
        if path.startswith("node_modules/") and isinstance(version, str):
            yield path.removeprefix("node_modules/"), version


def _package(text: str) -> Pairs:
    package = _json(text)
    for name, version in _table(package, "dependencies").items():
        if isinstance(version, str):
            yield name, version
    node = _table(package, "engines").get("node")
    if isinstance(node, str):
        yield "node", node


def _composer_lock(text: str) -> Pairs:
    lock = _json(text)
    packages = lock.get("packages") if isinstance(lock, dict) else None
    for entry in packages if isinstance(packages, list) else ():
        name, version = (entry.get("name"), entry.get("version")) if isinstance(entry, dict) else (None, None)
        if isinstance(name, str) and isinstance(version, str):
            yield name, version


def _composer(text: str) -> Pairs:
    for name, version in _table(_json(text), "require").items():
        if isinstance(version, str):
            yield name, version


def _lines(pattern: str) -> Callable[[str], Pairs]:
    told = re.compile(pattern, re.MULTILINE)

    def read(text: str) -> Pairs:
        for match in told.finditer(text):
            yield match[1], match[2]

    return read


def _bare(name: str) -> Callable[[str], Pairs]:
    def read(text: str) -> Pairs:
        word = text.strip().splitlines()[0] if text.strip() else ""
        if re.fullmatch(r"v?[\w./*-]{1,30}", word):
            yield name, word

    return read


_LOCKED: dict[str, Callable[[str], Pairs]] = {
    "package-lock.json": _package_lock,
    "composer.lock": _composer_lock,
    "poetry.lock": _lines(r'^name = "([\w.-]+)"\nversion = "([\w.+!-]+)"'),
    "uv.lock": _lines(r'^name = "([\w.-]+)"\nversion = "([\w.+!-]+)"'),
    "Gemfile.lock": _lines(r"^    ([\w-]+) \(([\w.]+)\)$"),
    "yarn.lock": _lines(r'^"?([@\w/.-]+?)@[^\n]{1,200}:\n  version:? "?([\w.+-]+)'),
    "pnpm-lock.yaml": _lines(r"^  '?/?([@\w/.-]+?)@([\w.+-]+)(?:\([^\n]*)?'?:$"),
}
_ASKED: dict[str, Callable[[str], Pairs]] = {
    "package.json": _package,
    ".nvmrc": _bare("node"),
    ".node-version": _bare("node"),
    "composer.json": _composer,
    "requirements*.txt": _lines(r"^([A-Za-z][\w.-]*)(?:\[[\w,-]*\])?\s*(==[\w.*+!-]+|[~<>]=?[\w.*+!,<>=~ -]+)"),
    "pyproject.toml": _lines(r'^\s*"([A-Za-z][\w.-]*)(?:\[[\w,-]*\])?\s*([~<>=!]=?[\w.*+!,<>=~ -]+)"'),
}

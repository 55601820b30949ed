"""Docker Compose: what each service's ``environment`` and ``env_file`` set, interpolated as Compose does it.

The variables of a service that is built here are the process environment of the application in that folder; well-known
names that no reader claims make a transport of the framework "env" (`names`). ``compose.override`` is laid over the
first file, ``compose.NAME`` over both for the environment NAME. Source: Compose documentation, "Interpolation",
"Services: environment, env_file" and "Merge Compose files".

What this file will not do: follow ``extends`` and ``include``, or ask a shell.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from deliverkit.facts.settings.blocks import Block, stage_of
from deliverkit.facts.settings.dotenv import DIALECTS, read_dotenv
from deliverkit.facts.settings.environment import variables
from deliverkit.facts.settings.model import MailSettings
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.readers.names import transports
from deliverkit.facts.settings.values import Place, Setting, Unread, ValueFault
from deliverkit.facts.settings.yamlnodes import Node, get, items, line_of, pairs, read_yaml, scalar

_FILE = re.compile(r"(?:docker-)?compose(?:[.-]([\w-]+))?\.ya?ml")
_MOST_SERVICES = 200
_DEEPEST = 10  # defaults within defaults
_REFERENCE = re.compile(
    r"\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-?+])((?:[^{}]|\$\{[^{}]*\})*))?\})", re.ASCII
)

_Service = dict[str, Setting]


def read(look: Look) -> Iterator[MailSettings]:
    """The transports that variables of services name, and that no other reader knows."""
    yield from transports(look, "compose")


def blocks(look: Look) -> Iterator[Block]:
    """The variables of every service in the tree."""
    found: dict[str, dict[str, str]] = {}
    for path in look.tree.paths:
        match = _FILE.fullmatch(posixpath.basename(path))
        if match is not None:
            found.setdefault(posixpath.dirname(path), {}).setdefault(match[1] or "", path)
    for folder, files in found.items():
        yield from _of_a_folder(look, folder, files)


def _of_a_folder(look: Look, folder: str, files: Mapping[str, str]) -> Iterator[Block]:
    read_ones = {word: _services(look, folder, path) for word, path in files.items()}
    base = read_ones.pop("", {})
    over = read_ones.pop("override", {})
    if base or over:
        yield from _merged(folder, None, base, over)
    for word, services in read_ones.items():
        yield from _merged(folder, word, base, services)


def _merged(folder: str, word: str | None, *files: Mapping[str, tuple[Node, _Service, Place]]) -> Iterator[Block]:
    """One block for each service, the later file over the earlier ones, variable by variable."""
    names = dict.fromkeys(name for services in files for name in services)
    for name in names:
        parts = [services[name] for services in files if name in services]
        values: _Service = {}
        for _, own, _ in parts:
            for key, setting in own.items():
                losers = (values[key], *values[key].shadowed) if key in values else ()
                values[key] = replace(setting, shadowed=(*setting.shadowed, *losers))
        nodes = [node for node, _, _ in reversed(parts)]
        build = next((one for node in nodes if (one := get(node, "build")) is not None), None)
        image = next((told for node in nodes if (told := scalar(get(node, "image")))), "")
        yield Block(
            "compose", name, parts[-1][2], _built(folder, build), stage_of(values) or word,
            "" if build is not None else image, values,
        )  # fmt: skip


def _built(folder: str, build: Node | None) -> str | None:
    """The folder a service is built from, None where it is not, or from elsewhere."""
    if build is None:
        return None
    context = scalar(build) or scalar(get(build, "context")) or "."
    if "://" in context or "$" in context:
        return None
    inside = posixpath.normpath(posixpath.join(folder, context))
    return None if inside.startswith(("..", "/")) else "" if inside == "." else inside


def _services(look: Look, folder: str, path: str) -> dict[str, tuple[Node, _Service, Place]]:
    """The services of one file: their node, their variables, where they begin."""
    text = look.tree.text(path)
    if text is None:
        return {}
    told = read_yaml(text, path)
    look.unread.extend(told.unread)
    if not told.documents:
        return {}
    shell = variables(look.tree, "", convention="compose", folder=folder, process=look.process, given=look.given)
    found: dict[str, tuple[Node, _Service, Place]] = {}
    for name, node in pairs(get(told.documents[0], "services"))[:_MOST_SERVICES]:
        if get(node, "extends") is not None:
            look.unread.append(Unread(Place(path, line_of(node)), f"services.{name}.extends", "it is not followed"))
        values = _env_files(look, folder, path, get(node, "env_file"), shell.values)
        for key, setting in _environment(get(node, "environment"), path, shell.values):
            losers = (values[key], *values[key].shadowed) if key in values else ()
            values[key] = replace(setting, shadowed=losers)  # environment wins over env_file
        found[name] = (node, values, Place(path, line_of(node)))
    if get(told.documents[0], "include") is not None:
        look.unread.append(Unread(Place(path), "include", "other Compose files are not followed"))
    return found


def _env_files(
    look: Look, folder: str, path: str, node: Node | None, shell: Mapping[str, Setting]
) -> dict[str, Setting]:
    values: dict[str, Setting] = {}
    for one in items(node) or ([node] if node is not None else []):
        written = scalar(one) or scalar(get(one, "path"))
        if written is None:
            continue
        name, _ = interpolated(written, shell)
        file = posixpath.normpath(posixpath.join(folder, name))
        text = look.tree.text(file) if file in look.tree.paths else None
        if text is None:
            if (scalar(get(one, "required")) or "true") != "false":
                look.unread.append(Unread(Place(path, line_of(one)), f"env_file: {name}", "the file is not there"))
            continue
        dialect = DIALECTS["docker" if scalar(get(one, "format")) == "raw" else "compose"]
        read_file = read_dotenv(text, file, dialect, known=shell)
        look.unread.extend(read_file.unread)
        for key, setting in read_file.values.items():  # the later file wins
            losers = (values[key], *values[key].shadowed) if key in values else ()
            values[key] = replace(setting, shadowed=losers)
    return values


def _environment(node: Node | None, path: str, shell: Mapping[str, Setting]) -> Iterator[tuple[str, Setting]]:
    """Both forms: a mapping, or a list of NAME=value; a name alone takes the shell's value."""
    if node is None:
        return
    entries: list[tuple[str, str | None, Node]] = [(name, scalar(value), value) for name, value in pairs(node)]
    for one in items(node):
        name, mark, rest = (scalar(one) or "").partition("=")
        entries.append((name, rest if mark else None, one))
    for name, value, at in entries:
        place = Place(path, line_of(at))
        if not name:
            continue
        if value is None:
            via = shell.get(name)
            yield (
                name,
                Setting(name, via.value if via else None, place, path, via=via, faults=via.faults if via else ()),
            )
            continue
        whole = re.fullmatch(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::?\?[^{}]*)?\})", value, re.ASCII)
        if whole is not None and value.startswith("${"):  # nothing else: it is meant to come from outside
            outer = shell.get(whole[2]) or Setting(whole[2], None, None, "")
            yield name, Setting(name, outer.value, place, path, via=outer, faults=outer.faults)
            continue
        told, faults = interpolated(value, shell)
        if "\n" not in told and told != told.strip() and told.strip():
            faults = (*faults, ValueFault("trailing-blank" if told != told.rstrip() else "leading-blank"))
        if not pairs(node) and len(told) > 1 and told[0] == told[-1] and told[0] in "'\"":
            faults = (
                *faults,
                ValueFault("quotes-kept", "in a list, quotation marks after the = are part of the value"),
            )
        yield name, Setting(name, told, place, path, faults=faults)


def interpolated(text: str, known: Mapping[str, Setting], depth: int = 0) -> tuple[str, tuple[ValueFault, ...]]:
    """A value with ``$NAME`` and ``${NAME:-default}`` replaced, ``$$`` a dollar; what nobody sets is empty."""
    faults: list[ValueFault] = []

    def stands_for(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        name, operator, rest = match[2] or match[3], match[4] or "", match[5] or ""
        found = known.get(name)
        value = None if found is None or found.value is None else str(found.value)
        there = value is not None and (value != "" or not operator.startswith(":"))
        if operator.endswith(("-", "+")):
            if operator.endswith("-") == there:
                return (value or "") if operator.endswith("-") else ""
            inner, more = interpolated(rest, known, depth + 1) if depth < _DEEPEST else (rest, ())
            faults.extend(more)
            return inner
        form = f"${name}" if match[2] else f"${{{name}}}"
        faults.append(ValueFault("expanded", f"{form} is {'set' if value is not None else 'not set'}"))
        return value or ""

    return _REFERENCE.sub(stands_for, text), tuple(dict.fromkeys(faults))

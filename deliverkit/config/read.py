"""A configuration out of its text: one environment's, with every value checked and every fault named with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deliverkit.config import keys
from deliverkit.config.kinds import Where, near, read_table
from deliverkit.config.lines import Node, read_nodes
from deliverkit.config.model import BadConfig, Config, DomainConfig, Expect, Ignore, SourcePattern
from deliverkit.findings import Severity
from deliverkit.names import BadName, meant

MAX_OCTETS = 4 * 2**20
PROFILES = ("bulk",)
"""Profiles of the audit itself; `deliverkit.engine.audit.PROFILES` is the same."""


def load_config(file: Path, environment: str | None = None) -> Config:
    """Read a configuration file. Raises BadConfig."""
    shown = _shown(file)
    try:
        with file.open("rb") as stream:
            octets = stream.read(MAX_OCTETS + 1)
    except OSError as bad:
        raise BadConfig(shown, None, f"cannot be read ({bad.strerror})", "name a readable file") from None
    if len(octets) > MAX_OCTETS:
        raise BadConfig(shown, None, f"is larger than {MAX_OCTETS} octets", "split the configuration")
    try:
        text = octets.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as bad:
        line = octets.count(b"\n", 0, bad.start) + 1
        raise BadConfig(shown, line, "is no UTF-8", "save the file as UTF-8") from None
    return parse_config(text, file=file, environment=environment)


def parse_config(text: str, *, file: Path, environment: str | None = None) -> Config:
    """The configuration that a text tells; ``file`` is where it lies, for messages and relative paths."""
    shown = _shown(file)
    root = _root(_nodes(text, shown), file.name)
    where = Where(shown, "")
    read_table(root, keys.TOP, where)  # every environment must hold, whichever is wanted
    environments = tuple(root.value["environments"].value) if "environments" in root.value else ()
    if environment is not None:
        if environment not in environments:
            do = near(environment, environments) if environments else "write a table [environments.NAME]"
            raise BadConfig(shown, None, f"there is no environment {environment!r}", do)
        root = _laid_over(root, root.value["environments"].value[environment])
    values = read_table(Node({k: v for k, v in root.value.items() if k != "environments"}, root.line), keys.TOP, where)
    return _Config(values, root, file.absolute(), shown).made(environment, environments)


def _shown(file: Path) -> str:
    """The file as messages name it: relative to here where it lies below."""
    try:
        return str(file.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(file)


def _nodes(text: str, shown: str) -> Node:
    try:
        return read_nodes(text)
    except tomllib.TOMLDecodeError as bad:
        match = re.search(r"^(.*?) \(at line (\d+), column (\d+)\)$", str(bad))
        if match is None:
            at_end = text.count("\n") + (not text.endswith("\n"))
            what = str(bad).replace(" (at end of document)", "")
            raise BadConfig(shown, at_end, f"no TOML: {what} at the end", "close what is open") from None
        raise BadConfig(shown, int(match[2]), f"no TOML: {match[1]} in column {match[3]}", "correct it") from None
    except RecursionError:
        raise BadConfig(shown, None, "tables or arrays too deep in each other", "use fewer") from None


def _root(told: Node, name: str) -> Node:
    """The table that speaks of us: the whole file, or [tool.deliverkit] of a pyproject.toml."""
    if name != "pyproject.toml":
        return told
    empty = Node({}, 1)
    tool = told.value.get("tool", empty)
    found = tool.value.get("deliverkit", empty) if isinstance(tool.value, dict) else empty
    return found if isinstance(found, Node) else empty


def _laid_over(below: Node, above: Node) -> Node:
    """Tables are joined, everything else is replaced."""
    if not isinstance(below.value, dict) or not isinstance(above.value, dict):
        return above
    names = [*below.value, *(name for name in above.value if name not in below.value)]
    joined = {
        name: above.value[name]
        if name not in below.value
        else _laid_over(below.value[name], above.value[name])
        if name in above.value
        else below.value[name]
        for name in names
    }
    return Node(joined, below.line)


class _Config:
    """Makes a `Config` of values that were read."""

    def __init__(self, values: dict[str, Any], root: Node, file: Path, shown: str) -> None:
        self.values = values
        self.root = root
        self.file = file
        self.shown = shown

    def made(self, environment: str | None, environments: tuple[str, ...]) -> Config:
        """The whole configuration."""
        told = self.values
        severities = told.get("severity", {})
        lines = self.root.value["severity"].value if severities else {}
        return Config(
            folder=self.file.parent,
            file=self.file,
            shown=self.shown,
            environment=environment,
            environments=environments,
            sources=tuple(self._sources(told.get("sources", ()))),
            domains=tuple(self._domains()),
            defaults=self._domain("", None, {}),
            all_zones=told.get("all-zones", True),
            world=told.get("world", "live"),
            nameservers=told.get("nameservers", ()),
            authoritative=told.get("authoritative", False),
            drift=told.get("drift", False),
            journal=self._path(told.get("journal")),
            baseline=self._path(told.get("baseline")),
            fail_on=told.get("fail-on", "error"),
            seconds=told.get("timeout"),
            retries=told.get("retries", 0),
            retry_wait=told.get("retry-wait", 2.0),
            severities={rule.upper(): Severity(word) for rule, word in severities.items()},
            severity_lines={rule.upper(): lines[rule].line for rule in severities},
            ignores=tuple(self._ignores(told.get("ignore", ()))),
        )

    def _wrong(self, line: int | None, what: str, do: str) -> BadConfig:
        return BadConfig(self.shown, line, what, do)

    def _path(self, text: str | None) -> Path | None:
        return None if text is None else self.file.parent / text

    def _sources(self, told: Iterable[Any]) -> Iterable[SourcePattern]:
        for one in told:
            if isinstance(one, tuple):
                yield SourcePattern(one[0], None, None, one[1])
                continue
            line = one[""][""]
            if "path" not in one:
                raise self._wrong(line, "a source without a path", 'write path = "zones/*.zone"')
            origin = None if "origin" not in one else self._name(one["origin"], one[""]["origin"])
            yield SourcePattern(one["path"], one.get("kind"), origin, line)

    def _name(self, text: str, line: int) -> str:
        try:
            return meant(text).name
        except BadName as bad:
            raise self._wrong(line, str(bad), "write a domain such as example.com") from None

    def _domains(self) -> Iterable[DomainConfig]:
        told = self.values.get("domains", {})
        if isinstance(told, list):
            told = {text: {"": {"": line}} for text, line in told}
        parked = self._parked()
        named: dict[str, int] = {}
        for text, values in told.items():
            line = values[""][""]
            name = self._name(text, line)
            if name in named:
                raise self._wrong(line, f"{name} was named before, on line {named[name]}", "keep one of them")
            named[name] = line
            yield self._domain(text, line, {"parked": True, **values} if name in parked else values)
        for name, (text, line) in parked.items():
            if name not in named:
                yield self._domain(text, line, {"parked": True, "": {"": line}})

    def _parked(self) -> dict[str, tuple[str, int]]:
        if "parked" not in self.values:
            return {}
        node = self.root.value["parked"]
        items = node.value if isinstance(node.value, list) else [node]
        return {self._name(item.value, item.line): (item.value, item.line) for item in items}

    def _domain(self, given: str, line: int | None, own: Mapping[str, Any]) -> DomainConfig:
        """A domain with what the defaults and its profile say besides; its own word comes first."""
        values, profile = self._with_profile(own)
        expect = values.get("expect", {})
        return DomainConfig(
            name=self._name(given, line or 1) if given else "",
            given=given,
            line=line,
            selectors=values.get("selectors", ()),
            dkim_keys={selector: self.file.parent / path for selector, path in values.get("dkim-keys", {}).items()},
            sends_from=values.get("sends-from", ()),
            submission=values.get("submission", ()),
            via=values.get("via", ()),
            only=tuple(word.lower().replace("-", "") for word in values.get("only", ())),
            profile=profile,
            parked=values.get("parked", False),
            probe=values.get("probe", False),
            expect=_expect(expect),
        )

    def _with_profile(self, own: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
        defaults: Mapping[str, Any] = self.values.get("defaults", {})
        profiles: Mapping[str, Any] = self.values.get("profiles", {})
        values = _merged(defaults, own)
        name = values.get("profile")
        if name in profiles:
            taken = profiles[str(name)]
            values = _merged(_merged(defaults, taken), own)
            name = taken.get("profile")
        if name is not None and name not in PROFILES:
            line = values[""].get("profile")
            raise self._wrong(line, f"there is no profile {name!r}", near(name, (*PROFILES, *profiles)))
        return values, name

    def _ignores(self, told: Iterable[Mapping[str, Any]]) -> Iterable[Ignore]:
        for one in told:
            line = one[""][""]
            for key, sample in (("rule", 'rule = "SPF015"'), ("reason", 'reason = "…"')):
                if not one.get(key):
                    raise self._wrong(line, f"an ignore without a {key}", f"write {sample}")
            rules = tuple(rule.upper() for rule in one["rule"])
            yield Ignore(rules, one.get("subject", "*").lower(), one["reason"], one.get("until"), line)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The upper values over the lower ones; expectations and lines key by key."""
    joined = {**below, **above}
    if "expect" in below and "expect" in above:
        joined["expect"] = _merged(below["expect"], above["expect"])
    joined[""] = {**below.get("", {}), **above.get("", {})}
    return joined


def _expect(told: Mapping[str, Any]) -> Expect:
    values = {name.replace("-", "_"): value for name, value in told.items() if name}
    lines = {name: line for name, line in told.get("", {}).items() if name}
    return Expect(**values, lines=lines)

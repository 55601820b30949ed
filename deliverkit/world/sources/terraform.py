"""Terraform and OpenTofu plans and states in JSON (``terraform show -json``) as a source of records.

What will be there after the plan is read: ``planned_values`` of all modules, with what ``resource_changes`` says is
known after apply. Of all other resources nothing is kept: plans hold secrets. What this file will not do: run
Terraform, or evaluate an expression (of ``configuration`` only the references are read: they name a record's zone).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deliverkit.facts.source import SourceFacts, SourceRecord
from deliverkit.world.masterfile import MAX_RECORDS, ZoneError
from deliverkit.world.sources.jsontext import JsonText
from deliverkit.world.sources.model import SourceZone, source_zone
from deliverkit.world.sources.resources import PROVIDERS, ZONES, Provider, Resource, records_of
from deliverkit.world.values import canonical

MAX_PLAN_OCTETS = 64 * 1024 * 1024
MAX_DEPTH = 50
DEFAULT_TTL = 300  # of aliases and of what providers choose themselves
_REFERENCE = re.compile(r"((?:data\.)?[a-z0-9_]+\.[A-Za-z0-9_-]+)(?:[.\[].*)?")
_INDEX = re.compile(r"\[[^\]]*\]")
_HOW = "run `terraform show -json plan.out > plan.json` and give plan.json"


def read(path: Path, shown: str, origin: str | None) -> tuple[SourceZone, ...]:
    """The zones of a plan, in order of their first record. Raises ZoneError."""
    plan = _Plan(shown)
    plan.read(JsonText(_text(path, shown), shown))
    return plan.zones(origin)


def _text(path: Path, shown: str) -> str:
    try:
        with path.open("rb") as stream:
            octets = stream.read(MAX_PLAN_OCTETS + 1)
    except OSError as bad:
        raise ZoneError(shown, None, "", f"cannot be read ({bad.strerror})", "name a readable file") from None
    if len(octets) > MAX_PLAN_OCTETS:
        raise ZoneError(shown, None, "", f"is larger than {MAX_PLAN_OCTETS} octets", "plan the DNS records apart")
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        line = octets.count(b"\n", 0, bad.start) + 1
        raise ZoneError(shown, line, "", "is no UTF-8", _HOW) from None


@dataclass
class _Plan:
    """What a plan says of DNS."""

    file: str
    resources: list[Resource] = field(default_factory=list)
    changed: list[Resource] = field(default_factory=list)
    unknown: dict[str, Any] = field(default_factory=dict)  # address → after_unknown
    names: dict[tuple[str, str], str] = field(default_factory=dict)  # (provider, id) → zone name
    addresses: dict[str, set[str]] = field(default_factory=dict)  # address without index → zone names
    known: dict[str, set[str]] = field(default_factory=dict)  # provider → zone names
    references: dict[str, list[str]] = field(default_factory=dict)  # address without index → what names its zone
    held_values: bool = False

    # -- reading ----------------------------------------------------------------------------------------

    def read(self, here: JsonText) -> None:
        """Walk through the document."""
        if here.opens != "{":
            raise ZoneError(self.file, 1, here.text[:20], "is no plan: no JSON object", _HOW)
        seen = set()
        for key in here.members():
            seen.add(key)
            if key in ("planned_values", "values"):
                self.held_values = True
                self._values(here, final=True)
            elif key == "prior_state":
                for inner in here.members():
                    if inner == "values":
                        self._values(here, final=False)
            elif key == "resource_changes":
                for _ in here.elements():
                    self._change(here)
            elif key == "configuration":
                for inner in here.members():
                    if inner == "root_module":
                        self._configuration(here.value(), "", 0)
            elif key == "errored" and here.value() is True:
                raise ZoneError(self.file, here.line(), "errored", "is the plan of a run that failed", "plan again")
        if here.text[here.at :].strip(" \t\r\n"):
            raise ZoneError(self.file, here.line(), "", "holds more than one JSON document", _HOW)
        if "serial" in seen and "lineage" in seen:
            raise ZoneError(self.file, 1, "", "is Terraform's state in its own format", "give `terraform show -json`")
        if not seen & {"planned_values", "values", "resource_changes"}:
            raise ZoneError(self.file, 1, "", "is no plan or state: it has no planned_values", _HOW)

    def _values(self, here: JsonText, *, final: bool) -> None:
        for key in here.members():
            if key == "root_module":
                self._module(here, final, 0)

    def _module(self, here: JsonText, final: bool, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise ZoneError(self.file, here.line(), "", f"modules more than {MAX_DEPTH} deep", _HOW)
        for key in here.members():
            if key == "resources":
                for _ in here.elements():
                    at = here.at
                    self._resource(here.value(), at, here, final)
            elif key == "child_modules":
                for _ in here.elements():
                    self._module(here, final, depth + 1)

    def _resource(self, told: Any, at: int, here: JsonText, final: bool) -> None:
        """Keep a zone's name, or a record; nothing of any other resource."""
        if not isinstance(told, dict) or not isinstance(told.get("values"), dict):
            return
        type_, address, values = str(told.get("type")), str(told.get("address", "")), told["values"]
        if type_ in ZONES:
            self._zone(ZONES[type_], address, values)
        elif final and type_ in PROVIDERS and told.get("mode", "managed") == "managed":
            self._kept(self.resources, Resource(PROVIDERS[type_], type_, address, values, here, at, ("values",)))

    def _change(self, here: JsonText) -> None:
        at = here.at
        told = here.value()
        change = told.get("change") if isinstance(told, dict) else None
        if not isinstance(change, dict):
            return
        type_, address, after = str(told.get("type")), str(told.get("address", "")), change.get("after")
        if type_ not in PROVIDERS and type_ not in ZONES:
            return
        self.unknown[address] = change.get("after_unknown")
        if not isinstance(after, dict):  # it will be gone
            return
        if type_ in ZONES:
            self._zone(ZONES[type_], address, after)
        elif told.get("mode", "managed") == "managed":
            one = Resource(PROVIDERS[type_], type_, address, after, here, at, ("change", "after"))
            self._kept(self.changed, one)

    def _kept(self, among: list[Resource], one: Resource) -> None:
        if len(among) >= MAX_RECORDS:
            raise ZoneError(self.file, None, "", f"more than {MAX_RECORDS} record resources", "plan them apart")
        among.append(one)

    def _zone(self, provider: Provider, address: str, values: dict[str, Any]) -> None:
        name = next((n for n in (_name(values.get(key)) for key in provider.zone_name) if n), None)
        if name is None:
            return
        self.known.setdefault(provider.word, set()).add(name)
        for key in provider.zone_id:
            id_ = values.get(key)
            if isinstance(id_, str) and id_:
                self.names[provider.word, id_.removeprefix("/hostedzone/")] = name
        self.addresses.setdefault(_INDEX.sub("", address), set()).add(name)

    def _configuration(self, module: Any, prefix: str, depth: int) -> None:
        """Which zone each record refers to. Expressions are not evaluated."""
        if not isinstance(module, dict) or depth > MAX_DEPTH:
            return
        for one in _list(module.get("resources")):
            provider = PROVIDERS.get(str(one.get("type")))
            expressions = one.get("expressions")
            if provider is None or not isinstance(expressions, dict):
                continue
            for key in (provider.zone_key, "name"):
                told = expressions.get(key)
                found = _list(told.get("references"), str) if isinstance(told, dict) else []
                where = f"{prefix}{one.get('address')}" + ("" if key == provider.zone_key else "#name")
                self.references[where] = found
        calls = module.get("module_calls")
        for name, call in calls.items() if isinstance(calls, dict) else ():
            if isinstance(call, dict):
                self._configuration(call.get("module"), f"{prefix}module.{name}.", depth + 1)

    # -- zones ------------------------------------------------------------------------------------------

    def zones(self, origin: str | None) -> tuple[SourceZone, ...]:
        """One zone for each provider and name."""
        resources = self.resources if self.held_values else self.changed
        if not resources:
            known = "Route 53, Cloudflare, Google Cloud DNS or Azure DNS"
            raise ZoneError(self.file, None, "", f"holds no DNS record of {known}", "give the plan that has them")
        found: dict[tuple[str, str], list[SourceRecord]] = {}
        for one in resources:
            if self._validation(one):
                continue
            zone = self._zone_of(one, origin)
            told = records_of(one, zone, self.unknown.get(one.address))
            found.setdefault((one.provider.word, zone), []).extend(told)
        return tuple(
            source_zone(SourceFacts(zone, "terraform", self.file, _routed(records), provider), default_ttl=DEFAULT_TTL)
            for (provider, zone), records in found.items()
        )

    def _validation(self, one: Resource) -> bool:
        """A certificate's proof whose name nobody knows yet: one is sure, that it is no name of mail."""
        references = self.references.get(f"{_INDEX.sub('', one.address)}#name", ())
        return not isinstance(one.values.get("name"), str) and any("domain_validation_options" in r for r in references)

    def _zone_of(self, one: Resource, origin: str | None) -> str:
        """The name of the zone a record is in: by its id, by reference, by the end of its name, or as it was given."""
        provider = one.provider
        id_ = one.values.get(provider.zone_key)
        if isinstance(id_, str):
            named = _name(id_) if provider.zone_key == "zone_name" else self.names.get((provider.word, _bare(id_)))
            if named:
                return named
        name = _name(one.values.get("name")) or ""
        near = self._referred(one) or self.known.get(provider.word, set())
        above = [zone for zone in near if name == zone or name.endswith(f".{zone}")]
        if above:
            return max(above, key=len)
        if origin is not None:
            return origin
        if len(near) == 1:
            return next(iter(near))
        why = f"{one.address} is in a zone whose name is not in the plan"
        remedy = (
            'name it in the configuration (origin = "example.com" of this source), or plan with the zone\'s data source'
        )
        raise ZoneError(self.file, one.line(), str(id_ or ""), why, remedy)

    def _referred(self, one: Resource) -> set[str]:
        address = _INDEX.sub("", one.address)
        prefix = address[: -len(one.type) - 1 - len(address.rpartition(".")[2])]
        found: set[str] = set()
        for reference in self.references.get(address, ()):
            match = _REFERENCE.fullmatch(reference)
            if match:
                found |= self.addresses.get(prefix + match[1], set())
        return found


def _routed(records: list[SourceRecord]) -> tuple[SourceRecord, ...]:
    """Of records between which a policy chooses, the answer is known only where all say the same."""
    sets: dict[tuple[str, str], dict[str, set[str]]] = {}
    for record in records:
        if "routed" in record.flags:
            by_set = sets.setdefault((record.name, record.type), {})
            by_set.setdefault(record.entry, set()).add(record.text)
    differing = {key for key, by_set in sets.items() if len({frozenset(texts) for texts in by_set.values()}) > 1}
    why = "a routing policy chooses among several answers"
    return tuple(
        replace(r, unknown=r.unknown or why) if "routed" in r.flags and (r.name, r.type) in differing else r
        for r in records
    )


def _name(told: Any) -> str | None:
    return canonical(told.rstrip(".")) if isinstance(told, str) and told else None


def _bare(id_: str) -> str:
    return id_.removeprefix("/hostedzone/")


def _list(told: Any, kind: type = dict) -> list[Any]:
    return [one for one in told if isinstance(one, kind)] if isinstance(told, list) else []

"""The record resources of Terraform's providers: attributes into records, as each provider publishes them.

Sources: the documentation of `aws_route53_record`, `cloudflare_record` / `cloudflare_dns_record`,
`google_dns_record_set` and `azurerm_dns_*_record`. What this file will not do: find the zone of a record.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from deliverkit.facts.source import SourceRecord
from deliverkit.world import rdata
from deliverkit.world.masterfile import ZoneError, words
from deliverkit.world.rdata import BadRdata, Token
from deliverkit.world.sources.jsontext import JsonText
from deliverkit.world.values import canonical, character_strings, text_octets

_TARGET_LAST = frozenset({"CNAME", "DNAME", "NS", "PTR", "MX", "SRV"})
_READ = frozenset(
    {"A", "AAAA", "CNAME", "DNAME", "NS", "PTR", "MX", "SRV", "CAA", "TLSA", "SSHFP", "DS", "SOA", "NAPTR"}
)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_OCTAL = re.compile(r"\\([0-3][0-7]{2})")
_BLOCKS = {
    "MX": ("preference", "exchange"),
    "SRV": ("priority", "weight", "port", "target"),
    "CAA": ("flags", "tag", "value"),
    "TLSA": ("usage", "selector", "matching_type", "certificate"),
    "SSHFP": ("algorithm", "type", "fingerprint"),
    "DS": ("key_tag", "algorithm", "digest_type", "digest"),
    "NAPTR": ("order", "preference", "flags", "service", "regex", "replacement"),
}
"""The attributes of a block, in the order of the type's presentation form."""
_IN_QUOTES = frozenset({("CAA", 2), ("NAPTR", 2), ("NAPTR", 3), ("NAPTR", 4)})


class Provider(NamedTuple):
    """How a provider's resources are read: which attribute names a record's zone, and by what a zone names itself."""

    word: str
    zone_key: str
    zone_name: tuple[str, ...]
    zone_id: tuple[str, ...]


ROUTE53 = Provider("route53", "zone_id", ("name",), ("zone_id", "id"))
CLOUDFLARE = Provider("cloudflare", "zone_id", ("zone", "name"), ("id", "zone_id"))
GOOGLE = Provider("google", "managed_zone", ("dns_name",), ("name", "id"))
AZURE = Provider("azure", "zone_name", ("name",), ())
_AZURE_TYPES = ("a", "aaaa", "cname", "mx", "txt", "ns", "srv", "caa", "ptr")

PROVIDERS: dict[str, Provider] = {
    "aws_route53_record": ROUTE53,
    "cloudflare_record": CLOUDFLARE,
    "cloudflare_dns_record": CLOUDFLARE,
    "google_dns_record_set": GOOGLE,
    **{f"azurerm_dns_{type_}_record": AZURE for type_ in _AZURE_TYPES},
}
ZONES: dict[str, Provider] = {
    "aws_route53_zone": ROUTE53,
    "cloudflare_zone": CLOUDFLARE,
    "google_dns_managed_zone": GOOGLE,
    "azurerm_dns_zone": AZURE,
}


@dataclass(frozen=True)
class Resource:
    """One record resource: its attributes, and where it stands in the text."""

    provider: Provider
    type: str
    address: str
    values: dict[str, Any]
    text: JsonText
    at: int
    below: tuple[str, ...]

    def line(self) -> int:
        """The line the resource begins in."""
        return self.text.line(self.at)

    def lines(self) -> dict[tuple[Any, ...], int]:
        """The line of each attribute, of its elements and of theirs."""
        here = JsonText(self.text.text, self.text.file, self.at)
        found: dict[tuple[Any, ...], int] = {}
        self._down(here, self.below, found)
        return found

    def _down(self, here: JsonText, below: tuple[str, ...], found: dict[tuple[Any, ...], int]) -> None:
        for key in here.members():
            if below and key == below[0]:
                self._down(here, below[1:], found)
            elif not below:
                found[key,] = self.text.line(here.at)
                for number in here.elements():
                    found[key, number] = self.text.line(here.at)
                    for inner in here.members():
                        found[key, number, inner] = self.text.line(here.at)


class _Value(NamedTuple):
    """One value of a set: its text in the provider's form (None: not known yet), and the attribute it stands in."""

    text: str | None
    path: tuple[Any, ...]
    shown: str = ""


def records_of(one: Resource, zone: str, after_unknown: Any) -> list[SourceRecord]:
    """The records a resource makes in a zone. Raises ZoneError."""
    line = one.line()
    lines = one.lines() if one.text.broken(one.at) else {}
    open_ = after_unknown if isinstance(after_unknown, dict) else {}
    name, written = _name(one, zone, open_, lines.get(("name",), line))
    type_ = _type(one)
    flags, why = _flags(one, open_)
    ttl = one.values.get("ttl")
    ttl = int(ttl) if isinstance(ttl, (int, float)) and 0 <= ttl < 2**32 else None
    found = []
    for value in _values(one, type_, why is not None):
        here = next((lines[value.path[:n]] for n in (3, 2, 1) if value.path[:n] in lines), line)
        plain: Any = None
        strings: tuple[str, ...] = ()
        text = value.text or value.shown
        if value.text is not None and type_ != "*":
            plain, strings = _plain(one, type_, value.text, here)
        unknown = why or (None if plain is not None else "known after apply")
        file = one.text.file
        record = SourceRecord(name, written, type_, ttl, plain, text, file, here, strings, flags, unknown)
        found.append(replace(record, entry=one.address))
    return found


def _name(one: Resource, zone: str, open_: dict[str, Any], line: int) -> tuple[str, str]:
    """The absolute name and what was written; "*" where it is known after apply."""
    written = one.values.get("name")
    if not isinstance(written, str):
        if one.provider is ROUTE53 and not open_.get("name"):
            return zone, ""
        return "*", ""
    text = written.rstrip(".") if one.provider is not AZURE else written
    found = canonical(text) if text not in ("", "@") else zone
    if found is not None and found != zone and not (found.endswith(f".{zone}") and one.provider is not AZURE):
        found = None if one.provider is GOOGLE else canonical(f"{found}.{zone}")
    if found is None:
        remedy = f"write a name in {zone}" + (" with its final dot" if one.provider is GOOGLE else "")
        raise ZoneError(one.text.file, line, written, f"{one.address}: no name of the zone {zone}", remedy)
    return found, written


def _type(one: Resource) -> str:
    if one.provider is AZURE:
        return one.type.split("_")[2].upper()
    told = one.values.get("type")
    return told.upper() if isinstance(told, str) and told else "*"


def _flags(one: Resource, open_: dict[str, Any]) -> tuple[frozenset[str], str | None]:
    """Words of the provider, and why the value is not known where a policy or an alias makes it."""
    values = one.values
    flags = set()
    why = None
    if values.get("proxied") is True:
        flags.add("proxied")
    if values.get("set_identifier"):
        flags.add("routed")
    alias = values.get("alias") if one.provider is ROUTE53 else values.get("target_resource_id")
    if alias or (one.provider is ROUTE53 and open_.get("alias") not in (None, False, [])):
        flags.add("alias")
        why = "an alias, whose data the provider makes"
    if values.get("routing_policy"):
        flags.add("routed")
        why = "a routing policy chooses the answer"
    return frozenset(flags), why


def _values(one: Resource, type_: str, made: bool) -> list[_Value]:
    """The values of a set; a single unknown one where an alias or a policy makes them, or nobody knows them yet."""
    values = one.values
    if made:
        alias = values.get("alias")
        first = alias[0] if isinstance(alias, list) and alias else None
        target = first.get("name") if isinstance(first, dict) else None
        return [_Value(None, ("alias",) if target else (), str(target or ""))]
    if one.provider is CLOUDFLARE:
        return [_cloudflare(values, type_)]
    for key in ("records", "rrdatas", "record"):
        told = values.get(key)
        if isinstance(told, str):
            return [_Value(told, (key,))]
        if isinstance(told, list) and told:
            return [_Value(_block(inner, type_), (key, number)) for number, inner in enumerate(told)]
    return [_Value(None, ())]


def _cloudflare(values: dict[str, Any], type_: str) -> _Value:
    for key in ("content", "value"):
        told = values.get(key)
        if isinstance(told, str):
            priority = values.get("priority")
            if type_ in ("MX", "SRV", "URI") and priority is not None:
                return _Value(f"{_number(priority)} {told}", (key,))
            return _Value(told, (key,))
    data = values.get("data")
    data = data[0] if isinstance(data, list) and data else data
    if isinstance(data, dict):
        return _Value(_block({"priority": values.get("priority"), **data}, type_), ("data",))
    return _Value(None, ())


def _block(told: Any, type_: str) -> str | None:
    """The presentation form of an element: a text already, or a block with attributes; None where one is unknown."""
    if isinstance(told, str):
        return told
    if not isinstance(told, dict):
        return None
    if type_ == "TXT":
        text = told.get("value")
        return text if isinstance(text, str) else None
    parts = []
    for at, key in enumerate(_BLOCKS.get(type_, ())):
        part = told.get(key)
        if part is None:
            return None
        quoted = str(part).replace("\\", "\\\\").replace('"', '\\"')
        parts.append(f'"{quoted}"' if (type_, at) in _IN_QUOTES else _number(part))
    return " ".join(parts) or None


def _number(told: Any) -> str:
    return str(int(told)) if isinstance(told, float) and told.is_integer() else str(told)


def _plain(one: Resource, type_: str, text: str, line: int) -> tuple[Any, tuple[str, ...]]:
    """The plain value as the provider publishes it, and the strings of a TXT record as they were written."""
    if type_ in ("TXT", "SPF"):
        octets, strings = txt(one.provider.word, text)
        if sum(map(len, octets)) > rdata.MAX_RDATA // 2:
            raise ZoneError(one.text.file, line, text, f"a text of {sum(map(len, octets))} octets", "shorten it")
        return tuple(part for string in octets for part in character_strings(string)), strings
    if type_ not in _READ:
        return text, ()
    tokens = words(text.replace("\r", " ").replace("\n", " "), one.text.file, line)
    if type_ in _TARGET_LAST and tokens and not tokens[-1].text.endswith("."):
        tokens[-1] = tokens[-1]._replace(text=tokens[-1].text + ".")
    try:
        return rdata.parse(type_, tokens, "."), ()
    except BadRdata as bad:
        told = f"{one.address}: {bad.why}"
        raise ZoneError(one.text.file, line, bad.text, told, bad.remedy) from None


def txt(provider: str, text: str) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """The strings a provider publishes for a text, and as they were written.

    Route 53's resource puts quotation marks around the text itself, so that ``""`` inside it begins another string.
    Google takes presentation form: unquoted words are strings of their own. Cloudflare takes both forms. Azure cuts the
    text itself, and publishes quotation marks as they are.
    """
    if provider == "azure" or (provider == "cloudflare" and not text.startswith('"')):
        return (text_octets(text),), (text,)
    if provider == "route53" and not (len(text) > 1 and text.startswith('"') and text.endswith('"')):
        text = f'"{text}"'
    written = _STRING.findall(text)
    if _STRING.sub("", text).strip():  # words outside of quotation marks
        written = [quoted or bare for quoted, bare in re.findall(r'"((?:[^"\\]|\\.)*)"|([^\s"]+)', text)]
    strings = tuple(written) or ("",)
    if provider == "route53":  # escapes are octal there
        eight = tuple(_OCTAL.sub(lambda m: f"\\{int(m[1], 8):03d}", one) for one in strings)
        return tuple(rdata.string_octets(Token(one, True, 0)) for one in eight), strings
    return tuple(rdata.string_octets(Token(one, True, 0)) for one in strings), strings

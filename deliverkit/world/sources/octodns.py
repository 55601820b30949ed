"""octoDNS YAML as a source of records: one file a zone, or a folder of files named after it ("example.com./").

Read as octoDNS's YamlProvider reads it: names relative to the zone, targets absolute, TXT with ``\\;`` and cut anew,
``!include`` inside the folder of the zone, anchors and merge keys. What this file will not do: run octoDNS, its
processors or its providers, so what they add or drop is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deliverkit.facts.settings.yamlnodes import LACKING, Node, items, line_of, pairs, read_yaml, scalar
from deliverkit.facts.source import SourceFacts, SourceRecord
from deliverkit.names import BadName, to_ascii
from deliverkit.world import rdata
from deliverkit.world.masterfile import (
    MAX_FILE_OCTETS,
    MAX_INCLUDE_DEPTH,
    MAX_INCLUDES,
    MAX_RECORDS,
    ZoneError,
    parse_ttl,
)
from deliverkit.world.rdata import BadRdata, Token
from deliverkit.world.sources.model import SourceZone, source_zone
from deliverkit.world.values import canonical, character_strings, text_octets

DEFAULT_TTL = 3600  # of YamlProvider, where its configuration says nothing else
MAX_VALUES = 4_000_000
TARGETS = frozenset({"CNAME", "DNAME", "NS", "PTR", "ALIAS"})
FIELDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "MX": (("preference", "priority"), ("exchange", "value")),
    "SRV": (("priority",), ("weight",), ("port",), ("target",)),
    "CAA": (("flags",), ("tag",), ("value",)),
    "SSHFP": (("algorithm",), ("fingerprint_type",), ("fingerprint",)),
    "TLSA": (("certificate_usage",), ("selector",), ("matching_type",), ("certificate_association_data",)),
    "DS": (("key_tag",), ("algorithm",), ("digest_type",), ("digest",)),
    "NAPTR": (("order",), ("preference",), ("flags",), ("service",), ("regexp",), ("replacement",)),
}
"""The members of a value, in the order of the type's presentation form."""
_IN_QUOTES = frozenset({("CAA", 2), ("NAPTR", 2), ("NAPTR", 3), ("NAPTR", 4)})
_OMITTED = {("MX", 0): "0", ("CAA", 0): "0"}


def read(path: Path, shown: str, origin: str | None) -> tuple[SourceZone, ...]:
    """The one zone of a file or folder; all files of a folder are read, they belong together. Raises ZoneError."""
    zone = path.name if path.is_dir() else path.parent.name if path.parent.name.endswith(".") else path.stem
    try:
        own = origin or canonical(to_ascii(zone) if not zone.isascii() else zone)
    except BadName:
        own = None
    if own is None:
        remedy = "name the file after its zone (example.com.yaml), or name its origin in the configuration"
        raise ZoneError(shown, None, zone, "the file's name is no zone", remedy)
    reader = Reader(own)
    for file, called in files_of(path, shown):
        reader.read_file(file, called)
    return (source_zone(SourceFacts(own, "octodns", shown, tuple(reader.records)), default_ttl=DEFAULT_TTL),)


def files_of(path: Path, shown: str) -> list[tuple[Path, str]]:
    """The files of the zone, each with the name it is called by."""
    if not path.is_dir() and not path.parent.name.endswith("."):
        return [(path, shown)]
    folder, called = (path, Path(shown)) if path.is_dir() else (path.parent, Path(shown).parent)
    found = sorted(one for one in folder.iterdir() if one.suffix in (".yaml", ".yml") and one.is_file())
    if len(found) > MAX_INCLUDES * 100:
        raise ZoneError(str(called), None, "", f"holds more than {MAX_INCLUDES * 100} files", "split the zone less")
    return [(one, str(called / one.name)) for one in found]


class Reader:
    """The records of one zone, from as many files as it has."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.records: list[SourceRecord] = []
        self.file = ""
        self.included = 0
        self._name_lines: dict[str, int] = {}

    def read_file(self, path: Path, shown: str) -> None:
        """Read one file: names, each with a record or a list of them."""
        self.file = shown
        root = self._composed(path, shown, path.resolve().parent, 0)
        if root is None:
            return
        if root.id != "mapping":
            raise self._fault(root, "no mapping of names to records", "write  name: {type: A, value: 192.0.2.1}")
        self._name_lines = {key.value: line_of(key) for key, _ in root.value if key.id == "scalar"}
        entries = pairs(root)
        kept = {id(node) for _, node in entries}
        for name, node in entries:
            self._at_name(name, node, frozenset())
        for key, node in root.value:  # YAML lets the last of a key win, so that the first is never published
            if key.id == "scalar" and key.value != "<<" and id(node) not in kept:
                self._at_name(key.value, node, frozenset({"lost"}))

    # -- files ------------------------------------------------------------------------------------------

    def _composed(self, path: Path, shown: str, root: Path, depth: int) -> Node | None:
        """The one document of a file, what it includes put in its place."""
        self.included += 1
        if depth > MAX_INCLUDE_DEPTH or self.included > MAX_INCLUDES * 101:
            raise ZoneError(shown, None, "", "is included too deep or too often", "break the circle of !include")
        text = _text(path, shown)
        read = read_yaml(text, shown, largest=MAX_FILE_OCTETS, most=MAX_VALUES)
        for unread in read.unread:
            remedy = "pip install 'deliverkit[source]'" if unread.why == LACKING else "correct the YAML at this line"
            why = "is YAML, and what reads YAML is not installed" if unread.why == LACKING else unread.why
            raise ZoneError(shown, unread.place.line, "", why, remedy)
        if not read.documents:
            return None
        if len(read.documents) > 1:
            line = line_of(read.documents[1])
            raise ZoneError(shown, line, "", "a second document; octoDNS reads one", "remove the line with ---")
        document = read.documents[0]
        if depth or "!include" in text:
            self._marked(document, shown, path, root, depth)
        return self._with_includes(document, shown, path, root, depth)

    def _marked(self, node: Node, shown: str, path: Path, root: Path, depth: int) -> None:
        """Say of each node which file it stands in, and put included documents where they are asked for."""
        seen: set[int] = set()
        waiting = [node]
        while waiting:
            one = waiting.pop()
            if id(one) in seen:
                continue
            seen.add(id(one))
            if depth:
                one.file = shown
            if one.id == "sequence":
                one.value = [self._with_includes(inner, shown, path, root, depth) for inner in one.value]
                waiting += [inner for inner in one.value if not hasattr(inner, "file") or depth]
            elif one.id == "mapping":
                one.value = [(key, self._with_includes(inner, shown, path, root, depth)) for key, inner in one.value]
                waiting += [inner for _, inner in one.value if not hasattr(inner, "file") or depth]

    def _with_includes(self, node: Node, shown: str, path: Path, root: Path, depth: int) -> Node:
        if node.tag != "!include" or node.id != "scalar":
            return node
        line = line_of(node)
        try:
            target = (path.parent / node.value).resolve()
            inside = target.is_relative_to(root) and target.is_file()
        except (OSError, RuntimeError, ValueError):
            inside = False
        if not inside:
            remedy = "correct the path, or move the file beside the zone"
            raise ZoneError(shown, line, node.value, f"no file to include inside {root.name or root}", remedy)
        called = str(Path(shown).parent / node.value)
        found = self._composed(target, called, root, depth + 1)
        if found is None:
            raise ZoneError(shown, line, node.value, "the file to include is empty", "remove the line")
        return found

    # -- records ----------------------------------------------------------------------------------------

    def _at_name(self, written: str, node: Node, flags: frozenset[str]) -> None:
        if node.id == "mapping":
            self._record(written, node, flags)
            return
        if node.id != "sequence" or not node.value:
            raise self._fault(node, f"{written!r} has no record", "write  type: …  and  value: …  below it")
        for one in node.value:
            if one.id != "mapping":
                raise self._fault(one, f"{written!r} has an entry that is no record", "write  - type: …")
            self._record(written, one, flags)

    def _record(self, written: str, node: Node, flags: frozenset[str]) -> None:
        members = dict(pairs(node))
        type_node = members.get("type")
        type_ = scalar(type_node)
        if not type_ or not re.fullmatch(r"[A-Za-z][A-Za-z0-9/_-]{0,60}", type_):
            raise self._fault(type_node or node, f"{written!r} has a record without a type", "write  type: A")
        if "octodns" in members:
            special = dict(pairs(members["octodns"]))
            if _true(special.get("ignored")):
                return
            if _true(dict(pairs(special.get("cloudflare"))).get("proxied")):
                flags |= {"proxied"}
        name = self._name(written, node)
        ttl = self._ttl(members.get("ttl"))
        varied = next((word for word in ("dynamic", "geo") if word in members), None)
        entry = f"{getattr(node, 'file', self.file)}:{line_of(node)}"
        for value_node in self._values(written, type_, members, node):
            file, line = getattr(value_node, "file", self.file), line_of(value_node)
            value, text, strings = self._value(type_.upper(), value_node)
            self._keep(
                SourceRecord(
                    name,
                    written,
                    type_.upper(),
                    ttl,
                    value,
                    text,
                    file,
                    line,
                    strings,
                    flags | {"alias"} if type_.upper() == "ALIAS" else flags,
                    f"answers come from a pool ({varied})" if varied else None,
                    entry=entry,
                    name_line=self._name_lines.get(written),
                )
            )

    def _keep(self, record: SourceRecord) -> None:
        if len(self.records) >= MAX_RECORDS:
            raise ZoneError(record.file, record.line, "", f"more than {MAX_RECORDS} records", "give a part of the zone")
        self.records.append(record)

    def _values(self, written: str, type_: str, members: dict[str, Node], node: Node) -> Iterator[Node]:
        """The nodes of the values; ``values`` before ``value``, as octoDNS prefers."""
        for key in ("values", "value"):
            found = members.get(key)
            if found is None or (found.id == "scalar" and scalar(found) is None):
                continue
            if found.id == "sequence":
                if not found.value:
                    continue
                yield from items(found)
            else:
                yield found
            return
        raise self._fault(node, f"{type_} of {written!r} has no value", "write  value: …  or  values: […]")

    def _name(self, written: str, node: Node) -> str:
        if written == "@":
            raise self._fault(node, "'@' is no name in octoDNS", "write '' for the zone's own name")
        try:
            text = written if written.isascii() else to_ascii(written)
        except BadName:
            text = ".."
        found = canonical(f"{text}.{self.origin}") if text else self.origin
        if found is None or text.endswith("."):
            remedy = "write it relative to the zone, without a final dot, labels of 1 to 63 octets"
            raise ZoneError(getattr(node, "file", self.file), line_of(node), written, "no name of octoDNS", remedy)
        return found

    def _ttl(self, node: Node | None) -> int | None:
        if node is None:
            return None
        text = scalar(node) or ""
        if not text.isdigit():
            raise self._fault(node, "the TTL is no number of seconds", "write  ttl: 3600", text)
        seconds = parse_ttl(text)
        return 2**31 if seconds is None else seconds  # beyond the limit: a rule says so

    # -- values -----------------------------------------------------------------------------------------

    def _value(self, type_: str, node: Node) -> tuple[Any, str, tuple[str, ...]]:
        """The plain value, the text as written, and the strings of a TXT record."""
        if type_ in ("TXT", "SPF"):
            return self._text(node)
        tokens = self._tokens(type_, node)
        text = " ".join(token.text for token in tokens)
        if type_ in TARGETS or type_ in ("MX", "SRV"):  # targets are absolute, whether their dot is there or not
            last = tokens[-1]
            tokens[-1] = last._replace(text=last.text if last.text.endswith(".") else last.text + ".")
        if type_ not in FIELDS and type_ not in TARGETS and type_ not in ("A", "AAAA"):
            return text, text, ()  # of no meaning for mail
        try:
            return rdata.parse("CNAME" if type_ == "ALIAS" else type_, tokens, "."), text, ()
        except BadRdata as bad:
            file = getattr(node, "file", self.file)
            raise ZoneError(file, bad.line or line_of(node), bad.text, f"{type_}: {bad.why}", bad.remedy) from None

    def _text(self, node: Node) -> tuple[Any, str, tuple[str, ...]]:
        """As octoDNS: quotation marks around it go, strings are joined, ``\\;`` is a semicolon, then it is cut anew."""
        text = scalar(node)
        if text is None:
            raise self._fault(node, "a TXT record without text", "write  value: v=spf1 -all")
        bare = text[1:-1] if text.startswith('"') else text
        octets = text_octets(bare.replace('" "', "").replace("\\;", ";"))
        if len(octets) > rdata.MAX_RDATA // 2:
            raise self._fault(node, f"a text of {len(octets)} octets", "shorten it")
        return character_strings(octets), text, tuple(bare.split('" "'))

    def _tokens(self, type_: str, node: Node) -> list[Token]:
        line = line_of(node)
        if node.id == "scalar":
            text = scalar(node)
            if not text or not text.strip():
                raise self._fault(node, f"{type_} without a value", "write  value: …")
            return [Token(word, False, line) for word in text.split()]
        members = dict(pairs(node))
        if type_ not in FIELDS:
            words = (f"{name}={scalar(one)}" for name, one in members.items())
            return [Token(word, False, line) for word in words] or [Token("", False, line)]
        found = []
        for at, names in enumerate(FIELDS[type_]):
            member = next((members[name] for name in names if name in members), None)
            told = scalar(member) if member is not None else _OMITTED.get((type_, at))
            if told is None:
                raise self._fault(node, f"{type_} without {names[-1]}", f"write  {names[-1]}: …")
            quoted = (type_, at) in _IN_QUOTES
            inner = told.replace("\\", "\\\\").replace('"', '\\"') if quoted else "".join(told.split())
            found.append(Token(inner, quoted, line if member is None else line_of(member)))
        return found

    def _fault(self, node: Node, why: str, remedy: str, text: str = "") -> ZoneError:
        return ZoneError(getattr(node, "file", self.file), line_of(node), text, why, remedy)


def _true(node: Node | None) -> bool:
    return (scalar(node) or "").lower() in ("true", "yes", "on")


def _text(path: Path, shown: str) -> str:
    """The text of a file within the bounds."""
    from deliverkit.world.masterfile import file_octets

    try:
        return file_octets(path, shown).decode("utf-8")
    except UnicodeDecodeError as bad:
        line = bad.object.count(b"\n", 0, bad.start) + 1
        raise ZoneError(shown, line, "", "is no UTF-8", "save the file as UTF-8") from None

"""Random zones, random changes: the file says what it should, and all other octets are as they were."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from deliverkit.engine.edit.model import CannotApply
from deliverkit.world.masterfile import ZoneRecord, read_master_file
from deliverkit.world.values import TEXT_TYPES, presentation
from tests.engine.edit.bringing import bring

SETTINGS = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.generate]
)
LABELS = ("www", "mail", "_dmarc", "s1._domainkey", "s2._domainkey", "a.b", "*", "ftp10")


@dataclass
class Row:
    """One entry: its text with line ends as ``\\n``, and the (name, type, value) it states."""

    text: str
    states: tuple[str, str, str] | None = None
    owner: bool = True


values = st.one_of(
    st.tuples(st.just("A"), st.integers(1, 250).map(lambda n: f"192.0.2.{n}")),
    st.tuples(st.just("MX"), st.integers(0, 99).map(lambda n: f"{n} mx{n}.example.com.")),
    st.tuples(st.just("TXT"), st.text('abc =;()~\\"ä-', min_size=1, max_size=40)),
    st.tuples(st.just("TXT"), st.integers(256, 600).map(lambda n: "k=" + "B" * n)),
    st.tuples(st.just("NS"), st.just("ns.example.net.")),
)
names = st.sampled_from(("", *LABELS)).map(lambda label: f"{label}.example.com" if label else "example.com")


def quoted(text: str) -> str:
    """A string as a person writes it: only what must be is escaped."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def data(draw: st.DrawFn, type_: str, value: str, origin: str) -> str:
    """The data in some style."""
    if type_ == "TXT":
        cut = draw(st.integers(1, 250))
        parts = [quoted(value[at : at + cut]) for at in range(0, len(value), cut)]
        style = draw(st.sampled_from(["line", "folded", "commented"]))
        if style == "line":
            return " ".join(parts)
        between = "\n\t\t" if style == "folded" else ' ; a part (of "it\n    '
        return f"( {between.join(parts)} )"
    host = value.rsplit(" ", 1)[-1]
    if type_ in ("MX", "NS") and host.endswith(f".{origin}.") and draw(st.booleans()):
        short = host.removesuffix(f".{origin}.")
        return value.removesuffix(host) + short
    return value


@st.composite
def zones(draw: st.DrawFn) -> list[Row]:
    """Entries of a file, the first of them the origin, TTL and SOA."""
    rows = [
        Row(draw(st.sampled_from(["$ORIGIN example.com.\n", "; a zone\n\n$ORIGIN EXAMPLE.com. ; here\n"]))),
        Row(draw(st.sampled_from(["$TTL 3600\n", "$TTL 1h\n", ""]))),
        Row(
            "@ IN SOA ns hostmaster (\n  2026010100 ; serial\n  7200 3600 1209600 3600 )\n", ("example.com", "SOA", "")
        ),
    ]
    origin, owner = "example.com", "example.com"
    for _ in range(draw(st.integers(0, 8))):
        kind = draw(st.sampled_from(["record"] * 6 + ["comment", "origin"]))
        if kind == "comment":
            rows.append(Row(draw(st.sampled_from(["\n", "; note é\n", "   \t\n", "  ; indented ( \n"]))))
            continue
        if kind == "origin":
            origin = draw(st.sampled_from(["example.com", "sub.example.com", "b.example.com"]))
            rows.append(Row(f"$ORIGIN {origin}.\n"))
            continue
        type_, value = draw(values)
        blank = draw(st.booleans()) and len(rows) > 3
        if not blank:
            owner = draw(names)
        spelled = "" if blank else _spelled(owner, origin, relative=draw(st.booleans()))
        gap = draw(st.sampled_from([" ", "\t", "    ", "\t\t"]))
        head = draw(st.sampled_from(["", f"300{gap}", f"IN{gap}", f"IN{gap}1h{gap}", f"600{gap}in{gap}"]))
        tail = draw(st.sampled_from(["", " ; why", "     ; (column", " "]))
        word = draw(st.sampled_from([type_, type_.lower()]))
        text = f"{spelled}{gap}{head}{word}{gap}{draw(data(type_, value, origin))}{tail}\n"
        rows.append(Row(text, (owner, type_, value), owner=not blank))
    return rows


def _spelled(name: str, origin: str, *, relative: bool) -> str:
    if relative and name == origin:
        return "@"
    if relative and name.endswith(f".{origin}"):
        return name.removesuffix(f".{origin}")
    return f"{name}."


def meaning(record: ZoneRecord) -> tuple[str, str, object]:
    """A record however its text was cut."""
    return record.name, record.type, b"".join(record.value) if record.type in TEXT_TYPES else record.value


@SETTINGS
@given(zones(), st.data())
def test_nothing_else_changes(rows: list[Row], given_: st.DataObject) -> None:
    """Records go and come; what is read again is what should be there, and only their own entries changed."""
    end = given_.draw(st.sampled_from(["\n", "\r\n"]))
    rows[-1].text = rows[-1].text if given_.draw(st.booleans()) else rows[-1].text.removesuffix("\n")
    text = "".join(row.text for row in rows).replace("\n", end)
    stated = [row.states for row in rows if row.states and row.states[1] != "SOA"]
    removes = list(dict.fromkeys(given_.draw(st.lists(st.sampled_from(stated), max_size=3)) if stated else []))
    records = [
        (name, *value) for name, value in given_.draw(st.lists(st.tuples(names, values), max_size=3, unique_by=repr))
    ]
    removes_first = [one for one in removes if one not in records]
    assume(removes_first or records)
    try:
        made = bring({"example.com.zone": text.encode()}, removes_first, records)["example.com.zone"]
    except CannotApply as why:
        twice = any(stated.count(one) > 1 for one in records)  # a record that stands there twice already
        inherited = not rows[1].text  # TTLs come from the record above
        assert "another record would change with it" in str(why) and (inherited or twice)
        return

    before, after = _read(text.encode()), _read(made)
    gone = {meaning(record) for one in removes_first for record in _parsed(one)}
    new = [meaning(record) for one in records for record in _parsed(one)]
    kept = [r for r in before if meaning(r) not in gone]
    assert sorted(map(repr, map(meaning, after))) == sorted(map(repr, [*map(meaning, kept), *new]))
    ttls = {(*meaning(r), r.ttl) for r in after}
    assert all((*meaning(r), r.ttl) in ttls for r in kept)
    _only_their_entries(rows, text, made.decode(), set(removes_first), end)


def _read(octets: bytes) -> tuple[ZoneRecord, ...]:
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".zone") as file:
        file.write(octets)
        file.flush()
        return read_master_file(Path(file.name)).records


def _parsed(one: tuple[str, str, str]) -> tuple[ZoneRecord, ...]:
    from deliverkit.engine.edit.source import records_of
    from deliverkit.findings import RecordText

    return records_of([RecordText(*one)])


def _only_their_entries(rows: list[Row], text: str, made: str, removed: set[tuple[str, str, str]], end: str) -> None:
    """Lines that are gone belong to an entry that went, or to one that took its owner from it."""
    own: set[str] = set()
    heirs = False
    for row in rows:
        goes = row.states is not None and row.states in removed
        if row.states is not None and row.owner:
            heirs = False
        if goes or (heirs and row.states is not None):
            own |= set(row.text.replace("\n", end).split("\n"))
        heirs = heirs or (goes and row.owner) or (heirs and goes)
    old, new = text.split("\n"), made.split("\n")
    for row_text in difflib.ndiff(old, new):
        if row_text.startswith("- ") and row_text[2:] not in own:
            assert row_text[2:] == old[-1], row_text  # the last line gets a line end when something follows it
    assert not removed or made != text
    assert ("\r\n" in made) == ("\r\n" in text) or end not in text


def test_presentation_is_what_the_fix_says() -> None:
    """The helper of this file reads the values as the product does."""
    assert presentation("MX", _parsed(("example.com", "MX", "5 mx5.example.com."))[0].value) == "5 mx5.example.com."

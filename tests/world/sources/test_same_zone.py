"""One zone, written for six sources, is one zone; and no source makes the reader raise anything but ZoneError."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deliverkit.engine.sources import judge_source
from deliverkit.world import masterfile
from deliverkit.world.masterfile import ZoneError, parse_master_text
from deliverkit.world.sources import KINDS, read_source
from tests.world.sources.written import Plain, as_master, as_octodns, as_plan, read_text, told

IN_A_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

labels = st.from_regex(r"[a-z_][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)
hosts = st.lists(labels, min_size=1, max_size=3).map(lambda parts: ".".join(parts) + ".example.net")
texts = st.text("abcdefgh =:;-~/.123", min_size=1, max_size=600).map(
    lambda text: tuple(text.encode()[at : at + 255] for at in range(0, len(text), 255))
)
values = st.one_of(
    st.tuples(st.just("A"), st.ip_addresses(v=4).map(str)),
    st.tuples(st.just("AAAA"), st.ip_addresses(v=6).map(str)),
    st.tuples(st.just("MX"), st.tuples(st.integers(0, 65535), hosts)),
    st.tuples(st.just("TXT"), texts),
    st.tuples(st.just("CNAME"), hosts),
)


@st.composite
def zones(draw: st.DrawFn) -> list[Plain]:
    """Records of one TTL a set, and no alias beside others: what every source can say."""
    found: list[Plain] = []
    for name in draw(st.lists(st.one_of(st.just(""), labels), unique=True, min_size=1, max_size=4)):
        ttl = draw(st.integers(60, 86400))
        drawn = draw(st.lists(values, min_size=1, max_size=4, unique_by=repr))
        alias = next((one for one in drawn if one[0] == "CNAME"), None)
        found += [(name, type_, ttl, value) for type_, value in ([alias] if alias else drawn)]
    return found


@IN_A_FOLDER
@given(zones())
def test_every_source_says_the_same(tmp_path: Path, records: list[Plain]) -> None:
    """Master file, octoDNS and the four providers, indented or not: equal zones, each record with its line."""
    first, *others = [
        read_text(tmp_path, "example.com.zone", as_master(records)),
        read_text(tmp_path, "example.com.yaml", as_octodns(records)),
        *(
            read_text(tmp_path, f"{provider}.json", as_plan(records, provider, indent))
            for provider in ("route53", "cloudflare", "google", "azure")
            for indent in (None, 1)
        ),
    ]
    assert len(told(first[0])) == len({repr((n, t, b"".join(v) if t == "TXT" else v)) for n, t, _, v in records})
    for other in others:
        if other[0].facts.provider == "cloudflare":  # an alias at the apex is flattened there
            apex = {("example.com", "CNAME")} & {r[:2] for r in told(first[0])}
            if apex:
                continue
        assert [zone.zone.origin for zone in other] == ["example.com"]
        assert told(other[0]) == told(first[0])
        assert all(record.line for record in other[0].facts.records)


@IN_A_FOLDER
@given(zones(), st.integers(1, 10**6))
def test_lines_are_those_of_the_values(tmp_path: Path, records: list[Plain], seed: int) -> None:
    """Each record's line, looked up in the text, holds its value."""
    for name, text in (("example.com.yaml", as_octodns(records)), ("p.json", as_plan(records, "azure"))):
        lines = text.split("\n")
        for record in read_text(tmp_path, name, text)[0].facts.records:
            assert record.line is not None
            needle = str(record.value[0]) if record.type == "MX" else json.dumps(record.text)[1:-1]
            assert needle in " ".join(lines[record.line - 1 : record.line + 2])


_TOKENS = (
    *("@", "a", "IN", "3600", "A", "MX", "TXT", "CNAME", "192.0.2.1", "10", "mx", '"a b"', '"', "(", ")", ";", "\\"),
    *("$ORIGIN", "$TTL", "$GENERATE", "1-3", "example.com.", "\n", "\n ", "\t", " ", "\r\n", "\r", "x" * 64, "\xa0"),
    *("é", "\x1c", "\x0c", "99999999999", "256.1.1.1", "01.2.3.4", "::1", "1.2.3.4:", "AAAA", "NS", "65536", "x" * 256),
)
_WORDS = st.one_of(st.sampled_from(_TOKENS), st.text(max_size=6))


@given(st.lists(_WORDS, max_size=30).map(" ".join), st.booleans())
def test_the_fast_line_says_what_the_slow_one_says(text: str, glued: bool) -> None:
    """Whatever the text: the same records, or the same fault."""
    text = text.replace(" \n ", "\n").replace("\n ", "\n") if glued else text

    def read() -> Any:
        reader = masterfile.Reader(root=None, origin="example.com", as_written=True)
        try:
            reader.read_text(text, "z")
        except ZoneError as bad:
            return str(bad)
        return reader.result()

    quick = read()
    never = pytest.MonkeyPatch()
    never.setattr(masterfile.Reader, "_plain_record", lambda *_: False)
    with contextlib.ExitStack() as stack:
        stack.callback(never.undo)
        slow = read()
    if isinstance(quick, str) or isinstance(slow, str):
        assert quick == slow
    else:
        assert quick.records == slow.records and quick.first_origin == slow.first_origin
        bare = [[(w.owner, w.ttl, "".join(w.text.split()), w.strings) for w in one.written] for one in (quick, slow)]
        assert bare[0] == bare[1]


@pytest.mark.parametrize(
    "line",
    [
        "@ 300 IN A 192.0.2.1",
        "w AAAA 2001:DB8::1 ; c",
        '_dmarc 60 TXT "v=DMARC1; p=none" "x"',
        "@ IN MX 10 mx",
        " NS ns",
    ],
)
def test_plain_lines_take_the_fast_way(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What most lines look like never comes to the lexer."""
    monkeypatch.setattr(masterfile, "logical_line", None)
    assert len(parse_master_text(f"@ A 192.0.2.9\n{line}\n", origin="example.com").records) == 2


_YAML = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from(["A", "TXT", "MX", "v=spf1 -all"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["", "a", "type", "ttl", "value", "values", "octodns", "exchange", "preference", "<<"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)
_KEYS = (
    *(
        "planned_values",
        "root_module",
        "resources",
        "child_modules",
        "values",
        "type",
        "mode",
        "name",
        "records",
        "ttl",
    ),
    *("resource_changes", "change", "after", "configuration", "content", "zone_id", "alias", "record"),
)
_PLAN = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from(["TXT", "managed", "aws_route53_record"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "planned_values",
                    "root_module",
                    "resources",
                    "child_modules",
                    "values",
                    "type",
                    "mode",
                    "name",
                    "records",
                    "resource_changes",
                    "change",
                    "after",
                    "configuration",
                    "content",
                    "zone_id",
                    "alias",
                    "record",
                    "ttl",
                ]
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=25,
)
_RESOURCES = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(
                ["aws_route53_record", "cloudflare_record", "google_dns_record_set", "azurerm_dns_mx_record"]
            )
        },
        optional={
            "address": st.text(max_size=5),
            "values": st.dictionaries(
                st.sampled_from(
                    ["name", "type", "ttl", "records", "record", "rrdatas", "content", "data", "alias", "zone_name"]
                ),
                _PLAN,
            ),
        },
    ),
    max_size=3,
).map(lambda resources: {"planned_values": {"root_module": {"resources": resources}}})


@IN_A_FOLDER
@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(_WORDS, max_size=30).map(lambda words: " ".join(words).encode("utf-8", "replace")),
        _YAML.map(lambda told: json.dumps(told).encode()),
        _PLAN.map(lambda told: json.dumps(told).encode()),
        _RESOURCES.map(lambda told: json.dumps(told, indent=1).encode()),
    ),
    st.sampled_from(KINDS),
)
def test_whatever_a_file_holds_it_is_read_or_refused(tmp_path: Path, octets: bytes, kind: str) -> None:
    """Nothing but ZoneError comes out; what could be read can be judged, and no rule crashes."""
    path = tmp_path / "example.com.yaml"
    path.write_bytes(octets)
    try:
        found = read_source(path, kind=kind, origin="example.com", shown="f")
    except ZoneError as bad:
        assert bad.file == "f" and bad.why and bad.remedy and str(bad).startswith("f")
        return
    for zone in found:
        report = judge_source(zone.facts)
        assert [i for i in report.inconclusive if "crashed" in i.reason] == []
        assert zone.zone.find("a.example.com", "TXT")

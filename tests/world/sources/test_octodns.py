"""octoDNS YAML: what octoDNS would publish, each record with its line; and what it would refuse."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from deliverkit.facts.settings import yamlnodes
from deliverkit.flow import Question, Status
from deliverkit.world import World
from deliverkit.world.sources import ZoneError, kind_of, read_source
from deliverkit.world.zone import overlay
from tests.world.sources.written import read_text

WHOLE = r"""---
x-ttl: &defaults
  ttl: 120
  type: TXT
  value: unused
'':
- type: MX
  ttl: 300
  values:
  - {exchange: mx1.example.net., preference: 10}
  - value: mx2.example.net.
    priority: 20
- type: TXT
  values:
  - '"v=spf1 include:a.example.net" " -all"'
  - plain
- {type: CAA, value: {tag: issue, value: ca.example.net}}
- {type: ALIAS, value: lb.example.net.}
_dmarc:
  <<: *defaults
  value: v=DMARC1\; p=reject
_sip._tcp:
  type: SRV
  value: {priority: 1, weight: 2, port: 5060, target: sip.example.net.}
gone:
  octodns: {ignored: true}
  type: A
  value: 192.0.2.9
pool:
  dynamic: {pools: {a: {values: [{value: 192.0.2.1}]}}, rules: [{pool: a}]}
  type: A
  value: 192.0.2.1
redirect:
  type: URLFWD
  value: {path: /, target: "https://example.org", code: 301, masking: 0, query: 0}
www:
  octodns: {cloudflare: {proxied: true}}
  type: CNAME
  value: example.com.
"""


def test_the_forms_of_records(tmp_path: Path) -> None:
    """Mapping or list, value or values, old and new names of members, merge keys, special keys."""
    zone, facts = read_text(tmp_path, "config/example.com.yaml", WHOLE)[0]
    seen = {(r.name.removesuffix("example.com"), r.type, r.ttl, r.line): r.value for r in facts.records}
    assert seen == {
        ("x-ttl.", "TXT", 120, 5): (b"unused",),
        ("", "MX", 300, 10): (10, "mx1.example.net"),
        ("", "MX", 300, 11): (20, "mx2.example.net"),
        ("", "TXT", None, 15): (b"v=spf1 include:a.example.net -all",),
        ("", "TXT", None, 16): (b"plain",),
        ("", "CAA", None, 17): '0 issue "ca.example.net"',
        ("", "ALIAS", None, 18): "lb.example.net",
        ("_dmarc.", "TXT", 120, 21): (b"v=DMARC1; p=reject",),
        ("_sip._tcp.", "SRV", None, 24): "1 2 5060 sip.example.net.",
        ("pool.", "A", None, 32): "192.0.2.1",
        ("redirect.", "URLFWD", None, 35): "path=/ target=https://example.org code=301 masking=0 query=0",
        ("www.", "CNAME", None, 39): "example.com",
    }
    strings = next(r.strings for r in facts.records if r.line == 15)
    assert strings == ("v=spf1 include:a.example.net", " -all")
    assert zone.unknown == {
        ("example.com", "A"),
        ("example.com", "AAAA"),
        ("pool.example.com", "A"),
        ("www.example.com", "A"),
        ("www.example.com", "AAAA"),
    }


def test_what_is_open_is_unobserved(tmp_path: Path) -> None:
    """Never "no such record": the answer says where it stands and why it is open."""
    world = overlay(World.from_records({}), [read_text(tmp_path, "example.com.yaml", WHOLE)[0].zone])

    def ask(name: str, type_: str) -> tuple[Status, str]:
        answer = asyncio.run(world.dns.ask(Question(name, type_)))
        return answer.status, answer.detail

    assert ask("pool.example.com", "A") == (
        Status.UNOBSERVED,
        "example.com.yaml:32: answers come from a pool (dynamic)",
    )
    assert ask("www.example.com", "A")[0] is Status.UNOBSERVED
    assert ask("pool.example.com", "AAAA")[0] is Status.NODATA
    assert ask("example.com", "A")[1].startswith("example.com.yaml:18: the provider makes the addresses")
    assert ask("nowhere.example.com", "A")[0] is Status.NXDOMAIN


def test_a_folder_named_after_the_zone_is_one_zone(tmp_path: Path) -> None:
    """SplitYamlProvider: one file a name, the rest in $zone.yaml; any of them stands for all."""
    folder = tmp_path / "example.com."
    folder.mkdir()
    (folder / "www.yaml").write_text("www: {type: A, value: 192.0.2.1}\n")
    (folder / "$example.com.yaml").write_text("'': {type: A, value: 192.0.2.2}\n")
    for path, shown in ((folder, "c/example.com."), (folder / "www.yaml", "c/example.com./www.yaml")):
        assert kind_of(path) == "octodns"
        (zone,) = read_source(path, shown=shown)
        assert [(r.name, r.file, r.line) for r in zone.facts.records] == [
            ("example.com", "c/example.com./$example.com.yaml", 1),
            ("www.example.com", "c/example.com./www.yaml", 1),
        ]


def test_files_are_included_inside_the_folder(tmp_path: Path) -> None:
    """``!include`` for a record, for values and for a merge; the line is that of the file it stands in."""
    (tmp_path / "values.yaml").write_text("- v=spf1 -all\n- other\n")
    (tmp_path / "record.yaml").write_text("type: A\nvalue: 192.0.2.1\n")
    text = "'': {type: TXT, values: !include values.yaml}\nwww: !include record.yaml\n"
    text += "mail:\n  <<: !include record.yaml\n  ttl: 60\n"
    records = read_text(tmp_path, "example.com.yaml", text)[0].facts.records
    assert [(r.name, r.file, r.line, r.ttl) for r in records] == [
        ("example.com", "values.yaml", 1, None),
        ("example.com", "values.yaml", 2, None),
        ("www.example.com", "record.yaml", 2, None),
        ("mail.example.com", "record.yaml", 2, 60),
    ]


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("www: {type: A, value: !include ../secret.yaml}\n", 1, "no file to include"),
        ("www: !include example.com.yaml\n", None, "too deep"),
        ("www: !include loop.yaml\n", 1, "no file to include"),
    ],
)
def test_includes_stay_inside(tmp_path: Path, text: str, line: int | None, told: str) -> None:
    """No file elsewhere, no circle."""
    (tmp_path / "secret.yaml").write_text("192.0.2.1\n")
    (tmp_path / "z").mkdir()
    (tmp_path / "z/loop.yaml").symlink_to("loop.yaml")
    with pytest.raises(ZoneError, match=told) as caught:
        read_text(tmp_path / "z", "example.com.yaml", text)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("- a\n", 1, "no mapping of names to records"),
        ("www: 5\n", 1, "'www' has no record"),
        ("www: []\n", 1, "'www' has no record"),
        ("www:\n- type: A\n  value: 192.0.2.1\n- 7\n", 4, "an entry that is no record"),
        ("www: {value: 192.0.2.1}\n", 1, "a record without a type"),
        ("www:\n  type: A\n", 2, "A of 'www' has no value"),
        ("www:\n  type: A\n  value: 192.0.2\n", 3, "A: not an IPv4 address: '192.0.2'"),
        (
            "www:\n  type: MX\n  values:\n  - exchange: mx.\n    preference: many\n",
            5,
            "the preference must be a number",
        ),
        ("www:\n  type: MX\n  value: {preference: 10}\n", 3, "MX without value"),
        ("www:\n  ttl: soon\n  type: A\n  value: 192.0.2.1\n", 2, "the TTL is no number of seconds: 'soon'"),
        ("'@': {type: A, value: 192.0.2.1}\n", 1, "'@' is no name in octoDNS"),
        ("www.: {type: A, value: 192.0.2.1}\n", 1, "no name of octoDNS"),
        ("www: {type: TXT, value: {a: b}}\n", 1, "a TXT record without text"),
        ("a: [\n", 2, "no valid YAML"),
        ("a: {type: A, value: 192.0.2.1}\n---\nb: 1\n", 3, "a second document"),
        ("a: &a [*a]\n", 1, "grow without bound"),
        ("[" * 200, 1, "nested too deep"),
    ],
)
def test_faults_name_file_line_and_remedy(tmp_path: Path, text: str, line: int, told: str) -> None:
    """Every fault of the text is a ZoneError on its line."""
    with pytest.raises(ZoneError, match=told) as caught:
        read_text(tmp_path, "example.com.yaml", text, kind="octodns")
    assert (caught.value.file, caught.value.line) == ("example.com.yaml", line) and caught.value.remedy


def test_aliases_do_not_make_it_grow(tmp_path: Path) -> None:
    """A billion laughs are refused before they are followed."""
    lines = ["a0: &a0 {type: A, value: 192.0.2.1}"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(ZoneError, match="grow without bound"):
        read_text(tmp_path, "example.com.yaml", "\n".join(lines))


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PyYAML the way to it."""
    monkeypatch.setattr(yamlnodes, "_loader", lambda: None)
    with pytest.raises(ZoneError, match=r"pip install 'deliverkit\[source\]'"):
        read_text(tmp_path, "example.com.yaml", "a: {type: A, value: 192.0.2.1}\n")


def test_an_empty_zone_is_a_zone(tmp_path: Path) -> None:
    """octoDNS publishes it so; and a name in other letters than ASCII is one of A-labels."""
    assert read_text(tmp_path, "example.com.yaml", "---\n{}\n")[0].facts.records == ()
    assert read_text(tmp_path, "bücher.example.yaml", "ä: {type: A, value: 192.0.2.1}\n")[0].facts.records[0].name == (
        "xn--4ca.xn--bcher-kva.example"
    )
    with pytest.raises(ZoneError, match="the file's name is no zone"):
        read_text(tmp_path, "a..b.yaml", "a: {type: A, value: 192.0.2.1}\n")

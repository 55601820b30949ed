"""Master files edited: what a person who looks at the diff expects, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from deliverkit.engine.edit.model import CannotApply, Edit, SourceFile, applied
from deliverkit.engine.edit.source import brought_in, held
from deliverkit.findings import Fix, RecordText
from tests.engine.edit.bringing import Three, bring, brought

ZONE = """$ORIGIN example.com.
$TTL 3600
@       IN SOA ns1 hostmaster (
            2026112501 ; serial
            7200 3600 1209600 3600 )
@       IN NS  ns1
        IN MX  10 mx1          ; the first
        IN TXT "v=spf1 mx ?all"      ; spf
www     IN A   192.0.2.1       ; web
        IN TXT "x"
mail\tIN\tA\t192.0.2.3
s1._domainkey 300 IN TXT ( "v=DKIM1; k=rsa; "
       "p=abc" ; key
       "def" )
"""
DKIM = ("s1._domainkey.example.com", "TXT", "v=DKIM1; k=rsa; p=abcdef")
CASES: dict[str, tuple[list[Three], list[Three], str, str]] = {
    "a text keeps the column of its comment": (
        [("example.com", "TXT", "v=spf1 mx ?all")],
        [("example.com", "TXT", "v=spf1 mx include:x.example -all")],
        '        IN TXT "v=spf1 mx ?all"      ; spf\n',
        '        IN TXT "v=spf1 mx include:x.example -all" ; spf\n',
    ),
    "a target stays relative": (
        [("example.com", "MX", "10 mx1.example.com.")],
        [("example.com", "MX", "20 m.example.com.")],
        "        IN MX  10 mx1          ; the first\n",
        "        IN MX  20 m            ; the first\n",
    ),
    "a new set stands beside its name, without its owner": (
        [],
        [("www.example.com", "AAAA", "2001:db8::1")],
        '        IN TXT "x"\n',
        '        IN TXT "x"\n        IN AAAA 2001:db8::1\n',
    ),
    "the next line gets the owner": (
        [("www.example.com", "A", "192.0.2.1")],
        [],
        'www     IN A   192.0.2.1       ; web\n        IN TXT "x"\n',
        'www     IN TXT "x"\n',
    ),
    "tabs stay tabs": (
        [],
        [("mail.example.com", "A", "192.0.2.4")],
        "mail\tIN\tA\t192.0.2.3\n",
        "mail\tIN\tA\t192.0.2.3\nmail\tIN\tA\t192.0.2.4\n",
    ),
    "a record moves to its right name in its place": (
        [("mail.example.com", "A", "192.0.2.3")],
        [("mx1.example.com", "A", "192.0.2.3")],
        "mail\tIN\tA\t192.0.2.3\n",
        "mx1\tIN\tA\t192.0.2.3\n",
    ),
    "one string of several, its comment untouched": (
        [DKIM],
        [(*DKIM[:2], "v=DKIM1; k=rsa; p=aXcdef")],
        '       "p=abc" ; key\n',
        '       "p=aXc" ; key\n',
    ),
    "a new key stands behind the other, with its TTL": (
        [],
        [("s2._domainkey.example.com", "TXT", "v=DKIM1; p=")],
        '       "def" )\n',
        '       "def" )\ns2._domainkey 300 IN TXT "v=DKIM1; p="\n',
    ),
    "an alias gives way to a record": (
        [("www.example.com", "TXT", "x")],
        [("www.example.com", "CNAME", "web.example.net.")],
        '        IN TXT "x"\n',
        "        IN CNAME web.example.net.\n",
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_only_these_lines_change(case: str, end: str) -> None:
    """The rest of the file is as it was, to the octet."""
    removes, records, old, new = CASES[case]
    assert ZONE.count(old) == 1
    made = brought(ZONE.replace("\n", end), removes, records)
    assert made == ZONE.replace(old, new).replace("\n", end)


def test_a_long_text_is_cut_as_the_file_does_it() -> None:
    """In parentheses where the zone writes them, else on one line; each string at most 255 octets."""
    long = ("s9._domainkey.example.com", "TXT", "v=DKIM1; k=rsa; p=" + "A" * 380)
    folded = brought(ZONE, [], [long])
    assert '\ns9._domainkey 300 IN TXT ( "v=DKIM1; k=rsa; p=AAA' in folded and folded.rstrip().endswith('A" )')
    flat = ZONE.replace('( "v=DKIM1; k=rsa; "\n       "p=abc" ; key\n       "def" )', '"v=DKIM1; k=rsa; " "p=abcdef"')
    assert brought(flat, [], [long]).splitlines()[-1].count('" "') == 1


def test_octets_that_are_no_utf_8_stay() -> None:
    """A comment in Latin-1, a byte order mark, a string with raw octets."""
    text = b'\xef\xbb\xbf$ORIGIN example.com.\n; caf\xe9\n@ 300 TXT "gr\xfc\xdf" ; \xff\n@ 300 A 192.0.2.1\n'
    made = bring({"z.zone": text}, [("example.com", "A", "192.0.2.1")], [("example.com", "A", "192.0.2.2")])["z.zone"]
    assert made == text.replace(b"192.0.2.1", b"192.0.2.2")


def test_a_record_of_an_included_file_is_changed_there() -> None:
    """The file that states it changes, the others do not."""
    files = {
        "example.com.zone": b"$ORIGIN example.com.\n@ 300 A 192.0.2.1\n$INCLUDE sub/mail.inc\nwww 300 A 192.0.2.2\n",
        "sub/mail.inc": b'@ 300 MX 10 mx\n  300 TXT "v=spf1 ?all"\n',
    }
    made = bring(files, [("example.com", "TXT", "v=spf1 ?all")], [("example.com", "TXT", "v=spf1 mx -all")])
    assert made["example.com.zone"] == files["example.com.zone"]
    assert made["sub/mail.inc"] == files["sub/mail.inc"].replace(b"?all", b"mx -all")


def test_what_is_generated_is_left_alone() -> None:
    """A line that makes many records is nobody's to change; so is the owner that it left behind."""
    text = ZONE + "$GENERATE 1-3 h$ A 192.0.2.$\n"
    with pytest.raises(CannotApply, match=r"example\.com\.zone:15 makes the record by \$GENERATE"):
        brought(text, [("h2.example.com", "A", "192.0.2.2")], [])


def test_what_two_zones_share_is_left_alone(tmp_path: Path) -> None:
    """One include of two zones would change both."""
    (tmp_path / "mail.inc").write_text('@ 300 TXT "v=spf1 ?all"\n')
    for name in ("a.example", "b.example"):
        (tmp_path / f"{name}.zone").write_text(f"$ORIGIN {name}.\n@ 300 A 192.0.2.1\n$INCLUDE mail.inc\n")
    sources = [SourceFile(tmp_path / f"{name}.zone", f"{name}.zone") for name in ("a.example", "b.example")]
    fix = Fix("x", (RecordText("a.example", "TXT", "b"),), (RecordText("a.example", "TXT", "v=spf1 ?all"),))
    with pytest.raises(CannotApply, match=r"is part of both a\.example and b\.example"):
        brought_in(fix, held(sources, {}), {}, None)


def test_a_link_out_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    """What lies elsewhere is not ours."""
    inside, outside = tmp_path / "repo", tmp_path / "etc"
    inside.mkdir()
    outside.mkdir()
    (outside / "example.com.zone").write_text(ZONE)
    (inside / "example.com.zone").symlink_to(outside / "example.com.zone")
    zones = held([SourceFile(inside / "example.com.zone", "example.com.zone")], {})
    fix = Fix("x", (RecordText("www.example.com", "A", "192.0.2.7"),))
    for root in (None, inside):
        with pytest.raises(CannotApply, match="lies outside"):
            brought_in(fix, zones, {}, root)


@pytest.mark.parametrize(
    ("removes", "records", "why"),
    [
        ([("www.example.com", "A", "192.0.2.9")], [], "stands in none|does not stand"),
        ([], [("www.example.net", "A", "192.0.2.9")], "belongs into none of the files"),
        ([("example.com", "SOA", "ns1.example.com. hostmaster.example.com. 9 1 1 1 1")], [], "none|does not stand"),
        ([("www.example.com", "TXT", "x")], [("www.example.com", "TXT", "x")], "say it already"),
    ],
)
def test_what_does_not_fit_is_refused(removes: list[Three], records: list[Three], why: str) -> None:
    """With the reason, and nothing changed."""
    with pytest.raises(CannotApply, match=why):
        brought(ZONE, removes, records)


def test_a_doubled_record_goes_twice() -> None:
    """Both lines state it."""
    made = brought(ZONE + "mail A 192.0.2.3\n", [("mail.example.com", "A", "192.0.2.3")], [])
    assert "192.0.2.3" not in made


def test_edits_that_meet_are_refused() -> None:
    """Edits are done in one pass; insertions at one place keep their order."""
    file = Path("z")
    edits = [Edit(file, 1, 1, b"x"), Edit(file, 1, 1, b"y"), Edit(file, 1, 2, b"")]
    assert applied({file: b"abc"}, edits) == {file: b"axyc"}
    for bad in (Edit(file, 0, 2, b""), Edit(file, 1, 9, b"")):
        with pytest.raises(CannotApply):
            applied({file: b"abc"}, [Edit(file, 1, 3, b""), bad])

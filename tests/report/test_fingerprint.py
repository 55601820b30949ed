"""A fingerprint follows rule and subject: text and lines may change, and what is ignored keeps its own."""

from __future__ import annotations

import random
import re
from dataclasses import replace

from deliverkit.findings import Evidence, Finding
from deliverkit.report.fingerprint import fingerprint, fingerprints
from deliverkit.report.model import Ignored, Subject
from tests.report.made import one, report


def seen(value: str, line: int) -> Finding:
    """One of several findings of a rule, told apart by what was seen."""
    return replace(one(text=value), evidence=(Evidence("dns", "example.com", "TXT", value, file="z", line=line),))


def test_it_is_of_rule_and_subject_alone() -> None:
    """32 hexadecimal digits that no text and no line changes."""
    whole = report(one())
    name = fingerprint(whole, one())
    assert re.fullmatch("[0-9a-f]{32}", name)
    moved = replace(one(text="said otherwise"), evidence=(), title="Renamed.")
    assert fingerprint(whole, moved) == name
    others = {
        fingerprint(whole, replace(one(), rule="SPF998")),
        fingerprint(whole, replace(one(), subject="www.example.com")),
        fingerprint(replace(whole, subject=Subject("domain", "example.org")), one()),
        fingerprint(replace(whole, subject=Subject("zone", "example.com")), one()),
    }
    assert len({name, *others}) == 5


def test_it_is_the_same_in_every_version() -> None:
    """A baseline that was written once holds: the value itself must never change."""
    assert fingerprint(report(), one()) == "3baee9d8b2bd5e38e4dbb34a12e0219b"


def test_repeats_are_numbered_by_their_evidence_in_any_order() -> None:
    """The order in which the rules found them, and the lines on which they stand, do not matter."""
    found = [seen("a", 30), seen("b", 20), seen("c", 10)]
    bare = fingerprint(report(), found[0])
    expected = {"a": bare, "b": f"{bare}:2", "c": f"{bare}:3"}
    for _ in range(5):
        random.Random(7).shuffle(found)
        names = fingerprints(report(*found))
        assert {f.detail: name for f, name in zip(found, names, strict=True)} == expected


def test_what_is_ignored_keeps_its_number() -> None:
    """Or the next one would take over its fingerprint, and be ignored too."""
    first, second = seen("a", 1), seen("b", 2)
    before = fingerprints(report(first, second))
    assert fingerprints(report(second, ignored=(Ignored(first, "baseline"),))) == before[::-1]


def test_octets_that_are_no_text() -> None:
    """A subject from a file name in another encoding."""
    assert re.fullmatch("[0-9a-f]{32}", fingerprint(report(), replace(one(), subject="\udcff")))

"""The records that DKIM rules propose are themselves checked: published, they leave nothing to find."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deliverkit.findings import RecordText
from deliverkit.protocols.dkim.key import parse_key
from deliverkit.world.story import load_story, run_story

STORIES = sorted((Path(__file__).parents[2] / "fixtures" / "stories" / "dkim").glob("*.toml"))


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_what_is_proposed_is_sound(path: Path) -> None:
    """No proposed key record has a fault a verifier would refuse it for, and none repeats a private key."""
    for finding in run_story(load_story(path)).findings:
        assert finding.fix.text
        for record in finding.fix.records:
            key = parse_key(record.value)
            assert record.name.partition("_domainkey.")[2] == "example.com"
            assert key.usable or key.revoked, (finding.rule, record)
            assert not {fault.kind for fault in key.faults} - {"weak", "too-long"}


def test_every_string_fits() -> None:
    """A text over 255 octets becomes several strings of one record, none longer than 255."""
    long = RecordText("s1._domainkey.example.com", "TXT", "v=DKIM1; p=" + "A" * 600)
    assert [len(string) for string in re.findall(r'"([^"]*)"', long.line)] == [255, 255, 101]
    assert len(long.lines) == 3 and long.lines[0].endswith('A"') and "TXT ( " in long.lines[0]
    assert long.lines[2].endswith('" )')
    assert RecordText("s1._domainkey.example.com", "TXT", "v=DKIM1; p=").lines == (
        's1._domainkey.example.com. TXT "v=DKIM1; p="',
    )

"""The messages of stalwartlabs/mail-parser: nothing raises, and parts and attachments agree in number.

The suite holds one parser's reading. Where ours differs the case is named here with our numbers and the reason; the
rest must agree.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deliverkit.facts.message import read_message

SUITE = Path(__file__).parents[2] / "fixtures" / "conformance" / "mime-mail-parser"
CASES = sorted(SUITE.rglob("*.eml"))
WHOLE_LINE = "a delimiter is the whole line here; RFC 2046 §5.1.1 lets other text follow, and no common reader does"
OUTER_ENDS_INNER = "RFC 2046 §5.1.2: the outer boundary ends the inner multipart; that parser goes on"
NO_HEADER = "a part begins at each delimiter (RFC 2046 §5.1.1), also where its header runs into the next one"
FIRST_FIELD = "of two Content-Type fields in one part the first counts here, the last there"
SHOWN = "the text of a part that is never closed is shown as text here, and counted as an attachment there"
# By name: our number of parts and of attachments, and why they differ.
OTHER_READING = {
    "malformed/000": (5, 0, NO_HEADER),
    "malformed/001": (3, 0, WHOLE_LINE),
    "malformed/002": (1, 0, "a multipart whose boundary is never used holds nothing; there its body is an attachment"),
    "malformed/003": (3, 0, SHOWN),
    "malformed/004": (1, 0, WHOLE_LINE),
    "malformed/006": (3, 0, SHOWN),
    "malformed/007": (2, 0, "the delimiter stands in the part's header, which ends at the empty line (RFC 5322 §2.1)"),
    "malformed/008": (4, 0, SHOWN),
    "malformed/009": (5, 0, OUTER_ENDS_INNER),
    "malformed/011": (5, 0, OUTER_ENDS_INNER),
    "malformed/012": (5, 3, OUTER_ENDS_INNER),
    "malformed/016": (5, 0, WHOLE_LINE),
    "malformed/020": (5, 1, FIRST_FIELD),
    "malformed/021": (5, 1, FIRST_FIELD),
}


def _name(path: Path) -> str:
    return str(path.relative_to(SUITE).with_suffix(""))


@pytest.mark.conformance("mime-mail-parser")
@pytest.mark.parametrize("path", CASES, ids=_name)
@pytest.mark.parametrize("line_end", ["lf", "crlf"])
def test_parts_and_attachments_agree_in_number(path: Path, line_end: str) -> None:
    """As stored, and with CRLF."""
    raw = path.read_bytes()
    if line_end == "crlf":
        raw = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    facts = read_message(raw, name=_name(path), now=datetime(2026, 11, 22, tzinfo=UTC))
    expected = json.loads(path.with_suffix(".json" if line_end == "lf" else ".crlf.json").read_text("utf-8"))
    parts, attachments = len(expected["parts"]), len(expected["attachments"])
    if _name(path) in OTHER_READING:
        theirs = (parts, attachments)
        parts, attachments, why = OTHER_READING[_name(path)]
        assert (parts, attachments) != theirs, f"no difference any more: {why}"
    assert (len(facts.mime.parts), len(facts.mime.attachments)) == (parts, attachments)

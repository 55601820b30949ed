"""Whatever a message went through: where ours says pass, dkimpy as it was shipped says True, and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dkim
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deliverkit.flow import Answer, Question, Status, drive
from deliverkit.protocols.dkim.engine import is_fast
from deliverkit.protocols.dkim.keys import load_private_key
from deliverkit.protocols.dkim.verify import Result, verify_dkim

NOW = datetime.now(UTC)
KEYS = {
    b"rsa-sha256": load_private_key(Path(__file__).parents[3] / "fixtures" / "keys" / "test-only-rsa2048.pem"),
    b"ed25519-sha256": load_private_key(Path(__file__).parents[3] / "fixtures" / "keys" / "test-only-ed25519.pem"),
}
FORMS = st.sampled_from([b"simple", b"relaxed"])
PIECES = st.sampled_from(
    [b"a", b" ", b"  ", b"\t", b"\r\n", b"\r\n\r\n", b"word", b" \r\n", b".", b"\xe9", b"\r", b"\n"]
)
BODIES = st.lists(PIECES, max_size=25).map(b"".join)
CHANGES = st.sampled_from(
    [
        lambda m: m,
        lambda m: m + b"\r\n",
        lambda m: m + b"more\r\n",
        lambda m: m.replace(b"  ", b" "),
        lambda m: m.replace(b"word", b"Word"),
        lambda m: m.replace(b"Subject: ", b"subject:   "),
        lambda m: m.replace(b"Subject: ", b"Subject: [list] "),
        lambda m: b"Received: from a\r\n\tby b\r\n" + m,
        lambda m: b"From: b@example.com\r\n" + m,
        lambda m: m.replace(b"To: b@example.org\r\n", b""),
    ]
)


@pytest.mark.skipif(not is_fast(), reason="this dkimpy is used as it is")
@given(
    body=BODIES, subject=st.lists(st.sampled_from(["a", " ", "\t", "\r\n ", "b:"]), max_size=8).map("".join),
    header_form=FORMS, body_form=FORMS, algorithm=st.sampled_from(list(KEYS)), change=CHANGES, length=st.booleans(),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_verdicts_equal_dkimpys(
    body: bytes, subject: str, header_form: bytes, body_form: bytes, algorithm: bytes, change: object, length: bool
) -> None:
    """Signed by dkimpy itself, changed or not, verified by both."""
    key = KEYS[algorithm]
    head = f"From: a@example.com\r\nTo: b@example.org\r\nSubject: {subject}x\r\nDate: today\r\n\r\n".encode()
    signature = dkim.sign(
        head + body, b"s1", b"example.com", key.secret, canonicalize=(header_form, body_form),
        signature_algorithm=algorithm, include_headers=[b"from", b"to", b"subject"], length=length,
    )  # fmt: skip
    message = change(signature + head + body)  # type: ignore[operator]
    record = key.record.encode()

    def hear(question: Question) -> Answer:
        return Answer(question, Status.OK, ((record,),))

    stock = dkim.verify(message, dnsfunc=lambda name, timeout=5: record)
    assert (drive(verify_dkim(message, now=NOW), hear).result is Result.PASS) == stock

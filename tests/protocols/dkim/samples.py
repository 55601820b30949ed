"""What the DKIM tests share: the test keys, a message, a DNS made of a table, and verifying in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from deliverkit.flow import Answer, Question, Status, drive
from deliverkit.protocols.dkim.keys import PrivateKey, load_private_key
from deliverkit.protocols.dkim.sign import SigningKey, sign
from deliverkit.protocols.dkim.verify import DkimVerdict, SignatureVerdict, verify_dkim

KEYS = Path(__file__).parents[3] / "fixtures" / "keys"
NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
MESSAGE = (
    b"From: Ann <ann@example.com>\r\nTo: bob@example.net\r\nSubject: Dinner\r\n"
    b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n"
    b"List-Unsubscribe: <https://example.com/u/1>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nHi  Bob, \t\r\n\r\nseven?\r\n\r\n\r\n"
)
Zone = Mapping[str, "str | list[str] | Status"]


def private(name: str) -> PrivateKey:
    """A key from fixtures/keys: ``private("rsa2048")``."""
    return load_private_key(KEYS / f"test-only-{name}.pem")


RSA, OTHER, WEAK, ED25519 = (private(name) for name in ("rsa2048", "rsa2048-b", "rsa1024", "ed25519"))
RSA_KEY = SigningKey("s1", "example.com", RSA)
ED25519_KEY = SigningKey("s2", "example.com", ED25519)
ZONE: Zone = {RSA_KEY.record_name: RSA.record, ED25519_KEY.record_name: ED25519.record}


def hearing(zone: Zone) -> Callable[[Question], Answer]:
    """Answers from a table: a text, several texts, or a status; what is not in it does not exist."""

    def hear(question: Question) -> Answer:
        value = zone.get(question.name, Status.NXDOMAIN)
        if isinstance(value, Status):
            return Answer(question, value)
        texts = [value] if isinstance(value, str) else value
        return Answer(question, Status.OK, tuple((text.encode("utf-8", "surrogateescape"),) for text in texts))

    return hear


def verify(message: bytes, zone: Zone = ZONE, now: datetime = NOW) -> DkimVerdict:
    """Verify in a world that is this table."""
    return drive(verify_dkim(message, now=now), hearing(zone))


def only(message: bytes, zone: Zone = ZONE, now: datetime = NOW) -> SignatureVerdict:
    """The verdict on a message's one signature."""
    [verdict] = verify(message, zone, now).signatures
    return verdict


SIGNED = sign(MESSAGE, [RSA_KEY], now=NOW)

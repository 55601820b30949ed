"""Key records: every value, every fault with its place, nothing that raises."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.protocols.dkim.der import BadDer, is_private_key, read_public_key
from deliverkit.protocols.dkim.key import MOST_FAULTS, KeyRecord, looks_like_key, parse_key
from tests.protocols.dkim.samples import ED25519, KEYS, RSA, WEAK

P = base64.b64encode(RSA.public).decode()
TOKENS = [
    "v=DKIM1", "v=", "k=rsa", "k=ed25519", "p=", P, P[:50], ";", ";;", " ", "\\;", '"', '" "', "“", "=", "t=y:s",
    "h=sha1", "s=tlsrpt", "n=a", "-----BEGIN PUBLIC KEY-----", "-----BEGIN RSA PRIVATE KEY-----", "\udc80", "\r\n ",
    "s1._domainkey IN TXT ", "MIIB", ",", "(", ")",
]  # fmt: skip


def kinds(record: KeyRecord) -> list[str]:
    """The faults by kind."""
    return [fault.kind for fault in record.faults]


@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(TOKENS), max_size=12).map("".join)))
def test_nothing_raises_and_every_place_is_inside(text: str) -> None:
    """Whatever people publish, the parser comes back with faults whose spans lie in the record."""
    record = parse_key(text)
    looks_like_key(text)
    for fault in record.faults:
        assert 0 <= fault.span[0] <= fault.span[1] <= len(text)
    for tag in record.tags:
        assert 0 <= tag.span[0] <= tag.span[1] <= len(text)
    assert not (record.usable and record.revoked)


@given(st.binary(max_size=200))
def test_der_is_read_or_refused(octets: bytes) -> None:
    """Any octets are a key, or a BadDer; nothing else comes out."""
    assert isinstance(is_private_key(octets), bool)
    try:
        read_public_key(octets)
    except BadDer as bad:
        assert str(bad)


@given(st.integers(0, len(RSA.public) - 1))
def test_every_cut_is_seen(length: int) -> None:
    """A key cut anywhere is truncated, never taken for a shorter key."""
    with pytest.raises(BadDer) as caught:
        read_public_key(RSA.public[:length])
    assert caught.value.truncated


def test_a_sound_record() -> None:
    """All values of a record that has every tag."""
    record = parse_key(f"v=DKIM1; h=sha1:sha256; k=rsa; n=note; s=email; t=y:s; p={P}")
    assert (record.key_type, record.bits, record.hashes) == ("rsa", 2048, ("sha1", "sha256"))
    assert (record.services, record.flags, record.notes) == (("email",), ("y", "s"), "note")
    assert record.usable and record.testing and record.strict and record.for_email
    assert record.public_key == RSA.public
    assert record.faults == ()


def test_defaults() -> None:
    """Missing k= and v= are defaults, not faults; unknown tags are ignored even with quotation marks in them."""
    record = parse_key(f'p={P}; x="y"; n=say "hi"')
    assert (record.key_type, record.services, record.hashes) == ("rsa", ("*",), None)
    assert record.usable and record.faults == ()


@pytest.mark.parametrize(
    ("text", "kind", "fatal", "at"),
    [
        (f"v=DKIM2; p={P}", "bad-version", True, (0, 7)),
        (f"k=rsa; v=DKIM1; p={P}", "v-not-first", False, (7, 14)),
        (f"v=DKIM1;; p={P}", "empty-tag", False, (7, 9)),
        ("v=DKIM1; k=rsa", "no-public-key", True, (0, 14)),
        (f"v=DKIM1; p={P}; p={P}", "duplicate-tag", True, (405, 799)),
        (f"v=DKIM1; rsa; p={P}", "no-equals", True, (9, 12)),
        (f"v=DKIM1; p={P[:100]} {P[100:]}", "blank-in-key", False, (111, 112)),
        (f"v=DKIM1; p={P[:101]}", "truncated-base64", True, (11, 112)),
        (f"v=DKIM1; p={P[:200]}", "truncated-key", True, (11, 211)),
        (f"v=DKIM1; p={P[:100]}...", "bad-base64", True, (111, 112)),
        (f"v=DKIM1; p={P[:10]}={P[10:]}", "bad-base64", True, (21, 22)),
        ("v=DKIM1; p=QUJD", "bad-key", True, (11, 15)),
        (f"v=DKIM1; k=rsa1; p={P}", "unknown-key-type", True, (9, 15)),
        (f"v=DKIM1; h=sha1; p={P}", "no-sha256", True, (9, 15)),
        (f"v=DKIM1; s=other; p={P}", "not-for-email", True, (9, 16)),
        (f'"v=DKIM1; p={P}"', "quoted", True, (0, 405)),
        (f"v=DKIM1\\; p={P}", "escaped-semicolon", True, (7, 8)),
        (f'v=DKIM1; p={P[:9]}" "{P[9:]}', "string-joint", True, (20, 23)),
        (f"v=DKIM1; p=“{P}”", "typographic-quote", True, (11, 12)),
        (f"v=DKIM1 p={P}", "missing-semicolon", True, (7, 8)),
        (f"v=DKIM1, k=rsa, p={P}", "missing-semicolon", True, (8, 9)),
        (f"x._domainkey.example.com. 300 IN TXT v=DKIM1; p={P}", "zone-line", True, (0, 37)),
        (f"v=DKIM1; p=-----BEGIN PUBLIC KEY-----{P}-----END PUBLIC KEY-----", "pem-armour", True, (11, 37)),
    ],
)
def test_one_cause_one_fault(text: str, kind: str, fatal: bool, at: tuple[int, int]) -> None:
    """Each mistake yields exactly one fault, at its place, and is fatal where a verifier must refuse the record."""
    record = parse_key(text)
    assert [(fault.kind, fault.fatal, fault.span) for fault in record.faults] == [(kind, fatal, at)]
    assert record.usable is not fatal


def test_the_key_is_still_read_through_artefacts() -> None:
    """Quotation marks and backslashes do not hide what the key is."""
    record = parse_key(f'"v=DKIM1\\; k=rsa\\; p={P}"')
    assert kinds(record) == ["quoted", "escaped-semicolon"]
    assert (record.bits, record.public_key) == (2048, RSA.public)


def test_revoked() -> None:
    """p= with nothing in it withdraws the key; blanks count as nothing."""
    assert parse_key("v=DKIM1; p=").revoked
    assert parse_key("v=DKIM1; k=rsa; p= ;").revoked
    assert not parse_key("v=DKIM1").revoked


def test_key_lengths() -> None:
    """Under 1024 bits is refused, under 2048 weak (RFC 8301 §3.2)."""
    for file, bits, kind, usable in (("rsa512", 512, "too-short", False), ("rsa768", 768, "too-short", False)):
        record = parse_key(f"v=DKIM1; p={base64.b64encode(public_of(file)).decode()}")
        assert (record.bits, kinds(record), record.usable) == (bits, [kind], usable)
    weak = parse_key(WEAK.record)
    assert (weak.bits, kinds(weak), weak.usable) == (1024, ["weak"], True)


def public_of(file: str) -> bytes:
    """The public half of a key file that our own loader refuses for its length."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    key = load_pem_private_key((KEYS / f"test-only-{file}.pem").read_bytes(), None)
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_ed25519_is_raw() -> None:
    """RFC 8463 §4: 32 octets, no DER; each confusion with RSA is told apart."""
    raw = base64.b64encode(ED25519.public).decode()
    der = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + ED25519.public).decode()
    assert parse_key(f"v=DKIM1; k=ed25519; p={raw}").usable
    for text, detail in (
        (f"v=DKIM1; k=ed25519; p={der}", "DER structure"),
        (f"v=DKIM1; k=ed25519; p={P}", "an RSA key"),
        (f"v=DKIM1; p={raw}", "k=ed25519 is missing"),
        (f"v=DKIM1; p={der}", "p= holds an Ed25519 key"),
    ):
        [fault] = parse_key(text).faults
        assert fault.kind == "wrong-key-material"
        assert detail in fault.detail


@pytest.mark.parametrize("form", ["pem", "base64", "cut", "bare"])
def test_a_published_private_key_is_seen_and_withheld(form: str) -> None:
    """A private key in DNS is named, in any form, and never repeated."""
    lines = (KEYS / "test-only-rsa2048-b.pem").read_text().split("\n")
    inner = "".join(lines[1:-2])
    text = {
        "pem": f"v=DKIM1; p={''.join(lines)}",
        "base64": f"v=DKIM1; p={inner}",
        "cut": f"v=DKIM1; p={inner[:301]}",
        "bare": inner,
    }[form]
    record = parse_key(text)
    assert kinds(record) == ["private-key"]
    assert not record.usable
    assert inner[20:60] not in record.shown() + repr(record) + str(record.to_json())


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("v=DKIM1; p=", True),
        ("k=rsa; p=abc", True),
        ("p=abc", True),
        ('"v=DKIM1; p="', True),
        ("v=dkim1; p=abc", True),
        (P, True),
        ("v=spf1 -all", False),
        ("v=DMARC1; p=none", False),
        ("google-site-verification=abc", False),
        ("o=~; r=postmaster@example.com", False),
        ("", False),
    ],
)
def test_what_is_meant_as_a_key(text: str, meant: bool) -> None:
    """Other records at the name are told from keys that are badly written."""
    assert looks_like_key(text) is meant


@pytest.mark.parametrize("piece", [";", "a=;", '"', "\\;", "“", " k=", "_domainkey ", "-----BEGIN ", "nonsense;", "v "])
def test_a_record_of_sixty_kilobytes(piece: str) -> None:
    """A hostile record is read through, and what is said of it stays short."""
    record = parse_key("v=DKIM1; p=" + piece * (60_000 // len(piece)))
    assert len(record.faults) <= MOST_FAULTS
    assert sum(len(fault.detail) for fault in record.faults) < 10_000

"""Private key files: read in every form, refused with file and reason, compared with what is published."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.protocols.dkim.key import parse_key
from deliverkit.protocols.dkim.keys import BadKeyFile, load_private_key, matches, parse_private_key
from tests.protocols.dkim.samples import ED25519, KEYS, OTHER, RSA

PEM = (KEYS / "test-only-rsa2048.pem").read_bytes()


def refusal(path: Path) -> BadKeyFile:
    """Why a file is refused."""
    with pytest.raises(BadKeyFile) as caught:
        load_private_key(path)
    assert str(caught.value).startswith(f"{path}: ")
    return caught.value


@pytest.mark.parametrize(
    ("file", "type_", "bits"),
    [
        ("rsa2048.pem", "rsa", 2048),
        ("rsa2048-b.pem", "rsa", 2048),
        ("rsa1024.pem", "rsa", 1024),
        ("ed25519.pem", "ed25519", 256),
        ("ed25519.key", "ed25519", 256),
    ],
)
def test_what_is_read(file: str, type_: str, bits: int) -> None:
    """PKCS#1, PKCS#8 and dkimpy's bare base64; the record to publish is a sound one."""
    key = load_private_key(KEYS / f"test-only-{file}")
    assert (key.type, key.bits, key.algorithm) == (type_, bits, f"{type_}-sha256")
    record = parse_key(key.record)
    assert record.usable and record.bits == bits
    assert matches(key, record)


@pytest.mark.parametrize(
    ("file", "kind", "why"),
    [
        ("nowhere.pem", "unreadable", "No such file"),
        ("", "unreadable", "directory"),
        ("README.md", "not-a-key", "no private key in PEM form"),
        ("test-only-rsa512.pem", "too-short", "512 bits"),
        ("test-only-rsa768.pem", "too-short", "768 bits"),
        ("test-only-ec-p256.pem", "wrong-type", "DKIM has RSA and Ed25519"),
        ("test-only-rsa2048-public.pem", "not-private", "a public key"),
        ("test-only-rsa2048-encrypted.pem", "encrypted", "passphrase"),
    ],
)
def test_what_is_refused(file: str, kind: str, why: str) -> None:
    """Each refusal names the file and says what is wrong with it."""
    bad = refusal(KEYS / file)
    assert bad.kind == kind
    assert why in bad.why


@pytest.mark.parametrize(
    ("octets", "kind", "why"),
    [
        (b"", "not-a-key", "is empty"),
        (b" \n", "not-a-key", "is empty"),
        (b"\x00\x01binary", "not-a-key", "binary"),
        (b"hello", "not-a-key", "no -----BEGIN"),
        (b"x" * 70_000, "not-a-key", "larger"),
        (base64.b64decode(b"".join(PEM.split(b"\n")[1:-2])), "not-a-key", "DER"),
        (PEM[:400] + PEM[600:], "not-a-key", "damaged"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "not-private", "a certificate"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "wrong-type", "OpenSSH"),
        (b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n", "encrypted", "passphrase"),
    ],
)
def test_what_else_people_give(octets: bytes, kind: str, why: str, tmp_path: Path) -> None:
    """Certificates, OpenSSH keys, DER, cut files and noise are told apart."""
    file = tmp_path / "key.pem"
    file.write_bytes(octets)
    bad = refusal(file)
    assert (bad.kind, why in bad.why) == (kind, True)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A permission problem is said in words."""

    def denied(*_: object, **__: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert "Permission denied" in refusal(tmp_path / "key.pem").why


def test_text_before_the_key_is_skipped() -> None:
    """openssl writes a dump in front of the PEM block when asked to; the key is still there."""
    assert parse_private_key(b"Private-Key: (2048 bit)\n" + PEM).public == RSA.public
    assert parse_private_key(PEM.replace(b"\n", b"\r\n")).public == RSA.public


@given(st.binary(max_size=200))
def test_no_octets_raise_anything_else(octets: bytes) -> None:
    """Any file is a key or a BadKeyFile."""
    for data in (octets, b"-----BEGIN PRIVATE KEY-----\n" + octets, PEM[:100] + octets):
        with pytest.raises(BadKeyFile):
            parse_private_key(data)


def test_the_secret_does_not_show() -> None:
    """Neither repr nor JSON repeats the private key."""
    lines = PEM.decode().split("\n")
    for shown in (repr(RSA), str(RSA.to_json()), repr(ED25519)):
        assert lines[-5] not in shown and "BEGIN" not in shown
        assert ED25519.secret.decode() not in shown


def test_keys_are_compared_not_their_spelling() -> None:
    """Blanks, PKCS#1 or SubjectPublicKeyInfo, other tags, "+" in the base64: the same key is the same key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    p = base64.b64encode(RSA.public).decode()
    assert "+" in p
    pkcs1 = load_pem_private_key(PEM, None).public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    assert matches(RSA, parse_key(f"p={p[:50]} {p[50:]}; k=rsa"))
    assert matches(RSA, parse_key(f"v=DKIM1; p={base64.b64encode(pkcs1).decode()}"))
    assert not matches(RSA, parse_key(OTHER.record))
    assert not matches(RSA, parse_key(ED25519.record))
    assert not matches(RSA, parse_key("v=DKIM1; p="))

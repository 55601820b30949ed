"""dkimpy behind the engine: the shipped module stays as it is, results are equal, an untested version is left alone."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from importlib import metadata
from types import SimpleNamespace

import dkim
import pytest
from dkim.crypto import RSASSA_PKCS1_v1_5_sign, RSASSA_PKCS1_v1_5_verify, parse_pem_private_key, parse_public_key
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.protocols.dkim import engine as room
from deliverkit.protocols.dkim import sign as signing
from deliverkit.protocols.dkim.sign import sign
from deliverkit.protocols.dkim.verify import Kind, Result
from tests.protocols.dkim.samples import ED25519_KEY, KEYS, MESSAGE, NOW, RSA, RSA_KEY, only, verify

PEM = (KEYS / "test-only-rsa2048.pem").read_bytes()


@pytest.fixture
def untested_dkimpy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A dkimpy of a version that nobody tried."""
    monkeypatch.setattr(metadata, "version", lambda name: "2.0.0")
    monkeypatch.setattr(room, "_engine", None)
    signing._stamped_signer.cache_clear()
    yield
    signing._stamped_signer.cache_clear()


def test_the_shipped_module_is_not_touched() -> None:
    """Who imports dkim gets dkimpy as it was shipped."""
    assert room.is_fast()
    assert room.engine() is not dkim
    for name in room._REPLACED:
        assert getattr(dkim, name).__module__.startswith("dkim")
        assert getattr(room.engine(), name) is not getattr(dkim, name)


def test_it_is_made_once_whoever_asks_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that come at the same time get the same engine."""
    monkeypatch.setattr(room, "_engine", None)
    got: list[object] = []
    threads = [threading.Thread(target=lambda: got.append(room.engine())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(engine) for engine in got}) == 1


@pytest.mark.usefixtures("untested_dkimpy")
def test_an_untested_version_is_used_as_it_is() -> None:
    """Slower, with the same results: sign with both keys, verify, tell the failures apart."""
    assert room.engine() is dkim
    assert not room.is_fast()
    signed = sign(MESSAGE, [RSA_KEY, ED25519_KEY], now=NOW)
    assert [one.result for one in verify(signed).signatures] == [Result.PASS, Result.PASS]
    assert only(sign(MESSAGE, [RSA_KEY], now=NOW).replace(b"seven", b"eight")).kind is Kind.BODY_HASH
    assert only(sign(MESSAGE, [RSA_KEY], now=NOW).replace(b"Dinner", b"Lunch!")).kind is Kind.SIGNATURE


@given(st.binary(max_size=64))
def test_rsa_signatures_equal_dkimpys(octets: bytes) -> None:
    """PKCS#1 v1.5 is deterministic: the same octets, and each verifies the other's."""
    digest = hashlib.sha256(octets)
    engine = room.engine()
    ours = engine.RSASSA_PKCS1_v1_5_sign(digest, engine.parse_pem_private_key(PEM))
    assert ours == bytes(RSASSA_PKCS1_v1_5_sign(digest, parse_pem_private_key(PEM)))
    assert engine.RSASSA_PKCS1_v1_5_verify(digest, ours, parse_public_key(RSA.public))


@given(st.binary(min_size=1, max_size=300))
def test_rsa_refusals_equal_dkimpys(signature: bytes) -> None:
    """What is no signature is none for both."""
    digest = hashlib.sha256(b"octets")
    public = parse_public_key(RSA.public)
    assert not RSASSA_PKCS1_v1_5_verify(digest, signature, public)
    assert not room.engine().RSASSA_PKCS1_v1_5_verify(digest, signature, public)


def test_keys_that_cryptography_refuses_go_to_dkimpy() -> None:
    """An even modulus is no key for cryptography; dkimpy computes with it all the same."""
    public = {"modulus": 1 << 1023, "publicExponent": 65537}
    digest = hashlib.sha256(b"octets")
    assert room.engine().RSASSA_PKCS1_v1_5_verify(digest, bytes(128), public) is False


def test_other_hashes_go_to_dkimpy() -> None:
    """Only SHA-256 is done here; the rest of dkimpy keeps working as it was."""
    digest = hashlib.sha1(b"octets")
    engine = room.engine()
    private = parse_pem_private_key(PEM)
    signature = engine.RSASSA_PKCS1_v1_5_sign(digest, private)
    assert engine.RSASSA_PKCS1_v1_5_verify(digest, signature, parse_public_key(RSA.public))


def test_a_frozen_installation_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file to load a second time, dkimpy is used as it is."""
    monkeypatch.setattr(room.importlib.util, "spec_from_file_location", lambda *_: SimpleNamespace(loader=None))
    assert room._load() is dkim

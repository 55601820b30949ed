"""A signer of a few lines that shares nothing with the product: signs with any tags, also wrong ones."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from dkim import rfc822_parse, select_headers
from dkim.canonicalization import CanonicalizationPolicy

from tests.protocols.dkim.samples import KEYS

DEFAULTS = {"v": "1", "a": "rsa-sha256", "d": "example.com", "s": "s1", "c": "relaxed/relaxed", "h": "From:To:Subject"}


def signed_by_hand(
    message: bytes, key: str = "rsa2048", tags: Mapping[str, str | None] | None = None, *, b_first: bool = False
) -> bytes:
    """The message with a signature whose tags are the defaults overlaid with ``tags`` (None removes one).

    ``b_first`` puts b= directly behind the colon instead of at the end.
    """
    wanted = {name: value for name, value in {**DEFAULTS, **(tags or {})}.items() if value is not None}
    policy = CanonicalizationPolicy.from_c_value(wanted["c"].encode() if "c" in wanted else None)
    headers, body = rfc822_parse(message)
    canonical = policy.canonicalize_body(body)
    canonical = canonical[: int(wanted["l"])] if "l" in wanted else canonical
    wanted.setdefault("bh", base64.b64encode(hashlib.sha256(canonical).digest()).decode())
    others = "; ".join(f"{name}={text}" for name, text in wanted.items())
    before, after = ("b=", f"; {others}") if b_first else (f" {others}; b=", "")
    names = [name.strip().lower().encode() for name in wanted["h"].split(":")]
    chosen = select_headers(policy.canonicalize_headers(headers), names)
    [(name, own)] = policy.canonicalize_headers([(b"DKIM-Signature", (before + after).encode())])
    octets = b"".join(n + b":" + v for n, v in chosen) + name + b":" + own.rstrip()
    signature = base64.b64encode(_sign(key, octets)).decode()
    return f"DKIM-Signature:{before}{signature}{after}\r\n".encode() + message


def _sign(key: str, octets: bytes) -> bytes:
    private = load_pem_private_key((KEYS / f"test-only-{key}.pem").read_bytes(), None)
    if isinstance(private, Ed25519PrivateKey):
        return private.sign(hashlib.sha256(octets).digest())  # RFC 8463 §3: the hash is what is signed
    assert isinstance(private, RSAPrivateKey)
    return private.sign(octets, PKCS1v15(), SHA256())

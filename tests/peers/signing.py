"""Keys of the signing tests, made once a process: a private key, its record, and where both stand.

What this file will not do: sign.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deliverkit.protocols.dkim.keys import PrivateKey, parse_private_key
from deliverkit.protocols.dkim.sign import SigningKey

DOMAIN = "example.com"


@dataclass(frozen=True)
class KeyPair:
    """A key: ``pem`` for the peers' signers, ``ours`` for deliverkit's."""

    selector: str
    pem: str
    private: PrivateKey

    @property
    def ours(self) -> SigningKey:
        """The key as `deliverkit.protocols.dkim.sign` takes it."""
        return SigningKey(self.selector, DOMAIN, self.private)

    @property
    def name(self) -> str:
        """Where its record stands."""
        return f"{self.selector}._domainkey.{DOMAIN}"


@functools.cache
def key_pairs() -> dict[str, KeyPair]:
    """An RSA and an Ed25519 key, by type."""
    rsa_key = rsa.generate_private_key(65537, 2048)
    return {"rsa": _key("r1", rsa_key), "ed25519": _key("e1", ed25519.Ed25519PrivateKey.generate())}


def _key(selector: str, made: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> KeyPair:
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return KeyPair(selector, pem.decode(), parse_private_key(pem))


def records() -> dict[str, str]:
    """The key records by name."""
    return {key.name: key.private.record for key in key_pairs().values()}

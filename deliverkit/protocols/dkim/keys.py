"""Private keys for signing: read from a file with clear refusals, and compared with what is published.

A file may hold PEM (PKCS#1 or PKCS#8; RSA or Ed25519), or the bare base64 of the 32 octets of an Ed25519 key as
dkimpy's ``dknewkey`` writes it. The secret never shows in a repr or a message.

What this file will not do: generate keys, or publish anything.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deliverkit.protocols.dkim.der import Ed25519Key, read_public_key
from deliverkit.protocols.dkim.key import SHORTEST, KeyRecord

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

LARGEST_FILE = 65_536
_BARE_ED25519 = re.compile(rb"[A-Za-z0-9+/]{43}=")


class BadKeyFile(ValueError):
    """A private key that cannot be used. ``kind`` is one of unreadable, not-a-key, not-private, encrypted, wrong-type,
    too-short; the text names the file and the reason."""

    def __init__(self, origin: str, kind: str, why: str) -> None:
        super().__init__(f"{origin}: {why}")
        self.origin = origin
        self.kind = kind
        self.why = why


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key. ``secret`` is what dkimpy signs with: PEM for RSA, base64 of the seed for Ed25519.

    ``public`` is what ``p=`` must hold: a SubjectPublicKeyInfo for RSA, the raw 32 octets for Ed25519.
    """

    type: str
    bits: int
    public: bytes = field(repr=False)
    secret: bytes = field(repr=False)

    @property
    def algorithm(self) -> str:
        """The a= of its signatures."""
        return f"{self.type}-sha256"

    @property
    def record(self) -> str:
        """The key record to publish (RFC 6376 §3.6.1)."""
        return f"v=DKIM1; k={self.type}; p={base64.b64encode(self.public).decode()}"

    def to_json(self) -> dict[str, Any]:
        """The key for reports: nothing secret."""
        return {"type": self.type, "bits": self.bits, "record": self.record}


def load_private_key(path: str | Path) -> PrivateKey:
    """Read a private key file. Raises BadKeyFile."""
    origin = str(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as bad:
        raise BadKeyFile(origin, "unreadable", f"cannot be read: {bad.strerror or bad}") from None
    except ValueError as bad:  # a null byte in the name
        raise BadKeyFile(origin, "unreadable", f"cannot be read: {bad}") from None
    return parse_private_key(data, origin)


def parse_private_key(data: bytes, origin: str = "private key") -> PrivateKey:
    """Read a private key from the octets of a file; ``origin`` names it in refusals. Raises BadKeyFile."""
    if len(data) > LARGEST_FILE:
        raise BadKeyFile(origin, "not-a-key", "is larger than any key (over 64 kB)")
    text = data.strip()
    if not text:
        raise BadKeyFile(origin, "not-a-key", "is empty")
    if _BARE_ED25519.fullmatch(text):
        return _ed25519(base64.b64decode(text))
    if b"-----BEGIN" not in text:
        raise BadKeyFile(origin, "not-a-key", f"is no private key in PEM form{_nearly(text)}")
    _refuse_other_pem(text, origin)
    return _from_pem(text[text.index(b"-----BEGIN") :], origin)


def _nearly(text: bytes) -> str:
    """What a file without PEM lines seems to be."""
    if text[:1] == b"\x30":
        return "; it looks like DER, convert it with: openssl pkey -inform DER -in FILE"
    if b"\0" in text:
        return "; it is a binary file"
    return ": there is no -----BEGIN … PRIVATE KEY----- line"


def _refuse_other_pem(text: bytes, origin: str) -> None:
    """Other things that stand in PEM files, each with its own refusal."""
    label = re.search(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----", text)
    name = label[1].decode() if label else ""
    if b"PRIVATE KEY" not in text:
        what = "a certificate" if "CERTIFICATE" in name else "a public key" if "PUBLIC KEY" in name else name or "PEM"
        raise BadKeyFile(origin, "not-private", f"holds {what}, not a private key")
    if b"ENCRYPTED" in text:
        why = "is encrypted; write it without passphrase: openssl pkey -in FILE -out NEW"
        raise BadKeyFile(origin, "encrypted", why)
    if "OPENSSH" in name:
        raise BadKeyFile(origin, "wrong-type", "is an OpenSSH key; DKIM needs PKCS#1 or PKCS#8")


def _from_pem(text: bytes, origin: str) -> PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as bad:
        if "at least 1024" in str(bad):
            raise BadKeyFile(origin, "too-short", "is an RSA key under 1024 bits (RFC 8301 §3.2)") from None
        raise BadKeyFile(origin, "not-a-key", "is damaged: its PEM block holds no private key") from None
    if isinstance(key, Ed25519PrivateKey):
        return _ed25519(key.private_bytes_raw())
    if not isinstance(key, RSAPrivateKey):
        kind = type(key).__name__.removeprefix("_").removesuffix("PrivateKey")
        raise BadKeyFile(origin, "wrong-type", f"is a key of type {kind}; DKIM has RSA and Ed25519")
    return _rsa(key, origin)


def _rsa(key: RSAPrivateKey, origin: str) -> PrivateKey:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    if key.key_size < SHORTEST:
        why = (
            f"is an RSA key of {key.key_size} bits; signers must use 1024 at least and should use 2048 (RFC 8301 §3.2)"
        )
        raise BadKeyFile(origin, "too-short", why)
    return PrivateKey(
        "rsa",
        key.key_size,
        key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
    )


def _ed25519(seed: bytes) -> PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key: Ed25519PrivateKey = Ed25519PrivateKey.from_private_bytes(seed)
    return PrivateKey("ed25519", 256, key.public_key().public_bytes_raw(), base64.b64encode(seed))


def matches(private: PrivateKey, published: KeyRecord) -> bool:
    """True if the record publishes the public half of the private key. The keys are compared, not their spelling."""
    if published.public_key is None or published.material != private.type:
        return False
    return _numbers(published.public_key) == _numbers(private.public)


def _numbers(octets: bytes) -> tuple[int, int] | bytes:
    """An RSA key as numbers, so that PKCS#1 and SubjectPublicKeyInfo compare equal; any other as it is."""
    try:
        key = read_public_key(octets)
    except (ValueError, binascii.Error):
        return octets
    return key.raw if isinstance(key, Ed25519Key) else (key.modulus, key.exponent)

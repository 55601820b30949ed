"""What a signature itself tells, whatever was done to the message: the key that made it and the hash it signs.

What this file will not do: look at a message.
"""

from __future__ import annotations

from deliverkit.protocols.dkim.der import BadDer, RsaKey, read_public_key
from deliverkit.protocols.dkim.key import KeyRecord
from deliverkit.protocols.dkim.signature import Signature

_COMMON_EXPONENT = 64  # bits of a public exponent; with a longer one the arithmetic is not worth an explanation
_SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")  # DigestInfo of SHA-256 (RFC 8017 §9.2)
_SHA256_OCTETS = 32


def signed_hash(signature: Signature, key: KeyRecord) -> bytes | None:
    """The SHA-256 that an RSA signature signs; None if another key made it, or that cannot be told.

    The public key turns a signature back into padding and the hash that was signed (RFC 8017 §9.2); under another key
    no such form comes out.
    """
    rsa = _usable(signature, key)
    if rsa is None:
        return None
    octets = (rsa.bits + 7) // 8
    if len(signature.value) != octets:
        return None
    block = pow(int.from_bytes(signature.value, "big"), rsa.exponent, rsa.modulus).to_bytes(octets, "big")
    padding = b"\0\1" + b"\xff" * (octets - len(_SHA256_INFO) - _SHA256_OCTETS - 3) + b"\0" + _SHA256_INFO
    return block[-_SHA256_OCTETS:] if block.startswith(padding) else None


def made_by(signature: Signature, key: KeyRecord) -> bool | None:
    """True if an RSA signature was made with this key, whatever it signs; None if that cannot be told."""
    return None if _usable(signature, key) is None else signed_hash(signature, key) is not None


def _usable(signature: Signature, key: KeyRecord) -> RsaKey | None:
    """The key where it is an RSA key that such arithmetic is done with."""
    try:
        rsa = read_public_key(key.public_key or b"") if signature.algorithm == "rsa-sha256" else None
    except BadDer:
        return None
    if not isinstance(rsa, RsaKey) or rsa.exponent.bit_length() > _COMMON_EXPONENT or key.bits is None:
        return None
    return rsa


def ed25519_proves(signature: Signature, key: KeyRecord, digest: bytes) -> bool:
    """True if an Ed25519 key signed this SHA-256 of the header (RFC 8463 §3)."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if signature.algorithm != "ed25519-sha256" or key.material != "ed25519":
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key or b"").verify(signature.value, digest)
    except (InvalidSignature, ValueError):
        return False
    return True

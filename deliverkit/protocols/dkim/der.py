"""Just enough DER (X.690) to say what stands in a ``p=`` tag and what is wrong with it.

Reads an RSAPublicKey (RFC 8017 §A.1.1), alone or inside a SubjectPublicKeyInfo (RFC 5280 §4.1), an Ed25519
SubjectPublicKeyInfo (RFC 8410 §4), and recognises private keys that were published by mistake. It needs no
cryptographic library, so that an audit of records starts quickly.
"""

from __future__ import annotations

from dataclasses import dataclass

_INTEGER, _BIT_STRING, _OCTET_STRING, _OID, _SEQUENCE = 0x02, 0x03, 0x04, 0x06, 0x30
_RSA_OID = bytes.fromhex("2a864886f70d010101")
_ED25519_OID = bytes.fromhex("2b6570")
_OID_NAMES = {
    bytes.fromhex("2a8648ce3d0201"): "an elliptic-curve key",
    bytes.fromhex("2b656e"): "an X25519 key",
    bytes.fromhex("2b6571"): "an Ed448 key",
    bytes.fromhex("2a864886f70d01010a"): "an RSA-PSS key",
    bytes.fromhex("2a8648ce380401"): "a DSA key",
}


class BadDer(ValueError):
    """The octets are no key; the text says why. ``truncated`` if they end before they should."""

    def __init__(self, why: str, *, truncated: bool = False) -> None:
        super().__init__(why)
        self.truncated = truncated


@dataclass(frozen=True, slots=True)
class RsaKey:
    """An RSA public key and the form it was written in: "spki" or "pkcs1"."""

    modulus: int
    exponent: int
    form: str

    @property
    def bits(self) -> int:
        return self.modulus.bit_length()


@dataclass(frozen=True, slots=True)
class Ed25519Key:
    """The raw key inside an Ed25519 SubjectPublicKeyInfo."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class _Node:
    """One DER value: its tag and its content; ``end`` is where the next one begins."""

    tag: int
    content: bytes
    end: int


def _read(data: bytes, at: int, what: str) -> _Node:
    """The value that starts at ``at``."""
    if len(data) < at + 2:
        raise BadDer(f"the key ends before {what}", truncated=True)
    tag, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        octets = length & 0x7F
        if not 1 <= octets <= 4:
            raise BadDer(f"{what} has no definite length")
        if len(data) < start + octets:
            raise BadDer(f"the key ends inside the length of {what}", truncated=True)
        length, start = int.from_bytes(data[start : start + octets], "big"), start + octets
    if len(data) < start + length:
        missing = start + length - len(data)
        raise BadDer(f"the key is cut short: {missing} of its {start + length} octets are missing", truncated=True)
    return _Node(tag, data[start : start + length], start + length)


def _children(data: bytes) -> list[_Node]:
    nodes: list[_Node] = []
    at = 0
    while at < len(data) and len(nodes) < 16:
        node = _read(data, at, "an inner value")
        nodes.append(node)
        at = node.end
    return nodes


def read_public_key(data: bytes) -> RsaKey | Ed25519Key:
    """The public key that ``data`` holds. Raises BadDer."""
    outer = _outer(data)
    parts = _children(outer.content)
    if [part.tag for part in parts] == [_INTEGER, _INTEGER]:
        return _rsa(parts, "pkcs1")
    if [part.tag for part in parts] == [_SEQUENCE, _BIT_STRING]:
        return _subject_public_key(parts[0].content, parts[1].content)
    raise BadDer("it is a DER structure, but no public key")


def _outer(data: bytes) -> _Node:
    if data[:1] not in (b"", b"\x30"):
        raise BadDer(f"it does not begin like a key: octet 0x{data[0]:02x} where a SEQUENCE (0x30) should be")
    outer = _read(data, 0, "its first value")
    if outer.end < len(data):
        raise BadDer(f"{len(data) - outer.end} octets stand after the key")
    return outer


def _subject_public_key(algorithm: bytes, bits: bytes) -> RsaKey | Ed25519Key:
    identifiers = [node.content for node in _children(algorithm) if node.tag == _OID]
    oid = identifiers[0] if identifiers else b""
    if not bits or bits[0]:
        raise BadDer("its BIT STRING has unused bits")
    if oid == _ED25519_OID:
        return Ed25519Key(bits[1:])
    if oid != _RSA_OID:
        raise BadDer(f"it is {_OID_NAMES.get(oid, 'a key of an unknown algorithm')}; DKIM has RSA and Ed25519")
    inner = _read(bits[1:], 0, "the RSAPublicKey")
    parts = _children(inner.content)
    if inner.tag != _SEQUENCE or [part.tag for part in parts] != [_INTEGER, _INTEGER]:
        raise BadDer("its RSAPublicKey is not a pair of integers")
    return _rsa(parts, "spki")


def _rsa(parts: list[_Node], form: str) -> RsaKey:
    modulus, exponent = (int.from_bytes(part.content, "big", signed=True) for part in parts)
    if modulus <= 0 or modulus % 2 == 0:
        raise BadDer("its modulus is no product of two odd primes")
    if exponent < 3 or exponent % 2 == 0 or exponent >= modulus:
        raise BadDer(f"its public exponent {exponent if exponent.bit_length() < 64 else '(huge)'} is not valid")
    return RsaKey(modulus, exponent, form)


def is_private_key(data: bytes) -> bool:
    """True for PKCS#1 (RFC 8017 §A.1.2) and PKCS#8 (RFC 5958 §2) private keys, also when cut short."""
    try:
        tags = [part.tag for part in _children(_outer(data).content)]
    except BadDer as bad:
        return bad.truncated and _begins_like_private(data)
    return tags[:3] == [_INTEGER, _SEQUENCE, _OCTET_STRING] or (len(tags) >= 9 and set(tags[:9]) == {_INTEGER})


def _begins_like_private(data: bytes) -> bool:
    """SEQUENCE { INTEGER 0, … : a version where a public key has its modulus or its algorithm."""
    start = 2 + (data[1] & 0x7F if len(data) > 1 and data[1] & 0x80 else 0)
    return data[:1] == b"\x30" and data[start : start + 3] == b"\x02\x01\x00"

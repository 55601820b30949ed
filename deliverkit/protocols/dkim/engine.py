"""dkimpy, made fast and linear: a private copy of its module in which a few functions are replaced.

Why a copy: dkimpy keeps everything that is slow in module-level functions (RSA with Python's `pow`, regular
expressions that are quadratic in blanks and folds), so a subclass cannot reach them, and patching ``dkim`` itself would
change it for every other user in the process. The module's code is therefore executed a second time under a name of
ours, once, under a lock, and the replacements are put into that copy; ``import dkim`` stays exactly as it was shipped.

Why a guard: the replaced names are dkimpy's internals. Only versions this was tested with are touched; another one is
used as it is, slower, with the same results.

What this file will not do: decide anything about a signature; that is ``verify`` and ``sign``.
"""

from __future__ import annotations

import functools
import importlib.util
import re
import sys
import threading
from collections.abc import Iterable, Sequence
from importlib import metadata
from types import ModuleType
from typing import Any

from deliverkit.protocols.dkim import canonical
from deliverkit.protocols.dkim.canonical import Field

TESTED = re.compile(r"1\.1\.\d+")
_PRIVATE_NAME = "deliverkit.protocols.dkim._dkimpy"
_REPLACED = (
    "CanonicalizationPolicy",
    "RSASSA_PKCS1_v1_5_sign",
    "RSASSA_PKCS1_v1_5_verify",
    "evaluate_pk",
    "hash_headers",
    "parse_pem_private_key",
    "rfc822_parse",
)
_KEYS_KEPT = 256

_lock = threading.Lock()
_engine: ModuleType | None = None


def engine() -> Any:
    """The module to use in place of ``dkim``."""
    global _engine
    with _lock:
        if _engine is None:
            _engine = _load()
        return _engine


def is_fast() -> bool:
    """True if the replacements are in place (False: an untested dkimpy, used as it is)."""
    return bool(engine().__name__ == _PRIVATE_NAME)


def _load() -> ModuleType:
    import dkim

    stock: ModuleType = dkim
    if not TESTED.fullmatch(metadata.version("dkimpy")) or not all(hasattr(stock, name) for name in _REPLACED):
        return stock
    spec = importlib.util.spec_from_file_location(_PRIVATE_NAME, stock.__file__)
    if spec is None or spec.loader is None:  # a zipped or frozen installation
        return stock
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    for name in _REPLACED:
        setattr(copy, name, _replacements(copy)[name])
    sys.modules[_PRIVATE_NAME] = copy  # so that its classes and exceptions can be pickled by worker processes
    return copy


def _replacements(copy: ModuleType) -> dict[str, Any]:
    rsa = _Rsa(copy.RSASSA_PKCS1_v1_5_sign, copy.RSASSA_PKCS1_v1_5_verify, copy.parse_pem_private_key)
    return {
        "CanonicalizationPolicy": _policy_class(copy.CanonicalizationPolicy),
        "RSASSA_PKCS1_v1_5_sign": rsa.sign,
        "RSASSA_PKCS1_v1_5_verify": rsa.verify,
        "evaluate_pk": functools.lru_cache(maxsize=_KEYS_KEPT)(copy.evaluate_pk),
        "hash_headers": _hash_headers,
        "parse_pem_private_key": rsa.private_key,
        "rfc822_parse": _rfc822_parse(copy.MessageFormatError),
    }


def _rfc822_parse(refused: type[Exception]) -> Any:
    def rfc822_parse(message: bytes) -> tuple[list[list[bytes]], bytes]:
        try:
            fields, body = canonical.split_message(message)
        except canonical.NotAMessage as bad:
            raise refused(str(bad)) from None
        return [list(field) for field in fields], body

    return rfc822_parse


def _policy_class(stock: Any) -> Any:
    """dkimpy's reading of ``c=``, with our canonical forms behind it."""

    class Policy(stock):  # type: ignore[misc]
        def canonicalize_headers(self, headers: Iterable[Sequence[bytes]]) -> list[Field]:
            fields = [(field[0], field[1]) for field in headers]
            return canonical.relaxed_fields(fields) if self.header_algorithm.name == b"relaxed" else fields

        def canonicalize_body(self, body: bytes) -> bytes:
            body = body if isinstance(body, canonical.Body) else canonical.Body(body)
            return body.canonical(self.body_algorithm.name.decode())

    return Policy


def _hash_headers(
    hasher: Any,
    policy: Any,
    headers: Sequence[Field],
    include_headers: Sequence[bytes],
    sigheader: Field,
    sig: Any,  # noqa: ARG001 - dkimpy's signature
) -> list[Field]:
    """RFC 6376 §3.7: the signed fields, then the signature field without its ``b=`` and without final CRLF."""
    chosen = canonical.select_fields(headers, include_headers)
    [(name, value)] = policy.canonicalize_headers([(sigheader[0], canonical.without_signature(sigheader[1]))])
    for part_name, part_value in [*chosen, (name, value.rstrip())]:
        hasher.update(part_name + b":" + part_value)
    return chosen


class _Rsa:
    """RSASSA-PKCS1-v1_5 (RFC 8017 §8.2) by ``cryptography``; what it will not take goes to dkimpy's own."""

    def __init__(self, stock_sign: Any, stock_verify: Any, stock_parse: Any) -> None:
        self._stock_sign = stock_sign
        self._stock_verify = stock_verify
        self._stock_parse = stock_parse
        self._public = functools.lru_cache(maxsize=_KEYS_KEPT)(self._load_public)
        self.private_key = functools.lru_cache(maxsize=_KEYS_KEPT)(self._load_private)

    def sign(self, digest: Any, private_key: Any) -> bytes:
        """Sign what was hashed. ``digest`` is dkimpy's hash object."""
        if isinstance(private_key, dict) or digest.name != "sha256":
            return bytes(self._stock_sign(digest, private_key))
        return bytes(private_key.sign(digest.digest(), *_padding_and_hash()))

    def verify(self, digest: Any, signature: bytes, public_key: dict[str, int]) -> bool:
        """True if the signature is good."""
        from cryptography.exceptions import InvalidSignature

        key = self._public(public_key["modulus"], public_key["publicExponent"])
        if key is None or digest.name != "sha256":
            return bool(self._stock_verify(digest, signature, public_key))
        try:
            key.verify(signature, digest.digest(), *_padding_and_hash())
        except InvalidSignature:
            return False
        return True

    @staticmethod
    def _load_public(modulus: int, exponent: int) -> Any:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

        try:
            return RSAPublicNumbers(exponent, modulus).public_key()
        except ValueError:
            return None

    def _load_private(self, pem: bytes) -> Any:
        """A key object of ``cryptography``, or dkimpy's dictionary where that refuses the key."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            return self._stock_parse(pem)
        return key if isinstance(key, RSAPrivateKey) else self._stock_parse(pem)


@functools.cache
def _padding_and_hash() -> tuple[Any, Any]:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.hazmat.primitives.hashes import SHA256

    return PKCS1v15(), Prehashed(SHA256())

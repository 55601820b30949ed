"""Proof: whether a body or a header is the one that was signed (RFC 6376 §3.7).

The body has its hash in ``bh=``. Of an RSA signature the public key shows the hash of the header that was signed, so
that a try costs one SHA-256; Ed25519 shows nothing, so that each try is a verification. What this file will not do:
think of changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from deliverkit.facts.message.mutation.budget import Budget
from deliverkit.protocols.dkim.canonical import (
    Field,
    relaxed_body,
    relaxed_fields,
    select_fields,
    simple_body,
    without_signature,
)
from deliverkit.protocols.dkim.key import KeyRecord
from deliverkit.protocols.dkim.proof import ed25519_proves, signed_hash
from deliverkit.protocols.dkim.signature import Signature

_KEPT = 4000  # canonical fields that are remembered
_FIELD_COST = 32  # octets that choosing a field costs
_OVERHEAD = 256  # octets that a try costs beside its hashing


class BodyProof:
    """Answers whether a body has the hash in ``bh=``."""

    def __init__(self, signature: Signature, budget: Budget) -> None:
        self.signature = signature
        self.wanted = signature.body_hash
        self.length = signature.body_length
        self.form = signature.body_canonicalization
        self.canonical = relaxed_body if self.form == "relaxed" else simple_body
        self.budget = budget

    def agrees(self, body: bytes) -> bool:
        """True if the body, in its canonical form and as far as ``l=`` goes, is the one that was signed."""
        self.budget.spend(len(body) + _OVERHEAD)
        return hashlib.sha256(self.canonical(body)[: self.length]).digest() == self.wanted

    def is_hash_of(self, octets: bytes) -> bool:
        """True if ``bh=`` is the hash of these very octets."""
        self.budget.spend(len(octets) + _OVERHEAD)
        return hashlib.sha256(octets[: self.length]).digest() == self.wanted


class HeaderProof:
    """Answers whether header fields are those that were signed by the key."""

    def __init__(self, signature: Signature, own: Field, key: KeyRecord, budget: Budget) -> None:
        self.signature = signature
        self.own = own
        self.form = signature.header_canonicalization
        self.budget = budget
        self._key = key
        self._hash = signed_hash(signature, key)
        names = [name.encode("utf-8", "surrogateescape") for name in signature.signed_names]
        self.names = [*names, b"from"]  # as dkimpy has it: another From on top of the signed ones breaks the signature
        self._known: dict[Field, bytes] = {}

    @property
    def possible(self) -> bool:
        """False where this key did not make the signature, or nobody can tell: nothing can be proven then."""
        return self._hash is not None or self.signature.algorithm == "ed25519-sha256"

    def agrees(
        self,
        fields: Sequence[Field],
        *,
        own: Field | None = None,
        form: str | None = None,
        ending: bytes = b"",
    ) -> bool:
        """True if these fields were signed. ``own`` is the signature field, ``ending`` what was hashed after it."""
        form = form or self.form
        chosen = select_fields(fields, self.names)
        name, value = own or self.own
        last = self._canonical((name, without_signature(value)), form).rstrip()
        data = b"".join([*(self._canonical(field, form) for field in chosen), last, ending])
        self.budget.spend(len(data) + _OVERHEAD + _FIELD_COST * (len(fields) + len(self.names)))
        digest = hashlib.sha256(data).digest()
        if self._hash is not None:
            return digest == self._hash
        return ed25519_proves(self.signature, self._key, digest)

    def _canonical(self, field: Field, form: str) -> bytes:
        if form != "relaxed":
            return field[0] + b":" + field[1]
        known = self._known.get(field)
        if known is None:
            [(name, value)] = relaxed_fields([field])
            known = name + b":" + value
            if len(self._known) < _KEPT:
                self._known[field] = known
        return known

"""The key that made a signature, where it is not the one that the signature names.

What this file will not do: ask for keys; the engine asks, and only where a signature failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from deliverkit.facts.message.mutation.budget import Budget
from deliverkit.facts.message.mutation.proof import HeaderProof
from deliverkit.flow import Answer
from deliverkit.protocols.dkim.canonical import Field
from deliverkit.protocols.dkim.key import KeyRecord, looks_like_key, parse_key
from deliverkit.protocols.dkim.signature import Signature
from deliverkit.protocols.dkim.verdict import Kind, SignatureVerdict

OF_KEY = (Kind.WRONG_KEY, Kind.KEY_ABSENT, Kind.REVOKED, Kind.KEY_UNUSABLE)
MOST_KEYS = 64  # keys that are tried on a signature
_LONGEST_KEY = 8192  # bits; arithmetic grows with the cube

NamedKey = tuple[str, KeyRecord]


def in_doubt(verdict: SignatureVerdict) -> bool:
    """True where another key may have made the signature: only then are other selectors worth asking for."""
    if verdict.signature.value == b"" or not verdict.signature.well_formed:
        return False
    return verdict.kind in OF_KEY or (verdict.kind is Kind.SIGNATURE and verdict.algorithm == "ed25519-sha256")


def other_names(verdicts: Iterable[SignatureVerdict], common: Iterable[str]) -> tuple[str, ...]:
    """The names of keys that may have made the signatures in doubt: other signatures' selectors, then common ones."""
    seen = tuple(verdicts)
    selectors = dict.fromkeys([v.selector for v in seen if v.selector] + list(common))
    doubtful = dict.fromkeys(v.domain for v in seen if in_doubt(v) and v.domain)
    asked = {v.signature.key_name for v in seen}
    names = (f"{selector}._domainkey.{domain}" for domain in doubtful for selector in selectors)
    return tuple(name for name in names if name not in asked and len(name) <= 253)


def named_keys(answers: Mapping[str, Answer]) -> tuple[NamedKey, ...]:
    """The keys that stand in answers, each with its name."""
    found: list[NamedKey] = []
    for name, answer in answers.items():
        if answer.known:
            found += [(name, parse_key(text)) for text in answer.texts[:4] if looks_like_key(text)]
    return tuple((name, key) for name, key in found if key.public_key and (key.bits or 0) <= _LONGEST_KEY)


def maker(
    signature: Signature, own: Field, fields: Sequence[Field], keys: Iterable[NamedKey], budget: Budget
) -> NamedKey | None:
    """The key that made the signature: RSA shows it whatever was changed, Ed25519 only where the header is whole."""
    for name, key in [one for one in keys if one[0] != signature.key_name][:MOST_KEYS]:
        proof = HeaderProof(signature, own, key, budget)
        if proof.possible and (signature.algorithm == "rsa-sha256" or proof.agrees(fields)):
            return name, key
    return None

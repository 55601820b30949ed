"""Secrets that a server repeats: masked in what it says, before anybody reads, records or reports it.

A server that does not understand AUTH quotes the line back (often cut short); one that refuses a login may quote the
password, as it is or in base64. What this file will not do: know which texts are secret; whoever says them does.
"""

from __future__ import annotations

from collections.abc import Collection

from deliverkit.smtp.transcript import MASK

_LEAST = 8  # characters of a secret that give it away when a server cuts its quotation short


def masked(text: str, secrets: Collection[str]) -> str:
    """The text with every secret in it, and every long beginning of one, replaced by `MASK`."""
    if not secrets:
        return text
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = _without(text, secret)
    return text


def _without(text: str, secret: str) -> str:
    """The text without one secret. A short one counts as a whole word only, or it would blot out half a sentence."""
    pieces, read = list[str](), 0
    while (start := text.find(secret[:_LEAST], read)) >= 0:
        length = _alike(text[start : start + len(secret)], secret)
        around = text[max(start - 1, 0) : start] + text[start + length : start + length + 1]
        if len(secret) < _LEAST and any(character.isalnum() for character in around):
            pieces.append(text[read : start + 1])
            read = start + 1
            continue
        pieces.append(text[read:start] + MASK)
        read = start + length
    return "".join([*pieces, text[read:]])


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))

"""What was done to a message after it was signed: known changes are undone one by one until the signature agrees.

Tried only where a signature fails (RFC 6376 §6.1.3). Every change that is named is proven: with it undone the hash or
the signature agrees, and nobody finds a SHA-256 by chance. The search is bounded by counted work, so that it ends the
same on every machine. What this room will not do: repair the message for anybody else, name what cannot be proven (a
value that was replaced, octets that were thrown away), or ask the world for anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from deliverkit.facts.message.mutation.change import Change, Half, Search, State
from deliverkit.protocols.dkim.key import KeyRecord
from deliverkit.protocols.dkim.verdict import SignatureVerdict
from deliverkit.protocols.dkim.verify import SignedMessage

__all__ = ["Change", "Half", "Search", "State", "find_changes"]


def find_changes(
    message: SignedMessage,
    verdicts: Iterable[SignatureVerdict],
    *,
    keys: Sequence[tuple[str, KeyRecord]] = (),
    body_line: int | None = None,
) -> tuple[Search | None, ...]:
    """The search for each signature's failure; None where it is good or fails for a reason of its own.

    ``keys`` are other keys that may have signed, by the name they stand at; ``body_line`` is the line of the message
    where the body begins. Works for as long as the message is large: run it off an event loop.
    """
    seen = tuple(verdicts)
    if all(verdict.kind is None for verdict in seen):
        return (None,) * len(seen)
    from deliverkit.facts.message.mutation.search import search_changes

    return search_changes(message, seen, keys, body_line)

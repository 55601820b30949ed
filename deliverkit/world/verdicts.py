"""What was found of a chain of certificates, kept while it holds: many ports show the same one.

A judgement is a matter of the chain, the store and the time, and of the time only by the dates of the certificates that
the search can come by. So it holds from the last of these dates that has passed to the next one.
What this file will not do: judge; `deliverkit.world.trust` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from deliverkit.smtp.dialogue import Certificate
from deliverkit.world import trust

MOST_KEPT = 512


@dataclass(frozen=True, slots=True)
class Seen:
    """The facts of the certificates that could be read, leaf first, and the judgement."""

    facts: tuple[Certificate, ...]
    verdict: trust.Trust
    after: datetime | None  # it holds for later times than this,
    until: datetime | None  # up to this one


_kept: dict[tuple[tuple[bytes, ...], trust.TrustStore], Seen] = {}


def seen(sent: tuple[bytes, ...], store: trust.TrustStore, now: datetime) -> Seen:
    """What there is to say of the chain in DER form that a server sent."""
    known = _kept.get((sent, store))
    if known and (known.after is None or known.after < now) and (known.until is None or now < known.until):
        return known
    chain = trust.parsed(sent)
    facts = tuple([trust.certificate_facts(one) for one in chain])
    dates = trust.dates_of(chain, store)
    found = Seen(
        facts,
        trust.judge(chain, store, now),
        max([date for date in dates if date < now], default=None),
        min([date for date in dates if date > now], default=None),
    )
    if now not in dates and sum(map(len, sent)) <= trust.LARGEST_KEPT:
        if len(_kept) >= MOST_KEPT:
            _kept.clear()
        _kept[sent, store] = found
    return found

"""What changed in the meaning of what a domain publishes: a policy weakened, an include added, a key replaced.

Two postures in, differences of the kinds of ``data/differences.toml`` out, which knows how grave each is. Unlike the
settings of two environments these have a direction: the new side is what will be. What this file will not do: rank.
"""

from __future__ import annotations

from collections.abc import Iterator

from deliverkit.engine.differing import Raw
from deliverkit.engine.posture import BETWEEN, Key, Posture

LIMIT = 10  # lookups of SPF, RFC 7208 §4.6.4
_POLICIES = ("none", "quarantine", "reject")
_ENDS = ("+all", "?all", "~all", "-all")  # the weakest first


def turns(old: Posture, new: Posture) -> Iterator[Raw]:
    """Everything that changed its meaning."""
    yield from _spf(old, new)
    yield from _dmarc(old, new)
    yield from _dkim(old, new)
    yield from _mx(old, new)
    yield from _placed(old, new)


def untold(old: Posture, new: Posture) -> Iterator[str]:
    """What could not be compared, because one side does not know it."""
    for part in dict.fromkeys((*old.untold, *new.untold)):
        side = "both sides" if part in old.untold and part in new.untold else "one side"
        yield f"{part} of {new.name}: {side} could not tell"


# -- SPF --------------------------------------------------------------------------------------------------


def _spf(old: Posture, new: Posture) -> Iterator[Raw]:
    if old.spf is None or new.spf is None or old.spf == new.spf:
        if old.spf and old.spf == new.spf:
            yield from _lookups(old, new, "the record is the same, but what it includes changed")
        return
    where = new.name
    if not old.spf or not new.spf:
        yield Raw("spf-record", where, "SPF", old.spf or None, new.spf or None)
        return
    if BETWEEN in f"{old.spf}{new.spf}":  # more than one record is permerror (RFC 7208 §4.5): terms mean nothing
        yield Raw("spf-several", where, "SPF", old.spf, new.spf)
        return
    yield from _lookups(old, new, "")
    yield from _end(old, new)
    before, after = _plain(old), _plain(new)
    for term in (term for term in after if term not in before):
        cost = new.terms.get(term, 0)
        why = f"+{cost} lookup{'s' * (cost != 1)}, now {new.lookups}" if cost and new.lookups is not None else ""
        kind = "spf-everybody" if term.lstrip("+") in ("all", "ip4:0.0.0.0/0", "ip6:::/0") else "spf-allowed"
        yield Raw(kind, where, term, None, term, why=why)
    for term in (term for term in before if term not in after):
        cost = old.terms.get(term, 0)
        spared = f"; {cost} lookups fewer, now {new.lookups}" if cost and new.lookups is not None else ""
        yield Raw("spf-no-longer-allowed", where, term, term, None, why=f"{_NO_LONGER}{spared}" if spared else "")


_NO_LONGER = "mail from there fails SPF now"


def _lookups(old: Posture, new: Posture, why: str) -> Iterator[Raw]:
    if old.lookups == new.lookups or old.lookups is None or new.lookups is None:
        return
    over = new.lookups > LIMIT >= old.lookups
    kind = "spf-over-the-limit" if over else "spf-lookups"
    yield Raw(kind, new.name, "SPF lookups", str(old.lookups), str(new.lookups), why="" if over else why)


def _plain(side: Posture) -> list[str]:
    """The terms but the end and the modifiers that send nobody."""
    every = (term.lower() for term in side.terms or _split(side.spf))
    return [term for term in every if not (term in (*_ENDS, "all") or term.startswith("exp="))]


def _split(record: str | None) -> list[str]:
    return (record or "").split()[1:]


def _all(side: Posture) -> str | None:
    ends = [term.lower() for term in _split(side.spf) if term.lower().lstrip("+-~?") == "all"]
    return None if not ends else ends[-1] if ends[-1][0] in "+-~?" else f"+{ends[-1]}"


def _end(old: Posture, new: Posture) -> Iterator[Raw]:
    was, now = _all(old), _all(new)
    if was == now:
        return
    ranks = [_ENDS.index(end) if end in _ENDS else 1 for end in (was, now)]  # no end is neutral (RFC 7208 §4.7)
    if now == "+all":
        yield Raw("spf-everybody", new.name, "the end of SPF", was, now)
    elif ranks[1] < ranks[0]:
        yield Raw("spf-weakened", new.name, "the end of SPF", was, now)
    else:
        yield Raw("spf-strengthened", new.name, "the end of SPF", was, now)


# -- DMARC ------------------------------------------------------------------------------------------------


def _dmarc(old: Posture, new: Posture) -> Iterator[Raw]:
    before, after = old.dmarc, new.dmarc
    if before is None or after is None or before == after:
        return
    where = new.name
    if not before or not after:
        kind = "dmarc-gone" if before else "dmarc-new"
        yield Raw(kind, where, "DMARC", before.get("policy") or None, after.get("policy") or None)
        return
    if before["policy"] != after["policy"] and before["t"] == after["t"]:  # the test mode changes the policy too
        yield _policy(where, "policy", before["policy"], after["policy"])
    for tag in ("sp", "np"):
        was, now = (side[tag] or side["sp"] or side["p"] for side in (before, after))
        if was != now and (before[tag] or after[tag]):
            yield _policy(where, f"{tag} (policy of subdomains)", was, now)
    if before["t"] != after["t"]:
        kind = "dmarc-weakened" if after["t"] else "dmarc-strengthened"
        yield Raw(kind, where, "test mode (t=y)", str(before["t"]).lower(), str(after["t"]).lower())
    for tag in ("adkim", "aspf"):
        if before[tag] != after[tag]:
            kind = "dmarc-strict" if after[tag] == "s" else "dmarc-relaxed"
            yield Raw(kind, where, f"alignment ({tag})", before[tag], after[tag])
    if before["rua"] != after["rua"]:
        gone = not after["rua"]
        kind = "dmarc-reports-gone" if gone else "dmarc-reports"
        yield Raw(kind, where, "report addresses", ", ".join(before["rua"]) or None, ", ".join(after["rua"]) or None)
    if before["at"] != after["at"]:
        yield Raw("dmarc-place", where, "record found at", before["at"], after["at"])


def _policy(where: str, what: str, was: str | None, now: str | None) -> Raw:
    ranks = [_POLICIES.index(word) if word in _POLICIES else -1 for word in (was, now)]
    return Raw("dmarc-weakened" if ranks[1] < ranks[0] else "dmarc-strengthened", where, what, was, now)


# -- DKIM -------------------------------------------------------------------------------------------------


def _dkim(old: Posture, new: Posture) -> Iterator[Raw]:
    if old.keys is None or new.keys is None:
        return
    usable_now = {name for name, keys in new.keys.items() if any(key.usable for key in keys)}
    for selector in sorted(old.keys.keys() | new.keys.keys()):
        before, after = old.keys.get(selector), new.keys.get(selector)
        was, now = _named(before, old.aliases.get(selector)), _named(after, new.aliases.get(selector))
        if was == now:
            continue
        what, lost = f"selector {selector}", any(k.usable for k in before or ()) and selector not in usable_now
        if lost:
            left = f"; what is left: {', '.join(sorted(usable_now))}" if usable_now else "; no other key is left"
            yield Raw("dkim-key-gone", new.name, what, was, now, why=f"{_STILL_SIGNED}{left}")
        elif not any(k.usable for k in before or ()):
            if selector in usable_now:
                yield Raw("dkim-key-new", new.name, what, was, now)
        else:
            yield Raw("dkim-key-replaced", new.name, what, was, now)


_STILL_SIGNED = "mail that is signed with this key, and mail under way, no longer verifies"


def _named(keys: tuple[Key, ...] | None, alias: str | None) -> str | None:
    """The keys in a few characters that tell one from another."""
    if not keys:
        return None
    shown = [f"{key.bits or '?'} bits, {key.digest}" + ("" if key.usable else ", unusable") for key in keys]
    return "; ".join(sorted(shown)) + (f", by {alias}" if alias else "")


# -- MX and the records beside it -------------------------------------------------------------------------


def _mx(old: Posture, new: Posture) -> Iterator[Raw]:
    before, after = old.mx, new.mx
    if before is None or after is None or before == after:
        return
    was, now = (", ".join(f"{host} ({n})" for host, n in sorted(side.items())) or None for side in (before, after))
    if before and not after.keys() - {"."}:  # RFC 7505: a null MX
        kind = "mx-gone"
    elif before.keys() == after.keys():
        kind = "mx-order"
    else:
        kind = "mx-changed" if before.keys() & after.keys() else "mx-replaced"
    yield Raw(kind, new.name, "MX", was, now)


def _placed(old: Posture, new: Posture) -> Iterator[Raw]:
    for kind, what, was, now in (
        ("mta-sts", "MTA-STS record", old.mtasts, new.mtasts),
        ("tls-rpt", "TLS-RPT record", old.tlsrpt, new.tlsrpt),
        ("bimi", "BIMI record", old.bimi, new.bimi),
    ):
        if was is not None and now is not None and was != now:
            yield Raw(kind, new.name, what, was or None, now or None)

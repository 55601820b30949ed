"""The providers of a domain as lines of text: who, recognised by what, and what of it is in place. No opinion."""

from __future__ import annotations

from collections.abc import Iterator

from deliverkit.facts.base import Missing
from deliverkit.facts.providers import ProviderFacts, ProvidersFacts
from deliverkit.report.plain import columns, plain

_SHOWN = 2
_KINDS = {"via": "named", "mx": "MX", "spf": "SPF include", "dkim": "DKIM alias"}
_DKIM = {
    "absent": "no key",
    "dangling": "an alias that leads to no key",
    "unknown": "could not be told",
    "unguessable": "not seen; its selectors cannot be guessed",
}


def provider_lines(facts: ProvidersFacts, width: int = 100) -> list[str]:
    """One block a provider: its name, then what gives it away, SPF and DKIM."""
    lines: list[str] = []
    for one in facts.seen:
        lines.append(plain(one.provider.name))
        lines += [f"  {line}" for line in columns([row for row in provider_rows(one) if row[1]], width - 2)]
    return lines


def provider_rows(one: ProviderFacts) -> list[tuple[str, str]]:
    """What is known of a provider, as pairs of a word and a text."""
    return [
        ("recognised by", plain("; ".join(_recognised(one)))),
        ("SPF", plain(_spf(one))),
        ("DKIM", plain(_dkim(one))),
        ("alignment", plain(_alignment(one))),
    ]


def _recognised(one: ProviderFacts) -> Iterator[str]:
    for kind, word in _KINDS.items():
        names = list(dict.fromkeys(sign.name for sign in one.signs if sign.kind == kind))
        if kind == "via" and names:
            yield "--via"
        elif names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            yield f"{word} {', '.join(names[:_SHOWN])}{more}"


def _spf(one: ProviderFacts) -> str:
    listing, p = one.raw("spf"), one.provider
    if isinstance(listing, Missing):
        return f"could not be told: {listing.reason}"
    if p.spf_include is None:
        return "its include is not known"
    if listing.how == "included":
        return f"include:{listing.path[-1]}{f', by way of {listing.path[-2]}' if len(listing.path) > 2 else ''}"
    if listing.how == "covered":
        return "its addresses are listed, without its include"
    if listing.how == "mail-from":
        return f"at its return path {listing.path[0]}"
    return f"not included (include:{p.spf_include}{f'; {p.spf_advice}' if p.spf_needed else ''})"


def _dkim(one: ProviderFacts) -> str:
    if one.dkim != "in place":
        if one.dkim == "unguessable" and one.others:
            return "not told apart: a key at another selector may be its own"
        asked = ", ".join(d.selector for d in one.delegations)
        if one.dkim == "absent" and any(d.answer.records for d in one.delegations):
            return f"no usable key at {asked}"
        return _DKIM[one.dkim] + (f" at {asked}" if asked and one.dkim in ("absent", "dangling") else "")
    said = []
    for d in one.delegations:
        if d.usable:
            said.append(f"{d.selector} by alias" if d.state == "delegated" else d.selector)
        elif d.state == "dangling":
            said.append(f"{d.selector} rests (its alias leads to no key)")
    return ", ".join(said)


def _alignment(one: ProviderFacts) -> str:
    """What must sign or return for DMARC to pass, where the data says more than usual."""
    needed = one.provider.spf_needed
    if not needed or not one.via:
        return ""
    if not isinstance(one.raw("spf"), Missing) and one.spf.how == "mail-from":
        return "by DKIM, and by SPF where aspf is relaxed (its return path is a subdomain)"
    return "by DKIM; by SPF only with a return path of its own below the domain"

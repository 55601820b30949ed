"""What the rules about ports share: whether there is something to judge, and the evidence of it. No rule lives here."""

from __future__ import annotations

from collections.abc import Sequence

from deliverkit.facts.base import Missing, NotApplicable, needs
from deliverkit.facts.host import PortFacts, TlsFacts
from deliverkit.findings import Evidence


def opened(facts: PortFacts, *roles: str) -> None:
    """Go on only for a port that was reached, in one of these roles (all when none is named).

    A port that is closed, or of which nobody knows, is the matter of the rules about reachability alone.
    """
    if roles and facts.role not in roles:
        raise NotApplicable
    state = facts.raw("reachable")
    if isinstance(state, Missing) and not state.asked:
        _ = facts.reachable  # raises NotAsked
    if state is not True:
        raise NotApplicable


def session(facts: PortFacts, *roles: str) -> TlsFacts:
    """The TLS session of an open port; a port without one is not applicable."""
    opened(facts, *roles)
    return needs(facts.tls)


def reached(rows: Sequence[PortFacts]) -> bool:
    """Whether any of these was reached. Raises as reading the fact would, when that cannot be told.

    A row that could not be tried from here (no IPv6) counts for nothing as long as another row tells.
    """
    states = [row.raw("reachable") for row in rows]
    if any(state is True for state in states):
        return True
    for row in rows:
        if isinstance(row.raw("reachable"), Missing) and row.reason != "no-route":
            return row.reachable  # raises
    if not any(state is False for state in states):
        return rows[0].reachable if rows else False  # raises
    return False


def said(facts: PortFacts, command: str, value: str) -> Evidence:
    """What the server said to a command."""
    return Evidence("smtp", facts.subject, command, value, server=facts.endpoint)


def shown(facts: PortFacts) -> tuple[Evidence, ...]:
    """The certificate the server showed."""
    leaf = facts.tls.certificate if facts.tls else None
    if leaf is None:
        return ()
    value = (
        f"subject {leaf.subject}; issuer {leaf.issuer}; names {', '.join(leaf.names) or 'none'}; "
        f"valid {leaf.not_before} to {leaf.not_after}; {leaf.key_type} {leaf.key_bits} bits, {leaf.signature_hash}; "
        f"SHA-256 {leaf.sha256}"
    )
    return (Evidence("tls", facts.subject, "certificate", value, server=facts.endpoint),)


def why_not(facts: PortFacts) -> str:
    """Why a port was not reached, in words."""
    words = {
        "refused": "connection refused",
        "timeout": "no answer",
        "unreachable": "network unreachable",
        "no-address": "the host has no address",
        "closed": "the connection was reset",
    }
    return words.get(facts.reason or "", facts.reason or "not reached")

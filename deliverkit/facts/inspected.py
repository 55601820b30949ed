"""From what was heard on a port to the facts about it. What could not be observed is missing, with the reason.

What this file will not do: connect, or hold an opinion.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from deliverkit.facts.base import missing, not_asked
from deliverkit.facts.host import AFTER_TCP, MODES, PortFacts, TlsFacts
from deliverkit.smtp.dialogue import TlsSession, Trouble, TroubleKind
from deliverkit.smtp.inspect import Heard, Inspection, Target
from deliverkit.smtp.reply import Offer, Reply, offer
from deliverkit.smtp.transcript import Transcript


def port_facts(target: Target, seen: Inspection, transcript: Transcript, now: datetime) -> PortFacts:
    """What one inspection tells. What could not be observed is missing, with the reason."""
    unknown = missing(_why_unknown(target, seen))
    known: dict[str, Any] = dict.fromkeys(AFTER_TCP, unknown)
    if not isinstance(seen.connected, Trouble):
        known |= _spoken(target, seen, now)
    return PortFacts(
        host=target.host,
        address=target.address,
        port=target.port,
        role=target.role,
        reachable=_reachable(target, seen),
        reason=seen.connected.kind.value if isinstance(seen.connected, Trouble) else None,
        mode_expected=MODES[target.role],
        trouble=seen.trouble,
        named=target.named,
        transcript=transcript,
        **known,
    )


def _reachable(target: Target, seen: Inspection) -> Any:
    if not isinstance(seen.connected, Trouble):
        return True
    if seen.connected.kind is TroubleKind.NO_ROUTE:
        return missing(f"{target.address}: there is no route from here ({seen.connected.detail})")
    if seen.connected.kind is TroubleKind.NOT_ALLOWED:
        return missing(f"{seen.connected.detail}; --allow-private connects all the same")
    return False


def _why_unknown(target: Target, seen: Inspection) -> str:
    """Why the later facts of this port are not there."""
    where = f"{target.host}:{target.port} at {target.address}"
    for step in (seen.connected, seen.implicit, seen.greeting, seen.ehlo, seen.tls, seen.ehlo_tls):
        if isinstance(step, Trouble):
            return f"{where}: {step}"
    if isinstance(seen.greeting, Reply) and seen.greeting.code != 220:
        return f"{where} greets with {seen.greeting}"
    if isinstance(seen.ehlo, Reply) and not seen.ehlo.positive:
        return f"{where} answers EHLO with {seen.ehlo}"
    return f"{where}: the conversation did not come that far"


def _spoken(target: Target, seen: Inspection, now: datetime) -> dict[str, Any]:
    """The facts of a port whose TCP connection stood."""
    found: dict[str, Any] = {"mode": _mode(seen)} if _mode(seen) else {}
    greeting = _greeting(seen)
    if greeting is not None:
        found |= {"greeting": str(greeting), "greeting_code": greeting.code}
    found |= _tls(target, seen, now)
    found |= _offers(seen)
    for name, heard, asked in (
        ("mail_in_clear", seen.clear_mail, target.deep),
        ("mail_without_login", seen.mail, target.deep),
        ("relay", seen.relay, target.relay_test),
    ):
        if isinstance(heard, Reply) and not heard.transient:
            found[name] = str(heard)
        elif isinstance(heard, Reply):  # greylisting and the like say nothing about the question
            found[name] = missing(f"{target.host}:{target.port} says {heard}")
        elif not asked:
            found[name] = not_asked("--relay-test" if name == "relay" else "--deep")
    replies = (seen.greeting, seen.ehlo, seen.clear_mail, seen.starttls, seen.ehlo_tls, seen.mail, seen.relay)
    if isinstance(seen.greeting, Reply):
        found["faults"] = tuple(dict.fromkeys(f for r in replies if isinstance(r, Reply) for f in r.faults))
    return found


def _greeting(seen: Inspection) -> Reply | None:
    """The first reply; on a port that was offered TLS, also one that came in the clear instead."""
    if isinstance(seen.greeting, Reply):
        return seen.greeting
    if isinstance(seen.implicit, Trouble):
        first = seen.implicit.heard.split("\\r\\n")[0]
        if first[:3].isdigit():
            return Reply(int(first[:3]), (first[4:],))
    return None


def _mode(seen: Inspection) -> str | None:
    """How the port was found to speak, or None when that cannot be told."""
    if isinstance(seen.implicit, TlsSession):
        return "implicit"
    if isinstance(seen.implicit, Trouble):
        return "clear" if seen.implicit.heard else "unknown"
    if seen.starttls is not None or (isinstance(seen.ehlo, Reply) and "STARTTLS" in offer(seen.ehlo)):
        return "starttls"
    return "clear" if isinstance(seen.greeting, Reply) else None


def _tls(target: Target, seen: Inspection, now: datetime) -> dict[str, Any]:
    """Offered, asked for, shaken hands: three steps, three facts."""
    found: dict[str, Any] = {}
    if seen.implicit is not None:
        found |= {"starttls": None, "starttls_reply": None}
    elif isinstance(seen.ehlo, Reply) and seen.ehlo.positive:
        found |= {"starttls": "STARTTLS" in offer(seen.ehlo)}
        found |= {"starttls_reply": str(seen.starttls) if isinstance(seen.starttls, Reply) else None}
    shaken = seen.implicit if seen.implicit is not None else seen.tls
    if isinstance(shaken, TlsSession):
        found |= {"tls": tls_facts(shaken, target.verify_name, now), "tls_error": None}
        injected = shaken.injected.decode("ascii", "backslashreplace")
        found["injected"] = injected or None
    elif isinstance(shaken, Trouble):
        error = shaken.detail if shaken.kind is TroubleKind.TLS_FAILED else str(shaken)
        found |= {"tls": None, "tls_error": error or str(shaken), "injected": None}
    elif "starttls" in found:
        found |= {"tls": None, "tls_error": None, "injected": None}
    return found


def _offers(seen: Inspection) -> dict[str, Any]:
    """EHLO before and after TLS, and the logins offered."""
    before, after = _offer(seen.ehlo), _offer(seen.ehlo_tls)
    found: dict[str, Any] = {}
    if before is not None or seen.implicit is not None:
        found["ehlo"] = before.lines if before else None
        found["auth_in_clear"] = before.mechanisms if before else ()
    if after is not None or (before is not None and seen.tls is None):
        found["ehlo_tls"] = after.lines if after else None
        last = after or before
        assert last is not None
        found["auth"] = last.mechanisms
        found["ehlo_name"] = last.name
        found["extended"] = seen.extended
    return found


def _offer(heard: Heard | None) -> Offer | None:
    return offer(heard) if isinstance(heard, Reply) and heard.positive else None


def tls_facts(session: TlsSession, name: str | None, now: datetime) -> TlsFacts:
    """A session as facts, its time left counted from ``now``."""
    leaf = session.chain[0] if session.chain else None
    return TlsFacts(
        version=session.version,
        cipher=session.cipher,
        trusted=session.trusted,
        trust_problem=session.trust_problem,
        trust_detail=session.trust_detail,
        name=name,
        name_matches=session.name_matches,
        certificate=leaf,
        issuers=session.chain[1:],
        days_left=_days(leaf.not_after, now) if leaf else None,
    )


def _days(end: str, now: datetime) -> float | None:
    try:
        at = datetime.fromisoformat(end)
    except ValueError:
        return None
    return round(((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds() / 86400, 2)

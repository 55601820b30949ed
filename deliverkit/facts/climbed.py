"""What a climb tells: its rungs, its steps in words, and which ways beside it were proved.

A reply that said no for good breaks its rung; one that only puts off, or a connection that broke in the middle, leaves
it untold. What this file will not do: connect, or hold an opinion.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from deliverkit.facts.base import Missing, missing
from deliverkit.facts.host import PortFacts
from deliverkit.facts.ladder import Address, LadderFacts, Rung, Step, Way
from deliverkit.facts.sending import Rejection
from deliverkit.smtp.dialogue import Trouble, TroubleKind
from deliverkit.smtp.ladder import Climb
from deliverkit.smtp.meaning import meaning_of
from deliverkit.smtp.reply import Reply, offer
from deliverkit.smtp.submission import Problem, Stage

NAMES = {
    "resolve": "resolve",
    "connect": "connect",
    "greeting": "greeting",
    "ehlo": "EHLO",
    "tls": "TLS",
    "certificate": "certificate",
    "auth": "AUTH",
    "mail_from": "MAIL FROM",
    "rcpt_to": "RCPT TO",
}
_STAGES = {
    Stage.GREETING: "greeting",
    Stage.EHLO: "ehlo",
    Stage.STARTTLS: "tls",
    Stage.TLS: "tls",
    Stage.AUTH: "auth",
}
LONGEST = 500  # characters of what a server said
_NEVER_CAME = (TroubleKind.NO_ROUTE, TroubleKind.NOT_ALLOWED)


def order(mode: str) -> tuple[str, ...]:
    """The rungs in the order in which they are climbed: TLS before the first word on an implicit port."""
    names = tuple(NAMES)
    if mode != "implicit":
        return names
    return (*names[:2], "tls", "certificate", "greeting", "ehlo", *names[6:])


def connect_rung(
    port: int, addresses: Sequence[Address], beside: Iterable[PortFacts], outward: Mapping[int, str]
) -> Any:
    """Whether TCP came about; missing where silence may be the fault of the network here."""
    if any(one.trouble is None for one in addresses):
        return Rung()
    told = "; ".join(f"{one.address} port {port}: {one.trouble}" for one in addresses)
    if all(one.reason in _NEVER_CAME for one in addresses):
        return missing(told)
    if any(one.reason == "refused" for one in addresses):
        return Rung(told)
    word = outward.get(port, "unknown")
    if any(row.raw("reachable") is True for row in beside) or word != "unknown":
        return Rung(told)
    return missing(f"{told}; whether the network here lets port {port} out could not be told")


def rungs(climb: Climb, mode: str, provider: str | None) -> dict[str, Any]:
    """The rungs of a connection that stands, as fields of `LadderFacts`."""
    session = climb.session
    found: dict[str, Any] = {}
    broken = _STAGES.get(session.stage) if session.stage is not None else None
    for name in order(mode)[2:]:
        if name == broken:
            found[name] = _broken(session.stage or Stage.EHLO, session.problem, provider)
            return found
        if name == "tls" and session.tls is not None:
            found[name] = Rung()
        elif name == "certificate" and session.tls is not None:
            found[name] = Rung(climb.untrusted)
        elif name == "auth" and climb.withheld is not None:
            found[name] = missing(climb.withheld)
        elif name in ("greeting", "ehlo") or (name == "auth" and session.mechanism is not None):
            found[name] = Rung()
        elif name == "mail_from" and climb.mail is not None:
            found[name] = _answered(Stage.MAIL, climb.mail, provider)
        elif name == "rcpt_to" and climb.rcpt is not None:
            found[name] = _answered(Stage.RCPT, climb.rcpt, provider)
        if name in found and not (isinstance(found[name], Rung) and found[name].held):
            return found
    return found


def _answered(stage: Stage, heard: Problem, provider: str | None) -> Any:
    return Rung() if isinstance(heard, Reply) and heard.positive else _broken(stage, heard, provider)


def _broken(stage: Stage, problem: Problem | None, provider: str | None) -> Any:
    """The rung as it broke; missing where another try may come further."""
    if isinstance(problem, Reply):
        meaning = meaning_of(problem.text, problem.code, problem.enhanced, provider)
        rejection = Rejection(stage, problem, meaning)
        put_off = not rejection.permanent and problem.transient
        return missing(f"{stage}: put off by the server: {problem}") if put_off else Rung(problem, rejection)
    if isinstance(problem, Trouble) and stage not in (Stage.GREETING, Stage.STARTTLS, Stage.TLS):
        return missing(f"{stage}: {problem}")
    return Rung(problem or "nothing is known")


# -- what was proved ----------------------------------------------------------------------------------------

_BEST = (465, 587, 2525, 2465, 2587)


def ways(facts_port: int, beside: Iterable[PortFacts], *, verify: bool, login: bool) -> tuple[Way, ...]:
    """The ports on which a session with TLS came about, the configured one first, port 25 last."""
    found = []
    for row in beside:
        tls = row.raw("tls")
        if tls is None or isinstance(tls, Missing) or (verify and not (tls.trusted and tls.name_matches)):
            continue
        auth = row.raw("auth")
        offered = () if isinstance(auth, Missing) else tuple(auth)
        if login and not offered:
            continue
        found.append(Way(row.port, "implicit" if row.raw("mode") == "implicit" else "starttls", tls.version, offered))
    return tuple(sorted(dict.fromkeys(found), key=lambda way: _rank(way.port, facts_port)))


def _rank(port: int, configured: int) -> int:
    if port == configured:
        return -1
    return _BEST.index(port) if port in _BEST else len(_BEST)


# -- steps ----------------------------------------------------------------------------------------------------


def steps(facts: LadderFacts, climb: Climb | None) -> Iterator[Step]:
    """Every rung that was tried, in the order in which it was, up to the one that broke."""
    for name in order(facts.raw("mode")):
        rung = facts.raw(name)
        elapsed = round(facts.timings.get(name, 0.0), 3)
        if isinstance(rung, Missing):
            yield Step(NAMES[name], None, elapsed, rung.reason, facts.name)
            return
        if rung is None:
            if told := _left_out(name, facts, climb):
                yield Step(NAMES[name], None, elapsed, told, facts.name)
            continue
        told = _detail(name, facts, climb) if rung.held or name == "resolve" else str(rung.problem)
        told = told if len(told) <= LONGEST else f"{told[:LONGEST]}…"
        yield Step(NAMES[name], rung.held, elapsed, told, facts.name)
        if not rung.held:
            return


def _left_out(name: str, facts: LadderFacts, climb: Climb | None) -> str:
    """What to say of a rung that was passed by, "" for nothing."""
    if climb is None:
        return ""
    if name == "tls" and facts.raw("mode") in ("opportunistic", "clear"):
        why = "the application uses none" if facts.raw("mode") == "clear" else "the server does not offer STARTTLS"
        return f"no TLS: {why}"
    return ""


def _detail(name: str, facts: LadderFacts, climb: Climb | None) -> str:
    if name == "resolve":
        return resolved_words(facts)
    if name == "connect":
        return _connected_words(facts)
    if climb is None:  # interrupted
        return "held"
    session = climb.session
    if name == "greeting":
        return str(session.greeting)
    if name == "ehlo":
        heard = session.ehlo_tls or session.ehlo
        return ", ".join(offer(heard).lines) or "no extensions" if heard is not None else "said"
    if name == "tls" and session.tls is not None:
        return f"{session.tls.version}, {session.tls.cipher}"
    if name == "certificate" and session.tls is not None:
        if session.tls.trusted and session.tls.name_matches:
            return f"trusted, and for {facts.raw('host')}"
        return "not trusted, and the application does not look"
    if name == "auth":
        return f"logged in by {session.mechanism}"
    return str(climb.mail if name == "mail_from" else climb.rcpt)


def resolved_words(facts: LadderFacts) -> str:
    """ "A: 192.0.2.1; AAAA: none"."""
    rung = facts.raw("resolve")
    if isinstance(rung, Rung) and isinstance(rung.problem, str):
        return rung.problem
    v4 = [one.address for one in facts.addresses if ":" not in one.address]
    v6 = [one.address for one in facts.addresses if ":" in one.address]
    return f"A: {', '.join(v4) or 'none'}; AAAA: {', '.join(v6) or 'none'}"


def _connected_words(facts: LadderFacts) -> str:
    told = [f"{one.address} {'answers' if one.trouble is None else one.trouble}" for one in facts.addresses]
    return "; ".join(told)

"""check_host, RFC 7208 §4: one client, one domain, one sender in; a result and the path that led to it out.

Records are walked as `deliverkit.protocols.spf.compiled` made them ready, once for many evaluations. What is noted on
the way is the least from which the trace can be told (`deliverkit.protocols.spf.trace`). How void lookups are counted
is told in `deliverkit.protocols.spf.lookups`.

What this file will not do: open a socket, sleep, or judge. A lookup that nobody answered is temperror, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from deliverkit.flow import Answer, Flow, Question, Status, together
from deliverkit.names import BadName, to_ascii
from deliverkit.protocols.spf.address import Client
from deliverkit.protocols.spf.compiled import Query, is_address, published, record_question
from deliverkit.protocols.spf.lookups import MAX_HOSTS, Ended, Lookups, ask_name, permerror
from deliverkit.protocols.spf.macro import MacroContext, MacroString, expand, expand_name, parse_macro_string
from deliverkit.protocols.spf.record import Result
from deliverkit.protocols.spf.trace import CheckResult, Entered, Evaluation, Step, Tried

__all__ = ["CheckResult", "Evaluation", "Step", "check_host"]

BROKEN = (Result.TEMPERROR, Result.PERMERROR, Result.NONE)
UNMATCHABLE = "the local part is not US-ASCII, so the term cannot match (RFC 8616 §4)"
_NOTHING = Tried(-1)  # stands where no term was tried yet


def check_host(
    client_ip: str,
    domain: str,
    sender: str,
    helo: str,
    *,
    receiver: str = "unknown",
    now: datetime | None = None,
    strict_voids: bool = False,
) -> Flow[CheckResult]:
    """check_host(ip, domain, sender) of RFC 7208 §4.1. Raises `BadAddress` if ``client_ip`` is no address.

    ``sender`` without a local part is taken as postmaster@sender (§4.3). IDNs are made into A-labels (RFC 8616 §4).
    """
    local, at, sender_domain = sender.rpartition("@")
    sender = f"{local or 'postmaster'}@{_a_labels(sender_domain if at else sender)}"
    domain = _a_labels(domain)
    check = _Check(Client.of(client_ip), sender, _a_labels(helo), receiver, now, strict_voids)
    entered = yield from check.evaluate(domain)
    explanation = None
    if entered.result is Result.FAIL:
        explanation = yield from check.explain(entered)
    return CheckResult(
        result=entered.result,
        explanation=explanation,
        reason=entered.reason,
        client_ip=check.client.text,
        domain=domain,
        sender=sender,
        helo=helo,
        lookups=check.lookups,
        voids=check.voids,
        voids_strict=check.voids_strict,
        unanswered=check.unanswered,
        entered=entered,
    )


def _a_labels(name: str) -> str:
    """The name without its final dot, in A-labels if that can be had (RFC 8616 §4)."""
    name = name.removesuffix(".")
    if name.isascii():
        return name
    try:
        return to_ascii(name)
    except BadName:
        return name


class _Check(Lookups):
    """One check_host: records, mechanisms and macros."""

    def __init__(
        self, client: Client, sender: str, helo: str, receiver: str, now: datetime | None, strict_voids: bool
    ) -> None:
        super().__init__(client, strict_voids)
        self.sender = sender
        self.helo = helo
        self.receiver = receiver
        self.now = now

    # -- records ----------------------------------------------------------------------------------------

    def evaluate(self, domain: str) -> Flow[Entered]:
        """The record of the domain, and every record it leads to.

        A record waits on a stack while what it includes or redirects to is walked: an answer then passes through one
        generator, however deep it is needed.
        """
        waiting: list[Entered] = []
        question = record_question(domain)
        while True:
            entered = self._opened(domain, (yield question) if question else None)
            following = None if entered.ended else (yield from self._onward(entered))
            while following is None:
                if not waiting:
                    return entered
                inner, entered = entered, waiting.pop()
                self._left(entered, inner)
                following = None if entered.ended else (yield from self._onward(entered))
            waiting.append(entered)
            domain, question = following

    def _opened(self, domain: str, answer: Answer | None) -> Entered:
        """Select the record (§4.5) and check all its syntax (§4.6). ``answer`` is None where nothing could be asked."""
        if answer is None:  # §4.3
            what = "an address" if is_address(domain) else "not a name of two labels or more"
            return Entered(domain, Result.NONE, f"{domain!r} is {what} (RFC 7208 §4.3)", ended=True)
        if not answer.known:  # §4.4
            self.unanswered = self.unanswered or answer.why()
            return Entered(domain, Result.TEMPERROR, f"{answer.why()} (RFC 7208 §4.4)", answer, ended=True)
        count, program = published(answer.records)
        if not count:  # §4.5; NXDOMAIN: §4.3
            what = "the name does not exist" if answer.status is Status.NXDOMAIN else "there is no SPF record"
            return Entered(domain, Result.NONE, f"{domain}: {what} (RFC 7208 §4.5)", answer, ended=True)
        if program is None:
            reason = f"{domain} has {count} SPF records (RFC 7208 §4.5)"
            return Entered(domain, Result.PERMERROR, reason, answer, ended=True)
        if program.fatal:  # §4.6: anywhere in the record, before anything is evaluated
            reason = f"{domain}: {program.fatal.detail} (RFC 7208 §4.6)"
            return Entered(domain, Result.PERMERROR, reason, answer, program, ended=True)
        return Entered(domain, Result.NEUTRAL, "", answer, program)

    def _onward(self, entered: Entered) -> Flow[tuple[str, Question | None] | None]:
        """Try the terms in order (§4.6.2) until one leads to another record, which is returned, or this one ends."""
        tried = _NOTHING
        try:
            while query := self._next(entered):
                tried = entered.note(query)
                self.count_lookup(query.text)
                if query.leads:
                    target = query.target or (yield from self._leading(query, entered, tried))
                    if target is None:
                        continue
                    tried.target = target
                    domain = target.removesuffix(".")
                    return domain, query.question or record_question(domain)
                if (yield from self._try(query, entered, tried)):
                    tried.outcome = "match"
                    entered.matched(query.place)
                    return None
        except Ended as end:
            tried.outcome, tried.detail = end.result.value, tried.detail or end.reason
            entered.end(end.result, end.reason)
        return None

    def _next(self, entered: Entered) -> Query | None:
        """The next term that asks, unless one before it matches that need not; None when the record has ended."""
        program, client = entered.program, self.client
        assert program is not None
        parts = program.parts
        for at in range(entered.part, len(parts)):
            part = parts[at]
            if isinstance(part, Query):
                entered.part = at + 1
                return part
            place = part.first(client.family, client.number)
            if place >= 0:
                entered.hit = True
                entered.matched(place)
                return None
        entered.part = len(parts)
        entered.reached = len(program.record.directives)
        if program.redirect is None:
            entered.end(Result.NEUTRAL, f"{entered.domain}: no term matched (RFC 7208 §4.7)")
        return program.redirect  # §6.1

    def _leading(self, query: Query, entered: Entered, tried: Tried) -> Flow[str | None]:
        """The domain an include or redirect with macros leads to; None if the include cannot match."""
        if query.name == "redirect":
            self.answers = []
            return (yield from self._target(query, entered.domain))
        if self._unmatchable(query.spec):
            tried.detail = UNMATCHABLE
            return None
        self.answers = tried.answers
        before = self.voids, self.voids_strict
        try:
            return (yield from self._target(query, entered.domain))
        except Ended:
            tried.voids, tried.voids_strict = self.voids - before[0], self.voids_strict - before[1]
            raise

    def _left(self, entered: Entered, inner: Entered) -> None:
        """Back in a record from the one that its last term led to."""
        tried = entered.redirected
        if tried:  # §6.1: the target's result is the result; none is permerror
            assert entered.program and entered.program.redirect
            if inner.result is Result.NONE:
                reason = f"{entered.program.redirect.text}: {inner.reason.partition(' (RFC')[0]} (RFC 7208 §6.1)"
                inner = Entered(inner.domain, Result.PERMERROR, reason, inner.answer, ended=True)
            tried.inner, tried.outcome = inner, inner.result.value
            entered.end(inner.result, inner.reason)
            return
        tried = entered.tried[-1]
        tried.inner = inner
        if inner.result is Result.PASS:  # §5.2: only the target's pass is a match
            tried.outcome = "match"
            entered.matched(tried.place)
        elif inner.result in BROKEN:  # §5.2: temperror passes through; permerror and none make a permerror
            result, reason = inner.result, inner.reason
            if result is Result.NONE:
                text = entered.program.record.directives[tried.place].text if entered.program else ""
                result, reason = Result.PERMERROR, f"{text}: {reason.partition(' (RFC')[0]} (RFC 7208 §5.2)"
            tried.outcome, tried.detail = result.value, reason
            entered.end(result, reason)

    # -- mechanisms (§5) --------------------------------------------------------------------------------

    def _try(self, query: Query, entered: Entered, tried: Tried) -> Flow[bool]:
        """True if the mechanism matches. What it asked about, found and cost is noted, whatever becomes of it."""
        if self._unmatchable(query.spec):
            tried.detail = UNMATCHABLE
            return False
        self.answers = tried.answers
        voids, strict = self.voids, self.voids_strict
        try:
            target = query.target or (yield from self._target(query, entered.domain))
            matched = yield from _MECHANISMS[query.name](self, query, target, tried)
            tried.target = target
            return matched
        finally:
            tried.voids, tried.voids_strict = self.voids - voids, self.voids_strict - strict

    def _match_a(self, query: Query, target: str, tried: Tried) -> Flow[bool]:
        """§5.3"""
        found, other = yield from self.addresses(target)
        address = self.compare(query.shifts, found, other)
        tried.detail = address or ""
        return address is not None

    def _match_mx(self, query: Query, target: str, tried: Tried) -> Flow[bool]:
        """§5.4; more than ten hosts make a permerror, whichever order they come in (§4.6.4)."""
        answer = yield from self.asked(target, "MX")
        hosts = [host for _, host in sorted(answer.records) if host != "."]  # RFC 7505: a null MX names no host
        if len(hosts) > MAX_HOSTS:
            raise permerror(f"{target} has {len(hosts)} MX hosts; {MAX_HOSTS} is the limit (RFC 7208 §4.6.4)")
        if not answer.records:
            self.void(answer)
        for host, (found, other) in zip(hosts, (yield from together(*map(self.addresses, hosts))), strict=True):
            address = self.compare(query.shifts, found, other)
            if address:
                tried.detail = f"{host} {address}"
                return True
        return False

    def _match_ptr(self, _: Query, target: str, tried: Tried) -> Flow[bool]:
        """§5.5: a validated name equal to the target or below it."""
        wanted = target.lower()
        for name in (yield from self.validated_names()):
            if name == wanted or name.endswith("." + wanted):
                tried.detail = name
                return True
        return False

    def _match_exists(self, _: Query, target: str, __: Tried) -> Flow[bool]:
        """§5.7: an A record, for IPv6 clients too."""
        answer = yield from self.asked(target, "A")
        if not answer.records:
            self.void(answer)
        return bool(answer.records)

    # -- macros (§7) and the explanation (§6.2) ---------------------------------------------------------

    def _unmatchable(self, spec: MacroString | None) -> bool:
        """RFC 8616 §4."""
        return bool(spec and not spec.letters.isdisjoint("sl")) and not self.sender.rpartition("@")[0].isascii()

    def _target(self, query: Query, domain: str) -> Flow[str]:
        """The target-name of a term: §4.8."""
        if query.target is not None or query.spec is None:
            return query.target or domain
        context = yield from self._context(query.spec, domain)
        return expand_name(query.spec, context)

    def _context(self, spec: MacroString, domain: str) -> Flow[MacroContext]:
        """The context at this domain: ``%{d}`` is the domain whose record is read, not the sender's (§7.2)."""
        validated = "unknown"
        if "p" in spec.letters:  # §7.3: the domain itself, else a name below it, else any
            names = yield from self.validated_names()
            wanted = domain.lower()
            below = [name for name in names if name.endswith("." + wanted)]
            validated = next((n for n in (*(n for n in names if n == wanted), *below, *names)), "unknown")
        return MacroContext(self.client, domain, self.sender, self.helo, self.receiver, validated, self.now)

    def explain(self, entered: Entered) -> Flow[str | None]:
        """§6.2: one TXT record, US-ASCII, macros expanded; any trouble means no explanation.

        The ``exp`` of an included record is never used, that of a redirect's target replaces ours. Costs no lookup.
        """
        while entered.redirected and entered.redirected.inner:
            entered = entered.redirected.inner
        modifier = entered.program.record.explanation if entered.program else None
        if modifier is None or self._unmatchable(modifier.spec):
            return None
        try:
            context = yield from self._context(modifier.spec, entered.domain)
        except Ended:  # the PTR lookup of %{p} may be the third void
            return None
        answer = yield from ask_name(expand_name(modifier.spec, context), "TXT")
        if len(answer.records) != 1 or not answer.texts[0].isascii():
            return None
        text, faults = parse_macro_string(answer.texts[0], explanation=True)
        if faults:
            return None
        try:
            context = yield from self._context(text, entered.domain)
        except Ended:
            return None
        # §11.5: the text comes from a stranger, and so may what its macros stand for
        return "".join(c if c.isprintable() else "?" for c in expand(text, context))


_MECHANISMS: dict[str, Callable[[_Check, Query, str, Tried], Flow[bool]]] = {
    "a": _Check._match_a,
    "mx": _Check._match_mx,
    "ptr": _Check._match_ptr,
    "exists": _Check._match_exists,
}

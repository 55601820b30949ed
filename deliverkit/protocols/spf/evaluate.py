"""check_host, RFC 7208 §4: one client, one domain, one sender in; a result and the path that led to it out.

Records are walked as `deliverkit.protocols.spf.compiled` made them ready, once for many evaluations. What is noted on
the way is the least from which the trace can be told (`deliverkit.protocols.spf.trace`). How void lookups are counted
is told in `deliverkit.protocols.spf.lookups`.

What this file will not do: open a socket, sleep, or judge. A lookup that nobody answered is temperror, with the reason.
"""

from __future__ import annotations

from datetime import datetime

from deliverkit.flow import Answer, Flow, Question, Status, together
from deliverkit.names import BadName, to_ascii
from deliverkit.protocols.spf.address import Client
from deliverkit.protocols.spf.compiled import Networks, Program, Query, is_address, published, record_question
from deliverkit.protocols.spf.lookups import MAX_HOSTS, Ended, Lookups, ask_name, permerror
from deliverkit.protocols.spf.macro import MacroContext, MacroString, expand, expand_name, parse_macro_string
from deliverkit.protocols.spf.record import Directive, Result
from deliverkit.protocols.spf.trace import CheckResult, Entered, Evaluation, Step, Tried

__all__ = ["CheckResult", "Evaluation", "Step", "check_host"]


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
    entered = yield from check.enter(domain)
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

    def enter(self, domain: str, question: Question | None = None) -> Flow[Entered]:
        """One record: fetch (§4.4), select (§4.5), check all syntax (§4.6), try the terms in order (§4.6.2).

        ``question`` is the one for the domain's record, where it was made ready.
        """
        domain = domain.removesuffix(".")
        question = question or record_question(domain)
        if question is None:  # §4.3
            what = "an address" if is_address(domain) else "not a name of two labels or more"
            return Entered(domain, Result.NONE, f"{domain!r} is {what} (RFC 7208 §4.3)")
        answer: Answer = yield question
        if not answer.known:  # §4.4
            self.unanswered = self.unanswered or answer.why()
            return Entered(domain, Result.TEMPERROR, f"{answer.why()} (RFC 7208 §4.4)", answer)
        count, program = published(answer.records)
        if not count:  # §4.5; NXDOMAIN: §4.3
            what = "the name does not exist" if answer.status is Status.NXDOMAIN else "there is no SPF record"
            return Entered(domain, Result.NONE, f"{domain}: {what} (RFC 7208 §4.5)", answer)
        if program is None:
            reason = f"{domain} has {count} SPF records (RFC 7208 §4.5)"
            return Entered(domain, Result.PERMERROR, reason, answer)
        if program.fatal:  # §4.6: anywhere in the record, before anything is evaluated
            reason = f"{domain}: {program.fatal.detail} (RFC 7208 §4.6)"
            return Entered(domain, Result.PERMERROR, reason, answer, program)
        entered = Entered(domain, Result.NEUTRAL, "", answer, program)
        try:
            yield from self._walk(program, entered)
        except Ended as end:
            entered.result, entered.reason = end.result, end.reason
        return entered

    def _walk(self, program: Program, entered: Entered) -> Flow[None]:
        """The terms in order until one matches (§4.6.2), then the redirect (§6.1), then neutral (§4.7)."""
        directives, client = program.record.directives, self.client
        for part in program.parts:
            if isinstance(part, Networks):
                place = part.first(client.family, client.number)
                entered.hit = place >= 0
                matched = entered.hit
            else:
                place = part.place
                entered.reached = place + 1
                matched = yield from self._try(part, entered)
            if matched:
                entered.reached = place + 1
                entered.result = directives[place].result
                entered.reason = f"{entered.domain}: {directives[place].text} matched"
                return
        entered.reached = len(directives)
        if program.redirect:
            yield from self._redirect(program.redirect, entered)
        else:
            entered.reason = f"{entered.domain}: no term matched (RFC 7208 §4.7)"

    def _try(self, query: Query, entered: Entered) -> Flow[bool]:
        """Evaluate one term that asks and note it, whatever becomes of it."""
        tried = Tried(query.place)
        entered.tried.append(tried)
        self.answers = tried.answers
        voids, strict = self.voids, self.voids_strict
        try:
            self.count_lookup(query.term.text)
            matched = yield from self._match(query, entered.domain, tried)
            if tried.inner:
                self._include_ended(tried.inner, query.term.text)
            if matched:
                tried.outcome = "match"
            return matched
        except Ended as end:
            tried.outcome = end.result.value
            tried.detail = tried.detail or end.reason
            raise
        finally:
            if tried.inner is None:  # an include's counts are those of its own steps
                tried.voids, tried.voids_strict = self.voids - voids, self.voids_strict - strict

    def _include_ended(self, inner: Entered, text: str) -> None:
        """§5.2: temperror passes through; permerror and none make a permerror."""
        if inner.result is Result.TEMPERROR:
            raise Ended(Result.TEMPERROR, inner.reason)
        if inner.result is Result.PERMERROR:
            raise permerror(inner.reason)
        if inner.result is Result.NONE:
            raise permerror(f"{text}: {inner.reason.partition(' (RFC')[0]} (RFC 7208 §5.2)")

    def _redirect(self, query: Query, entered: Entered) -> Flow[None]:
        """§6.1: the target's result is the result; none is permerror. ``%{d}`` and bare ``a`` follow the target."""
        text = query.term.text
        tried = entered.redirected = Tried(query.place)
        try:
            self.count_lookup(text)
            self.answers = []
            target = yield from self._target(query, entered.domain)
        except Ended as end:
            tried.outcome, tried.detail = end.result.value, end.reason
            raise
        inner = yield from self.enter(target, query.question)
        if inner.result is Result.NONE:
            reason = f"{text}: {inner.reason.partition(' (RFC')[0]} (RFC 7208 §6.1)"
            inner = Entered(inner.domain, Result.PERMERROR, reason, inner.answer)
        tried.outcome, tried.target, tried.inner = inner.result.value, target, inner
        entered.result, entered.reason = inner.result, inner.reason

    # -- mechanisms (§5) --------------------------------------------------------------------------------

    def _match(self, query: Query, domain: str, tried: Tried) -> Flow[bool]:
        """True if the mechanism matches. What it asked about and found is noted."""
        directive = query.term
        assert isinstance(directive, Directive)
        if query.spec and self._unmatchable(query.spec):
            tried.detail = "the local part is not US-ASCII, so the term cannot match (RFC 8616 §4)"
            return False
        target = query.target or (yield from self._target(query, domain))
        match directive.name:
            case "include":  # §5.2: only the target's pass is a match
                tried.inner = yield from self.enter(target, query.question)
                matched = tried.inner.result is Result.PASS
            case "a":
                matched = yield from self._match_a(directive, target, tried)
            case "mx":
                matched = yield from self._match_mx(directive, target, tried)
            case "ptr":
                matched = yield from self._match_ptr(target, tried)
            case _:
                matched = yield from self._match_exists(target)
        tried.target = target
        return matched

    def _match_a(self, directive: Directive, target: str, tried: Tried) -> Flow[bool]:
        """§5.3"""
        found, other = yield from self.addresses(target)
        address = self.compare(directive, found, other)
        tried.detail = address or ""
        return address is not None

    def _match_mx(self, directive: Directive, target: str, tried: Tried) -> Flow[bool]:
        """§5.4; more than ten hosts make a permerror, whichever order they come in (§4.6.4)."""
        answer = yield from self.asked(target, "MX")
        hosts = [host for _, host in sorted(answer.records) if host != "."]  # RFC 7505: a null MX names no host
        if len(hosts) > MAX_HOSTS:
            raise permerror(f"{target} has {len(hosts)} MX hosts; {MAX_HOSTS} is the limit (RFC 7208 §4.6.4)")
        if not answer.records:
            self.void(answer)
        for host, (found, other) in zip(hosts, (yield from together(*map(self.addresses, hosts))), strict=True):
            address = self.compare(directive, found, other)
            if address:
                tried.detail = f"{host} {address}"
                return True
        return False

    def _match_ptr(self, target: str, tried: Tried) -> Flow[bool]:
        """§5.5: a validated name equal to the target or below it."""
        wanted = target.lower()
        for name in (yield from self.validated_names()):
            if name == wanted or name.endswith("." + wanted):
                tried.detail = name
                return True
        return False

    def _match_exists(self, target: str) -> Flow[bool]:
        """§5.7: an A record, for IPv6 clients too."""
        answer = yield from self.asked(target, "A")
        if not answer.records:
            self.void(answer)
        return bool(answer.records)

    # -- macros (§7) and the explanation (§6.2) ---------------------------------------------------------

    def _unmatchable(self, spec: MacroString) -> bool:
        return not spec.letters.isdisjoint("sl") and not self.sender.rpartition("@")[0].isascii()

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

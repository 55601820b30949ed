"""check_host, RFC 7208 §4: one client, one domain, one sender in; a result and the path that led to it out.

Records are walked as `deliverkit.protocols.spf.compiled` made them ready, once for many evaluations. What is noted on
the way is the least from which the trace can be told (`deliverkit.protocols.spf.trace`). How void lookups are counted
is told in `deliverkit.protocols.spf.lookups`.

What this file will not do: open a socket, sleep, or judge. A lookup that nobody answered is temperror, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from deliverkit.flow import Answer, Flow, Status, together
from deliverkit.names import BadName, to_ascii
from deliverkit.protocols.spf.address import Client
from deliverkit.protocols.spf.compiled import (
    NO_PROGRAM,
    NOWHERE,
    Program,
    Query,
    Tables,
    is_address,
    published,
    read_before,
    record_question,
)
from deliverkit.protocols.spf.lookups import (
    MAX_HOSTS,
    MAX_LOOKUPS,
    NODATA,
    OK,
    Ended,
    Lookups,
    ask_name,
    mail_hosts,
    no_name,
    permerror,
    question_about,
)
from deliverkit.protocols.spf.macro import MacroContext, MacroString, expand, expand_name, parse_macro_string
from deliverkit.protocols.spf.record import Result
from deliverkit.protocols.spf.trace import CheckResult, Entered, Evaluation, Step, Tried

__all__ = ["CheckResult", "Evaluation", "Step", "check_host"]

FAIL, PASS = Result.FAIL, Result.PASS
NO_MATCH = (FAIL, Result.SOFTFAIL, Result.NEUTRAL)  # of an included record: the include does not match (§5.2)
UNMATCHABLE = "the local part is not US-ASCII, so the term cannot match (RFC 8616 §4)"


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
    """check_host(ip, domain, sender) of RFC 7208 §4.1. Raises `BadAddress`, at once, if ``client_ip`` is no address.

    ``sender`` without a local part is taken as postmaster@sender (§4.3). IDNs are made into A-labels (RFC 8616 §4).
    """
    client = Client.of(client_ip)
    domain, sender = asked_by(domain, sender)
    return evaluation(client, domain, sender, helo, receiver, now, strict_voids)


def asked_by(domain: str, sender: str) -> tuple[str, str]:
    """Domain and sender as an evaluation takes them."""
    local, at, sender_domain = sender.rpartition("@")
    if not local or not sender.isascii() or sender[-1] == ".":
        sender = f"{local or 'postmaster'}@{_a_labels(sender_domain if at else sender)}"
    return _a_labels(domain), sender


def evaluation(
    client: Client, domain: str, sender: str, helo: str, receiver: str, now: datetime | None, strict_voids: bool
) -> Flow[CheckResult]:
    """The evaluation of what `Client.of` and `asked_by` made."""
    return _Check(client, sender, helo, receiver, now, strict_voids).evaluate(domain)


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

    def evaluate(self, domain: str) -> Flow[CheckResult]:
        """The record of the domain, every record it leads to, and the explanation.

        A record waits on a stack while what it includes or redirects to is walked: an answer then passes through the
        same few generators however deep it is needed. Every evaluation spends its time in this loop: what nearly all
        records need (one that was read before, a client in none of the networks, an include that does not match) is
        written out here, and the rest is called.
        """
        four, number, lookups = self.four, self.client.number, 0
        waiting: list[tuple[Entered, Program, Iterator[tuple[Tables, int, Query | None]]]] = []
        tried: Tried | None = None
        domain = domain.removesuffix(".")
        question = record_question(domain)
        answer: Answer | None = (yield question) if question is not None else None
        read = read_before(answer.records) if answer is not None and answer.status is OK else None
        while True:  # a record is entered
            entered = self._opened(domain, answer) if read is None else Entered(domain, answer, read)
            program = entered.program or NO_PROGRAM
            parts = iter((program.steps4 if four else program.steps6) or program.steps(four))
            if tried is not None:
                tried.inner = entered
            while True:  # the terms of a record are come to
                query = None
                if entered.result is None:
                    for tables, place, query in parts:  # §4.6.2
                        for mask, places in tables:
                            network = number & mask
                            if network in places and places[network] < place:
                                place = places[network]
                        if place < NOWHERE:
                            entered.place, entered.result, query = place, program.results[place], None
                            break
                        if query is not None:
                            break
                    else:
                        query = self._behind(entered, program)
                if query is None:  # the record has ended
                    if not waiting:
                        explanation = (yield from self.explain(entered)) if entered.result is FAIL else None
                        counts = lookups, self.voids, self.voids_strict
                        asked_by = self.client, self.sender, self.helo
                        return CheckResult(entered, explanation, *asked_by, counts, self.unanswered)
                    inner = entered
                    entered, program, parts = waiting.pop()
                    if (
                        inner.result not in NO_MATCH or entered.redirected is not None
                    ):  # §5.2: else the include does not match
                        self._left(entered, program, inner)
                    continue
                entered.place = query.place
                lookups += 1
                if lookups > MAX_LOOKUPS:  # §4.6.4
                    why = f"{query.text} is the eleventh term that queries DNS (RFC 7208 §4.6.4)"
                    self._broken(entered, _noted(query, entered), permerror(why))
                    continue
                if not query.leads:
                    yield from self._try(query, entered, program, _noted(query, entered))
                    continue
                tried, target, domain, question = None, query.target, query.domain, query.question
                if target is None:
                    tried = _noted(query, entered)
                    target = yield from self._leading(query, entered, tried)
                    if target is None:
                        continue
                    domain = target.removesuffix(".")
                    question = record_question(domain)
                answer = (yield question) if question is not None else None
                read = read_before(answer.records) if answer is not None and answer.status is OK else None
                flat = None if read is None or tried is not None else read.flat4 if four else read.flat6
                if read is not None and flat is not None:  # nothing in it asks, so nothing has to wait
                    inner = _ended(read, flat, number, domain, answer)
                    if inner.result in NO_MATCH and query is not program.redirect:  # §5.2
                        tried = query.last
                        if tried is None or tried.inner is not inner:
                            tried = query.last = Tried(query.place)
                            tried.target, tried.inner = target, inner
                        entered.tried += (tried,)
                    else:
                        tried = _noted(query, entered)
                        tried.target, tried.inner = target, inner
                        self._left(entered, program, inner)
                    continue
                tried = tried or _noted(query, entered)
                tried.target = target
                waiting.append((entered, program, parts))
                break

    def _opened(self, domain: str, answer: Answer | None) -> Entered:
        """Select the record (§4.5) and check all its syntax (§4.6). ``answer`` is None where nothing could be asked."""
        if answer is None:  # §4.3
            what = "an address" if is_address(domain) else "not a name of two labels or more"
            return Entered(domain).end(Result.NONE, f"{domain!r} is {what} (RFC 7208 §4.3)")
        if answer.status is not OK and not answer.known:  # §4.4
            self.unanswered = self.unanswered or answer.why()
            return Entered(domain, answer).end(Result.TEMPERROR, f"{answer.why()} (RFC 7208 §4.4)")
        count, program = published(answer.records)
        if program is None:
            if count:  # §4.5
                reason = f"{domain} has {count} SPF records (RFC 7208 §4.5)"
                return Entered(domain, answer).end(Result.PERMERROR, reason)
            what = "the name does not exist" if answer.status is Status.NXDOMAIN else "there is no SPF record"  # §4.3
            return Entered(domain, answer).end(Result.NONE, f"{domain}: {what} (RFC 7208 §4.5)")
        if program.fatal:  # §4.6: anywhere in the record, before anything is evaluated
            reason = f"{domain}: {program.fatal.detail} (RFC 7208 §4.6)"
            return Entered(domain, answer, program).end(Result.PERMERROR, reason)
        return Entered(domain, answer, program)

    def _behind(self, entered: Entered, program: Program) -> Query | None:
        """Behind the last term (§4.7), if no match has ended the record: the redirect, if there is one (§6.1)."""
        entered.place = len(program.results)
        if program.redirect is None:
            entered.result = Result.NEUTRAL
        return program.redirect

    def _broken(self, entered: Entered, tried: Tried, end: Ended) -> None:
        """A term ended the record with permerror or temperror."""
        tried.outcome, tried.detail = end.result.value, end.reason
        entered.end(end.result, end.reason)

    def _leading(self, query: Query, entered: Entered, tried: Tried) -> Flow[str | None]:
        """The domain an include or redirect with macros leads to; None if there is none."""
        redirect = query.name == "redirect"
        if not redirect and self._unmatchable(query):
            tried.detail = UNMATCHABLE
            return None
        self.answers = []
        if not redirect:
            tried.answers = self.answers
        voids, strict = self.voids, self.voids_strict
        try:
            return (yield from self._target(query, entered.domain))
        except Ended as end:
            if not redirect:
                tried.voids, tried.voids_strict = self.voids - voids, self.voids_strict - strict
            self._broken(entered, tried, end)
            return None

    def _left(self, entered: Entered, program: Program, inner: Entered) -> None:
        """Back in a record from the one that its last term led to."""
        tried, result = entered.redirected, inner.result
        assert result
        if tried and program.redirect:  # §6.1: the target's result is the result; none is permerror
            if result is Result.NONE:
                result = Result.PERMERROR
                why = f"{program.redirect.text}: {inner.reason.partition(' (RFC')[0]} (RFC 7208 §6.1)"
                inner = Entered(inner.domain, inner.answer).end(result, why)
            tried.inner, tried.outcome = inner, result.value
            entered.end(result, inner.reason)
            return
        tried = entered.tried[-1]
        if result is PASS:  # §5.2: only the target's pass is a match
            tried.outcome, entered.result = "match", program.results[tried.place]
        elif result is Result.NONE:  # §5.2: none makes a permerror
            text = program.terms[tried.place]
            why = f"{text}: {inner.reason.partition(' (RFC')[0]} (RFC 7208 §5.2)"
            self._broken(entered, tried, permerror(why))
        elif result in (Result.TEMPERROR, Result.PERMERROR):  # §5.2: they pass through
            self._broken(entered, tried, Ended(result, inner.reason))

    # -- mechanisms (§5) --------------------------------------------------------------------------------

    def _try(self, query: Query, entered: Entered, program: Program, tried: Tried) -> Flow[None]:
        """Evaluate a mechanism. What it asked about, found and cost is noted, whatever becomes of it."""
        if query.local and self._unmatchable(query):
            tried.detail = UNMATCHABLE
            return
        tried.answers = self.answers = []
        voids, strict = self.voids, self.voids_strict
        try:
            target = query.target
            if target is None:
                target = (yield from self._target(query, entered.domain)) if query.spec else entered.domain
            if (yield from _MECHANISMS[query.name](self, query, target, tried)):
                tried.outcome = "match"
                entered.result = program.results[query.place]
            tried.target = target
        except Ended as end:
            self._broken(entered, tried, end)
        if self.voids_strict > strict:
            tried.voids, tried.voids_strict = self.voids - voids, self.voids_strict - strict

    def _match_a(self, query: Query, target: str, tried: Tried) -> Flow[bool]:
        """§5.3"""
        question = (query.question if self.four else query.question6) or question_about(target, self.client.question)
        found: Answer = (yield question) if question else no_name(target, self.client.question)
        other = (yield from self.other_family(target)) if found.status is NODATA else None
        address = self.compare(query.shifts, found, other)
        if address is None:
            return False
        tried.detail = address
        return True

    def _match_mx(self, query: Query, target: str, tried: Tried) -> Flow[bool]:
        """§5.4; more than ten hosts make a permerror, whichever order they come in (§4.6.4)."""
        answer = yield from self.asked(target, "MX", query.question)
        hosts = mail_hosts(answer.records)
        if len(hosts) > MAX_HOSTS:
            raise permerror(f"{target} has {len(hosts)} MX hosts; {MAX_HOSTS} is the limit (RFC 7208 §4.6.4)")
        if not answer.records:
            self.void(answer)
        told: tuple[tuple[Answer, Answer | None], ...]
        if len(hosts) == 1:
            told = ((yield from self.addresses(hosts[0])),)
        else:
            told = yield from together(*map(self.addresses, hosts))
        for host, (found, other) in zip(hosts, told, strict=True):
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

    def _match_exists(self, query: Query, target: str, _: Tried) -> Flow[bool]:
        """§5.7: an A record, for IPv6 clients too."""
        answer = yield from self.asked(target, "A", query.question)
        if not answer.records:
            self.void(answer)
        return bool(answer.records)

    # -- macros (§7) and the explanation (§6.2) ---------------------------------------------------------

    def _unmatchable(self, query: Query) -> bool:
        """RFC 8616 §4."""
        return query.local and not self.sender.rpartition("@")[0].isascii()

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
        return MacroContext(self.client, domain, self.sender, _a_labels(self.helo), self.receiver, validated, self.now)

    def explain(self, entered: Entered) -> Flow[str | None]:
        """§6.2: one TXT record, US-ASCII, macros expanded; any trouble means no explanation.

        The ``exp`` of an included record is never used, that of a redirect's target replaces ours. Costs no lookup.
        """
        while entered.redirected and entered.redirected.inner:
            entered = entered.redirected.inner
        modifier = entered.program.explanation if entered.program else None
        if modifier is None:
            return None
        if not modifier.spec.letters.isdisjoint("sl") and not self.sender.rpartition("@")[0].isascii():  # RFC 8616 §4
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


def _noted(query: Query, entered: Entered) -> Tried:
    """The note of a term that is tried now."""
    tried = Tried(query.place)
    if query.name == "redirect":
        entered.redirected = tried
    else:
        entered.tried += (tried,)
    return tried


def _ended(program: Program, flat: tuple[Tables, int], number: int, domain: str, answer: Answer | None) -> Entered:
    """How a record ends in which nothing asks.

    That depends on the client only by the term that holds it, and most clients are held by none: so what was noted
    last is kept for the next one, and is never changed.
    """
    tables, place = flat
    for mask, places in tables:
        network = number & mask
        if network in places and places[network] < place:
            place = places[network]
    if place == NOWHERE:
        place = len(program.results)
    entered = program.last
    if entered is None or entered.place != place or entered.answer is not answer or entered.domain != domain:
        entered = Entered(domain, answer, program)
        entered.place = place
        entered.result = program.results[place] if place < len(program.results) else Result.NEUTRAL  # §4.7
        program.last = entered
    return entered


_MECHANISMS: dict[str, Callable[[_Check, Query, str, Tried], Flow[bool]]] = {
    "a": _Check._match_a,
    "mx": _Check._match_mx,
    "ptr": _Check._match_ptr,
    "exists": _Check._match_exists,
}

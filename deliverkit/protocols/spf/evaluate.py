"""check_host, RFC 7208 §4: one client, one domain, one sender in; a result and the path that led to it out.

Void lookups (§4.6.4). The RFC counts an answer without records against the domain, and asks AAAA for an IPv6
client. By the letter, three mail hosts that have A records only make the record a permerror for IPv6 clients alone.
Receivers differ here. Our result counts a host as void when it has addresses of *neither* family; the letter's count
stands beside it as ``voids_strict``, and ``strict_voids=True`` evaluates by it. Names found by ``ptr`` belong to
whoever runs the reverse zone, so they count in neither.

What this file will not do: open a socket, sleep, or judge. A lookup that nobody answered is temperror, with the reason.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from deliverkit.flow import Answer, Flow, Question, Status, ask, together
from deliverkit.names import BadName, to_ascii
from deliverkit.protocols.spf.address import Client, parse_ip4, parse_ip6
from deliverkit.protocols.spf.macro import (
    NAME_OCTETS,
    MacroContext,
    MacroString,
    expand,
    expand_name,
    parse_macro_string,
)
from deliverkit.protocols.spf.record import LOOKUP_TERMS, Directive, Record, Result, parse_record, select

MAX_LOOKUPS = 10  # RFC 7208 §4.6.4, terms that query DNS, over the whole evaluation
MAX_VOIDS = 2  # §4.6.4
MAX_HOSTS = 10  # §4.6.4, address lookups for one mx; names considered for one ptr


@dataclass(frozen=True, slots=True)
class Step:
    """One term as it was evaluated. ``outcome`` is "match", "no match" or a `Result` word that ended the record."""

    term: str
    span: tuple[int, int]
    outcome: str
    target: str | None = None
    answers: tuple[Answer, ...] = ()
    lookups: int = 0  # what the term itself cost
    voids: int = 0
    voids_strict: int = 0
    detail: str = ""
    inner: Evaluation | None = None

    def to_json(self) -> dict[str, Any]:
        """The step with what was asked and answered for it."""
        shown: dict[str, Any] = {"term": self.term, "outcome": self.outcome}
        if self.target is not None:
            shown["target"] = self.target
        shown |= {"lookups": self.lookups, "voids": self.voids, "voids_strict": self.voids_strict}
        if self.detail:
            shown["detail"] = self.detail
        if self.answers:
            shown["asked"] = [
                {"name": a.question.name, "type": a.question.type, "status": a.status, "records": a.records}
                for a in self.answers
            ]
        if self.inner:
            shown["inner"] = self.inner
        return shown


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One record as it was evaluated for this client: the node of the trace."""

    domain: str
    result: Result
    record: str | None = None
    steps: tuple[Step, ...] = ()
    reason: str = ""
    answer: Answer | None = None

    def to_json(self) -> dict[str, Any]:
        """The record with its steps."""
        return {
            "domain": self.domain,
            "record": self.record,
            "result": self.result,
            "reason": self.reason,
            "steps": self.steps,
        }

    @property
    def redirected(self) -> Evaluation | None:
        """The evaluation that a redirect handed over to, if the result came from there."""
        last = self.steps[-1] if self.steps else None
        return last.inner if last and last.term.lower().startswith("redirect=") else None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What check_host says, and why.

    ``matched`` is the path to the term that decided, from the domain inwards. ``explanation`` is the domain's own text
    for a fail (§6.2), None when it gave none. ``unanswered`` says which lookup made a temperror.
    """

    result: Result
    explanation: str | None
    trace: Evaluation
    reason: str
    client_ip: str
    domain: str
    sender: str
    helo: str
    lookups: int
    voids: int
    voids_strict: int
    matched: tuple[str, ...] = ()
    unanswered: str = ""

    def to_json(self) -> dict[str, Any]:
        """Result first, then who asked, then what it cost and the whole trace."""
        shown = {
            "result": self.result,
            "domain": self.domain,
            "sender": self.sender,
            "helo": self.helo,
            "client_ip": self.client_ip,
            "reason": self.reason,
            "explanation": self.explanation,
            "matched": self.matched,
            "lookups": self.lookups,
            "voids": self.voids,
            "voids_strict": self.voids_strict,
            "trace": self.trace,
        }
        return shown | {"unanswered": self.unanswered} if self.unanswered else shown


def askable(name: str) -> bool:
    """True if a DNS query can be composed: labels of 1 to 63 octets, 253 in all (RFC 1035 §2.3.4)."""
    return 0 < len(name) <= NAME_OCTETS and name.isascii() and all(0 < len(label) <= 63 for label in name.split("."))


def ask_name(name: str, type_: str) -> Flow[Answer]:
    """Ask; a name that no query can carry does not exist (RFC 7208 §4.8 leaves it open)."""
    if not askable(name):
        detail = "a name that no DNS query can carry (RFC 1035 §2.3.4)"
        return Answer(Question(name, type_), Status.NXDOMAIN, detail=detail)
    return (yield from ask(name.lower(), type_))


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
    check = _Check(MacroContext(Client.of(client_ip), domain, sender, _a_labels(helo), receiver, now=now), strict_voids)
    trace = yield from check.evaluate(domain)
    explanation = None
    if trace.result is Result.FAIL:
        explanation = yield from check.explain(trace)
    return CheckResult(
        result=trace.result,
        explanation=explanation,
        trace=trace,
        reason=trace.reason,
        client_ip=check.context.client.text,
        domain=domain,
        sender=sender,
        helo=helo,
        lookups=check.lookups,
        voids=check.voids,
        voids_strict=check.voids_strict,
        matched=tuple(_path(trace)),
        unanswered=check.unanswered,
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


def _path(trace: Evaluation) -> list[str]:
    """The terms that decided, outermost first."""
    path: list[str] = []
    here: Evaluation | None = trace
    while here and here.steps and here.steps[-1].outcome != "no match":
        path.append(here.steps[-1].term)
        here = here.steps[-1].inner
    return path


class _Ended(Exception):
    """The evaluation of a record ends here, with permerror or temperror."""

    def __init__(self, result: Result, reason: str) -> None:
        super().__init__(reason)
        self.result = result
        self.reason = reason


def _permerror(reason: str) -> _Ended:
    return _Ended(Result.PERMERROR, reason)


@dataclass(slots=True)
class _Match:
    """What a mechanism found."""

    matched: bool
    target: str | None = None
    detail: str = ""
    inner: Evaluation | None = None


_Matching: TypeAlias = Flow[_Match]


class _Network(NamedTuple):
    """A network of one family: an address lies in it if its bits above ``shift`` are these."""

    family: int
    bits: int
    shift: int


@functools.lru_cache(maxsize=4096)
def _prepared(text: str) -> tuple[tuple[Directive, _Network | None, Step, Step], ...]:
    """The directives of a record, each with its network if it needs no question, and its step for a hit and a miss.

    Records hold hundreds of ip4 terms and are shared by many domains, so this is done once a record.
    """
    return tuple(
        (
            directive,
            _network(directive),
            Step(directive.text, directive.span, "match"),
            Step(directive.text, directive.span, "no match"),
        )
        for directive in parse_record(text).directives
    )


def _network(directive: Directive) -> _Network | None:
    match directive.name:
        case "ip4":
            return _Network(4, directive.network >> 32 - directive.prefix4, 32 - directive.prefix4)
        case "ip6":
            return _Network(6, directive.network >> 128 - directive.prefix6, 128 - directive.prefix6)
        case "all":
            return _Network(0, 0, 0)
        case _:
            return None


class _Check:
    """The state of one check_host: its counters run over all records that it enters."""

    def __init__(self, context: MacroContext, strict_voids: bool) -> None:
        self.context = context
        self.strict = strict_voids
        self.lookups = 0
        self.voids = 0
        self.voids_strict = 0
        self.unanswered = ""
        self.answers: list[Answer] = []  # of the term at hand
        self._validated: tuple[str, ...] | None = None

    # -- records ----------------------------------------------------------------------------------------

    def evaluate(self, domain: str) -> Flow[Evaluation]:
        """One record: fetch (§4.4), select (§4.5), check all syntax (§4.6), try the terms in order (§4.6.2)."""
        domain = domain.removesuffix(".")
        if "." not in domain or not askable(domain):  # §4.3
            return Evaluation(
                domain, Result.NONE, reason=f"{domain!r} is not a name of two labels or more (RFC 7208 §4.3)"
            )
        answer = yield from ask(domain.lower(), "TXT")
        if not answer.known:  # §4.4
            self.unanswered = self.unanswered or answer.why()
            return Evaluation(domain, Result.TEMPERROR, reason=f"{answer.why()} (RFC 7208 §4.4)", answer=answer)
        texts = answer.texts
        chosen = select(texts)
        if not chosen:  # §4.5; NXDOMAIN: §4.3
            what = "the name does not exist" if answer.status is Status.NXDOMAIN else "there is no SPF record"
            return Evaluation(domain, Result.NONE, reason=f"{domain}: {what} (RFC 7208 §4.5)", answer=answer)
        if len(chosen) > 1:
            reason = f"{domain} has {len(chosen)} SPF records (RFC 7208 §4.5)"
            return Evaluation(domain, Result.PERMERROR, reason=reason, answer=answer)
        record = parse_record(texts[chosen[0]])
        if record.fatal:  # §4.6: anywhere in the record, before anything is evaluated
            reason = f"{domain}: {record.fatal.detail} (RFC 7208 §4.6)"
            return Evaluation(domain, Result.PERMERROR, record.text, reason=reason, answer=answer)
        steps: list[Step] = []
        try:
            result, reason = yield from self._terms(record, domain, steps)
        except _Ended as end:
            result, reason = end.result, end.reason
        return Evaluation(domain, result, record.text, tuple(steps), reason, answer)

    def _terms(self, record: Record, domain: str, steps: list[Step]) -> Flow[tuple[Result, str]]:
        family, number = self.context.client.family, self.context.client.number
        for directive, network, hit, miss in _prepared(record.text):
            if network is None:
                matched = yield from self._tried(directive, domain, steps)
            else:  # §5.1, §5.6: needs no question
                matched = directive.name == "all" or (
                    network.family == family and number >> network.shift == network.bits
                )
                steps.append(hit if matched else miss)
            if matched:
                return directive.result, f"{domain}: {directive.text} matched"
        redirect = record.effective_redirect  # §6.1: used only if nothing matched and there is no all
        if redirect is None:
            return Result.NEUTRAL, f"{domain}: no term matched (RFC 7208 §4.7)"
        inner = yield from self._redirect(redirect.spec, redirect.text, redirect.span, domain, steps)
        return inner.result, inner.reason

    def _tried(self, directive: Directive, domain: str, steps: list[Step]) -> Flow[bool]:
        """Evaluate one directive and note the step, whatever becomes of it."""
        answers: list[Answer] = []
        self.answers = answers
        before = self.voids, self.voids_strict
        costs = directive.name in LOOKUP_TERMS
        found = _Match(False)
        outcome = "no match"
        try:
            if costs:
                self._count_lookup(directive.text)
            found = yield from self._match(directive, domain)
            outcome = "match" if found.matched else "no match"
            if found.inner:
                self._include_ended(found.inner, directive)
        except _Ended as end:
            outcome = end.result.value
            found.detail = found.detail or end.reason
            raise
        finally:
            # an include's counts are those of its own steps
            spent = (0, 0) if found.inner else (self.voids - before[0], self.voids_strict - before[1])
            steps.append(
                Step(
                    directive.text,
                    directive.span,
                    outcome,
                    found.target,
                    tuple(answers),
                    int(costs),
                    *spent,
                    found.detail,
                    found.inner,
                )
            )
        return found.matched

    def _count_lookup(self, term: str) -> None:
        self.lookups += 1
        if self.lookups > MAX_LOOKUPS:  # §4.6.4
            raise _permerror(f"{term} is the eleventh term that queries DNS (RFC 7208 §4.6.4)")

    def _include_ended(self, inner: Evaluation, directive: Directive) -> None:
        """§5.2: temperror passes through; permerror and none make a permerror."""
        if inner.result is Result.TEMPERROR:
            raise _Ended(Result.TEMPERROR, inner.reason)
        if inner.result is Result.PERMERROR:
            raise _permerror(inner.reason)
        if inner.result is Result.NONE:
            raise _permerror(f"{directive.text}: {inner.reason.partition(' (RFC')[0]} (RFC 7208 §5.2)")

    def _redirect(
        self, spec: MacroString, text: str, span: tuple[int, int], domain: str, steps: list[Step]
    ) -> Flow[Evaluation]:
        """§6.1: the target's result is the result; none is permerror. ``%{d}`` and bare ``a`` follow the target."""
        try:
            self._count_lookup(text)
            self.answers = []
            target = yield from self._target(spec, domain)
        except _Ended as end:
            steps.append(Step(text, span, end.result.value, lookups=1, detail=end.reason))
            raise
        inner = yield from self.evaluate(target)
        if inner.result is Result.NONE:
            reason = f"{text}: {inner.reason.partition(' (RFC')[0]} (RFC 7208 §6.1)"
            inner = Evaluation(inner.domain, Result.PERMERROR, reason=reason, answer=inner.answer)
        steps.append(Step(text, span, inner.result.value, target, lookups=1, inner=inner))
        return inner

    # -- mechanisms (§5) --------------------------------------------------------------------------------

    def _match(self, directive: Directive, domain: str) -> _Matching:
        if self._unmatchable(directive.spec):
            return _Match(False, detail="the local part is not US-ASCII, so the term cannot match (RFC 8616 §4)")
        target = (yield from self._target(directive.spec, domain)) if directive.spec else domain
        match directive.name:
            case "include":  # §5.2: only the target's pass is a match
                inner = yield from self.evaluate(target)
                return _Match(inner.result is Result.PASS, target, inner=inner)
            case "a":
                return (yield from self._match_a(directive, target))
            case "mx":
                return (yield from self._match_mx(directive, target))
            case "ptr":
                return (yield from self._match_ptr(target))
            case _:
                return (yield from self._match_exists(target))

    def _match_a(self, directive: Directive, target: str) -> _Matching:
        """§5.3"""
        found, other = yield from self._addresses(target)
        address = self._compare(directive, found, other)
        return _Match(address is not None, target, detail=address or "")

    def _match_mx(self, directive: Directive, target: str) -> _Matching:
        """§5.4; more than ten hosts make a permerror, whichever order they come in (§4.6.4)."""
        answer = yield from self._asked(target, "MX")
        hosts = [host for _, host in sorted(answer.records) if host != "."]  # RFC 7505: a null MX names no host
        if len(hosts) > MAX_HOSTS:
            raise _permerror(f"{target} has {len(hosts)} MX hosts; {MAX_HOSTS} is the limit (RFC 7208 §4.6.4)")
        if not answer.records:
            self._void(answer)
        for host, (found, other) in zip(hosts, (yield from together(*map(self._addresses, hosts))), strict=True):
            address = self._compare(directive, found, other)
            if address:
                return _Match(True, target, detail=f"{host} {address}")
        return _Match(False, target)

    def _match_ptr(self, target: str) -> _Matching:
        """§5.5: a validated name equal to the target or below it."""
        wanted = target.lower()
        for name in (yield from self._validated_names()):
            if name == wanted or name.endswith("." + wanted):
                return _Match(True, target, detail=name)
        return _Match(False, target)

    def _match_exists(self, target: str) -> _Matching:
        """§5.7: an A record, for IPv6 clients too."""
        answer = yield from self._asked(target, "A")
        if not answer.records:
            self._void(answer)
        return _Match(bool(answer.records), target)

    # -- lookups ----------------------------------------------------------------------------------------

    def _asked(self, name: str, type_: str) -> Flow[Answer]:
        """One question of the term at hand; no answer is temperror (§5)."""
        answer = yield from ask_name(name, type_)
        self.answers.append(answer)
        self._require(answer)
        return answer

    def _require(self, answer: Answer) -> None:
        if not answer.known:
            self.unanswered = self.unanswered or answer.why()
            raise _Ended(Result.TEMPERROR, f"{answer.why()} (RFC 7208 §5)")

    def _addresses(self, name: str) -> Flow[tuple[Answer, Answer | None]]:
        """The client's family (§5), and the other one if the name exists without addresses of the first."""
        wanted = self.context.client.question
        found = yield from ask_name(name, wanted)
        if found.status is not Status.NODATA:
            return found, None
        other = yield from ask_name(name, "AAAA" if wanted == "A" else "A")
        return found, other

    def _compare(self, directive: Directive, found: Answer, other: Answer | None) -> str | None:
        """Look at one host's addresses: temperror, a void lookup, or the address that matches."""
        self.answers.append(found)
        self._require(found)
        if not found.records:
            self._void(found, other)
        four = self.context.client.family == 4
        for text in found.records:
            number = parse_ip4(text) if four else parse_ip6(text)
            if number is not None and self.context.client.within(
                number, directive.prefix4 if four else directive.prefix6
            ):
                return str(text)
        return None

    def _void(self, answer: Answer, other: Answer | None = None) -> None:
        """§4.6.4: count an empty answer, and end at the third."""
        if not askable(answer.question.name):
            return
        self.voids_strict += 1
        if other is None or other.status in (Status.NODATA, Status.NXDOMAIN):
            self.voids += 1
        if (self.voids_strict if self.strict else self.voids) > MAX_VOIDS:
            raise _permerror(f"{answer.question} is the third lookup that found nothing (RFC 7208 §4.6.4)")

    def _validated_names(self) -> Flow[tuple[str, ...]]:
        """§5.5: of the first ten PTR names, those whose addresses hold the client. DNS errors skip, not fail."""
        if self._validated is not None:
            return self._validated
        client = self.context.client
        answer = yield from ask_name(client.reverse_name, "PTR")
        self.answers.append(answer)
        if answer.known and not answer.records:
            self._void(answer)
        names = [str(name).lower().removesuffix(".") for name in answer.records[:MAX_HOSTS]]
        forward = yield from together(*(ask_name(name, client.question) for name in names))
        self.answers.extend(forward)
        parse = parse_ip4 if client.family == 4 else parse_ip6
        self._validated = tuple(
            name
            for name, addresses in zip(names, forward, strict=True)
            if any(parse(text) == client.number for text in addresses.records)
        )
        return self._validated

    # -- macros (§7) and the explanation (§6.2) ---------------------------------------------------------

    def _unmatchable(self, spec: MacroString | None) -> bool:
        return spec is not None and not spec.letters.isdisjoint("sl") and not self.context.value("l").isascii()

    def _target(self, spec: MacroString, domain: str) -> Flow[str]:
        """The target-name of a term: §4.8."""
        context = yield from self._context(spec, domain)
        return expand_name(spec, context)

    def _context(self, spec: MacroString, domain: str) -> Flow[MacroContext]:
        """The context at this domain: ``%{d}`` is the domain whose record is read, not the sender's (§7.2)."""
        here = self.context
        validated = "unknown"
        if "p" in spec.letters:  # §7.3: the domain itself, else a name below it, else any
            names = yield from self._validated_names()
            wanted = domain.lower()
            below = [name for name in names if name.endswith("." + wanted)]
            validated = next((n for n in (*(n for n in names if n == wanted), *below, *names)), "unknown")
        return MacroContext(here.client, domain, here.sender, here.helo, here.receiver, validated, here.now)

    def explain(self, trace: Evaluation) -> Flow[str | None]:
        """§6.2: one TXT record, US-ASCII, macros expanded; any trouble means no explanation.

        The ``exp`` of an included record is never used, that of a redirect's target replaces ours. Costs no lookup.
        """
        while trace.redirected:
            trace = trace.redirected
        modifier = parse_record(trace.record or "").explanation
        if modifier is None or self._unmatchable(modifier.spec):
            return None
        try:
            target = yield from self._target(modifier.spec, trace.domain)
        except _Ended:  # the PTR lookup of %{p} may be the third void
            return None
        answer = yield from ask_name(target, "TXT")
        if len(answer.records) != 1 or not answer.texts[0].isascii():
            return None
        text, faults = parse_macro_string(answer.texts[0], explanation=True)
        if faults:
            return None
        try:
            context = yield from self._context(text, trace.domain)
        except _Ended:
            return None
        # §11.5: the text comes from a stranger, and so may what its macros stand for
        return "".join(c if c.isprintable() else "?" for c in expand(text, context))

"""check_host of RFC 7208 said in the plainest way: term by term, nothing compiled, the trace built as it goes.

The tests hold `deliverkit.protocols.spf.evaluate` against this. Nothing here is meant to be fast.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from deliverkit.flow import Answer, Flow, Question, Status, ask, together
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
from deliverkit.protocols.spf.trace import Evaluation, Step

MAX_LOOKUPS, MAX_VOIDS, MAX_HOSTS = 10, 2, 10


@dataclass
class Referred:
    """What the reference says."""

    trace: Evaluation
    explanation: str | None
    lookups: int
    voids: int
    voids_strict: int
    unanswered: str
    matched: tuple[str, ...] = field(default=())


def check_host(client_ip: str, domain: str, sender: str, helo: str, *, strict_voids: bool = False) -> Flow[Referred]:
    """check_host for names in ASCII without final dots."""
    local, _, host = sender.rpartition("@")
    context = MacroContext(Client.of(client_ip), domain, f"{local or 'postmaster'}@{host}", helo)
    check = _Check(context, strict_voids)
    trace = yield from check.evaluate(domain)
    explanation = (yield from check.explain(trace)) if trace.result is Result.FAIL else None
    path = tuple(_path(trace))
    return Referred(trace, explanation, check.lookups, check.voids, check.voids_strict, check.unanswered, path)


def _path(trace: Evaluation) -> list[str]:
    path: list[str] = []
    here: Evaluation | None = trace
    while here and here.steps and here.steps[-1].outcome != "no match":
        path.append(here.steps[-1].term)
        here = here.steps[-1].inner
    return path


def _redirected(trace: Evaluation) -> Evaluation | None:
    last = trace.steps[-1] if trace.steps else None
    return last.inner if last and last.term.lower().startswith("redirect=") else None


def askable(name: str) -> bool:
    """True if a DNS query can be composed: labels of 1 to 63 octets, 253 in all (RFC 1035 §2.3.4)."""
    return 0 < len(name) <= NAME_OCTETS and name.isascii() and all(0 < len(label) <= 63 for label in name.split("."))


def ask_name(name: str, type_: str) -> Flow[Answer]:
    """Ask; a name that no query can carry does not exist (RFC 7208 §4.8 leaves it open)."""
    if not askable(name):
        detail = "a name that no DNS query can carry (RFC 1035 §2.3.4)"
        return Answer(Question(name, type_), Status.NXDOMAIN, detail=detail)
    return (yield from ask(name.lower(), type_))


class Ended(Exception):
    """The evaluation of a record ends here, with permerror or temperror."""

    def __init__(self, result: Result, reason: str) -> None:
        super().__init__(reason)
        self.result = result
        self.reason = reason


def permerror(reason: str) -> Ended:
    return Ended(Result.PERMERROR, reason)


class Lookups:
    """The counters of one check_host, over all the records it enters, and the answers of the term at hand."""

    def __init__(self, client: Client, strict_voids: bool) -> None:
        self.client = client
        self.strict = strict_voids
        self.lookups = 0
        self.voids = 0
        self.voids_strict = 0
        self.unanswered = ""
        self.answers: list[Answer] = []
        self._validated: tuple[str, ...] | None = None

    def count_lookup(self, term: str) -> None:
        self.lookups += 1
        if self.lookups > MAX_LOOKUPS:  # §4.6.4
            raise permerror(f"{term} is the eleventh term that queries DNS (RFC 7208 §4.6.4)")

    def asked(self, name: str, type_: str) -> Flow[Answer]:
        """One question of the term at hand; no answer is temperror (§5)."""
        answer = yield from ask_name(name, type_)
        self.answers.append(answer)
        self.require(answer)
        return answer

    def require(self, answer: Answer) -> None:
        if not answer.known:
            self.unanswered = self.unanswered or answer.why()
            raise Ended(Result.TEMPERROR, f"{answer.why()} (RFC 7208 §5)")

    def addresses(self, name: str) -> Flow[tuple[Answer, Answer | None]]:
        """The client's family (§5), and the other one if the name exists without addresses of the first."""
        wanted = self.client.question
        found = yield from ask_name(name, wanted)
        if found.status is not Status.NODATA:
            return found, None
        other = yield from ask_name(name, "AAAA" if wanted == "A" else "A")
        return found, other

    def compare(self, directive: Directive, found: Answer, other: Answer | None) -> str | None:
        """Look at one host's addresses: temperror, a void lookup, or the address that matches."""
        self.answers.append(found)
        self.require(found)
        if not found.records:
            self.void(found, other)
        four = self.client.family == 4
        for text in found.records:
            number = parse_ip4(text) if four else parse_ip6(text)
            if number is not None and self._within(number, directive):
                return str(text)
        return None

    def void(self, answer: Answer, other: Answer | None = None) -> None:
        """§4.6.4: count an empty answer, and end at the third."""
        if not askable(answer.question.name):
            return
        self.voids_strict += 1
        if other is None or other.status in (Status.NODATA, Status.NXDOMAIN):
            self.voids += 1
        if (self.voids_strict if self.strict else self.voids) > MAX_VOIDS:
            raise permerror(f"{answer.question} is the third lookup that found nothing (RFC 7208 §4.6.4)")

    def validated_names(self) -> Flow[tuple[str, ...]]:
        """§5.5: of the first ten PTR names, those whose addresses hold the client. DNS errors skip, not fail."""
        if self._validated is not None:
            return self._validated
        client = self.client
        answer = yield from ask_name(client.reverse_name, "PTR")
        self.answers.append(answer)
        if answer.known and not answer.records:
            self.void(answer)
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

    def _within(self, number: int, directive: Directive) -> bool:
        bits, prefix = (32, directive.prefix4) if self.client.family == 4 else (128, directive.prefix6)
        return number >> (bits - prefix) == self.client.number >> (bits - prefix)


def _is_address(domain: str) -> bool:
    """True for 192.0.2.1 and [192.0.2.1], which clients say in HELO: no domain name (RFC 7208 §2.3)."""
    return domain.startswith("[") or domain.rpartition(".")[2].isdigit()


@dataclass(slots=True)
class _Match:
    """What a mechanism found."""

    matched: bool
    target: str | None = None
    detail: str = ""
    inner: Evaluation | None = None


class _Check(Lookups):
    """One check_host: records, mechanisms and macros."""

    def __init__(self, context: MacroContext, strict_voids: bool) -> None:
        super().__init__(context.client, strict_voids)
        self.context = context

    # -- records ----------------------------------------------------------------------------------------

    def evaluate(self, domain: str) -> Flow[Evaluation]:
        """One record: fetch (§4.4), select (§4.5), check all syntax (§4.6), try the terms in order (§4.6.2)."""
        domain = domain.removesuffix(".")
        if "." not in domain or not askable(domain) or _is_address(domain):  # §4.3
            what = "an address" if _is_address(domain) else "not a name of two labels or more"
            return Evaluation(domain, Result.NONE, reason=f"{domain!r} is {what} (RFC 7208 §4.3)")
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
        except Ended as end:
            result, reason = end.result, end.reason
        return Evaluation(domain, result, record.text, tuple(steps), reason, answer)

    def _terms(self, record: Record, domain: str, steps: list[Step]) -> Flow[tuple[Result, str]]:
        for directive in record.directives:
            if directive.name in LOOKUP_TERMS:
                matched = yield from self._tried(directive, domain, steps)
            else:
                matched = self._static(directive)
                steps.append(Step(directive.text, directive.span, "match" if matched else "no match"))
            if matched:
                return directive.result, f"{domain}: {directive.text} matched"
        redirect = record.effective_redirect
        if redirect is None:
            return Result.NEUTRAL, f"{domain}: no term matched (RFC 7208 §4.7)"
        inner = yield from self._redirect(redirect.spec, redirect.text, redirect.span, domain, steps)
        return inner.result, inner.reason

    def _static(self, directive: Directive) -> bool:
        family = {"ip4": 4, "ip6": 6}.get(directive.name)
        return family is None or (family == self.client.family and self._within(directive.network, directive))

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
                self.count_lookup(directive.text)
            found = yield from self._match(directive, domain)
            outcome = "match" if found.matched else "no match"
            if found.inner:
                self._include_ended(found.inner, directive)
        except Ended as end:
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

    def _include_ended(self, inner: Evaluation, directive: Directive) -> None:
        """§5.2: temperror passes through; permerror and none make a permerror."""
        if inner.result is Result.TEMPERROR:
            raise Ended(Result.TEMPERROR, inner.reason)
        if inner.result is Result.PERMERROR:
            raise permerror(inner.reason)
        if inner.result is Result.NONE:
            raise permerror(f"{directive.text}: {inner.reason.partition(' (RFC')[0]} (RFC 7208 §5.2)")

    def _redirect(
        self, spec: MacroString, text: str, span: tuple[int, int], domain: str, steps: list[Step]
    ) -> Flow[Evaluation]:
        """§6.1: the target's result is the result; none is permerror. ``%{d}`` and bare ``a`` follow the target."""
        try:
            self.count_lookup(text)
            self.answers = []
            target = yield from self._target(spec, domain)
        except Ended as end:
            steps.append(Step(text, span, end.result.value, lookups=1, detail=end.reason))
            raise
        inner = yield from self.evaluate(target)
        if inner.result is Result.NONE:
            reason = f"{text}: {inner.reason.partition(' (RFC')[0]} (RFC 7208 §6.1)"
            inner = Evaluation(inner.domain, Result.PERMERROR, reason=reason, answer=inner.answer)
        steps.append(Step(text, span, inner.result.value, target, lookups=1, inner=inner))
        return inner

    # -- mechanisms (§5) --------------------------------------------------------------------------------

    def _match(self, directive: Directive, domain: str) -> Flow[_Match]:
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

    def _match_a(self, directive: Directive, target: str) -> Flow[_Match]:
        """§5.3"""
        found, other = yield from self.addresses(target)
        address = self.compare(directive, found, other)
        return _Match(address is not None, target, detail=address or "")

    def _match_mx(self, directive: Directive, target: str) -> Flow[_Match]:
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
                return _Match(True, target, detail=f"{host} {address}")
        return _Match(False, target)

    def _match_ptr(self, target: str) -> Flow[_Match]:
        """§5.5: a validated name equal to the target or below it."""
        wanted = target.lower()
        for name in (yield from self.validated_names()):
            if name == wanted or name.endswith("." + wanted):
                return _Match(True, target, detail=name)
        return _Match(False, target)

    def _match_exists(self, target: str) -> Flow[_Match]:
        """§5.7: an A record, for IPv6 clients too."""
        answer = yield from self.asked(target, "A")
        if not answer.records:
            self.void(answer)
        return _Match(bool(answer.records), target)

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
            names = yield from self.validated_names()
            wanted = domain.lower()
            below = [name for name in names if name.endswith("." + wanted)]
            validated = next((n for n in (*(n for n in names if n == wanted), *below, *names)), "unknown")
        return MacroContext(here.client, domain, here.sender, here.helo, here.receiver, validated, here.now)

    def explain(self, trace: Evaluation) -> Flow[str | None]:
        """§6.2: one TXT record, US-ASCII, macros expanded; any trouble means no explanation.

        The ``exp`` of an included record is never used, that of a redirect's target replaces ours. Costs no lookup.
        """
        while inner := _redirected(trace):
            trace = inner
        modifier = parse_record(trace.record or "").explanation
        if modifier is None or self._unmatchable(modifier.spec):
            return None
        try:
            target = yield from self._target(modifier.spec, trace.domain)
        except Ended:  # the PTR lookup of %{p} may be the third void
            return None
        answer = yield from ask_name(target, "TXT")
        if len(answer.records) != 1 or not answer.texts[0].isascii():
            return None
        text, faults = parse_macro_string(answer.texts[0], explanation=True)
        if faults:
            return None
        try:
            context = yield from self._context(text, trace.domain)
        except Ended:
            return None
        # §11.5: the text comes from a stranger, and so may what its macros stand for
        return "".join(c if c.isprintable() else "?" for c in expand(text, context))

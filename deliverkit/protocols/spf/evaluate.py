"""check_host, RFC 7208 §4: one client, one domain, one sender in; a result and the path that led to it out.

How void lookups are counted is told in `deliverkit.protocols.spf.lookups`.

What this file will not do: open a socket, sleep, or judge. A lookup that nobody answered is temperror, with the reason.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeAlias

from deliverkit.flow import Answer, Flow, Status, ask, together
from deliverkit.names import BadName, to_ascii
from deliverkit.protocols.spf.address import Client
from deliverkit.protocols.spf.lookups import MAX_HOSTS, Ended, Lookups, ask_name, askable, permerror
from deliverkit.protocols.spf.macro import MacroContext, MacroString, expand, expand_name, parse_macro_string
from deliverkit.protocols.spf.record import LOOKUP_TERMS, Directive, Record, Result, parse_record, select
from deliverkit.protocols.spf.trace import CheckResult, Evaluation, Step, path_of

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
        matched=tuple(path_of(trace)),
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
        family, number = self.client.family, self.client.number
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
        found, other = yield from self.addresses(target)
        address = self.compare(directive, found, other)
        return _Match(address is not None, target, detail=address or "")

    def _match_mx(self, directive: Directive, target: str) -> _Matching:
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

    def _match_ptr(self, target: str) -> _Matching:
        """§5.5: a validated name equal to the target or below it."""
        wanted = target.lower()
        for name in (yield from self.validated_names()):
            if name == wanted or name.endswith("." + wanted):
                return _Match(True, target, detail=name)
        return _Match(False, target)

    def _match_exists(self, target: str) -> _Matching:
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
        while trace.redirected:
            trace = trace.redirected
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

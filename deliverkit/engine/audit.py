"""The audit engine: a World and a domain in, a Report out.

It observes every protocol side by side (each is a flow), probes the ports its options ask for, and lets the
rules judge the facts. It knows the order of things and nothing about any protocol.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from deliverkit.data import Provider, nearest, provider
from deliverkit.facts.base import Missing, NotAsked, Unobserved, missing, not_asked
from deliverkit.facts.bimi import observe_bimi
from deliverkit.facts.dkim import KeyFile, observe_dkim
from deliverkit.facts.dmarc import observe_dmarc
from deliverkit.facts.domain import DomainFacts
from deliverkit.facts.expected import Expectations, ExpectedFacts
from deliverkit.facts.mtasts import announces, observe_mtasts, policy_url, with_page
from deliverkit.facts.mx import observe_mx
from deliverkit.facts.providers import observe_providers
from deliverkit.facts.ptr import observe_ptr
from deliverkit.facts.spf import observe_spf
from deliverkit.facts.tlsrpt import observe_tlsrpt
from deliverkit.findings import Judgement, Severity
from deliverkit.flow import Answer, Flow, Page, Question, drive, noting
from deliverkit.names import meant
from deliverkit.report.model import Report, Subject, merge
from deliverkit.rules import PORT_FAMILIES
from deliverkit.rules.registry import Judged, RuleSet, families, judge, rules_of
from deliverkit.world import World

if TYPE_CHECKING:
    from deliverkit.engine.rejudge import Trial
    from deliverkit.world.changes import Changes, Touched

Heard: TypeAlias = dict[str, dict[Question, Answer]]
"""Every answer that the observation of a protocol was told."""

PROTOCOLS = ("spf", "dkim", "dmarc", "mx", "ptr", "tlsrpt", "mtasts", "bimi", "providers", "ports")
FAMILIES = (*PROTOCOLS[:-1], *PORT_FAMILIES)
OTHER_FAMILIES = ("agreement", "check", "expect", "message", "send", "settings", "sink", "source")
"""They judge messages, sessions, applications, files; and what is expected only where something is."""
PROFILES = ("bulk",)
SECONDS = 60.0  # one domain, probing included


@dataclass(frozen=True)
class AuditOptions:
    """What the user wants to know, and what the domain is for.

    ``only`` names protocols (of `PROTOCOLS`) and rule families; empty means all. ``dkim_keys`` maps a selector
    to a private key (its file, or what was read from it) that must match what is published. ``submission``
    hosts are probed on 465 and 587. ``via`` names providers (ids or aliases of ``data/providers.toml``) through
    which the domain's mail leaves. ``severities`` overrides a rule's severity by id; ``expect`` is what the owner says
    of the domain.
    """

    selectors: tuple[str, ...] = ()
    dkim_keys: Mapping[str, Path | KeyFile] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    sends_from: tuple[str, ...] = ()
    submission: tuple[str, ...] = ()
    via: tuple[str, ...] = ()
    probe: bool = True
    profile: str | None = None
    parked: bool = False
    seconds: float = SECONDS
    severities: Mapping[str, Any] = field(default_factory=dict)
    expect: Expectations | None = None


class BadOption(ValueError):
    """An option that cannot be meant; the message names it and says what to give instead."""


def checked(options: AuditOptions) -> AuditOptions:
    """The options with addresses in canonical form. Raises BadOption."""
    import ipaddress

    known = {*PROTOCOLS, *FAMILIES}
    for word in options.only:
        if word not in known:
            raise BadOption(f"--only {word}: there is no such protocol{_near(word, known)}")
    addresses = []
    for text in options.sends_from:
        try:
            address = ipaddress.ip_address(text.strip())
            addresses.append(str(getattr(address, "ipv4_mapped", None) or address))
        except ValueError:
            raise BadOption(f"--sends-from {text!r}: not an IP address") from None
    _check_hosts(options.submission)
    _check_providers(options.via)
    if options.profile not in (None, *PROFILES):
        raise BadOption(f"--profile {options.profile}: there is no such profile; there is: {', '.join(PROFILES)}")
    return replace(options, sends_from=tuple(addresses))


def _check_hosts(submission: Sequence[str]) -> None:
    if not submission:
        return
    from deliverkit.engine.targets import BadTarget, ProbeOptions, read_target

    for text in submission:
        try:
            read_target(text, ProbeOptions(ports=(465, 587)))
        except BadTarget as bad:
            raise BadOption(f"--submission: {bad}") from None


def _check_providers(via: Sequence[str]) -> None:
    for word in via:
        if provider(word) is None:
            near = nearest(word)
            hint = f"; did you mean {near}?" if near else "."
            raise BadOption(
                f"--via {word}: there is no such provider{hint} `deliverkit explain providers` lists them all"
            )


def _near(word: str, known: Collection[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, known, 1)
    return f"; did you mean {near[0]}?" if near else ""


AT_ONCE, MANY_AT_ONCE = 16, 64
"""Domains side by side over the system's resolvers, and over named ones, which take four times as many questions
(`world.live`). More would only wait for each other, and the time of a domain's DNS budget runs while they wait."""


def unseen(domain: str, why: str, world: World, options: AuditOptions, *, interrupted: bool = False) -> Report:
    """The report on a domain that nobody looked at: what decides could not be told, and why."""
    typed = meant(domain)
    facts = DomainFacts(name=typed.name, given=domain, parked=options.parked, **{p: missing(why) for p in PROTOCOLS})
    rules = RuleSet(r for r in rules_of(*_families(options)) if r.severity is Severity.ERROR)
    report = Report(Subject("domain", typed.name, typed.remark), world.vantage, world.now(), 0.0)
    return replace(report.judged_by(judge(facts, rules, dict(options.severities))), interrupted=interrupted)


async def audit(
    domain: str, *, world: World, options: AuditOptions, progress: Callable[[str], None] | None = None
) -> Report:
    """Audit one domain. Raises `deliverkit.names.BadName` when no domain can be made of the text.

    Cancelled in the middle, it returns a report of what was seen until then, marked as interrupted.
    """
    typed = meant(domain)
    world = world.scene("audit", domain, options)
    started, began = world.now(), time.monotonic()
    heard: Heard = {}
    budgeted = world.with_budget()
    observed, interrupted = await _observe_all(typed.name, budgeted, options, progress or (lambda _: None), heard)
    via = () if interrupted else _providers(options)  # of those that were named a little more is asked
    observed["providers"] = await _observe_providers(typed.name, via, budgeted, options, observed, heard)
    facts = DomainFacts(
        name=typed.name,
        given=domain,
        parked=options.parked,
        profile=options.profile,
        sends_from=options.sends_from,
        **observed,
    )
    judges = _Judges(facts, world, options)
    report = Report(
        subject=Subject("domain", typed.name, typed.remark),
        vantage=judges.vantage,
        started=started,
        elapsed_s=0.0,
        facts={p: facts.raw(p) for p in PROTOCOLS},
        interrupted=interrupted,
    ).judged_by(judges.judgement)
    if report.changes_dns:
        report = await _with_outcomes(report, facts, judges, heard, world, options, began)
    elapsed_s = round(time.monotonic() - began, 3)
    return replace(report, elapsed_s=elapsed_s, interrupted=world.ended(interrupted=report.interrupted))


async def _with_outcomes(
    report: Report,
    facts: DomainFacts,
    judges: _Judges,
    heard: Heard,
    world: World,
    options: AuditOptions,
    began: float,
) -> Report:
    """The report with its fixes tried: only the protocols whose answers a fix changes are observed again."""
    from deliverkit.engine.rejudge import WORK, Trial, untried, with_outcomes
    from deliverkit.world.changes import Touched

    late = world.late(WORK) or ("interrupted" if report.interrupted else None)
    if late:
        world.was_late(WORK, late)
        return untried(report, late)
    known = {question: answer for told in heard.values() for question, answer in told.items()}
    again = _Again(facts, judges, heard, Touched(known), options)
    now = Trial(judges.judgement, _measured(facts))
    left = options.seconds - (time.monotonic() - began)
    work = with_outcomes(report, now, again, world=world, known=known, rules=judges.rules, seconds=left)
    if world.told:
        return await work
    import asyncio

    try:
        return await work
    except asyncio.CancelledError:
        world.was_late(WORK, "interrupted")
        return replace(untried(report, "interrupted"), interrupted=True)


class _Again:
    """Observes and judges a domain once more in a changed world: only what the changes touch."""

    def __init__(
        self, facts: DomainFacts, judges: _Judges, heard: Heard, known: Touched, options: AuditOptions
    ) -> None:
        self._facts = facts
        self._judges = judges
        self._heard = {p: told.keys() for p, told in heard.items() if not isinstance(facts.raw(p), Missing)}
        self._known = known
        self._options = options
        self._flows = _flows(facts.name, options)

    async def __call__(self, world: World, changes: Changes) -> Trial:
        from deliverkit.engine.rejudge import Trial
        from deliverkit.world.changes import ChangedDoor, NotInHand

        touched = self._known.by(changes)
        tell = ChangedDoor(changes, world.dns).in_hand(self._known, touched)

        async def observed(protocol: str, flow: Callable[[], Flow[Any]]) -> Any:
            try:
                new = drive(flow(), tell)  # nearly always everything is in hand: nobody is waited for
            except NotInHand:
                new = await world.run(flow())
            was = self._facts.raw(protocol)
            if protocol == "mtasts":  # the policy is no part of DNS: it stays as it was served
                served = was.raw("page")
                new = with_page(new, served if isinstance(served, Page) else None)
            return was if _same(new, was) else new

        seen = {f.name: self._facts.raw(f.name) for f in fields(self._facts)}
        again = [p for p, asked in self._heard.items() if not touched.isdisjoint(asked)]
        seen.update({p: await observed(p, self._flows[p]) for p in again if p in self._flows})
        if {"spf", "dkim", "mx", "providers"}.intersection(again) and _providers_wanted(self._options):
            told = (seen[protocol] for protocol in ("spf", "dkim", "mx"))
            flow = partial(observe_providers, self._facts.name, _providers(self._options), *told)
            seen["providers"] = await observed("providers", flow)
        tried = DomainFacts(**seen)
        return Trial(self._judges.again(tried), _measured(tried))


def _same(a: Any, b: Any) -> bool:
    """True if facts hold the same values; those of which something is missing count as different."""
    try:
        return bool(a == b)
    except (Unobserved, NotAsked):
        return False


def _measured(facts: DomainFacts) -> dict[str, str]:
    """The numbers and words of a domain that a fix may change, those that were observed."""
    found: dict[str, str] = {}
    spf, dmarc = facts.raw("spf"), facts.raw("dmarc")
    tree = None if isinstance(spf, Missing) else spf.raw("tree")
    if tree is not None and not isinstance(tree, Missing):
        found["SPF lookups"] = str(max(worst.lookup_count for worst in tree.worst))
        found["void lookups"] = str(max(worst.void_count for worst in tree.worst))
    for check in () if isinstance(spf, Missing) or isinstance(spf.raw("checks"), Missing) else spf.checks:
        found[f"SPF of {check.client_ip}"] = check.result.value
    if not isinstance(dmarc, Missing):
        found["DMARC policy"] = dmarc.discovery.published or "absent"
    return found


def _flows(name: str, options: AuditOptions) -> dict[str, Callable[[], Flow[Any]]]:
    """How each protocol is observed."""
    via = _providers(options)
    return {
        "spf": lambda: observe_spf(name, sends_from=options.sends_from),
        "dkim": lambda: observe_dkim(name, selectors=options.selectors, key_files=options.dkim_keys, via=via),
        "dmarc": lambda: observe_dmarc(name),
        "mx": lambda: observe_mx(name),
        "ptr": lambda: observe_ptr(name, sends_from=options.sends_from),
        "tlsrpt": lambda: observe_tlsrpt(name),
        "mtasts": lambda: observe_mtasts(name),
        "bimi": lambda: observe_bimi(name),
    }


async def _observe_all(
    name: str, world: World, options: AuditOptions, say: Callable[[str], None], heard: Heard
) -> tuple[dict[str, Any], bool]:
    """Every protocol's facts, observed side by side, and whether we were interrupted; what was ``heard`` is noted."""
    flows = _flows(name, options)
    wanted = _wanted(options)
    off = not_asked(f"--only {','.join(options.only)}")

    async def observe(protocol: str) -> Any:
        facts = await world.run(noting(flows[protocol](), heard.setdefault(protocol, {})))
        if protocol == "mtasts":
            facts = with_page(facts, await world.fetch(policy_url(name)) if announces(facts) else None)
        say(f"{name}: {protocol} seen")
        return facts

    async def observe_ports() -> Any:
        from deliverkit.engine.probe import audit_targets, probe_all

        targets = await audit_targets(name, options.submission, world)
        say(f"{name}: {len(targets)} ports to probe")
        return await probe_all(targets, world=world)

    observed: dict[str, Any] = {p: off for p in PROTOCOLS if p not in wanted and p != "providers"}
    if not options.probe:
        observed["ports"] = not_asked("--no-probe")
    works = {p: observe_ports if p == "ports" else partial(observe, p) for p in PROTOCOLS if p in wanted - {*observed}}
    if world.told and "ports" not in works:  # nobody is waited for
        return {**{p: await work() for p, work in works.items()}, **observed}, False
    from deliverkit.engine.pace import side_by_side

    done = await side_by_side(works, world, options.seconds, f"the audit's time of {options.seconds:g} s was spent")
    late = {protocol: missing(why) for protocol, why in done.late.items()}
    return {**done.results, **late, **observed}, done.interrupted


def _providers(options: AuditOptions) -> tuple[Provider, ...]:
    """The providers that the user named."""
    return tuple(found for word in options.via if (found := provider(word)) is not None)


async def _observe_providers(
    name: str,
    via: tuple[Provider, ...],
    world: World,
    options: AuditOptions,
    observed: Mapping[str, Any],
    heard: Heard,
) -> Any:
    """The providers, told by what was observed; the little that is asked besides is asked afterwards."""
    if not _providers_wanted(options):
        return not_asked(f"--only {','.join(options.only)}")
    spf, dkim, mx = (observed[protocol] for protocol in ("spf", "dkim", "mx"))
    flow = observe_providers(name, via, spf, dkim, mx)
    return await world.run(noting(flow, heard.setdefault("providers", {})))


def _providers_wanted(options: AuditOptions) -> bool:
    return not options.only or "providers" in options.only


def _wanted(options: AuditOptions) -> set[str]:
    """The protocols to ask about: those named, the ports where a family that judges them is named.

    Providers are told by the others' facts.
    """
    if not options.only:
        return set(PROTOCOLS) - {"providers"}
    wanted = {p for p in PROTOCOLS if p in options.only and p != "providers"}
    wanted |= options.expect.protocols if options.expect else set()
    if "providers" in options.only:
        wanted |= {"spf", "dkim", "mx", "dmarc"}
    if set(PORT_FAMILIES) & set(options.only):
        wanted.add("ports")
    return wanted


class _Judges:
    """The rules of an audit. What they say of the ports and of the place we looked from is said once."""

    def __init__(self, facts: DomainFacts, world: World, options: AuditOptions) -> None:
        self.rules = rules_of(*_families(options)).existence_first
        self._severities = dict(options.severities)
        self.vantage = world.vantage
        self._besides: list[Judgement] = []
        rows = facts.raw("ports")
        if rows and not isinstance(rows, Missing):
            from deliverkit.engine.probe import judge_ports, vantage_after

            self.vantage = vantage_after(rows, world.vantage)
            self._besides += judge_ports(rows, rules=self.rules, severities=self._severities, of_domain=True)
        self._besides.append(judge(self.vantage, self.rules, self._severities))
        self._expect = options.expect
        self._judged = Judged(facts, self.rules, self._severities)
        self.judgement = merge([self._judged.judgement, *self._expected(facts), *self._besides])

    def again(self, facts: DomainFacts) -> Judgement:
        """What they say of the domain with other facts."""
        return merge([self._judged.again(facts), *self._expected(facts), *self._besides])

    def _expected(self, facts: DomainFacts) -> list[Judgement]:
        """What they say of what is expected of the domain."""
        if self._expect is None:
            return []
        return [judge(ExpectedFacts(facts, self._expect), self.rules, self._severities)]


def _families(options: AuditOptions) -> tuple[str, ...]:
    """The rule families that judge: those named, or all that know domains; "ports" is judged by three of them."""
    expect = ("expect",) if options.expect else ()
    if not options.only:
        return (*(family for family in families() if family not in OTHER_FAMILIES), *expect)
    return tuple({*options.only, *(PORT_FAMILIES if "ports" in options.only else ()), *expect} - {"ports"})

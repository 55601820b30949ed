"""check-host: RFC 7208 check_host for one client and sender in a world, and its report."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deliverkit.facts.checkhost import CheckHostFacts
from deliverkit.findings import Judgement
from deliverkit.flow import Answer, Question, noting
from deliverkit.names import BadName, to_ascii
from deliverkit.protocols.spf.address import BadAddress, Client
from deliverkit.protocols.spf.evaluate import CheckResult, Evaluation
from deliverkit.protocols.spf.evaluate import check_host as evaluation
from deliverkit.report.model import Report, Subject
from deliverkit.rules.registry import judge, rules_of
from deliverkit.world import World

if TYPE_CHECKING:
    from deliverkit.world.changes import Changes


class BadInput(ValueError):
    """The client is no address, or neither sender nor HELO names a domain; the message says what to give."""


@dataclass(frozen=True)
class CheckHost:
    """One evaluation and the report about it."""

    check: CheckResult
    report: Report

    @property
    def result(self) -> str:
        """none, neutral, pass, fail, softfail, temperror or permerror."""
        return self.check.result.value

    @property
    def explanation(self) -> str | None:
        """The domain's own text for a fail (RFC 7208 §6.2), or None."""
        return self.check.explanation

    @property
    def trace(self) -> Evaluation:
        """Every record and term that was evaluated."""
        return self.check.trace


async def check_host(
    client_ip: str, mail_from: str, helo: str, *, world: World, receiver: str | None = None
) -> CheckHost:
    """Evaluate SPF for the MAIL FROM identity; a null reverse-path is postmaster@helo (RFC 7208 §2.4).

    Raises BadInput. A domain that is no domain is no bad input: check_host answers none for it (§4.3).
    """
    try:
        Client.of(client_ip)
    except BadAddress as bad:
        raise BadInput(str(bad)) from None
    mail_from = mail_from.strip().removeprefix("<").removesuffix(">")
    sender = mail_from or f"postmaster@{helo}"
    domain = sender.rpartition("@")[2]
    if not domain and mail_from:
        raise BadInput(f"the MAIL FROM address {mail_from!r} has no domain; expected one such as me@example.com")
    if not domain:
        raise BadInput("neither a sender nor a HELO name was given; give MAIL FROM, or HELO for a null reverse-path")
    started, began = world.now(), time.monotonic()
    heard: dict[Question, Answer] = {}
    rules = rules_of("spf")

    async def judged(here: World) -> tuple[CheckHostFacts, Judgement]:
        flow = evaluation(client_ip, domain, sender, helo, receiver=receiver or "unknown", now=started)
        facts = CheckHostFacts(await here.run(noting(flow, heard)), mail_from)
        return facts, judge(facts, rules)

    facts, judgement = await judged(world)
    check = facts.check
    report = Report(
        subject=Subject("domain", check.domain, _remark(domain)),
        vantage=world.vantage,
        started=started,
        elapsed_s=0.0,
        facts={"check_host": facts},
    ).judged_by(judgement)
    if report.changes_dns:
        from deliverkit.engine.rejudge import Trial, with_outcomes

        async def again(here: World, _: Changes) -> Trial:
            tried, outcome = await judged(here)
            return Trial(outcome, {"SPF": tried.check.result.value})

        now = Trial(judgement, {"SPF": check.result.value})
        report = await with_outcomes(report, now, again, world=world, known=dict(heard), rules=rules)
    return CheckHost(check, replace(report, elapsed_s=round(time.monotonic() - began, 3)))


def _remark(domain: str) -> str | None:
    try:
        return None if domain.isascii() else f"the A-label form of {domain!r} is {to_ascii(domain)}"
    except BadName as bad:
        return str(bad)

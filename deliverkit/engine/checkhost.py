"""check-host: RFC 7208 check_host for one client and sender in a world, and its report."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from deliverkit.facts.checkhost import CheckHostFacts
from deliverkit.facts.vantage import Vantage
from deliverkit.flow import Flow, at_once
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
    """One evaluation; the report about it, and the trace, are made when they are first read."""

    check: CheckResult
    mail_from: str
    vantage: Vantage
    started: datetime
    elapsed_s: float
    remark: str | None
    world: World = field(repr=False)
    evaluate: Callable[[], Flow[CheckResult]] = field(repr=False)

    @functools.cached_property
    def report(self) -> Report:
        """What the rules think of it, their fixes tried."""
        return at_once(self.tried())  # of a world that has to be waited for, `check_host` made it already

    async def tried(self) -> Report:
        """The report; the evaluation is repeated for each fix that it offers."""
        facts, rules = CheckHostFacts(self.check, self.mail_from), rules_of("spf")
        judgement = judge(facts, rules)
        report = Report(
            subject=Subject("domain", self.check.domain, self.remark),
            vantage=self.vantage,
            started=self.started,
            elapsed_s=round(self.elapsed_s, 3),
            facts={"check_host": facts},
        ).judged_by(judgement)
        if not report.changes_dns:
            return report
        from deliverkit.engine.rejudge import Trial, with_outcomes

        async def again(here: World, _: Changes) -> Trial:
            tried = CheckHostFacts(await here.run(self.evaluate()), self.mail_from)
            return Trial(judge(tried, rules), {"SPF": tried.check.result.value})

        now = Trial(judgement, {"SPF": self.check.result.value})
        return await with_outcomes(report, now, again, world=self.world, known={}, rules=rules)

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
    evaluate = functools.partial(
        evaluation, client_ip, domain, sender, helo, receiver=receiver or "unknown", now=started
    )
    check = await world.run(evaluate())
    elapsed_s = time.monotonic() - began
    done = CheckHost(check, mail_from, world.vantage, started, elapsed_s, _remark(domain), world, evaluate)
    if not world.told:  # the fixes are tried while somebody waits
        done.__dict__["report"] = await done.tried()
    return done


def _remark(domain: str) -> str | None:
    try:
        return None if domain.isascii() else f"the A-label form of {domain!r} is {to_ascii(domain)}"
    except BadName as bad:
        return str(bad)

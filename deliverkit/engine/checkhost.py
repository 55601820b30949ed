"""check-host: RFC 7208 check_host for one client and sender in a world, and its report."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from deliverkit.facts.checkhost import CheckHostFacts
from deliverkit.flow import Flow, at_once
from deliverkit.names import BadName, to_ascii
from deliverkit.protocols.spf.address import BadAddress
from deliverkit.protocols.spf.evaluate import CheckResult, Evaluation
from deliverkit.protocols.spf.evaluate import check_host as evaluation
from deliverkit.protocols.spf.settled import Settled
from deliverkit.report.model import Report, Subject
from deliverkit.rules.registry import judge, rules_of
from deliverkit.world import World

if TYPE_CHECKING:
    from deliverkit.world.changes import Changes
    from deliverkit.world.doors import DnsDoor


class BadInput(ValueError):
    """The client is no address, or neither sender nor HELO names a domain; the message says what to give."""


class Asked:
    """One evaluation that is asked for. Raises BadInput."""

    def __init__(self, client_ip: str, mail_from: str, helo: str, world: World, receiver: str | None) -> None:
        self.client_ip, self.helo, self.world, self.receiver = client_ip, helo, world, receiver or "unknown"
        self.mail_from = mail_from = mail_from.strip().removeprefix("<").removesuffix(">")
        self.sender = mail_from or f"postmaster@{helo}"
        self.domain = self.sender.rpartition("@")[2]
        self.started, self.began = world.now(), time.monotonic()
        if not self.domain:
            self.evaluate()  # the client's address is complained of first
        if not self.domain and mail_from:
            raise BadInput(f"the MAIL FROM address {mail_from!r} has no domain; expected one such as me@example.com")
        if not self.domain:
            raise BadInput(
                "neither a sender nor a HELO name was given; give MAIL FROM, or HELO for a null reverse-path"
            )

    def evaluate(self) -> Flow[CheckResult]:
        """The evaluation from its beginning."""
        try:
            return evaluation(
                self.client_ip, self.domain, self.sender, self.helo, receiver=self.receiver, now=self.started
            )
        except BadAddress as bad:
            raise BadInput(str(bad)) from None

    def done(self, check: CheckResult) -> CheckHost:
        """What came of it."""
        return CheckHost(check, time.monotonic() - self.began, self)


@dataclass(frozen=True)
class CheckHost:
    """One evaluation; the report about it, and the trace, are made when they are first read."""

    check: CheckResult
    elapsed_s: float
    asked: Asked = field(repr=False)

    @functools.cached_property
    def report(self) -> Report:
        """What the rules think of it, their fixes tried."""
        return at_once(self.tried())  # of a world that has to be waited for, `check_host` made it already

    async def tried(self) -> Report:
        """The report; the evaluation is repeated for each fix that it offers."""
        facts, rules = CheckHostFacts(self.check, self.asked.mail_from), rules_of("spf")
        judgement = judge(facts, rules)
        report = Report(
            subject=Subject("domain", self.check.domain, _remark(self.asked.domain)),
            vantage=self.asked.world.vantage,
            started=self.asked.started,
            elapsed_s=round(self.elapsed_s, 3),
            facts={"check_host": facts},
        ).judged_by(judgement)
        if not report.changes_dns:
            return report
        from deliverkit.engine.rejudge import Trial, with_outcomes

        async def again(here: World, _: Changes) -> Trial:
            tried = CheckHostFacts(await here.run(self.asked.evaluate()), self.asked.mail_from)
            return Trial(judge(tried, rules), {"SPF": tried.check.result.value})

        now = Trial(judgement, {"SPF": self.check.result.value})
        return await with_outcomes(report, now, again, world=self.asked.world, known={}, rules=rules)

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
    if world.told:
        return check_host_told(client_ip, mail_from, helo, world=world, receiver=receiver)
    asked = Asked(client_ip, mail_from, helo, world, receiver)
    done = asked.done(await world.run(asked.evaluate()))
    done.__dict__["report"] = await done.tried()  # the fixes are tried while somebody waits
    return done


def check_host_told(
    client_ip: str, mail_from: str, helo: str, *, world: World, receiver: str | None = None
) -> CheckHost:
    """The same in a world that is told, where nobody has to be waited for: without a coroutine."""
    asked = Asked(client_ip, mail_from, helo, world, receiver)
    tell = world.dns.tell
    if tell is None or not getattr(world.dns, "unchanging", False):  # such as a journal, which has to be asked
        return asked.done(world.run_told(asked.evaluate()))
    settled = _kept.get(world.dns)
    if settled is None:
        settled = _kept[world.dns] = Settled()
    try:
        who = asked.client_ip, asked.domain, asked.sender, asked.helo
        return asked.done(settled.check_host(*who, tell=tell, receiver=asked.receiver, now=asked.started))
    except BadAddress as bad:
        raise BadInput(str(bad)) from None


_kept: WeakKeyDictionary[DnsDoor, Settled] = WeakKeyDictionary()  # for as long as somebody has the world


def _remark(domain: str) -> str | None:
    try:
        return None if domain.isascii() else f"the A-label form of {domain!r} is {to_ascii(domain)}"
    except BadName as bad:
        return str(bad)

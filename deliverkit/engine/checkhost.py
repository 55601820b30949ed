"""check-host: RFC 7208 check_host for one client and sender in a world, and its report."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from datetime import datetime

from deliverkit.facts.checkhost import CheckHostFacts
from deliverkit.facts.vantage import Vantage
from deliverkit.names import BadName, to_ascii
from deliverkit.protocols.spf.address import BadAddress, Client
from deliverkit.protocols.spf.evaluate import CheckResult, Evaluation
from deliverkit.protocols.spf.evaluate import check_host as evaluation
from deliverkit.report.model import Report, Subject
from deliverkit.rules.registry import judge, rules_of
from deliverkit.world import World


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
    remark: str | None = None

    @functools.cached_property
    def report(self) -> Report:
        """What the rules think of it."""
        facts = CheckHostFacts(self.check, self.mail_from)
        return Report(
            subject=Subject("domain", self.check.domain, self.remark),
            vantage=self.vantage,
            started=self.started,
            elapsed_s=round(self.elapsed_s, 3),
            facts={"check_host": facts},
        ).judged_by(judge(facts, rules_of("spf")))

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
    flow = evaluation(client_ip, domain, sender, helo, receiver=receiver or "unknown", now=started)
    check = await world.run(flow)
    return CheckHost(check, mail_from, world.vantage, started, time.monotonic() - began, _remark(domain))


def _remark(domain: str) -> str | None:
    try:
        return None if domain.isascii() else f"the A-label form of {domain!r} is {to_ascii(domain)}"
    except BadName as bad:
        return str(bad)

"""How far an application's mail transport comes from here, rung by rung, and what would come further.

`LadderFacts` is one transport's way to its server, `DomainSide` what DNS says of the same mail. A rung that was not
tried is None; one that nobody could tell is missing, with the reason. What this file will not do: connect, read what
was heard (`climbed`), or hold an opinion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deliverkit.data import Provider
from deliverkit.facts.base import Facts
from deliverkit.facts.host import PortFacts
from deliverkit.facts.sending import Rejection
from deliverkit.facts.settings.model import MailSettings, Mode
from deliverkit.smtp.submission import Problem, SubmitResult
from deliverkit.smtp.transcript import Transcript

RUNGS = (
    "resolve", "connect", "greeting", "ehlo", "tls", "certificate", "auth", "mail_from", "rcpt_to",
)  # fmt: skip
"""The fields of `LadderFacts` that are rungs, from the ground upwards (implicit TLS comes before the greeting)."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rung for people: ``ok`` None where it could not be told. ``server`` is the host and port as configured."""

    name: str
    ok: bool | None
    elapsed_s: float
    detail: str
    server: str = ""


@dataclass(frozen=True, slots=True)
class Rung:
    """A rung that was tried: ``problem`` None when it held. ``rejection`` is a reply that said no, with its meaning."""

    problem: Problem | str | None = None
    rejection: Rejection | None = None

    @property
    def held(self) -> bool:
        """True if the ladder went on."""
        return self.problem is None


@dataclass(frozen=True, slots=True)
class Address:
    """One address of the host on the configured port: ``trouble`` is why TCP did not come about, None if it did.

    ``reason`` is the kind of the trouble ("timeout", "refused", "no-route", …).
    """

    address: str
    trouble: str | None = None
    reason: str | None = None
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Way:
    """What was seen to work from here: a port, and how TLS begins there, with a certificate that holds."""

    port: int
    mode: Mode
    tls: str
    auth: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """In words."""
        how = "TLS from the first byte" if self.mode == "implicit" else "STARTTLS"
        login = f", logins by {', '.join(self.auth)}" if self.auth else ""
        return f"port {self.port} answers with {how} ({self.tls}{login})"


@dataclass(frozen=True, repr=False)
class LadderFacts(Facts):
    """One transport, from here to its server.

    ``host``, ``port`` and ``mode`` are those of the plan. ``addresses`` are those of the
    host on that port; ``beside`` the other ports of the host, probed at the same time; ``outward`` the word of
    unrelated control hosts on a port that kept silent ("open", "blocked", "unknown"). ``ways`` were proved, the best
    first. ``withheld`` says why the password was not sent although the application would send it. ``timings`` are
    seconds by step.
    """

    settings: MailSettings
    name: str
    host: str
    port: int
    mode: Mode
    resolve: Rung | None = None
    connect: Rung | None = None
    greeting: Rung | None = None
    ehlo: Rung | None = None
    tls: Rung | None = None
    certificate: Rung | None = None
    auth: Rung | None = None
    mail_from: Rung | None = None
    rcpt_to: Rung | None = None
    withheld: str | None = None
    sender: str | None = None
    recipient: str | None = None
    addresses: tuple[Address, ...] = ()
    beside: tuple[PortFacts, ...] = ()
    outward: Mapping[int, str] = field(default_factory=dict)
    ways: tuple[Way, ...] = ()
    provider: Provider | None = None
    session: SubmitResult | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    transcript: Transcript | None = None

    @property
    def subject(self) -> str:
        return self.name

    @property
    def climbed(self) -> bool:
        """True if the server took the sender, and no rung that was tried broke or is untold."""
        tried = [rung for name in RUNGS if (rung := self.raw(name)) is not None]
        return self.raw("mail_from") is not None and all(isinstance(rung, Rung) and rung.held for rung in tried)

    def to_json(self) -> dict[str, Any]:
        """Where, the steps, what was seen beside, what was proved, and the transcript."""
        return {
            "server": self.name,
            "transport": self.settings.subject,
            "provider": self.provider.id if self.provider else None,
            "steps": self.steps,
            "addresses": self.addresses,
            "beside": [
                {"port": row.port, "reachable": row.raw("reachable"), "reason": row.reason, "mode": row.raw("mode")}
                for row in self.beside
            ],
            "outward": {str(port): word for port, word in self.outward.items()},
            "proved": self.ways,
            "withheld": self.withheld,
            "transcript": self.transcript,
        }


@dataclass(frozen=True, repr=False)
class DomainSide(Facts):
    """What DNS says of mail from this domain through this provider.

    ``include`` is the provider's name for SPF, None where it needs none; ``included`` whether the domain's SPF record
    leads to it. ``selectors`` are where the provider's keys usually stand, ``published`` those that hold one; a
    provider whose selectors nobody can guess has none. ``policy`` is the domain's DMARC policy, None without one.
    """

    domain: str
    provider: Provider
    include: str | None
    record: str | None
    included: bool
    selectors: tuple[str, ...]
    published: tuple[str, ...]
    policy: str | None

    @property
    def subject(self) -> str:
        return self.domain

    def to_json(self) -> dict[str, Any]:
        """What was asked, and what is there."""
        return {
            "domain": self.domain,
            "provider": self.provider.id,
            "spf_include": self.include,
            "spf_included": self.raw("included"),
            "dkim_selectors": self.selectors,
            "dkim_published": self.raw("published"),
            "dmarc_policy": self.raw("policy"),
        }

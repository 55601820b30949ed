"""What became of a message that was sent: the connections that were tried, and what the servers said to it.

`observed_sending` turns the results of the conversations into facts; it asks nothing and judges nothing. A reply is
kept together with its meaning, because what a 550 asks for depends on who says it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from deliverkit.addresses import kind
from deliverkit.data import Provider, providers, recognise
from deliverkit.facts.base import Facts, Missing, missing
from deliverkit.smtp.dialogue import Trouble, TroubleKind
from deliverkit.smtp.meaning import ReplyMeaning, meaning_of
from deliverkit.smtp.reply import Reply
from deliverkit.smtp.submission import Refusal, Stage, SubmitResult, TlsMode
from deliverkit.smtp.transcript import Transcript

TLS_FIRST = (465, 994, 2465, 8465)  # ports that begin with TLS (RFC 8314 §3.3; 994 NetEase, 2465 SES, 8465 SMTP2GO)


@dataclass(frozen=True)
class Attempt:
    """One connection that was tried. ``host`` is the name that led to the address, or the address itself."""

    host: str
    address: str
    port: int
    tls: TlsMode
    result: SubmitResult
    transcript: Transcript | None = None

    @property
    def where(self) -> str:
        """Host, address and port for people."""
        if self.host == self.address:
            return f"{self.address} port {self.port}"
        return f"{self.host} ({self.address}) port {self.port}"

    @property
    def reached(self) -> bool:
        """True if a mail server answered: it greeted, refused to, or at least began TLS."""
        result = self.result
        if result.stage is Stage.CONNECT:
            return False
        return not (result.stage in (Stage.GREETING, Stage.EHLO) and isinstance(result.problem, Trouble))

    @property
    def waits_for_tls(self) -> bool:
        """True if a greeting was waited for on a port that begins with TLS, where both sides wait for ever."""
        if self.tls == "implicit" or self.port not in TLS_FIRST or self.result.stage is not Stage.GREETING:
            return False
        return isinstance(self.result.problem, Trouble)

    @property
    def speaks_clear(self) -> bool:
        """True if TLS was begun at once with a server that greets first."""
        problem = self.result.problem
        if self.tls != "implicit" or self.result.stage is not Stage.TLS or not isinstance(problem, Trouble):
            return False
        told = problem.detail.lower()
        return problem.kind is TroubleKind.TLS_FAILED and bool(
            problem.heard or "clear" in told or "wrong version" in told
        )

    def to_json(self) -> dict[str, Any]:
        """Where, what broke, and the transcript."""
        result = self.result
        return {
            "host": self.host,
            "address": self.address,
            "port": self.port,
            "tls": self.tls,
            "stage": result.stage,
            "problem": None if result.problem is None else str(result.problem),
            "transcript": self.transcript,
        }


@dataclass(frozen=True, slots=True)
class Rejection:
    """A reply that said no, at which stage, to which recipient if to one, and to how many messages of the run."""

    stage: Stage
    reply: Reply
    meaning: ReplyMeaning | None = None
    recipient: str | None = None
    messages: int = 1

    @property
    def permanent(self) -> bool:
        """True for 5xx, and for a 4xx whose cause has to be removed before a second try can succeed."""
        return self.reply.code >= 500 or (self.meaning is not None and self.meaning.retry == "after-fix")


@dataclass(frozen=True, repr=False)
class SendFacts(Facts):
    """One server, or the MX hosts of one domain, and what became of the messages for the recipients there.

    ``name`` is ``host:port`` of a relay or the recipients' domain. ``dead_end`` says why no mail can be sent there at
    all (RFC 7505, RFC 5321 §5.1), None if it can. ``session`` is the last conversation: None when there was nobody to
    talk to, missing when no server was reached. ``accepted`` counts the messages that were accepted for some recipient;
    ``outcome`` is "accepted" or "refused", missing when the server put it off or the connection broke.
    """

    name: str
    by_mx: bool
    mail_from: str
    header_from: str
    recipients: tuple[str, ...]
    wanted: int
    accepted: int
    attempts: tuple[Attempt, ...]
    dead_end: str | None
    session: SubmitResult | None
    outcome: str
    rejections: tuple[Rejection, ...] = ()
    provider: Provider | None = None
    username: str | None = None

    @property
    def subject(self) -> str:
        return self.name

    @property
    def last(self) -> Attempt | None:
        """The connection that decided."""
        return self.attempts[-1] if self.attempts else None

    @property
    def on_loopback(self) -> bool:
        """True if the server stands on this machine: nothing can listen in."""
        return self.last is not None and kind(self.last.address) == "loopback"

    def to_json(self) -> dict[str, Any]:
        """What a reader wants to know: accepted or not, by whom, how, and every recipient's reply."""
        last = self.last
        result = last.result if last else SubmitResult()
        return {
            "name": self.name,
            "by_mx": self.by_mx,
            "provider": self.provider.id if self.provider else None,
            "mail_from": self.mail_from,
            "recipients": list(self.recipients),
            "wanted": self.wanted,
            "accepted": self.accepted,
            "outcome": self.raw("outcome"),
            "dead_end": self.raw("dead_end"),
            "server": None if last is None else {"host": last.host, "address": last.address, "port": last.port},
            "tls": None
            if result.tls is None
            else {
                "version": result.tls.version,
                "cipher": result.tls.cipher,
                "trusted": result.tls.trusted,
                "name_matches": result.tls.name_matches,
            },
            "auth": result.mechanism,
            "replies": _replies(result),
            "rejections": [
                {
                    "stage": r.stage,
                    "code": r.reply.code,
                    "enhanced": r.reply.enhanced,
                    "text": r.reply.text,
                    "recipient": r.recipient,
                    "messages": r.messages,
                    "permanent": r.permanent,
                    "meaning": r.meaning.id if r.meaning else None,
                }
                for r in self.rejections
            ],
        }


def _replies(result: SubmitResult) -> list[dict[str, Any]]:
    """The final reply to each message, the first hundred of them."""
    return [
        {"octets": d.octets, "accepted": d.accepted, "reply": None if d.reply is None else str(d.reply)}
        for d in result.deliveries[:100]
    ]


def observed_sending(facts: SendFacts) -> SendFacts:
    """Complete facts whose attempts are known: session, rejections, outcome. ``dead_end`` decides first."""
    dead_end, last = facts.raw("dead_end"), facts.last
    if isinstance(dead_end, Missing):
        return _completed(facts, session=dead_end, outcome=dead_end)
    if dead_end is not None or (last is not None and last.waits_for_tls):
        return _completed(facts, session=None, outcome="refused")
    if last is None or not last.reached:
        lost = missing(_not_reached(facts.attempts) if last else "no connection was tried")
        return _completed(facts, session=lost, outcome=lost)
    provider = facts.provider or provider_of(last.host)
    rejections = tuple(_grouped(_rejections(last.result, provider.id if provider else None)))
    return _completed(
        facts,
        provider=provider,
        session=last.result,
        rejections=rejections,
        outcome=_outcome(facts, last.result, rejections),
    )


def _completed(facts: SendFacts, **told: Any) -> SendFacts:
    """The facts with some told; those that are missing stay so."""
    return SendFacts(**{f.name: facts.raw(f.name) for f in fields(facts)} | told)


def _outcome(facts: SendFacts, result: SubmitResult, rejections: Sequence[Rejection]) -> Any:
    if isinstance(result.problem, Refusal) or any(isinstance(d.problem, Refusal) for d in result.deliveries):
        return "refused"
    if any(r.permanent for r in rejections) or (result.stage is Stage.TLS):
        return "refused"
    if rejections:
        return missing(f"put off by the server: {rejections[0].reply}")
    if isinstance(result.problem, Trouble):
        return missing(f"{facts.attempts[-1].where}, {result.stage}: {result.problem}")
    if facts.accepted < facts.wanted:
        return missing(f"only {facts.accepted} of {facts.wanted} messages were sent")
    return "accepted"


def _not_reached(attempts: Iterable[Attempt]) -> str:
    """Every address that was tried and why it failed, with the likely cause where the failure has a known one."""
    told, cause = list[str](), ""
    for attempt in attempts:
        problem = attempt.result.problem
        told.append(f"{attempt.where}: {problem}")
        if isinstance(problem, Trouble) and problem.kind is TroubleKind.TIMEOUT:
            known = meaning_of(f"connect to {attempt.host}:{attempt.port}: Connection timed out")
            cause = f" ({known.meaning})" if known and attempt.result.stage is Stage.CONNECT else cause
    return f"no server was reached: {'; '.join(told)}{cause}"


def _rejections(result: SubmitResult, provider: str | None) -> Iterable[Rejection]:
    """Every reply that said no, in the order they came."""

    def no(stage: Stage, reply: Reply, recipient: str | None = None) -> Rejection:
        return Rejection(stage, reply, meaning_of(reply.text, reply.code, reply.enhanced, provider), recipient)

    if isinstance(result.problem, Reply) and result.stage is not None and not result.deliveries:
        yield no(result.stage, result.problem)
    for delivery in result.deliveries:
        for recipient in delivery.recipients:
            if isinstance(recipient.heard, Reply) and not recipient.accepted and delivery.stage is not Stage.MAIL:
                yield no(Stage.RCPT, recipient.heard, recipient.address)
        if isinstance(delivery.problem, Reply) and delivery.stage not in (None, Stage.RCPT):
            yield no(delivery.stage or Stage.CONTENT, delivery.problem)


def _grouped(rejections: Iterable[Rejection]) -> Iterable[Rejection]:
    """One rejection for all messages of a run that got the same answer at the same stage."""
    grouped: dict[tuple[Any, ...], Rejection] = {}
    for one in rejections:
        same = (one.stage, one.reply.code, one.reply.enhanced, one.recipient, one.meaning and one.meaning.id)
        seen = grouped.get(same)
        grouped[same] = replace(seen, messages=seen.messages + 1) if seen else one
    return grouped.values()


def provider_of(host: str) -> Provider | None:
    """The provider a submission host or an MX host belongs to."""
    host = host.lower().rstrip(".")
    for provider in providers():
        for endpoint in provider.endpoints:
            before, region, after = endpoint.host.partition("{region}")
            if host == endpoint.host or (region and host.startswith(before) and host.endswith(after)):
                return provider
    return next(iter(recognise(mx_hosts=(host,))), None)

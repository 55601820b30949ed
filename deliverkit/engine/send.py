"""The sending engine: a writer of messages and options in, a Report out.

It finds the route, tries its endpoints in order, hands the messages to the conversation one by one, and lets the rules
judge what the servers said. Ctrl-C ends the run after the message under way; what was accepted so far is in the report.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from deliverkit.data import Provider
from deliverkit.engine.letter import Letter, Post, Preview
from deliverkit.engine.route import Endpoint, Route, default_tls, mx_route, relay_route
from deliverkit.engine.watch import Watch
from deliverkit.facts.message import read_message
from deliverkit.facts.sending import Attempt, SendFacts, observed_sending
from deliverkit.findings import Judgement
from deliverkit.flow import Flow
from deliverkit.protocols.dkim.sign import SigningKey
from deliverkit.report.model import Report, Subject, merge
from deliverkit.rules.registry import judge, rules_of
from deliverkit.smtp.client import submit_flow
from deliverkit.smtp.compose import Writer
from deliverkit.smtp.dialogue import Trouble, TroubleKind
from deliverkit.smtp.reply import Reply
from deliverkit.smtp.submission import Auth, Envelope, Stage, Submission, SubmitResult, TlsMode
from deliverkit.smtp.transcript import Transcript
from deliverkit.world import World

SECONDS = 900.0  # the whole run; a single reply has its own, shorter time
_GRACE_S = 3.0  # after Ctrl-C: for the message under way, and for QUIT


@dataclass(frozen=True)
class SendOptions:
    """Where to send, and how. Without ``relay`` the recipients' MX hosts are sent to directly.

    ``mail_from`` is the envelope's sender. ``tls`` None means what the port speaks by convention. ``auth`` holds a
    secret that shows in no repr, transcript or report.
    """

    mail_from: str
    recipients: tuple[str, ...]
    relay: tuple[str, int] | None = None
    tls: TlsMode | None = None
    helo: str = "localhost.localdomain"
    auth: Auth | None = None
    keys: tuple[SigningKey, ...] = field(default=(), repr=False)
    provider: Provider | None = None
    count: int = 1
    ca_file: str | None = None
    insecure: bool = False
    mx_port: int = 25
    seconds: float = SECONDS
    connect_s: float = 10.0
    reply_s: float = 60.0

    @property
    def destination(self) -> str:
        """Where the mail goes, for people."""
        if self.relay is None:
            return "the recipients' MX hosts"
        host, port = self.relay
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class Throughput:
    """How fast a run of several messages went: from the first message composed to the last one accepted."""

    messages: int
    octets: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """Counts and rate."""
        return {
            "messages": self.messages,
            "octets": self.octets,
            "seconds": round(self.seconds, 4),
            "per_second": round(self.per_second, 1),
        }


async def send(
    write: Writer, options: SendOptions, *, world: World, progress: Callable[[str], None] | None = None
) -> Report:
    """Send ``options.count`` messages. Raises `BadValue` or `SigningError` before anything is sent, if one cannot be.

    When cancelled it returns what happened so far, ``interrupted``.
    """
    started, began = world.now(), time.monotonic()
    say = progress or (lambda _: None)
    run = _Run(write, options, world, say)
    first = run.post.letter(0, world.now())
    interrupted = False
    try:
        routes = await _routes(options, world)
    except asyncio.CancelledError:
        routes, interrupted = [], True
    run.post.keep = len(routes) > 1
    for route in routes:
        if not interrupted:
            interrupted = await run.deliver(route)
    judged = merge(judge(facts, rules_of("send")) for facts in run.facts)
    report = _report(Subject("session", _name(options)), judged, world, (started, began), run.told(first))
    return replace(report, interrupted=interrupted)


def preview(write: Writer, options: SendOptions, *, world: World) -> Report:
    """The dry run: the first message exactly as it would be sent, and what the message rules say of it."""
    started, began = world.now(), time.monotonic()
    letter = Post(write, options.keys).letter(0, started)
    shown = Preview(letter, options.mail_from, options.recipients, options.destination)
    name = letter.composed.message_id or "message"
    judged = judge(read_message(letter.raw, name=name, now=started), rules_of("message"))
    return _report(
        Subject("message", name, "a dry run: nothing was sent"),
        judged,
        world,
        (started, began),
        {"letter": letter, "preview": shown},
    )


def _report(
    subject: Subject, judged: Judgement, world: World, times: tuple[datetime, float], facts: dict[str, Any]
) -> Report:
    started, began = times
    return Report(
        subject=subject,
        vantage=world.vantage,
        started=started,
        elapsed_s=round(time.monotonic() - began, 3),
        facts=facts,
    ).judged_by(judged)


def _name(options: SendOptions) -> str:
    first, *rest = options.recipients
    more = f" and {len(rest)} more" if rest else ""
    return f"{first}{more}" if options.relay is None else f"{first}{more} via {options.destination}"


async def _routes(options: SendOptions, world: World) -> list[Route]:
    """One route through the relay, or one to the MX hosts of each recipient domain."""
    flows: list[Flow[Route]] = []
    if options.relay is not None:
        host, port = options.relay
        tls = options.tls or default_tls(port, login=options.auth is not None)
        flows.append(relay_route(host, port, tls, options.recipients))
    else:
        by_domain: dict[str, list[str]] = defaultdict(list)
        for recipient in options.recipients:
            by_domain[recipient.rpartition("@")[2].lower()].append(recipient)
        tls = options.tls or "opportunistic"
        flows += [mx_route(domain, options.mx_port, tls, tuple(who)) for domain, who in by_domain.items()]
    return list(await asyncio.gather(*(world.run(flow) for flow in flows)))


class _Run:
    """One run over all its routes."""

    def __init__(self, write: Writer, options: SendOptions, world: World, say: Callable[[str], None]) -> None:
        self.options, self.world, self.say = options, world, say
        self.post = Post(write, options.keys)
        self.facts: list[SendFacts] = []
        self.throughput: Throughput | None = None
        self._deadline = time.monotonic() + options.seconds

    def told(self, first: Letter) -> dict[str, Any]:
        """The report's facts. ``transcript`` is that of the conversation that decided, the last one."""
        attempts = [attempt for facts in self.facts for attempt in facts.attempts]
        return {
            "letter": first,
            "send": self.facts,
            "throughput": self.throughput,
            "attempts": attempts,
            "transcript": attempts[-1].transcript if attempts else None,
        }

    async def deliver(self, route: Route) -> bool:
        """Try the route's endpoints until one takes the mail; True when interrupted."""
        attempts: list[Attempt] = []
        interrupted, accepted = False, 0
        waiting = list(route.endpoints)
        while waiting and not interrupted:
            endpoint = waiting.pop(0)
            self.say(f"{route.name}: {endpoint.host} port {endpoint.port}")
            attempt, accepted, interrupted = await self._attempt(route, endpoint)
            attempts.append(attempt)
            if accepted or not _try_another(route, attempt.result):
                break
            if _try_in_clear(endpoint, attempt.result):  # RFC 7435 §3: opportunistic, and broken TLS is no TLS
                waiting.insert(0, Endpoint(endpoint.host, endpoint.address, endpoint.port, "none", endpoint.from_dns))
        self.facts.append(self._observed(route, tuple(attempts), accepted))
        return interrupted

    async def _attempt(self, route: Route, endpoint: Endpoint) -> tuple[Attempt, int, bool]:
        """One conversation: the attempt, how many messages were accepted, and whether Ctrl-C came."""
        options = self.options
        watch = Watch(lambda n: self.say(f"{route.name}: {n} of {options.count} accepted"))
        flow = watch.over(submit_flow(self._submission(endpoint), watch.until_stopped(self._envelopes(route))))
        began = time.monotonic()
        task = asyncio.create_task(self.world.converse(flow, from_dns=endpoint.from_dns))
        result, transcript, interrupted = await self._finished(task, watch, route)
        if options.count > 1 and watch.accepted:
            seconds = watch.last_accepted - watch.first_asked if watch.first_asked else time.monotonic() - began
            before = self.throughput or Throughput(0, 0, 0.0)
            self.throughput = Throughput(
                before.messages + watch.accepted, before.octets + watch.octets, before.seconds + seconds
            )
        attempt = Attempt(endpoint.host, endpoint.address, endpoint.port, endpoint.tls, result, transcript)
        return attempt, watch.accepted, interrupted

    async def _finished(
        self, task: asyncio.Task[tuple[SubmitResult, Transcript]], watch: Watch, route: Route
    ) -> tuple[SubmitResult, Transcript, bool]:
        """The conversation's result; after Ctrl-C or at the end of the time, what there is of it."""
        interrupted, why = False, f"the time of {self.options.seconds:g} s was spent"
        try:
            await asyncio.wait({task}, timeout=max(self._deadline - time.monotonic(), 0.0))
        except asyncio.CancelledError:
            interrupted, why = True, "interrupted"
        if not task.done():
            watch.stop()
            await asyncio.wait({task}, timeout=_GRACE_S if interrupted else 0.0)
        if task.done():
            result, transcript = task.result()
            return result, transcript, interrupted
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        trouble = Trouble(TroubleKind.TIMEOUT, why, watch.waiting_for)
        return watch.lost(trouble, self.options.mail_from, route.recipients), watch.transcript, interrupted

    def _submission(self, endpoint: Endpoint) -> Submission:
        options = self.options
        return Submission(
            address=endpoint.address,
            port=endpoint.port,
            tls=endpoint.tls,
            server_name=endpoint.host,
            verify_name=endpoint.host,
            ca_file=options.ca_file,
            insecure=options.insecure,
            helo=options.helo,
            auth=options.auth,
            connect_s=options.connect_s,
            reply_s=options.reply_s,
        )

    def _envelopes(self, route: Route) -> Iterator[Envelope]:
        """The messages of the run, each written when its turn comes."""
        addresses = (self.options.mail_from, *route.recipients)
        international = not all(address.isascii() for address in addresses)
        for number in range(self.options.count):
            letter = self.post.letter(number, self.world.now())
            utf8 = letter.composed.smtputf8 or international
            yield Envelope(self.options.mail_from, route.recipients, letter.raw, smtputf8=utf8)

    def _observed(self, route: Route, attempts: tuple[Attempt, ...], accepted: int) -> SendFacts:
        options = self.options
        return observed_sending(
            SendFacts(
                name=route.name,
                by_mx=route.by_mx,
                mail_from=options.mail_from,
                header_from=self.post.letter(0, self.world.now()).composed.header_from,
                recipients=route.recipients,
                wanted=options.count,
                accepted=accepted,
                attempts=attempts,
                dead_end=route.dead_end,
                session=None,
                outcome="",
                provider=options.provider,
                username=options.auth.username if options.auth else None,
            )
        )


def _try_another(route: Route, result: SubmitResult) -> bool:
    """True if the next address may take the mail: nothing was accepted here, nor may have been (RFC 5321 §5.1)."""
    if result.stage is None or any(d.accepted or d.ambiguous for d in result.deliveries):
        return False
    if route.by_mx:
        return not isinstance(result.problem, Reply) or result.stage in (Stage.GREETING, Stage.EHLO, Stage.STARTTLS)
    return result.stage is Stage.CONNECT


def _try_in_clear(endpoint: Endpoint, result: SubmitResult) -> bool:
    return endpoint.tls == "opportunistic" and result.stage is Stage.TLS


def local_name(world: World, node: str, fallback: str) -> str:
    """The EHLO name: this host's own if it is fully qualified, else its address as a literal (RFC 5321 §4.1.3).

    A bare ``localhost`` or a container's id is what servers refuse; ``fallback`` is the domain of the sender.
    """
    from deliverkit.names import BadName, to_ascii

    private = (".local", ".localdomain", ".internal", ".lan", ".home", ".arpa")
    try:
        name = to_ascii(node)
    except BadName:
        name = ""
    if "." in name and not name.endswith(private):
        return name
    addresses: Sequence[str] = world.vantage.raw("source_addresses")
    public = next((a for a in addresses if isinstance(a, str)), None) if isinstance(addresses, tuple) else None
    if public:
        return f"[IPv6:{public}]" if ":" in public else f"[{public}]"
    return fallback

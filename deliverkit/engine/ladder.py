"""The ladder: from here to an application's mail server, rung by rung, and what stands beside it.

For each transport the host's addresses are looked up, the configured way is climbed as far as it holds, and at the same
time the usual ports beside it are probed, so that a blocked port costs its timeout once. No message is sent (`trial`
does). What this file will not do: read settings, judge, or send a password where the application would not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from deliverkit.data import Provider
from deliverkit.engine.egress import knock, ports_out
from deliverkit.engine.route import LOOPBACK, is_address
from deliverkit.engine.transport import LadderOptions, auth_of, planned, sender_of, submission_of, text_of
from deliverkit.facts.base import Missing, missing
from deliverkit.facts.climbed import connect_rung, order, rungs, steps, ways
from deliverkit.facts.host import PortFacts
from deliverkit.facts.inspected import port_facts
from deliverkit.facts.ladder import Address, LadderFacts, Rung
from deliverkit.facts.sending import provider_of
from deliverkit.facts.settings.model import MailSettings, Plan
from deliverkit.flow import Flow, ask, together
from deliverkit.names import BadName, to_ascii
from deliverkit.smtp.dialogue import (
    Ask,
    Connect,
    Connected,
    Handshake,
    Hear,
    Say,
    SmtpFlow,
    Trouble,
)
from deliverkit.smtp.inspect import Role, Target, probe_flow
from deliverkit.smtp.ladder import Climb, climb_flow
from deliverkit.smtp.reply import offer
from deliverkit.smtp.submission import Stage
from deliverkit.smtp.transcript import Transcript
from deliverkit.world import World
from deliverkit.world.hostsfile import listed_addresses

T = TypeVar("T")
_MOST_ADDRESSES = 4  # of each family
_PATIENCE_S = 2.0  # after which the control hosts are asked as well
_SILENT = ("timeout", "unreachable")


async def climb_all(
    settings: Sequence[MailSettings], world: World, options: LadderOptions, say: Callable[[str], None]
) -> tuple[tuple[LadderFacts, ...], bool]:
    """A ladder for every transport that speaks SMTP, the same server and login once; and whether Ctrl-C came."""
    ladders = list({_same(one): _Ladder(one, world, options, say) for one in reversed(settings) if _smtp(one)}.values())
    ladders.reverse()
    tasks = [asyncio.create_task(ladder.climb()) for ladder in ladders]
    interrupted = False
    try:
        if tasks:
            await asyncio.wait(tasks, timeout=options.seconds)
    except asyncio.CancelledError:
        interrupted = True
    for task in tasks:
        task.cancel()
    for done in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(done, Exception):
            raise done
    late = "interrupted" if interrupted else f"the time of {options.seconds:g} s was spent"
    return tuple(ladder.facts(late) for ladder in ladders), interrupted


def _smtp(one: MailSettings) -> bool:
    delivery: object = one.plan.raw("delivery")
    return delivery == "smtp"


def _same(one: MailSettings) -> tuple[Any, ...]:
    """What makes two transports one ladder."""
    plan = one.plan
    told = tuple(str(plan.raw(name)) for name in ("host", "port", "mode", "verify", "login", "mechanism"))
    return (*told, text_of(one, "user"), one.password, sender_of(one))


# -- one transport --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Found:
    """What a host name led to; ``none`` is why there is no address, `Missing` where nobody answered."""

    addresses: tuple[str, ...] = ()
    from_dns: bool = True
    none: Any = None


class _Clock:
    """Watches a conversation: the seconds of each rung, and which were reached."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.now = ""

    def over(self, flow: SmtpFlow[T]) -> SmtpFlow[T]:
        """The flow, every ask and answer passed on unchanged."""
        try:
            asked = next(flow)
            while True:
                self.now = _rung_of(asked, self.now)
                began = time.monotonic()
                heard = yield asked
                if self.now:
                    self.seconds[self.now] = self.seconds.get(self.now, 0.0) + time.monotonic() - began
                asked = flow.send(heard)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            flow.close()


def _rung_of(asked: Ask, before: str) -> str:
    """The rung an ask belongs to, "" for the way down; the lines of a login name no verb."""
    if isinstance(asked, Connect):
        return "connect"
    if isinstance(asked, Hear):
        return "greeting"
    if isinstance(asked, Handshake):
        return "tls"
    if isinstance(asked, Say):
        verb = asked.line.split(" ", 1)[0].upper()
        known = {"EHLO": "ehlo", "HELO": "ehlo", "STARTTLS": "tls", "AUTH": "auth", "MAIL": "mail_from"}
        known |= {"RCPT": "rcpt_to", "RSET": "", "QUIT": ""}
        return known.get(verb, before)
    return ""


class _Ladder:
    """One transport's ladder while it is climbed; `facts` may be asked at any time."""

    def __init__(self, one: MailSettings, world: World, options: LadderOptions, say: Callable[[str], None]) -> None:
        self.one, self.world, self.options, self.say = one, world, options, say
        self.unknown = next((r for n in ("host", "port", "mode") if isinstance(r := one.plan.raw(n), Missing)), None)
        self.found: _Found | None = None
        self.resolving = 0.0
        self.tried: dict[str, Address] = {}
        self.beside: list[PortFacts] = []
        self.outward: dict[int, str] = {}
        self.climbed: Climb | None = None
        self.transcript: Transcript | None = None
        self.clock = _Clock()
        self.waiting: dict[int, _Clock] = {}  # by port: what was connected to

    @property
    def _plan(self) -> Plan:
        return self.one.plan

    async def climb(self) -> None:
        """Resolve, connect, climb; all that is found stays in this object."""
        if self.unknown is not None:
            return
        began = time.monotonic()
        self.found = await self._looked_up(self._plan.host)
        self.resolving = time.monotonic() - began
        if self.found.addresses:
            await self._connect(self.found.addresses)

    async def _looked_up(self, host: str) -> _Found:
        """By the hosts file of this machine, as its resolver library would, else by DNS."""
        if self.world.vantage.mode == "live" and (listed := listed_addresses(host)):
            return _Found(listed, from_dns=False)
        return await self.world.with_budget(queries=20, seconds=10).run(_resolve(host))

    async def _connect(self, addresses: Sequence[str]) -> None:
        """The configured port at every address and the ports beside it, all together."""
        first, *others = addresses
        self.say(f"{self._plan.host}: port {self._plan.port}, and the ports beside it")
        works = [self._go(first), *(self._knock(address) for address in others)]
        works += [
            self._probe(first, port, role) for port, role in self.options.beside.items() if port != self._plan.port
        ]
        tasks = [asyncio.create_task(work) for work in works]
        try:
            _, waiting = await asyncio.wait(tasks, timeout=_PATIENCE_S)
            silent = {port for port, clock in self.waiting.items() if "connect" not in clock.seconds}
            if waiting and silent:
                tasks.append(asyncio.create_task(self._ask_controls(silent)))
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self.tried[first].trouble is not None:
            spare = next((one.address for one in self.tried.values() if one.trouble is None), None)
            if spare is not None:
                await self._go(spare)
        if (silent := self._silent()) and not self.outward:
            await self._ask_controls(silent)
        await self._look_otherwise()

    def _silent(self) -> set[int]:
        ports = {row.port for row in self.beside if row.reason in _SILENT}
        return ports | ({self._plan.port} if all(one.reason in _SILENT for one in self.tried.values()) else set())

    async def _ask_controls(self, ports: set[int]) -> None:
        others = {host: open_ports for host, open_ports in self.options.controls.items() if host != self._plan.host}
        self.outward = await ports_out(ports, self.world, others, self.options.connect_s)

    async def _go(self, address: str) -> None:
        """Climb at one address."""
        submission = submission_of(self.one, address, self.world, self.options)
        without = isinstance(auth_of(self.one), str)
        clock = _Clock()
        self.clock = self.waiting[self._plan.port] = clock
        flow = climb_flow(
            submission,
            verify=planned(self._plan, "verify", True),
            sender=None if without else sender_of(self.one),
            recipient=self.options.to,
        )
        climbed, transcript = await self.world.converse(clock.over(flow), from_dns=self._from_dns)
        trouble = climbed.session.problem if climbed.session.stage is Stage.CONNECT else None
        self._note(address, trouble if isinstance(trouble, Trouble) else None, clock.seconds.get("connect", 0.0))
        self.climbed, self.transcript = climbed, transcript

    async def _knock(self, address: str) -> None:
        """Does TCP stand at another address?"""
        flow = knock(address, self._plan.port, self.options.connect_s)
        heard, _ = await self.world.converse(flow, from_dns=self._from_dns)
        elapsed = heard.elapsed_s if isinstance(heard, Connected) else self.options.connect_s
        self._note(address, heard if isinstance(heard, Trouble) else None, elapsed)

    def _note(self, address: str, trouble: Trouble | None, elapsed: float) -> None:
        told = None if trouble is None else str(trouble)
        reason = None if trouble is None else trouble.kind.value
        self.tried[address] = Address(address, told, reason, round(elapsed, 3))

    async def _probe(self, address: str, port: int, role: Role) -> None:
        plan, options = self._plan, self.options
        target = Target(
            host=plan.host,
            address=address,
            port=port,
            role=role,
            server_name=None if is_address(plan.host) else plan.host,
            verify_name=plan.host,
            ca_file=options.ca_file,
            named=False,
            from_dns=self._from_dns,
            connect_s=options.connect_s,
            greeting_s=options.reply_s,
            reply_s=options.reply_s,
        )
        clock = self.waiting[port] = _Clock()
        flow = clock.over(probe_flow(target))
        seen, transcript = await self.world.converse(flow, from_dns=self._from_dns)
        self.beside.append(port_facts(target, seen, transcript, self.world.now()))

    async def _look_otherwise(self) -> None:
        """The configured port in the other mode, where this one led nowhere."""
        standing = next((one.address for one in self.tried.values() if one.trouble is None), None)
        if self.climbed is None or standing is None:
            return
        session, mode = self.climbed.session, self._plan.mode
        if session.stage in (Stage.GREETING, Stage.TLS) and isinstance(session.problem, Trouble):
            await self._probe(standing, self._plan.port, "submission" if mode == "implicit" else "submissions")
        elif mode == "clear" and session.ehlo is not None and "STARTTLS" in offer(session.ehlo):
            await self._probe(standing, self._plan.port, "submission")

    def _in_order(self) -> tuple[Address, ...]:
        addresses = self.found.addresses if self.found else ()
        return tuple(self.tried[one] for one in addresses if one in self.tried)

    @property
    def _from_dns(self) -> bool:
        return self.found is not None and self.found.from_dns

    # -- what is known ----------------------------------------------------------------------------------------

    def facts(self, late: str) -> LadderFacts:
        """What was found so far; the rung that was not finished is missing, because of ``late``."""
        plan = self._plan
        host, port = plan.raw("host"), plan.raw("port")
        where = f"[{host}]:{port}" if isinstance(host, str) and ":" in host else f"{host}:{port}"
        told: dict[str, Any] = {
            "settings": self.one,
            "name": self.one.subject if self.unknown else where,
            "host": host,
            "port": port,
            "mode": plan.raw("mode"),
            "sender": sender_of(self.one),
            "recipient": self.options.to,
            "provider": None if self.unknown else self._provider,
            "addresses": self._in_order(),
            "beside": tuple(sorted(self.beside, key=lambda row: row.port)),
            "outward": self.outward,
            "transcript": self.transcript,
            "session": self.climbed.session if self.climbed else None,
            "withheld": self.climbed.withheld if self.climbed else None,
            "timings": {"resolve": self.resolving, **self.clock.seconds},
            **self._rungs(late),
        }
        if not self.unknown:
            told["ways"] = ways(
                port, self.beside, verify=plan.raw("verify") is not False, login=plan.raw("login") is True
            )
        return with_steps(LadderFacts(**told), self.climbed)

    def _rungs(self, late: str) -> dict[str, Any]:
        if self.unknown is not None:
            return {"resolve": self.unknown}
        if self.found is None:
            return {"resolve": missing(late)}
        if not self.found.addresses:
            none = self.found.none
            return {"resolve": none if isinstance(none, Missing) else Rung(none)}
        known: dict[str, Any] = {"resolve": Rung()}
        if self.climbed is None:
            return {**known, **self._unfinished(missing(late))}
        if self.climbed.session.stage is Stage.CONNECT and len(self.tried) < len(self.found.addresses):
            return {**known, "connect": missing(late)}
        known["connect"] = connect_rung(self._plan.port, self._in_order(), self.beside, self.outward)
        if not (isinstance(known["connect"], Rung) and known["connect"].held):
            return known
        known |= rungs(self.climbed, self._plan.mode, self._provider.id if self._provider else None)
        login = auth_of(self.one)
        if isinstance(login, str) and all(isinstance(r, Rung) and r.held for r in known.values()):
            known["auth"] = missing(login)
        return known

    def _unfinished(self, why: Any) -> dict[str, Any]:
        """The rungs the conversation had passed when it was cut off."""
        known: dict[str, Any] = {}
        for name in order(self._plan.mode)[1:]:
            if name == self.clock.now or name not in self.clock.seconds:
                return {**known, name: why}
            known[name] = Rung()
        return known

    @property
    def _provider(self) -> Provider | None:
        """Whose host it is; an address is nobody's, though local bridges of some providers have one."""
        return None if is_address(self._plan.host) else provider_of(self._plan.host)


def with_steps(facts: LadderFacts, climbed: Climb | None) -> LadderFacts:
    """The facts with their steps in words."""
    return changed(facts, steps=tuple(steps(facts, climbed)))


def changed(facts: LadderFacts, **told: Any) -> LadderFacts:
    """The facts with some of them changed; what is missing stays so."""
    return LadderFacts(**{f.name: facts.raw(f.name) for f in fields(facts)} | told)


def _resolve(host: str) -> Flow[_Found]:
    """The addresses of a host, IPv4 first; a literal and localhost are asked of nobody (RFC 6761 §6.3)."""
    if is_address(host):
        return _Found((host,), from_dns=False)
    if host == "localhost" or host.endswith(".localhost"):
        return _Found(LOOPBACK, from_dns=False)
    try:
        name = to_ascii(host.strip())
    except BadName as bad:
        return _Found(none=str(bad))
    v4, v6 = yield from together(ask(name, "A"), ask(name, "AAAA"))
    found = (*map(str, v4.records[:_MOST_ADDRESSES]), *map(str, v6.records[:_MOST_ADDRESSES]))
    if found:
        return _Found(found)
    unknown = next((answer for answer in (v4, v6) if not answer.known), None)
    if unknown is not None:
        return _Found(none=missing(unknown.why()))
    word = "does not exist in DNS" if v4.status == "nxdomain" else "has neither an A nor an AAAA record"
    return _Found(none=f"{host} {word}")

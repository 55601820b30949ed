"""How one captured message is judged: verified as it came, with the findings about its capture among its own.

The same in a thread of the sink's process and in a process of its own. A verification that crashes or takes too long
ends as an inconclusive report that says so.

What this file will not do: know how SPF, DKIM or DMARC are verified (`deliverkit.engine.verify` does), or wait for its
turn.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace

from deliverkit.addresses import kind
from deliverkit.engine.capture import capture_report, with_capture
from deliverkit.findings import Inconclusive
from deliverkit.report.model import Report, Subject
from deliverkit.sink.judged import Judged
from deliverkit.sink.message import CapturedMessage
from deliverkit.world import World


@dataclass(frozen=True, slots=True)
class Judging:
    """How messages are judged. ``client_ip`` stands for the client's address: "as if sent from there"."""

    verify: bool = True
    client_ip: str | None = None
    profile: str | None = None
    seconds: float = 60.0

    def address_for(self, message: CapturedMessage) -> str | None:
        """The address SPF is asked about: the one given, else the client's; a loopback address tells nothing."""
        if self.client_ip is not None:
            return self.client_ip
        return None if kind(message.client_address) in ("loopback", "invalid") else message.client_address


async def judged(message: CapturedMessage, world: World, judging: Judging) -> Judged:
    """Judge one message. Never raises but for cancellation."""
    began = time.monotonic()
    try:
        report = with_capture(await _verified(message, world, judging), message.facts())
        return Judged.of(replace(report, subject=replace(report.subject, remark=message.summary)))
    except Exception as bug:  # a fault of ours must not cost the message its report
        reason = f"the judgement crashed: {type(bug).__name__}: {bug}"
        return Judged.of(unverified(message, world, reason, time.monotonic() - began))


async def _verified(message: CapturedMessage, world: World, judging: Judging) -> Report:
    started, began = world.now(), time.monotonic()
    if not judging.verify:
        return capture_report(message.facts(), vantage=world.vantage, started=started, kind="message")
    try:
        from deliverkit.engine.verify import verify

        async with asyncio.timeout(judging.seconds):
            return await verify(
                message.raw,
                world=world,
                client_ip=judging.address_for(message),
                helo=message.helo,
                mail_from=message.mail_from,
                profile=judging.profile,
                smtputf8=any(option.upper() == "SMTPUTF8" for option in message.mail_options),
                name=message.name,
            )
    except TimeoutError:
        reason = f"the verification did not end within {judging.seconds:g} s"
    except Exception as bug:  # a fault of ours must not cost the message its report
        reason = f"the verification crashed: {type(bug).__name__}: {bug}"
    return unverified(message, world, reason, time.monotonic() - began)


def unverified(message: CapturedMessage, world: World, reason: str, elapsed_s: float = 0.0) -> Report:
    """The report on a message whose verification came to no end."""
    return Report(
        Subject("message", message.name),
        world.vantage,
        world.now(),
        round(elapsed_s, 3),
        inconclusive=(Inconclusive("verify", message.name, reason, decisive=True),),
    )

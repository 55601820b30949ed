"""Verification beside the sink: a thread with an event loop of its own, so that no session waits for it.

Messages queue up by number and are read back from the inbox when their turn comes; a few are under way at once, since
most of the time is spent waiting for DNS. A verification that crashes or takes too long ends as an inconclusive
report that says so.

What this file will not do: know how SPF, DKIM or DMARC are verified (`deliverkit.engine.verify` does).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from deliverkit.addresses import kind
from deliverkit.engine.capture import capture_report, with_capture
from deliverkit.findings import Inconclusive
from deliverkit.report.model import Report, Subject
from deliverkit.sink.message import CapturedMessage
from deliverkit.world import World

_AT_ONCE = 8


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


class Verifier:
    """Judges messages of an inbox. ``done`` is called in the verifier's thread."""

    def __init__(
        self,
        world: World,
        judging: Judging,
        read: Callable[[int], CapturedMessage | None],
        done: Callable[[CapturedMessage, Report], None],
    ) -> None:
        self._world = world
        self._judging = judging
        self._read = read
        self._done = done
        self._loop = asyncio.new_event_loop()
        self._queue: asyncio.Queue[int | None] = asyncio.Queue()
        self._thread = threading.Thread(target=self._run, name="deliverkit-verifier", daemon=True)

    def start(self) -> None:
        """Begin to judge."""
        self._thread.start()

    def judge(self, id_: int) -> None:
        """Put a message on the queue; from any thread."""
        self._loop.call_soon_threadsafe(self._queue.put_nowait, id_)

    def close(self, wait_s: float) -> None:
        """Judge what is queued, for so many seconds at most; then let go. Blocking."""
        if self._loop.is_closed():
            return
        if not self._thread.is_alive():  # it never began
            self._let_go()
            return
        self._loop.call_soon_threadsafe(self._queue.put_nowait, None)
        self._thread.join(wait_s)
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._cancel)
            self._thread.join(5.0)

    def _cancel(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._judge_all())
        except asyncio.CancelledError:
            pass
        finally:
            self._let_go()

    def _let_go(self) -> None:
        self._loop.run_until_complete(self._world.aclose())
        self._loop.close()

    async def _judge_all(self) -> None:
        turns = asyncio.Semaphore(_AT_ONCE)
        under_way: set[asyncio.Task[None]] = set()
        while (id_ := await self._queue.get()) is not None:
            await turns.acquire()
            task = self._loop.create_task(self._one(id_))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            task.add_done_callback(lambda _: turns.release())
        await asyncio.gather(*under_way)

    async def _one(self, id_: int) -> None:
        message = self._read(id_)
        if message is None:  # evicted meanwhile
            return
        report = with_capture(await self._verified(message), message.facts())
        self._done(message, replace(report, subject=replace(report.subject, remark=message.summary)))

    async def _verified(self, message: CapturedMessage) -> Report:
        started, began = self._world.now(), time.monotonic()
        if not self._judging.verify:
            bare = message.facts()
            return capture_report(bare, vantage=self._world.vantage, started=started, kind="message")
        try:
            from deliverkit.engine.verify import verify

            async with asyncio.timeout(self._judging.seconds):
                return await verify(
                    message.raw,
                    world=self._world,
                    client_ip=self._judging.address_for(message),
                    helo=message.helo,
                    mail_from=message.mail_from,
                    profile=self._judging.profile,
                    smtputf8=any(option.upper() == "SMTPUTF8" for option in message.mail_options),
                    name=message.name,
                )
        except TimeoutError:
            reason = f"the verification did not end within {self._judging.seconds:g} s"
        except Exception as bug:  # a fault of ours must not cost the message its report
            reason = f"the verification crashed: {type(bug).__name__}: {bug}"
        return Report(
            Subject("message", message.name),
            self._world.vantage,
            started,
            round(time.monotonic() - began, 3),
            inconclusive=(Inconclusive("verify", message.name, reason, decisive=True),),
        )

"""Verification beside the sink: a thread with an event loop of its own, and for heavy mail a process of its own.

A few messages are judged in the thread, where the first verdict stands soonest. A large one, or a queue, would hold the
interpreter's lock against the sessions: then a `Worker` is started, once, and takes everything from there on. Where
the world cannot be opened a second time (a story, a journal), or no process can be started, the thread does it all.

A worker that dies costs no verdict: what it had is given to a new one, message by message, and only a message that
ends a worker by itself is reported as not verified.

What this file will not do: judge (`deliverkit.sink.judging`), or know how a process is spoken to
(`deliverkit.sink.worker`).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

from deliverkit.sink.judged import Judged
from deliverkit.sink.judging import Judging, judged, unverified
from deliverkit.sink.message import CapturedMessage
from deliverkit.sink.worker import Verdict, Worker, description
from deliverkit.world import World

Pair = tuple[CapturedMessage, Judged]

_AT_ONCE = 8  # in the thread: most of the time is spent waiting for DNS
_LARGE = 2 << 20  # octets of a message, and
_QUEUE = 8  # messages that wait, from which on a worker is worth its start
_QUEUE_OCTETS = 4 << 20
_HELD = 512  # messages that wait with their octets; further ones are read back from the inbox
_HELD_OCTETS = 32 << 20
_SENT = 64  # messages a worker has at a time
_SENT_OCTETS = 32 << 20
_DEATHS = 5  # of workers without a verdict between them; then the thread does it


class Verifier:
    """Judges messages of an inbox. ``done`` is called in the verifier's thread, with several at once in a rush."""

    def __init__(
        self,
        world: World,
        judging: Judging,
        read: Callable[[int], CapturedMessage | None],
        done: Callable[[Sequence[Pair]], None],
    ) -> None:
        self._world = world
        self._judging = judging
        self._read = read
        self._done = done
        self._loop = asyncio.new_event_loop()
        self._queue: asyncio.Queue[CapturedMessage | int | None] = asyncio.Queue()
        self._held = 0
        self._held_octets = 0
        self._closing = False
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._under_way: set[asyncio.Task[None]] = set()
        self._worker: Worker | None = None
        self._description: bytes | None = None  # of the world; None where no worker can be had
        self._sent: dict[int, CapturedMessage] = {}
        self._sent_octets = 0
        self._alone: set[int] = set()  # messages of a worker that died, each sent by itself
        self._deaths = 0
        self._answered = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="deliverkit-verifier", daemon=True)

    def start(self) -> None:
        """Begin to judge."""
        self._thread.start()

    def judge(self, message: CapturedMessage) -> None:
        """Put a message on the queue; from any thread."""
        self._loop.call_soon_threadsafe(self._enqueue, message)

    def _enqueue(self, message: CapturedMessage) -> None:
        octets = len(message.raw)
        held = self._held < _HELD and self._held_octets + octets <= _HELD_OCTETS
        if held:
            self._held += 1
            self._held_octets += octets
        self._queue.put_nowait(message if held else message.id)

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
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()
        self._loop.run_until_complete(self._world.aclose())
        self._loop.close()

    async def _judge_all(self) -> None:
        if self._judging.verify:
            self._description = description(self._world, self._judging)
        while True:
            item = await self._queue.get()
            if item is None:  # asked to close, or something ended after that
                self._closing = True
                if self._queue.empty() and not self._under_way and not self._sent:
                    return
                continue
            message = self._let_loose(item)
            if message is None:  # evicted meanwhile
                continue
            if self._is_for_worker(message):
                await self._send(message)
            else:
                await self._judge_here(message)

    def _let_loose(self, item: CapturedMessage | int) -> CapturedMessage | None:
        if isinstance(item, int):
            return self._read(item)
        if item.id not in self._alone:
            self._held -= 1
            self._held_octets -= len(item.raw)
        return item

    def _told(self, pairs: Sequence[Pair]) -> None:
        """Verdicts stand; after `close` the loop is woken to see whether these were the last."""
        self._done(pairs)
        if self._closing:
            self._queue.put_nowait(None)

    # -- in the thread ----------------------------------------------------------------------------------

    async def _judge_here(self, message: CapturedMessage) -> None:
        self._alone.discard(message.id)
        await self._turns.acquire()
        task = self._loop.create_task(self._one(message))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        if self._world.told:
            await asyncio.wait([task])  # nothing is waited for there: one after the other

    async def _one(self, message: CapturedMessage) -> None:
        self._done([(message, await judged(message, self._world, self._judging))])

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._turns.release()
        if self._closing:
            self._queue.put_nowait(None)

    # -- in a worker ------------------------------------------------------------------------------------

    def _is_for_worker(self, message: CapturedMessage) -> bool:
        if self._description is None:
            return False
        if self._worker is not None or message.id in self._alone:
            return True
        return len(message.raw) >= _LARGE or self._queue.qsize() >= _QUEUE or self._held_octets >= _QUEUE_OCTETS

    async def _send(self, message: CapturedMessage) -> None:
        """Give a message to the worker, starting one if need be, once there is room for it."""
        octets = len(message.raw)
        while self._sent and (len(self._sent) >= _SENT or self._sent_octets + octets > _SENT_OCTETS or self._alone):
            self._answered.clear()
            await self._answered.wait()
        worker = self._worker or self._start()
        if worker is None:
            await self._judge_here(message)
            return
        self._sent[message.id] = message
        self._sent_octets += octets
        await asyncio.to_thread(worker.judge, message) if octets > _LARGE else worker.judge(message)

    def _start(self) -> Worker | None:
        if self._description is None:
            return None
        call = self._loop.call_soon_threadsafe

        def heard(verdicts: Sequence[Verdict]) -> None:
            call(self._heard, verdicts)

        def ended(worker: Worker) -> None:
            call(self._died, worker)

        try:
            self._worker = Worker(self._description, heard, ended)
        except OSError:  # no interpreter, no memory, no process left
            self._description = None
        return self._worker

    def _heard(self, verdicts: Sequence[Verdict]) -> None:
        self._deaths = 0
        pairs: list[Pair] = []
        for id_, text, packed in verdicts:
            message = self._sent.pop(id_, None)
            if message is not None:
                self._alone.discard(id_)
                self._sent_octets -= len(message.raw)
                pairs.append((message, Judged(text, packed=packed)))
        self._answered.set()
        self._told(pairs)

    def _died(self, worker: Worker) -> None:
        """The worker is gone: what it had is judged again, the message it was alone with excepted."""
        if worker is not self._worker:
            return
        self._worker = None
        worker.close()
        self._deaths += 1
        if not worker.ready or self._deaths > _DEATHS:
            self._description = None
        lost, self._sent, self._sent_octets = list(self._sent.values()), {}, 0
        if worker.ready and len(lost) == 1 and lost[0].id in self._alone:
            self._alone.discard(lost[0].id)
            report = unverified(lost[0], self._world, "the process that verified it ended")
            self._told([(lost[0], Judged.of(report))])
            lost = []
        for message in lost:
            self._alone.add(message.id)
            self._queue.put_nowait(message)
        self._answered.set()
        if self._closing:
            self._queue.put_nowait(None)

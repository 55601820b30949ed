"""Verification in a process of its own: the sink's end of it (`Worker`), and the other one (`serve`).

The process is started as a command, not by `multiprocessing`: that would run the caller's main module again, and a test
or a script that opens a sink need not be written for it. Messages go to its standard input, verdicts come from its
standard output, each in a frame; its input ends when the sink does, also by a crash, and then it ends too.

What this file will not do: choose what is judged here (`deliverkit.sink.verifier` does), or judge
(`deliverkit.sink.judging`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import IO, Any, NamedTuple

from deliverkit.sink.judging import Judging, judged
from deliverkit.sink.message import CapturedMessage
from deliverkit.smtp.transcript import Transcript
from deliverkit.world import World

_AT_ONCE = 8
_GATHERED = 16  # verdicts sent together while there is more to do
_PAUSE_S = 0.02  # for which a verdict may wait for others
_FAMILIES = ("message", "sink")
_ZONES, _NOWHERE = "deliverkit.world.overlay.ZoneDoor", "deliverkit.world.table.NowhereDns"
_START = "import sys; sys.path[:] = {path!r}; from deliverkit.sink.worker import serve; serve()"
_LENGTH = 8  # octets of a frame's length


class Verdict(NamedTuple):
    """What the process says of one message."""

    id: int
    text: str
    packed: bytes


def description(world: World, judging: Judging) -> bytes | None:
    """What the other process must know; None if this world cannot be opened there."""
    door: Any = world.dns
    zones = []  # laid over, the uppermost first
    while _kind(door) == _ZONES:
        zones.append((door.zones, door.failures))
        door = door.below
    if world.vantage.mode == "live":
        anew = World.live(world.vantage.resolvers).dns  # opens no socket until it is asked
        below = None if _kinds(door) == _kinds(anew) else door
    else:
        below = door
    if type(world) is not World or (below is not None and _kind(below) != _NOWHERE):
        return None  # such as a journal's: a door that keeps a record must stay where somebody reads it
    try:
        return pickle.dumps((zones, below, world.vantage, world.clock, judging))
    except (pickle.PicklingError, AttributeError, TypeError):
        return None


def _opened(described: bytes) -> tuple[World, Judging]:
    """The world of a description, and how to judge in it."""
    from deliverkit.world.overlay import ZoneDoor
    from deliverkit.world.table import NowhereSmtp

    zones, door, vantage, clock, judging = pickle.loads(described)  # noqa: S301 - our own process wrote it
    door = door or World.live(vantage.resolvers).dns
    for laid, failures in reversed(zones):
        door = ZoneDoor(laid, door, failures)
    return World(door, NowhereSmtp(), vantage, clock), judging


def _kind(door: object) -> str:
    return f"{type(door).__module__}.{type(door).__qualname__}"


def _kinds(door: Any) -> list[str]:
    """Of a door and those below it."""
    kinds = []
    while door is not None:
        kinds.append(_kind(door))
        door = getattr(door, "below", None)
    return kinds


class Worker:
    """The process. ``heard`` is told its verdicts and ``ended`` that it is gone, both in a thread of the worker's.

    ``ready`` is true once it said that it knows every rule that is registered here. Raises OSError if it cannot start.
    """

    def __init__(
        self, described: bytes, heard: Callable[[Sequence[Verdict]], None], ended: Callable[[Worker], None]
    ) -> None:
        self.ready = False
        self._heard = heard
        self._ended = ended
        if not sys.executable:
            raise OSError("this Python does not know where its interpreter is")
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-c", _START.format(path=[entry or os.getcwd() for entry in sys.path])],  # noqa: PTH109
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._thread = threading.Thread(target=self._listen, name="deliverkit-worker", daemon=True)
        self._thread.start()
        self._say(described)

    def judge(self, message: CapturedMessage) -> None:
        """Send a message; blocks while the process has enough to read. A process that is gone tells by ``ended``."""
        bare = replace(message, raw=b"", transcript=Transcript("", ""))
        self._say(pickle.dumps(bare, protocol=5), message.raw)

    def _say(self, *frames: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it died, or was closed here meanwhile
            for frame in frames:
                self._process.stdin.write(len(frame).to_bytes(_LENGTH, "big"))
                self._process.stdin.write(frame)
            self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        known = _read(self._process.stdout)
        if known is not None and _registered() <= pickle.loads(known):  # noqa: S301 - our own process wrote it
            self.ready = True
            while (frame := _read(self._process.stdout)) is not None:
                self._heard([Verdict(*told) for told in pickle.loads(frame)])  # noqa: S301
        self._ended(self)

    def close(self) -> None:
        """End the process at once, and wait for it."""
        self._process.kill()
        self._process.wait()
        self._thread.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _registered() -> frozenset[str]:
    """The rules that judge messages here, as far as they are loaded: a test may have registered its own."""
    from deliverkit.rules.registry import families, registered

    own = set(families())
    return frozenset(rule.id for rule in registered() if rule.family in _FAMILIES or rule.family not in own)


def _read(pipe: IO[bytes]) -> bytes | None:
    """One frame; None where the pipe ends."""
    length = pipe.read(_LENGTH)
    if len(length) < _LENGTH:
        return None
    size = int.from_bytes(length, "big")
    frame = pipe.read(size)
    return frame if len(frame) == size else None


def serve() -> None:
    """Judge what comes on standard input until it ends. The other process's whole life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the sink says when to end
    if hasattr(os, "nice"):
        os.nice(5)  # who sends mail waits for the sink, who reads verdicts can wait a little
    verdicts = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not get among the frames
    described = _read(sys.stdin.buffer)
    if described is not None:
        world, judging = _opened(described)
        asyncio.run(_Serving(world, judging, verdicts).run())


class _Serving:
    """The loop of the other process."""

    def __init__(self, world: World, judging: Judging, verdicts: IO[bytes]) -> None:
        self._world = world
        self._judging = judging
        self._verdicts = verdicts
        self._queue: asyncio.Queue[CapturedMessage | None] = asyncio.Queue()
        self._gathered: list[Verdict] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._later: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Say which rules are known here, then judge until the input ends."""
        from deliverkit.rules.registry import rules_of

        rules_of(*_FAMILIES)
        self._send(_registered())
        threading.Thread(target=self._listen, args=[asyncio.get_running_loop()], daemon=True).start()
        turns = asyncio.Semaphore(_AT_ONCE)
        while (message := await self._queue.get()) is not None:
            await turns.acquire()
            task = asyncio.create_task(self._judge(message))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            task.add_done_callback(lambda _: turns.release())
            if self._world.told:
                await asyncio.wait([task])  # nothing is waited for there: one after the other
        await asyncio.gather(*self._under_way)
        await self._world.aclose()

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """A thread: messages as they come, then None."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            while (bare := _read(sys.stdin.buffer)) is not None and (raw := _read(sys.stdin.buffer)) is not None:
                message: CapturedMessage = pickle.loads(bare)  # noqa: S301 - our own process wrote it
                loop.call_soon_threadsafe(self._queue.put_nowait, replace(message, raw=raw))
            loop.call_soon_threadsafe(self._queue.put_nowait, None)

    async def _judge(self, message: CapturedMessage) -> None:
        told = (await judged(message, self._world, self._judging)).without_octets(message.raw)
        self._gathered.append(Verdict(message.id, told.text, told.packed or b""))
        idle = self._queue.empty() and len(self._under_way) <= 1
        if idle or len(self._gathered) >= _GATHERED:
            self._flush()
        elif self._later is None:
            self._later = asyncio.get_running_loop().call_later(_PAUSE_S, self._flush)

    def _flush(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            self._send([tuple(verdict) for verdict in gathered])

    def _send(self, value: object) -> None:
        frame = pickle.dumps(value, protocol=5)
        self._verdicts.write(len(frame).to_bytes(_LENGTH, "big") + frame)
        self._verdicts.flush()

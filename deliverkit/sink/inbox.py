"""The inbox: takes captured messages from many sessions, keeps them durably, and lets a test wait for one.

One writer thread commits whatever has queued up in one transaction (group commit), so that two hundred parallel
clients cost a few syncs, and each hears 250 only after its message is safe. A message is *complete* when its
verification stands beside it; only complete messages are shown to those who wait, so nobody sees half of one.

What this file will not do: speak SMTP, verify, or know how a store keeps its octets.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from deliverkit.sink.export import export
from deliverkit.sink.judged import Judged
from deliverkit.sink.message import CapturedMessage
from deliverkit.sink.stores import Store, StoreError, open_store

_GROUP = 256  # messages of one commit at most
_GROUP_OCTETS = 16 << 20
_REPORTS = 256  # kept at hand
_REPORT_OCTETS = 32 << 20  # of the messages they hold

Predicate: TypeAlias = Callable[[CapturedMessage], bool]


class InboxFull(Exception):
    """The bounds are reached and the inbox was told to refuse rather than to evict."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept. ``when_full``: "evict" forgets the oldest messages, "refuse" answers 452."""

    messages: int = 100_000
    octets: int = 4 << 30
    when_full: Literal["evict", "refuse"] = "evict"


@dataclass(slots=True)
class _Adding:
    message: CapturedMessage
    settled: asyncio.Future[CapturedMessage]
    loop: asyncio.AbstractEventLoop
    release: Callable[[], None]


@dataclass(slots=True)
class _Noting:
    id: int
    verdict: str


@dataclass(slots=True)
class _Marking:
    written: threading.Event


_Work: TypeAlias = _Adding | _Noting | _Marking


class Inbox:
    """Messages in the order in which they were acknowledged.

    ``on_stored`` is called in the event loop for each message once it is safe. Reading works without a loop, also
    after `close` for a store in memory.
    """

    def __init__(self, store: Store | str | Path | None = None, bounds: Bounds | None = None) -> None:
        self.store: Store = open_store(store) if store is None or isinstance(store, (str, Path)) else store
        self.bounds = bounds or Bounds()
        self.on_stored: Callable[[CapturedMessage], None] = self.complete
        self.problem: str | None = None  # why a verdict could not be written, if ever
        self._sizes = self.store.sizes()
        self._octets = sum(self._sizes.values())
        self._queued = 0
        self._queued_octets = 0
        self._judged: dict[int, tuple[Judged, int]] = {}  # with the octets its report holds
        self._judged_octets = 0
        self._incomplete: set[int] = set()
        self._waiters: list[tuple[Predicate, asyncio.Future[CapturedMessage]]] = []
        self._gathered: list[_Adding] = []
        self._work: queue.SimpleQueue[Sequence[_Work] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    # -- writing ----------------------------------------------------------------------------------------

    async def add(self, message: CapturedMessage, release: Callable[[], None] = lambda: None) -> CapturedMessage:
        """Keep a message; returns it with its id when it is safe. ``release`` is called when it left the queue.

        Raises `InboxFull` or `StoreError`; then nothing was kept. A caller that is cancelled does not take the
        message back.
        """
        if self.bounds.when_full == "refuse" and not self._has_room_for(len(message.raw)):
            release()
            raise InboxFull
        loop = asyncio.get_running_loop()
        settled: asyncio.Future[CapturedMessage] = loop.create_future()
        self._queued += 1
        self._queued_octets += len(message.raw)
        self._start()
        if not self._gathered:
            loop.call_soon(self._hand_over)
        self._gathered.append(_Adding(message, settled, loop, release))
        return await settled

    def _hand_over(self) -> None:
        """Give the writer, with one wake-up, what the sessions brought in this turn of the loop."""
        gathered, self._gathered = self._gathered, []
        self._work.put(gathered)

    def _has_room_for(self, octets: int) -> bool:
        return (
            len(self._sizes) + self._queued < self.bounds.messages
            and self._octets + self._queued_octets + octets <= self.bounds.octets
        )

    def complete(self, message: CapturedMessage) -> None:
        """Say that nothing more will be learned of a message: it becomes visible, its verdict is written."""
        if message.judged is not None:
            self._remember(message.id, message.judged, len(message.raw))
            self._start()
            self._work.put([_Noting(message.id, message.judged.text)])
        self._incomplete.discard(message.id)
        for predicate, waiting in list(self._waiters):
            _offer(message, predicate, waiting)

    def _remember(self, id_: int, judged: Judged, octets: int) -> None:
        """Keep the latest reports; of the older ones the JSON form in the store is enough."""
        self._forget(id_)
        if id_ in self._sizes:
            self._judged[id_] = (judged, octets if judged.report is not None else 0)
            self._judged_octets += self._judged[id_][1]
        while len(self._judged) > _REPORTS or (self._judged_octets > _REPORT_OCTETS and len(self._judged) > 1):
            self._forget(next(iter(self._judged)))

    def _forget(self, id_: int) -> None:
        self._judged_octets -= self._judged.pop(id_, (None, 0))[1]

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="deliverkit-inbox", daemon=True)
            self._thread.start()

    def _write(self) -> None:
        """The writer thread: whatever has queued up goes into one commit."""
        while (first := self._work.get()) is not None:
            group: list[_Work] = [*first]
            octets = sum(map(_weight, first))
            last = False
            while len(group) < _GROUP and octets < _GROUP_OCTETS:
                try:
                    more = self._work.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    last = True
                    break
                group += more
                octets += sum(map(_weight, more))
            self._commit(group)
            if last:
                return

    def _commit(self, group: Sequence[_Work]) -> None:
        adding = [item for item in group if isinstance(item, _Adding)]
        noting = {item.id: item.verdict for item in group if isinstance(item, _Noting)}
        if adding:
            try:
                self._settle([(item, id_) for item, id_ in zip(adding, self._kept(adding), strict=True)])
            except StoreError as bad:
                self._one_by_one(adding, bad)
            self._evict()
        if noting:
            try:
                self.store.note(noting)
            except StoreError as bad:
                self.problem = str(bad)
        for item in group:
            if isinstance(item, _Marking):
                item.written.set()

    def _kept(self, adding: Sequence[_Adding]) -> list[int]:
        ids = self.store.write([item.message for item in adding])
        self._incomplete.update(ids)
        for item, id_ in zip(adding, ids, strict=True):
            self._sizes[id_] = len(item.message.raw)
            self._octets += len(item.message.raw)
        return ids

    def _one_by_one(self, adding: Sequence[_Adding], bad: StoreError) -> None:
        """A group that could not be written: one message must not cost the others their place."""
        for item in adding:
            try:
                if len(adding) == 1:
                    raise bad
                self._settle([(item, self._kept([item])[0])])
            except StoreError as worse:
                self._settle([(item, worse)])

    def _settle(self, outcomes: Sequence[tuple[_Adding, int | StoreError]]) -> None:
        """Tell the loop, with one call for the group where all share a loop."""
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Adding, int | StoreError]]] = {}
        for item, outcome in outcomes:
            by_loop.setdefault(item.loop, []).append((item, outcome))
        for loop, told in by_loop.items():
            try:
                loop.call_soon_threadsafe(self._settled, told)
            except RuntimeError:  # the loop was closed under us; the messages are safe all the same
                continue

    def _settled(self, outcomes: Sequence[tuple[_Adding, int | StoreError]]) -> None:
        for item, outcome in outcomes:
            self._queued -= 1
            self._queued_octets -= len(item.message.raw)
            item.release()
            if isinstance(outcome, StoreError):
                if not item.settled.done():
                    item.settled.set_exception(outcome)
                continue
            message = replace(item.message, id=outcome)
            if not item.settled.done():
                item.settled.set_result(message)
            self.on_stored(message)

    def _evict(self) -> None:
        """Forget the oldest messages beyond the bounds; the newest always stays."""
        over, octets = len(self._sizes) - self.bounds.messages, self._octets - self.bounds.octets
        gone: list[int] = []
        for id_, size in self._sizes.items():  # in order of age
            if (over <= 0 and octets <= 0) or len(gone) == len(self._sizes) - 1:
                break
            gone.append(id_)
            over, octets = over - 1, octets - size
        if gone:
            self.store.drop(gone)
            for id_ in gone:
                self._octets -= self._sizes.pop(id_)
                self._forget(id_)

    def flush(self) -> None:
        """Wait until everything that is queued now is written. Blocking."""
        if self._thread is not None:
            written = threading.Event()
            self._work.put([_Marking(written)])
            written.wait()

    def close(self) -> None:
        """Write what is queued, end the writer, let go of files. Blocking."""
        if self._thread is not None:
            self._work.put(None)
            self._thread.join()
            self._thread = None
        self.store.close()

    # -- reading ----------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._sizes)

    def messages(self) -> Iterator[CapturedMessage]:
        """All messages, the oldest first, read one by one."""
        for id_ in list(self._sizes):
            message = self.get(id_)
            if message is not None:
                yield message

    def get(self, id_: int) -> CapturedMessage | None:
        """One message; None when there is none of this id (any more)."""
        message = self.store.read(id_)
        known = self._judged.get(id_)
        return replace(message, judged=known[0]) if message is not None and known is not None else message

    async def wait_for(self, predicate: Predicate, timeout: float = 10.0) -> CapturedMessage:
        """The first complete message the predicate accepts: one that is here already, or one that comes in time.

        Raises TimeoutError, which names the messages that did come. What the predicate raises is raised here.
        """
        waiting: asyncio.Future[CapturedMessage] = asyncio.get_running_loop().create_future()
        entry = (predicate, waiting)
        self._waiters.append(entry)
        try:
            async with asyncio.timeout(timeout):
                for id_ in [id_ for id_ in list(self._sizes) if id_ not in self._incomplete]:
                    message = await asyncio.to_thread(self.get, id_)
                    if message is not None and not waiting.done():
                        _offer(message, predicate, waiting)
                return await waiting
        except TimeoutError:
            raise TimeoutError(f"no such message within {timeout:g} s; {self._came()}") from None
        finally:
            self._waiters.remove(entry)

    def _came(self) -> str:
        latest = [self.get(id_) for id_ in list(self._sizes)[-5:]]
        told = [f"{m.id}: {m.mail_from or '<>'} to {', '.join(m.rcpt_tos)}: {m.subject!r}" for m in latest if m]
        return f"{len(self)} came" + (f", the latest: {'; '.join(told)}" if told else "")

    def export(self, kind: str, where: str | Path) -> int:
        """Write every message into a Maildir ("maildir") or a directory of .eml files ("eml"); how many."""
        return export(self.messages(), kind, Path(where))


def _offer(message: CapturedMessage, predicate: Predicate, waiting: asyncio.Future[CapturedMessage]) -> None:
    if waiting.done():
        return
    try:
        if predicate(message):
            waiting.set_result(message)
    except Exception as wrong:  # the test's own mistake: it belongs to the test
        waiting.set_exception(wrong)


def _weight(item: _Work) -> int:
    return len(item.message.raw) if isinstance(item, _Adding) else 4096

"""A sink for tests: it runs in a thread with an event loop of its own, so blocking and asynchronous tests use it alike.

Waiting is told by the arrival itself, nobody looks again and again. Predicates are called in the thread of the test,
so that what they raise has the test's own traceback.

What this file will not do: speak SMTP (`deliverkit.sink`), or assert anything about a message (`claims`).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, overload

from deliverkit.sink import CapturedMessage, Credentials, Judging, Limits, Sink
from deliverkit.testing.mail import Mail

if TYPE_CHECKING:
    from deliverkit.report.model import Report
    from deliverkit.testing.dns import ToldDns

Predicate: TypeAlias = Callable[[Mail], object]
Listener: TypeAlias = Literal["smtp", "starttls", "smtps"]
_LISTENERS: dict[str | None, Listener] = {None: "smtp", "starttls": "starttls", "implicit": "smtps"}
_TOLD = 5  # messages and sessions that a failed wait names
_START_S = 30.0


@dataclass(frozen=True, slots=True)
class SinkOptions:
    """How a sink of the tests behaves.

    ``tls`` is None, "starttls" or "implicit"; the authority that clients must trust is `RunningSink.ca_file`. ``auth``
    is None, "any" or "USER:PASSWORD"; without TLS it is offered in the clear. ``client_ip`` stands for the client's
    address in SPF: from loopback nothing could be said. ``profile`` is "bulk" or None.
    """

    tls: Literal["starttls", "implicit"] | None = None
    auth: str | None = None
    auth_required: bool = True
    client_ip: str | None = None
    profile: str | None = None
    hostname: str = "localhost"
    max_size: int = 64 << 20

    def __post_init__(self) -> None:
        if self.tls not in _LISTENERS:
            raise ValueError(f'tls={self.tls!r}: expected None, "starttls" or "implicit"')
        if self.client_ip is not None:
            ip_address(self.client_ip)  # a ValueError that names it, now and not at the first assertion


class RunningSink:
    """A sink on a free port of loopback, between `start` and `stop`."""

    def __init__(self, dns: ToldDns, options: SinkOptions | None = None) -> None:
        self.options = options or SinkOptions()
        self.dns = dns
        self.host = "127.0.0.1"
        self.port = 0
        self._mails: list[Mail] = []
        self._failed: list[str] = []  # sessions that ended without their message
        self._came = threading.Condition()
        self._listening: list[Callable[[], None]] = []  # of those who wait in an event loop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="deliverkit-sink", daemon=True)
        self._sink: Sink | None = None
        self._ended = asyncio.Event()
        self._ready = threading.Event()
        self._problem: BaseException | None = None

    # -- life -------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Listen. Raises what keeps the sink from listening."""
        self._thread.start()
        if not self._ready.wait(_START_S):
            raise RuntimeError(f"the sink did not begin to listen within {_START_S:g} s")
        if self._problem is not None:
            self._thread.join()
            raise self._problem
        return self

    def stop(self) -> None:
        """End all sessions and let go of the port. The messages stay."""
        if self._thread.is_alive() and self._loop is not None:
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        """The thread. Its loop is the standard one, whatever the project's policy makes for its own."""
        try:
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self._serve())
        except BaseException as bad:
            self._problem = bad
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        listener = _LISTENERS[self.options.tls]
        async with self._made(listener) as sink:
            self.host, self.port = sink.addresses[listener]
            self._sink = sink
            self._ready.set()
            await self._ended.wait()

    def _made(self, listener: Listener) -> Sink:
        options = self.options
        here = f"{self.host}:0"
        credentials = options.auth and Credentials.told(
            options.auth, required=options.auth_required, in_clear=options.tls is None
        )
        return Sink(
            smtp=here if listener == "smtp" else None,
            starttls=here if listener == "starttls" else None,
            smtps=here if listener == "smtps" else None,
            world=self.dns.world,
            judging=Judging(verify=False),  # a test verifies what it asks about, by the DNS of that moment
            credentials=credentials or None,
            limits=Limits(message=options.max_size, in_flight=4 * options.max_size),
            hostname=options.hostname,
            on_message=self._arrived,
            on_session=self._session_failed,
        )

    @property
    def ca_file(self) -> Path | None:
        """The private authority (PEM) that clients of a sink with TLS must trust; None without TLS."""
        return self._sink.ca_file if self._sink is not None else None

    # -- what arrives, in the thread of the sink --------------------------------------------------------

    def _arrived(self, message: CapturedMessage) -> None:
        with self._came:
            self._mails.append(Mail(message, self.dns, self.options.client_ip, self.options.profile))
            self._tell()

    def _session_failed(self, report: Report) -> None:
        with self._came:
            self._failed += [finding.detail for finding in report.findings]
            self._tell()

    def _tell(self) -> None:
        self._came.notify_all()
        for wake in self._listening:
            wake()

    # -- what a test reads ------------------------------------------------------------------------------

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port

    @property
    def messages(self) -> list[Mail]:
        """What arrived since the last `clear`, the oldest first."""
        with self._came:
            return list(self._mails)

    def clear(self) -> None:
        """Forget what arrived so far."""
        with self._came:
            self._mails.clear()
            self._failed.clear()

    def env(self) -> dict[str, str]:
        """Variables for the environment of an application under test: where its mail goes, and its login."""
        user, _, password = (self.options.auth or "").partition(":")
        login = f"{user}:{password}@" if password else ""
        scheme = "smtps" if self.options.tls == "implicit" else "smtp"
        told = {"SMTP_HOST": self.host, "SMTP_PORT": str(self.port)}
        if password:
            told |= {"SMTP_USER": user, "SMTP_PASSWORD": password}
            told |= {"EMAIL_HOST_USER": user, "EMAIL_HOST_PASSWORD": password}
        if self.ca_file is not None:
            told |= {"SMTP_CA_FILE": str(self.ca_file), "NODE_EXTRA_CA_CERTS": str(self.ca_file)}
        return told | {
            "EMAIL_HOST": self.host,
            "EMAIL_PORT": str(self.port),
            "EMAIL_USE_TLS": "True" if self.options.tls == "starttls" else "",
            "EMAIL_USE_SSL": "True" if self.options.tls == "implicit" else "",
            "MAIL_URL": f"{scheme}://{login}{self.host}:{self.port}",
        }

    # -- waiting ----------------------------------------------------------------------------------------

    @overload
    def wait_for(self, wanted: Predicate | None = None, timeout: float = 10.0) -> Mail: ...
    @overload
    def wait_for(self, wanted: int, timeout: float = 10.0) -> list[Mail]: ...

    def wait_for(self, wanted: Predicate | int | None = None, timeout: float = 10.0) -> Mail | list[Mail]:
        """The first message that the predicate accepts (without one: the first), or so many messages as a list.

        One that is here already counts. Raises AssertionError when it does not come in ``timeout`` seconds, and says
        what did. Blocks: where the mail is sent from this very event loop, use `wait_for_async`.
        """
        __tracebackhide__ = True
        search = _Search(wanted)
        with self._came:
            found = self._came.wait_for(lambda: search.look(self._mails), timeout)
        if not found:
            raise AssertionError(f"{search.missed(timeout)}; {self._told()}{_hint()}")
        return search.found

    @overload
    async def wait_for_async(self, wanted: Predicate | None = None, timeout: float = 10.0) -> Mail: ...
    @overload
    async def wait_for_async(self, wanted: int, timeout: float = 10.0) -> list[Mail]: ...

    async def wait_for_async(
        self,
        wanted: Predicate | int | None = None,
        timeout: float = 10.0,
    ) -> Mail | list[Mail]:
        """`wait_for` for an event loop of asyncio, whatever policy made it: others go on meanwhile."""
        __tracebackhide__ = True
        search = _Search(wanted)
        woken = asyncio.Event()
        try:
            with self._waking(woken):
                async with asyncio.timeout(timeout):
                    while not search.look(self.messages):
                        await woken.wait()
                        woken.clear()
        except TimeoutError:
            raise AssertionError(f"{search.missed(timeout)}; {self._told()}") from None
        return search.found

    @contextmanager
    def _waking(self, woken: asyncio.Event) -> Iterator[None]:
        """Arrivals set the event, in the loop that runs here."""
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(woken.set)

        with self._came:
            self._listening.append(wake)
        try:
            yield
        finally:
            with self._came:
                self._listening.remove(wake)

    def _told(self) -> str:
        """What did arrive, for somebody who waited for something else."""
        with self._came:
            mails, failed = list(self._mails), list(self._failed)
        said = [f"{len(mails)} message{'' if len(mails) == 1 else 's'} arrived{':' if mails else ''}"]
        said += [f"  {mail.summary}" for mail in mails[-_TOLD:]]
        if failed:
            said += ["sessions that ended without a message:", *(f"  {why}" for why in failed[-_TOLD:])]
        return "\n".join(said)


class _Search:
    """Looks for what is wanted among the messages, at each one once."""

    def __init__(self, wanted: Predicate | int | None) -> None:
        self._wanted: Predicate | int = (lambda _mail: True) if wanted is None else wanted
        self._any = wanted is None
        self._seen: set[int] = set()
        self.found: Mail | list[Mail] = []

    def look(self, mails: list[Mail]) -> bool:
        """True once it is found."""
        if isinstance(self._wanted, int):
            self.found = mails[: self._wanted]
            return len(mails) >= self._wanted
        for mail in mails:
            if mail.captured.id in self._seen:
                continue
            self._seen.add(mail.captured.id)
            if self._wanted(mail):
                self.found = mail
                return True
        return False

    def missed(self, timeout: float) -> str:
        if isinstance(self._wanted, int):
            return f"fewer than {self._wanted} messages within {timeout:g} s"
        return f"no {'' if self._any else 'such '}message within {timeout:g} s"


def _hint() -> str:
    """Somebody who blocks the loop that was to send waits in vain."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return ""
    return "\n(this test runs in an event loop, which wait_for blocks: use `await sink.wait_for_async(…)`)"

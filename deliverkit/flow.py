"""Questions, answers, and the generators that ask them.

A protocol evaluator is a *flow*: a generator that yields a question and is sent the answer. It touches no
socket, so the same law runs over the live DNS, a zone file, a recorded journal or a table in a test.
`include:` is a plain ``yield from``. Two drivers, `drive` (blocking) and `adrive` (asyncio), run every flow.

What this file will not do: open a socket, parse a record, or hold an opinion.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, NoReturn, TypeAlias, TypeVar

T = TypeVar("T")


class Status(StrEnum):
    """What became of a DNS question. A timeout can never be mistaken for "no record"."""

    OK = "ok"  # at least one record of the type asked
    NODATA = "nodata"  # NOERROR, the name exists, no record of that type
    NXDOMAIN = "nxdomain"  # the name does not exist (RFC 8020: nor does anything below it)
    SERVFAIL = "servfail"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"  # no server could be reached at all
    BOGUS = "bogus"  # DNSSEC validation failed (SERVFAIL with an RFC 8914 code in 5..12)
    MALFORMED = "malformed"  # an answer that cannot be parsed, or an alias loop
    LIMIT = "limit"  # our own budget of queries or seconds was spent
    UNOBSERVED = "unobserved"  # offline: the name lies outside the zones that were given


KNOWN = frozenset({Status.OK, Status.NODATA, Status.NXDOMAIN})


class Question(NamedTuple):
    """One DNS question. ``name`` has no trailing dot (the root is ``"."``); ``type`` is e.g. ``"TXT"``.

    A tuple, because an audit looks a hundred of them up in one table after another.
    """

    name: str
    type: str

    def __str__(self) -> str:
        return f"{self.type} {self.name}"


@dataclass(frozen=True, slots=True)
class Source:
    """The place in a zone file that a record came from (line counts from 1)."""

    file: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the world said to one `Question`: plain values, never library objects.

    ``records`` by type: TXT and SPF ``tuple[bytes, ...]`` (the character-strings of one record, unjoined);
    A and AAAA ``str``; MX ``(preference, host)``; CNAME, PTR and NS ``str``; TLSA
    ``(usage, selector, matching_type, data: bytes)``; SOA ``(mname, rname, serial, refresh, retry, expire,
    minimum)``; every other type its presentation text. Names are lower case without the final dot; the root
    is ``"."``.

    ``aliases`` is the CNAME chain that was followed, in order. ``sources`` runs parallel to ``records`` when
    they came from a file. ``authentic`` is the resolver's AD bit, worth what the path to it is worth.
    """

    question: Question
    status: Status
    records: tuple[Any, ...] = ()
    ttl: int | None = None
    aliases: tuple[str, ...] = ()
    authentic: bool = False
    server: str | None = None
    detail: str = ""
    extended_errors: tuple[tuple[int, str], ...] = ()
    sources: tuple[Source, ...] = ()
    elapsed_s: float = 0.0

    @property
    def known(self) -> bool:
        """True if the world told us: records, none of that type, or no such name."""
        return self.status in KNOWN

    @property
    def texts(self) -> tuple[str, ...]:
        """TXT records, strings joined without a space (RFC 7208 §3.3, RFC 6376 §3.6.2.2).

        Octets that are not UTF-8 become surrogate escapes: nothing is lost and nothing raises.
        """
        return tuple(b"".join(record).decode("utf-8", "surrogateescape") for record in self.records)

    def why(self) -> str:
        """Say in a few words why this answer tells nothing: "TXT example.com: timeout (2 servers asked)"."""
        tail = f" ({self.detail})" if self.detail else ""
        return f"{self.question}: {self.status}{tail}"


class PageTrouble(StrEnum):
    """Why a page could not be had. What may be due to where we ask from is unknown, never the server's fault."""

    NO_ADDRESS = "no address"
    REFUSED = "refused"  # the connection
    CERTIFICATE = "certificate"  # not trusted, expired, or for another name
    TLS = "tls"
    MALFORMED = "malformed"  # no HTTP
    NOT_ALLOWED = "not allowed"  # a private address
    UNKNOWN = "unknown"  # a timeout, no route, DNS that did not answer


@dataclass(frozen=True, slots=True)
class Page:
    """What one fetch over HTTPS brought: a response, or ``trouble``. ``octets`` are its body, cut at 64 KB and one."""

    url: str
    status: int | None = None
    media_type: str = ""
    location: str = ""
    octets: bytes = b""
    trouble: PageTrouble | None = None
    detail: str = ""


@dataclass(frozen=True)
class Together:
    """Ask for several flows to be run side by side; heard as the tuple of their results."""

    flows: tuple[Flow[Any], ...]


@dataclass(frozen=True, slots=True)
class Each:
    """Ask questions side by side; heard as the tuple of their answers. For many at once, which need no flow each."""

    questions: tuple[Question, ...]


Flow: TypeAlias = Generator["Question | Together | Each", Any, T]
"""A DNS flow: yields questions, is sent answers, returns T."""


class Asking(Generator["Question | Together | Each", Any, Answer]):
    """The flow of one question. A driver that meets it beside others takes the question, without a step in between."""

    __slots__ = ("_asked", "question")

    def __init__(self, question: Question) -> None:
        self.question = question
        self._asked = False

    def __next__(self) -> Question:
        self._asked = True
        return self.question

    def send(self, heard: Any) -> Question:
        if not self._asked:
            return self.__next__()
        raise StopIteration(heard)

    def throw(self, kind: Any, error: Any = None, trace: Any = None) -> NoReturn:  # noqa: ARG002 - nothing is held
        raise kind if error is None else error


def ask(name: str, type_: str) -> Flow[Answer]:
    """The one-question flow: ``answer = yield from ask("example.com", "TXT")``."""
    return Asking(Question(name, type_))


def together(*flows: Flow[T]) -> Flow[tuple[T, ...]]:
    """Run flows side by side where the driver can, one after another where it cannot."""
    results: tuple[T, ...] = yield Together(flows)
    return results


def each(questions: Iterable[Question]) -> Flow[tuple[Answer, ...]]:
    """The answers to many questions asked side by side."""
    answers: tuple[Answer, ...] = yield Each(tuple(questions))
    return answers


def noting(flow: Flow[T], heard: dict[Question, Answer]) -> Flow[T]:
    """The same flow; every answer it hears is written down."""
    try:
        asked = next(flow)
        while True:
            answer: Any
            if type(asked) is Together:  # single questions stay what a driver takes without a step in between
                inner = tuple([one if type(one) is Asking else noting(one, heard) for one in asked.flows])
                answer = yield Together(inner)
                heard.update(
                    (one.question, told) for one, told in zip(inner, answer, strict=True) if type(one) is Asking
                )
            elif type(asked) is Each:
                answer = yield asked
                heard.update(zip(asked.questions, answer, strict=True))
            else:
                answer = heard[asked] = yield asked  # type: ignore[index]
            asked = flow.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result


def drive(flow: Flow[T], hear: Callable[[Question], Answer]) -> T:
    """Run a flow to its end with a blocking source of answers."""
    if type(flow) is Asking:
        return hear(flow.question)  # type: ignore[return-value]
    try:
        asked = next(flow)
        while True:
            heard: Any
            if type(asked) is Together:
                heard = tuple([drive(inner, hear) for inner in asked.flows])
            elif type(asked) is Each:
                heard = tuple(map(hear, asked.questions))
            else:
                heard = hear(asked)  # type: ignore[arg-type]
            asked = flow.send(heard)
    except StopIteration as stop:
        result: T = stop.value
        return result


async def adrive(flow: Flow[T], hear: Callable[[Question], Awaitable[Answer]]) -> T:
    """Run a flow to its end with an awaitable source of answers; `Together` runs concurrently."""
    if type(flow) is Asking:
        return await hear(flow.question)  # type: ignore[return-value]
    try:
        asked = next(flow)
        while True:
            heard: Any
            if isinstance(asked, (Together, Each)):
                import asyncio  # the blocking driver does without

                if isinstance(asked, Together):
                    heard = tuple(await asyncio.gather(*(adrive(inner, hear) for inner in asked.flows)))
                else:
                    heard = tuple(await asyncio.gather(*map(hear, asked.questions)))
            else:
                heard = await hear(asked)
            asked = flow.send(heard)
    except StopIteration as stop:
        result: T = stop.value
        return result


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nobody, without an event loop."""
    try:
        work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    work.close()
    raise RuntimeError("this coroutine waits for somebody: it needs an event loop")

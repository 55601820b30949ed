"""check_host where answers never change: what was found for one client holds for all that no network tells from it.

A walk treats a client by the networks it lies in, and by nothing else of it as long as no macro and no ptr is met. So
between two neighbouring edges of the networks that a walk came by, every client walks alike. The first client there is
evaluated in the usual way (`deliverkit.protocols.spf.evaluate`), and the span is kept with what was noted; another one
is one search among the spans of its domain.

What this file will not do: know a mechanism's law, or be used where an answer may be another one tomorrow.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime
from typing import TypeAlias

from deliverkit.flow import drive
from deliverkit.protocols.spf.address import BITS, Client, parse_ip4, parse_ip6
from deliverkit.protocols.spf.compiled import Program, Query
from deliverkit.protocols.spf.evaluate import asked_by, evaluation
from deliverkit.protocols.spf.lookups import Tell
from deliverkit.protocols.spf.record import Result
from deliverkit.protocols.spf.trace import CheckResult, Entered, Tried

MOST_DOMAINS, MOST_SPANS = 4096, 1024
Edges: TypeAlias = "list[int]"  # where networks begin, and where they have ended


class _Spans:
    """What was found in one domain for one family: spans of clients that do not overlap, in order."""

    __slots__ = ("ends", "found", "starts")

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.found: list[CheckResult] = []

    def keep(self, start: int, end: int, found: CheckResult) -> None:
        if len(self.starts) >= MOST_SPANS:
            for kept in (self.starts, self.ends, self.found):
                kept.clear()
        at = bisect_right(self.starts, start)
        self.starts.insert(at, start)
        self.ends.insert(at, end)
        self.found.insert(at, found)


class Settled:
    """The evaluations of one world whose answers never change."""

    def __init__(self) -> None:
        self._spans: dict[tuple[str, int, bool], _Spans | None] = {}

    def check_host(
        self,
        client_ip: str,
        domain: str,
        sender: str,
        helo: str,
        *,
        tell: Tell,
        receiver: str = "unknown",
        now: datetime | None = None,
        strict_voids: bool = False,
    ) -> CheckResult:
        """The same as `deliverkit.protocols.spf.evaluate.check_host` says. Raises `BadAddress`.

        ``tell`` answers at once, and always alike. It is not kept, so that a world can go when nobody needs it.
        """
        client = Client.of(client_ip)
        domain, sender = asked_by(domain, sender)
        key = domain, client.family, strict_voids
        spans = self._spans.get(key)
        if spans is not None:
            at = bisect_right(spans.starts, client.number) - 1
            if at >= 0 and client.number <= spans.ends[at]:
                found = spans.found[at]
                return CheckResult(
                    found.entered, found.explanation, client, sender, helo, found.counts, found.unanswered
                )
        found = drive(evaluation(client, domain, sender, helo, receiver, now, strict_voids), tell)
        if key in self._spans:
            self._keep(key, found)
        else:  # a domain that is asked about once is not worth it: its second client is
            if len(self._spans) >= MOST_DOMAINS:
                self._spans.clear()
            self._spans[key] = None
        return found

    def _keep(self, key: tuple[str, int, bool], found: CheckResult) -> None:
        spans = self._spans[key]
        if spans is None:
            spans = self._spans[key] = _Spans()
        span = span_of(found)
        if span:
            spans.keep(*span, found)


def span_of(found: CheckResult) -> tuple[int, int] | None:
    """The first and the last client that walk as this one did; None if more of it counted than its networks."""
    family, number = found.client.family, found.client.number
    start, end = 0, (1 << BITS[family]) - 1
    decided = found.entered
    while decided.redirected and decided.redirected.inner:
        decided = decided.redirected.inner
    if found.result is Result.FAIL and decided.program and decided.program.explanation:
        return None  # it may be told to this client, and to nobody else (RFC 7208 §6.2)
    for edges in _edges(found.entered, family):
        if edges is None:
            return None
        at = bisect_right(edges, number)
        start = max(start, edges[at - 1]) if at else start
        end = min(end, edges[at] - 1) if at < len(edges) else end
    return start, end


def _edges(entered: Entered, family: int) -> Iterator[Edges | None]:
    """The edges of all networks in the records that were entered; None for what no network tells."""
    program = entered.program
    if program is None:
        return
    yield _edges_of(program, family)
    asking = {query.place: query for query in (*(part.query for part in program.parts), program.redirect) if query}
    for tried in (*entered.tried, *((entered.redirected,) if entered.redirected else ())):
        query = asking[tried.place]
        yield _edges_of_hosts(query, tried, family)
        if tried.inner:
            yield from _edges(tried.inner, family)


def _edges_of(program: Program, family: int) -> Edges:
    """The edges of the networks that a record names, made once."""
    known = program.edges4 if family == 4 else program.edges6
    if known is None:
        full = (1 << BITS[family]) - 1
        edges = set()
        for part in program.parts:
            for mask, places in (part.four if family == 4 else part.six)[0]:
                for network in places:
                    edges |= {network, network + (full ^ mask) + 1}
        known = sorted(edges)
        if family == 4:
            program.edges4 = known
        else:
            program.edges6 = known
    return known


def _edges_of_hosts(query: Query, tried: Tried, family: int) -> Edges | None:
    """The edges of the networks around the hosts that were found; None where macros or ptr asked about the client."""
    if query.spec is not None or query.name == "ptr":
        return None
    if query.name not in ("a", "mx"):
        return []
    shift = query.shifts[0 if family == 4 else 1]
    wanted, parse = ("A", parse_ip4) if family == 4 else ("AAAA", parse_ip6)
    edges = set()
    for answer in tried.answers:
        for text in answer.records if answer.question.type == wanted else ():
            number = parse(text)
            if number is not None:
                network = number >> shift << shift
                edges |= {network, network + (1 << shift)}
    return sorted(edges)

"""The live DNS door against servers that lose, delay, truncate, lie, refuse and babble."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import dns.rcode
import pytest

from deliverkit.demo.nameserver import Nameserver
from deliverkit.flow import Answer, Question, Status
from deliverkit.world import World
from deliverkit.world.dns import LiveDns
from deliverkit.world.resolvers import parse_server
from deliverkit.world.shared import SharedDoor
from tests.loopback.nameservers import (
    Slow,
    Twisted,
    closed,
    drop_first,
    fail,
    garbage,
    lame,
    liar_first,
    no_edns,
    silent,
    zone,
)

T = TypeVar("T")
BRISK = (0.15, 0.15, 0.3)


def with_door(servers: list[str], work: Callable[[LiveDns], Awaitable[T]], patience: tuple[float, ...] = BRISK) -> T:
    """Run some work with a door to these servers."""

    async def main() -> T:
        door = LiveDns([parse_server(s) for s in servers], patience_s=patience)
        try:
            return await asyncio.wait_for(work(door), 30)
        finally:
            await door.aclose()

    return asyncio.run(main())


def ask(servers: list[str], name: str, type_: str, patience: tuple[float, ...] = BRISK) -> Answer:
    """Ask one question."""
    return with_door(servers, lambda door: door.ask(Question(name, type_)), patience)


def test_records_come_back_as_plain_values() -> None:
    """MX, A, AAAA and TXT, with server, TTL and time."""
    with Nameserver([zone()]) as server:
        mx = ask([server.address], "EXAMPLE.com", "MX")
        assert (mx.status, mx.records, mx.server, mx.ttl) == (Status.OK, ((10, "mx.example.com"),), server.address, 300)
        assert 0 < mx.elapsed_s < 5
        assert ask([server.address], "mx.example.com", "AAAA").records == ("2001:db8::1",)
        assert ask([server.address], "example.com", "TXT").records == ((b"v=spf1 mx -all",),)


def test_absence_has_two_kinds() -> None:
    """NODATA and NXDOMAIN are told apart, each with the SOA's negative TTL."""
    with Nameserver([zone()]) as server:
        nodata = ask([server.address], "mx.example.com", "TXT")
        assert (nodata.status, nodata.ttl) == (Status.NODATA, 60)
        assert ask([server.address], "no.example.com", "TXT").status is Status.NXDOMAIN


def test_no_search_suffix_is_ever_tried() -> None:
    """A single label is asked as it stands."""
    with Nameserver([zone()]) as server:
        assert ask([server.address], "mx", "A").status is Status.NXDOMAIN
        assert [name for name, _, _ in server.queries] == ["mx"]


def test_one_lost_datagram_never_fails_a_question() -> None:
    """The first datagram of every question is lost; the second is answered."""
    with Twisted(drop_first) as server:
        answer = ask([server.address], "example.com", "MX")
        assert answer.status is Status.OK
        assert server.seen == 2


def test_a_late_answer_to_the_first_asking_counts() -> None:
    """A server slower than our first patience is heard all the same."""
    with Slow(0.25) as server:
        assert ask([server.address], "example.com", "MX").status is Status.OK


def test_the_next_server_is_asked_when_the_first_is_silent() -> None:
    """A silent server costs one patience, not the question."""
    with silent() as deaf, Nameserver([zone()]) as server:
        answer = ask([deaf, server.address], "example.com", "MX")
        assert (answer.status, answer.server) == (Status.OK, server.address)


@pytest.mark.parametrize(
    "twist",
    [fail(dns.rcode.SERVFAIL), fail(dns.rcode.REFUSED), lame, garbage],
    ids=["servfail", "refused", "lame", "garbage"],
)
def test_the_next_server_is_asked_when_the_first_fails(twist: object) -> None:
    """SERVFAIL, REFUSED, lameness and garbage send us on to the next server."""
    with Twisted(twist) as bad, Nameserver([zone()]) as server:  # type: ignore[arg-type]
        answer = ask([bad.address, server.address], "example.com", "MX")
        assert (answer.status, answer.server) == (Status.OK, server.address)


@pytest.mark.parametrize(
    ("twist", "status"),
    [
        (fail(dns.rcode.SERVFAIL), Status.SERVFAIL),
        (fail(dns.rcode.REFUSED), Status.REFUSED),
        (fail(dns.rcode.NOTAUTH), Status.SERVFAIL),
        (lame, Status.SERVFAIL),
        (garbage, Status.MALFORMED),
    ],
    ids=["servfail", "refused", "notauth", "lame", "garbage"],
)
def test_failures_are_told_apart(twist: object, status: Status) -> None:
    """Each way to fail is its own status, never "no record", and is not asked for ever."""
    with Twisted(twist) as server:  # type: ignore[arg-type]
        answer = ask([server.address], "example.com", "MX")
        assert answer.status is status
        assert not answer.known
        assert 1 <= server.seen <= 4


def test_a_bogus_answer_is_told_from_a_broken_server() -> None:
    """SERVFAIL with a DNSSEC code of RFC 8914 is bogus; the code and text are kept as evidence."""
    with Twisted(fail(dns.rcode.SERVFAIL, 7)) as server:
        answer = ask([server.address], "example.com", "MX")
        assert answer.status is Status.BOGUS
        assert answer.extended_errors == ((7, "told by the test"),)
        assert "EDE 7" in answer.why()
        assert server.seen == 1


def test_other_extended_errors_do_not_make_an_answer_bogus() -> None:
    """Code 22 (no reachable authority) is a broken delegation."""
    with Twisted(fail(dns.rcode.SERVFAIL, 22)) as server:
        answer = ask([server.address], "example.com", "MX")
        assert (answer.status, answer.extended_errors[0][0]) == (Status.SERVFAIL, 22)


def test_a_server_without_edns_is_asked_plainly_and_remembered() -> None:
    """FORMERR to EDNS is asked again without, and the next question begins without."""
    with Twisted(no_edns) as server:

        async def work(door: LiveDns) -> tuple[Answer, Answer]:
            return await door.ask(Question("example.com", "MX")), await door.ask(Question("example.com", "TXT"))

        first, second = with_door([server.address], work)
        assert first.status is second.status is Status.OK
        assert server.seen == 3


def test_answers_to_other_questions_are_ignored() -> None:
    """A wrong id, a forged question and an echo of the query are not believed."""
    with Twisted(liar_first) as server:
        answer = ask([server.address], "example.com", "MX")
        assert answer.records == ((10, "mx.example.com"),)


def test_a_truncated_answer_is_fetched_over_tcp() -> None:
    """240 TXT records of 200 octets, 60 kB in all, arrive whole."""
    with Nameserver([zone()]) as server:
        answer = ask([server.address], "big.example.com", "TXT", (1.0, 2.0, 2.0))
        assert answer.status is Status.OK
        assert len(answer.records) == 240
        assert sum(len(b"".join(record)) for record in answer.records) > 45_000
        assert [transport for _, _, transport in server.queries] == ["udp", "tcp"]


def test_truncation_without_tcp_ends_as_a_failure() -> None:
    """A server that truncates and then closes the TCP connection told nothing."""

    def respond(server: Twisted, query: object, transport: str) -> object:
        return server.honest(query, "udp") if transport == "udp" else ()  # type: ignore[arg-type]

    with Twisted(respond) as server:  # type: ignore[arg-type]
        answer = ask([server.address], "big.example.com", "TXT")
        assert not answer.known


def test_an_alias_is_followed_inside_one_response() -> None:
    """The chain is kept as evidence."""
    with Nameserver([zone()]) as server:
        answer = ask([server.address], "alias.example.com", "A")
        assert (answer.records, answer.aliases) == (("192.0.2.1",), ("mx.example.com",))


def test_an_alias_left_unresolved_is_asked_on() -> None:
    """An authoritative server gives the CNAME alone; its target is asked for."""

    def bare(server: Twisted, query: object, transport: str) -> bytes:
        response = server.answer(query)  # type: ignore[arg-type]
        del response.answer[1:]
        response.authority.clear()
        return server.pack(response, query, transport)  # type: ignore[arg-type]

    with Twisted(bare) as server:
        answer = ask([server.address], "alias.example.com", "A")
        assert (answer.records, answer.aliases) == (("192.0.2.1",), ("mx.example.com",))
        assert server.seen == 2


def test_a_cname_loop_is_malformed() -> None:
    """Two aliases that point at each other end, and are told as what they are."""
    with Nameserver([zone()]) as server:
        answer = ask([server.address], "one.example.com", "A")
        assert answer.status is Status.MALFORMED
        assert "alias loop" in answer.detail


def test_a_refused_port_is_unreachable_at_once() -> None:
    """Nobody listens: told within a second, and not as a timeout."""
    with closed() as address:
        began = time.monotonic()
        answer = ask([address], "example.com", "MX", (1.0, 2.0, 4.0))
        assert answer.status is Status.UNREACHABLE
        assert time.monotonic() - began < 1


def test_silence_is_a_timeout_and_is_remembered() -> None:
    """After a silent server is known to be dead, further questions fail at once instead of waiting again."""
    with silent() as address:

        async def work(door: LiveDns) -> tuple[list[Answer], float]:
            names = [f"n{i}.example.com" for i in range(4)]
            first = await asyncio.gather(*(door.ask(Question(name, "TXT")) for name in names))
            await door.ask(Question("canary.example.com", "TXT"))
            began = time.monotonic()
            rest = [await door.ask(Question(f"m{i}.example.com", "TXT")) for i in range(50)]
            return [*first, *rest], time.monotonic() - began

        answers, elapsed = with_door([address], work)
        assert {answer.status for answer in answers} == {Status.TIMEOUT}
        assert elapsed < 0.5
        assert address in answers[-1].why()


def test_a_server_that_comes_back_is_asked_again() -> None:
    """A dead server gets a question now and then; its answer brings it back to life."""
    with Nameserver([zone()]) as server:

        async def work(door: LiveDns) -> list[Answer]:
            for health in door._asking.health.values():
                health.unheard_since, health.unanswered = time.monotonic() - 60, 9
            return [await door.ask(Question(name, "MX")) for name in ("example.com", "mx.example.com")]

        assert [a.status for a in with_door([server.address], work)] == [Status.OK, Status.NODATA]


def test_a_question_that_is_answered_costs_no_task() -> None:
    """Neither alone nor behind the cache; a lost datagram costs some."""
    with Twisted(drop_first) as lossy, Nameserver([zone()]) as server:

        async def main(address: str, names: list[str]) -> int:
            made = []

            def factory(loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
                made.append(coro)
                return asyncio.Task(coro, loop=loop)

            door = LiveDns([parse_server(address)], patience_s=BRISK)
            asyncio.get_running_loop().set_task_factory(factory)
            shared = SharedDoor(door)
            for name in names:
                assert (await door.ask(Question(name, "TXT"))).known
                assert (await shared.ask(Question(name, "TXT"))).known
            await shared.aclose()
            return len(made)

        assert asyncio.run(main(server.address, ["example.com", "mx.example.com", "no.example.com"])) == 0
        assert asyncio.run(main(lossy.address, ["example.com"])) > 0


def test_questions_in_flight_are_capped() -> None:
    """Never more at a time than agreed; all are answered, also when some who wait for their turn leave."""

    class Busy(Slow):
        open = most = 0

        async def respond(self, query: Any, transport: str) -> Any:
            self.open += 1
            self.most = max(self.most, self.open)
            try:
                return await super().respond(query, transport)
            finally:
                self.open -= 1

    with Busy(0.03) as server:

        async def main() -> list[Answer]:
            door = LiveDns([parse_server(server.address)], in_flight=3)
            asked = [asyncio.create_task(door.ask(Question(f"n{i}.example.com", "A"))) for i in range(14)]
            await asyncio.sleep(0.01)
            asked[1].cancel()
            asked[9].cancel()
            answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 20)
            await door.aclose()
            return [answer for answer in answers if isinstance(answer, Answer)]

        assert {answer.status for answer in asyncio.run(main())} == {Status.NXDOMAIN}
        assert len(server.queries) == 13
        assert server.most <= 4  # one that left early is still with the server


class Unwatchable(asyncio.SelectorEventLoop):
    """A loop that watches no sockets of ours, like the Proactor loop of Windows."""

    add_reader = asyncio.AbstractEventLoop.add_reader


def test_a_loop_that_cannot_watch_sockets_hears_the_same() -> None:
    """Answers, a lost datagram, a refused port, and sixty kilobytes over TCP."""
    with Twisted(drop_first) as lossy, Nameserver([zone()]) as server, closed() as nobody:

        async def main() -> list[Answer]:
            questions = [(server.address, "example.com"), (lossy.address, "example.com"), (nobody, "example.com"),
                         (server.address, "big.example.com")]  # fmt: skip
            answers = []
            for address, name in questions:
                door = LiveDns([parse_server(address)], patience_s=(0.5, 1.0, 2.0))
                answers.append(await door.ask(Question(name, "TXT")))
                await door.aclose()
            return answers

        with asyncio.Runner(loop_factory=Unwatchable) as runner:
            answers = runner.run(main())
        assert [a.status for a in answers] == [Status.OK, Status.OK, Status.UNREACHABLE, Status.OK]
        assert len(answers[-1].records) == 240


def test_closing_ends_what_is_under_way() -> None:
    """Whoever asked is told that the sockets are closed, in the first patience and after it."""
    with silent() as deaf:

        async def work(door: LiveDns) -> list[Answer]:
            early = asyncio.create_task(door.ask(Question("early.example.com", "TXT")))
            await asyncio.sleep(0.2)
            late = asyncio.create_task(door.ask(Question("late.example.com", "TXT")))
            await asyncio.sleep(0.01)
            await door.aclose()
            return [await early, await late]

        answers = with_door([deaf], work)
        assert [(a.status, a.detail) for a in answers] == [(Status.UNREACHABLE, "the socket was closed")] * 2


def test_a_door_that_was_closed_opens_anew_when_it_is_asked() -> None:
    """In the same loop and in the next one: what the cache keeps of the door below is as old as its sockets."""
    with Nameserver([zone()]) as server:
        door = SharedDoor(LiveDns([parse_server(server.address)], patience_s=BRISK))

        async def work() -> list[Status]:
            said = []
            for type_ in ("MX", "TXT"):
                door._kept.clear()
                said.append((await door.ask(Question("example.com", type_))).status)
                await door.aclose()
            return said

        assert [*asyncio.run(work()), *asyncio.run(work())] == [Status.OK] * 4


def test_a_question_taken_back_leaves_nothing_behind() -> None:
    """Cancelled in its first patience and after it: no query stays open, no task stays."""
    with silent() as deaf:

        async def work(door: LiveDns) -> tuple[int, int, int]:
            before = len(asyncio.all_tasks())
            for seconds in (0.01, 0.2):
                asked = asyncio.create_task(door.ask(Question(f"n{seconds}.example.com", "TXT")))
                await asyncio.sleep(seconds)
                asked.cancel()
                await asyncio.gather(asked, return_exceptions=True)
                await asyncio.sleep(0.01)
            here = door._here.get()
            channel = here.channel(door._asking.plan()[0])
            return (
                len(here.first) + len(here.later),
                sum(len(p.waiting) for p in channel._all),
                (len(asyncio.all_tasks()) - before),
            )

        assert with_door([deaf], work) == (0, 0, 0)


def test_names_that_cannot_exist_are_never_sent() -> None:
    """An empty label and a label of 64 octets are NXDOMAIN with a reason, and no packet leaves."""
    with Nameserver([zone()]) as server:
        for name in ("a..example.com", f"{'x' * 64}.example.com", ".", ".example.com", ""):
            answer = ask([server.address], name, "A")
            assert answer.status in (Status.NXDOMAIN, Status.NODATA)
        assert {name for name, _, _ in server.queries} <= {"."}


def test_odd_octets_in_names_survive_the_wire() -> None:
    """What SPF macros can produce: blanks, quotation marks, octets beyond ASCII."""
    with Nameserver([zone('$ORIGIN example.com.\n"a b\\"c" TXT "found"\n')]) as server:
        assert ask([server.address], 'a b"c.example.com', "TXT").records == ((b"found",),)
        assert ask([server.address], "\xfc\udc80.example.com", "TXT").status is Status.NXDOMAIN


def test_a_world_can_be_used_in_several_event_loops() -> None:
    """Each blocking verb runs its own loop over the same world; the cache is shared between them."""
    with Nameserver([zone()]) as server:
        world = World.live([server.address])

        async def work() -> Answer:
            answer = await world.ask(Question("example.com", "MX"))
            await world.aclose()
            return answer

        assert asyncio.run(work()).status is asyncio.run(work()).status is Status.OK
        assert len(server.queries) == 1


def test_the_vantage_names_the_resolver_and_whether_its_ad_bit_counts() -> None:
    """Only a resolver on this machine may be believed about DNSSEC."""
    assert World.live(["127.0.0.1:5353"]).vantage.ad_trusted
    far = World.live(["[2001:db8::53]:53", "192.0.2.53"]).vantage
    assert (far.mode, far.resolvers, far.ad_trusted) == ("live", ("2001:db8::53", "192.0.2.53"), False)


def test_a_zone_laid_over_the_live_world_decides_alone() -> None:
    """Names below the zone's origin come from the draft, aliases leave it, other names are asked live."""
    from deliverkit.world.zone import Zone

    draft = Zone.parse("$ORIGIN example.com.\n@ TXT draft\nout CNAME mx.example.net.\n")
    live = Zone.parse("$ORIGIN example.net.\nmx A 192.0.2.9\n")
    with Nameserver([zone(), live]) as server:

        async def work() -> list[Answer]:
            async with World.live([server.address]).with_zone(draft) as world:
                names = [
                    ("example.com", "TXT"),
                    ("mx.example.com", "A"),
                    ("out.example.com", "A"),
                    ("mx.example.net", "A"),
                ]
                return [await world.ask(Question(*name)) for name in names]

        own, absent, away, other = asyncio.run(work())
        assert own.texts == ("draft",)
        assert absent.status is Status.NXDOMAIN
        assert (away.records, away.aliases) == (("192.0.2.9",), ("mx.example.net",))
        assert other.records == ("192.0.2.9",)

"""Single records laid over a world: what they replace, what stays, and what comes into being or goes with them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deliverkit.flow import Answer, Question, Status, adrive, ask
from deliverkit.world import World
from deliverkit.world.changes import ChangedDoor, Changes, KnownDoor, NotInHand, Touched
from deliverkit.world.masterfile import ZoneError

RECORDS: dict[str, dict[str, Any]] = {
    "example.com": {"TXT": ["v=spf1 -all", "other=1"], "MX": ["10 a.example.com.", "20 b.example.com."]},
    "_dmarc.example.com": {"CNAME": ["_dmarc.example.net."]},
    "_dmarc.example.net": {"TXT": ["v=DMARC1; p=none"]},
    "alias.example.com": {"CNAME": ["example.com."]},
    "*.wild.example.com": {"TXT": ["everywhere"], "A": ["192.0.2.1"]},
    "own.wild.example.com": {"A": ["192.0.2.2"]},
}


def told(question: str, *, removes: tuple[str, ...] = (), adds: tuple[str, ...] = ()) -> Answer:
    """The answer to "TYPE name" with these changes."""
    type_, _, name = question.partition(" ")
    world = World.from_records(RECORDS).with_changes(Changes.read(removes, adds), {})
    assert world.told
    return asyncio.run(world.ask(Question(name, type_)))


def test_a_record_takes_the_place_of_another_and_leaves_the_rest() -> None:
    """What is taken out is compared as text, however it was cut into strings."""
    answer = told("TXT example.com", removes=('example.com. TXT "v=sp" "f1 -all"',), adds=('example.com. TXT "new"',))
    assert answer.texts == ("other=1", "new")
    assert told("MX example.com", removes=("example.com. MX 10 a.example.com.",)).records == ((20, "b.example.com"),)
    assert told("A example.com", adds=('example.com. TXT "new"',)).status is Status.NODATA


def test_the_last_record_leaves_a_name_without_data() -> None:
    """NODATA, no NXDOMAIN: nobody knows what else stands there."""
    gone = told("TXT _dmarc.example.net", removes=('_dmarc.example.net. TXT "v=DMARC1; p=none"',))
    assert gone.status is Status.NODATA and gone.records == ()


def test_a_new_name_and_those_above_it_exist() -> None:
    """RFC 8020: no name is absent when one below it has a record."""
    adds = ('s1._domainkey.example.net. TXT "v=DKIM1; p="',)
    assert told("TXT s1._domainkey.example.net", adds=adds).texts == ("v=DKIM1; p=",)
    assert told("A s1._domainkey.example.net", adds=adds).status is Status.NODATA
    assert told("TXT _domainkey.example.net", adds=adds).status is Status.NODATA
    assert told("TXT s2._domainkey.example.net", adds=adds).status is Status.NXDOMAIN


def test_an_alias_makes_room() -> None:
    """RFC 1034 §3.6.2: a name with a CNAME has no other record."""
    adds = ('_dmarc.example.com. TXT "v=DMARC1; p=reject"',)
    assert told("TXT _dmarc.example.com", adds=adds).texts == ("v=DMARC1; p=reject",)
    removes = ("_dmarc.example.com. CNAME _dmarc.example.net.",)
    assert told("MX _dmarc.example.com", removes=removes, adds=adds).status is Status.NODATA
    assert told("CNAME _dmarc.example.com", removes=removes, adds=adds).status is Status.NODATA
    assert told("TXT _dmarc.example.net", adds=adds).texts == ("v=DMARC1; p=none",)


def test_a_new_alias_is_followed() -> None:
    """To records that stand there, to nothing, and round in a circle."""
    adds = ("new.example.com. CNAME _dmarc.example.net.",)
    answer = told("TXT new.example.com", adds=adds)
    assert answer.texts == ("v=DMARC1; p=none",) and answer.aliases == ("_dmarc.example.net",)
    assert told("CNAME new.example.com", adds=adds).records == ("_dmarc.example.net",)
    nowhere = told("TXT new.example.com", adds=("new.example.com. CNAME gone.example.net.",))
    assert nowhere.status is Status.NXDOMAIN and nowhere.aliases == ("gone.example.net",)
    circle = ("a.example.net. CNAME b.example.net.", "b.example.net. CNAME a.example.net.")
    assert told("TXT a.example.net", adds=circle).status is Status.MALFORMED


def test_an_alias_leads_to_the_changed_record() -> None:
    """A chain of aliases that ends at a changed name ends at what stands there now."""
    answer = told("TXT alias.example.com", adds=('example.com. TXT "new"',))
    assert answer.texts == ("v=spf1 -all", "other=1", "new") and answer.aliases == ("example.com",)
    changed = told("TXT _dmarc.example.com", adds=('_dmarc.example.net. TXT "v=DMARC1; p=reject"',))
    assert changed.texts[-1] == "v=DMARC1; p=reject" and changed.question.name == "_dmarc.example.com"


def test_wildcards() -> None:
    """RFC 4592: a wildcard answers for names that do not exist, and for none that does."""
    changed: dict[str, Any] = {
        "removes": ('*.wild.example.com. TXT "everywhere"',),
        "adds": ('*.wild.example.com. TXT "x"',),
    }
    assert told("TXT some.wild.example.com", **changed).texts == ("x",)
    assert told("TXT own.wild.example.com", **changed).status is Status.NODATA
    assert told("TXT example.com", **changed).texts == ("v=spf1 -all", "other=1")
    new = ('*._domainkey.example.com. TXT "v=DKIM1; p="',)
    assert told("TXT anything._domainkey.example.com", adds=new).texts == ("v=DKIM1; p=",)
    assert told("TXT one.wild.example.com", adds=('one.wild.example.com. TXT "own"',)).texts == ("own",)


def test_what_nobody_tells_stays_untold() -> None:
    """A name that times out may hold anything beside the new record."""
    world = World.from_records(RECORDS, failures={("slow.example.com", "TXT"): "timeout"})
    changed = world.with_changes(Changes.read((), ('slow.example.com. TXT "new"',)), {})
    assert asyncio.run(changed.ask(Question("slow.example.com", "TXT"))).status is Status.TIMEOUT


def test_answers_in_hand_are_not_asked_again() -> None:
    """A world that has to be waited for is asked for the rest only."""
    asked: list[Question] = []

    class Slow:
        tell = None

        async def ask(self, question: Question) -> Answer:
            asked.append(question)
            await asyncio.sleep(0)
            return Answer(question, Status.NXDOMAIN)

        async def aclose(self) -> None:
            return None

    known = {Question("example.com", "TXT"): Answer(Question("example.com", "TXT"), Status.OK, ((b"old",),))}
    door = ChangedDoor(Changes.read((), ('example.com. TXT "new"',)), KnownDoor(known, Slow()))
    assert door.tell is None
    answer = asyncio.run(adrive(ask("example.com", "TXT"), door.ask))
    assert answer.texts == ("old", "new") and asked == []
    asyncio.run(adrive(ask("example.net", "TXT"), door.ask))
    assert asked == [Question("example.net", "TXT")]
    asyncio.run(door.aclose())


def test_what_a_change_touches() -> None:
    """Only questions that could be answered differently are worth asking again."""
    changes = Changes.read((), ('s1._domainkey.example.com. TXT "x"', '*.w.example.com. TXT "x"'))

    def touched(name: str, status: Status = Status.NODATA, aliases: tuple[str, ...] = ()) -> bool:
        question = Question(name, "TXT")
        answer = Answer(question, status, aliases=aliases)
        return Touched({question: answer}).by(changes) == {question}

    assert touched("S1._domainkey.example.com") and touched("a.w.example.com")
    assert touched("_domainkey.example.com", Status.NXDOMAIN) and not touched("_domainkey.example.com")
    assert not touched("example.com") and not touched("w.example.com") and not touched("xs1._domainkey.example.com")
    assert touched("elsewhere.example", aliases=("s1._domainkey.example.com",))


@pytest.mark.parametrize(
    "line", ["example.com. TXT", "example.com. A 192.0.2.999", f"{'a' * 64}.com. TXT x", "$INCLUDE /etc/passwd"]
)
def test_what_cannot_be_published_is_refused(line: str) -> None:
    """A fix is read as a zone file would be."""
    with pytest.raises(ZoneError):
        Changes.read((), (line,))


def test_what_is_in_hand_is_told_as_the_world_tells_it() -> None:
    """Answers that are known, the changes, and a wildcard that cannot stand beside a name that does not exist."""
    world = World.from_records({"example.com": {"TXT": "old"}, "_dmarc.example.com": {"TXT": "v=DMARC1; p=none"}})
    names = ("example.com", "_dmarc.example.com", "gone.example.com", "_domainkey.example.com")
    known = {Question(name, "TXT"): world.run_told(ask(name, "TXT")) for name in names}
    changes = Changes.read(
        ('_dmarc.example.com. TXT "v=DMARC1; p=none"',),
        ('_dmarc.example.com. TXT "v=DMARC1; p=reject"', 's1._domainkey.example.com. TXT "v=DKIM1; p="'),
    )
    touched = Touched(known)
    door = ChangedDoor(changes, world.dns)
    tell = door.in_hand(touched, touched.by(changes))
    for question in known:
        assert tell(question) == world.with_changes(changes, known).run_told(ask(*question))
    assert tell(Question("_dmarc.example.com", "TXT")).texts == ("v=DMARC1; p=reject",)
    assert tell(Question("_domainkey.example.com", "TXT")).status is Status.NODATA
    assert tell(Question("*.example.com", "TXT")).status is Status.NXDOMAIN
    with pytest.raises(NotInHand):
        tell(Question("*.example.net", "TXT"))
    with pytest.raises(NotInHand):
        tell(Question("example.com", "MX"))

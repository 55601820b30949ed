"""The tree of a record: waves of questions, worst paths, diamonds and circles, and its bounds."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings

from deliverkit.flow import Answer, Flow, Question, Status, Together, drive
from deliverkit.protocols.spf.evaluate import check_host
from deliverkit.protocols.spf.tree import MAX_QUESTIONS, MAX_RECORDS, State, Tree, spf_tree
from tests.protocols.spf.worlds import Hear, Zone, hearing, zones


def tree(zone: Zone, domain: str = "example.com") -> Tree:
    """The tree in a world of literals."""
    return drive(spf_tree(domain), hearing(zone))


def waves(flow: Flow[Tree], hear: Hear) -> Iterator[list[str]]:
    """The questions of a flow, each list asked side by side."""
    asked = next(flow)
    while True:
        assert isinstance(asked, Together)
        questions = [next(inner) for inner in asked.flows]
        yield [str(question) for question in questions]
        try:
            asked = flow.send(tuple(hear(q) for q in questions if isinstance(q, Question)))
        except StopIteration:
            return


PROVIDERS = {
    "example.com": {"TXT": ["v=spf1 include:a.example include:b.example mx -all"], "MX": [(10, "mx.example")]},
    "a.example": "v=spf1 include:a1.example include:a2.example ~all",
    "a1.example": "v=spf1 ip4:192.0.2.0/24 ~all",
    "a2.example": "v=spf1 ip4:192.0.2.0/24 ~all",
    "b.example": "v=spf1 include:a1.example ~all",
    "mx.example": {"A": ["192.0.2.9"], "AAAA": ["2001:db8::9"]},
}


def test_an_audit_waits_for_the_longest_chain_only() -> None:
    """Five includes and an mx take three waves; a name that is included twice is asked once."""
    asked = list(waves(spf_tree("example.com"), hearing(PROVIDERS)))
    assert asked == [
        ["TXT example.com"],
        ["TXT a.example", "TXT b.example", "MX example.com"],
        ["TXT a1.example", "TXT a2.example", "A mx.example", "AAAA mx.example"],
    ]


def test_a_name_included_twice_counts_twice_and_is_no_circle() -> None:
    """Diamonds are legal."""
    found = tree(PROVIDERS)
    assert [w.lookup_count for w in found.worst] == [6, 6]
    assert all(node.state is State.RECORD for node in found.root.walk())


def test_circles_are_found_whatever_the_case() -> None:
    """A name that is its own ancestor is drawn once more and not entered."""
    found = tree({"example.com": "v=spf1 include:b.example -all", "b.example": "v=spf1 redirect=EXAMPLE.com"})
    assert [node.state for node in found.root.walk()] == [State.RECORD, State.RECORD, State.LOOP]


def test_the_worst_path_is_the_one_where_nothing_matches() -> None:
    """Terms behind all, and a redirect beside it, cost nothing."""
    zone = {"example.com": "v=spf1 a:x.example -all a:y.example redirect=z.example"}
    assert [step.term for step in tree(zone).worst[0].lookups] == ["a:x.example"]


def test_an_include_that_passes_everybody_ends_the_path() -> None:
    """What stands behind it is never reached."""
    zone = {"example.com": "v=spf1 include:all.example a:x.example -all", "all.example": "v=spf1 a:y.example +all"}
    assert [step.term for step in tree(zone).worst[0].lookups] == ["include:all.example", "a:y.example"]


def test_an_include_that_fails_some_clients_lets_the_path_go_on() -> None:
    """Clients that the included record fails early go on with the including one."""
    zone = {
        "example.com": "v=spf1 include:all.example a:x.example a:z.example -all",
        "all.example": "v=spf1 -ip4:192.0.2.1 a:y.example +all",
    }
    assert [s.term for s in tree(zone).worst[0].lookups] == ["include:all.example", "a:x.example", "a:z.example"]


def test_families_are_counted_apart() -> None:
    """A host with IPv4 only is a strict void for IPv6 clients."""
    found = tree({"example.com": "v=spf1 a:x.example -all", "x.example": {"A": ["192.0.2.1"]}})
    assert [(w.family, w.void_count, w.void_count_strict) for w in found.worst] == [(4, 0, 0), (6, 0, 1)]


def test_macros_of_the_sender_are_dynamic_and_those_of_the_domain_are_not() -> None:
    """%{i} is not asked literally; %{d} and %{o} are known."""
    zone = {"example.com": "v=spf1 include:%{ir}.x.example include:%{d}.%{o2}.example -all"}
    found = tree({**zone, "example.com.example.com.example": "v=spf1 -all"})
    assert [node.state for node in found.root.walk()] == [State.RECORD, State.DYNAMIC, State.RECORD]
    assert not any("%" in question.name for question in found.answers)
    assert found.worst[0].lookup_count == 2


def test_what_nobody_answered_is_named() -> None:
    """An unanswered include is unknown, neither absent nor sound."""
    found = tree({"example.com": "v=spf1 include:slow.example -all", "slow.example": Status.TIMEOUT})
    assert found.unknown == ("TXT slow.example: timeout",)
    assert [node.state for node in found.root.walk()] == [State.RECORD, State.UNKNOWN]


def test_a_tree_without_end_is_cut() -> None:
    """Every name includes three further names: records, questions and time are bounded, and the cut is told."""

    def hear(question: Question) -> Answer:
        if question.type != "TXT":
            return Answer(question, Status.NODATA)
        text = " ".join(f"include:{letter}{question.name[:40]}.example" for letter in "abc")
        return Answer(question, Status.OK, ((f"v=spf1 {text} -all".encode(),),))

    found = drive(spf_tree("example.com"), hear)
    assert found.cut
    assert len(found.answers) <= MAX_QUESTIONS
    assert sum(1 for node in found.root.walk() if node.record) <= MAX_RECORDS
    assert found.worst[0].lookup_count > 10


def test_a_record_of_thirty_thousand_terms_is_cut() -> None:
    """Sixty thousand octets of "a" cost no more than a moment and no further questions."""
    found = tree({"example.com": {"TXT": ["v=spf1" + " a" * 30_000 + " -all"], "A": ["192.0.2.1"]}})
    assert found.cut and found.worst[0].lookup_count == 100


@settings(max_examples=150, deadline=None)
@given(zone=zones())
def test_no_client_costs_more_than_the_worst_path(zone: Zone) -> None:
    """The static tree and the evaluation agree: no evaluation spends more than the tree says is possible."""
    found = drive(spf_tree("a.example"), hearing(zone))
    circles = any(node.state in (State.LOOP, State.CUT) for node in found.root.walk())
    for ip, worst in (("192.0.2.77", found.worst[0]), ("2001:db8:1::1", found.worst[1]), ("10.9.8.7", found.worst[0])):
        check = drive(check_host(ip, "a.example", "u@a.example", "h.example"), hearing(zone))
        if not circles:
            assert check.lookups <= worst.lookup_count
            assert check.voids <= worst.void_count and check.voids_strict <= worst.void_count_strict


@settings(max_examples=60, deadline=None)
@given(zone=zones())
def test_growing_is_bounded_in_any_world(zone: Zone) -> None:
    """However the names point at each other, the tree ends within its bounds."""
    asked: list[str] = []
    found = drive(spf_tree("a.example"), hearing(zone, asked))
    assert len(asked) == len(set(asked)) <= MAX_QUESTIONS
    assert sum(1 for node in found.root.walk() if node.record) <= MAX_RECORDS

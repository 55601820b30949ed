"""What each branch of a tree costs: by hand, and against the worst path in any world."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings

from deliverkit.flow import drive
from deliverkit.protocols.spf.cost import Priced, priced
from deliverkit.protocols.spf.tree import Tree, spf_tree
from tests.protocols.spf.worlds import Zone, hearing, zones


def tree(zone: Zone) -> Tree:
    """The tree of example.com in a world of literals."""
    return drive(spf_tree("example.com"), hearing(zone))


def flat(branches: tuple[Priced, ...]) -> Iterator[Priced]:
    """All branches in the order of evaluation."""
    for one in branches:
        yield one
        yield from flat(one.inner)


def prices(zone: Zone) -> list[tuple[str, int, int | None]]:
    """Each term that asks DNS: its cost with all below it, and the lookups made so far."""
    return [(p.branch.term.text, p.all_lookups, p.so_far) for p in flat(priced(tree(zone))) if p.all_lookups]


def test_each_branch_has_its_price_and_a_running_count() -> None:
    """An include costs itself and what is below it; the count goes on in the order of evaluation."""
    zone = {
        "example.com": "v=spf1 include:a.example mx:b.example ip4:192.0.2.1 include:a.example -all",
        "a.example": "v=spf1 a:h.example exists:h.example ~all",
        "h.example": {"A": ["192.0.2.9"]},
        "b.example": {"MX": [(10, "h.example")]},
    }
    assert prices(zone) == [
        ("include:a.example", 3, 1),
        ("a:h.example", 1, 2),
        ("exists:h.example", 1, 3),
        ("mx:b.example", 1, 4),
        ("include:a.example", 3, 5),
        ("a:h.example", 1, 6),
        ("exists:h.example", 1, 7),
    ]


def test_where_the_limit_is_passed() -> None:
    """The eleventh term and all behind it are over."""
    zone = {"example.com": f"v=spf1 {' '.join(f'a:h{n}.example' for n in range(12))} -all"}
    assert [one.over for one in flat(priced(tree(zone))) if one.lookups] == [False] * 10 + [True] * 2


def test_dead_branches() -> None:
    """What is never reached, and includes that lead to nothing; a name that did not answer may live."""
    zone = {
        "example.com": "v=spf1 include:gone.example include:b.example all a:late.example",
        "b.example": "v=spf1 -all",
    }
    assert [(one.branch.term.text, one.dead) for one in priced(tree(zone))] == [
        ("include:gone.example", True),
        ("include:b.example", False),
        ("all", False),
        ("a:late.example", True),
    ]


def test_voids_are_counted_for_each_family() -> None:
    """A host with IPv4 alone is void, to the letter, for nobody but IPv6 clients; one without addresses for all."""
    zone = {
        "example.com": "v=spf1 include:a.example a:gone.example -all",
        "a.example": "v=spf1 a:four.example exists:none.example -all",
        "four.example": {"A": ["192.0.2.9"]},
    }
    found = {one.branch.term.text: (one.voids, one.all_voids) for one in flat(priced(tree(zone)))}
    assert found["include:a.example"] == ((0, 0), (1, 1))
    assert found["a:gone.example"] == ((1, 1), (1, 1))
    assert found["a:four.example"] == ((0, 0), (0, 0))


@settings(max_examples=150)
@given(zones())
def test_the_running_count_ends_where_the_worst_path_ends(zone: Zone) -> None:
    """In any world: the count rises by one from term to term, to the number that rule SPF004 judges."""
    grown = drive(spf_tree("a.example"), hearing(zone))
    counted = [one.so_far for one in flat(priced(grown)) if one.so_far is not None]
    assert counted == list(range(1, grown.worst[0].lookup_count + 1))
    for one in flat(priced(grown)):
        assert one.all_lookups == one.lookups + sum(inner.all_lookups for inner in one.inner)

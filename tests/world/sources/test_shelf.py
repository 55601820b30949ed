"""The shelf: zones answer the same whether they are in memory or are read again, and few are in memory."""

from __future__ import annotations

import pytest

from deliverkit.flow import Question, Status
from deliverkit.world.masterfile import ZoneError
from deliverkit.world.overlay import ZoneDoor
from deliverkit.world.sources.shelf import Shelf
from deliverkit.world.table import NowhereDns
from deliverkit.world.zone import Zone


def zone(number: int) -> Zone:
    """A zone of two records."""
    return Zone.parse(f"$ORIGIN z{number}.example.\n@ 60 IN A 192.0.2.{number}\nwww 60 IN A 192.0.2.{number}\n")


def test_few_zones_are_in_memory_and_all_answer() -> None:
    """Read again as often as they were gone, and not more often."""
    read: list[int] = []

    def again(number: int) -> Zone:
        read.append(number)
        return zone(number)

    shelf = Shelf(most=4)
    for number in range(5):
        shelf.put(zone(number), 2, lambda number=number: again(number))  # type: ignore[misc]
    assert list(shelf) == [f"z{number}.example" for number in range(5)]
    assert read == []
    door = ZoneDoor.over(shelf, NowhereDns(Status.UNOBSERVED))
    assert door.tell is not None
    for number in (4, 3, 0, 4, 0):
        answer = door.tell(Question(f"www.z{number}.example", "A"))
        assert answer.records == (f"192.0.2.{number}",)
    assert read == [0]  # 4 was kept as an answer, 3 and 4 as zones
    assert door.tell(Question("www.other.example", "A")).status is Status.UNOBSERVED
    assert len(shelf._kept) == 2


def test_a_zone_larger_than_the_shelf_is_kept_alone() -> None:
    """The memory follows the largest zone."""
    shelf = Shelf(most=4)
    shelf.put(zone(0), 2, lambda: zone(0))
    shelf.put(zone(1), 10, lambda: pytest.fail("it was in memory"))
    assert shelf["z1.example"].origin == "z1.example"
    assert list(shelf._kept) == ["z1.example"]


def test_a_file_that_changed_meanwhile_tells_nothing() -> None:
    """Unknown, and not "no such name"."""

    def broken() -> Zone:
        raise ZoneError("z0.zone", 3, "", "data is missing", "write it")

    shelf = Shelf(most=1)
    shelf.put(zone(0), 2, broken)
    shelf.put(zone(1), 2, lambda: zone(1))
    door = ZoneDoor.over(shelf, NowhereDns(Status.NXDOMAIN))
    assert door.tell is not None
    answer = door.tell(Question("www.z0.example", "A"))
    assert (answer.status, answer.detail) == (Status.UNOBSERVED, "z0.zone:3: data is missing; write it")

"""Zones of many files, of which the last ones used are in memory and the others are read again when they are asked.

A repository may hold millions of records, and one domain's questions lead into few of its zones. So the memory of a
check follows the largest zone and not the repository. What this file will not do: complain of a file; who read it the
first time did.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping

from deliverkit.world.masterfile import ZoneError
from deliverkit.world.zone import Zone

KEPT = 60_000
"""Records in memory at a time, if no single zone has more."""

Again = Callable[[], Zone]


class Shelf(Mapping[str, Zone]):
    """Zones by origin, in the order in which they were put there."""

    def __init__(self, most: int = KEPT) -> None:
        self.most = most
        self._origins: dict[str, tuple[int, Again]] = {}
        self._kept: OrderedDict[str, Zone] = OrderedDict()
        self._held = 0

    def put(self, zone: Zone, records: int, again: Again) -> None:
        """Keep a zone of so many records; ``again`` reads it anew."""
        self._origins[zone.origin] = (records, again)
        self._keep(zone)

    def _keep(self, zone: Zone) -> None:
        self._kept[zone.origin] = zone
        self._held += self._origins[zone.origin][0]
        while self._held > self.most and len(self._kept) > 1:
            gone, _ = self._kept.popitem(last=False)
            self._held -= self._origins[gone][0]

    def __getitem__(self, origin: str) -> Zone:
        zone = self._kept.get(origin)
        if zone is not None:
            self._kept.move_to_end(origin)
            return zone
        _, again = self._origins[origin]
        try:
            zone = again()
        except ZoneError as bad:  # it changed meanwhile: nothing can be said of it any more
            zone = Zone(origin, (), file=bad.file, unknown={("*", "*"): str(bad)})
        self._keep(zone)
        return zone

    def __contains__(self, origin: object) -> bool:
        return origin in self._origins

    def get(self, origin: str, default: Zone | None = None) -> Zone | None:  # type: ignore[override]
        """The zone, or ``default``; names without a zone are asked for all the time."""
        return self[origin] if origin in self._origins else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._origins)

    def __len__(self) -> int:
        return len(self._origins)

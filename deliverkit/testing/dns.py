"""The DNS of a test: a closed world that the test fills, record by record or from zone files, also while it is used.

A name that nobody added does not exist, and nothing is ever asked of a network. What this file will not do: know what
a record means; every judgement is made by the public verbs in `ToldDns.world`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deliverkit.facts.vantage import Vantage
from deliverkit.flow import Answer, Question, Status
from deliverkit.world import World
from deliverkit.world.overlay import ZoneDoor
from deliverkit.world.table import NowhereDns, NowhereSmtp, fixed_clock, read_failures, table_records
from deliverkit.world.values import canonical
from deliverkit.world.zone import Zone, ZoneRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deliverkit.report.model import Report


class _Door:
    """Answers from what the test has told so far."""

    def __init__(self, dns: ToldDns) -> None:
        self._dns = dns

    async def ask(self, question: Question) -> Answer:
        """Answer one question without asking anybody."""
        return self.tell(question)

    def tell(self, question: Question) -> Answer:
        """The same, without waiting."""
        return self._dns.answer(question)

    async def aclose(self) -> None:
        """Nothing to let go of."""


class ToldDns:
    """What DNS says in a test. `world` is for the ``world=`` of every verb of the library.

    Whoever holds the world sees what is added later. ``revision`` counts the changes.
    """

    def __init__(self) -> None:
        self.revision = 0
        self._records: list[ZoneRecord] = []
        self._failures: dict[tuple[str, str], Status] = {}
        self._door: ZoneDoor | None = None
        self._world = World(_Door(self), NowhereSmtp(), Vantage("closed-world"))

    @property
    def world(self) -> World:
        """The world in which these records are all there is."""
        return self._world

    # -- telling it -------------------------------------------------------------------------------------

    def add(self, name: str, type_: str, *values: Any) -> None:
        """Add records beside those that are there. Raises ValueError for what is no record.

        The value of a TXT record is its joined text, or the tuple of its strings; those of other types are in
        presentation form: ``add("example.com", "MX", "10 mx.example.com.")``.
        """
        if not values:
            raise ValueError(f"no value was given for {name} {type_}; give at least one")
        self._records += table_records({name: {type_: list(values)}})
        self._changed()

    def add_all(self, records: Mapping[str, Mapping[str, Any]]) -> None:
        """Add a table as `World.from_records` takes it: ``{"example.com": {"TXT": [...], "MX": [...]}}``."""
        self._records += table_records(records)
        self._changed()

    def zone(self, source: str | Path, *, origin: str | None = None) -> None:
        """Add the records of a master file: its path, or its text. Raises `ZoneError` with file, line and remedy.

        A text is told by its line end or its blanks. ``origin`` is needed for a text without SOA and ``$ORIGIN``.
        """
        text = isinstance(source, str) and ("\n" in source or len(source.split()) > 1)
        zone = Zone.parse(str(source), origin=origin) if text else Zone.load(source)
        self._records += (*zone.records(), *zone.strays)
        self._changed()

    def remove(self, name: str, type_: str | None = None) -> None:
        """Take the records at a name away, all or those of one type. Raises KeyError where there is none."""
        owner, wanted = canonical(name), type_.upper() if type_ else None
        kept = [r for r in self._records if r.name != owner or (wanted and r.type != wanted)]
        if len(kept) == len(self._records):
            raise KeyError(f"there is no {wanted or 'record'} at {name}")
        self._records = kept
        self._changed()

    def fail(self, name: str, type_: str = "*", how: str = "timeout") -> None:
        """Let a question fail: ``how`` is timeout, servfail, refused, bogus, …; type ``"*"`` means every type."""
        try:
            self._failures |= read_failures({(name, type_): how})
        except ValueError:
            words = ", ".join(status.value for status in Status if status is not Status.OK)
            raise ValueError(f"{how!r} is nothing that can become of a question; expected one of {words}") from None
        self._changed()

    def at(self, now: datetime | None) -> None:
        """Stop the clock: signatures, certificates and dates are judged as of then. None lets it run again."""
        self._world = World(self._world.dns, self._world.smtp, self._world.vantage, fixed_clock(now))
        self.revision += 1

    def _changed(self) -> None:
        self._door = None
        self.revision += 1

    def answer(self, question: Question) -> Answer:
        """What this DNS says to one question."""
        if self._door is None:
            zone = Zone(".", self._records, file="<deliverkit_dns>", cuts=False)
            self._door = ZoneDoor([zone], NowhereDns(Status.NXDOMAIN), self._failures)
        assert self._door.tell is not None
        return self._door.tell(question)

    # -- judging it -------------------------------------------------------------------------------------

    def audit(self, domain: str, *, fail_on: str = "error", **options: Any) -> Report:
        """Audit a domain in this world, and fail with the report if a finding reaches ``fail_on``.

        The options are those of `deliverkit.audit`; ports are not probed, for there are none.
        """
        __tracebackhide__ = True
        import deliverkit

        report = deliverkit.audit(domain, world=self.world, **{"probe": False, **options})
        assert_sound([report], fail_on)
        return report

    def check(self, config: str | Path | None = None, *, fail_on: str | None = None, **options: Any) -> list[Report]:
        """Check a configuration (``deliverkit.toml``) with this world beneath its sources.

        Fails with the reports if a finding reaches ``fail_on``, by default that of the configuration. The options are
        those of `deliverkit.check`.
        """
        __tracebackhide__ = True
        from deliverkit.testing.configured import checked

        reports, threshold = checked(config, world=self.world, **options)
        assert_sound(reports, fail_on or threshold)
        return reports


def assert_sound(reports: Sequence[Report], fail_on: str) -> None:
    """Raise AssertionError with the text of the reports that have a finding at ``fail_on`` or are open."""
    __tracebackhide__ = True
    bad = [report for report in reports if report.exit_status(fail_on)]
    if bad:
        from deliverkit.report import render

        raise AssertionError(f"\n{render(bad, 'text').rstrip()}")

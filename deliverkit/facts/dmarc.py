"""The DMARC facts of a domain: which record applies and why, what stands at its own name, where reports go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from deliverkit.facts.base import Facts, Missing, missing, not_asked
from deliverkit.facts.placed import Misplaced, look_elsewhere
from deliverkit.flow import Answer, Flow, Status, ask, together
from deliverkit.protocols.dmarc.destinations import Destination, destinations
from deliverkit.protocols.dmarc.discover import Discovery, Step, discover_dmarc
from deliverkit.protocols.dmarc.record import DmarcRecord, is_dmarc, looks_like_dmarc, parse_dmarc
from deliverkit.protocols.dmarc.suffixes import LACKING, SuffixAnswer, by_suffix_list

PREFIX = "_dmarc"


@dataclass(frozen=True, repr=False)
class DmarcFacts(Facts):
    """What DNS says of DMARC for one domain.

    ``discovery`` always tells how far it came. ``record``, ``policy`` and ``org_domain`` are what it found: record is
    None when no DMARC record applies, policy None also when the one there is states nothing usable. ``own`` maps the
    place in ``answer`` to each text at the domain's own ``_dmarc`` that is meant for DMARC, valid or not. ``alias`` is
    a CNAME that stands beside these records, and ``wildcard`` True if what answers there answers everywhere.
    ``suffix`` is what the public suffix list would have found (RFC 7489), not asked without the extra ``psl``.
    """

    domain: str
    discovery: Discovery
    answer: Answer
    own: tuple[tuple[int, DmarcRecord], ...]
    record: DmarcRecord | None
    policy: str | None
    org_domain: str | None
    destinations: tuple[Destination, ...] = ()
    misplaced: tuple[Misplaced, ...] = ()
    alias: Answer | None = None
    wildcard: bool = False
    mx: Answer | None = None
    suffix: SuffixAnswer = field(default=not_asked(LACKING))

    @property
    def subject(self) -> str:
        return self.domain

    @property
    def step(self) -> Step | None:
        """The step of the walk at which the record that applies was found."""
        return self.discovery.step

    @property
    def takes_mail(self) -> bool:
        """True if the domain has an MX other than a null MX. Known only where ``mx`` was asked."""
        return self.mx is not None and any(exchange != "." for _, exchange in self.mx.records)

    @property
    def inherited(self) -> bool:
        """True if the record that applies stands at a name further up."""
        return self.record is not None and self.discovery.record_domain != self.domain

    def to_json(self) -> dict[str, object]:
        """The discovery, and what stands around it."""
        own, suffix = self.raw("own"), self.raw("suffix")
        return {
            **self.discovery.to_json(),
            "own_records": [record for _, record in own] if isinstance(own, tuple) else None,
            "destinations": self.raw("destinations"),
            "misplaced": self.raw("misplaced"),
            "suffix_list": {"trouble": suffix.reason} if isinstance(suffix, Missing) else suffix,
        }


def observe_dmarc(domain: str) -> Flow[DmarcFacts]:
    """Discover the record that applies, and look for what goes wrong around it."""
    discovery = yield from discover_dmarc(domain)
    answer = discovery.steps[0].answer
    if not answer.known:
        unknown = missing(answer.why())
        return DmarcFacts(
            domain,
            discovery,
            answer,
            unknown,
            unknown,
            unknown,
            unknown,
            unknown,
            unknown,
            alias=unknown,
            mx=unknown,
            suffix=unknown,
        )
    trouble: Any = missing(discovery.trouble) if discovery.trouble else None
    unknown_above: Any = missing(discovery.walk.unknown[0].answer.why()) if discovery.walk.unknown else None
    texts = answer.texts if answer.status is Status.OK else ()
    own = tuple((i, parse_dmarc(text)) for i, text in enumerate(texts) if is_dmarc(text) or looks_like_dmarc(text))
    found: tuple[Any, ...] = yield from together(
        destinations(discovery),
        _if(not own, look_elsewhere(domain, PREFIX, is_dmarc), ()),
        _alias_beside(answer),
        _if(discovery.record is None or discovery.record.psd == "y", _mx(domain), None),
        _if(bool(texts) and not own, _answers_everywhere(domain, answer), False),
        by_suffix_list(discovery),
    )
    listed, misplaced, alias, mx, wildcard, suffix = found
    return DmarcFacts(
        domain=domain,
        discovery=discovery,
        answer=answer,
        own=own,
        record=discovery.record or trouble,
        policy=trouble or discovery.policy,
        org_domain=unknown_above or discovery.org_domain,
        destinations=listed,
        misplaced=misplaced,
        alias=alias,
        wildcard=wildcard,
        mx=mx,
        suffix=suffix or not_asked(LACKING),
    )


def _if(wanted: bool, flow: Flow[Any], otherwise: Any) -> Flow[Any]:
    """Run the flow only where its question matters."""
    return (yield from flow) if wanted else otherwise


def _mx(domain: str) -> Flow[Answer]:
    answer = yield from ask(domain, "MX")
    return answer if answer.known else missing(answer.why())


def _alias_beside(answer: Answer) -> Flow[Answer | None]:
    """A CNAME beside the TXT records, which DNS forbids (RFC 1034 §3.6.2): each resolver then sees one of the two."""
    if answer.status is not Status.OK or answer.aliases:
        return None
    alias = yield from ask(answer.question.name, "CNAME")
    return alias if alias.status is Status.OK else None


def _answers_everywhere(domain: str, answer: Answer) -> Flow[bool]:
    """Whether a wildcard gives the same texts at a name that nobody made (RFC 4592)."""
    elsewhere = yield from ask(f"_no-such-name-here.{domain}", "TXT")
    return elsewhere.status is Status.OK and elsewhere.texts == answer.texts

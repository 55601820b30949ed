"""DMARC policy discovery and the DNS Tree Walk (RFC 9989 §4.10), with every step explained.

`walk` asks ``_dmarc`` at a name and at the names above it; `discover_dmarc` reads the policy, and the Organizational
Domain, for an Author Domain out of such a walk. A name that nobody could answer for stays unknown: the discovery then
says what it does know and why the rest could not be told. Opinions about the record are not found here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from deliverkit.flow import Answer, Flow, Status, ask
from deliverkit.names import labels
from deliverkit.protocols.dmarc.record import POLICIES, DmarcRecord, is_dmarc, looks_like_dmarc, parse_dmarc

CUT = 7  # a name of eight labels or more is cut to this many after the first query


@dataclass(frozen=True, slots=True)
class Step:
    """One query of the walk. ``records`` are the texts taken for DMARC records, ``indexes`` their places in the answer.

    ``seen`` tells what came back and ``why`` what followed from it, both in words.
    """

    domain: str
    answer: Answer
    records: tuple[DmarcRecord, ...]
    indexes: tuple[int, ...]
    seen: str
    why: str

    @property
    def name(self) -> str:
        """The name that was asked."""
        return self.answer.question.name

    @property
    def record(self) -> DmarcRecord | None:
        """The one record at this name; several are all discarded (RFC 9989 §4.10 step 2)."""
        return self.records[0] if len(self.records) == 1 else None

    @property
    def index(self) -> int | None:
        """The place of `record` in the answer."""
        return self.indexes[0] if len(self.records) == 1 else None

    def to_json(self) -> dict[str, object]:
        """What was asked, seen and concluded."""
        return {"name": self.name, "status": self.answer.status, "seen": self.seen, "why": self.why}


@dataclass(frozen=True, slots=True)
class Walk:
    """The DNS Tree Walk from one name."""

    domain: str
    steps: tuple[Step, ...]

    @property
    def unknown(self) -> tuple[Step, ...]:
        """The steps that nobody could answer."""
        return tuple(step for step in self.steps if not step.answer.known)

    @property
    def org_domain(self) -> str | None:
        """The Organizational Domain (RFC 9989 §4.10.2); None if an unanswered step could change it."""
        return None if self.unknown else self.org_domain_if({})

    @property
    def org_reason(self) -> str:
        """Why this name is the Organizational Domain, by the rules of RFC 9989 §4.10.2."""
        if self.unknown:
            return f"could not be told: {self.unknown[0].answer.why()}"
        for step in self.steps:
            if step.record and step.record.psd == "n":
                return f"psd=n at _dmarc.{step.domain}"
            if step.record and step.record.psd == "y" and step.domain != self.domain:
                return f"one label below the Public Suffix Domain {step.domain} (psd=y)"
        if any(step.record for step in self.steps):
            return "the shortest name on the way that has a record"
        return "no name on the way has a record, so it is the one where the walk began"

    def to_json(self) -> dict[str, object]:
        """Where the walk led, and every step."""
        return {
            "domain": self.domain,
            "org_domain": self.org_domain,
            "org_reason": self.org_reason,
            "steps": self.steps,
        }

    def org_domain_if(self, psd: Mapping[str, str]) -> str:
        """The Organizational Domain, supposing records with these ``psd`` values at unanswered domains."""
        found = [
            (step.domain, step.record.psd if step.record else psd[step.domain])
            for step in self.steps
            if step.record or step.domain in psd
        ]
        for domain, flag in found:  # from the longest name to the shortest
            if flag == "n":  # rule 1
                return domain
            if flag == "y" and domain != self.domain:  # rule 2: one label below the Public Suffix Domain
                return ".".join(labels(self.domain)[-len(labels(domain)) - 1 :])
        return found[-1][0] if found else self.domain  # rule 3: the shortest name; none: where we started

    def at(self, domain: str | None) -> Step | None:
        """The step that asked about this domain."""
        return next((step for step in self.steps if step.domain == domain), None)


def walked_names(domain: str) -> Iterator[str]:
    """The domains whose ``_dmarc`` is asked, in order: at most eight (RFC 9989 §4.10 steps 3 to 5)."""
    parts = labels(domain)
    yield ".".join(parts)
    above = parts[-CUT:] if len(parts) > CUT else parts[1:]
    for start in range(len(above)):
        yield ".".join(above[start:])


def walk(domain: str) -> Flow[Walk]:
    """Walk up from a domain until a record says psd=y or psd=n, or no label is left (RFC 9989 §4.10)."""
    steps: list[Step] = []
    names = list(walked_names(domain))
    for number, name in enumerate(names):
        answer = yield from ask(f"_dmarc.{name}", "TXT")
        step = step_of(name, answer, names[number + 1] if number + 1 < len(names) else None)
        steps.append(step)
        if step.record and step.record.psd in ("y", "n"):
            break
    return Walk(names[0], tuple(steps))


def step_of(domain: str, answer: Answer, above: str | None) -> Step:
    """What one answer means for the walk. ``above`` is the domain asked next, None at the end."""
    chosen = [i for i, text in enumerate(answer.texts) if answer.status is Status.OK and is_dmarc(text)]
    records = tuple(parse_dmarc(answer.texts[i]) for i in chosen)
    onward = f"go on to _dmarc.{above}" if above else "no label is left: the walk ends"
    if len(records) == 1 and records[0].psd == "y":
        why = "psd=y, a Public Suffix Domain: the walk ends"
    elif len(records) == 1 and records[0].psd == "n":
        why = "psd=n, the Organizational Domain: the walk ends"
    elif len(records) == 1:
        why = f"no psd tag, so a shorter name may hold a record too: {onward}"
    elif len(records) > 1:
        why = f"several records are all discarded (RFC 9989 §4.10): {onward}"
    elif not answer.known:
        why = f"what stands here is unknown: {onward}"
    else:
        why = onward
    return Step(domain, answer, records, tuple(chosen), _seen(answer, records), why)


def _seen(answer: Answer, records: tuple[DmarcRecord, ...]) -> str:
    via = f" (by the alias {' → '.join(answer.aliases)})" if answer.aliases else ""
    if answer.status is Status.NXDOMAIN:
        return f"no such name{via}"
    if answer.status is Status.NODATA:
        return f"no TXT record{via}"
    if answer.status is not Status.OK:
        return f"{answer.status}{f' ({answer.detail})' if answer.detail else ''}"
    if len(records) == 1:
        return f"{records[0].text}{via}"
    if records:
        return f"{len(records)} DMARC records{via}"
    nearly = sum(looks_like_dmarc(text) for text in answer.texts)
    if nearly:
        return f"{_count(nearly, 'TXT record')} meant for DMARC, but without a valid v=DMARC1 in front{via}"
    return f"{_count(len(answer.texts), 'TXT record')}, none for DMARC{via}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


class Source(StrEnum):
    """Whose record decides (RFC 9989 §4.10.1)."""

    AUTHOR = "author domain"
    ORGANIZATIONAL = "organizational domain"
    SUFFIX = "public suffix domain"


@dataclass(frozen=True, slots=True)
class Discovery:
    """The policy that applies to mail From an Author Domain.

    ``published`` is the policy the record asks for, ``policy`` what t=y leaves of it (RFC 9989 §4.7): both None when
    DMARC does not apply or ``trouble`` says why it could not be told. ``taken_from`` is the tag the policy comes from.
    ``exists`` is False for a domain that DNS says does not exist, None when nobody needed to know.
    """

    domain: str
    walk: Walk
    source: Source | None = None
    record: DmarcRecord | None = None
    record_domain: str | None = None
    published: str | None = None
    taken_from: str | None = None
    exists: bool | None = None
    trouble: str | None = None

    @property
    def policy(self) -> str | None:
        """The policy receivers are asked to apply now: one level less in test mode."""
        if self.published is None or self.record is None or not self.record.t:
            return self.published
        return POLICIES[max(POLICIES.index(self.published) - 1, 0)]

    @property
    def org_domain(self) -> str | None:
        """The Organizational Domain of the Author Domain; None if it could not be told."""
        return self.walk.org_domain

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every query of the walk, explained."""
        return self.walk.steps

    @property
    def step(self) -> Step | None:
        """The step at which the deciding record was found."""
        return self.walk.at(self.record_domain)

    def to_json(self) -> dict[str, object]:
        """The outcome first, then how it came about."""
        return {
            "domain": self.domain,
            "record": self.record,
            "record_domain": self.record_domain,
            "source": self.source,
            "policy": self.policy,
            "published": self.published,
            "taken_from": self.taken_from,
            "org_domain": self.org_domain,
            "org_reason": self.walk.org_reason,
            "exists": self.exists,
            "trouble": self.trouble,
            "steps": self.steps,
        }


def discover_dmarc(domain: str) -> Flow[Discovery]:
    """Find the record and the policy for an Author Domain (RFC 9989 §4.10.1). The domain is in A-label form."""
    walked = yield from walk(domain)
    first = walked.steps[0]
    if first.record:
        return _decided(walked, Source.AUTHOR, first)
    if not first.answer.known:
        return Discovery(walked.domain, walked, trouble=first.answer.why())
    org_domain = walked.org_domain
    if org_domain is None:
        return Discovery(walked.domain, walked, trouble=walked.unknown[0].answer.why())
    source, step = Source.ORGANIZATIONAL, walked.at(org_domain)
    if step is None or step.record is None:  # the Public Suffix Domain's record is the last resort
        source, step = Source.SUFFIX, next((s for s in reversed(walked.steps) if s.record), None)
    if step is None or step.record is None:
        return Discovery(walked.domain, walked)
    return (yield from _inherited(walked, source, step))


def _decided(walked: Walk, source: Source, step: Step, tag: str = "p", exists: bool | None = None) -> Discovery:
    record = step.record
    assert record is not None
    published, taken_from = record.asked(tag) if record.applies else (None, None)
    return Discovery(walked.domain, walked, source, record, step.domain, published, taken_from, exists)


def _inherited(walked: Walk, source: Source, step: Step) -> Flow[Discovery]:
    """A record from further up: sp for a domain that exists, np for one that does not."""
    record = step.record
    assert record is not None
    if not record.applies or record.asked("sp") == record.asked("np"):
        return _decided(walked, source, step, "sp")
    answer = yield from ask(walked.domain, "TXT")
    if not answer.known:
        why = f"whether {walked.domain} exists is unknown ({answer.why()})"
        return Discovery(walked.domain, walked, source, record, step.domain, trouble=why)
    exists = answer.status is not Status.NXDOMAIN  # RFC 9989 §3.2.13; NOERROR without data exists
    return _decided(walked, source, step, "sp" if exists else "np", exists)

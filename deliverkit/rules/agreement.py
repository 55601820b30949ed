"""Opinions about those who answer for a domain: its own servers, several resolvers, and a source beside DNS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from deliverkit.facts.agreement import AUTHORITATIVE, RESOLVERS, AgreementFacts, DriftFacts, Standing, Voice
from deliverkit.facts.base import NotApplicable
from deliverkit.findings import Evidence, Severity, evidence_of, finding
from deliverkit.flow import Answer, Question, Status
from deliverkit.rules.registry import Findings, rule

MOST_SHOWN = 20


def _of_kind(facts: AgreementFacts, kind: str) -> tuple[Voice, ...]:
    """The voices of facts of this kind. Raises Unobserved when nobody could be asked."""
    if facts.kind != kind:
        raise NotApplicable
    return facts.voices


def _evidence(facts: AgreementFacts, questions: Iterable[Question]) -> tuple[Evidence, ...]:
    seen = [e for q in questions for voice in facts.voices for e in evidence_of(_named(voice, q))]
    return tuple(seen[:MOST_SHOWN])


def _named(voice: Voice, question: Question) -> Answer:
    return replace(voice.answers[question], server=voice.server)


def _told(questions: Iterable[Question]) -> str:
    named = list(map(str, questions))
    return ", ".join(named[:4]) + (f" and {len(named) - 4} more" if len(named) > 4 else "")


@rule("AGREE001", Severity.WARNING, "RFC 1034 §4.3.5, RFC 1912 §2.2")
def servers_publish_different_records(facts: AgreementFacts) -> Findings:
    """The servers of the zone say different things.

    Why: which of them a receiver asks is chance, so mail passes or fails by chance. While a change spreads this lasts
    minutes; where it lasts, a server no longer transfers the zone.
    Fix: compare the serial numbers; let the servers that lag transfer the zone (check NOTIFY, the allowed addresses,
    and that the serial was raised), and ask again.
    """
    voices = _of_kind(facts, AUTHORITATIVE)
    torn = facts.torn
    if len(voices) > 1 and torn:
        serials = facts.serials()
        same = len(set(serials.values())) == 1
        said = (
            f"all at serial {next(iter(serials.values()))}"
            if same
            else ", ".join(f"{server} at serial {serial}" for server, serial in serials.items())
        )
        yield finding(f"{_told(torn)}; {said}", at=_evidence(facts, torn))


@rule("AGREE002", Severity.WARNING, "RFC 1912 §2.8, RFC 2182 §3")
def server_of_the_zone_does_not_serve_it(facts: AgreementFacts) -> Findings:
    """A server that the zone names does not answer for it.

    Why: resolvers that try it wait for nothing or are sent away; with the others slow or gone the domain vanishes, and
    receivers put mail off.
    Fix: configure the zone on that server, let it be reached on port 53 by UDP and TCP, or take its NS record out here
    and at the registry.
    """
    for voice in _of_kind(facts, AUTHORITATIVE):
        soa = voice.answers[Question(facts.zone, "SOA")]
        if soa.status is not Status.OK:
            why = soa.detail or soa.status.value
            yield finding(f"{voice.server} on {facts.zone}: {why}", at=evidence_of(soa), subject=facts.zone)


@rule("AGREE003", Severity.NOTE, "RFC 1034 §4.3.5")
def servers_at_different_serials(facts: AgreementFacts) -> Findings:
    """The servers of the zone hold different versions of it.

    Why: a change is spreading. What matters for mail is the same on all of them already.
    Fix: nothing, if it ends within the refresh time of the zone; else look why a server does not transfer it.
    """
    voices = _of_kind(facts, AUTHORITATIVE)
    serials = facts.serials()
    if len(voices) > 1 and len(set(serials.values())) > 1 and not facts.torn:
        said = ", ".join(f"{server} at serial {serial}" for server, serial in serials.items())
        yield finding(said, at=_evidence(facts, [Question(facts.zone, "SOA")]), subject=facts.zone)


@rule("AGREE004", Severity.WARNING, "RFC 2308 §5, RFC 8767 §4")
def resolvers_say_different_things(facts: AgreementFacts) -> Findings:
    """Resolvers say different things about the domain.

    Why: receivers ask resolvers of their own; some see the old records, or others than yours. After a change this lasts
    as long as the TTL of what was there before; otherwise views or filters differ.
    Fix: wait for the TTL and ask again; ask the servers of the zone themselves (--authoritative) to see what is
    published.
    """
    voices = _of_kind(facts, RESOLVERS)
    torn = facts.torn
    if len(voices) > 1 and torn:
        longest = max((voice.answers[q].ttl or 0 for voice in voices for q in torn), default=0)
        yield finding(f"{_told(torn)}; remembered for up to {longest} s more", at=_evidence(facts, torn))


@rule("AGREE005", Severity.WARNING, "RFC 4035 §5.5, RFC 8914")
def resolver_cannot_tell_what_another_can(facts: AgreementFacts) -> Findings:
    """One resolver has no answer where another one has.

    Why: receivers behind such a resolver see a temporary error and put mail off. A resolver that validates refuses
    answers whose signatures fail; one that does not hands them out.
    Fix: look at the reason it gives: mend the signatures of the zone (DNSSEC), or the servers it cannot reach.
    """
    voices = _of_kind(facts, RESOLVERS)
    for voice in voices:
        lost = [
            question
            for question in facts.questions
            if not voice.answers[question].known and any(other.answers[question].known for other in voices)
        ]
        if lost:
            why = voice.answers[lost[0]]
            said = f"{why.status}{f' ({why.detail})' if why.detail else ''}"
            yield finding(f"{voice.server}: {_told(lost)}: {said}", at=_evidence(facts, lost[:3]))


# -- drift ------------------------------------------------------------------------------------------------


def _shown(answer: Answer) -> str:
    if not answer.records:
        return "nothing"
    texts = answer.texts if answer.question.type in ("TXT", "SPF") else tuple(map(_plain, answer.records))
    return "; ".join(texts)


def _plain(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _both(one: Standing) -> tuple[Evidence, ...]:
    """The record of the source first, because that is the line to look at."""
    source = evidence_of(one.source) if one.source.records else ()
    return (*source, *evidence_of(one.live))


def _drifted(facts: DriftFacts, kind: str) -> Iterator[Standing]:
    for one in facts.drifted(mail=True):
        is_ = "changed" if one.source.records and one.live.records else "new" if one.source.records else "gone"
        if is_ == kind:
            yield one


@rule("AGREE010", Severity.WARNING, "RFC 1035 §6.1.3")
def published_records_differ_from_the_source(facts: DriftFacts) -> Findings:
    """DNS publishes other records than the source holds.

    Why: either the source was not published yet, or somebody changed DNS by hand; then the next deployment undoes it.
    Fix: publish the source, or take what DNS says over into it.
    """
    for one in _drifted(facts, "changed"):
        yield finding(f"{one.question}: the source says {_shown(one.source)}, DNS {_shown(one.live)}", at=_both(one))


@rule("AGREE011", Severity.WARNING, "RFC 1035 §6.1.3")
def record_of_the_source_is_not_published(facts: DriftFacts) -> Findings:
    """A record of the source is not in DNS.

    Why: whoever relies on the source believes that it is; receivers do not see it.
    Fix: publish the source; look whether its last deployment failed.
    """
    for one in _drifted(facts, "new"):
        yield finding(f"{one.question}: the source says {_shown(one.source)}, DNS nothing", at=_both(one))


@rule("AGREE012", Severity.WARNING, "RFC 1035 §6.1.3")
def published_record_is_not_in_the_source(facts: DriftFacts) -> Findings:
    """DNS publishes a record that the source does not hold.

    Why: it was made by hand; where a deployment replaces the whole zone the next one deletes it, and mail with it.
    Fix: take it over into the source, or out of DNS.
    """
    for one in _drifted(facts, "gone"):
        yield finding(f"{one.question}: DNS says {_shown(one.live)}, the source nothing", at=_both(one))


@rule("AGREE013", Severity.NOTE, "RFC 1035 §6.1.3")
def other_records_differ_from_the_source(facts: DriftFacts) -> Findings:
    """Records that have nothing to do with mail differ between the source and DNS.

    Why: mail is not hurt, but the source is not what is published.
    Fix: publish the source, or take what DNS says over into it.
    """
    if differing := list(facts.drifted(mail=False)):
        evidence = tuple(e for one in differing[:MOST_SHOWN] for e in _both(one)[:1])
        yield finding(f"{len(differing)}: {_told(one.question for one in differing)}", at=evidence)


@rule("AGREE014", Severity.NOTE, "RFC 1035 §6.1.3")
def source_too_large_to_compare_whole(facts: DriftFacts) -> Findings:
    """The source has more records than are compared with DNS.

    Why: each set is a question to DNS; what matters for mail was compared first.
    Fix: compare the rest by a transfer of the zone.
    """
    if facts.cut:
        yield finding(f"{facts.cut} record sets were not compared", at=Evidence("file", facts.file, file=facts.file))

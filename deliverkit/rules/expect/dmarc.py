"""What is expected of DMARC: its policy, that for subdomains, and who gets the reports."""

from __future__ import annotations

from collections.abc import Iterator

from deliverkit.facts.dmarc import DmarcFacts
from deliverkit.facts.expected import ExpectedFacts
from deliverkit.findings import Draft, Evidence, RecordText, Severity, evidence_of
from deliverkit.protocols.dmarc.record import POLICIES
from deliverkit.rules.expect.reading import seen, unmet
from deliverkit.rules.registry import Findings, rule

_ABSENT = "absent"
_NOTHING = "there is no DMARC record"


@rule("EXP008", Severity.ERROR, "RFC 9989 §4.7")
def dmarc_policy_weaker(facts: ExpectedFacts) -> Findings:
    """The DMARC policy is weaker than expected, or there is one where none is expected.

    Why: receivers deliver forged mail that they were to stop.
    Fix: publish the policy that is expected (without t=y), or change what is expected.
    """
    wanted, dmarc = facts.wanted("dmarc"), facts.domain.dmarc
    record = dmarc.record
    if wanted == _ABSENT:
        if record is not None:
            yield unmet(facts, "dmarc", "there is a DMARC record", _shown(dmarc))
    elif record is None:
        yield unmet(facts, "dmarc", _NOTHING, _shown(dmarc))
    else:
        yield from _weaker(facts, "dmarc", dmarc, dmarc.policy, "p")


@rule("EXP009", Severity.ERROR, "RFC 9989 §4.7")
def dmarc_policy_of_subdomains_weaker(facts: ExpectedFacts) -> Findings:
    """The DMARC policy for subdomains is weaker than expected.

    Why: who forges mail takes a subdomain where the domain itself is protected.
    Fix: publish sp= with the policy that is expected (or p= without sp=), or change what is expected.
    """
    facts.wanted("dmarc-subdomains")
    dmarc = facts.domain.dmarc
    record = dmarc.record
    if record is None:
        yield unmet(facts, "dmarc-subdomains", _NOTHING, _shown(dmarc))
        return
    policy = record.asked("sp")[0] if record.applies else None
    if policy is not None and record.t:  # §4.7: in test mode, one level less
        policy = POLICIES[max(POLICIES.index(policy) - 1, 0)]
    yield from _weaker(facts, "dmarc-subdomains", dmarc, policy, "sp")


@rule("EXP010", Severity.ERROR, "RFC 9989 §4.7")
def dmarc_reports_go_elsewhere(facts: ExpectedFacts) -> Findings:
    """The aggregate reports of DMARC do not go to an address that is expected.

    Why: whoever reads them learns nothing of forgeries, nor of your own mail that fails.
    Fix: add the address to rua=, or change what is expected.
    """
    wanted, dmarc = facts.wanted("dmarc-rua"), facts.domain.dmarc
    record = dmarc.record
    held = set() if record is None else {_address(uri.target) for uri in record.reports_to}
    for address in wanted:
        if _address(address) not in held:
            what = _NOTHING if record is None else f"{address} gets no reports"
            yield unmet(facts, "dmarc-rua", what, _shown(dmarc, "rua"))


def _address(text: str) -> str:
    """An address that can be compared: domains have no case (RFC 5321 §2.4)."""
    local, at, domain = text.removeprefix("mailto:").rpartition("@")
    return f"{local}{at}{domain.lower()}"


def _weaker(facts: ExpectedFacts, key: str, dmarc: DmarcFacts, policy: str | None, tag: str) -> Iterator[Draft]:
    wanted = facts.wanted(key)
    if policy is None:
        yield unmet(facts, key, "the DMARC record states no policy that can be used", _shown(dmarc))
    elif POLICIES.index(policy) < POLICIES.index(wanted):
        test = " (t=y takes one level away)" if dmarc.record is not None and dmarc.record.t else ""
        records = _with_policy(dmarc, tag, wanted)
        yield unmet(facts, key, f"the policy is {policy}{test}", _shown(dmarc, tag), records=records)


def _with_policy(dmarc: DmarcFacts, tag: str, policy: str) -> tuple[RecordText, ...]:
    """The domain's own record with another policy; none where it stands elsewhere, or says more against it."""
    record = dmarc.record
    if record is None or dmarc.inherited or record.t:  # the test mode takes a level away, whatever stands there
        return ()
    span = record.span(tag)
    text = record.text.rstrip("; ")
    stronger = f"{text}; {tag}={policy}" if span is None else f"{text[: span[0]]}{tag}={policy}{text[span[1] :]}"
    return (RecordText(f"_dmarc.{dmarc.domain}", "TXT", stronger),)


def _shown(dmarc: DmarcFacts, tag: str | None = None) -> tuple[Evidence, ...]:
    """The record that applies, with the tag; or what stands where it should be."""
    step = dmarc.step
    if step is None or step.record is None or step.index is None:
        return seen(dmarc.answer)
    record = step.record
    span = record.span(tag) or record.span("p") if tag else None
    return evidence_of(step.answer, step.index, span=span)

"""What SPF says of a client that was named: the addresses a domain sends from, and check-host (RFC 7208 §2.6, §8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deliverkit.facts.base import NotApplicable, Unobserved, needs
from deliverkit.facts.checkhost import CheckHostFacts
from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import Evidence, RecordText, Severity, evidence_of, finding
from deliverkit.protocols.spf.record import Result, parse_record, select
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.spf.reading import short, txt
from deliverkit.rules.spf.repair import with_addresses

if TYPE_CHECKING:
    from deliverkit.protocols.spf.trace import CheckResult, Evaluation

WEAK = (Result.SOFTFAIL, Result.NEUTRAL)


@rule("SPF040", Severity.ERROR, "RFC 7208 §8.4")
def sending_address_fails_spf(facts: DomainFacts) -> Findings:
    """An address that the domain sends from fails SPF.

    Why: receivers refuse or junk its mail, and DMARC cannot use SPF.
    Fix: add the address to the record, or send through a server that is listed.
    """
    needs(facts.sends_from or None)
    explained = _explained(facts)
    for check in facts.spf.checks:
        broken = check.result is Result.PERMERROR and not explained
        if check.result is Result.FAIL or broken:
            yield finding(
                f"mail from {check.client_ip} gets {check.result}: {_because(check)}",
                at=_evidence(check),
                records=_with(facts, check) if not broken else (),
            )
    _answered(facts)


@rule("SPF041", Severity.WARNING, "RFC 7208 §8.5")
def sending_address_does_not_pass_spf(facts: DomainFacts) -> Findings:
    """An address that the domain sends from does not pass SPF.

    Why: softfail and neutral are no pass: many receivers junk such mail, and DMARC cannot use SPF.
    Fix: add the address to the record, or send through a server that is listed.
    """
    needs(facts.sends_from or None)
    for check in facts.spf.checks:
        if check.result in WEAK:
            yield finding(
                f"mail from {check.client_ip} gets {check.result}: {_because(check)}",
                at=_evidence(check),
                records=_with(facts, check),
            )
    _answered(facts)


def _answered(facts: DomainFacts) -> None:
    """End inconclusive if no address got a result that counts and one got temperror."""
    checks = facts.spf.checks
    late = [check for check in checks if check.result is Result.TEMPERROR]
    if late and not any(check.result in (*WEAK, Result.FAIL, Result.PERMERROR) for check in checks):
        raise Unobserved(f"SPF for {late[0].client_ip}: {late[0].reason}")


def _explained(facts: DomainFacts) -> bool:
    """True if another rule tells why the record is a permerror."""
    tree = facts.spf.tree
    return tree is None or tree.permerror


def _with(facts: DomainFacts, check: CheckResult) -> tuple[RecordText, ...]:
    record = facts.spf.parsed
    return txt(facts.name, with_addresses(record, [check.client_ip]) if record and not record.fatal else None)


def _because(check: CheckResult) -> str:
    return f"{' > '.join(map(short, check.matched))} matched" if check.matched else check.reason


def _evidence(check: CheckResult) -> tuple[Evidence, ...]:
    """The records on the path that decided, each with the term that did."""
    found: list[Evidence] = []
    here_now: Evaluation | None = check.trace
    while here_now is not None and here_now.answer is not None:
        step = here_now.steps[-1] if here_now.steps else None
        chosen = select(here_now.answer.texts) if here_now.answer.records else ()
        index = chosen[0] if chosen else None
        found.extend(evidence_of(here_now.answer, index, span=step.span if step and chosen else None)[:2])
        here_now = step.inner if step and step.outcome != "no match" else None
    return tuple(found)


@rule("SPF042", Severity.ERROR, "RFC 7208 §2.6")
def check_host_fails(facts: CheckHostFacts) -> Findings:
    """check_host ends in fail or permerror.

    Why: receivers refuse or junk the mail of this client, and DMARC cannot use SPF.
    Fix: authorise the client in the record of the domain, correct the record, or send through a server that is listed.
    """
    check = facts.check
    if check.result is Result.TEMPERROR:
        raise Unobserved(check.reason)
    if check.result in (Result.FAIL, Result.PERMERROR):
        said = f"; the domain explains: {check.explanation}" if check.explanation else ""
        yield finding(
            f"{check.client_ip} gets {check.result}: {check.reason}{said}",
            at=_evidence(check),
            fix=_if_yours(check),
            records=_authorised(check),
        )


@rule("SPF043", Severity.WARNING, "RFC 7208 §2.6.5")
def check_host_softfails(facts: CheckHostFacts) -> Findings:
    """check_host ends in softfail.

    Why: the domain says that this client is probably not authorised; many receivers junk the mail, and DMARC cannot use
    SPF.
    Fix: authorise the client in the record of the domain, or send through a server that is listed.
    """
    check = facts.check
    if check.result is Result.TEMPERROR:
        raise NotApplicable
    if check.result is Result.SOFTFAIL:
        yield finding(
            f"{check.client_ip} gets softfail: {check.reason}",
            at=_evidence(check),
            fix=_if_yours(check),
            records=_authorised(check),
        )


@rule("SPF044", Severity.NOTE, "RFC 7208 §2.6")
def check_host_says_nothing(facts: CheckHostFacts) -> Findings:
    """check_host ends in none or neutral.

    Why: the domain does not say whether this client may send for it; DMARC cannot use SPF.
    Fix: publish an SPF record that names the client and ends in ~all or -all.
    """
    check = facts.check
    if check.result is Result.TEMPERROR:
        raise NotApplicable
    if check.result in (Result.NONE, Result.NEUTRAL):
        yield finding(
            f"{check.client_ip} gets {check.result}: {check.reason}",
            at=_evidence(check),
            fix=_if_yours(check),
            records=_authorised(check),
        )


def _authorised(check: CheckResult) -> tuple[RecordText, ...]:
    """The record of the domain with the client passed; nothing where it has none that can be read."""
    text = check.trace.record
    record = None if text is None or check.result is Result.PERMERROR else parse_record(text)
    return txt(check.domain, with_addresses(record, [check.client_ip]) if record and not record.fatal else None)


def _if_yours(check: CheckResult) -> str | None:
    where = "publish this record, which names it; if not, it should not send for the domain"
    return f"if {check.client_ip} is yours, {where}" if _authorised(check) else None

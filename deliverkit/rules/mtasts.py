"""Opinions about the MTA-STS record and the policy that is served. A domain without a record is left in peace."""

from __future__ import annotations

from deliverkit.facts.base import NotApplicable, needs
from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import Evidence, RecordText, Severity, evidence_of, finding, standing
from deliverkit.flow import PageTrouble
from deliverkit.protocols.mtastspolicy import Policy
from deliverkit.rules.registry import Findings, rule


@rule("MTASTS001", Severity.WARNING, "RFC 8461 §3.1")
def several_records(facts: DomainFacts) -> Findings:
    """There are several MTA-STS records.

    Why: with more than one, senders act as if the domain had no policy, and TLS is not enforced.
    Fix: keep the record whose id belongs to the policy that is served, and delete the others.
    """
    seen = facts.mtasts
    counted = [index for index, record in seen.records if record.selected]
    if len(counted) > 1:
        yield finding(
            f"{len(counted)} MTA-STS records at _mta-sts.{facts.name}",
            at=tuple(e for index in counted for e in evidence_of(seen.answer, index)),
        )


@rule("MTASTS002", Severity.WARNING, "RFC 8461 §3.1")
def record_unusable(facts: DomainFacts) -> Findings:
    """The MTA-STS record cannot be used.

    Why: senders read it to the letter of the grammar; with an error in it they never fetch the policy.
    Fix: publish v=STSv1; id= followed by 1 to 32 letters and digits, such as the date and time of the policy.
    """
    seen = facts.mtasts
    if not seen.records:
        raise NotApplicable
    if sum(record.selected for _, record in seen.records) > 1:
        return  # MTASTS001 tells of it
    for index, record in seen.records:
        wrong = [fault for fault in record.faults if fault.fatal]
        if wrong and (record.selected or not any(other.selected for _, other in seen.records)):
            identifier = "".join(c for c in record.id or "" if c.isascii() and c.isalnum())[:32] or "1"
            yield finding(
                "; ".join(fault.detail for fault in wrong),
                at=tuple(e for fault in wrong for e in evidence_of(seen.answer, index, span=fault.span)),
                records=(RecordText(f"_mta-sts.{facts.name}", "TXT", f"v=STSv1; id={identifier}"),),
            )


@rule("MTASTS003", Severity.WARNING, "RFC 8461 §3.1")
def record_in_the_wrong_place(facts: DomainFacts) -> Findings:
    """An MTA-STS record stands at a name where nobody looks for it.

    Why: senders ask for TXT at _mta-sts below the domain; the name mta-sts is for the web server of the policy.
    Fix: move the record to _mta-sts; many DNS editors append the domain themselves.
    """
    for stray in facts.mtasts.misplaced:
        name = f"_mta-sts.{facts.name}"
        yield finding(
            f"the record stands at {stray.name}, {stray.mistake}, and there is none at {name}",
            at=evidence_of(stray.answer, stray.index),
            records=(RecordText(name, "TXT", stray.text),),
            removes=standing(stray.answer, stray.index),
        )


@rule("MTASTS004", Severity.NOTE, "RFC 8460 §1")
def enforced_blindly(facts: DomainFacts) -> Findings:
    """The domain announces MTA-STS but asks for no TLS reports.

    Why: when a certificate or an MX no longer fits the policy, senders hold your mail back, and only TLS-RPT tells you.
    Fix: publish a TLS-RPT record.
    """
    if facts.mtasts.record is None:
        raise NotApplicable
    if not facts.tlsrpt.records and not facts.tlsrpt.misplaced:
        name = f"_smtp._tls.{facts.name}"
        yield finding(
            f"there is no TLS-RPT record at {name}",
            at=evidence_of(facts.mtasts.answer),
            records=(RecordText(name, "TXT", f"v=TLSRPTv1; rua=mailto:tls-reports@{facts.name}"),),
        )


# -- the policy -------------------------------------------------------------------------------------------

_WHY = {
    PageTrouble.NO_ADDRESS: "the policy host has no address",
    PageTrouble.CERTIFICATE: "its certificate is refused",
    PageTrouble.TLS: "TLS fails",
    PageTrouble.MALFORMED: "what it answers is no HTTP",
    PageTrouble.REFUSED: "nobody answers",
}
_DAY = 86_400


def _served(facts: DomainFacts) -> Policy:
    """The policy that is served. Raises NotApplicable without one."""
    return needs(facts.mtasts.policy)


def _line(facts: DomainFacts, line: int | None = None) -> Evidence:
    """The policy as evidence, one line of it or its mode."""
    policy, page = _served(facts), needs(facts.mtasts.page)
    lines = policy.text.splitlines()
    number = line or next((at for at, text in enumerate(lines, 1) if text.startswith("mode:")), 1)
    return Evidence("page", page.url, "", lines[number - 1][:200] if number <= len(lines) else "", line=number)


def _hosts(facts: DomainFacts) -> tuple[str, ...]:
    """The hosts that mail for the domain goes to."""
    return () if facts.mx.null else tuple(host.name for host in facts.mx.hosts)


@rule("MTASTS005", Severity.WARNING, "RFC 8461 §3.3, §5.1")
def policy_not_served(facts: DomainFacts) -> Findings:
    """The record announces an MTA-STS policy that cannot be had.

    Why: senders that hold no older policy act as if there were none, and mail can be led off or read on its way.
    Fix: serve the policy at https://mta-sts.DOMAIN/.well-known/mta-sts.txt with status 200, without a redirect, and
    with a certificate for that very name; or take the record out.
    """
    page = needs(facts.mtasts.page)
    if page.trouble is not None:
        detail = f": {page.detail}" if page.detail else ""
        yield finding(f"{page.url}: {_WHY.get(page.trouble, page.trouble)}{detail}", at=Evidence("page", page.url))
    elif page.status != 200:
        led = f", which leads to {page.location}; redirects are not followed" if page.location else ""
        yield finding(f"{page.url}: status {page.status}{led}", at=Evidence("page", page.url))


@rule("MTASTS006", Severity.WARNING, "RFC 8461 §3.2")
def policy_unusable(facts: DomainFacts) -> Findings:
    """The MTA-STS policy cannot be used.

    Why: senders read it to the letter; with an error in it they act as if there were none.
    Fix: write one field a line: version: STSv1, mode: enforce, an mx: line for each host, max_age: 604800.
    """
    for fault in (fault for fault in _served(facts).faults if fault.fatal):
        yield finding(fault.detail, at=_line(facts, fault.line))


@rule("MTASTS007", Severity.ERROR, "RFC 8461 §4.1, §5")
def enforced_policy_leaves_a_host_out(facts: DomainFacts) -> Findings:
    """The policy is enforced and does not name a host that takes the mail.

    Why: senders refuse to deliver to a host that the policy does not name; with all of them unnamed mail stops.
    Fix: add an mx: line for the host, and change the id of the record, so that senders fetch the policy anew.
    """
    policy = _served(facts)
    if not policy.valid or policy.mode != "enforce":
        raise NotApplicable
    for host in _hosts(facts):
        if not policy.covers(host):
            yield finding(f"{host} matches none of {', '.join(policy.mx)}", at=(_line(facts), *_mx_evidence(facts)))


@rule("MTASTS008", Severity.WARNING, "RFC 8461 §4.1, §5")
def tested_policy_leaves_a_host_out(facts: DomainFacts) -> Findings:
    """The policy that is tested does not name a host that takes the mail.

    Why: nothing is refused yet; it will be as soon as the policy is enforced.
    Fix: add an mx: line for the host, and change the id of the record, before the mode becomes enforce.
    """
    policy = _served(facts)
    if not policy.valid or policy.mode != "testing":
        raise NotApplicable
    for host in _hosts(facts):
        if not policy.covers(host):
            yield finding(f"{host} matches none of {', '.join(policy.mx)}", at=(_line(facts), *_mx_evidence(facts)))


def _mx_evidence(facts: DomainFacts) -> tuple[Evidence, ...]:
    return evidence_of(facts.mx.answer)


@rule("MTASTS009", Severity.NOTE, "RFC 8461 §3.2")
def policy_soon_forgotten(facts: DomainFacts) -> Findings:
    """Senders keep the policy for less than a day.

    Why: it protects only while it is remembered; who can hold up the fetch for that long gets mail in the clear.
    Fix: set max_age to a week or more (604800) once the policy has proved itself.
    """
    policy = _served(facts)
    if policy.max_age is not None and policy.mode == "enforce" and policy.max_age < _DAY:
        line = next((n for n, text in enumerate(policy.text.splitlines(), 1) if text.startswith("max_age")), None)
        yield finding(f"max_age: {policy.max_age} seconds", at=_line(facts, line))


@rule("MTASTS010", Severity.NOTE, "RFC 8461 §5")
def policy_not_enforced(facts: DomainFacts) -> Findings:
    """The MTA-STS policy is there and not enforced.

    Why: in mode testing senders deliver whatever happens, and report it; in mode none the policy is taken back.
    Fix: when the TLS reports of some weeks show no failure of your own, set mode: enforce and change the id.
    """
    policy = _served(facts)
    if policy.valid and policy.mode in ("testing", "none"):
        yield finding(f"mode: {policy.mode}", at=_line(facts))


@rule("MTASTS011", Severity.NOTE, "RFC 8461 §3.2, §3.3")
def policy_served_carelessly(facts: DomainFacts) -> Findings:
    """The policy is served in a way that not every sender bears.

    Why: the law wants text/plain and one field a line; senders that are strict take anything else for no policy.
    Fix: serve it as text/plain, without empty or repeated lines.
    """
    policy, page = _served(facts), needs(facts.mtasts.page)
    kind = page.media_type.partition(";")[0].strip().lower()
    if kind != "text/plain":
        yield finding(f"the media type is {kind or 'not said'}, not text/plain", at=Evidence("page", page.url))
    for fault in (fault for fault in policy.faults if not fault.fatal):
        yield finding(fault.detail, at=_line(facts, fault.line))

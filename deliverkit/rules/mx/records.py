"""What a domain's MX records say by themselves: absent, null, malformed, too many.

Where their hosts lead is judged in `deliverkit.rules.mx.hosts`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from deliverkit.facts.base import NotApplicable
from deliverkit.facts.domain import DomainFacts
from deliverkit.facts.mx import MxFacts, MxHost
from deliverkit.findings import Evidence, RecordText, Severity, evidence_of, finding, standing
from deliverkit.protocols.mx import TargetKind, embedded_address, target_kind
from deliverkit.rules.registry import Findings, rule

MANY = 10
"""RFC 7208 §4.6.4: the SPF mechanism `mx` fails on more."""


def null_mx(name: str) -> RecordText:
    """The record that says "no mail here" (RFC 7505 §3)."""
    return RecordText(name, "MX", "0 .")


def pointing_at(mx: MxFacts, *names: str) -> tuple[RecordText, ...]:
    """The MX records whose host has one of these names, as they stand in DNS; all of them without a name."""
    places = [i for i, (_, name) in enumerate(mx.answer.records) if name in names or not names]
    return standing(mx.answer, *places) if places else ()


def at(mx: MxFacts, *names: str) -> tuple[Evidence, ...]:
    """The MX records that point at these names."""
    places = (i for i, (_, name) in enumerate(mx.answer.records) if name in names)
    return tuple(evidence for place in places for evidence in evidence_of(mx.answer, place))


def listed(names: list[str] | tuple[str, ...], most: int = 5) -> str:
    """Names in a row, cut when they are many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _existing(facts: DomainFacts) -> MxFacts:
    """The MX facts of a domain that exists; nothing else is worth saying of one that does not."""
    if not facts.mx.exists:
        raise NotApplicable
    return facts.mx


def _with_records(facts: DomainFacts) -> MxFacts:
    """The MX facts of a domain with MX records other than a null MX."""
    if not _existing(facts).receives:
        raise NotApplicable
    return facts.mx


@rule("MX001", Severity.ERROR, "RFC 5321 §5.1")
def domain_does_not_exist(facts: DomainFacts) -> Findings:
    """The domain does not exist in DNS.

    Why: nobody can send mail to it, and receivers refuse mail that claims to come from it (RFC 5321 §3.6.2 wants names
    that resolve). A registration that lapsed, a delegation that was never made and a typing error look alike.
    Fix: check the spelling; register the domain or renew it; ask the registrar whether its name servers are delegated.
    """
    if not facts.mx.exists:
        alias = "".join(f" is an alias of {name}, which" for name in facts.mx.answer.aliases[-1:])
        yield finding(f"{facts.name}{alias} does not exist (NXDOMAIN)", at=evidence_of(facts.mx.answer))


@rule("MX002", Severity.NOTE, "RFC 7505 §3")
def cannot_receive(facts: DomainFacts) -> Findings:
    """The domain has no MX record and no address, so it cannot receive mail.

    Why: replies, bounces and complaint reports to this domain are lost, and a sender learns so only after its queue
    gave up. Some receivers distrust mail from a domain that cannot be answered.
    Fix: publish an MX record if the domain is to receive mail; publish a null MX if it is not.
    """
    mx = _existing(facts)
    if facts.parked:
        raise NotApplicable
    if not mx.answer.records and not mx.hosts:
        yield finding(
            f"{facts.name} has neither MX nor A nor AAAA",
            at=evidence_of(mx.answer),
            fix="if the domain is to receive no mail, say so with a null MX; otherwise publish the MX of its mail host",
            records=(null_mx(facts.name),),
        )


@rule("MX003", Severity.NOTE, "RFC 5321 §5.1")
def implicit_mx(facts: DomainFacts) -> Findings:
    """The domain has no MX record, so mail goes to the address of the domain itself.

    Why: the address is most often that of a web server, where nobody listens on port 25: mail waits in queues for days
    and bounces. Where a mail server does listen, an explicit MX costs nothing and can be moved apart from the web.
    Fix: publish an MX record for the host that takes the mail, or a null MX if none does.
    """
    mx = _existing(facts)
    if facts.parked or not (mx.answer.records or mx.hosts):
        raise NotApplicable
    if not mx.implicit:
        return
    addresses = mx.hosts[0].addresses
    yield finding(
        f"{facts.name} has no MX; mail for it goes to {listed(addresses)}",
        at=evidence_of(mx.answer),
        records=(RecordText(facts.name, "MX", f"10 {facts.name}."),),
        fix=(
            "publish the MX of the host that takes the mail: this record says what senders do today, a name of its own "
            "for the mail host is better; or a null MX if none takes mail"
        ),
    )


@rule("MX004", Severity.ERROR, "RFC 7505 §3")
def null_mx_among_others(facts: DomainFacts) -> Findings:
    """A null MX stands beside other MX records.

    Why: a null MX says that the domain takes no mail, the others say that it does. Senders that follow RFC 7505 may
    give up at once, others try to connect to the root of DNS: which mail arrives is chance.
    Fix: remove the record whose host is "." or all the others.
    """
    mx = _with_records(facts)
    others = [name for _, name in mx.answer.records if name != "."]
    if len(others) < len(mx.answer.records):
        yield finding(
            f"{facts.name} has a null MX and {len(others)} other MX: {listed(others)}",
            at=at(mx, "."),
            fix=f"remove the null MX if {listed(others)} shall take mail; remove the others if the domain takes none",
        )


@rule("MX005", Severity.WARNING, "RFC 7505 §4.2")
def null_mx_on_a_sending_domain(facts: DomainFacts) -> Findings:
    """The domain has a null MX, yet it sends mail.

    Why: receivers may refuse mail whose return address can never take a bounce, with 550 5.7.27 (RFC 7505 §4.2).
    Fix: give the domain an MX that takes bounces, or send from another domain and publish "v=spf1 -all" here.
    """
    mx = _existing(facts)
    if not mx.null:
        raise NotApplicable
    senders = list(facts.sends_from) or _authorised(mx)
    if senders:
        yield finding(
            f"{facts.name} takes no mail (null MX) and sends from {listed(senders)}", at=evidence_of(mx.answer)
        )


def _authorised(mx: MxFacts) -> list[str]:
    """The mechanisms by which the domain's SPF record lets somebody send in its name."""
    records = [text for text in mx.spf_texts if re.match(r"v=spf1( |$)", text, re.IGNORECASE)]
    terms = [term for text in records for term in text.split()[1:]]
    return [term for term in terms if term[0] not in "-~?" and not re.match(r"\+?all$|exp=", term, re.IGNORECASE)]


def _no_hosts(mx: MxFacts, *, first: bool) -> Iterator[tuple[int, str, TargetKind]]:
    """The MX records whose target can be no host; ``first``: those that senders try before any that can be one."""
    best = min((host.preference for host in mx.hosts), default=None)
    for preference, name in mx.answer.records:
        kind = target_kind(name)
        if embedded_address(name, mx.domain) is not None:
            kind = TargetKind.ADDRESS
        decisive = best is None or preference < best
        if kind not in (TargetKind.HOST, TargetKind.NULL) and decisive is first:
            yield preference, name, kind


@rule("MX006", Severity.ERROR, "RFC 5321 §5.1")
def mx_points_to_an_address(facts: DomainFacts) -> Findings:
    """The first choice among the MX records is an IP address.

    Why: an MX names a host. Written as an address it is a name that does not exist, so this MX takes no mail at all;
    some senders try to look the "name" up, others refuse the domain.
    Fix: give the host a name with an A or AAAA record, and let the MX point to that name.
    """
    mx = _with_records(facts)
    for preference, name, kind in _no_hosts(mx, first=True):
        address = embedded_address(name, facts.name)
        if kind is TargetKind.ADDRESS and address is not None:
            host = f"mail.{facts.name}"
            yield finding(
                f"the MX with preference {preference} points to {name}, which spells the address {address}",
                at=at(mx, name),
                fix=f"name the host, for example {host}, and point the MX there",
                records=(
                    RecordText(facts.name, "MX", f"{preference} {host}."),
                    RecordText(host, "AAAA" if ":" in address else "A", address),
                ),
                removes=pointing_at(mx, name),
            )


@rule("MX007", Severity.ERROR, "RFC 5321 §2.3.5")
def mx_points_to_no_host_name(facts: DomainFacts) -> Findings:
    """The first choice among the MX records can be no host name.

    Why: host names are letters, digits and hyphens; senders check this before they connect, and give up. A target of
    digits only is most often a null MX whose blank was lost ("0." for "0 .").
    Fix: point the MX to the host's true name; a null MX is written `0 .`, with a blank.
    """
    mx = _with_records(facts)
    for preference, name, kind in _no_hosts(mx, first=True):
        if kind is TargetKind.INVALID:
            lost = name.removesuffix(f".{facts.name}").isdigit()
            yield finding(
                f"the MX with preference {preference} points to {name}",
                at=at(mx, name),
                fix="write the null MX with a blank between preference and dot" if lost else None,
                records=(null_mx(facts.name),) if lost and len(mx.answer.records) == 1 else (),
                removes=pointing_at(mx) if lost and len(mx.answer.records) == 1 else (),
            )


@rule("MX008", Severity.ERROR, "RFC 5321 §5.1, RFC 6761 §6.3")
def mx_points_to_localhost(facts: DomainFacts) -> Findings:
    """The first choice among the MX records is localhost.

    Why: every sender would deliver to itself; most recognise this and bounce the message.
    Fix: point the MX to the host that takes the mail, or publish a null MX if none does.
    """
    mx = _with_records(facts)
    for preference, name, kind in _no_hosts(mx, first=True):
        if kind is TargetKind.LOCALHOST:
            alone = len(mx.answer.records) == 1
            yield finding(
                f"the MX with preference {preference} points to {name}",
                at=at(mx, name),
                records=(null_mx(facts.name),) if alone else (),
                removes=pointing_at(mx) if alone else (),
            )


@rule("MX022", Severity.WARNING, "RFC 5321 §5.1")
def further_mx_is_no_host(facts: DomainFacts) -> Findings:
    """A further MX record points to an address, to localhost or to nothing that can be a host.

    Why: the hosts that are tried before it take the mail; when they are down, this one does not, and some senders
    refuse a domain with such a record.
    Fix: point the record to a host's name, or remove it.
    """
    mx = _with_records(facts)
    for preference, name, kind in _no_hosts(mx, first=False):
        what = {TargetKind.ADDRESS: "an address", TargetKind.LOCALHOST: "the sender itself"}.get(kind, "no host name")
        yield finding(f"the MX with preference {preference} points to {name}, which is {what}", at=at(mx, name))


@rule("MX021", Severity.WARNING, "RFC 5321 §2.3.5")
def underscore_in_mx_host(facts: DomainFacts) -> Findings:
    """The name of an MX host has an underscore.

    Why: host names are letters, digits and hyphens. Most senders deliver all the same, some check the name and refuse
    the domain, and no public authority issues a certificate for it.
    Fix: give the host a name without underscore and let the MX point there.
    """
    mx = _with_records(facts)
    for host in mx.hosts:
        if "_" in host.name:
            yield finding(f"{host.name} is no host name by the letter", at=at(mx, host.name), fix=_without_proxy(host))


def _without_proxy(host: MxHost) -> str | None:
    """What to do about the name that Cloudflare makes for a mail host it is told to proxy."""
    if not host.name.startswith("_dc-mx."):
        return None
    return 'in Cloudflare\'s DNS, set the address record of the mail host to "DNS only" and point the MX to that host'


@rule("MX014", Severity.NOTE, "RFC 5321 §5.1")
def same_mx_twice(facts: DomainFacts) -> Findings:
    """Two MX records point to the same host.

    Why: the second adds nothing, because a sender that failed at a host does not try it again in the same round. It is
    most often left over from a move, or meant another host.
    Fix: keep one of them, or point the other to the second host that was meant.
    """
    mx = _with_records(facts)
    for name, times in Counter(name for _, name in mx.answer.records).items():
        if times > 1:
            preferences = ", ".join(str(p) for p, n in mx.answer.records if n == name)
            yield finding(f"{name} is listed {times} times, with preferences {preferences}", at=at(mx, name))


@rule("MX015", Severity.NOTE, "RFC 7208 §4.6.4")
def too_many_mx(facts: DomainFacts) -> Findings:
    """The domain has more than ten MX records.

    Why: senders try only some of them before they give up for the time being, the answer grows beyond one datagram,
    and the SPF mechanism `mx` becomes a permanent error for this domain.
    Fix: keep a few MX records; let one name carry several addresses.
    """
    mx = _with_records(facts)
    if len(mx.answer.records) > MANY:
        yield finding(f"{len(mx.answer.records)} MX records", at=evidence_of(mx.answer)[:3])


@rule("MX016", Severity.NOTE, "RFC 4592 §2.1.1")
def wildcard_mx(facts: DomainFacts) -> Findings:
    """A wildcard MX takes mail for every name below the domain.

    Why: mistyped and invented subdomains receive mail, which is spam for the most part; and every name below the domain
    that has records of its own is exempt, so the wildcard does not cover what one expects.
    Fix: publish an MX for each subdomain that receives mail, and remove the wildcard.
    """
    mx = _with_records(facts)
    answer = mx.wildcard
    if answer is None:
        raise NotApplicable
    if answer.records and any(name != "." for _, name in answer.records):
        hosts = [name for _, name in answer.records]
        yield finding(f"*.{facts.name} points to {listed(hosts)}", at=evidence_of(answer))


@rule("MX019", Severity.NOTE, "RFC 7505 §3")
def null_mx_with_a_preference(facts: DomainFacts) -> Findings:
    """The null MX has a preference other than 0.

    Why: RFC 7505 has the preference be 0; a few receivers compare the whole record.
    Fix: publish the null MX as `0 .`.
    """
    mx = _existing(facts)
    if not mx.null:
        raise NotApplicable
    preference = mx.answer.records[0][0]
    if preference:
        yield finding(
            f"preference {preference}",
            at=evidence_of(mx.answer),
            records=(null_mx(facts.name),),
            removes=pointing_at(mx),
        )


@rule("MX020", Severity.NOTE, "RFC 7505 §3")
def parked_without_null_mx(facts: DomainFacts) -> Findings:
    """The domain is parked, but does not say that it takes no mail.

    Why: without a null MX, mail to the domain waits in senders' queues for days before it bounces, or reaches a host
    that was never meant to have it.
    Fix: publish a null MX as the only MX record.
    """
    if not facts.parked:
        raise NotApplicable
    mx = _existing(facts)
    if not mx.null:
        has = listed([name for _, name in mx.answer.records]) or "no MX record"
        yield finding(
            f"{facts.name} is parked and has {has}",
            at=evidence_of(mx.answer),
            records=(null_mx(facts.name),),
            removes=pointing_at(mx),
        )

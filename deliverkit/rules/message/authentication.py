"""Rules about where a message comes from: SPF of the client, its reverse name, DMARC of the author."""

from __future__ import annotations

from deliverkit.facts.base import NotApplicable, Unobserved, needs
from deliverkit.facts.message import MessageFacts, SpfResult
from deliverkit.findings import Evidence, RecordText, Severity, evidence_of, finding
from deliverkit.protocols.dkim.verify import Kind
from deliverkit.protocols.dmarc.align import DmarcResult
from deliverkit.protocols.dmarc.suffixes import SuffixVerdict
from deliverkit.protocols.iprev import IprevResult
from deliverkit.protocols.spf.record import Result
from deliverkit.rules.message.places import at_field, for_ordinary_mail
from deliverkit.rules.message.signatures import of_author
from deliverkit.rules.registry import Findings, rule


def _spf(facts: MessageFacts) -> SpfResult:
    """SPF of the MAIL FROM identity; a temperror tells nothing."""
    spf = facts.authentication.spf
    if spf.result is Result.TEMPERROR:
        raise Unobserved(spf.check.unanswered or spf.reason)
    return spf


def _record(spf: SpfResult) -> tuple[Evidence, ...]:
    """The SPF record that decided, as DNS gave it."""
    trace = spf.check.trace
    if trace.answer is not None:
        index = next((i for i, text in enumerate(trace.answer.texts) if text == trace.record), None)
        if index is not None:
            return evidence_of(trace.answer, index)
    return ()


def _said(spf: SpfResult) -> str:
    path = " > ".join(spf.check.matched)
    return f"{spf.check.client_ip} for {spf.domain}: {spf.result.value}, {path or spf.reason}"


@rule("MSG001", Severity.ERROR, "RFC 7208 §8.4")
def spf_fails(facts: MessageFacts) -> Findings:
    """SPF fails: the client may not send for this domain.

    Why: the domain of the return path says `-all` to this address. Many receivers refuse such mail at once (550
    5.7.23), and nothing else vouches for the message.
    Fix: send through the servers that the record names, or add the server that sent this to the SPF record.
    """
    spf = _spf(facts)
    if spf.result is Result.FAIL and not facts.authentication.passes_dmarc:
        term = f"{'ip6' if ':' in spf.check.client_ip else 'ip4'}:{spf.check.client_ip}"
        fix = (
            f"If {spf.check.client_ip} is yours, add `{term}`, or the include of the service that runs it, to the SPF"
            f" record of {spf.domain}; if not, send through a server that the record names."
        )
        yield finding(_said(spf), at=_record(spf), fix=fix, records=_with_term(spf, term))


def _with_term(spf: SpfResult, term: str) -> tuple[RecordText, ...]:
    """The record with one more term in front, where it matches before any other is asked."""
    version, blank, rest = (spf.check.trace.record or "").partition(" ")
    return (RecordText(spf.domain, "TXT", f"{version} {term} {rest}"),) if blank else ()


@rule("MSG002", Severity.WARNING, "RFC 7208 §8.4, RFC 9989 §8")
def spf_fails_beside_dkim(facts: MessageFacts) -> Findings:
    """SPF fails, while DMARC passes by DKIM.

    Why: forwarding does this, and DMARC is content; but a receiver that checks SPF before it has read the message
    refuses it.
    Fix: if the client is your own server, add it to the SPF record; if the message was forwarded, the forwarder
    should rewrite the return path.
    """
    for_ordinary_mail(facts)
    spf = _spf(facts)
    if spf.result is Result.FAIL and facts.authentication.passes_dmarc:
        yield finding(_said(spf), at=_record(spf))


@rule("MSG003", Severity.WARNING, "RFC 7208 §8.5")
def spf_softfails(facts: MessageFacts) -> Findings:
    """SPF softfails: the client is probably not allowed to send for this domain.

    Why: `~all` says so. Receivers count it against the message, DMARC counts it as no pass, and bulk mail needs a
    pass.
    Fix: add the sending server to the SPF record, or send through a server that is in it.
    """
    for_ordinary_mail(facts)
    spf = _spf(facts)
    if spf.result is Result.SOFTFAIL:
        yield finding(_said(spf), at=_record(spf))


@rule("MSG004", Severity.NOTE, "RFC 7208 §8.2")
def spf_is_neutral(facts: MessageFacts) -> Findings:
    """SPF says nothing about the client.

    Why: neutral counts as if there were no record; DMARC needs a pass.
    Fix: name the sending servers in the SPF record, and end it with `~all` or `-all`.
    """
    for_ordinary_mail(facts)
    spf = _spf(facts)
    if spf.result is Result.NEUTRAL:
        yield finding(_said(spf), at=_record(spf))


@rule("MSG005", Severity.WARNING, "RFC 7208 §8.1")
def spf_is_absent(facts: MessageFacts) -> Findings:
    """The domain of the return path has no SPF record.

    Why: nothing says that this server may send for it; Gmail asks every sender for SPF or DKIM, and bulk senders for
    both.
    Fix: publish an SPF record at the domain of the return path that names the sending servers.
    """
    for_ordinary_mail(facts)
    spf = _spf(facts)
    if not facts.mail_from and facts.authentication.passes_dmarc:
        return  # a bounce: its HELO name needs no record while DKIM vouches for the author (RFC 7208 §2.4)
    if spf.result is Result.NONE:
        yield finding(_said(spf), at=evidence_of(spf.check.trace.answer) if spf.check.trace.answer else ())


@rule("MSG006", Severity.ERROR, "RFC 7208 §8.7")
def spf_is_broken(facts: MessageFacts) -> Findings:
    """SPF ends in permerror: the record cannot be evaluated.

    Why: the record is invalid for this sender, so no receiver can pass it, and many refuse the mail (550 5.5.2,
    5.7.24).
    Fix: repair the record; `deliverkit audit` of the domain names the fault and its place.
    """
    spf = _spf(facts)
    if spf.result is Result.PERMERROR:
        yield finding(f"{_said(spf)}: {spf.reason}" if spf.check.matched else _said(spf), at=_record(spf))


@rule("MSG007", Severity.WARNING, "RFC 7208 §2.3")
def spf_of_helo_fails(facts: MessageFacts) -> Findings:
    """SPF fails for the name the client gave in HELO.

    Why: some receivers check that name too, and refuse a client that uses a name it may not.
    Fix: make the server introduce itself by its own host name, or allow its address in that name's SPF record.
    """
    helo = facts.authentication.helo
    if helo.result is Result.FAIL:
        yield finding(_said(helo), at=_record(helo))


@rule("MSG008", Severity.WARNING, "RFC 8601 §3, RFC 1912 §2.1")
def client_without_reverse_name(facts: MessageFacts) -> Findings:
    """The client's address has no name that leads back to it.

    Why: Gmail, Yahoo and many others refuse mail from an address without matching forward and reverse names (550
    5.7.25, 4.7.23).
    Fix: have the owner of the address publish a PTR record with the server's host name, and give that name an A or
    AAAA record with the same address.
    """
    iprev = facts.authentication.iprev
    if iprev.result is IprevResult.TEMPERROR:
        raise Unobserved(iprev.reason)
    if iprev.result is not IprevResult.PASS:
        yield finding(iprev.reason, at=evidence_of(iprev.answer))


def _dmarc(facts: MessageFacts) -> DmarcResult:
    """DMARC of the message; a temperror tells nothing."""
    dmarc = facts.authentication.dmarc
    if dmarc.result == "temperror":
        raise Unobserved(f"DMARC: {dmarc.why}")
    return dmarc


def _why(facts: MessageFacts, dmarc: DmarcResult) -> str:
    """What each method had to offer, the cause of its failure first."""
    authentication = facts.authentication
    parts = []
    for number, verdict in enumerate(authentication.dkim):
        if verdict.result.value != "pass":
            changed = "the body was changed after signing" if verdict.kind is Kind.BODY_HASH else verdict.detail
            cause = authentication.cause(number) or changed
            parts.append(f"the DKIM signature of {verdict.domain or 'nobody'} does not pass: {cause}")
        elif verdict.testing:
            parts.append(f"the key of {verdict.domain} is in test mode (t=y), so its signature earns nothing")
    parts += [f"{one.domain} signed, which is not aligned" for one in dmarc.dkim if one.aligned is False]
    if authentication.unreadable:
        parts.append(f"DKIM cannot read the header ({authentication.unreadable})")
    elif not authentication.dkim:
        parts.append("no DKIM signature")
    spf = authentication.spf
    if spf.result is not Result.PASS:
        parts.append(f"SPF {spf.result.value} for {spf.domain}")
    elif dmarc.spf is not None and dmarc.spf.aligned is False:
        parts.append(f"SPF passes for {spf.domain}, which is not aligned")
    return "; ".join(dict.fromkeys(parts))


def _way_out(facts: MessageFacts) -> str | None:
    """Where the author's own signature fails, that is what to repair; else None for the rule's own words."""
    broken = next((v for v in facts.authentication.dkim if not v.authenticated_domain and of_author(facts, v)), None)
    if broken is None:
        return None
    return f"Repair the DKIM signature of {broken.domain}; its finding says how. SPF alone breaks on forwarding."


def _policy(dmarc: DmarcResult) -> tuple[Evidence, ...]:
    step = dmarc.discovery.step if dmarc.discovery else None
    return evidence_of(step.answer, step.index) if step is not None else ()


@rule("MSG025", Severity.ERROR, "RFC 9989 §5.3")
def dmarc_fails(facts: MessageFacts) -> Findings:
    """DMARC fails, and the author's domain asks for quarantine or reject.

    Why: neither an aligned DKIM signature nor an aligned SPF pass vouches for the domain in From; receivers will junk
    or refuse the message, as the domain asks them to.
    Fix: sign with DKIM for the domain in From (`d=` equal to it, or with the same Organizational Domain), or use a
    return path of that domain that passes SPF.
    """
    dmarc = _dmarc(facts)
    if dmarc.result == "fail" and dmarc.policy in ("quarantine", "reject"):
        yield finding(
            f"{dmarc.header_from}, p={dmarc.policy}: {_why(facts, dmarc)}", at=_policy(dmarc), fix=_way_out(facts)
        )


@rule("MSG026", Severity.WARNING, "RFC 9989 §5.3")
def dmarc_fails_without_policy(facts: MessageFacts) -> Findings:
    """DMARC fails; the author's domain asks for nothing yet.

    Why: with `p=none` the message may pass, but Gmail, Yahoo and Microsoft demand alignment of bulk mail, and the
    first stricter policy will stop it.
    Fix: sign with DKIM for the domain in From, or use a return path of that domain that passes SPF.
    """
    for_ordinary_mail(facts)
    dmarc = _dmarc(facts)
    if dmarc.result == "fail" and dmarc.policy not in ("quarantine", "reject"):
        said = f"{dmarc.header_from}, p={dmarc.policy or '?'}: {_why(facts, dmarc)}"
        yield finding(said, at=_policy(dmarc), fix=_way_out(facts))


@rule("MSG027", Severity.NOTE, "RFC 9989 §4.10.1")
def dmarc_does_not_apply(facts: MessageFacts) -> Findings:
    """No DMARC policy applies to the domain in From.

    Why: anybody can write that domain into From, and receivers have no rule for telling mail of yours from theirs.
    Fix: publish a DMARC record at `_dmarc.` and the domain, beginning with p=none and a rua address.
    """
    for_ordinary_mail(facts)
    dmarc = _dmarc(facts)
    if dmarc.result == "none":
        yield finding(f"{dmarc.header_from}: {dmarc.why}")


@rule("MSG028", Severity.NOTE, "RFC 9989 §8")
def dmarc_by_spf_only(facts: MessageFacts) -> Findings:
    """DMARC passes by SPF alone.

    Why: SPF does not survive forwarding; then the message fails DMARC at the next hop, and a domain at p=reject must
    not rely on SPF only.
    Fix: sign with DKIM for the domain in From.
    """
    for_ordinary_mail(facts)
    dmarc = _dmarc(facts)
    needs(dmarc.identifier)
    if dmarc.identifier is not None and dmarc.identifier.method == "spf" and not facts.authentication.alignments:
        field = facts.header.first("from")
        said = f"{dmarc.header_from}: {_why(facts, dmarc)}"
        yield finding(said, at=(at_field(facts, field),) if field else (), fix=_way_out(facts))


@rule("MSG044", Severity.NOTE, "RFC 9989 §4.10.2, RFC 7489 §3.1")
def dmarc_depends_on_the_method(facts: MessageFacts) -> Findings:
    """DMARC ends differently by the tree walk and by the public suffix list.

    Why: receivers move from the list of RFC 7489 to the walk of RFC 9989 one by one; until then this message passes at
    some and fails at others.
    Fix: sign with the very domain in From (d= equal to it): that aligns by both methods.
    """
    dmarc = facts.authentication.dmarc
    suffix = needs(dmarc.suffix)
    if dmarc.result == "temperror" or suffix.result is None:  # other rules say what could not be told
        raise NotApplicable
    if suffix.result != dmarc.result:
        yield finding(
            f"{dmarc.result} by the walk, {suffix.result} by the list: {_parted(dmarc, suffix)}", at=_policy(dmarc)
        )


def _parted(dmarc: DmarcResult, suffix: SuffixVerdict) -> str:
    """Which identifiers align by one method alone; or the records that differ."""
    by_walk = {(one.method, one.domain): one.aligned for one in (*dmarc.dkim, *([dmarc.spf] if dmarc.spf else []))}
    parted = [
        f"{method} {domain} aligns with {dmarc.header_from} by the {'list' if aligned else 'walk'} alone"
        for method, domain, aligned in suffix.aligned
        if aligned != by_walk.get((method, domain))
    ]
    return "; ".join(parted) or f"the list finds {'another' if suffix.answer.record else 'no'} record"

"""Rules about DKIM signatures: why one fails, and what one that passes leaves open.

A signature that fails counts as none (RFC 6376 §6.1), so these are warnings: whether the message suffers is for DMARC
to say. One finding a signature and cause.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from deliverkit.facts.base import Missing, NotApplicable, Unobserved
from deliverkit.facts.message import MessageFacts
from deliverkit.facts.message.addresses import read_date
from deliverkit.findings import Evidence, Severity, evidence_of, finding
from deliverkit.names import within
from deliverkit.protocols.dkim.key import RECOMMENDED, parse_key
from deliverkit.protocols.dkim.verify import MOST_SIGNATURES, Kind, Result, SignatureVerdict
from deliverkit.rules.message.changes import evidence_for, fix_for
from deliverkit.rules.message.places import at_field, for_ordinary_mail
from deliverkit.rules.registry import Findings, rule


def _signatures(facts: MessageFacts) -> tuple[SignatureVerdict, ...]:
    """The verdicts; a message without signatures has its own rule."""
    verdicts = facts.authentication.dkim
    if not verdicts:
        raise NotApplicable
    return verdicts


def _failed(facts: MessageFacts, *kinds: Kind) -> Findings:
    """A finding for each signature that failed in one of these ways."""
    verdicts = _signatures(facts)
    unanswered = [v for v in verdicts if v.kind is Kind.DNS]
    found = [(number, v) for number, v in enumerate(verdicts) if v.kind in kinds]
    if unanswered and not found:
        raise Unobserved(unanswered[0].detail)
    for number, verdict in found:
        search = facts.authentication.search(number)
        at = (*_evidence(facts, number, verdict), *evidence_for(facts, search))
        yield finding(_detail(facts, number, verdict), at=at, fix=fix_for(search))


def _detail(facts: MessageFacts, number: int, verdict: SignatureVerdict) -> str:
    """What was done to the message, where that is known, else what the verifier saw of it."""
    search = facts.authentication.search(number)
    cause = search.cause if search else None
    said = [verdict.detail, cause] if verdict.kind in OF_KEY else [cause or verdict.detail]
    said.append(search.rest if search else "")
    return f"{_name(verdict)}: {'; '.join(part for part in said if part)}{_when_it_arrived(facts, verdict)}"


def _when_it_arrived(facts: MessageFacts, verdict: SignatureVerdict) -> str:
    """Whether a signature that has expired was good at the receiver's border, the time RFC 6376 §3.5 asks for."""
    trace = facts.header.first("received")
    when = read_date(trace.value.rpartition(";")[2]).when if trace and verdict.kind is Kind.EXPIRED else None
    if when is None or verdict.signature.expires is None or when.timestamp() > verdict.signature.expires:
        return ""
    return (
        f"; it was good when the message arrived ({when:%Y-%m-%d %H:%M:%S} UTC by its topmost Received field):"
        f" verify with --now {when:%Y-%m-%dT%H:%M:%SZ}"
    )


OF_KEY = (Kind.WRONG_KEY, Kind.KEY_ABSENT, Kind.REVOKED, Kind.KEY_UNUSABLE)  # the verdict's words say what is wrong


def _name(verdict: SignatureVerdict) -> str:
    return f"d={verdict.domain or '?'} s={verdict.selector or '?'}"


def _evidence(facts: MessageFacts, number: int, verdict: SignatureVerdict) -> tuple[Evidence, ...]:
    """The signature field, and the key where the key is at fault."""
    fields = facts.header.all("dkim-signature")
    here = (at_field(facts, fields[number]),) if number < len(fields) else ()
    fault_of_key = verdict.kind in (Kind.KEY_ABSENT, Kind.REVOKED, Kind.TOO_SHORT, Kind.KEY_UNUSABLE, None)
    return (*here, *(_records(verdict) if fault_of_key else ()))


def _records(verdict: SignatureVerdict) -> tuple[Evidence, ...]:
    """The TXT records at the selector; a private key that was published by mistake is not repeated."""
    if verdict.answer is None:
        return ()
    shown = evidence_of(verdict.answer)
    if not verdict.answer.records:
        return shown
    keys = [parse_key(text) for text in verdict.answer.texts]
    return tuple(
        replace(one, value=key.shown()) if key.fault("private-key") else one
        for one, key in zip(shown, keys, strict=True)
    )


def _passing(facts: MessageFacts) -> Iterator[tuple[int, SignatureVerdict]]:
    return ((number, v) for number, v in enumerate(_signatures(facts)) if v.result is Result.PASS)


@rule("MSG010", Severity.WARNING, "RFC 6376 §5, RFC 8601 §2.7.1")
def not_signed(facts: MessageFacts) -> Findings:
    """The message carries no DKIM signature.

    Why: Gmail, Yahoo and Microsoft demand DKIM of bulk senders, and without it DMARC hangs on SPF alone, which
    forwarding breaks.
    Fix: have the sending server or the application sign with a key of the domain in From (`deliverkit send
    --dkim-key` shows what that looks like).
    """
    for_ordinary_mail(facts)
    if not facts.header.fields:
        raise NotApplicable  # a message without any header has one fault, not several
    if facts.authentication.unreadable:
        raise NotApplicable  # the header is damaged, which has a rule of its own
    if not facts.authentication.dkim and not facts.header.all("dkim-signature"):
        yield finding("no DKIM-Signature field")


@rule("MSG009", Severity.WARNING, "RFC 9989 §4.4.1")
def signed_by_others_only(facts: MessageFacts) -> Findings:
    """Only domains other than the author's have signed the message.

    Why: a signature of the mail service helps its reputation, not yours: it is not aligned with the domain in From, so
    DMARC hangs on SPF alone.
    Fix: set up DKIM for your own domain at the service that sends for you, so that it signs with `d=` of your domain.
    """
    authentication = facts.authentication
    dmarc = authentication.raw("dmarc")
    failed = not isinstance(dmarc, Missing) and dmarc.result == "fail"  # that has a rule of its own
    if any(of_author(facts, v) for v in _signatures(facts) if v.authenticated_domain is None):
        return  # the author's domain signed too; that its signature earns nothing has a rule of its own
    others = [one.domain for one in authentication.alignments if one.aligned is False]
    if others and len(others) == len(authentication.alignments) and not failed:
        yield finding(f"From is {facts.header_from}; signed by {', '.join(others)}")


def of_author(facts: MessageFacts, verdict: SignatureVerdict) -> bool:
    """True if a signature, good or not, is meant for the domain in From, as near as the names tell."""
    author, signer = facts.header_from, verdict.domain
    return bool(author and signer) and (within(author or "", signer) or within(signer, author or ""))


@rule("MSG011", Severity.WARNING, "RFC 6376 §6.1.3")
def body_was_changed(facts: MessageFacts) -> Findings:
    """A DKIM signature fails: the body is not the one that was signed.

    Why: something changed the body after signing: a footer, a virus scanner, a relay that re-encodes or breaks long
    lines, or a program that signs before it has CRLF line ends. The signature counts for nothing. Where the change is
    proven, the finding names it and says what to do about it.
    Fix: sign last, after everything that touches the message; send lines of at most 998 octets, 7bit,
    quoted-printable or base64, so that no relay has a reason to change them; sign with relaxed body canonicalization.
    """
    yield from _failed(facts, Kind.BODY_HASH)


@rule("MSG012", Severity.WARNING, "RFC 6376 §6.1.3")
def header_was_changed(facts: MessageFacts) -> Findings:
    """A DKIM signature fails: the header is not the one that was signed, or another key signed.

    Why: a signed field was rewritten, refolded or added after signing, or the published key does not belong to the
    private key that signed. The signature counts for nothing. Where the change is proven, the finding names it and says
    what to do about it.
    Fix: compare private and published key (`deliverkit audit DOMAIN --dkim-key SELECTOR=FILE`); if they match, sign
    after the last program that touches the header, with relaxed header canonicalization.
    """
    yield from _failed(facts, Kind.SIGNATURE, Kind.WRONG_KEY)


@rule("MSG013", Severity.WARNING, "RFC 6376 §6.1.2")
def key_is_absent(facts: MessageFacts) -> Findings:
    """A DKIM signature fails: no key is published at its selector.

    Why: without the public key nobody can check the signature; a key that was never published, removed too early, or
    put at the wrong name does this.
    Fix: publish the TXT record at `<selector>._domainkey.<domain>`, and keep old keys for a week after a rotation.
    """
    yield from _failed(facts, Kind.KEY_ABSENT)


@rule("MSG014", Severity.WARNING, "RFC 6376 §3.6.1")
def key_is_revoked(facts: MessageFacts) -> Findings:
    """A DKIM signature fails: its key was revoked.

    Why: an empty `p=` says that the key must not be used any more, but something still signs with it.
    Fix: sign with the current key and selector.
    """
    yield from _failed(facts, Kind.REVOKED)


@rule("MSG015", Severity.WARNING, "RFC 8301 §3.2")
def key_is_too_short(facts: MessageFacts) -> Findings:
    """A DKIM signature fails: its RSA key is shorter than 1024 bits.

    Why: such keys can be broken, and receivers must not accept them.
    Fix: make a key of 2048 bits, publish it at a new selector, and sign with it.
    """
    yield from _failed(facts, Kind.TOO_SHORT)


@rule("MSG016", Severity.WARNING, "RFC 6376 §6.1.2")
def key_is_unusable(facts: MessageFacts) -> Findings:
    """A DKIM signature fails: the key record cannot be used for it.

    Why: the record is malformed, of another type than the signature, not for mail, or does not admit this identity.
    Fix: publish the public half of the signing key as `v=DKIM1; k=rsa; p=…`; `deliverkit audit DOMAIN --selector S`
    names the fault and its place.
    """
    yield from _failed(facts, Kind.KEY_UNUSABLE, Kind.IDENTITY_REFUSED)


@rule("MSG017", Severity.WARNING, "RFC 8301 §3.1")
def algorithm_is_refused(facts: MessageFacts) -> Findings:
    """A DKIM signature fails: receivers must not accept its algorithm.

    Why: rsa-sha1 is forbidden, and algorithms nobody knows cannot be checked.
    Fix: sign with rsa-sha256, and with ed25519-sha256 beside it if you like.
    """
    yield from _failed(facts, Kind.ALGORITHM_REFUSED)


@rule("MSG018", Severity.WARNING, "RFC 6376 §3.5")
def signature_out_of_time(facts: MessageFacts) -> Findings:
    """A DKIM signature is good, but not at this time.

    Why: receivers refuse a signature whose `x=` has passed or whose `t=` lies in the future.
    Fix: set the clock of the signing machine; give `x=` at least the days a queue may need (a week), or leave it out.
    For a stored message name the time of its arrival: `--now`.
    """
    yield from _failed(facts, Kind.EXPIRED, Kind.FUTURE)


@rule("MSG019", Severity.WARNING, "RFC 6376 §6.1.1")
def signature_is_malformed(facts: MessageFacts) -> Findings:
    """A DKIM-Signature field cannot be read.

    Why: a required tag is missing, repeated or malformed, so receivers ignore the signature.
    Fix: let a DKIM library write the field, and let nothing rewrite or cut it on the way.
    """
    yield from _failed(facts, Kind.MALFORMED)


@rule("MSG020", Severity.WARNING, "RFC 6376 §3.6.1")
def key_is_in_testing(facts: MessageFacts) -> Findings:
    """A DKIM signature passes with a key in test mode.

    Why: `t=y` asks receivers to treat the message like an unsigned one, so the signature earns nothing.
    Fix: remove the flag `y` from `t=` in the key record when the tests are done.
    """
    for number, verdict in _passing(facts):
        if verdict.testing:
            yield finding(f"{_name(verdict)}: t=y", at=_evidence(facts, number, verdict))


@rule("MSG021", Severity.WARNING, "RFC 6376 §8.2")
def body_length_is_limited(facts: MessageFacts) -> Findings:
    """A DKIM signature covers only the beginning of the body.

    Why: with `l=` anybody can add text, links or a whole new HTML body below, and the signature still passes; some
    receivers therefore ignore such signatures.
    Fix: sign without `l=`.
    """
    for number, verdict in enumerate(_signatures(facts)):
        if verdict.signature.body_length is not None and verdict.kind is not Kind.MALFORMED:
            octets = verdict.coverage.unsigned_octets
            beyond = f"{octets} octets of this body are not covered" if octets else "all of this body is covered"
            detail = f"{_name(verdict)}: l={verdict.signature.body_length}, {beyond}"
            yield finding(detail, at=_evidence(facts, number, verdict)[:1])


@rule("MSG022", Severity.NOTE, "RFC 8301 §3.2")
def key_is_weak(facts: MessageFacts) -> Findings:
    """A DKIM signature is made with an RSA key of less than 2048 bits.

    Why: 1024 bits are still accepted, but no longer beyond the reach of the well equipped.
    Fix: make a key of 2048 bits and publish it at a new selector; sign with it once the record is out.
    """
    for number, verdict in _passing(facts):
        if verdict.key and verdict.key.material == "rsa" and (verdict.key_bits or RECOMMENDED) < RECOMMENDED:
            yield finding(f"{_name(verdict)}: {verdict.key_bits} bits", at=_evidence(facts, number, verdict)[:1])


@rule("MSG023", Severity.NOTE, "RFC 6376 §5.4.1")
def fields_not_signed(facts: MessageFacts) -> Findings:
    """Important header fields are not signed.

    Why: what is not in `h=` can be changed or added on the way while the signature passes.
    Fix: name these fields in the signer's list of signed headers, each once more than it occurs.
    """
    passing = list(_passing(facts))
    if passing:  # what one signature leaves out another may cover
        number, verdict = passing[0]
        open_to_all = [n for n in verdict.coverage.unsigned if all(n in v.coverage.unsigned for _, v in passing)]
        listed = [name for name in open_to_all if not name.startswith("list-unsubscribe")]  # RFC 8058 has its own rule
        if listed:
            yield finding(f"{_name(verdict)}: {', '.join(listed)}", at=_evidence(facts, number, verdict)[:1])


@rule("MSG024", Severity.WARNING, "RFC 6376 §3.6.2.2")
def several_keys(facts: MessageFacts) -> Findings:
    """Several TXT records stand at a signature's selector.

    Why: the result is undefined: receivers take the first, the last, or none, so the signature passes here and fails
    there.
    Fix: leave exactly one TXT record at the selector.
    """
    for number, verdict in enumerate(_signatures(facts)):
        if verdict.key_records > 1:
            detail = f"{_name(verdict)}: {verdict.key_records} records at {verdict.signature.key_name}"
            yield finding(detail, at=(*_evidence(facts, number, verdict)[:1], *_records(verdict)))


@rule("MSG070", Severity.WARNING, "RFC 8463 §3")
def signed_with_ed25519_only(facts: MessageFacts) -> Findings:
    """The author's domain signed with Ed25519 alone.

    Why: few of the large receivers verify Ed25519; to the others the message carries no signature.
    Fix: sign with an RSA key of 2048 bits at another selector as well; both signatures may stand side by side.
    """
    counted = [(n, v) for n, v in _passing(facts) if v.authenticated_domain and of_author(facts, v)]
    if counted and all(verdict.algorithm == "ed25519-sha256" for _, verdict in counted):
        number, verdict = counted[0]
        yield finding(f"{_name(verdict)}: a={verdict.algorithm}", at=_evidence(facts, number, verdict)[:1])


@rule("MSG029", Severity.NOTE, "RFC 6376 §6.1")
def too_many_signatures(facts: MessageFacts) -> Findings:
    """The message carries more DKIM signatures than verifiers look at.

    Why: receivers stop after a few, so the one that counts may never be checked.
    Fix: sign once per domain and algorithm.
    """
    more = facts.authentication.unchecked_signatures
    if more:
        yield finding(f"{more + MOST_SIGNATURES} signatures; {MOST_SIGNATURES} were checked")

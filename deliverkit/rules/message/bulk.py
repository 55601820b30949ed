"""Rules about lists and bulk mail: unsubscribing by one click (RFC 8058), and what the large receivers demand.

What Gmail, Yahoo and Microsoft demand of bulk senders is asked for with ``--profile bulk`` only; the complaint rate,
the volume and the two days for honouring a request cannot be seen in a message.
"""

from __future__ import annotations

from collections.abc import Iterator

from deliverkit.facts.base import NotApplicable, Unobserved
from deliverkit.facts.message import MessageFacts
from deliverkit.facts.message.unsubscribe import host_of, scheme_of
from deliverkit.findings import Severity, finding
from deliverkit.protocols.dkim.verify import Kind, Result
from deliverkit.protocols.spf.record import Result as Spf
from deliverkit.rules.message.links import only_here
from deliverkit.rules.message.places import at_fields, short
from deliverkit.rules.registry import Findings, rule

_BOTH = {"list-unsubscribe", "list-unsubscribe-post"}


def _bulk(facts: MessageFacts) -> None:
    if not facts.bulk:
        raise NotApplicable


@rule("MSG150", Severity.ERROR, "RFC 8058 §3.1")
def bulk_without_one_click(facts: MessageFacts) -> Findings:
    """Bulk mail without unsubscribing by one click.

    Why: Gmail and Yahoo demand of bulk senders both a List-Unsubscribe with an https: link and
    `List-Unsubscribe-Post: List-Unsubscribe=One-Click`; mail without them is junked or refused.
    Fix: add `List-Unsubscribe: <https://example.com/u/opaque-token>` and `List-Unsubscribe-Post:
    List-Unsubscribe=One-Click`, and let the server act on the POST without login or redirect.
    """
    _bulk(facts)
    given = facts.unsubscribe
    missing = [
        name
        for name, there in (("List-Unsubscribe", given.fields), ("List-Unsubscribe-Post", given.posts))
        if not there
    ]
    if missing:
        yield finding(f"no {' and no '.join(missing)}", at=at_fields(facts, (*given.fields, *given.posts)))


@rule("MSG151", Severity.WARNING, "RFC 8058 §3.1")
def one_click_is_broken(facts: MessageFacts) -> Findings:
    """Unsubscribing by one click is announced and cannot work.

    Why: receivers show their unsubscribe button only for exactly one List-Unsubscribe-Post with the value
    `List-Unsubscribe=One-Click` beside exactly one https: link they can reach.
    Fix: write `List-Unsubscribe-Post: List-Unsubscribe=One-Click` and one `<https://…>` with a public host in
    List-Unsubscribe; a mailto: may stand beside it.
    """
    given = facts.unsubscribe
    if not given.posts:
        raise NotApplicable
    faults = []
    if not given.one_click:
        faults.append(
            f"{len(given.posts)} List-Unsubscribe-Post fields" if len(given.posts) > 1
            else f"List-Unsubscribe-Post is {short(given.posts[0].value)!r}"
        )  # fmt: skip
    if not given.fields and not facts.bulk:
        faults.append("there is no List-Unsubscribe")
    elif given.fields and len(given.https) != 1:
        faults.append(f"{len(given.https) or 'no'} https: links in List-Unsubscribe")
    faults += [f"{short(uri)} leads to your own network" for uri in given.https if only_here(host_of(uri))]
    if faults:
        yield finding("; ".join(faults), at=at_fields(facts, (*given.fields, *given.posts)))


def _uncovered(facts: MessageFacts) -> str | None:
    """What a passing signature leaves open of both fields; None if one covers them, or none passes at all."""
    given = facts.unsubscribe
    if not given.fields or not given.posts:
        raise NotApplicable
    verdicts = facts.authentication.dkim
    passing = [verdict for verdict in verdicts if verdict.result is Result.PASS]
    if any(set(v.coverage.signed) >= _BOTH and not _BOTH & set(v.coverage.unsigned) for v in passing):
        return None
    waiting = next((verdict for verdict in verdicts if verdict.kind is Kind.DNS), None)
    if waiting is not None:
        raise Unobserved(waiting.detail)
    if not passing:
        return None  # that is told by other rules
    left = sorted(_BOTH - set(passing[0].coverage.signed)) or sorted(_BOTH & set(passing[0].coverage.unsigned))
    return f"h= of the signature by {passing[0].domain} leaves out {' and '.join(left)}"


@rule("MSG152", Severity.WARNING, "RFC 8058 §4")
def one_click_not_signed(facts: MessageFacts) -> Findings:
    """The DKIM signature leaves out the unsubscribe fields.

    Why: receivers must ignore a one-click link that nobody signed for, so the button does not appear.
    Fix: put List-Unsubscribe and List-Unsubscribe-Post into the list of signed headers (`h=`); many signers leave the
    second one out by default.
    """
    if facts.bulk:
        raise NotApplicable
    why = _uncovered(facts)
    if why:
        yield finding(why, at=at_fields(facts, (*facts.unsubscribe.posts, *facts.header.all("dkim-signature")[:1])))


@rule("MSG153", Severity.ERROR, "RFC 8058 §4")
def bulk_one_click_not_signed(facts: MessageFacts) -> Findings:
    """Bulk mail whose DKIM signature leaves out the unsubscribe fields.

    Why: Gmail and Yahoo count an unsigned one-click link as none, and demand one of bulk senders.
    Fix: put List-Unsubscribe and List-Unsubscribe-Post into the list of signed headers (`h=`) of a signature that
    passes.
    """
    _bulk(facts)
    why = _uncovered(facts)
    if why:
        yield finding(why, at=at_fields(facts, (*facts.unsubscribe.posts, *facts.header.all("dkim-signature")[:1])))


@rule("MSG154", Severity.WARNING, "RFC 2369 §2")
def unsubscribe_is_malformed(facts: MessageFacts) -> Findings:
    """The List-Unsubscribe field holds no usable link.

    Why: the links must stand in angle brackets; readers see nothing else, so people press "spam" instead.
    Fix: write `List-Unsubscribe: <https://example.com/u/token>, <mailto:leave@example.com>`.
    """
    given = facts.unsubscribe
    if not given.fields:
        raise NotApplicable
    usable = [
        uri
        for uri in given.uris
        if scheme_of(uri) == "mailto" or (scheme_of(uri) in ("http", "https") and host_of(uri))
    ]
    if "=?" in given.fields[0].value:
        return  # an encoded word has its own rule
    if given.bare or not usable:
        what = (
            f"{short(given.bare)!r} stands outside of angle brackets"
            if given.bare
            else "no mailto:, http: or https: link"
        )
        yield finding(what, at=at_fields(facts, given.fields))


@rule("MSG155", Severity.ERROR, "bulk sender requirements of Gmail, Yahoo and Microsoft")
def bulk_not_aligned(facts: MessageFacts) -> Findings:
    """Bulk mail whose From is not aligned.

    Why: Gmail (4.7.32), Yahoo and Microsoft (550 5.7.515) demand of bulk senders that the domain in From is aligned
    with a DKIM signature or an SPF pass, whatever the DMARC policy.
    Fix: sign with DKIM for the domain in From, or use a return path of that domain that passes SPF.
    """
    _bulk(facts)
    dmarc = facts.authentication.dmarc
    if dmarc.result == "temperror":
        raise Unobserved(f"DMARC: {dmarc.why}")
    if dmarc.result == "fail" and dmarc.policy not in ("quarantine", "reject"):
        yield finding(f"{dmarc.header_from}: {dmarc.why}")


@rule("MSG156", Severity.ERROR, "bulk sender requirements of Gmail, Yahoo and Microsoft")
def bulk_without_dmarc(facts: MessageFacts) -> Findings:
    """Bulk mail from a domain without DMARC.

    Why: Gmail (4.7.31), Yahoo and Microsoft (550 5.7.515) demand a DMARC record of bulk senders; p=none suffices.
    Fix: publish `v=DMARC1; p=none; rua=mailto:…` at `_dmarc.` and the domain in From.
    """
    _bulk(facts)
    dmarc = facts.authentication.dmarc
    if dmarc.result == "temperror":
        raise Unobserved(f"DMARC: {dmarc.why}")
    if dmarc.result == "none":
        yield finding(f"{dmarc.header_from}: {dmarc.why}")


@rule("MSG157", Severity.ERROR, "bulk sender requirements of Gmail, Yahoo and Microsoft")
def bulk_needs_dkim(facts: MessageFacts) -> Findings:
    """Bulk mail without a DKIM signature that passes.

    Why: Gmail (4.7.30), Yahoo and Microsoft demand SPF and DKIM of bulk senders, not one of them.
    Fix: sign every message, with a key of at least 1024 bits, better 2048.
    """
    _bulk(facts)
    verdicts = facts.authentication.dkim
    waiting = next((verdict for verdict in verdicts if verdict.kind is Kind.DNS), None)
    if any(verdict.authenticated_domain for verdict in verdicts):
        return
    if waiting is not None:
        raise Unobserved(waiting.detail)
    signatures = at_fields(facts, facts.header.all("dkim-signature")[:3])
    yield finding("; ".join(_failing(facts)) or "no DKIM-Signature field", at=signatures)


def _failing(facts: MessageFacts) -> Iterator[str]:
    """Why each signature earns nothing."""
    authentication = facts.authentication
    for number, verdict in enumerate(authentication.dkim):
        why = "the key is in test mode (t=y)" if verdict.testing and not verdict.kind else verdict.detail
        yield f"{verdict.domain or '?'}: {authentication.cause(number) or why}"


@rule("MSG158", Severity.ERROR, "bulk sender requirements of Gmail, Yahoo and Microsoft")
def bulk_needs_spf(facts: MessageFacts) -> Findings:
    """Bulk mail that does not pass SPF.

    Why: Gmail (4.7.27), Yahoo and Microsoft demand SPF and DKIM of bulk senders, not one of them.
    Fix: add the sending server to the SPF record of the return path's domain.
    """
    _bulk(facts)
    spf = facts.authentication.spf
    if spf.result is Spf.TEMPERROR:
        raise Unobserved(spf.check.unanswered or spf.reason)
    error_for_everybody = spf.result is Spf.PERMERROR or (
        spf.result is Spf.FAIL and not facts.authentication.passes_dmarc
    )
    if spf.result is not Spf.PASS and not error_for_everybody:
        yield finding(f"SPF {spf.result.value} for {spf.domain}")

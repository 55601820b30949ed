"""Identifier Alignment and the DMARC result of one message (RFC 9989 §4.4, §5.3).

Takes the identifiers that passed DKIM and SPF; verifying them is done elsewhere. Only the MAIL FROM identity of SPF
counts: there is no way to hand in a HELO that passed, except as the identity of a null reverse-path (`spf_identifier`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from deliverkit.flow import Flow, together
from deliverkit.names import BadName, key, to_ascii
from deliverkit.protocols.dmarc.discover import Discovery, Walk, discover_dmarc, walk
from deliverkit.protocols.dmarc.record import DmarcRecord
from deliverkit.protocols.dmarc.suffixes import SuffixVerdict, suffix_verdict

MAX_IDENTIFIERS = 20  # distinct domains walked for one message; more is no honest mail
_MAX_SUPPOSED = 3  # unanswered names about which every supposition is tried


@dataclass(frozen=True, slots=True)
class Alignment:
    """One identifier held against the Author Domain. ``aligned`` is None if it could not be told.

    ``walk`` is the identifier's own walk (RFC 9989 §4.10.2), None where no walk was needed.
    """

    method: str  # "dkim" or "spf"
    domain: str
    strict: bool
    aligned: bool | None
    org_domain: str | None
    why: str
    walk: Walk | None = None


@dataclass(frozen=True, slots=True)
class DmarcResult:
    """What a receiver makes of the message.

    ``result`` is pass, fail, none, temperror or permerror (RFC 8601 §2.7, RFC 9989 §9). ``policy`` is the policy that
    applies after t=y was heard; None without a record. ``domain`` is where the deciding record was found, and
    ``identifier`` the alignment that made the message pass. ``suffix`` is what the public suffix list of RFC 7489 would
    have made of it, None where that was not compared.
    """

    result: str
    header_from: str
    policy: str | None
    domain: str | None
    why: str
    discovery: Discovery | None = None
    dkim: tuple[Alignment, ...] = ()
    spf: Alignment | None = None
    identifier: Alignment | None = field(default=None)
    suffix: SuffixVerdict | None = None

    def to_json(self) -> dict[str, object]:
        """The result as the report of ``verify`` shows it."""
        return {
            "result": self.result,
            "policy": self.policy,
            "header_from": self.header_from,
            "domain": self.domain,
            "aligned_by": self.identifier.method if self.identifier else None,
            "why": self.why,
            "dkim": self.dkim,
            "spf": self.spf,
            "discovery": self.discovery,
            "suffix_list": self.suffix,
        }


def spf_identifier(mail_from: str, helo: str) -> str | None:
    """The domain whose SPF pass counts: that of MAIL FROM; for a null reverse-path that of postmaster@HELO.

    RFC 9989 §4.4.2 and RFC 7208 §2.4. A HELO that passed beside a MAIL FROM earns nothing.
    """
    address = mail_from.strip().removeprefix("<").removesuffix(">")
    return address.rpartition("@")[2] or helo or None


def evaluate(
    header_from: str,
    dkim_domains_passed: Iterable[str] = (),
    spf_domain_passed: str | None = None,
    *,
    dkim_domains_unknown: Iterable[str] = (),
    spf_domain_unknown: str | None = None,
) -> Flow[DmarcResult]:
    """The DMARC result for an Author Domain (or address) and the identifiers that passed.

    The ``unknown`` identifiers ended in temperror: one that would align makes the result temperror, not fail
    (RFC 9989 §5.3).
    """
    try:
        author = to_ascii(header_from.rpartition("@")[2])
    except BadName as bad:
        return DmarcResult("permerror", header_from, None, None, f"From holds no domain: {bad}")
    discovery = yield from discover_dmarc(author)
    if discovery.record is None or not discovery.record.applies:
        return _without_policy(author, discovery)

    passed = [("dkim", domain) for domain in _clean(dkim_domains_passed)]
    passed += [("spf", domain) for domain in _clean([spf_domain_passed] if spf_domain_passed else [])]
    unsure = [("dkim", domain) for domain in _clean(dkim_domains_unknown)]
    unsure += [("spf", domain) for domain in _clean([spf_domain_unknown] if spf_domain_unknown else [])]
    walks = yield from _walks(discovery, discovery.record, [domain for _, domain in passed + unsure])
    held = [_align(method, domain, discovery, discovery.record, walks) for method, domain in passed]
    doubtful = [_align(method, domain, discovery, discovery.record, walks) for method, domain in unsure]
    suffix = yield from suffix_verdict(discovery, passed)
    return replace(_concluded(author, discovery, held, doubtful), suffix=suffix)


def _clean(domains: Iterable[str]) -> list[str]:
    """Distinct domains in A-label form; what is no domain cannot align."""
    found: list[str] = []
    for domain in domains:
        try:
            name = to_ascii(domain.rpartition("@")[2])
        except BadName:
            continue
        if name not in found:
            found.append(name)
    return found[:MAX_IDENTIFIERS]


def _without_policy(author: str, discovery: Discovery) -> DmarcResult:
    if discovery.trouble:
        return DmarcResult("temperror", author, None, None, discovery.trouble, discovery)
    if discovery.record is not None:  # RFC 9989 §4.10.1: no valid policy and nobody to report to
        why = "the record has neither a valid policy nor a report address: DMARC is not applied"
        return DmarcResult("none", author, None, discovery.record_domain, why, discovery)
    return DmarcResult("none", author, None, None, "no DMARC record applies", discovery)


def _strict(method: str, record: DmarcRecord) -> bool:
    return (record.adkim if method == "dkim" else record.aspf) == "s"


def _walks(discovery: Discovery, record: DmarcRecord, domains: list[str]) -> Flow[Mapping[str, Walk]]:
    """A walk of its own for each identifier that needs one (RFC 9989 §4.10.2): not when equal, not when all strict."""
    if record.adkim == record.aspf == "s":
        return {}
    wanted = [domain for domain in dict.fromkeys(domains) if domain != discovery.domain]
    walked = yield from together(*(walk(domain) for domain in wanted))
    return dict(zip(wanted, walked, strict=True))


def _align(method: str, domain: str, discovery: Discovery, record: DmarcRecord, walks: Mapping[str, Walk]) -> Alignment:
    strict, author = _strict(method, record), discovery.domain
    if key(domain) == key(author):
        return Alignment(method, domain, strict, True, discovery.org_domain, "it is the Author Domain itself")
    if strict:
        return Alignment(method, domain, True, False, None, f"strict: {domain} is not {author}")
    walked = walks[domain]
    aligned = _same_org_domain(discovery.walk, walked)
    mine, theirs = discovery.org_domain, walked.org_domain
    if aligned is None:
        unanswered = (*walked.unknown, *discovery.walk.unknown)[0].answer.why()
        why = f"relaxed: the Organizational Domain could not be told ({unanswered})"
    elif aligned:
        why = f"relaxed: both belong to {theirs or mine or 'the same Organizational Domain'}"
    else:
        why = f"relaxed: {domain} belongs to {theirs or 'another domain'}, {author} to {mine or 'another'}"
    return Alignment(method, domain, False, aligned, theirs, why, walked)


def _same_org_domain(one: Walk, other: Walk) -> bool | None:
    """Whether two names share an Organizational Domain; None if that hangs on an answer nobody gave.

    Both walks end in the same upper names. Where one of those gave no answer, every record that could stand there is
    supposed in turn: if the outcome is the same each time, it is known.
    """
    unknown = sorted({step.domain for step in (*one.unknown, *other.unknown)})
    if len(unknown) > _MAX_SUPPOSED:
        return None
    outcomes = set()
    for flags in itertools.product(("", "y", "n", "u"), repeat=len(unknown)):
        supposed = {domain: flag for domain, flag in zip(unknown, flags, strict=True) if flag}
        outcomes.add(_org_if(one, supposed) == _org_if(other, supposed))
    return outcomes.pop() if len(outcomes) == 1 else None


def _org_if(walked: Walk, supposed: Mapping[str, str]) -> str:
    mine = {step.domain for step in walked.unknown}
    return walked.org_domain_if({domain: flag for domain, flag in supposed.items() if domain in mine})


def _concluded(author: str, discovery: Discovery, held: list[Alignment], doubtful: list[Alignment]) -> DmarcResult:
    aligned = next((one for one in held if one.aligned), None)
    open_question = next((one for one in held if one.aligned is None), None)
    hope = next((one for one in doubtful if one.aligned is not False), None)
    if aligned:  # one aligned pass suffices (RFC 9989 §4.4)
        result, why = "pass", f"{aligned.method} {aligned.domain}: {aligned.why}"
    elif open_question:
        result, why = "temperror", f"{open_question.method} {open_question.domain}: {open_question.why}"
    elif hope:
        result, why = "temperror", f"{hope.method} of {hope.domain} could not be checked"
    elif discovery.trouble:
        result, why = "fail", f"nothing aligned passed; the policy could not be told ({discovery.trouble})"
    elif held:
        result, why = "fail", "; ".join(f"{one.method} {one.domain}: {one.why}" for one in held)
    else:
        result, why = "fail", "neither DKIM nor SPF passed"
    spf = next((one for one in held if one.method == "spf"), None)
    dkim = tuple(one for one in held if one.method == "dkim")
    return DmarcResult(result, author, discovery.policy, discovery.record_domain, why, discovery, dkim, spf, aligned)

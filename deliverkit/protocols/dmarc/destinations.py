"""Whether report destinations outside the organization have consented (RFC 9990 §4; for ruf RFC 9991 §5).

A temporary error is no refusal, and nothing found here changes the policy that applies.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from deliverkit.flow import Answer, Flow, Status, ask, together
from deliverkit.protocols.dmarc.discover import Discovery, Source, walk
from deliverkit.protocols.dmarc.record import is_dmarc, parse_dmarc
from deliverkit.protocols.uri import ReportUri

MAX_DESTINATIONS = 10  # distinct hosts asked about; more is no honest record


class Consent(StrEnum):
    """How a destination stands to the domain whose reports it is to get."""

    OWN = "own"  # the same Organizational Domain: no consent needed
    GRANTED = "granted"
    REFUSED = "refused"  # no valid record: reporters ignore the address
    UNKNOWN = "unknown"  # nobody answered
    NOT_MAIL = "not mail"  # a scheme other than mailto: nobody is bound to support it
    INVALID = "invalid"  # no URI that could be used


@dataclass(frozen=True, slots=True)
class Destination:
    """One address of rua or ruf. ``asked`` is the name whose TXT record gives or withholds consent.

    ``takes_mail`` is False if the host does not exist, has a null MX, or has neither MX nor address; None if unknown.
    """

    tag: str
    uri: ReportUri
    consent: Consent
    why: str
    asked: str | None = None
    answer: Answer | None = None
    overrides: tuple[ReportUri, ...] = ()
    takes_mail: bool | None = None

    def to_json(self) -> dict[str, object]:
        """The address and its standing."""
        return {
            "tag": self.tag,
            "uri": self.uri.text,
            "consent": self.consent,
            "why": self.why,
            "asked": self.asked,
            "takes_mail": self.takes_mail,
        }


def destinations(discovery: Discovery) -> Flow[tuple[Destination, ...]]:
    """Examine every URI of rua and ruf in the record that applies."""
    record, policy_domain = discovery.record, discovery.record_domain
    if record is None or policy_domain is None:
        return ()
    org_domain = policy_domain if discovery.source is Source.SUFFIX else discovery.org_domain
    listed = [("rua", uri) for uri in record.rua] + [("ruf", uri) for uri in record.ruf]
    hosts = list(dict.fromkeys(uri.host for _, uri in listed if _worth_asking(uri) and uri.host))[:MAX_DESTINATIONS]
    flows = [_host(host, policy_domain, org_domain) for host in hosts]
    stands = dict(zip(hosts, (yield from together(*flows)), strict=True))
    return tuple(_destination(tag, uri, stands) for tag, uri in listed)


def _worth_asking(uri: ReportUri) -> bool:
    return uri.valid and uri.scheme == "mailto"


class _Standing(NamedTuple):
    consent: Consent
    why: str
    asked: str | None = None
    answer: Answer | None = None
    overrides: tuple[ReportUri, ...] = ()
    takes_mail: bool | None = None


def _destination(tag: str, uri: ReportUri, stands: dict[str, _Standing]) -> Destination:
    if not uri.valid:
        return Destination(tag, uri, Consent.INVALID, next(f.detail for f in uri.faults if f.fatal))
    if uri.scheme != "mailto":
        return Destination(tag, uri, Consent.NOT_MAIL, f"nobody is bound to report by {uri.scheme}: (RFC 9989 §4.7)")
    standing = stands.get(uri.host or "")
    if standing is None:
        return Destination(tag, uri, Consent.UNKNOWN, f"only the first {MAX_DESTINATIONS} hosts were asked about")
    return Destination(
        tag,
        uri,
        standing.consent,
        standing.why,
        standing.asked,
        standing.answer,
        standing.overrides,
        standing.takes_mail,
    )


def _host(host: str, policy_domain: str, org_domain: str | None) -> Flow[_Standing]:
    """One destination host: its consent, and whether it takes mail at all."""
    both: tuple[Any, ...] = yield from together(_consent(host, policy_domain, org_domain), _takes_mail(host))
    standing: _Standing = both[0]
    return standing._replace(takes_mail=both[1])


def _consent(host: str, policy_domain: str, org_domain: str | None) -> Flow[_Standing]:
    if host in (policy_domain, org_domain):
        return _Standing(Consent.OWN, "the domain's own address")
    theirs = (yield from walk(host)).org_domain
    if theirs is not None and theirs == org_domain:
        return _Standing(Consent.OWN, f"within the same Organizational Domain, {org_domain}")
    name = f"{policy_domain}._report._dmarc.{host}"  # steps 2 and 3
    if len(name) > 253:  # step 4
        return _Standing(Consent.REFUSED, f"the name {name} would be too long for DNS: consent is impossible")
    answer = yield from ask(name, "TXT")
    if not answer.known:  # step 5: not a refusal
        return _Standing(Consent.UNKNOWN, answer.why(), name, answer)
    records = [parse_dmarc(text) for text in answer.texts if is_dmarc(text)]  # step 6
    if answer.status is not Status.OK or not records:  # step 7
        if theirs is None or org_domain is None:
            return _Standing(Consent.UNKNOWN, "whether it lies outside the organization is unknown", name, answer)
        return _Standing(Consent.REFUSED, f"no record with v=DMARC1 at {name}", name, answer)
    overrides = tuple(uri for record in records for uri in record.reports_to)  # step 9
    strayed = next((uri for uri in overrides if uri.host != host), None)
    if strayed:
        why = f"the consent at {name} sends the reports on to {strayed.text}, another host: neither gets any"
        return _Standing(Consent.REFUSED, why, name, answer, overrides)
    return _Standing(Consent.GRANTED, f"consent at {name}", name, answer, overrides)  # step 8


def _takes_mail(host: str) -> Flow[bool | None]:
    """Whether mail to the host can go anywhere (RFC 5321 §5.1, RFC 7505)."""
    mx = yield from ask(host, "MX")
    if not mx.known:
        return None
    if mx.status is Status.OK:
        return any(exchange != "." for _, exchange in mx.records)
    if mx.status is Status.NXDOMAIN:
        return False
    addresses = yield from together(ask(host, "A"), ask(host, "AAAA"))
    if any(address.status is Status.OK for address in addresses):
        return True
    return False if all(address.known for address in addresses) else None

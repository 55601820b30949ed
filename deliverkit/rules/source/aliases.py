"""Aliases of a source: at the apex, beside other records, behind a proxy."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deliverkit.facts.base import NotApplicable
from deliverkit.facts.source import SourceFacts, SourceRecord
from deliverkit.findings import Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.source.record import MAIL_LABELS, TEXTS, seen, text_of

_BESIDE = frozenset({"CNAME", "RRSIG", "NSEC", "NSEC3", "KEY", "*", "ALIAS"})  # RFC 4034 §3, RFC 2181 §10.1
_SPF_HOST = re.compile(r"(?:^|\s)[+?~-]?(a|mx)(?::([^\s/]+))?(?:/[^\s]*)?(?=\s|$)", re.IGNORECASE)


@rule("SRC010", Severity.ERROR, "RFC 1034 §3.6.2, RFC 1912 §2.4")
def alias_at_apex(facts: SourceFacts) -> Findings:
    """The zone's own name is an alias (CNAME).

    Why: the name of a zone has SOA and NS records, and an alias excludes all others: MX, SPF and DMARC's fallback
    go with it. Name servers refuse the zone, and so do octoDNS, Route 53, Google and Azure.
    Fix: use the provider's alias type (ALIAS, ANAME, an alias record), which it turns into addresses, or A and
    AAAA.
    """
    if facts.provider == "cloudflare":  # flattened: answers are addresses
        raise NotApplicable
    for record in facts.by_set.get((facts.origin, "CNAME"), ()):
        yield finding(f"{record.name} is an alias of {record.value or '?'}", at=seen(record), subject=record.name)


@rule("SRC011", Severity.ERROR, "RFC 1034 §3.6.2, RFC 2181 §10.1")
def alias_beside_other_data(facts: SourceFacts) -> Findings:
    """A name is an alias (CNAME) and has other records besides.

    Why: an alias excludes all other records, and a second alias too. Servers refuse the zone and go on with the old
    one, or answer now this, now that; providers refuse the change.
    Fix: keep either the CNAME or the other records.
    """
    types: dict[str, list[str]] = {}
    for name, type_ in facts.by_set:
        if type_ not in _BESIDE:
            types.setdefault(name, []).append(type_)
    for (name, type_), records in facts.by_set.items():
        if type_ != "CNAME" or (name == facts.origin and facts.provider != "cloudflare") or name == "*":
            continue
        beside = types.get(name, [])
        if name == facts.origin:  # Cloudflare flattens it beside the others
            beside = [t for t in beside if t in ("A", "AAAA")]
        others = [record for t in beside for record in facts.by_set[name, t]]
        if others:
            detail = f"{name} is an alias of {records[0].value or '?'} and has {', '.join(sorted(beside))} records"
            yield finding(detail, at=seen(*records, *others[:5]), subject=name)
        elif len({r.value for r in records}) > 1 and not any("routed" in r.flags for r in records):
            yield finding(
                f"{name} is an alias of {len(records)} names", at=seen(*records[1:], records[0]), subject=name
            )


@rule("SRC012", Severity.ERROR, "RFC 5321 §5.1; good practice (Cloudflare: only HTTP passes the proxy)")
def mail_host_behind_proxy(facts: SourceFacts) -> Findings:
    """A host that receives mail is behind Cloudflare's proxy.

    Why: for a proxied name Cloudflare answers with its own addresses, which take HTTP and no SMTP. Mail to the
    domain is not delivered.
    Fix: switch the proxy off for this record ("DNS only", proxied = false), or give the mail host a name of its
    own.
    """
    proxied = _proxied(facts)
    for name, type_ in list(facts.by_set) if proxied else ():
        if type_ != "MX":
            continue
        for mx in facts.by_set[name, type_]:
            for record in proxied.get(mx.value[1], ()) if mx.value is not None else ():
                detail = f"{mx.name} MX points to {record.name}, whose {record.type} record is proxied"
                yield finding(detail, at=seen(record, mx), subject=name)


@rule("SRC013", Severity.ERROR, "RFC 6376 §3.6.2; good practice (Cloudflare: aliases of mail are DNS only)")
def mail_alias_behind_proxy(facts: SourceFacts) -> Findings:
    """An alias for DKIM, DMARC or another mail policy is behind Cloudflare's proxy.

    Why: a proxied CNAME is answered with addresses of the proxy and not followed for TXT, so the key or policy
    behind it is not found.
    Fix: switch the proxy off for this record ("DNS only", proxied = false).
    """
    for records in _proxied(facts).values():
        for record in records:
            if record.type == "CNAME" and any(label in MAIL_LABELS for label in record.name.split(".")):
                yield finding(
                    f"{record.name} is a proxied alias of {record.value}", at=seen(record), subject=record.name
                )


@rule("SRC014", Severity.WARNING, "RFC 7208 §5.3; good practice (Cloudflare: only HTTP passes the proxy)")
def spf_counts_on_proxied_host(facts: SourceFacts) -> Findings:
    """The SPF record lists a host that is behind Cloudflare's proxy.

    Why: the addresses of a proxied name are Cloudflare's. Mail from the real server fails, and whoever sends through
    Cloudflare's addresses would pass.
    Fix: name the addresses themselves (ip4, ip6), or a host that is not proxied.
    """
    proxied = _proxied(facts)
    for (name, type_), records in facts.by_set.items() if proxied else ():
        for spf in records if type_ in TEXTS else ():
            for host in _spf_hosts(spf, name):
                if host in proxied:
                    detail = f"the SPF record of {name} lists {host}, which is proxied"
                    yield finding(detail, at=seen(spf, *proxied[host]), subject=name)


def _proxied(facts: SourceFacts) -> dict[str, list[SourceRecord]]:
    if facts.kind == "master" or facts.provider not in (None, "cloudflare"):
        raise NotApplicable
    found: dict[str, list[SourceRecord]] = {}
    for records in facts.by_set.values():
        for record in records:
            if "proxied" in record.flags:
                found.setdefault(record.name, []).append(record)
    return found


def _spf_hosts(record: SourceRecord, name: str) -> Iterator[str]:
    text = "" if record.value is None else text_of(record)
    if text.lower().startswith("v=spf1"):
        for kind, host in _SPF_HOST.findall(text):
            if kind.lower() == "a":
                yield (host or name).lower().rstrip(".")

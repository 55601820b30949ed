"""Every key of a configuration, with its kind and its meaning: the reader and the schema for editors are made of it."""

from __future__ import annotations

from typing import Any

from deliverkit.config.kinds import (
    Choice,
    Day,
    Each,
    Either,
    Flag,
    Hosts,
    Key,
    KeyFile,
    Number,
    Table,
    Tables,
    Text,
    Texts,
)
from deliverkit.config.kinds import table_schema as _table

POLICIES = ("absent", "none", "quarantine", "reject")
"""What DMARC may publish, the weakest first."""

EXPECT = {
    "spf": Key(
        Choice(("pass", "fail", "softfail", "neutral", "none")),
        "SPF's result for each address of sends-from; without any, pass is a record that can be evaluated.",
    ),
    "spf-all": Key(Choice(("-all", "~all", "?all", "+all")), "How the SPF record ends."),
    "spf-includes": Key(Texts(), "Domains that the SPF record must include, anywhere in its tree."),
    "lookups-max": Key(Number(0, 10), "The most DNS lookups that SPF may need."),
    "voids-max": Key(Number(0, 2), "The most lookups of SPF that may find nothing."),
    "dkim": Key(Texts(), "Selectors that must publish a key that can be used."),
    "dkim-bits-min": Key(Number(512, 16384), "The least size of an RSA key at any of the selectors."),
    "dmarc": Key(Choice(POLICIES), "The weakest DMARC policy that is accepted; absent: there must be none."),
    "dmarc-subdomains": Key(Choice(POLICIES[1:]), "The weakest policy that is accepted for subdomains."),
    "dmarc-rua": Key(Texts(), "Addresses that must get the aggregate reports."),
    "mx": Key(Hosts(), "The hosts that receive mail, all of them; none, or null for a null MX."),
    "mta-sts": Key(
        Choice(("absent", "record", "none", "testing", "enforce")),
        "Whether there is an MTA-STS record, and the mode of its policy.",
    ),
    "tls-rpt": Key(Flag(), "Whether TLS reports are asked for."),
    "bimi": Key(Flag(), "Whether a BIMI logo is published."),
}

DOMAIN = {
    "selectors": Key(Texts(), "DKIM selectors in use."),
    "dkim-keys": Key(Each(KeyFile()), "Private key files by selector, which must match DNS."),
    "sends-from": Key(Texts(), "Addresses the mail leaves from."),
    "submission": Key(Texts(), "Submission hosts, probed on 465 and 587 where probe is true."),
    "via": Key(Texts(), "Providers the mail leaves through, such as sendgrid."),
    "only": Key(Texts(), "Only these protocols: spf, dkim, dmarc, mx, ptr, tlsrpt, mtasts, bimi, providers, ports."),
    "profile": Key(Text(), "bulk, or the name of a table below [profiles]."),
    "parked": Key(Flag(), "The domain sends and receives no mail."),
    "probe": Key(Flag(), "Connect to the mail servers."),
    "expect": Key(Table(EXPECT), "What is expected of the domain."),
}

SOURCE = {
    "path": Key(Text(), "A file, or a pattern such as zones/*.zone, relative to this file."),
    "kind": Key(Choice(("master", "octodns", "terraform")), "What it is, where the file itself does not tell."),
    "origin": Key(Text(), "The name of the zone, where the file does not say."),
}

IGNORE = {
    "rule": Key(Texts(), "Rules whose findings do not count, by id."),
    "subject": Key(Text(), "Only on subjects that match this name or pattern (*.example.com)."),
    "reason": Key(Text("a reason"), "Why; it is shown in every report."),
    "until": Key(Day(), "The last day on which this holds; then the findings come back."),
}

SHARED: dict[str, Key] = {
    "sources": Key(
        Either(Texts("paths"), Tables(Table(SOURCE))),
        "Zone files, octoDNS files and Terraform plans that hold the records; told apart by their content.",
    ),
    "domains": Key(Either(Texts("domains"), Each(Table(DOMAIN))), "The domains to check: names, or a table for each."),
    "parked": Key(Texts(), "Domains that send and receive no mail."),
    "defaults": Key(Table(DOMAIN), "What holds for every domain that does not say otherwise."),
    "profiles": Key(Each(Table(DOMAIN)), "Named settings that a domain takes over with profile = NAME."),
    "all-zones": Key(Flag(), "Check the origin of every zone of the sources, named or not. Default: true."),
    "world": Key(
        Choice(("live", "offline", "closed-world")),
        "What is asked of names outside the sources: DNS, nobody (they are unknown), or nobody (they do not exist).",
    ),
    "nameservers": Key(Texts(), "Resolvers to ask instead of the system's; several are compared with each other."),
    "authoritative": Key(Flag(), "Ask the servers of each zone themselves, and compare them."),
    "drift": Key(Flag(), "Compare the sources with what DNS says now."),
    "journal": Key(Text(), "A journal written by check --record; what no source holds is answered from it."),
    "baseline": Key(Text(), "Findings of before, which do not count (baseline write)."),
    "fail-on": Key(Choice(("error", "warning", "note", "never")), "The severity from which on the check fails."),
    "timeout": Key(Number(0.1, 86400, seconds=True), "Seconds for the whole check."),
    "retries": Key(Number(0, 10), "Further looks at a domain of which something decisive could not be told."),
    "retry-wait": Key(Number(0, 600, seconds=True), "Seconds before each of them."),
    "severity": Key(Each(Choice(("error", "warning", "note"))), "Other severities, by rule id."),
    "ignore": Key(Tables(Table(IGNORE)), "Findings that do not count."),
}

TOP = {**SHARED, "environments": Key(Each(Table(SHARED)), "What is otherwise in an environment (--environment).")}


def schema() -> dict[str, Any]:
    """The JSON schema of a configuration, for editors."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "deliverkit.toml",
        "description": "What deliverkit check checks, and what is expected.",
        **_table(TOP),
    }

"""Records of a source as evidence and in fixes: what the rules beside this file share. No rules."""

from __future__ import annotations

from typing import Any

from deliverkit.facts.source import SourceRecord
from deliverkit.findings import Evidence, RecordText
from deliverkit.protocols.kinds import without_secrets

SHOWN = 300  # characters of evidence
QUOTED = 80  # and of a finding's detail
TARGETS = frozenset({"CNAME", "DNAME", "NS", "PTR", "ALIAS"})
TEXTS = frozenset({"TXT", "SPF"})
MAIL_TYPES = frozenset({"MX", "TXT", "SPF"})
MAIL_LABELS = ("_domainkey", "_dmarc", "_mta-sts", "_tls", "_bimi")


def seen(*records: SourceRecord, by_name: bool = False) -> tuple[Evidence, ...]:
    """The records, each with its line, or with that of its name where the name is what is wrong."""
    places = [r.name_line or r.line if by_name else r.line for r in records]
    return tuple(
        Evidence("dns", r.name, r.type, _shown(r), file=r.file, line=line)
        for r, line in zip(records, places, strict=True)
    )


def _shown(record: SourceRecord) -> str:
    text = text_of(record) if record.type in TEXTS and record.value is not None else record.text
    return without_secrets(text)[:SHOWN]


def begun(text: str) -> str:
    """The beginning of a text, as a finding quotes it."""
    return without_secrets(text)[:QUOTED]


def text_of(record: SourceRecord) -> str:
    """The text of a TXT record that is published, strings joined (RFC 7208 §3.3)."""
    octets: bytes = b"".join(record.value)
    return octets.decode("utf-8", "surrogateescape")


def standing(record: SourceRecord) -> tuple[RecordText, ...]:
    """The record as one to be taken out; nothing where one line makes many, or its value is not known or a secret."""
    if record.value is None or "generated" in record.flags:
        return ()
    if record.type in TEXTS and without_secrets(text_of(record)) != text_of(record):
        return ()
    return (written_as(record),)


def written_as(record: SourceRecord, *, name: str | None = None, value: Any = None) -> RecordText:
    """The record in presentation form, with another name or another plain value (of TXT the text)."""
    told = record.value if value is None else value
    if record.type in TEXTS:
        text = told if isinstance(told, str) else text_of(record)
    elif record.type == "MX":
        text = f"{told[0]} {_absolute(told[1])}"
    elif record.type in TARGETS:
        text = _absolute(told)
    elif record.type == "TLSA":
        text = f"{told[0]} {told[1]} {told[2]} {told[3].hex()}"
    elif record.type == "SOA":
        text = " ".join([_absolute(told[0]), _absolute(told[1]), *map(str, told[2:])])
    else:
        text = str(told)
    return RecordText(record.name if name is None else name, record.type, text)


def _absolute(name: str) -> str:
    return name if name.endswith(".") else f"{name}."


def about_mail(record: SourceRecord) -> bool:
    """True for a record that mail depends on by its type or name."""
    if record.type == "MX":
        return True
    if any(label in MAIL_LABELS for label in record.name.split(".")):
        return True
    return record.type in TEXTS and record.value is not None and text_of(record).lower().startswith("v=spf1")

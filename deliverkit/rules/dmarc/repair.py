"""The record to publish instead: what was meant by a faulty DMARC record, written as the grammar wants it.

A repair keeps every tag that is valid or whose meaning is plain, and drops the rest; it invents nothing.
"""

from __future__ import annotations

import functools
import re

from deliverkit.facts.dmarc import DmarcFacts
from deliverkit.findings import RecordText
from deliverkit.protocols.dmarc.record import KNOWN_TAGS, DmarcRecord, is_dmarc, parse_dmarc
from deliverkit.protocols.taglist import TYPOGRAPHIC
from deliverkit.protocols.uri import ReportUri

_FO_PAIRS = ("1", "d", "s", "d:s", "s:d")
_MODES = {"s": "s", "strict": "s"}  # relaxed is the default and need not be written
_SWALLOWED = re.compile(rf"([^\s;,=:])[\s,]+({'|'.join(KNOWN_TAGS)}|pct|rf|ri)\s*=", re.IGNORECASE)


def proposal(dmarc: DmarcFacts, record: DmarcRecord, **changes: str | None) -> tuple[RecordText, ...]:
    """The record that applies as it should be published, with the changes made."""
    where = dmarc.discovery.record_domain or dmarc.domain
    return (RecordText(f"_dmarc.{where}", "TXT", rewritten(mended(record.text), **changes)),)


@functools.lru_cache(maxsize=1024)
def mended(text: str) -> DmarcRecord:
    """The record read again after the slips of the pen were put right: quotes, backslashes, separators, the version."""
    bare = re.sub(rf"[\"'{TYPOGRAPHIC}\\]", "", text).strip()
    rest = re.sub(r"^v\s*[=:]?\s*DMARC1?(?![0-9])[\s;,]*|;\s*v\s*=\s*DMARC1\s*;?", "", bare, flags=re.IGNORECASE)
    rest = re.sub(r";\s*(?=mailto:)", ",", rest, flags=re.IGNORECASE)
    rest = _SWALLOWED.sub(r"\1; \2=", rest)
    return parse_dmarc(f"v=DMARC1; {rest}")


def repaired(text: str) -> str | None:
    """A record that receivers ignore, made into one they do not; None if it would state nothing."""
    record = mended(text)
    return rewritten(record) if is_dmarc(record.text) and record.applies else None


def rewritten(record: DmarcRecord, **changes: str | None) -> str:
    """The record's tags in the customary order, defaults and removed tags left out, with the changes made."""
    ruf = addresses(record.ruf)
    options = ":".join(record.fo)
    tags: dict[str, str | None] = {
        "p": record.p or "none",
        "sp": record.sp,
        "np": record.np,
        "adkim": _MODES.get((record.tags.value("adkim") or "").lower()),
        "aspf": _MODES.get((record.tags.value("aspf") or "").lower()),
        "psd": record.psd if record.psd != "u" else None,
        "t": "y" if record.t else None,
        "fo": None if not ruf or options == "0" else options if options in _FO_PAIRS else "1",
        "rua": addresses(record.rua),
        "ruf": ruf,
    }
    tags.update(changes)
    return "; ".join(["v=DMARC1", *(f"{name}={value}" for name, value in tags.items() if value)])


def addresses(uris: tuple[ReportUri, ...]) -> str | None:
    """The mail addresses of a list of URIs, those without mailto: included; None if there are none."""
    found = (with_mailto(uri) for uri in uris)
    return ",".join(dict.fromkeys(uri for uri in found if uri)) or None


def with_mailto(uri: ReportUri) -> str | None:
    """The URI without its size limit, with mailto: where only that is missing; None if it is no mail address."""
    if uri.valid:
        return uri.target if uri.scheme == "mailto" else None
    mended_uri = parse_dmarc(f"v=DMARC1; rua=mailto:{uri.target}").rua[0] if not uri.scheme else uri
    return mended_uri.target if mended_uri.valid else None

"""The BIMI assertion record: TXT at ``<selector>._bimi.<domain>`` (draft-brand-indicators-for-message-identification).

Only the record's syntax lives here; logo and mark certificate are fetched over HTTPS and are another matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from deliverkit.protocols.fault import Fault
from deliverkit.protocols.taglist import Tag, TagList, parse_taglist

KNOWN_TAGS = ("v", "l", "a", "avp", "lps")
_VERSION = re.compile(r"v[ \t]*=[ \t]*BIMI1[ \t]*(?:;|$)")


@dataclass(frozen=True, slots=True)
class BimiRecord:
    """One text as a BIMI record. ``selected`` is True if receivers count it, ``valid`` if they can use it.

    ``declines`` is True for the record that says "no indicator, please": l and a both empty.
    """

    text: str
    selected: bool
    location: str | None
    evidence: str | None
    preference: str | None
    local_parts: tuple[str, ...]
    declines: bool
    tags: TagList
    faults: tuple[Fault, ...]

    @property
    def valid(self) -> bool:
        """False if a fault makes the record unusable."""
        return not any(fault.fatal for fault in self.faults)

    def to_json(self) -> dict[str, object]:
        """The record as a reader of JSON wants it."""
        return {
            "text": self.text,
            "valid": self.valid,
            "declines": self.declines,
            "l": self.location,
            "a": self.evidence,
            "avp": self.preference,
            "lps": self.local_parts,
            "faults": self.faults,
        }


def is_bimi(text: str) -> bool:
    """True if receivers take the text for a BIMI record."""
    return _VERSION.match(text) is not None


def looks_like_bimi(text: str) -> bool:
    """True if somebody meant the text to be a BIMI record, valid or not."""
    return re.match(r"\W*v\s*=?\s*BIMI", text, re.IGNORECASE) is not None


def parse_bimi(text: str) -> BimiRecord:
    """Read a BIMI record.

    Fault kinds beside those of `parse_taglist`: ``version``, ``no-location``, ``several-locations``, ``not-https``,
    ``bad-uri``, ``not-svg``, ``invalid-value``, ``unknown-tag``.
    """
    tags = parse_taglist(text)
    faults = list(tags.faults)
    if not is_bimi(text):
        place = (0, min(len(text), 8))
        faults.append(Fault("version", "the record does not start with v=BIMI1", place, fatal=True))
    location, evidence = tags.get("l"), tags.get("a")
    faults.extend(_location_faults(text, location, evidence))
    if evidence and evidence.value:
        faults.extend(_uri_faults(evidence))
    stated = tags.get("avp")
    if stated and stated.value.lower() not in ("brand", "personal"):
        detail = f"avp={stated.value[:40]} is neither brand nor personal"
        faults.append(Fault("invalid-value", detail, stated.span))
    for tag in tags.tags:
        if tag.name not in KNOWN_TAGS:
            faults.append(Fault("unknown-tag", f"the tag {tag.name[:40]} is unknown and ignored", tag.span))
    return BimiRecord(
        text=text,
        selected=is_bimi(text),
        location=location.value or None if location else None,
        evidence=evidence.value or None if evidence else None,
        preference=stated.value.lower() if stated else None,
        local_parts=tuple(part.strip() for part in (tags.value("lps") or "").split(",") if part.strip()),
        declines=is_bimi(text) and location is not None and not location.value and not (evidence and evidence.value),
        tags=tags,
        faults=tuple(sorted(faults, key=lambda fault: fault.span)),
    )


def _location_faults(text: str, location: Tag | None, evidence: Tag | None) -> list[Fault]:
    """The l tag: required, one https: URI of an SVG, or empty to decline."""
    if location is None:
        return [Fault("no-location", "no l tag: nothing to show", (0, len(text)), fatal=True)]
    if not location.value:
        if evidence is None or not evidence.value:
            return []
        return [Fault("no-location", "l is empty although a is not", location.span, fatal=True)]
    if "," in location.value:
        detail = "several locations; one URI is allowed (a comma in it must be written %2C)"
        return [Fault("several-locations", detail, location.value_span, fatal=True)]
    found = _uri_faults(location)
    if not found and not re.search(r"\.svgz?$", urlsplit(location.value).path, re.IGNORECASE):
        found.append(Fault("not-svg", "the location does not end in .svg or .svgz", location.value_span))
    return found


def _uri_faults(tag: Tag) -> list[Fault]:
    if not tag.value.lower().startswith("https://"):
        return [Fault("not-https", f"{tag.name} is no https: URI", tag.value_span, fatal=True)]
    try:
        parts = urlsplit(tag.value)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\"<>\\^`{|}]|[^\x20-\x7e]", tag.value):
        return [Fault("bad-uri", f"{tag.name} is no valid URI", tag.value_span, fatal=True)]
    return []

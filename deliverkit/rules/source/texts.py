"""TXT records of a source: quotation marks, strings and their seams, what cuts or doubles them on the way to DNS."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deliverkit.facts.base import NotApplicable
from deliverkit.facts.source import SourceFacts, SourceRecord
from deliverkit.findings import STRING_OCTETS, Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.source.record import TEXTS, begun, seen, standing, text_of, written_as

_ABOUT_MAIL = re.compile(r"v=(?:spf1|DKIM1|DMARC1|TLSRPTv1|STSv1|BIMI1)(?![A-Za-z0-9])|(?:k|p|s|t|h)=.*;?\s*p=", re.I)
_CUT = re.compile(r"v=(?:DKIM1|DMARC1|TLSRPTv1|STSv1|BIMI1)|k=(?:rsa|ed25519)", re.IGNORECASE)
_TERM = re.compile(
    r"[+?~-]?(?:(?:include|ip4|ip6|exists|a|mx|ptr):\S|[+?~-]all(?:\s|$))|(?:redirect|exp)=\S|[?~+-]all(?:\s|$)",
    re.IGNORECASE,
)
_QUOTED_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_LIMITS = {"route53": 4000, "azure": 4096}


def _texts(facts: SourceFacts) -> Iterator[SourceRecord]:
    for (_, type_), records in facts.by_set.items():
        if type_ in TEXTS:
            yield from (record for record in records if record.value is not None)


@rule("SRC030", Severity.ERROR, "RFC 1035 §3.3")
def string_too_long(facts: SourceFacts) -> Findings:
    """A string of a TXT record is longer than 255 octets.

    Why: a character-string holds 255 octets. A name server refuses the whole zone file, and Route 53 and Google refuse
    the change; a DKIM key of 2048 bits is longer than that.
    Fix: cut the text into several quoted strings in one record; they are joined without a blank.
    """
    if facts.kind == "octodns" or facts.provider == "azure":  # cut by whoever publishes it
        raise NotApplicable
    for record in _texts(facts):
        if len(record.text) <= STRING_OCTETS or (facts.provider == "cloudflare" and not record.text.startswith('"')):
            continue
        longest = max((_octets(string) for string in record.strings), default=0)
        if longest > STRING_OCTETS:
            same = standing(record)
            yield finding(
                f"a string of {longest} octets", at=seen(record), removes=same, records=same, subject=record.name
            )


_ESCAPE = re.compile(r"\\(?:[0-9]{3}|.)", re.DOTALL)


def _octets(string: str) -> int:
    return len(_ESCAPE.sub("x", string).encode("utf-8", "surrogateescape"))


@rule("SRC031", Severity.ERROR, "RFC 7208 §3.3")
def blank_lost_between_strings(facts: SourceFacts) -> Findings:
    """Two strings of an SPF record are joined without the blank that its terms need.

    Why: the strings of a TXT record are joined as they are. "include:a.example" "include:b.example" becomes
    include:a.exampleinclude:b.example, which is no term: receivers answer permerror.
    Fix: put a blank at the end of the first string or at the start of the second.
    """
    for record in _texts(facts):
        strings = record.strings
        if len(strings) < 2 or not text_of(record).lower().startswith("v=spf1"):
            continue
        if _bare(facts, record) or _unquoted(facts, record) is not None:  # another fault, told by its own rule
            continue
        seams = [n for n in range(1, len(strings)) if _lost(strings[n - 1], strings[n])]
        if seams:
            first = strings[seams[0] - 1][-30:] + strings[seams[0]][:30]
            gone = standing(record)
            whole = " ".join(strings)
            sure = len(seams) == len(strings) - 1 and "\\" not in whole  # a seam may lie inside of a term
            new = (written_as(record, value=whole),) if gone and sure else ()
            detail = f"the strings are joined to …{first}…"
            yield finding(detail, at=seen(record), removes=gone if new else (), records=new, subject=record.name)


def _lost(left: str, right: str) -> bool:
    if not left or left[-1].isspace():
        return False
    return _TERM.match(right) is not None or (left.lower() == "v=spf1" and right[:1].strip() != "")


@rule("SRC032", Severity.ERROR, "RFC 1035 §5.1")
def text_without_quotation_marks(facts: SourceFacts) -> Findings:
    """A text with blanks stands without quotation marks, so that each word is a string of its own.

    Why: the strings of a TXT record are joined without blanks. v=spf1 mx -all without quotation marks is published as
    "v=spf1" "mx" "-all", read as v=spf1mx-all: no SPF record.
    Fix: put the text into quotation marks.
    """
    if facts.kind != "master" and facts.provider != "google":
        raise NotApplicable
    for record in _texts(facts):
        if len(record.strings) > 1 and _bare(facts, record) and _ABOUT_MAIL.match(record.strings[0]):
            if all(string.endswith((";", ",")) for string in record.strings[:-1]):
                continue  # tags need no blank between them (RFC 6376 §3.2): v=DKIM1\; p=… says what it should
            text = " ".join(record.strings)
            gone = standing(record)
            new = (written_as(record, value=text),) if gone and "\\" not in text and '"' not in text else ()
            detail = f"it is published as {begun(text_of(record))!r}"
            yield finding(detail, at=seen(record), removes=gone if new else (), records=new, subject=record.name)


def _bare(facts: SourceFacts, record: SourceRecord) -> bool:
    """True where the words of the text stand without quotation marks."""
    return (facts.kind == "master" or facts.provider == "google") and not record.text.startswith('"')


@rule("SRC033", Severity.ERROR, "RFC 1035 §5.1")
def text_cut_at_semicolon(facts: SourceFacts) -> Findings:
    """A text without quotation marks ends at its first semicolon.

    Why: a semicolon begins a comment in a zone file. Of v=DMARC1; p=reject only v=DMARC1 is published, which receivers
    take for no record.
    Fix: put the whole text into quotation marks.
    """
    if facts.kind != "master":
        raise NotApplicable
    for record in _texts(facts):
        if len(record.strings) == 1 and _CUT.fullmatch(record.strings[0]) and _bare(facts, record):
            detail = f"only {record.strings[0]} is published, the rest is a comment"
            yield finding(detail, at=seen(record), subject=record.name)


@rule("SRC034", Severity.ERROR, "RFC 1035 §5.1; RFC 7208 §4.5")
def quotation_marks_in_text(facts: SourceFacts) -> Findings:
    """Quotation marks became a part of the text that is published.

    Why: quotation marks belong to zone files, not to the text. Azure publishes them as they are, Terraform's
    resource for Route 53 adds its own, and marks that are escaped or doubled are published everywhere: no receiver
    takes "v=spf1 for the beginning of an SPF record.
    Fix: write the text with the quotation marks that this place wants: in zone files and at Google one pair, at
    Cloudflare one or none, in octoDNS, Azure and aws_route53_record none.
    """
    for record in _texts(facts):
        meant = _unquoted(facts, record)
        if meant is not None and _ABOUT_MAIL.match(meant):
            gone = standing(record)
            new = (written_as(record, value=meant),) if gone else ()
            yield finding(
                f"published is {begun(record.text)}", at=seen(record), removes=gone, records=new, subject=record.name
            )


def _unquoted(facts: SourceFacts, record: SourceRecord) -> str | None:
    """The text without the marks that it should not have; None where it has none."""
    text = text_of(record)
    if facts.provider == "route53" and record.text.startswith('"') and record.text.endswith('"'):
        return text
    if facts.provider in ("cloudflare", "google") and record.text.startswith('""'):
        return record.text.strip('"').replace('""', '"')
    if text.startswith('"'):
        inner = _QUOTED_STRING.findall(text)
        return "".join(inner) if inner else text.strip('"')
    return None


@rule("SRC035", Severity.ERROR, "good practice (limits of Route 53 and Azure DNS)")
def text_longer_than_provider_takes(facts: SourceFacts) -> Findings:
    """A text is longer than the provider takes.

    Why: Route 53 takes values of up to 4,000 characters, Azure DNS of up to 4,096. The change is refused as a whole.
    Fix: shorten the text; an SPF record of this size costs too many lookups anyway.
    """
    most = _LIMITS.get(facts.provider or "")
    if most is None:
        raise NotApplicable
    for record in _texts(facts):
        if len(record.text) > most:
            detail = f"{len(record.text)} characters; {most} is the limit"
            yield finding(detail, at=seen(record), subject=record.name)


@rule("SRC036", Severity.ERROR, "RFC 6376 §3.2, RFC 9989 §4.7")
def backslash_before_semicolon(facts: SourceFacts) -> Findings:
    """A backslash is published before a semicolon.

    Why: the backslash escapes a semicolon in zone files and in octoDNS. Elsewhere, or written twice, it is
    published, and p=reject\\ is no policy.
    Fix: write the semicolon as this place wants it: inside quotation marks or in Terraform as it is, in octoDNS \\;
    with one backslash.
    """
    for record in _texts(facts):
        if "\\" not in record.text:
            continue
        text = text_of(record)
        if "\\;" in text and _ABOUT_MAIL.match(text):
            gone = standing(record)
            new = (written_as(record, value=text.replace("\\;", ";")),) if gone else ()
            yield finding(
                f"published is {begun(text)}", at=seen(record), removes=gone, records=new, subject=record.name
            )


@rule("SRC037", Severity.ERROR, "good practice (octoDNS: semicolons are escaped)")
def semicolon_not_escaped(facts: SourceFacts) -> Findings:
    """A semicolon in octoDNS stands without its backslash, while others in the zone have theirs.

    Why: octoDNS wants \\; unless its provider says escaped_semicolons: false, which goes for the whole file. It refuses
    the zone ("unescaped ;"), and nothing is published.
    Fix: write \\; as in the other records.
    """
    if facts.kind != "octodns":
        raise NotApplicable
    records = list(_texts(facts))
    if not any("\\;" in record.text for record in records):
        return
    for record in records:
        if re.search(r"\w;", record.text):
            same = standing(record)
            yield finding(
                "a semicolon without backslash", at=seen(record), removes=same, records=same, subject=record.name
            )

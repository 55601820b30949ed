"""Rules about MIME: boundaries, charsets, transfer encodings."""

from __future__ import annotations

from deliverkit.facts.message import MessageFacts, MimeFault
from deliverkit.findings import Severity, finding
from deliverkit.rules.message.places import at_field, at_line
from deliverkit.rules.registry import Findings, rule


def _judged(facts: MessageFacts, *kinds: str) -> Findings:
    """One finding for each of these kinds of fault, however many parts have it, at the lines of the first few."""
    for kind in kinds:
        found = [fault for fault in facts.mime.faults if fault.kind == kind]
        if found:
            said = "; ".join(_said(fault) for fault in found[:3])
            more = f"; and {len(found) - 3} parts more" if len(found) > 3 else ""
            yield finding(said + more, at=tuple(at_line(facts, fault.line) for fault in found[:5]))


def _said(fault: MimeFault) -> str:
    return f"part {fault.part}: {fault.detail}" if fault.part else fault.detail


@rule("MSG080", Severity.WARNING, "RFC 2046 §5.1.1")
def boundary_never_closed(facts: MessageFacts) -> Findings:
    """A multipart is never closed.

    Why: the last `--boundary--` line is missing, so readers cannot tell whether the message was cut off; some drop
    the last part, and some filters treat the message as damaged.
    Fix: end every multipart with its boundary and two hyphens at both ends; a truncated message points to a size
    limit or a timeout on the way.
    """
    found = [fault for fault in facts.mime.faults if fault.kind == "boundary-never-closed"]
    for fault in found:
        within = [one for one in found if one is not fault and _encloses(fault.part, one.part)]
        if not any(_encloses(one.part, fault.part) for one in found if one is not fault):
            more = f"; nor are the {len(within)} in it" if within else ""  # the message was cut off within them all
            yield finding(_said(fault) + more, at=at_line(facts, fault.line))


def _encloses(outer: str, inner: str) -> bool:
    return not outer or inner.startswith(f"{outer}.")


@rule("MSG081", Severity.ERROR, "RFC 2046 §5.1.1")
def boundary_missing(facts: MessageFacts) -> Findings:
    """A multipart has no usable boundary.

    Why: without a boundary, or when no line uses the one that is declared, readers show the raw source or nothing.
    Fix: declare in Content-Type the boundary that stands before the parts, letter by letter (case counts), and let
    the mail library write both.
    """
    yield from _judged(facts, "no-boundary", "boundary-never-used")


@rule("MSG082", Severity.WARNING, "RFC 2046 §5.1.1")
def damaged_structure(facts: MessageFacts) -> Findings:
    """The MIME structure is damaged.

    Why: readers and virus scanners take such messages apart differently, so scanners refuse what they cannot tell.
    Fix: let the mail library write the structure: boundaries of at most 70 permitted characters, an empty line after
    the header of each part, `type/subtype; parameter=value` in Content-Type.
    """
    yield from _judged(facts, "bad-boundary", "bad-content-type", "header-not-closed", "encoded-multipart")


@rule("MSG083", Severity.WARNING, "RFC 2046 §5.1")
def absurd_structure(facts: MessageFacts) -> Findings:
    """The message has more parts, or parts nested deeper, than anybody reads.

    Why: servers and scanners stop at a limit (often 100 parts or 20 levels) and refuse the rest.
    Fix: send fewer parts; nested multiparts made in a loop are the usual cause.
    """
    yield from _judged(facts, "too-deep", "too-many-parts")


@rule("MSG084", Severity.WARNING, "RFC 2046 §4.1.2")
def unknown_charset(facts: MessageFacts) -> Findings:
    """A text part declares a charset nobody knows.

    Why: readers show question marks or garbage, or guess.
    Fix: declare `charset=utf-8` and encode the text as UTF-8.
    """
    yield from _judged(facts, "unknown-charset")


@rule("MSG085", Severity.WARNING, "RFC 2046 §4.1.2")
def text_not_in_charset(facts: MessageFacts) -> Findings:
    """A text part is not in the charset it declares.

    Why: readers decode it by the declaration and show garbage; without one the text must be US-ASCII.
    Fix: declare the charset the text is really in: `Content-Type: text/plain; charset=utf-8`.
    """
    yield from _judged(facts, "not-in-charset")


@rule("MSG086", Severity.WARNING, "RFC 2045 §6")
def damaged_transfer_encoding(facts: MessageFacts) -> Findings:
    """A part is not encoded as its Content-Transfer-Encoding says.

    Why: servers re-encode such parts on the way, which breaks DKIM, and attachments arrive damaged.
    Fix: let the mail library encode the part and write the field; the names are 7bit, 8bit, binary, quoted-printable
    and base64.
    """
    yield from _judged(facts, "unknown-encoding", "bad-base64", "bad-quoted-printable", "eight-bit-in-7bit")


@rule("MSG087", Severity.NOTE, "RFC 2045 §4")
def no_mime_version(facts: MessageFacts) -> Findings:
    """MIME fields without MIME-Version.

    Why: strict readers then take the message for plain text and show its source.
    Fix: add `MIME-Version: 1.0`.
    """
    field = facts.header.first("content-type") or facts.header.first("content-transfer-encoding")
    if field is not None and facts.header.first("mime-version") is None:
        yield finding(f"{field.name} stands there, MIME-Version does not", at=at_field(facts, field))

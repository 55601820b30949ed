"""Rules about the octets on the wire: line ends, line lengths, NULs, dots, and the shape of the header section."""

from __future__ import annotations

from collections.abc import Sequence

from deliverkit.facts.message import Field, MessageFacts
from deliverkit.findings import Severity, finding
from deliverkit.rules.message.places import at_field, at_fields, at_line, at_places, short
from deliverkit.rules.registry import Findings, rule


@rule("MSG030", Severity.ERROR, "RFC 5321 §2.3.8")
def bare_lf(facts: MessageFacts) -> Findings:
    """The message has lines that end with LF alone.

    Why: only CRLF ends a line in mail. Many receivers refuse a bare LF since it lets a second message be smuggled in
    (550 5.6.11 at Exchange Online, 521 5.5.2 at Postfix), others repair it, which breaks DKIM signatures.
    Fix: write CRLF at the end of every line before signing and sending; let the mail library do it instead of joining
    lines with \\n.
    """
    lines = facts.lines
    if lines.bare_lf and not lines.false_ends:
        mixed = f"; {lines.crlf} lines end with CRLF" if lines.crlf else ""
        detail = f"{lines.bare_lf.count} bare LF ({lines.bare_lf.lines}){mixed}"
        yield finding(detail, at=at_places(facts, lines.bare_lf.places))


@rule("MSG031", Severity.WARNING, "RFC 5321 §2.3.8")
def bare_cr(facts: MessageFacts) -> Findings:
    """The message has CR that no LF follows.

    Why: CR may stand only in CRLF. Some servers take it for a line end, some drop it, some refuse the message; a
    signature does not survive that.
    Fix: remove the CR, or make it CRLF where a line end is meant; text read from a file in binary mode is the usual
    source.
    """
    lines = facts.lines
    if lines.bare_cr and not lines.false_ends:
        detail = f"{lines.bare_cr.count} bare CR ({lines.bare_cr.lines})"
        yield finding(detail, at=at_places(facts, lines.bare_cr.places))


@rule("MSG032", Severity.ERROR, "RFC 5322 §2.1.1")
def line_too_long(facts: MessageFacts) -> Findings:
    """A line is longer than 998 octets.

    Why: servers refuse such lines, or break them in two on the way; what they break was signed as it stood, so the
    DKIM body hash fails at the receiver while it passes at home.
    Fix: encode the part as quoted-printable or base64 (Content-Transfer-Encoding); fold long header fields at blanks.
    """
    long = facts.lines.over_998
    if long:
        in_header = [place for place in long.places if place.line < facts.header.body_line]
        where = "in the header" if in_header else "in the body"
        detail = f"{long.lines} {where}: {facts.lines.longest} octets at most, 998 is the limit"
        yield finding(
            detail,
            at=tuple(
                at_line(facts, p.line, facts.octets[p.offset : p.offset + 60].decode("utf-8", "backslashreplace") + "…")
                for p in long.places[:3]
            ),
        )


@rule("MSG033", Severity.ERROR, "RFC 5321 §4.1.1.4")
def false_end_of_data(facts: MessageFacts) -> Findings:
    """A lone dot between broken line ends could end the message at some servers.

    Why: only CRLF.CRLF ends the data. A server that also takes LF.LF or LF.CRLF for the end would read what follows
    as new SMTP commands (SMTP smuggling), so careful receivers refuse the whole message.
    Fix: send CRLF at every line end, and double the dot at the beginning of a line (RFC 5321 §4.5.2); if you did not
    write these octets, somebody is trying to smuggle a message through your application.
    """
    found = facts.lines.false_ends
    if found:
        places = ", ".join(f"{end.sequence} at line {end.place.line}" for end in found[:5])
        yield finding(places, at=at_places(facts, [end.place for end in found]))


@rule("MSG034", Severity.ERROR, "RFC 5322 §4.1")
def nul_octet(facts: MessageFacts) -> Findings:
    """The message contains NUL octets.

    Why: NUL is not allowed in mail; servers refuse the message, strip the octet (which breaks signatures) or cut the
    message there.
    Fix: encode binary parts as base64 and keep text in a charset without NUL octets (UTF-16 text must be base64).
    """
    nul = facts.lines.nul
    if nul:
        yield finding(f"{nul.count} NUL ({nul.lines})", at=at_places(facts, nul.places))


@rule("MSG035", Severity.WARNING, "RFC 5321 §4.5.2")
def dots_still_doubled(facts: MessageFacts) -> Findings:
    """Lines begin with two dots after a bare LF.

    Why: a sender doubles a leading dot and the server takes one away, but only after CRLF. After a bare LF the second
    dot stays in the text the reader sees, and in what DKIM hashes.
    Fix: send CRLF at every line end; then dot-stuffing is undone by every server.
    """
    stuffed = facts.lines.still_stuffed
    if stuffed:
        yield finding(f"{stuffed.count} such lines ({stuffed.lines})", at=at_places(facts, stuffed.places))


@rule("MSG036", Severity.ERROR, "RFC 5322 §2.2")
def stray_header_line(facts: MessageFacts) -> Findings:
    """A line in the header is no header field.

    Why: it is neither "Name: value" nor the continuation of one. Some readers take it, and every field below it, for
    the body, and DKIM verifiers call the message malformed.
    Fix: give the line a field name, fold it (a blank at its beginning), or remove it; a line break in a value that
    was put into the header unchecked is the usual source.
    """
    strays = facts.header.strays
    if strays and not (len(strays) == 1 and _mbox_line(strays[0])):
        number, text = strays[0]
        more = f" and {len(strays) - 1} more" if len(strays) > 1 else ""
        detail = f"line {number}{more}: {short(text)!r}"
        if text.startswith("\ufeff"):
            detail = "a byte order mark stands before the first field: the file was saved as UTF-8 with BOM"
        yield finding(detail, at=tuple(at_line(facts, number, text) for number, text in strays[:3]))


@rule("MSG037", Severity.WARNING, "RFC 4155")
def mbox_line(facts: MessageFacts) -> Findings:
    """The message begins with the "From " line of an mbox file.

    Why: that line belongs to the file, not to the message; a server takes it for a damaged header field.
    Fix: remove the first line before sending the message.
    """
    strays = facts.header.strays
    if strays and _mbox_line(strays[0]):
        yield finding(f"line 1: {short(strays[0][1])!r}", at=at_line(facts, 1, strays[0][1]))


def _mbox_line(stray: tuple[int, str]) -> bool:
    return stray[0] == 1 and stray[1].startswith("From ")


@rule("MSG038", Severity.NOTE, "RFC 5322 §2.2.3")
def folded_after_name(facts: MessageFacts) -> Findings:
    """A header field is folded directly after its name.

    Why: the syntax allows it, but some signers and verifiers disagree about the empty first line, so a DKIM signature
    over the field can fail at one receiver only, and some readers show the field empty.
    Fix: begin the value on the line of the name; fold later, or not at all below 998 octets.
    """
    guilty = [field for field in facts.header.fields if field.folded_after_name]
    if guilty:
        yield finding(_names(guilty), at=at_fields(facts, guilty[:3]))


@rule("MSG039", Severity.WARNING, "RFC 5322 §3.2.2")
def blank_continuation(facts: MessageFacts) -> Findings:
    """A header field has a continuation line of blanks alone.

    Why: such lines must not be written; servers that strip blanks at line ends make it the empty line that ends the
    header, and every field below becomes body text.
    Fix: fold only where text follows on the next line.
    """
    guilty = [field for field in facts.header.fields if field.blank_fold]
    if guilty:
        yield finding(_names(guilty), at=at_fields(facts, guilty[:3]))


@rule("MSG040", Severity.WARNING, "RFC 5322 §2.2")
def blank_before_colon(facts: MessageFacts) -> Findings:
    """A blank stands between a field's name and its colon.

    Why: the form is obsolete; some servers do not see the field at all, or refuse the message.
    Fix: write the colon directly after the name.
    """
    guilty = [field for field in facts.header.fields if field.blank_before_colon]
    if guilty:
        yield finding(_names(guilty), at=at_fields(facts, guilty[:3]))


@rule("MSG041", Severity.WARNING, "RFC 5322 §2.2, RFC 6532 §3")
def raw_eight_bit_header(facts: MessageFacts) -> Findings:
    """A header field holds raw octets above 127.

    Why: only a session with SMTPUTF8 may carry them, and only as UTF-8. Elsewhere receivers refuse the message, show
    garbage, or disagree about what a DKIM signature covers.
    Fix: write display names and Subject as RFC 2047 encoded words, domains as A-labels, parameters as RFC 2231 says.
    """
    guilty = [field for field in facts.header.fields if field.eight_bit]
    if guilty and not (facts.internationalized and all(field.utf8 for field in guilty)):
        damaged = [field.name for field in guilty if not field.utf8]
        how = f"; {', '.join(dict.fromkeys(damaged))} is not even UTF-8" if damaged else " (UTF-8)"
        yield finding(_names(guilty) + how, at=tuple(at_field(facts, field) for field in guilty[:3]))


@rule("MSG043", Severity.NOTE, "RFC 6531 §3.2, RFC 6532 §3")
def needs_smtputf8(facts: MessageFacts) -> Findings:
    """The message can travel with SMTPUTF8 only.

    Why: an address or a field is written in UTF-8, which is sound, but each server on the way must offer SMTPUTF8;
    one that does not returns the message (550 5.6.7).
    Fix: nothing, where sender and recipients want it so; else write from an address in ASCII, domains as A-labels and
    names as RFC 2047 encoded words.
    """
    guilty = [field for field in facts.header.fields if field.eight_bit]
    if guilty and facts.internationalized and all(field.utf8 for field in guilty):
        yield finding(_names(guilty), at=tuple(at_field(facts, field) for field in guilty[:3]))


@rule("MSG042", Severity.WARNING, "RFC 5322 §2.1.1")
def header_too_large(facts: MessageFacts) -> Findings:
    """The header section is larger than servers accept.

    Why: many servers stop at 64 to 256 kB of header, Gmail refuses more than 500 kB with 552 5.3.4.
    Fix: send one message to fewer recipients, and keep data out of the header.
    """
    size = facts.header.body
    if size > 65536 or facts.header.cut:
        yield finding(f"{size} octets of header, {len(facts.header.fields)} fields")


def _names(fields: Sequence[Field]) -> str:
    """ "Subject (line 3), To (line 4)"."""
    said = [f"{field.name} (line {field.line})" for field in fields[:5]]
    return ", ".join(said) + (f" and {len(fields) - 5} more" if len(fields) > 5 else "")

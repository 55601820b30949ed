"""Rules about what the reader sees: leftovers of templates, texts that are missing, attachments, size."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from deliverkit.facts.base import needs
from deliverkit.facts.message import MessageFacts
from deliverkit.findings import Evidence, Severity, finding
from deliverkit.rules.message.places import at_field, at_line, short
from deliverkit.rules.message.shown import Shown, Telltale, at, in_html, targets, texts
from deliverkit.rules.registry import Findings, rule

_PLACEHOLDER = Telltale(
    ("{{", "{%", "<%", "${", "#{", "%", "*|"),
    r"\{\{(?=[^{}\n]{0,120}\w)[^{}\n]{1,120}\}\}"  # Jinja, Handlebars, Mustache, Go, Angular
    r"|\{%[^%\n]{0,200}%\}"  # Jinja, Liquid, Twig
    r"|<%[^%\n]{0,200}%>"  # ERB, EJS, JSP
    r"|\$\{[A-Za-z_][^{}\n$]{0,80}\}"  # JavaScript, FreeMarker, shell
    r"|#\{[A-Za-z_][^{}\n#]{0,80}\}"  # Ruby, Pug, SpEL
    r"|%[A-Za-z]\w{0,40}(?:\.\w{1,40}){1,4}%"  # %recipient.name%
    r"|%%[A-Za-z_]\w{0,60}%%"
    r"|(?<![\w%])%[A-Z]{2,}_[A-Z_]{2,60}%"  # %FIRST_NAME%
    r"|\*\|[A-Z][A-Z0-9_:]{0,60}\|\*",  # *|FNAME|*
)
_GREETING = (
    r"(?:hi|hello|hey|dear|welcome|good (?:morning|day|evening)"
    r"|hallo|liebe[rs]?|guten tag|bonjour|cher|chère|hola|ciao)"
)
_LEAKED = Telltale(
    ("undefined", "null", "nil", "None", "NaN", "Array", "[object ", " at 0x", "Invalid Date"),
    rf"\b(?i:{_GREETING})[ ,]+(?:undefined|null|nil|None|NaN|Array|\(null\))(?=\s*(?:[,.!:;]|$))"
    r"|\[object [A-Z][A-Za-z]*\]"
    r"|<(?:[\w.]+ object|function \w+|bound method [\w.]+) at 0x[0-9a-f]+>"
    r"|(?<=[#$€£])(?:undefined|NaN|null)\b"
    r"|[:=][ \t]*(?:undefined|NaN|Invalid Date)(?=\s*(?:[.,;]|$))"
    r"|\bundefined undefined\b"
    r"|^[ \t]*(?:undefined|null|NaN)[ \t]*$",  # "None" alone is an answer people give
)
_LEAKED_IN_URL = Telltale(
    ("undefined", "null", "None", "NaN", "nil", "object"),
    r"[/=](?:undefined|null|None|NaN|nil)(?=[/?&#]|$)|(?:\[object|%5Bobject)(?:%20|\+| )\w+|//(?:undefined|null)\b",
)
# Types Gmail refuses (support.google.com/mail/answer/6590, read 2026), and with it most gateways
_PROGRAM = re.compile(
    r"ade|adp|apk|appx|appxbundle|bat|cab|chm|cmd|com|cpl|diagcab|diagcfg|diagpack|dll|dmg|ex|ex_|exe|hta|img|ins|iso"
    r"|isp|jar|jnlp|jse?|lib|lnk|mde|mjs|msc|msi|msix|msixbundle|msp|mst|nsh|pif|ps1|scr|sct|shb|sys|vbe?|vbs|vhd|vxd"
    r"|ws[cfh]|xll"
)
_MACROS = re.compile(r"docm|dotm|xlsm|xltm|xlam|pptm|potm|ppam|ppsm|sldm")
_HARMLESS = r"pdf|docx?|xlsx?|pptx?|txt|csv|jpe?g|png|gif|html?|zip|mp[34]|rtf|odt|ods"
_DOUBLE = re.compile(rf"\.(?:{_HARMLESS})[\s._]*\.[A-Za-z0-9_]+$", re.IGNORECASE)
_TURNED = re.compile("[\u202a-\u202e\u2066-\u2069]")  # marks that turn the direction of writing
_MOST_SHOWN = 10
_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{0,20}://\S+")
_POSTFIX_LIMIT = 10_240_000  # message_size_limit of Postfix as shipped
_GMAIL_CLIP = 102 * 1024


def _urls(facts: MessageFacts) -> Iterator[Shown]:
    """Where links lead and images come from, as texts that a placeholder may stand in."""
    for target in targets(facts):
        if target.part == "text/html":
            yield Shown(target.kind, target.url, in_html(facts, target.line))
    for uri in facts.unsubscribe.uris:
        yield Shown("List-Unsubscribe", uri, at(facts.unsubscribe.fields[0].line))


def _found(facts: MessageFacts, pattern: Telltale, places: Iterator[Shown]) -> list[Evidence]:
    """Each distinct match once, the line around it as evidence."""
    seen: dict[str, Evidence] = {}
    for shown in places:
        samples = {match[0].strip() for match in pattern.matches(shown.code)}
        for match in pattern.matches(shown.text):
            if len(seen) >= _MOST_SHOWN:
                return list(seen.values())
            if match[0].strip() not in seen and match[0].strip() not in samples:
                seen[match[0].strip()] = _around(facts, shown, match)
    return list(seen.values())


def _around(facts: MessageFacts, shown: Shown, match: re.Match[str]) -> Evidence:
    """A match with the line it stands in."""
    text = shown.text
    start = text.rfind("\n", 0, match.start()) + 1
    end = text.find("\n", match.end())
    line = text[start : len(text) if end < 0 else end]
    span = (match.start() - start, match.end() - start)
    if span[1] > 280:
        line, span = line[span[0] - 20 :], (20, 20 + span[1] - span[0])
    return replace(at_line(facts, shown.line(match.start(), match[0]), line, shown.name), span=span)


def _named(evidence: list[Evidence]) -> str:
    said = []
    for one in evidence[:5]:
        start, end = one.span or (0, 0)
        said.append(f"{short(one.value[start:end].strip())} ({one.name})")
    return ", ".join(said) + (f" and {len(evidence) - 5} more" if len(evidence) > 5 else "")


@rule("MSG100", Severity.WARNING, "good practice")
def leftover_placeholder(facts: MessageFacts) -> Findings:
    """A template's placeholder was not filled in.

    Why: the reader sees the source of your template instead of a name, an amount or a link.
    Fix: render the template with all its data before sending, and make undefined variables an error (Jinja2's
    `StrictUndefined`).
    """
    evidence = _found(facts, _PLACEHOLDER, texts(facts)) + _found(facts, _PLACEHOLDER, _urls(facts))
    if evidence:
        yield finding(_named(evidence), at=tuple(evidence))


@rule("MSG101", Severity.WARNING, "good practice")
def leaked_program_value(facts: MessageFacts) -> Findings:
    """A value of the program stands where text should be.

    Why: `undefined`, `[object Object]`, `NaN` or `None` in a greeting, an amount or a link shows that data was
    missing when the message was made; links with it lead nowhere.
    Fix: give the template the value it asks for, or text for the case that there is none.
    """
    evidence = _found(facts, _LEAKED, texts(facts)) + _found(facts, _LEAKED_IN_URL, _urls(facts))
    if evidence:
        yield finding(_named(evidence), at=tuple(evidence))


@rule("MSG102", Severity.WARNING, "RFC 2046 §5.1.4")
def html_without_text(facts: MessageFacts) -> Findings:
    """The message has HTML but no plain text.

    Why: filters count it (spam tools rarely write both), and watches, screen readers and text clients show nothing.
    Fix: send multipart/alternative with a text/plain part first and the HTML after it.
    """
    if needs(facts.html) is not None and facts.text is None:
        yield finding("a text/html part and no text/plain part")


@rule("MSG103", Severity.WARNING, "RFC 2046 §5.1.4")
def empty_text_part(facts: MessageFacts) -> Findings:
    """The plain text part is empty while the HTML is not.

    Why: a reader that prefers plain text shows an empty message, and filters compare the two.
    Fix: write the text into the text/plain part, or make it from the HTML.
    """
    page, text = needs(facts.page), needs(facts.text)
    if not text.strip() and page.text.strip():
        yield finding(f"no text beside {len(page.text)} characters in the HTML")


@rule("MSG104", Severity.WARNING, "good practice")
def empty_message(facts: MessageFacts) -> Findings:
    """The message has no content.

    Why: an empty body is what a failed template or a crashed program sends; filters junk it.
    Fix: check that the body is set before the message is sent.
    """
    shown = (facts.text or "").strip() or (facts.page and (facts.page.text.strip() or facts.page.images))
    if not shown and not facts.mime.attachments:
        yield finding("neither text, nor HTML, nor an attachment")


@rule("MSG105", Severity.NOTE, "RFC 2046 §5.1.4")
def text_and_html_differ(facts: MessageFacts) -> Findings:
    """Plain text and HTML say different things.

    Why: both are meant to be the same message; filters look for mail that shows the reader one thing and the filter
    another.
    Fix: make both parts from one source.
    """
    page, text = needs(facts.page), needs(facts.text)
    plain, rich = _words(text), _words(page.text)
    if len(plain) >= 15 and len(rich) >= 15:
        shared = len(plain & rich) / min(len(plain), len(rich))
        if shared < 0.25:
            yield finding(f"of {len(plain)} and {len(rich)} different words, {len(plain & rich)} are in both parts")


def _words(text: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[^\W\d_]{3,}", _URL.sub(" ", text[:200_000]))}


@rule("MSG106", Severity.ERROR, "good practice")
def executable_attachment(facts: MessageFacts) -> Findings:
    """A program is attached.

    Why: Gmail, Outlook and nearly every gateway refuse the whole message because of such a file (552 5.7.0), also
    inside an archive or under another name.
    Fix: send a link to a download instead, or a document that is no program.
    """
    for part in facts.mime.leaves:
        name = part.filename.strip().rstrip(".")
        ending = name.rpartition(".")[2].lower() if "." in name else ""
        turned = _TURNED.search(name)
        magic = facts.begins_like_program(part)
        if _PROGRAM.fullmatch(ending) or (turned and magic) or magic:
            why = "a Windows program by its first octets" if magic and not _PROGRAM.fullmatch(ending) else f".{ending}"
            double = ", behind a harmless ending" if _DOUBLE.search(name) else ""
            mark = ", with a mark that turns the writing direction to hide its ending" if turned else ""
            yield finding(
                f"part {part.number or '0'}, {short(ascii(name)[1:-1]) or part.type}: {why}{double}{mark}",
                at=at_line(facts, part.line, f"{part.type}; filename={part.filename!a}", "attachment"),
            )


@rule("MSG107", Severity.WARNING, "good practice")
def document_with_macros(facts: MessageFacts) -> Findings:
    """A document with macros is attached.

    Why: many gateways refuse or quarantine Office documents that may hold macros.
    Fix: save the document without macros (.docx, .xlsx, .pptx), as PDF, or send a link.
    """
    for part in facts.mime.leaves:
        ending = part.filename.strip().rpartition(".")[2].lower()
        if _MACROS.fullmatch(ending) or "macroenabled" in part.type:
            yield finding(
                f"part {part.number or '0'}, {short(part.filename)}",
                at=at_line(facts, part.line, f"{part.type}; filename={part.filename}", "attachment"),
            )


@rule("MSG108", Severity.WARNING, "RFC 5321 §4.5.3.1.7")
def too_large(facts: MessageFacts) -> Findings:
    """The message is larger than many servers accept.

    Why: Postfix as shipped takes 10,240,000 octets, Gmail and Outlook.com about 25 MB, encoding included (a file
    grows by a third in base64); others refuse it with 552 5.3.4.
    Fix: send a link to the file, or shrink images before attaching them.
    """
    if facts.size > _POSTFIX_LIMIT:
        largest = max(facts.mime.leaves, key=lambda part: part.size, default=None)
        what = f"; the largest part is {short(largest.filename or largest.type)}, {largest.size:,}" if largest else ""
        yield finding(f"{facts.size:,} octets{what}")


@rule("MSG109", Severity.NOTE, "good practice")
def html_is_clipped(facts: MessageFacts) -> Findings:
    """The HTML is so long that Gmail cuts it off.

    Why: Gmail shows about the first 102 kB of HTML and hides the rest, the unsubscribe link at the end included.
    Fix: shorten the HTML: fewer inline styles, no embedded data, shorter tracking links.
    """
    size = len(needs(facts.html).encode("utf-8", "replace"))
    if size > _GMAIL_CLIP:
        yield finding(f"{size:,} octets of HTML")


@rule("MSG110", Severity.NOTE, "good practice")
def image_only(facts: MessageFacts) -> Findings:
    """The HTML shows images and next to no text.

    Why: readers block images until asked, so the message looks empty; filters count it.
    Fix: write the message as text, and give every image an alternative text.
    """
    page = needs(facts.page)
    if page.images and len(page.text) < 30 and not any(image.alt for image in page.images):
        yield finding(f"{len(page.images)} images, {len(page.text)} characters of text, no alternative text")


@rule("MSG111", Severity.WARNING, "RFC 2392")
def image_not_enclosed(facts: MessageFacts) -> Findings:
    """The HTML shows an image by cid: that the message does not contain.

    Why: the reader sees a broken image.
    Fix: attach the image in the same multipart/related with `Content-ID: <name>` and refer to it as `cid:name`.
    """
    page = needs(facts.page)
    enclosed = {(part.header.value("content-id") or "").strip("<> ") for part in facts.mime.parts}
    wanted = {image.source[4:] for image in page.images if image.source.lower().startswith("cid:")}
    absent = sorted(wanted - enclosed)
    if absent:
        yield finding(", ".join(f"cid:{short(name)}" for name in absent[:5]))


@rule("MSG112", Severity.WARNING, "RFC 5322 §2.2")
def line_break_in_field(facts: MessageFacts) -> Findings:
    """A header field smells of injected lines.

    Why: text with a line break was put into a header unchecked; whoever wrote the text can add recipients, a body or
    attachments to your mail.
    Fix: refuse CR and LF in every value that goes into a header (Python's `email.message.EmailMessage` does).
    """
    for field in facts.header.fields:
        if re.search(
            r"(?:\r|%0[aAdD]|\\r\\n|\\n)[ \t\r]{0,20}(?:bcc|cc|to|subject|content-type|mime-version)[ \t]{0,9}:",
            field.value,
            re.IGNORECASE,
        ):
            yield finding(f"{field.name} (line {field.line})", at=at_field(facts, field))

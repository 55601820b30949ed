"""Rules about header fields: who wrote, to whom, when, under which id, and how names are encoded."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from deliverkit.facts.base import NotApplicable, needs
from deliverkit.facts.message import ADDRESS_FIELDS, Field, MessageFacts, is_message_id
from deliverkit.facts.message.addresses import read_date
from deliverkit.findings import Severity, finding
from deliverkit.rules.message.places import at_field, at_fields, short
from deliverkit.rules.registry import Findings, rule

# RFC 5322 §3.6: fields that stand at most once; the MIME ones by RFC 2045, List-Unsubscribe by RFC 2369 §2
SINGLETONS = (
    *("date", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references", "subject"),
    *("mime-version", "content-type", "content-transfer-encoding", "content-disposition", "content-id"),
    *("list-unsubscribe", "list-unsubscribe-post", "list-id"),
)
# Fields in which RFC 2047 §5 allows no encoded word anywhere
STRUCTURED = (
    *("message-id", "in-reply-to", "references", "date", "mime-version", "content-transfer-encoding", "content-id"),
    *("list-unsubscribe", "list-unsubscribe-post", "list-help", "list-subscribe", "list-post", "list-owner"),
    *("list-archive", "dkim-signature", "return-path", "received", "resent-date", "resent-message-id"),
)
_HIDDEN = re.compile(r"[^\s<>@]+@[^\s<>@]+\.[^\s<>@]+")
_WORDS = 50  # encoded words of one field that are looked at
_DAY = timedelta(days=1)
_LOCAL_ID = re.compile(r"@(?:localhost|localdomain|[^.\[\]>]+|.*\.(?:local|localdomain|internal|lan))>$", re.IGNORECASE)
_NOT_PUBLIC = re.compile(r"(?:.*\.)?(?:localhost|local|localdomain|internal|lan|home\.arpa)", re.IGNORECASE)


def _has_header(facts: MessageFacts) -> None:
    """A message without any header field has one fault, not five."""
    if not facts.header.fields:
        raise NotApplicable


@rule("MSG050", Severity.ERROR, "RFC 5322 §3.6.2")
def no_from(facts: MessageFacts) -> Findings:
    """The message has no From field.

    Why: From is one of two fields that must be there. Receivers refuse the message (550 5.7.1 at Gmail), and DMARC
    has nothing to hold it against.
    Fix: add one From field with one address of your domain.
    """
    if not facts.addresses["from"]:
        names = ", ".join(dict.fromkeys(field.name for field in facts.header.fields)) or "none"
        yield finding(f"header fields found: {short(names, 120)}")


@rule("MSG051", Severity.ERROR, "RFC 5322 §3.6")
def several_from(facts: MessageFacts) -> Findings:
    """The message has more than one From field.

    Why: a reader may show one and DMARC check the other, so receivers refuse such mail.
    Fix: keep one From field; who else is responsible goes into Sender or Reply-To.
    """
    fields = [field for field, _ in facts.addresses["from"]]
    if len(fields) > 1:
        lines = ", ".join(str(field.line) for field in fields[:10])
        yield finding(f"{len(fields)} From fields (lines {lines})", at=at_fields(facts, fields))


@rule("MSG052", Severity.ERROR, "RFC 5322 §3.4")
def from_without_address(facts: MessageFacts) -> Findings:
    """The From field holds no usable address.

    Why: without an address there is no Author Domain: receivers refuse the message or treat it as forged, and nobody
    can answer it.
    Fix: write From as `Name <local@example.com>`; quote a name that holds commas, colons, dots or an @.
    """
    for field, read in facts.addresses["from"]:
        if _hidden(facts, field) is None and not any(mailbox.domain for mailbox in read.mailboxes):
            why = "; ".join(fault.detail for fault in read.faults[:2]) or "it is empty"
            span = read.faults[0].span if read.faults else None
            yield finding(f"From {short(field.value)!r}: {why}", at=at_field(facts, field, span))


@rule("MSG053", Severity.WARNING, "RFC 5322 §3.6.2, RFC 9989 §5.3.1")
def several_authors(facts: MessageFacts) -> Findings:
    """From names several authors.

    Why: with several authors a Sender field must say who sent the message, and when their domains differ there is no
    Author Domain for DMARC: many receivers refuse or junk such mail.
    Fix: write one address into From; name the others in the text, in Reply-To or in Cc.
    """
    if len(facts.addresses["from"]) != 1:
        return
    field, read = facts.addresses["from"][0]
    found = [mailbox.domain for mailbox in read.mailboxes if mailbox.domain]
    domains = sorted(set(found))
    if len(domains) > 1 or (len(found) > 1 and not facts.addresses["sender"]):
        missing = "" if facts.addresses["sender"] else " and no Sender field"
        yield finding(f"{len(found)} addresses of {', '.join(domains[:5])}{missing}", at=at_field(facts, field))


@rule("MSG054", Severity.WARNING, "RFC 5321 §2.3.5")
def from_domain_not_public(facts: MessageFacts) -> Findings:
    """The From address has a domain that nobody outside can look up.

    Why: a name of your own network, or an IP address in brackets, has no records a receiver could find, so no SPF,
    DKIM or DMARC can pass for it, answers go nowhere, and many receivers refuse the message.
    Fix: send from an address of a domain you publish in DNS; set the application's default From address.
    """
    for field, read in facts.addresses["from"]:
        for mailbox in read.mailboxes:
            domain = mailbox.domain
            if domain and (domain.startswith("[") or "." not in domain or _NOT_PUBLIC.fullmatch(domain)):
                yield finding(f"{short(mailbox.address)}", at=at_field(facts, field, mailbox.span))


@rule("MSG055", Severity.WARNING, "RFC 5322 §3.4")
def damaged_address(facts: MessageFacts) -> Findings:
    """An address field cannot be read as addresses.

    Why: servers and readers guess differently at a damaged field: a name turns into an address, an answer goes
    astray, or the message is refused as malformed.
    Fix: write `"Last, First" <local@example.com>`: quote names with commas, colons, dots, brackets or an @, separate
    addresses by commas, and encode other letters as RFC 2047 says.
    """
    for name in ADDRESS_FIELDS:
        for field, read in facts.addresses[name]:
            usable = any(mailbox.domain for mailbox in read.mailboxes)
            if not read.faults or _hidden(facts, field) or (name == "from" and not usable):
                continue
            if name == "to" and _undisclosed(field):
                continue
            details = "; ".join(dict.fromkeys(fault.detail for fault in read.faults[:3]))
            yield finding(f"{field.name}: {details}", at=at_field(facts, field, read.faults[0].span))


def _undisclosed(field: Field) -> bool:
    """The many spellings of `undisclosed-recipients:;` mislead nobody."""
    return field.value.lower().startswith(("undisclosed", "unlisted"))


@rule("MSG056", Severity.ERROR, "RFC 2047 §5")
def address_in_encoded_word(facts: MessageFacts) -> Findings:
    """An address is hidden inside an encoded word.

    Why: name and address were encoded together, so the field holds no address at all for a server: From and Reply-To
    are lost, DMARC finds no Author Domain, and receivers refuse the message.
    Fix: encode the display name alone and leave `<local@domain>` outside of it; with Python, use
    `email.headerregistry.Address(display_name, addr_spec=…)` instead of `Header("Name <address>")`.
    """
    for name in ADDRESS_FIELDS:
        for field, _ in facts.addresses[name]:
            hidden = _hidden(facts, field)
            if hidden is not None:
                yield finding(f"{field.name} decodes to {short(hidden)!r}", at=at_field(facts, field))


def _hidden(facts: MessageFacts, field: Field) -> str | None:
    """The decoded text, if addresses stand in the field's encoded words and nowhere else."""
    decoded = next((d for f, d in facts.decoded if f is field), None)
    if decoded is None:
        return None
    inside = "".join(word.text or "" for word in decoded.words[:_WORDS])
    return decoded.text if "@" not in decoded.outside and _HIDDEN.search(inside) else None


@rule("MSG057", Severity.WARNING, "RFC 2047 §5")
def encoded_word_in_structured_field(facts: MessageFacts) -> Findings:
    """An encoded word stands where none may stand.

    Why: nobody decodes these fields. An encoded List-Unsubscribe is no link, an encoded References or Message-ID
    breaks the thread. Python's `EmailMessage` does this by itself to values that do not fit into a line.
    Fix: write the value as it is; fold it at blanks or leave the line long (998 octets are allowed). In Python, set
    these fields with a policy of `max_line_length=0` or fold them yourself.
    """
    for field, decoded in facts.decoded:
        if field.key in STRUCTURED and decoded.words:
            yield finding(
                f"{field.name}: {short(decoded.text)!r} is encoded", at=at_field(facts, field, decoded.words[0].span)
            )
        elif field.key in ADDRESS_FIELDS:
            words = decoded.words[:_WORDS]
            word = next((w for w in words if _quoted(field.value, w.span) or _in_address(field.value, w.span)), None)
            if word is not None:
                where = "a quoted string" if _quoted(field.value, word.span) else "an address"
                yield finding(f"{field.name}: an encoded word inside {where}", at=at_field(facts, field, word.span))


def _quoted(value: str, span: tuple[int, int]) -> bool:
    return value[: span[0]].count('"') % 2 == 1 and '"' in value[span[1] :]


def _in_address(value: str, span: tuple[int, int]) -> bool:
    before, after = value[: span[0]], value[span[1] :]
    return before.rfind("<") > before.rfind(">") or after.startswith("@")


@rule("MSG058", Severity.WARNING, "RFC 2047 §5")
def damaged_encoded_word(facts: MessageFacts) -> Findings:
    """An encoded word is damaged.

    Why: readers show the raw `=?utf-8?…?=` or question marks instead of the text, and filters count it as a sign of
    spam.
    Fix: let the mail library encode the whole value: no character split between two words, no blanks inside, blanks
    between a word and what is beside it, and a charset that exists (utf-8).
    """
    for field, decoded in facts.decoded:
        damages = [damage for damage in decoded.damage if damage.kind != "too-long"]
        if field.key not in STRUCTURED and damages:
            details = "; ".join(dict.fromkeys(damage.detail for damage in damages[:3]))
            yield finding(f"{field.name}: {details}", at=at_field(facts, field, damages[0].span))


@rule("MSG069", Severity.NOTE, "RFC 2047 §2")
def encoded_word_too_long(facts: MessageFacts) -> Findings:
    """An encoded word is longer than 75 characters.

    Why: most readers decode it all the same; a strict one shows the raw `=?utf-8?…?=`. Python's `email.header.Header`
    writes 76 now and then.
    Fix: begin a new encoded word, on a new line, before the limit; most libraries take the length as an option.
    """
    for field, decoded in facts.decoded:
        long = [damage for damage in decoded.damage if damage.kind == "too-long"]
        if long and field.key not in STRUCTURED and len(long) == len(decoded.damage):
            yield finding(f"{field.name}: {long[0].detail}", at=at_field(facts, field, long[0].span))


@rule("MSG059", Severity.ERROR, "RFC 5322 §3.6")
def repeated_field(facts: MessageFacts) -> Findings:
    """A header field that may stand once stands several times.

    Why: servers and readers pick different ones, which attackers use; Gmail refuses such mail with 550 5.7.1.
    Fix: write each of these fields once; check whether the application and the library both add it.
    """
    for name in SINGLETONS:
        fields = facts.header.all(name)
        if len(fields) > 1:
            lines = ", ".join(str(field.line) for field in fields[:10])
            yield finding(
                f"{fields[0].name} stands {len(fields)} times (lines {lines})", at=at_fields(facts, fields[:3])
            )


@rule("MSG060", Severity.WARNING, "RFC 5322 §3.6.1")
def no_date(facts: MessageFacts) -> Findings:
    """The message has no Date field.

    Why: Date is one of two fields that must be there. A submission server may add it; where none does, filters count
    the message as malformed and readers sort it wrongly.
    Fix: add a Date field when the message is composed, before it is signed.
    """
    _has_header(facts)
    if facts.date is None:
        yield finding("no Date field")


@rule("MSG061", Severity.WARNING, "RFC 5322 §3.3")
def damaged_date(facts: MessageFacts) -> Findings:
    """The Date field is not written as a date.

    Why: servers and readers parse it strictly or not at all; a damaged Date is a common sign of spam software.
    Fix: write it like `Sun, 22 Nov 2026 10:00:00 +0000`, English names, numeric zone; in Python
    `email.utils.format_datetime(now)`.
    """
    date = needs(facts.date)
    if date.fault:
        field = facts.header.all("date")[0]
        yield finding(f"Date {short(date.value)!r}: {date.fault}", at=at_field(facts, field))


@rule("MSG062", Severity.WARNING, "RFC 5322 §3.6.1")
def absurd_date(facts: MessageFacts) -> Findings:
    """The Date lies far from the time the message was sent.

    Why: filters add to the spam score of mail from the future or from long ago, and readers sort it out of sight.
    Fix: set the clock of the sending machine (NTP), and write the Date when the message is made, with the right zone.
    """
    when = needs(needs(facts.date).when)
    sent, told = _sent(facts)
    if when - sent > _DAY:
        gap = f"{(when - sent).days} days after"
    elif when.year < 1990 or (told and sent - when > 7 * _DAY):
        gap = f"{(sent - when).days} days before"
    else:
        return
    field = facts.header.all("date")[0]
    yield finding(f"{when:%Y-%m-%d %H:%M} UTC is {gap} {_called(sent, told)}", at=at_field(facts, field))


def _sent(facts: MessageFacts) -> tuple[datetime, bool]:
    """When the message went out as far as can be told: its first hop, or else now; True if a hop told."""
    for field in reversed(facts.header.all("received")):  # the last one stands for the first hop
        when = read_date(field.value.rpartition(";")[2]).when
        if when is not None:
            return when, True
    return facts.now, False


def _called(sent: datetime, told: bool) -> str:
    return f"the first server received it ({sent:%Y-%m-%d})" if told else f"now ({sent:%Y-%m-%d})"


@rule("MSG063", Severity.WARNING, "RFC 5322 §3.6.4")
def no_message_id(facts: MessageFacts) -> Findings:
    """The message has no Message-ID.

    Why: threads, duplicate detection and bounce handling need it, and filters count its absence; Gmail refuses some
    mail without it (550 5.7.1). A submission server may add one.
    Fix: add a unique `<random@your-domain>` when the message is composed; in Python
    `email.utils.make_msgid(domain="example.com")`.
    """
    _has_header(facts)
    if not facts.header.all("message-id"):
        yield finding("no Message-ID field")


@rule("MSG064", Severity.WARNING, "RFC 5322 §3.6.4")
def damaged_message_id(facts: MessageFacts) -> Findings:
    """The Message-ID is malformed.

    Why: it must be one `<left@right>`; other forms are rewritten or dropped on the way, and count as a sign of spam
    software.
    Fix: write angle brackets around one unique text, an @ and a domain, without blanks.
    """
    field = facts.header.first("message-id")
    if needs(field) and field and "=?" not in field.value and not is_message_id(field.value):
        yield finding(f"Message-ID {short(field.value)!r}", at=at_field(facts, field))


@rule("MSG065", Severity.NOTE, "RFC 5322 §3.6.4")
def local_message_id(facts: MessageFacts) -> Findings:
    """The Message-ID names a host that is unknown outside.

    Why: `@localhost` or a container's name does not make an id unique in the world, and some filters count it.
    Fix: make ids with a domain of yours: `<random@example.com>`.
    """
    value = needs(facts.header.value("message-id"))
    if is_message_id(value) and _LOCAL_ID.search(value):
        yield finding(short(value), at=at_field(facts, facts.header.all("message-id")[0]))


@rule("MSG066", Severity.NOTE, "RFC 5322 §3.6.3")
def no_recipient_field(facts: MessageFacts) -> Findings:
    """The message has neither To nor Cc.

    Why: the syntax allows it, but filters count mail that names no recipient.
    Fix: write the recipient into To; for several hidden ones write `To: undisclosed-recipients:;`.
    """
    _has_header(facts)
    if not (facts.addresses["to"] or facts.addresses["cc"] or facts.addresses["bcc"]):
        yield finding("no To, Cc or Bcc field")


@rule("MSG067", Severity.WARNING, "RFC 5322 §3.6.3")
def bcc_told(facts: MessageFacts) -> Findings:
    """The message tells its Bcc recipients to everybody.

    Why: Bcc belongs into the RCPT commands; as a header field every recipient can read it.
    Fix: remove the Bcc field before sending; Python's `smtplib.send_message` does, `sendmail` with `as_bytes` does
    not.
    """
    for field, read in facts.addresses["bcc"]:
        if read.mailboxes:
            yield finding(f"Bcc names {len(read.mailboxes)} recipients", at=at_field(facts, field))


@rule("MSG068", Severity.NOTE, "RFC 5322 §3.6.5")
def no_subject(facts: MessageFacts) -> Findings:
    """The message has no Subject.

    Why: filters count it, and people overlook such mail.
    Fix: give the message a Subject; if one was set, check the template that makes it.
    """
    _has_header(facts)
    subject = facts.subject_text
    if subject is None or not subject.strip():
        yield finding("no Subject field" if subject is None else "the Subject is empty")

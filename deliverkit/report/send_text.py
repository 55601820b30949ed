"""What was sent, as lines of text: the message, what its signatures cover, the servers' replies, the transcript."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from deliverkit.facts.base import Missing
from deliverkit.report.plain import fold, plain
from deliverkit.smtp.submission import Stage
from deliverkit.smtp.transcript import Transcript

if TYPE_CHECKING:
    from deliverkit.facts.sending import SendFacts

_MOST_LINES = 400  # of a dry run's message; the JSON has them all
_MOST_REPLIES = 5
_MOST_EVENTS = 60


def letter_lines(letter: Any, width: int) -> list[str]:
    """The message: names, size, parts, and what each signature covers."""
    composed = letter.composed
    pairs = [
        ("From", composed.header_from),
        ("Subject", composed.subject),
        ("Message-ID", composed.message_id),
        ("Nonce", composed.nonce or "none"),
        ("Size", f"{len(letter.raw):,} octets" + (", needs SMTPUTF8" if composed.smtputf8 else "")),
    ]
    lines = [f"{name:<11} {plain(value)}" for name, value in pairs]
    for part in composed.sizes:
        grown = "" if part.encoding == "7bit" else f", {part.encoded_octets:,} as {part.encoding}"
        lines.append(f"{'Part':<11} {plain(part.name)}: {part.media_type}, {part.octets:,} octets{grown}")
    if not letter.coverage:
        lines.append(f"{'Signature':<11} none")
    for one in letter.coverage:
        lines += _coverage_lines(one, width)
    for remark in letter.remarks:
        lines += fold(f"{'Remark':<11} {plain(remark)}", width, hanging=" " * 12)
    return lines


def _coverage_lines(one: Any, width: int) -> list[str]:
    signature = one.to_json()
    told = f"{signature['algorithm']}, {signature['canonicalization']}, key at {plain(signature['key_record'])}"
    lists = (("covers", one.covered), ("oversigned", one.oversigned), ("not signed", one.unsigned))
    return [
        *fold(f"{'Signature':<11} {told}", width, hanging=" " * 12),
        f"{'':<11} body hash {signature['body_hash']}",
        *(
            line
            for name, fields in lists
            if fields
            for line in fold(f"{'':<11} {name}: {', '.join(fields)}", width, hanging=" " * 14)
        ),
    ]


def send_lines(every: Iterable[SendFacts], width: int) -> list[str]:
    """Each destination: by which server, how, and what it said."""
    lines: list[str] = []
    for facts in every:
        lines += _destination_lines(facts, width)
    return lines


def _destination_lines(facts: SendFacts, width: int) -> list[str]:
    head = f"{plain(facts.name)}: {facts.accepted} of {facts.wanted} accepted"
    lines = [f"{head} from <{plain(facts.mail_from)}> to {', '.join(plain(r) for r in facts.recipients)}"]
    last, session = facts.last, facts.raw("session")
    if last is not None:
        lines.append(f"  server {plain(last.where)}")
    if session is None or isinstance(session, Missing):
        return [line for text in lines for line in fold(text, width, hanging="  ")]
    if session.tls is not None:
        trust = "trusted" if session.tls.trusted else "not trusted"
        lines.append(f"  TLS    {session.tls.version}, {session.tls.cipher}, certificate {trust}")
    elif session.greeting is not None:
        lines.append("  TLS    none")
    if session.mechanism:
        lines.append(f"  login  {session.mechanism}{', refused' if session.stage is Stage.AUTH else ''}")
    replies = Counter(str(d.reply) for d in session.deliveries if d.reply is not None)
    for reply, times in replies.most_common(_MOST_REPLIES):
        lines.append(f"  reply  {plain(reply)}{f' ({times} times)' if times > 1 else ''}")
    if len(replies) > _MOST_REPLIES:
        lines.append(f"         and {len(replies) - _MOST_REPLIES} other replies")
    return [line for text in lines for line in fold(text, width, hanging="         ")]


def throughput_lines(throughput: Any, _: int) -> list[str]:
    """ "10 messages in 0.05 s: 200.0 messages/s, 402.1 kB/s"."""
    rate = throughput.octets / throughput.seconds / 1000 if throughput.seconds else 0.0
    return [
        f"{throughput.messages} messages in {throughput.seconds:.2f} s over one connection: "
        f"{throughput.per_second:.1f} messages/s, {rate:.1f} kB/s"
    ]


def preview_lines(preview: Any, width: int) -> list[str]:
    """The envelope, and the message's octets line by line; ``\\xNN`` are octets that are no visible ASCII."""
    told = preview.to_json()
    lines = [
        f"MAIL FROM:<{plain(preview.mail_from)}>",
        *(f"RCPT TO:<{plain(recipient)}>" for recipient in preview.recipients),
        f"to {plain(preview.destination)}",
        "",
    ]
    shown = [piece for line in told["lines"][:_MOST_LINES] for piece in _cut(line, width)]
    hidden = len(told["lines"]) - _MOST_LINES
    return [*lines, *shown, *([f"({hidden} more lines)"] if hidden > 0 else [])]


def _cut(line: str, width: int) -> list[str]:
    """A line in pieces that fit; a piece that goes on is marked, for a wire line must not look like two."""
    room = max(width - 6, 40)
    if len(line) <= room:
        return [f"| {line}"]
    pieces = [line[start : start + room] for start in range(0, len(line), room)]
    return [f"| {pieces[0]}", *(f"> {piece}" for piece in pieces[1:])]


def transcript_lines(transcript: Transcript, width: int) -> list[str]:
    """The session, one event a line; of a long one the beginning and the end."""
    told = transcript.lines()
    if len(told) > _MOST_EVENTS:
        hidden = f"… {len(told) - _MOST_EVENTS:,} more lines (--transcript FILE keeps them all)"
        told = [*told[: _MOST_EVENTS - 10], hidden, *told[-10:]]
    shown = [f"session with {transcript.server}", *told]
    return [line for text in shown for line in fold(plain(text), width, hanging=" " * 12)]

"""What was done to a message after it was signed: known changes are undone one by one until the signature agrees.

Tried only where the body hash or the signature fails (RFC 6376 §6.1.3). A match is proof: nobody finds a SHA-256 by
chance. What this file will not do: repair the message for anybody else, or try changes without end.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from deliverkit.protocols.dkim.canonical import Field, relaxed_body, simple_body
from deliverkit.protocols.dkim.signature import Signature
from deliverkit.protocols.dkim.verify import Kind, SignatureVerdict, SignedMessage, header_proves

LARGEST = 1 << 19  # octets of body that are tried
_QUESTIONS = 4  # different failures of one message that are looked into
_FOOTERS = 40  # places where an added footer may begin
_LARGEST_HEADER = 1 << 16  # octets of header fields that are tried
_FIELDS = 40  # fields that are left out in turn
_TAG = re.compile(rb"\[[^\[\]]{1,80}\][ \t]*|\*{2,5}[^*]{1,40}\*{2,5}[ \t]*|\b(?:EXTERNAL|SPAM):[ \t]*", re.IGNORECASE)


def name_changes(message: SignedMessage, verdicts: Iterable[SignatureVerdict]) -> tuple[str | None, ...]:
    """What changed a message since each signature was made; None where that is good or cannot be told.

    Equal questions are answered once, and few are: ten signatures that fail must not cost ten times the work.
    """
    answers: dict[tuple[object, ...], str | None] = {}
    return tuple(_answered(message, verdict, answers) for verdict in verdicts)


def _answered(
    message: SignedMessage, verdict: SignatureVerdict, answers: dict[tuple[object, ...], str | None]
) -> str | None:
    if verdict.kind not in (Kind.BODY_HASH, Kind.SIGNATURE):
        return None
    signature = verdict.signature
    question: tuple[object, ...] = (verdict.kind, signature.text)
    if verdict.kind is Kind.BODY_HASH:
        question = (signature.body_hash, signature.body_canonicalization, signature.body_length)
    if question not in answers and len(answers) < _QUESTIONS:
        answers[question] = _change(message, verdict)
    return answers.get(question)


def _change(message: SignedMessage, verdict: SignatureVerdict) -> str | None:
    if verdict.kind is Kind.BODY_HASH:
        return name_mutation(bytes(message.body), verdict.signature)
    return _header_change(message, verdict)


def _header_change(message: SignedMessage, verdict: SignatureVerdict) -> str | None:
    size = sum(len(name) + len(value) for name, value in message.fields)
    if size > _LARGEST_HEADER or len(message.body) > LARGEST:
        return None
    undoings = _header_undoings(message.fields, verdict.signature)
    return next((said for said, fields in undoings if header_proves(message, fields, verdict)), None)


def _header_undoings(fields: tuple[Field, ...], signature: Signature) -> Iterator[tuple[str, list[Field]]]:
    """Known changes to a header, each with the fields as they would have been before it."""
    names = [name.decode("ascii", "replace").rstrip() for name, _ in fields]
    signed = [index for index, name in enumerate(names) if name.lower() in signature.signed_names][:_FIELDS]
    for index in signed:
        yield f"one {names[index]} field was added after signing", [*fields[:index], *fields[index + 1 :]]
    for index in signed:
        value = fields[index][1]
        tag = _TAG.search(value[:300]) if names[index].lower() == "subject" else None
        if tag is not None:
            before = (fields[index][0], value[: tag.start()] + value[tag.end() :])
            said = f"the Subject was given {tag[0].decode('utf-8', 'replace').strip()!r} after signing"
            yield said, [*fields[:index], before, *fields[index + 1 :]]
    if signature.header_canonicalization == "simple":
        for respaced in _RESPACED:
            said = "header fields were folded or spaced anew: relaxed header canonicalization would have survived it"
            yield said, [(name, respaced(value.removesuffix(b"\r\n")) + b"\r\n") for name, value in fields]


_RESPACED: tuple[Callable[[bytes], bytes], ...] = (
    lambda value: value.replace(b"\r\n", b""),
    lambda value: re.sub(rb"\r\n[ \t]+", b" ", value),
    lambda value: re.sub(rb"\r\n[ \t]+", b"\r\n ", value),
    lambda value: re.sub(rb"\r\n[ \t]+", b"\r\n\t", value),
    lambda value: b" " + value.lstrip(b" \t"),
    lambda value: value.rstrip(b" \t"),
)


def name_mutation(body: bytes, signature: Signature) -> str | None:
    """Say what changed the body since it was signed; None if none of the known changes did."""
    if not signature.body_hash or len(body) > LARGEST:
        return None
    canonical = relaxed_body if signature.body_canonicalization == "relaxed" else simple_body

    def hashed(changed: bytes) -> bool:
        whole = canonical(changed)
        return hashlib.sha256(whole[: signature.body_length]).digest() == signature.body_hash

    if hashlib.sha256(canonical(body).replace(b"\r\n", b"\n")).digest() == signature.body_hash:
        return "it was signed with LF line ends: sign after the line ends are CRLF"
    for said, undo in _UNDOING:
        undone = undo(body)
        if undone is not None and undone != body and hashed(undone):
            return said
    if canonical is simple_body and _relaxed_matches(body, signature):
        return "blanks or empty lines were changed on the way: relaxed body canonicalization would have survived it"
    for shorter in _without_footer(body):
        if hashed(shorter):
            added = len(body) - len(shorter)
            return f"{added} octets were added at the end after signing: a footer or a disclaimer"
    return None


def _relaxed_matches(body: bytes, signature: Signature) -> bool:
    return any(
        hashlib.sha256(simple_body(variant)).digest() == signature.body_hash
        for variant in (relaxed_body(body), re.sub(rb"[ \t]+(?=\r\n)", b"", body), body.replace(b"\t", b" "))
    )


def _unquoted_from(body: bytes) -> bytes:
    return re.sub(rb"(?m)^>(?=>*From )", b"", body)


def _unwrapped(width: int) -> Callable[[bytes], bytes]:
    """Joins lines that were broken at ``width`` octets, with or without a blank put in front of the rest.

    The blank counts: a rest that is as long again was broken again.
    """

    def undo(body: bytes) -> bytes:
        lines = body.split(b"\r\n")
        whole = [[lines[0]]]
        for before, line in pairwise(lines):
            if len(before) == width and line:
                whole[-1].append(line[1:] if line[:1] in (b" ", b"\t") else line)
            else:
                whole.append([line])
        return b"\r\n".join(b"".join(pieces) for pieces in whole)

    return undo


def _restuffed(body: bytes) -> bytes:
    return re.sub(rb"(?m)^\.", b"..", body)


def _unstuffed(body: bytes) -> bytes:
    return re.sub(rb"(?m)^\.\.", b".", body)


def _hexed_again(body: bytes) -> bytes:
    """Quoted-printable with its hexadecimal digits in lower case, as some programs write it."""
    return re.sub(rb"=[0-9A-F]{2}", lambda match: match[0].lower(), body)


def _from_latin1(body: bytes) -> bytes | None:
    """Text that was made UTF-8 from ISO-8859-1 on the way."""
    try:
        return body.decode("utf-8").encode("latin-1") if not body.isascii() else None
    except UnicodeError:
        return None


_UNDOING: tuple[tuple[str, Callable[[bytes], bytes | None]], ...] = (
    ("a > was put before lines that begin with From (mbox storage)", _unquoted_from),
    ("dots at the beginning of lines are still doubled: transparency was not undone (RFC 5321 §4.5.2)", _unstuffed),
    ("dots at the beginning of lines were lost: the sender signed after doubling them", _restuffed),
    ("lines over 998 octets were broken by a server after signing", _unwrapped(998)),
    ("lines over 990 octets were broken by a server after signing", _unwrapped(990)),
    ("an empty line was added before the body", lambda body: body.removeprefix(b"\r\n")),
    ("an empty line before the body was lost", lambda body: b"\r\n" + body),
    ("quoted-printable was written anew with other digits on the way", _hexed_again),
    ("text was converted from ISO-8859-1 to UTF-8 on the way", _from_latin1),
)


def _without_footer(body: bytes) -> Iterator[bytes]:
    """The body cut at the ends of its last lines, the shortest footer first."""
    end = len(body)
    for _ in range(_FOOTERS):
        end = body.rfind(b"\r\n", 0, end)
        if end <= 0:
            return
        yield body[:end] + b"\r\n"

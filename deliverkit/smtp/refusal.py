"""A refusal as programs write it down: the text of a log line, an exception or a bounce, made into what a server or a
client library said.

Replies (RFC 5321 §4.2, enhanced codes of RFC 3463) are found inside whatever a program wraps around them: Python's
``(535, b'5.7.8 …')``, Nodemailer's ``Invalid login: 535-5.7.8 …``, Postfix's ``said: 550 …``. Text without a reply is
an error of the client itself.

What this file will not do: know what a refusal means (`meaning` does), or read a log (`deliverkit.engine.maillog`).
"""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass

from deliverkit.smtp.meaning import ReplyMeaning, meaning_of
from deliverkit.smtp.transcript import MASK

LONGEST = 4096  # characters of one refusal that are looked at

_ENHANCED = r"[245]\.\d{1,3}\.\d{1,3}"
_REPLY = re.compile(rf"(?<![\w.:\[/-])([2-5]\d\d)(?:[ -]+#?({_ENHANCED})(?![\d.]))?[ -]", re.ASCII)
_PYTHON = re.compile(r"\(\s*([2-5]\d\d),\s*(b?(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"))", re.ASCII)
_PREFIX = re.compile(rf"(?:^|(?<=\s))[45]\d\d[- ](?:{_ENHANCED}[ -])?", re.ASCII)
_ANNOUNCED = re.compile(
    r"(?:[:'\"(\[=,;]|\b(?:said|reply|response|error|code|status|returned|got|answered))\s*$", re.IGNORECASE
)
_SECRETS = (  # what debugging output puts beside an error
    (
        re.compile(r"\b(AUTH (?:PLAIN|LOGIN|CRAM-MD5|X?OAUTH\w*|SCRAM-[\w-]+)) [A-Za-z0-9+/=]{8,}", re.IGNORECASE),
        rf"\1 {MASK}",
    ),
    (re.compile(r"(://[^\s:@/]{0,256}):[^\s@/]{1,256}@"), rf"\1:{MASK}@"),
)
_OWN = {  # who writes so; the first that fits
    "smtplib": re.compile(r"\bsmtplib\.|\bSMTP(?:Authentication|SenderRefused|Recipients|Data|Helo|Connect)\w*"),
    "nodemailer": re.compile(
        r"\b(?:EAUTH|ESOCKET|ECONNECTION|EENVELOPE|EMESSAGE|EPROTOCOL|ETLS|EDNS)\b|Invalid login:"
    ),
    "phpmailer": re.compile(r"SMTP (?:Error|ERROR): |Mailer Error|PHPMailer"),
    "javamail": re.compile(r"\b(?:javax|jakarta|com\.sun)\.mail\.|MailConnectException|SMTPSendFailedException"),
    "go": re.compile(r"\bdial tcp\b|\bx509: |\btls: |\bsmtp: "),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was said. ``code`` is None for an error of a client library; ``client`` names the library where it shows.

    ``text`` is the reply without its code, or the error as it stands, bounded.
    """

    text: str
    code: int | None = None
    enhanced: str | None = None
    client: str | None = None

    @property
    def said(self) -> str:
        """The refusal on one line: "550 5.7.26 …"."""
        return " ".join(part for part in (str(self.code or ""), self.enhanced or "", self.text) if part)

    def meaning(self, provider: str | None = None) -> ReplyMeaning | None:
        """What it means, or None. A reply that nothing is known of may still be known by the client's words."""
        return _meaning(self, provider)


@functools.lru_cache(maxsize=4096)  # a log repeats itself
def _meaning(said: Refusal, provider: str | None) -> ReplyMeaning | None:
    found = meaning_of(said.text, said.code, said.enhanced, provider)
    if found is None and said.code is not None and said.client is not None:
        found = meaning_of(said.text)
    return found


def read_refusal(text: str) -> Refusal:
    """Read what a person copied, or a line of a log. Any text is a refusal; without a reply in it, of the client.

    Credentials of an AUTH line or a URL in the text are masked.
    """
    text = text[:LONGEST].strip()
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    client = next((name for name, pattern in _OWN.items() if pattern.search(text)), None)
    if (told := _PYTHON.search(text)) is not None:
        return _replied(f"{told[1]} {_literal(told[2])}", client or "smtplib")
    match = _REPLY.search(text + " ")
    if match is None or not _is_reply(match, text):
        return Refusal(" ".join(text.split()), client=client)
    return _replied(text[match.start() :], client)


def _literal(written: str) -> str:
    """A Python literal of text or octets as text."""
    try:
        value = ast.literal_eval(written)
    except (ValueError, SyntaxError):
        return written
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _is_reply(match: re.Match[str], text: str) -> bool:
    """A number is a reply's code where the text begins with it, an enhanced code follows, or it is a refusal's."""
    if match.start() == 0 or match[2] is not None:
        return True
    return match[1][0] in "45" and _ANNOUNCED.search(text[max(match.start() - 24, 0) : match.start()]) is not None


def _replied(text: str, client: str | None) -> Refusal:
    match = _REPLY.match(text + " ")
    assert match is not None
    rest = text[match.end() :].strip()
    lines = rest.splitlines() or [""]
    said = " ".join(" ".join(_PREFIX.sub("", line) for line in lines).split()).rstrip("\"'")
    return Refusal(said, int(match[1]), match[2], client)


def normalised(text: str) -> str:
    """The text with what differs from mail to mail left out: equal for refusals of one kind."""
    text = re.sub(r"<?[^\s<>@]+@[^\s<>@]+>?", "<address>", text)
    text = re.sub(r"\[?\b\d{1,3}(?:\.\d{1,3}){3}\b\]?|\[[0-9a-fA-F:]{3,}\]", "[ip]", text)
    text = re.sub(r"\b(?=\w*\d)[\w-]{8,}\b(?:\.\d+)?", "…", text)
    return " ".join(re.sub(r"\d{3,}", "N", text).split())[:160]

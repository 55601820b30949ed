"""The record of one session: both sides in one transcript, secrets masked, and every fault of the conversation.

It is told each command line as it is consumed and each reply before it is sent, so the transcript reads like the
dialogue that was held, across STARTTLS, and without the content of messages.

What this file will not do: read or write a socket, or judge a fault (``rules/sink.py`` does).
"""

from __future__ import annotations

import re

from deliverkit.smtp.content import FaultKind, WireFault
from deliverkit.smtp.transcript import MASK, Line, Transcript

_VERBS = frozenset(
    (
        "HELO", "EHLO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT", "VRFY", "EXPN", "HELP",
        "STARTTLS", "AUTH", "TURN", "ETRN", "XCLIENT", "XFORWARD",
    )
)  # fmt: skip
_OPENING = ("EHLO", "HELO", "STARTTLS", "AUTH")  # commands whose exchange stands before every message of the session
_SHOWN = 1000  # characters of a line that are recorded
_REPLY_FAULTS = {
    "500": FaultKind.NOT_UNDERSTOOD,
    "501": FaultKind.BAD_SYNTAX,
    "502": FaultKind.NOT_UNDERSTOOD,
    "503": FaultKind.OUT_OF_ORDER,
    "504": FaultKind.NOT_UNDERSTOOD,
    "530": FaultKind.OUT_OF_ORDER,
    "538": FaultKind.OUT_OF_ORDER,
    "553": FaultKind.BAD_SYNTAX,
    "555": FaultKind.BAD_SYNTAX,
}


class SessionRecord:
    """What happened in one session so far.

    ``verb`` is the last command's ("?" for none known), ``errors`` counts replies 5xx, ``commands`` those since the
    last message. ``tls`` is e.g. "TLSv1.3 TLS_AES_256_GCM_SHA384", None in the clear.
    """

    def __init__(self) -> None:
        self.transcript = Transcript("", "")
        self.tls: str | None = None
        self.verb = ""
        self.errors = 0
        self.commands = 0
        self._command = ""  # the last one as it may be shown
        self._faults: dict[FaultKind, WireFault] = {}
        self._prologue: int | None = None  # events that belong to every message of the session
        self._auth_refused = False
        self._challenged = False  # the client's next line answers a 334
        self._secret_noted = False  # of the login under way, that it came in the clear

    @property
    def faults(self) -> tuple[WireFault, ...]:
        """The faults since the last message, in the order in which they were first seen."""
        return tuple(self._faults.values())

    # -- events -----------------------------------------------------------------------------------------

    def connected(self, client: str, server: str) -> None:
        """TCP stands."""
        self.transcript.client, self.transcript.server = client, server
        self.transcript.connected()

    def tls_began(self, version: str, cipher: str) -> None:
        """A handshake succeeded."""
        self.tls = f"{version} {cipher}"
        self.transcript.tls_started(version, cipher)

    def heard(self, line: bytes) -> None:
        """The client said a line: a command, or an answer to 334."""
        text = line.rstrip(b"\r\n").decode("utf-8", "backslashreplace")
        if self._challenged:
            self._challenged = False
            if text != "*":  # RFC 4954 §4: the login is given up
                self._secret_came()
            self.transcript.line("client", text[:_SHOWN])  # masked there
            return
        word = text[:9].partition(" ")[0].upper()
        secret = word not in _VERBS and self._auth_refused  # credentials sent on in spite of a refusal
        self.verb = word if word in _VERBS else "?"
        self.commands += 1
        self._auth_refused = secret
        self._command = MASK if secret else printable(text)[:_SHOWN]
        self._secret_noted = self._secret_noted and secret
        if secret or (self.verb == "AUTH" and len(self._command.split()) > 2):
            self._secret_came()
        self._mark_opening()
        self.transcript.line("client", self._command)
        if not line.endswith(b"\r\n"):  # RFC 5321 §2.3.8
            self.note(FaultKind.COMMAND_BARE_LF, f"{self.verb} ended with a bare line feed", self.shown)

    def replied(self, text: str) -> str:
        """The server is about to say this; returned as it may go out, with no control character but CRLF."""
        if self._command == MASK:  # aiosmtpd repeats a command that it does not know
            text = re.sub(r'command "[^"]*"', f'command "{MASK}"', text)
        lines = [printable(line) for line in text.split("\r\n")]
        for line in lines:
            self.transcript.line("server", line)
        self._challenged = text.startswith("334")
        if text.startswith("5"):
            self._note_refusal(lines[0])
        return "\r\n".join(lines)

    def _secret_came(self) -> None:
        """Credentials came: a fault in the clear, told once a login however many lines it takes."""
        if self.tls is None and not self._secret_noted:
            self._secret_noted = True
            self.note(FaultKind.CLEAR_AUTH, "credentials were sent without TLS", self.shown)

    def _mark_opening(self) -> None:
        """Remember where the first transaction after the opening begins."""
        if self.verb == "MAIL" and self._prologue is None:
            self._prologue = len(self.transcript.events)
        elif self.verb in _OPENING:
            self._prologue = None

    def _note_refusal(self, reply: str) -> None:
        self.errors += 1
        self._auth_refused = self._auth_refused or self.verb == "AUTH"
        kind = FaultKind.LONG_COMMAND if "too long" in reply else _REPLY_FAULTS.get(reply[:3])
        if kind is not None:
            self.note(kind, f"{self.shown[:80]!r} was answered {reply[:120]!r}", self.shown)

    @property
    def shown(self) -> str:
        """The last command as it may be shown: AUTH without what follows its mechanism."""
        words = self._command.split()
        return f"AUTH {words[1]} {MASK}" if self.verb == "AUTH" and len(words) > 2 else self._command

    # -- faults -----------------------------------------------------------------------------------------

    def note(self, kind: FaultKind, detail: str, text: str = "") -> None:
        """Note a fault: the first of its kind is told, the others are counted."""
        first = self._faults.get(kind)
        if first is None:
            self._faults[kind] = WireFault(kind, detail, text=text[:200])
        else:
            self._faults[kind] = WireFault(kind, first.detail, first.count + 1, text=first.text)

    def look_at_path(self, address: str, *, smtp_utf8: bool) -> None:
        """Note a path no receiver need take (RFC 5321 §4.5.3.1.1–3), or that needed SMTPUTF8 (RFC 6531 §3.4)."""
        local, _, domain = address.rpartition("@")
        for part, limit, name in ((local, 64, "local part"), (domain, 255, "domain"), (address, 254, "path")):
            octets = len(part.encode("utf-8", "surrogateescape"))
            if octets > limit:
                detail = f"a {name} of {octets} octets; {limit} is the limit"
                self.note(FaultKind.LONG_PATH, detail, printable(address))
                break
        if not address.isascii() and not smtp_utf8:
            detail = "an address that is not ASCII was given, and MAIL did not say SMTPUTF8"
            self.note(FaultKind.UNDECLARED_UTF8, detail, printable(address))

    # -- messages ---------------------------------------------------------------------------------------

    def snapshot(self) -> Transcript:
        """The transcript so far, as a value of its own."""
        return Transcript(self.transcript.client, self.transcript.server, list(self.transcript.events))

    def hand_over(self, last_reply: str) -> tuple[Transcript, tuple[WireFault, ...]]:
        """Transcript and faults of a message that is about to be stored; the record goes on behind the opening.

        ``last_reply`` is the 250 which leaves only once they are stored.
        """
        told = self.snapshot()
        told.events.append(Line(told.now(), "server", last_reply, self.tls is None))
        faults = self.faults
        self._faults = {}
        if self._prologue is not None:
            del self.transcript.events[self._prologue :]
        return told, faults

    def hand_over_faults(self) -> tuple[WireFault, ...]:
        """The faults since the last message, for good."""
        faults = self.faults
        self._faults = {}
        return faults


def printable(text: str) -> str:
    """The text with every control character and lone surrogate escaped."""
    if text.isascii() and text.isprintable():
        return text
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)

"""A conversation that can be watched and stopped: what was accepted so far is known at any moment.

The watched flow passes every ask and every answer on unchanged. It counts accepted messages, keeps a transcript of its
own (the door's is handed over only at the end, and Ctrl-C may come before), and ends a run of messages early when told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from deliverkit.smtp.dialogue import (
    Ask,
    Connect,
    Connected,
    Handshake,
    Hear,
    Say,
    SayAll,
    SendContent,
    SmtpFlow,
    TlsSession,
    Trouble,
    TroubleKind,
)
from deliverkit.smtp.reply import Reply
from deliverkit.smtp.submission import Delivery, Recipient, Stage, SubmitResult
from deliverkit.smtp.transcript import Transcript

T = TypeVar("T")
_EMPTY = b".\r\n"  # ends a DATA that the client did not want after all (RFC 2920 §3.1)
_STAGES = {
    "EHLO": Stage.EHLO,
    "HELO": Stage.EHLO,
    "STARTTLS": Stage.STARTTLS,
    "AUTH": Stage.AUTH,
    "MAIL": Stage.MAIL,
    "RCPT": Stage.RCPT,
    "DATA": Stage.DATA,
}


class Watch:
    """Watches one conversation. ``tell`` hears the number of accepted messages after each of them."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self.accepted = 0
        self.octets = 0
        self.under_way = 0  # octets of a message that is being sent and was not answered yet
        self.stopped = False
        self.stage = Stage.CONNECT
        self.waiting_for = "connection"
        self.first_asked = 0.0
        self.last_accepted = 0.0
        self.transcript = Transcript("-", "-")
        self._tell = tell

    def until_stopped(self, items: Iterator[T]) -> Iterator[T]:
        """The items, until `stop` is called."""
        self.first_asked = time.monotonic()
        for item in items:
            if self.stopped:
                return
            yield item

    def lost(self, why: Trouble, mail_from: str, recipients: Sequence[str]) -> SubmitResult:
        """What there is of a conversation that was broken off: a message under way may have been taken (RFC 1047)."""
        if not self.under_way:
            return SubmitResult(self.stage, why)
        asked = tuple(Recipient(address, None) for address in recipients)
        last = Delivery(mail_from, asked, Stage.CONTENT, why, octets=self.under_way, ambiguous=True)
        return SubmitResult(self.stage, why, deliveries=(last,))

    def stop(self) -> None:
        """Send no further message; the one under way is finished."""
        self.stopped = True

    def over(self, flow: SmtpFlow[T]) -> SmtpFlow[T]:
        """The same flow, watched."""
        try:
            asked = next(flow)
            while True:
                self._asked(asked)
                heard = yield asked
                self._heard(asked, heard)
                asked = flow.send(heard)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            flow.close()

    def _asked(self, asked: Ask) -> None:
        self.stage, self.waiting_for = _stage_of(asked, self.stage)
        if isinstance(asked, Connect):
            where = f"[{asked.address}]" if ":" in asked.address else asked.address
            self.transcript = Transcript("-", f"{where}:{asked.port}")
        elif isinstance(asked, Say):
            if asked.secret:
                self.transcript.secret(asked.line)
            else:
                self.transcript.line("client", asked.line)
        elif isinstance(asked, SayAll):
            for line in asked.lines:
                self.transcript.line("client", line)
        elif isinstance(asked, SendContent):
            self.transcript.content("client", len(asked.content))
            self.under_way = len(asked.content) if asked.content != _EMPTY else 0

    def _heard(self, asked: Ask, heard: Any) -> None:
        for one in heard if isinstance(heard, tuple) else (heard,):
            if isinstance(one, Reply):
                self.transcript.reply(one.code, one.lines)
            elif isinstance(one, Connected):
                self.transcript.connected()
            elif isinstance(one, TlsSession):
                self.transcript.tls_started(one.version, one.cipher, verified=one.trusted)
            elif isinstance(one, Trouble) and one.kind is TroubleKind.TIMEOUT:
                self.transcript.timed_out(one.waiting_for)
        if isinstance(asked, SendContent) and asked.content != _EMPTY:
            self._answered(heard, len(asked.content))

    def _answered(self, heard: Any, octets: int) -> None:
        self.under_way = 0
        if isinstance(heard, Reply) and 200 <= heard.code < 300:
            self.accepted += 1
            self.octets += octets
            self.last_accepted = time.monotonic()
            self._tell(self.accepted)


def _stage_of(asked: Ask, before: Stage) -> tuple[Stage, str]:
    """The stage an ask belongs to, and what is waited for after it."""
    match asked:
        case Connect():
            return Stage.CONNECT, "connection"
        case Handshake():
            return Stage.TLS, "TLS handshake"
        case Hear():
            return Stage.GREETING, "greeting"
        case SendContent():
            return Stage.CONTENT, "reply to the message"
        case SayAll():
            return Stage.MAIL, "replies to MAIL, RCPT and DATA"
        case Say(line=line):
            verb = line.split(" ", 1)[0].upper()
            stage = _STAGES.get(verb, before)
            return stage, f"reply to {verb}" if verb in _STAGES else "reply"
    return before, "end"

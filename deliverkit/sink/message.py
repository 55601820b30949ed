"""A captured message: its octets, its envelope, how it came, and what became of it.

It is the same value in memory, in a database and in a pair of files; `to_json` and `from_json` are the only
forms besides the octets.

What this file will not do: store anything, or parse more than a header on request.
"""

from __future__ import annotations

import email
import email.header
import email.message
import email.policy
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deliverkit.facts.capture import CaptureFacts
from deliverkit.sink.judged import Judged
from deliverkit.smtp import transcript as session
from deliverkit.smtp.content import FaultKind, WireFault
from deliverkit.smtp.transcript import Event, Transcript

if TYPE_CHECKING:
    from deliverkit.report.model import Report

_HEAD, _FIELD = 1 << 17, 4000  # octets looked at for a header field, and kept of one

_EVENTS: dict[str, type[Event]] = {
    "connected": session.Connected,
    "not-connected": session.NotConnected,
    "line": session.Line,
    "tls-started": session.TlsStarted,
    "tls-failed": session.TlsFailed,
    "timed-out": session.TimedOut,
    "closed": session.Closed,
}
_WORDS = {kind: word for word, kind in _EVENTS.items()}
_FIELDS = {kind: tuple(f.name for f in fields(kind)) for kind in _WORDS}


@dataclass(frozen=True)
class CapturedMessage:
    """One message as it came. ``raw`` are its octets, untouched but for transparency (RFC 5321 §4.5.2).

    ``receipt`` is the token the client was given in the 250; ``id`` counts up in one inbox. ``mail_from`` is ""
    for the null reverse-path. ``judged`` is what its verification came to, None while there is none.
    """

    receipt: str
    received: datetime
    listener: str
    client: str
    helo: str | None
    mail_from: str
    rcpt_tos: tuple[str, ...]
    raw: bytes = field(repr=False)
    transcript: Transcript = field(repr=False, compare=False)
    mail_options: tuple[str, ...] = ()
    authenticated_as: str | None = None
    tls: str | None = None
    faults: tuple[WireFault, ...] = ()
    id: int = 0
    judged: Judged | None = field(default=None, repr=False, compare=False)

    @functools.cached_property
    def report(self) -> Report | None:
        """The verification; None while there is none, or when only its JSON form was kept (see `verdict`)."""
        return None if self.judged is None else self.judged.report_on(self.raw)

    @functools.cached_property
    def verdict(self) -> Mapping[str, Any] | None:
        """The verification in JSON; None while there is none."""
        if self.judged is None:
            return None
        told: Mapping[str, Any] = json.loads(self.judged.text)
        return told

    @property
    def client_address(self) -> str:
        """The client's address without its port."""
        return self.client.rpartition(":")[0].strip("[]")

    @property
    def name(self) -> str:
        """The name under which the message is reported."""
        return f"message {self.id}"

    @property
    def summary(self) -> str:
        """``<a@example.com> to <b@example.org>: Subject`` in one line."""
        others = f" and {len(self.rcpt_tos) - 1} more" if len(self.rcpt_tos) > 1 else ""
        line = f"<{self.mail_from}> to <{self.rcpt_tos[0] if self.rcpt_tos else ''}>{others}: {self.subject[:120]}"
        return "".join(c if c.isprintable() else " " for c in line)

    @property
    def parsed(self) -> email.message.EmailMessage:
        """The message parsed by the standard library, leniently, anew on each call."""
        found = email.message_from_bytes(self.raw, policy=email.policy.default)
        assert isinstance(found, email.message.EmailMessage)
        return found

    @property
    def subject(self) -> str:
        """The decoded Subject, "" when there is none or it cannot be read."""
        return self.header("Subject") or ""

    def header(self, name: str) -> str | None:
        """The first header field of this name, decoded; None when there is none."""
        head = self.raw[:_HEAD].replace(b"\r\n", b"\n").partition(b"\n\n")[0]
        field_ = re.search(rb"(?im)^" + re.escape(name.encode()) + rb"[ \t]*:((?:.|\n[ \t])*)", head)
        if field_ is None:
            return None
        text = field_[1][:_FIELD].decode("utf-8", "replace").replace("\n", "").strip()
        try:
            return str(email.header.make_header(email.header.decode_header(text)))
        except Exception:  # unknown charsets, broken base64: show it as it is
            return text

    def facts(self) -> CaptureFacts:
        """What the sink saw of it that the octets do not show."""
        return CaptureFacts(
            name=self.name,
            client=self.client,
            listener=self.listener,
            helo=self.helo,
            mail_from=self.mail_from,
            rcpt_tos=self.rcpt_tos,
            octets=len(self.raw),
            tls=self.tls,
            authenticated_as=self.authenticated_as,
            faults=self.faults,
        )

    def to_json(self) -> dict[str, Any]:
        """Everything but the octets."""
        return {
            "id": self.id,
            "receipt": self.receipt,
            "received": self.received.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "listener": self.listener,
            "client": self.client,
            "helo": self.helo,
            "mail_from": self.mail_from,
            "rcpt_tos": list(self.rcpt_tos),
            "mail_options": list(self.mail_options),
            "authenticated_as": self.authenticated_as,
            "tls": self.tls,
            "octets": len(self.raw),
            "faults": faults_json(self.faults),
            "transcript": transcript_json(self.transcript),
            "verdict": self.verdict,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any], raw: bytes) -> CapturedMessage:
        """The message again. Raises KeyError, TypeError or ValueError when this is not what `to_json` wrote."""
        return cls(
            receipt=told["receipt"],
            received=datetime.fromisoformat(told["received"]),
            listener=told["listener"],
            client=told["client"],
            helo=told["helo"],
            mail_from=told["mail_from"],
            rcpt_tos=tuple(told["rcpt_tos"]),
            raw=raw,
            transcript=transcript_from_json(told["transcript"]),
            mail_options=tuple(told["mail_options"]),
            authenticated_as=told["authenticated_as"],
            tls=told["tls"],
            faults=faults_from_json(told["faults"]),
            id=told["id"],
            judged=None if told["verdict"] is None else Judged(json.dumps(told["verdict"])),
        )


def faults_json(faults: tuple[WireFault, ...]) -> list[dict[str, Any]]:
    """Faults as plain JSON."""
    return [
        {"kind": f.kind.value, "detail": f.detail, "count": f.count, "position": f.position, "line": f.line,
         "text": f.text}
        for f in faults
    ]  # fmt: skip


def faults_from_json(told: list[dict[str, Any]]) -> tuple[WireFault, ...]:
    """Faults again."""
    return tuple(WireFault(**{**fault, "kind": FaultKind(fault["kind"])}) for fault in told)


def transcript_json(transcript: Transcript) -> dict[str, Any]:
    """A transcript in the shape all reports use (`deliverkit.report.jsonable`), made without reflection."""
    events = [_event_json(event) for event in transcript.events]
    return {"client": transcript.client, "server": transcript.server, "events": events}


def _event_json(event: Event) -> dict[str, Any]:
    return {"event": _WORDS[type(event)], **{name: getattr(event, name) for name in _FIELDS[type(event)]}}


def transcript_text(transcript: Transcript) -> str:
    """`transcript_json` as JSON text, four times faster: nearly all events are lines, and each message has a score."""
    quoted = json.dumps
    events = ", ".join(
        f'{{"event": "line", "at": {event.at!r}, "by": "{event.by}", "text": {quoted(event.text)},'
        f' "in_clear": {"true" if event.in_clear else "false"}}}'
        if type(event) is session.Line
        else quoted(_event_json(event))
        for event in transcript.events
    )
    return f'{{"client": {quoted(transcript.client)}, "server": {quoted(transcript.server)}, "events": [{events}]}}'


def transcript_from_json(told: Mapping[str, Any]) -> Transcript:
    """A transcript again."""
    events: list[Event] = []
    for event in told["events"]:
        kind = _EVENTS[event["event"]]
        values = {name: event[name] for name in _FIELDS[kind]}
        if "chain" in values:
            values["chain"] = tuple(values["chain"])
        events.append(kind(**values))
    return Transcript(told["client"], told["server"], events)

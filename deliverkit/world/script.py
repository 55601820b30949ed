"""Scripted SMTP servers: what stories tell instead of sockets.

A story's ``[smtp."192.0.2.25:25"]`` table is one server. An address without a script times out. The script's keys:

    connect        "ok" (default), "refused", "timeout", "unreachable", "no-route"
    implicit_tls   true: speaks only after a TLS handshake (port 465)
    greeting       reply line, or "timeout", "closed", "garbage", "too-long"
    ehlo           keywords, one an item; or a reply line such as "502 5.5.1 no"
    ehlo_tls       keywords under TLS (default: ``ehlo`` without STARTTLS)
    starttls       the reply to STARTTLS (default "220 2.0.0 ready" when offered, else 502)
    replies        {"MAIL FROM" = "250 ok", "AUTH" = ["334 ", "235 ok"]}: the longest fitting prefix answers; a list
                   answers the lines that follow; "\\n" separates the lines of one reply; the words of ``greeting`` fail
    content_reply  the reply after the message (default "250 2.0.0 queued")
    silent_after   after its reply to this verb (or "connect") the server says no more
    closes_after   after its reply to this verb (or "connect") the server closes
    tls            {version, cipher, names, subject, issuer, not_before, not_after, key_type, key_bits, signature_hash,
                   trusted, trust_problem, name_matches, self_signed, injected, fails}
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from deliverkit.addresses import is_public
from deliverkit.smtp.dialogue import (
    Ask,
    Certificate,
    Connect,
    Connected,
    Handshake,
    Hangup,
    Hear,
    Say,
    SayAll,
    SendContent,
    SmtpFlow,
    TlsSession,
    Trouble,
    TroubleKind,
)
from deliverkit.smtp.masking import masked
from deliverkit.smtp.reply import Reply, ReplyReader
from deliverkit.smtp.transcript import Transcript

T = TypeVar("T")
CLIENT: Final = "192.0.2.200:40000"
_FAILURES: Final = {
    "timeout": TroubleKind.TIMEOUT,
    "closed": TroubleKind.CLOSED,
    "garbage": TroubleKind.GARBAGE,
    "too-long": TroubleKind.TOO_LONG,
    "refused": TroubleKind.REFUSED,
    "unreachable": TroubleKind.UNREACHABLE,
    "no-route": TroubleKind.NO_ROUTE,
}
_DEFAULTS: Final = {
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go ahead",
    "RSET": "250 2.0.0 ok",
    "NOOP": "250 2.0.0 ok",
    "QUIT": "221 2.0.0 bye",
    "VRFY": "252 2.1.5 try it",
}


class ScriptedSmtp:
    """An SMTP door whose servers are scripts, by ``address:port`` (IPv6 in brackets)."""

    def __init__(self, scripts: Mapping[str, Mapping[str, Any]], now: datetime) -> None:
        self.scripts = dict(scripts)
        self.now = now

    async def converse(self, flow: SmtpFlow[T], *, from_dns: bool = False) -> tuple[T, Transcript]:
        """Run one flow against the script of the address it connects to."""
        session = _Session(self, from_dns)
        try:
            asked = next(flow)
            while True:
                asked = flow.send(session.hear(asked))
        except StopIteration as stop:
            session.transcript.closed("client")
            result: T = stop.value
            return result, session.transcript

    async def aclose(self) -> None:
        """Nothing to let go of."""


def endpoint(address: str, port: int) -> str:
    """ "192.0.2.1:25" or "[2001:db8::1]:25"."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class _Session:
    """One connection to one script."""

    def __init__(self, door: ScriptedSmtp, from_dns: bool) -> None:
        self.door = door
        self.from_dns = from_dns
        self.script: Mapping[str, Any] = {}
        self.transcript = Transcript(CLIENT, "-")
        self.secure = False
        self.ended: Trouble | None = None
        self.handshake_due = False  # 220 to STARTTLS was said, or the port is implicit TLS
        self.queued: deque[str] = deque()  # replies to the lines that follow (AUTH dialogues)
        self.greeting_due = True
        self.hidden: tuple[str, ...] = ()  # secrets that were said

    def hear(self, asked: Ask) -> Any:
        """What the script gives to one ask."""
        if isinstance(asked, Hangup):
            self.transcript.closed("client")
            return None
        if isinstance(asked, Connect):
            return self._connect(asked)
        if self.ended is not None:
            return self._again(asked)
        if isinstance(asked, Handshake):
            return self._handshake(asked)
        if isinstance(asked, Hear):
            return self._greet(asked)
        if isinstance(asked, Say):
            self.hidden += asked.hides
            return self._say(asked.line, secret=asked.secret)
        if isinstance(asked, SayAll):
            return tuple(self._say(line) if self.ended is None else self.ended for line in asked.lines)
        return self._content(asked)

    # -- the network ------------------------------------------------------------------------------------

    def _connect(self, asked: Connect) -> Connected | Trouble:
        name = endpoint(asked.address, asked.port)
        self.transcript = Transcript(CLIENT, name)
        if self.from_dns and not is_public(asked.address):
            self.ended = Trouble(TroubleKind.NOT_ALLOWED, f"{asked.address} is not public", "connection")
            return self.ended
        script = self.door.scripts.get(name)
        word = "timeout" if script is None else script.get("connect", "ok")
        if word != "ok":
            self.ended = Trouble(_FAILURES[word], f"{name}: {word}", "connection")
            if word == "timeout":
                self.transcript.timed_out("connection")
            return self.ended
        self.script = script or {}
        self.handshake_due = bool(self.script.get("implicit_tls"))
        self.transcript.connected()
        self._after("connect")
        return Connected(asked.address, asked.port, CLIENT.rpartition(":")[0], 0.0)

    def _again(self, asked: Ask) -> Trouble | tuple[Trouble, ...]:
        """The same trouble for every ask after the end."""
        assert self.ended is not None
        return tuple(self.ended for _ in asked.lines) if isinstance(asked, SayAll) else self.ended

    def _fail(self, kind: TroubleKind, waiting_for: str, detail: str = "") -> Trouble:
        if kind is TroubleKind.TIMEOUT:
            self.transcript.timed_out(waiting_for)
        else:
            self.transcript.closed("server" if kind is TroubleKind.CLOSED else "client")
        self.ended = Trouble(kind, detail, waiting_for)
        return self.ended

    def _after(self, verb: str) -> None:
        """Fall silent or close after this verb, if the script says so."""
        if str(self.script.get("silent_after", "")).upper() == verb.upper():
            self.ended = Trouble(TroubleKind.TIMEOUT, "the server fell silent", f"reply after {verb}")
        if str(self.script.get("closes_after", "")).upper() == verb.upper():
            self.transcript.closed("server")
            self.ended = Trouble(TroubleKind.CLOSED, "the server closed the connection", f"reply after {verb}")

    # -- the conversation -------------------------------------------------------------------------------

    def _greet(self, asked: Hear) -> Reply | Trouble:
        if self.handshake_due:  # a server of implicit TLS waits for the client's hello, and can still be given it
            self.transcript.timed_out(asked.waiting_for)
            return Trouble(TroubleKind.TIMEOUT, "nothing came", asked.waiting_for)
        if not self.greeting_due:
            return self._fail(TroubleKind.TIMEOUT, asked.waiting_for)
        self.greeting_due = False
        return self._reply(self._greeting(), asked.waiting_for)

    def _greeting(self) -> str:
        return str(self.script.get("greeting", "220 mx.example.com ESMTP"))

    def _say(self, line: str, *, secret: bool = False) -> Reply | Trouble:
        if secret:
            self.transcript.secret(line)
        else:
            self.transcript.line("client", line)
        if self.handshake_due:
            return self._fail(TroubleKind.TIMEOUT, f"reply to {_verb(line)}")
        if self.queued:
            return self._reply(self.queued.popleft(), "reply to the client's response")
        verb = _verb(line)
        heard = self._reply(self._answer_to(line), f"reply to {verb}")
        if verb == "STARTTLS" and isinstance(heard, Reply) and heard.code == 220:
            self.handshake_due = True
        if isinstance(heard, Reply):
            if verb == "QUIT":
                self.transcript.closed("server")
                self.ended = Trouble(TroubleKind.CLOSED, "after QUIT", "reply")
            self._after(verb)
        return heard

    def _answer_to(self, line: str) -> str:
        """The script's own reply, else what a decent server would say."""
        verb = _verb(line)
        replies = self.script.get("replies", {})
        fitting = [prefix for prefix in replies if line.upper().startswith(prefix.upper())]
        if fitting:
            told = replies[max(fitting, key=len)]
            first, *rest = told if isinstance(told, list) else [told]
            self.queued.extend(rest)
            return str(first)
        if verb in ("EHLO", "HELO"):
            return self._hello(verb)
        if verb == "STARTTLS":
            offered = "STARTTLS" in self._keywords()
            return str(self.script.get("starttls", "220 2.0.0 ready" if offered else "502 5.5.1 not supported"))
        if verb == "AUTH":
            offered = any(k.upper().startswith("AUTH") for k in self._keywords())
            return "235 2.7.0 ok" if offered else "503 5.5.1 AUTH is not offered"
        return _DEFAULTS.get(verb, "500 5.5.2 unknown command")

    def _hello(self, verb: str) -> str:
        told = self.script.get("ehlo", [])
        if isinstance(told, str):
            return told
        words = self._greeting().split()
        name = words[1] if len(words) > 1 else "mx.example.com"
        return "\n".join([f"250 {name}", *(f"250 {k}" for k in self._keywords() if verb == "EHLO")])

    def _keywords(self) -> list[str]:
        clear = self.script.get("ehlo", [])
        if isinstance(clear, str):
            return []
        if not self.secure:
            return list(clear)
        return list(self.script.get("ehlo_tls", [k for k in clear if k.upper() != "STARTTLS"]))

    def _content(self, asked: SendContent) -> Reply | Trouble:
        self.transcript.content("client", len(asked.content))
        heard = self._reply(str(self.script.get("content_reply", "250 2.0.0 queued")), "reply to the message")
        if isinstance(heard, Reply):
            self._after("content")
        return heard

    def _reply(self, told: str, waiting_for: str) -> Reply | Trouble:
        """A reply from its text; a word that names a failure fails."""
        if told in _FAILURES:
            return self._fail(_FAILURES[told], waiting_for)
        lines = [masked(line, self.hidden) for line in told.split("\n")]
        reader = ReplyReader()  # the words of a story are read like those of a server, liberties and all
        for number, line in enumerate(lines, 1):
            mark = " " if number == len(lines) else "-"
            self.transcript.line("server", f"{line[:3]}{mark}{line[4:]}")
            reader.feed(f"{line[:3]}{mark}{line[4:]}\r\n".encode())
        found = reader.take()
        return found if isinstance(found, Reply) else self._fail(TroubleKind.GARBAGE, waiting_for, told)

    # -- TLS --------------------------------------------------------------------------------------------

    def _handshake(self, asked: Handshake) -> TlsSession | Trouble:
        tls: Mapping[str, Any] = self.script.get("tls", {})
        why = tls.get("fails") or (None if self.handshake_due else "the server answered in the clear")
        if why:
            self.transcript.tls_failed(why)
            heard = self._greeting() if self.greeting_due and not self.handshake_due else ""
            self.ended = Trouble(TroubleKind.TLS_FAILED, why, "TLS handshake", heard)
            return self.ended
        self.handshake_due, self.secure = False, True
        session = _tls_session(tls, asked, self.door.now)
        subjects = tuple(c.subject for c in session.chain)
        self.transcript.tls_started(session.version, session.cipher, subjects, session.trusted)
        return session


def _verb(line: str) -> str:
    return line.split(None, 1)[0].upper() if line.split() else ""


def _tls_session(tls: Mapping[str, Any], asked: Handshake, now: datetime) -> TlsSession:
    """The session a script tells of; what it leaves out is sound."""
    names = tuple(tls.get("names", [asked.verify_name or asked.server_name or "mx.example.com"]))
    leaf = Certificate(
        subject=tls.get("subject", f"CN={names[0] if names else 'unnamed'}"),
        issuer=tls.get("issuer", "CN=Example CA"),
        names=names,
        not_before=_iso(tls.get("not_before", now - timedelta(days=30))),
        not_after=_iso(tls.get("not_after", now + timedelta(days=60))),
        key_type=tls.get("key_type", "ec"),
        key_bits=tls.get("key_bits", 256),
        signature_hash=tls.get("signature_hash", "sha256"),
        serial="1",
        sha256="00" * 32,
        self_signed=bool(tls.get("self_signed", False)),
    )
    problem = tls.get("trust_problem") or _trust_problem(leaf, now)
    matches = any(_name_matches(name, asked.verify_name) for name in names) if asked.verify_name else None
    return TlsSession(
        version=tls.get("version", "TLSv1.3"),
        cipher=tls.get("cipher", "TLS_AES_256_GCM_SHA384"),
        chain=(leaf,),
        trusted=tls.get("trusted", problem is None),
        trust_problem=problem,
        name_matches=tls.get("name_matches", matches),
        injected=str(tls.get("injected", "")).encode(),
    )


def _iso(at: datetime | str) -> str:
    return at if isinstance(at, str) else at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _trust_problem(leaf: Certificate, now: datetime) -> str | None:
    if leaf.not_after < _iso(now):
        return "expired"
    if leaf.not_before > _iso(now):
        return "not-yet-valid"
    return "self-signed" if leaf.self_signed else None


def _name_matches(pattern: str, name: str | None) -> bool:
    """RFC 9525 §6.3: a wildcard stands for the whole leftmost label."""
    pattern, wanted = pattern.lower().rstrip("."), (name or "").lower().rstrip(".")
    if pattern.startswith("*."):
        return bool(wanted.partition(".")[0]) and wanted.partition(".")[2] == pattern[2:]
    return pattern == wanted

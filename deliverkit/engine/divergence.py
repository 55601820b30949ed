"""Where two transcripts of the same exchange part: the first thing that was said in one and not in the other.

Lines are compared without what differs in any two sessions: times, addresses, ids, the name a client gives in EHLO, the
machine of a pool that answered, the order of a server's extensions. What this file will not do: judge what was said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deliverkit.engine.snapshot import Session
from deliverkit.smtp.meaning import meaning_of

_BEFORE = 3  # lines told before the divergence
_REPLY = re.compile(r"([2-5]\d\d)([ -]|$)(.*)", re.DOTALL)
_WITHOUT = (
    (re.compile(r"\w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}(?: \(\w+\))?"), "<time>"),
    (re.compile(r"\[?\b(?:IPv6:)?(?:\d{1,3}\.){3}\d{1,3}\b\]?"), "<address>"),
    (re.compile(r"\[?(?:IPv6:)?\b[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){3,7}\]?"), "<address>"),
    (re.compile(r"<[^<>\s]*@[^<>\s]*>"), "<mailbox>"),
    (re.compile(r"(?=[\w.=+/-]*\d)(?=[\w.=+/-]*[A-Za-z])[\w=+/-]{8,}(?:\.[\w=+/-]+)*(?![\w.])"), "<id>"),
    (re.compile(r"\b\d{9,}\b"), "<number>"),
    (re.compile(r"\b(?:[\w-]+\.)+([\w-]+\.[A-Za-z]{2,})\b"), r"*.\1"),
)


@dataclass(frozen=True, slots=True)
class Divergence:
    """``at`` counts what both said alike before; ``before`` are its last lines. None: this session was over.

    ``meaning`` is what a refusal among the two is known to mean, and ``fix`` what to do about it.
    """

    server: str
    at: int
    before: tuple[str, ...]
    old: str | None
    new: str | None
    meaning: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class _Said:
    """One thing of a session: how it is compared, and how it is shown."""

    same: tuple[Any, ...]
    shown: str


def first_divergence(old: Sequence[Session], new: Sequence[Session]) -> Divergence | None:
    """The first divergence of the sessions with one server; of the first two sessions where the servers differ."""
    servers = sorted({one.server for one in old} & {one.server for one in new})
    of_one = [tuple([one for one in side if one.server == server] for side in (old, new)) for server in servers]
    pairs = [pair for ours, theirs in of_one for pair in zip(ours, theirs, strict=False)]
    for a, b in pairs or list(zip(old, new, strict=False))[:1]:
        found = parted(a, b)
        if found is not None:
            return found
    return None


def parted(old: Session, new: Session) -> Divergence | None:
    """Where two sessions part, None if they do not."""
    ours, theirs = list(_said(old)), list(_said(new))
    at = 0
    while at < len(ours) and at < len(theirs) and ours[at].same == theirs[at].same:
        at += 1
    if at == len(ours) == len(theirs):
        return None
    left = ours[at].shown if at < len(ours) else None
    right = theirs[at].shown if at < len(theirs) else None
    meaning, fix = _meaning(left, right)
    server = " / ".join(sorted({old.server, new.server}))
    return Divergence(
        server, at, tuple(one.shown for one in ours[max(at - _BEFORE, 0) : at]), left, right, meaning, fix
    )


def _meaning(*shown: str | None) -> tuple[str, str]:
    """What a refusal among them means; the words of both sides in one order, so that the sides may be exchanged."""
    for text in sorted(one.removeprefix("< ") for one in shown if one is not None):
        match = _REPLY.match(text)
        if match is not None and match[1][0] in "45":
            found = meaning_of(text, int(match[1]))
            if found is not None:
                return found.meaning, found.fix
    return "", ""


def _said(session: Session) -> Iterator[_Said]:
    """A session's events; the lines of one reply are one."""
    lines: list[str] = []
    for event in session.events:
        if event.get("event") == "line" and event.get("by") == "server":
            lines.append(str(event.get("text") or ""))
            match = _REPLY.match(lines[-1])
            if match is None or match[2] != "-":
                yield _reply(lines)
                lines = []
            continue
        if lines:
            yield _reply(lines)
            lines = []
        yield _event(event)
    if lines:
        yield _reply(lines)


def _reply(lines: Sequence[str]) -> _Said:
    """Code and texts; of a long reply the texts are sorted: servers name their extensions in any order."""
    matches = [_REPLY.match(line) for line in lines]
    codes = tuple(match[1] if match else "" for match in matches)
    texts = [without(match[3] if match else line) for match, line in zip(matches, lines, strict=True)]
    return _Said(("reply", codes[-1], *texts[:1], *sorted(texts[1:])), f"< {' / '.join(lines)}"[:600])


def _event(event: Mapping[str, Any]) -> _Said:
    kind = str(event.get("event") or "")
    text = str(event.get("text") or "")
    if kind == "line":
        return _Said(("client", _command(text)), f"> {text}"[:600])
    if kind == "tls-started":
        trust = {True: ", certificate trusted", False: ", certificate not trusted"}
        verified = event.get("verified")
        words = f"= TLS started: {event.get('version')}{trust.get(verified, '') if isinstance(verified, bool) else ''}"
        chain = event.get("chain")
        leaf = chain[:1] if isinstance(chain, (list, tuple)) else ()
        return _Said((kind, event.get("version"), verified, *map(str, leaf)), words)
    told = {"not-connected": "why", "tls-failed": "why", "timed-out": "waiting_for", "closed": "by"}.get(kind)
    why = str(event.get(told) or "") if told else ""
    return _Said((kind, without(why)), f"= {kind.replace('-', ' ')}{': ' if why else ''}{why}"[:600])


def _command(text: str) -> str:
    verb = text[:4].upper()
    if verb in ("EHLO", "HELO"):
        return f"{verb} <name>"
    if text.startswith("[") and text.endswith("octets of message]"):
        return "[message]"
    return without(text)


def without(text: str) -> str:
    """The text without times, addresses, mailboxes and ids; of host names the domain is kept."""
    for pattern, told in _WITHOUT:
        text = pattern.sub(told, text)
    return " ".join(text.split())

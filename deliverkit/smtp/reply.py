"""SMTP replies (RFC 5321 §4.2) with enhanced status codes (RFC 3463, RFC 2034), and how bytes become them.

`ReplyReader` is tolerant and bounded: it reads what real servers write, notes every liberty they took in
`Reply.faults`, and gives up on what is no reply or is too long. It waits for nothing and opens nothing, and it lets no
secret through that a server repeats.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal

from deliverkit.smtp.masking import masked

REPLY_OCTETS = 65_536  # a whole reply; RFC 5321 §4.5.3.1.5 allows 512 a line and sets no limit of lines
_SHOWN = 300

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s|$)")
_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])([^\r\n]*))?", re.DOTALL)  # RFC 5321 §4.2: Reply-code [ SP textstring ]
_CONTROLS = {code: f"\\x{code:02x}" for code in [*range(32), *range(127, 160)] if code != 9}


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: code, the text of its lines without code and separator.

    ``faults`` says how its form breaks the law; two replies that say the same are equal whatever their form.
    """

    code: int
    lines: tuple[str, ...]
    faults: tuple[str, ...] = field(default=(), compare=False)

    @property
    def text(self) -> str:
        """All lines joined by one space, repeated enhanced codes removed but the first."""
        first, *rest = self.lines or ("",)
        code = self.enhanced
        return " ".join([first, *(line.removeprefix(code or "").lstrip() if code else line for line in rest)]).strip()

    @property
    def enhanced(self) -> str | None:
        """The enhanced status code, if the reply carries one whose class matches its code (RFC 2034 §4)."""
        match = _ENHANCED.match(self.lines[0]) if self.lines else None
        return match[1] if match and match[1][0] == str(self.code)[0] else None

    @property
    def positive(self) -> bool:
        """2xx or 3xx."""
        return 200 <= self.code < 400

    @property
    def transient(self) -> bool:
        """4xx: may succeed later; inconclusive for a probe, never a failure (421, greylisting)."""
        return 400 <= self.code < 500

    def __str__(self) -> str:
        return f"{self.code} {self.text}".strip()


@dataclass(frozen=True, slots=True)
class Broken:
    """Bytes that are no reply; ``heard`` shows the beginning of them, escaped."""

    kind: Literal["garbage", "too-long"]
    detail: str
    heard: str


class ReplyReader:
    """Bytes in, replies out: `feed` what arrived, then `take` until it gives None (more bytes are needed)."""

    def __init__(self, limit: int = REPLY_OCTETS) -> None:
        self._bytes = bytearray()
        self._searched = 0  # no LF below this offset of the unread bytes
        self._lines: list[tuple[bytes, str, bool]] = []  # code, text, ended by CRLF
        self._octets = 0  # of the lines read so far of the reply under way
        self._limit = limit
        self._secrets: tuple[str, ...] = ()

    def feed(self, data: bytes) -> None:
        """Take in what arrived."""
        self._bytes += data

    def hide(self, secrets: Iterable[str]) -> None:
        """From here on these texts are masked wherever the server repeats them."""
        forms = (form for secret in secrets for form in (secret, _text(secret.encode("utf-8", "surrogateescape"))))
        self._secrets = tuple(dict.fromkeys((*self._secrets, *forms)))

    def __len__(self) -> int:
        """Octets that wait to be read."""
        return len(self._bytes)

    def drop(self) -> bytes:
        """Forget everything unread, and say what it was."""
        dropped = bytes(self._bytes)
        self._bytes.clear()
        self._lines.clear()
        self._searched = self._octets = 0
        return dropped

    def rest(self) -> str:
        """What was heard of a reply that never came to its end, escaped."""
        lines = [f"{code.decode()} {text}" for code, text, _ in self._lines]
        return "\n".join([*lines, self._shown(bytes(self._bytes))])[:_SHOWN].strip()

    def take(self) -> Reply | Broken | None:
        """The next whole reply; `Broken` when the bytes are none; None when more are needed."""
        while True:
            end = self._bytes.find(b"\n", self._searched)
            if self._octets + (len(self._bytes) if end < 0 else end) > self._limit:
                return Broken("too-long", f"a reply of more than {self._limit} octets", self.rest())
            if end < 0:
                self._searched = len(self._bytes)
                return None
            line = bytes(self._bytes[: end + 1])
            del self._bytes[: end + 1]
            self._searched = 0
            self._octets += len(line)
            body = line[:-2] if line.endswith(b"\r\n") else line[:-1]
            match = _LINE.fullmatch(body.rstrip(b"\r"))
            if not match:
                return Broken("garbage", "a line that is no SMTP reply", self._shown(line))
            code, separator, text = match[1], match[2], match[3] or b""
            said = masked(_text(text), self._secrets)
            self._lines.append((code, said, line.endswith(b"\r\n") and b"\r" not in body))
            if separator != b"-":
                return self._finish()

    def _shown(self, octets: bytes) -> str:
        return shown(octets, self._secrets)

    def _finish(self) -> Reply:
        """The reply whose last line was read, with the liberties it took."""
        faults = []
        codes = tuple(dict.fromkeys(code for code, _, _ in self._lines))
        if len(codes) > 1:  # RFC 5321 §4.2.1: every line bears the same code; the last line's counts here
            said = " and ".join(code.decode() for code in codes)
            faults.append(f"the lines of one reply bear different codes: {said}")
        if not all(crlf for _, _, crlf in self._lines):
            faults.append("a line does not end by CRLF (RFC 5321 §2.3.8)")
        longest = max(len(text) for _, text, _ in self._lines) + 6
        if longest > 512:
            faults.append(f"a line of {longest} octets; 512 is the limit (RFC 5321 §4.5.3.1.5)")
        reply = Reply(int(self._lines[-1][0]), tuple(text for _, text, _ in self._lines), tuple(faults))
        self._lines.clear()
        self._octets = 0
        return reply


def _text(octets: bytes) -> str:
    """Reply text as characters: UTF-8 (RFC 6531 §3.7.4.2) where it is, every control character escaped."""
    text = octets.decode("utf-8", "backslashreplace")
    return text if text.isprintable() else text.translate(_CONTROLS)


def shown(octets: bytes, secrets: Collection[str] = ()) -> str:
    """The beginning of some octets as it may be shown to a person: nothing a terminal would act upon, no secret."""
    tail = f"… ({len(octets)} octets)" if len(octets) > _SHOWN else ""
    return masked(_text(octets[:_SHOWN]), secrets).replace("\\x0d\\x0a", "\\r\\n") + tail


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server offers in its EHLO reply (RFC 5321 §4.1.1.1): its name, and keywords with parameters."""

    name: str
    keywords: tuple[tuple[str, str], ...]

    def __contains__(self, keyword: str) -> bool:
        return any(keyword.upper() == word for word, _ in self.keywords)

    def parameters(self, keyword: str) -> str | None:
        """A keyword's parameters ("" for none), or None when it is not offered."""
        return next((rest for word, rest in self.keywords if word == keyword.upper()), None)

    @property
    def lines(self) -> tuple[str, ...]:
        """The keywords as they were said: "SIZE 10240000"."""
        return tuple(f"{word} {rest}".strip() for word, rest in self.keywords)

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """SASL mechanisms (RFC 4954 §3), also of the old form ``AUTH=LOGIN`` that some servers still add."""
        found: list[str] = []
        for word, rest in self.keywords:
            if word == "AUTH" or word.startswith("AUTH="):
                found += [*word.removeprefix("AUTH").removeprefix("=").split(), *rest.upper().split()]
        return tuple(dict.fromkeys(found))


def offer(reply: Reply) -> Offer:
    """Read an EHLO reply. The first line is the server's name and greeting; keywords are case-insensitive (§2.4)."""
    name = (reply.lines[0].split() or [""])[0] if reply.lines else ""
    words = [line.split(None, 1) for line in reply.lines[1:] if line.strip()]
    return Offer(name, tuple((word[0].upper(), word[1].strip() if len(word) > 1 else "") for word in words))

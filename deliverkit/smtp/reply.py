"""SMTP replies (RFC 5321 §4.2) with enhanced status codes (RFC 3463, RFC 2034)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s|$)")


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: code, the text of its lines without code and separator."""

    code: int
    lines: tuple[str, ...]

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

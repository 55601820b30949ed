"""What a user may put into a message: text without line breaks or control characters.

A line break in a subject, a name or a URL would end the header there and let the rest become a header of its own
(RFC 5322 §2.2 forbids CR and LF in a field body, but in folding). It is refused, never repaired: a value that holds one
is either an attack or a mistake, and both should be seen.
"""

from __future__ import annotations

import unicodedata

_BREAKS = {
    "\r": "a carriage return",
    "\n": "a line feed",
    "\u2028": "a line separator",
    "\u2029": "a paragraph separator",
}


class BadValue(ValueError):
    """A value that cannot go into a message; the text names the value and says why."""


def single_line(name: str, text: str) -> str:
    """The text unchanged, or BadValue naming the value (``name`` is how the user knows it: "subject", "--header")."""
    for position, character in enumerate(text):
        if character in _BREAKS:
            fault = f"{_BREAKS[character]}; a header value is one line"
        elif unicodedata.category(character) == "Cc":
            fault = f"the control character U+{ord(character):04X}"
        elif 0xD800 <= ord(character) <= 0xDFFF:
            fault = "a lone surrogate; it is no Unicode text"
        else:
            continue
        raise BadValue(f"{name} holds {fault} (character {position + 1})")
    return text


def body_text(name: str, text: str) -> str:
    """Text of a body with CRLF line ends and a final one; NUL and lone surrogates are refused (RFC 5322 §2.3)."""
    for fault, wrong in (("a NUL character", "\0" in text), ("a lone surrogate", not _is_unicode(text))):
        if wrong:
            raise BadValue(f"{name} holds {fault}")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\r\n".join(lines if lines[-1] == "" else [*lines, ""])


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True

"""The message under search as every part of the search sees it: its body, its entities, its lines.

What this file will not do: change or prove anything.
"""

from __future__ import annotations

import re

from deliverkit.facts.message.mutation.body import Undone, first_difference
from deliverkit.facts.message.mutation.change import EVIDENCE, Change, Half
from deliverkit.facts.message.mutation.fields import name_of
from deliverkit.facts.message.mutation.parts import Entities
from deliverkit.protocols.dkim.canonical import Field
from deliverkit.protocols.dkim.verify import SignedMessage

_TEXT, _NAME = 500, 100  # characters of a sentence and of a field's name, which a message may make long
_TELLING = re.compile(rb"[A-Za-z\x80-\xff]{2}")


class View:
    """One message. ``body_line`` is the line on which its body begins."""

    def __init__(self, message: SignedMessage, body_line: int | None) -> None:
        self.message = message
        self.fields = message.fields
        self.body = bytes(message.body)
        self.body_line = body_line or sum(value.count(b"\n") for _, value in message.fields) + 2
        self._entities: Entities | None = None

    @property
    def entities(self) -> Entities:
        """The MIME structure, read when a change of a part is tried first."""
        if self._entities is None:
            head = b"".join(name + b":" + value for name, value in self.fields)
            self._entities = Entities(head, self.body)
        return self._entities

    def line_of(self, field: Field) -> int:
        """The line of a header field, counted back from the body, so that lines before the header do not matter."""
        at = next((n for n, one in enumerate(self.fields) if one is field), len(self.fields))
        return self.body_line - 1 - sum(value.count(b"\n") for _, value in self.fields[at:])

    def in_header(
        self, kind: str, text: str, name: str | None = None, evidence: bytes = b"", field: Field | None = None
    ) -> Change:
        """A change of the header; without ``field`` the first field of that name is where it shows."""
        if field is None and name is not None:
            field = next((one for one in self.fields if name_of(one).lower() == name.lower()), None)
        line = self.line_of(field) if field else None
        return Change(kind, Half.HEADER, text[:_TEXT], name and name[:_NAME], line, shown(evidence))

    def in_body(self, one: Undone) -> Change:
        """A change of the body, at the first octet that differs: found for the one that is proven, as it costs."""
        at = first_difference(self.body, one.body)
        begin = self.body.rfind(b"\n", 0, at) + 1
        here = self.body[begin : begin + EVIDENCE].split(b"\r\n", 1)[0]
        line = self.body_line + self.body.count(b"\n", 0, at)
        return Change(one.kind, Half.BODY, one.text[:_TEXT], line=line, evidence=shown(telling_line(one.added) or here))


def telling_line(octets: bytes) -> bytes:
    """The first line that says something."""
    return next((line.strip() for line in octets.splitlines() if _TELLING.search(line)), octets.strip())


def shown(octets: bytes) -> str:
    """Octets as evidence: cut, those that are no UTF-8 escaped; reports make the text safe for a screen."""
    text = octets[: 4 * EVIDENCE].decode("utf-8", "backslashreplace").strip()
    return text if len(text) <= EVIDENCE else f"{text[: EVIDENCE - 1]}…"

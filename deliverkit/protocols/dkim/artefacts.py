"""What DNS editors and copying leave in a key record: quotation marks, escaped semicolons, PEM lines, a zone line.

Each artefact becomes one fault and is replaced by blanks of the same length, so that the rest of the record can be read
with its true positions and one cause yields one fault.

What this file will not do: read tags; that is ``key``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from deliverkit.protocols.fault import Fault
from deliverkit.protocols.taglist import TYPOGRAPHIC

_ZONE_LINE = re.compile(
    r"\s*\S{0,255}_domainkey\S{0,255}\s+(?:\d+[smhdw]?\s+)?(?:IN\s+)?(?:\d+\s+)?TXT\s+\(?", re.IGNORECASE
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ )?(?:[A-Z0-9]+ )?PRIVATE KEY-----[^-]*(?:-----END [A-Z0-9 ]{0,40}-----)?"
)
_PEM_LINE = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]{1,40}-----")
_IN_QUOTES = re.compile(r"\s*\\?\"(.*?)\\?\"\s*", re.DOTALL)
_ESCAPED_SEMICOLON = re.compile(r"\\(?=;)")
_TYPOGRAPHIC = re.compile(f"[{TYPOGRAPHIC}]")
_JOINT = re.compile(r"\\?\"\s*\\?\"")
_QUOTE = re.compile(r"\\?\"")
_TAG_AFTER_BLANK = re.compile(r"[ \t,](?=[vkhstp]\s?=)")
_COMMA_AT_END = re.compile(r",(?=[ \t]*;)")
_FREE_TEXT = re.compile(r"(?:^|;)\s*(?![vkhpst]\s*=)[A-Za-z]\w*\s*=[^;]*")  # n= and unknown tags: their text is free


def cleaned(text: str) -> tuple[str, list[Fault]]:
    """The record with its artefacts blanked out, and a fault for each kind of them."""
    cleaning = _Cleaning(text)
    cleaning.zone_line()
    cleaning.blank(_PRIVATE_KEY.finditer(text), "private-key", "the record holds a private key")
    cleaning.blank(_PEM_LINE.finditer(cleaning.text), "pem-armour", "PEM lines (-----BEGIN …) were pasted with the key")
    cleaning.outer_quotes()
    for pattern, kind, detail in (
        (
            _ESCAPED_SEMICOLON,
            "escaped-semicolon",
            "a semicolon is escaped by a backslash that became part of the record",
        ),
        (_TYPOGRAPHIC, "typographic-quote", "a typographic quotation mark is part of the record"),
        (_JOINT, "string-joint", "quotation marks between two strings were left inside the record"),
        (_QUOTE, "quote", "a quotation mark is part of the record"),
    ):
        cleaning.blank(_outside_free_text(pattern, cleaning.text), kind, detail)
    cleaning.missing_semicolons()
    return cleaning.text, cleaning.faults


def _outside_free_text(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Matches that do not lie in the value of n= or of an unknown tag, where any character is allowed."""
    free = _FREE_TEXT.finditer(text)
    zone = next(free, None)
    for match in pattern.finditer(text):
        while zone and zone.end() <= match.start():
            zone = next(free, None)
        if zone is None or match.start() < zone.start():
            yield match


class _Cleaning:
    """One record being cleaned; ``text`` keeps its length throughout."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.faults: list[Fault] = []

    def fault(self, kind: str, detail: str, span: tuple[int, int]) -> None:
        self.faults.append(Fault(kind, detail, span, True))

    def blank(self, matches: Iterable[re.Match[str]], kind: str, detail: str) -> None:
        """Blank out every match; the first one becomes the fault."""
        pieces: list[str] = []
        done = 0
        for match in matches:
            if not pieces:
                self.fault(kind, detail, match.span())
            pieces += [self.text[done : match.start()], " " * len(match[0])]
            done = match.end()
        self.text = "".join([*pieces, self.text[done:]])

    def zone_line(self) -> None:
        """``s1._domainkey IN TXT ( "v=DKIM1; …" )`` pasted as the value."""
        match = _ZONE_LINE.match(self.text)
        if match is None:
            return
        self.blank([match], "zone-line", "a whole zone-file line was pasted as the value")
        bare = self.text.rstrip()
        if bare.endswith(")"):
            self.text = bare[:-1] + " " * (len(self.text) - len(bare) + 1)

    def outer_quotes(self) -> None:
        """The whole record in quotation marks that are part of its text."""
        match = _IN_QUOTES.fullmatch(self.text)
        if match is None:
            return
        self.fault("quoted", "the record stands in quotation marks that are part of it", (0, len(self.text)))
        self.text = " " * match.start(1) + match[1] + " " * (len(self.text) - match.end(1))

    def missing_semicolons(self) -> None:
        """``v=DKIM1 k=rsa p=…``: a tag that begins after a blank inside a value gets its semicolon back."""
        pieces = self.text.split(";")
        for number, piece in enumerate(pieces):
            name, _, value = piece.partition("=")
            lost = _TAG_AFTER_BLANK.search(value) if name.strip() in ("v", "k", "h", "s", "t") else None
            if lost is None:
                continue
            if not any(fault.kind == "missing-semicolon" for fault in self.faults):
                at = sum(len(before) + 1 for before in pieces[:number]) + len(name) + 1 + lost.start()
                self.fault("missing-semicolon", "a semicolon is missing between two tags", (at, at + 1))
            pieces[number] = f"{name}={_COMMA_AT_END.sub(' ', _TAG_AFTER_BLANK.sub(';', value))}"
        self.text = ";".join(pieces)

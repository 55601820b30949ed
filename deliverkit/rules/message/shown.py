"""What the reader of a message sees and where it stands: its texts, its links and images. No rule lives here.

Samples of code are kept apart: a letter to developers may show a placeholder in `<code>` that no template forgot.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deliverkit.facts.message import MessageFacts
from deliverkit.findings import Evidence
from deliverkit.rules.message.places import at_line

_CODE_IN_TEXT = re.compile(r"^[ \t]*```.*?^[ \t]*```|`[^`\n]{1,200}`|^>[^\n]*", re.MULTILINE | re.DOTALL)
_NOT_LINE_ENDS = re.compile(r"[^\n]")


class Telltale:
    """A pattern for something within one line, and the words of which each match holds one.

    Looking for words is so much cheaper than trying the pattern at every character that a message of a megabyte costs
    milliseconds; the pattern is tried on the lines with such a word. ``$`` is the end of any line.
    """

    def __init__(self, words: tuple[str, ...], pattern: str) -> None:
        self.words = words
        self.pattern = re.compile(pattern, re.MULTILINE)

    def matches(self, text: str) -> Iterator[re.Match[str]]:
        """The matches in a text, in order."""
        for start, end in self._lines(text):
            yield from self.pattern.finditer(text, start, end)

    def _lines(self, text: str) -> list[tuple[int, int]]:
        """Where the lines with one of the words begin and end, in order."""
        found: dict[int, int] = {}
        for word in self.words:
            at = text.find(word)
            while at >= 0:
                end = text.find("\n", at)
                end = len(text) if end < 0 else end
                found[text.rfind("\n", 0, at) + 1] = end
                at = text.find(word, end)
        return sorted(found.items())


@dataclass(frozen=True, slots=True)
class Shown:
    """A text and what it is called. ``line`` tells the message's line of an offset in it, or of the words there.

    ``code`` are samples of code that another part of the message marks as such.
    """

    name: str
    text: str
    line: Callable[[int, str], int | None]
    code: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a link leads or an image comes from. ``kind`` is "link", "form" or "image"; ``line`` counts in its part."""

    kind: str
    url: str
    line: int
    part: str = "text/html"


def texts(facts: MessageFacts) -> Iterator[Shown]:
    """What the reader sees, without samples of code."""
    if facts.subject_text:
        yield Shown("Subject", facts.subject_text, at(_line_of(facts, "subject")))
    for mailbox in facts.authors:
        yield Shown("From", mailbox.name, at(_line_of(facts, "from")))
    if facts.text:
        prose = _without_code(facts.text)
        code = facts.page.code if facts.page else ""

        def line(offset: int, _words: str) -> int | None:
            return facts.line_in("text/plain", prose.count("\n", 0, offset) + 1)

        yield Shown("text part", prose, line, code)
    if facts.page:
        yield Shown("HTML part", facts.page.prose, lambda _, words: _line_in_html(facts, words))
        for image in facts.page.images:
            if image.alt:
                yield Shown("alternative text of an image", image.alt, in_html(facts, image.line))


@functools.lru_cache(maxsize=1)
def _without_code(text: str) -> str:
    """Plain text with its samples of code and quotations blanked; of one message it is asked several times."""
    if "`" not in text and not text.startswith(">") and "\n>" not in text:
        return text
    return _CODE_IN_TEXT.sub(_blanked, text)


def _blanked(match: re.Match[str]) -> str:
    return _NOT_LINE_ENDS.sub(" ", match[0])


def at(line: int | None) -> Callable[[int, str], int | None]:
    """The `Shown.line` of a text that stands in one line."""
    return lambda _offset, _words: line


def in_html(facts: MessageFacts, line: int) -> Callable[[int, str], int | None]:
    """The `Shown.line` of a text that stands in one line of the HTML; told when it is asked for."""
    return lambda _offset, _words: facts.line_in("text/html", line)


def _line_of(facts: MessageFacts, name: str) -> int | None:
    field = facts.header.first(name)
    return field.line if field else None


def _line_in_html(facts: MessageFacts, words: str) -> int | None:
    """The line where words first stand in the HTML, if they stand there as they are shown."""
    at = (facts.html or "").find(words)
    return None if at < 0 else facts.line_in("text/html", (facts.html or "").count("\n", 0, at) + 1)


def targets(facts: MessageFacts) -> Iterator[Target]:
    """Every link and image once: those of the HTML, then the URLs of the text."""
    seen: set[tuple[str, str]] = set()
    for target in (*_links(facts), *_images(facts)):
        if (target.kind, target.url) not in seen:
            seen.add((target.kind, target.url))
            yield target


def _links(facts: MessageFacts) -> Iterator[Target]:
    for link in facts.links:
        part = "text/plain" if link.tag == "text" else "text/html"
        yield Target("form" if link.tag == "form" else "link", link.target, link.line, part)


def _images(facts: MessageFacts) -> Iterator[Target]:
    for image in facts.page.images if facts.page else ():
        yield Target("image", image.source, image.line)


def at_target(facts: MessageFacts, target: Target) -> Evidence:
    """A link or an image as evidence."""
    return at_line(facts, facts.line_in(target.part, target.line), target.url, target.kind)

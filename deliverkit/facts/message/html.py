"""HTML as a mail reader would see it: visible text, links and images, by one linear scan.

Not `html.parser`: a message is a stranger's, and that parser needs quadratic time on input made for it. What this
file will not do: load anything, or judge where a link leads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape

LINKS = 2000  # links and images that are kept
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9:-]{0,60}")
_ATTRIBUTE = re.compile(r"[\s/]*([^\s=<>\"'/]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'<>]+)))?")
_UNSEEN = ("script", "style", "title", "template", "noscript", "textarea")
_CODE = ("pre", "code", "kbd", "samp", "tt")
_BREAKING = re.compile(r"p|br|div|t[rdh]|li|[uo]l|table|h[1-6]|hr|blockquote|pre|section|article")


@dataclass(frozen=True, slots=True)
class Link:
    """Where a link leads and what it shows. ``line`` counts from the first line of the HTML."""

    target: str
    text: str
    line: int
    tag: str = "a"


@dataclass(frozen=True, slots=True)
class Image:
    """An image and its alternative text (None: no alt attribute)."""

    source: str
    alt: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Page:
    """What the HTML shows. ``prose`` is its text without samples of code (`<pre>`, `<code>`), ``code`` those."""

    text: str
    links: tuple[Link, ...]
    images: tuple[Image, ...]
    prose: str = ""
    code: str = ""


def read_html(html: str) -> Page:
    """Scan HTML. Everything a browser would accept is accepted; nothing raises."""
    return _Scan(html).page()


class _Scan:
    def __init__(self, html: str) -> None:
        self.html = html
        self.lower = html.lower() if len(html.lower()) == len(html) else html
        self.texts: list[str] = []
        self.links: list[Link] = []
        self.images: list[Image] = []
        self._link: tuple[str, int, int] | None = None  # target, line, index of its first text
        self._open_code = 0  # elements for code that are open
        self._code: set[int] = set()  # indices of the texts that stand in them
        self._counted, self._line = 0, 1

    def page(self) -> Page:
        at = 0
        while True:
            opening = self.html.find("<", at)
            if opening < 0:
                self._shows(self.html[at:])
                break
            self._shows(self.html[at:opening])
            after = self._markup(opening)
            if after is None:
                break
            at = after
        self._end_link()
        text, prose, code = _squeezed("".join(self.texts)), *self._apart()
        if 2 * len(code) > len(text):  # a whole message set in <pre> is no sample
            prose, code = text, ""
        return Page(text, tuple(self.links), tuple(self.images), prose, code)

    def _shows(self, text: str) -> None:
        if self._open_code:
            self._code.add(len(self.texts))
        self.texts.append(text)

    def _apart(self) -> tuple[str, str]:
        """Prose and code; each sample of code ends its line."""
        if not self._code:
            return _squeezed("".join(self.texts)), ""
        prose = [" " if index in self._code else text for index, text in enumerate(self.texts)]
        code = [text + "\n" for index, text in enumerate(self.texts) if index in self._code]
        return _squeezed("".join(prose)), _squeezed("".join(code))

    def _markup(self, at: int) -> int | None:
        """Read what begins with ``<``; the offset after it, or None when the document ends within it."""
        html = self.html
        if html.startswith("<!--", at):
            return _after(html.find("-->", at + 4), 3)
        if html.startswith(("<!", "<?"), at):
            return _after(html.find(">", at), 1)
        closing = html.startswith("</", at)
        name = _NAME.match(html, at + 1 + closing)
        if name is None:
            self._shows("<")
            return at + 1
        tag = name[0].lower()
        attributes, end = self._attributes(name.end())
        if end is None:
            return None
        if _BREAKING.fullmatch(tag):
            self.texts.append("\n")
        if tag in _CODE:
            self._open_code = max(0, self._open_code + (-1 if closing else 1))
        if closing:
            if tag == "a":
                self._end_link()
            return end
        self._element(tag, attributes, at)
        if tag in _UNSEEN:
            return _after(self.lower.find(f"</{tag}", end), 0)
        return end

    def _attributes(self, at: int) -> tuple[dict[str, str], int | None]:
        """Attributes and the offset after ``>``; None when a quotation mark or the tag is never closed."""
        found: dict[str, str] = {}
        html = self.html
        while True:
            while at < len(html) and html[at] in " \t\r\n\f/":
                at += 1
            if at >= len(html):
                return found, None
            if html[at] == ">":
                return found, at + 1
            if html[at] == "<":  # a tag that was never closed: the next one begins
                return found, at
            match = _ATTRIBUTE.match(html, at)
            if match is None:
                at += 1
                continue
            if match[2] is None and match[3] is None and _opens_quote(html, match.end()):
                return found, None  # the quotation mark is never closed: it swallows the rest, as in a browser
            value = next((group for group in match.groups()[1:] if group is not None), "")
            found.setdefault(match[1].lower(), unescape(value))
            at = match.end()

    def _element(self, tag: str, attributes: dict[str, str], at: int) -> None:
        if len(self.links) + len(self.images) >= LINKS:
            return
        if tag in ("a", "area"):
            self._end_link()
            target = attributes.get("href")
            if target is not None and tag == "a":
                self._link = (_trimmed(target), self._line_at(at), len(self.texts))
            elif target is not None:
                self.links.append(Link(_trimmed(target), attributes.get("alt", ""), self._line_at(at), tag))
        elif tag == "form" and attributes.get("action"):
            self.links.append(Link(_trimmed(attributes["action"]), "", self._line_at(at), tag))
        elif tag == "img":
            self.images.append(Image(_trimmed(attributes.get("src", "")), attributes.get("alt"), self._line_at(at)))

    def _end_link(self) -> None:
        if self._link is not None:
            target, line, first = self._link
            self.links.append(Link(target, _squeezed("".join(self.texts[first:]))[:500], line))
            self._link = None

    def _line_at(self, offset: int) -> int:
        self._line += self.html.count("\n", self._counted, offset)
        self._counted = max(offset, self._counted)
        return self._line


def _opens_quote(html: str, at: int) -> bool:
    """True if ``= "`` or ``= '`` stands here: a value whose quotation mark found no partner."""
    while at < len(html) and html[at] in " \t\r\n\f":
        at += 1
    if not html.startswith("=", at):
        return False
    at += 1
    while at < len(html) and html[at] in " \t\r\n\f":
        at += 1
    return html[at : at + 1] in ('"', "'")


def _after(found: int, length: int) -> int | None:
    return None if found < 0 else found + length


def _trimmed(url: str) -> str:
    """A URL as browsers take it: without blanks around and line ends within."""
    return re.sub(r"[\t\r\n]", "", url.strip())


def _squeezed(text: str) -> str:
    lines = (" ".join(line.split()) for line in unescape(text).splitlines())
    return "\n".join(line for line in lines if line)

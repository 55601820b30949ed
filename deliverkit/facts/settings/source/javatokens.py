"""Java and Kotlin as tokens: enough to follow literals, constants and environment variables into calls.

Both languages share what is needed here (names, texts, calls, comments), so one small scanner reads both, where two
grammars would have to be installed; no grammar of Kotlin is kept well. What this file will not do: build a syntax
tree, or evaluate what only a program could.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LARGEST = 1 << 20  # characters
_TOKEN = re.compile(
    r"""(?P<skip>\s+|//[^\n]*|/\*.*?(?:\*/|\Z))
      |(?P<block>\"{3}.*?(?:\"{3,}|\Z))
      |(?P<text>"(?:\\.|[^"\\\n])*"?)
      |(?P<char>'(?:\\.|[^'\\\n])*'?)
      |(?P<number>[0-9][\w.]*)
      |(?P<name>[A-Za-z_$][\w$]*)
      |(?P<mark>\?:|->|==|!=|&&|\|\||.)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u+([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_LETTERS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "b": "\b", "0": "\0", "s": " "}


@dataclass(frozen=True, slots=True)
class Token:
    """``kind`` is "text", "number", "name" or "mark"; of a text ``word`` is what it stands for."""

    kind: str
    word: str
    line: int
    template: bool = False
    """A text of Kotlin that holds ``$name``."""


def tokens(text: str, *, kotlin: bool = False) -> list[Token]:
    """The tokens of a source, comments left out. Never raises."""
    return list(_scan(text[:LARGEST], kotlin))


def _scan(text: str, kotlin: bool) -> Iterator[Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        kind, word = match.lastgroup or "", match[0]
        if kind == "block":
            inside = word[3:].removesuffix('"""')
            yield Token("text", inside.strip("\n"), line, kotlin and "$" in inside)
        elif kind in ("text", "char"):
            inside = word[1:-1] if len(word) > 1 and word[-1] == word[0] else word[1:]
            template = kotlin and re.search(r"(?<!\\)\$[A-Za-z_{]", inside) is not None
            yield Token("text", _ESCAPE.sub(_unescaped, inside), line, template)
        elif kind != "skip":
            yield Token(kind, word, line)
        line += word.count("\n")


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else _LETTERS.get(match[2], match[2])


def arguments(stream: list[Token], opening: int) -> tuple[list[list[Token]], int]:
    """The arguments of the call whose bracket opens at ``opening``, and the place behind it."""
    closing = {"(": ")", "[": "]", "{": "}"}
    depth: list[str] = []
    found: list[list[Token]] = [[]]
    at = opening
    while at < len(stream):
        token = stream[at]
        if token.kind == "mark" and token.word in closing:
            depth.append(closing[token.word])
            if len(depth) > 1:
                found[-1].append(token)
        elif token.kind == "mark" and depth and token.word == depth[-1]:
            depth.pop()
            if not depth:
                return [one for one in found if one], at + 1
            found[-1].append(token)
        elif token.kind == "mark" and token.word == "," and len(depth) == 1:
            found.append([])
        else:
            found[-1].append(token)
        at += 1
    return [one for one in found if one], at


def shown(part: list[Token], most: int = 80) -> str:
    """An expression on one line, bounded, its texts left out: they may be secret."""
    words = ["…" if one.kind == "text" else one.word for one in part[:60]]
    text = re.sub(r"\s*([.()\[\],;])\s*", r"\1", " ".join(words))
    return text if len(text) <= most else f"{text[: most - 1]}…"

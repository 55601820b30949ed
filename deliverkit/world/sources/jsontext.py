"""JSON that is walked rather than loaded: what is not wanted is passed over, and every value knows its line.

The values themselves are read by `json`; only the way down to them is walked here. What this file will not do: know
what a key means.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from deliverkit.world.masterfile import ZoneError

_BLANK = re.compile(r"[ \t\r\n]*")
_NEWLINE = re.compile(r"\n")


class JsonText:
    """A place in a JSON text. `members` and `elements` step into what stands there, `value` reads it whole.

    While the members or elements are iterated, a caller may read the value or step into it; what it leaves is passed
    over. Raises ZoneError.
    """

    def __init__(self, text: str, file: str, at: int = 0) -> None:
        self.text, self.file, self.at = text, file, at
        self._decode = json.JSONDecoder().raw_decode
        self._pass_blanks()

    def value(self) -> Any:
        """The value that stands here; then the place is behind it."""
        try:
            found, self.at = self._decode(self.text, self.at)
        except json.JSONDecodeError as bad:
            raise self._fault(bad.msg.lower(), bad.pos) from None
        except RecursionError:
            raise self._fault("nested too deep", self.at) from None
        except ValueError:  # a number of thousands of digits
            raise self._fault("a number that is too long", self.at) from None
        return found

    @property
    def opens(self) -> str:
        """ "{" where an object begins, "[" where a list does; else the first character of a value."""
        return self.text[self.at : self.at + 1]

    def members(self) -> Iterator[str]:
        """The keys of the object that stands here; at each the place is its value. Nothing where there is no object."""
        for _ in self._inside("{", "}"):
            if self.opens != '"':
                raise self._fault("a name in quotation marks is missing", self.at)
            try:
                key, self.at = scanstring(self.text, self.at + 1)
            except json.JSONDecodeError as bad:
                raise self._fault(bad.msg.lower(), bad.pos) from None
            self._pass_blanks()
            if self.opens != ":":
                raise self._fault("a colon is missing", self.at)
            self.at += 1
            self._pass_blanks()
            before = self.at
            yield key
            if self.at == before:
                self.value()

    def elements(self) -> Iterator[int]:
        """The places of the list that stands here. Nothing where there is no list."""
        for number in self._inside("[", "]"):
            before = self.at
            yield number
            if self.at == before:
                self.value()

    def _inside(self, opening: str, closing: str) -> Iterator[int]:
        if self.opens != opening:
            return
        self.at += 1
        self._pass_blanks()
        if self.opens == closing:
            self.at += 1
            return
        number = 0
        while True:
            yield number
            number += 1
            self._pass_blanks()
            mark = self.opens
            if mark not in (",", closing):
                raise self._fault(f"a comma or {closing} is missing", self.at)
            self.at += 1
            if mark == closing:
                return
            self._pass_blanks()

    def line(self, at: int | None = None) -> int:
        """The line of a place, from 1."""
        return bisect_left(self._newlines, self.at if at is None else at) + 1

    def broken(self, at: int) -> bool:
        """True if the text goes on in another line behind this place."""
        return any(at < newline < len(self.text) - 1 for newline in self._newlines[-2:])

    @cached_property
    def _newlines(self) -> list[int]:
        return [match.start() for match in _NEWLINE.finditer(self.text)]

    def _pass_blanks(self) -> None:
        match = _BLANK.match(self.text, self.at)
        assert match is not None  # it matches nothing too
        self.at = match.end()

    def _fault(self, why: str, at: int) -> ZoneError:
        text = self.text[at : at + 40].split("\n")[0]
        return ZoneError(self.file, self.line(at), text, f"no valid JSON: {why}", "make the file again")

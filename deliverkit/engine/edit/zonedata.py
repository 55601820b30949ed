"""The data of one entry of a master file replaced word by word, so that what stays the same stays as it is written.

What this file will not do: find the entry, or change its owner (`zonetext` does).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from deliverkit.engine.edit.model import CannotApply
from deliverkit.engine.edit.zonescan import Scan, Stated
from deliverkit.engine.edit.zonewords import Word, Words, column, is_relative, line_end, means, spelled, words_of
from deliverkit.findings import STRING_OCTETS, cut_strings
from deliverkit.world import rdata
from deliverkit.world.masterfile import ZoneRecord, words
from deliverkit.world.values import NAME_TYPES, TEXT_TYPES, presentation, quoted

Change = tuple[int, int, str]
"""Characters that give way to others."""

NAMES_AT = {"MX": (1,), "SOA": (0, 1), "SRV": (3,), **dict.fromkeys(NAME_TYPES, (0,))}
"""The words of a type's data that are names."""


def data_words(record: ZoneRecord, origin: str | None, *, relative: bool) -> list[str]:
    """The words of a record's data as an entry writes them; a text is cut into strings of 255 octets."""
    if record.type in TEXT_TYPES:
        return [quoted(string) for string in strings_of(record)]
    tokens = words(presentation(record.type, record.value), "", 1)
    found = [f'"{token.text}"' if token.quoted else token.text for token in tokens]
    for at in NAMES_AT.get(record.type, ()) if relative else ():
        found[at] = spelled(found[at].removesuffix(".") or ".", origin, relative=True)
    return found


def strings_of(record: ZoneRecord) -> list[bytes]:
    """The strings of a text record, cut where people would cut them."""
    text: bytes = b"".join(record.value)
    return cut_strings(text.decode("utf-8", "surrogateescape"))


def new_data(text: str, entry: Stated, parts: Words, record: ZoneRecord, *, fold: bool) -> list[Change]:
    """What has to change in an entry so that its data is that of a record. Raises CannotApply.

    ``fold``: strings that do not fit on one line are put in parentheses, each on its own.
    """
    if not parts.data:
        raise CannotApply(f"{entry.place} has no data that could be replaced")
    if record.type not in TEXT_TYPES:
        return list(_new_words(text, entry, parts, record))
    if parts.type.text.upper() != record.type or parts.data[0].text == "\\#":
        return _whole(text, parts, " ".join(data_words(record, None, relative=False)))
    return _Texts(text, entry, parts, fold).changes(record)


def _new_words(text: str, entry: Stated, parts: Words, record: ZoneRecord) -> Iterator[Change]:
    same_type = parts.type.text.upper() == record.type
    names = NAMES_AT.get(record.type, ()) if same_type else ()
    relative = all(is_relative(parts.data[at]) for at in names if at < len(parts.data)) and bool(names)
    new = data_words(record, entry.origin, relative=relative)
    if not same_type or len(new) != len(parts.data):
        yield from _whole(text, parts, " ".join(new))
        return
    plain = words(presentation(record.type, record.value), "", 1)
    for at, (old, word) in enumerate(zip(parts.data, new, strict=True)):
        name = plain[at].text.removesuffix(".") or "."
        kept = means(old, name, entry.origin) if at in names else old.text == plain[at].text
        if not kept:
            yield old.start, old.end, word


def _whole(text: str, parts: Words, new: str) -> list[Change]:
    """All of the data, where nothing but blanks stands between its words."""
    start, end = parts.data[0].start, parts.data[-1].end
    if any(start < at < end for at, _ in parts.comments) or "\n" in text[start:end] or "\r" in text[start:end]:
        raise CannotApply("its data stands on several lines; put it on one, or change it by hand")
    return [(start, end, new)]


def folds(scan: Scan) -> bool:
    """Whether the zone writes long texts in parentheses, on several lines; so does one that has no long text yet."""
    texts = [e for e in scan.entries if not e.generated and e.records[0].type in TEXT_TYPES]
    parts = [words_of(scan.texts[entry.file], entry) for entry in texts]
    several = [one.folded for one in parts if len(one.data) > 1]
    return not several or any(several)


class _Texts:
    """The strings of one TXT record, of which only those are written anew in which something changes."""

    def __init__(self, text: str, entry: Stated, parts: Words, fold: bool) -> None:
        self.text = text
        self.entry = entry
        self.parts = parts
        self.fold = fold
        self.old = [rdata.string_octets(word.token) for word in parts.data]

    def changes(self, record: ZoneRecord) -> list[Change]:
        """What has to change. Nothing, where the text is the same and no string is at fault."""
        new: bytes = b"".join(record.value)
        if b"".join(self.old) != new and all(word.quoted for word in self.parts.data):
            first, last, merged = _affected(self.old, new)
            pieces = [merged] if first == last and len(merged) <= STRING_OCTETS else _cut(merged)
        else:  # said the same in another way, or the words of a text without quotation marks
            first, last, pieces = 0, len(self.old) - 1, _cut(new)
        words = self.parts.data[first : last + 1]
        whole = [quoted(piece) for piece in pieces]
        if len(self.old) == 1 and len(whole) > 1 and self.fold and not self.parts.folded and not self.parts.comments:
            return [(words[0].start, words[0].end, self._folded(whole))]
        return list(self._placed(words, whole))

    def _placed(self, words: Sequence[Word], whole: list[str]) -> Iterator[Change]:
        """Each string in place of one that was there; the last place takes what is left."""
        if len(whole) > len(words):
            own = words[-1]
            whole[len(words) - 1 :] = [self._separator(own).join(whole[len(words) - 1 :])]
        for word, string in zip_longest(words, whole):
            if string is None:
                yield self._without(word)
            elif string != self.text[word.start : word.end]:
                yield word.start, word.end, string

    def _separator(self, word: Word) -> str:
        """A line of its own for each string where each stands on its own, else a blank."""
        begin = max(self.text.rfind("\n", 0, word.start), self.text.rfind("\r", 0, word.start)) + 1
        indent = self.text[begin : word.start]
        if self.parts.folded and begin > self.entry.start and not indent.strip():
            return line_end(self.text, self.entry) + indent
        return " "

    def _without(self, word: Word) -> Change:
        """The place of a string that goes, and with it the blanks before it, or its whole line."""
        begin = max(self.text.rfind("\n", 0, word.start), self.text.rfind("\r", 0, word.start)) + 1
        start, end = word.start, word.end
        while start > begin and self.text[start - 1] in " \t":
            start -= 1
        rest = end
        while rest < len(self.text) and self.text[rest] in " \t":
            rest += 1
        if start == begin and rest < len(self.text) and self.text[rest] in "\r\n":
            return begin, rest + (2 if self.text.startswith("\r\n", rest) else 1), ""
        return (word.start, rest, "") if start == begin else (start, end, "")

    def _folded(self, whole: list[str]) -> str:
        indent = line_end(self.text, self.entry) + " " * max(column(self.text, self.parts.data[0].start), 4)
        return f"( {indent.join(whole)} )"


def _affected(old: Sequence[bytes], new: bytes) -> tuple[int, int, bytes]:
    """The first and the last string in which something changes, and what they have to say together."""
    joined = b"".join(old)
    most = min(len(joined), len(new))
    head = next((at for at in range(most) if joined[at] != new[at]), most)
    tail = next((at for at in range(most - head) if joined[-1 - at] != new[-1 - at]), most - head)
    end = len(joined) - tail  # the region [head, end) of the old text gives way
    bounds = [0]
    for string in old:
        bounds.append(bounds[-1] + len(string))
    last = max(0, len(old) - 1)
    if head == end:  # something is put in between: it belongs to the string before
        first = next((at for at in range(last + 1) if head <= bounds[at + 1]), last)
    else:
        first = next((at for at in range(last + 1) if head < bounds[at + 1]), last)
    behind = next((at for at in range(first, last + 1) if end <= bounds[at + 1]), last)
    return first, behind, new[bounds[first] : len(new) - (len(joined) - bounds[behind + 1])]


def _cut(octets: bytes) -> list[bytes]:
    return cut_strings(octets.decode("utf-8", "surrogateescape"))

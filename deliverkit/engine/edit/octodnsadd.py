"""Records put into octoDNS YAML: beside their set, beside their name, or as a name in the order octoDNS wants.

What this file will not do: take anything out (`octodnstext` does).
"""

from __future__ import annotations

from deliverkit.engine.edit.model import CannotApply, Edit, text_edit
from deliverkit.engine.edit.octodnsnodes import Document, Nodes, Stated, check_plain, entry_of, member, named, varied
from deliverkit.engine.edit.octodnswords import escapes, key_text, natural, record_lines, scalar_text, value_lines
from deliverkit.facts.settings.yamlnodes import Node, items, scalar
from deliverkit.world.masterfile import ZoneRecord
from deliverkit.world.sources.octodns import FIELDS


def added(nodes: Nodes, record: ZoneRecord, origin: str) -> list[Edit]:
    """The edits that put one record in. Raises CannotApply."""
    here = [one for one in nodes.stated if one.told.name == record.name and "lost" not in one.told.flags]
    same = [one for one in here if one.told.type == record.type]
    escaped = escapes(one.told for one in nodes.stated)
    if same:
        return _Beside(nodes, same[-1], escaped=escaped).value(record)
    written = record.name[: -len(origin) - 1] if record.name != origin else ""
    ttl = _ttl(here or nodes.stated)
    for document in nodes.documents.values():
        found = named(document, here[-1].written if here else written)
        if found is not None:
            return _beside_name(document, *found, record_lines([record], ttl, escaped=escaped))
    return _new_name(_document(nodes), written, record_lines([record], ttl, escaped=escaped))


def _ttl(stated: list[Stated]) -> str | None:
    """The TTL of the records a new one joins, where they say one."""
    told = member(stated[-1].record, "ttl") if stated else None
    return scalar(told[1]) if told else None


def _document(nodes: Nodes) -> Document:
    """The file for a new name: the only one, or the one that holds the zone's own name."""
    documents = list(nodes.documents.values())
    own = [document for document in documents if named(document, "")]
    if len(documents) == 1 or len(own) == 1:
        return documents[0] if len(documents) == 1 else own[0]
    raise CannotApply("the zone is split into files, and none is the obvious one; add the record by hand")


def _indented(lines: list[str], columns: int, newline: str) -> str:
    return "".join(f"{' ' * columns}{line}{newline}" for line in lines)


def _insert(document: Document, at: int, new: str) -> Edit:
    """Lines put in at the begin of a line, behind a line end where the file lacks its last one."""
    before = document.text[:at]
    if before and not before.endswith(("\n", "\ufeff")):
        new = document.newline + new.removesuffix(document.newline)
    return text_edit(document.path, document.text, at, at, new)


class _Beside:
    """A set that gets one value more."""

    def __init__(self, nodes: Nodes, one: Stated, *, escaped: bool) -> None:
        self.document = nodes.document(one)
        entry_of(self.document, one.record)
        if varied(one.record):
            raise self.document.refuse(one.record, "gives several answers, by who asks")
        holder = member(one.record, "values") or member(one.record, "value")
        assert holder is not None  # the reader found a value in it
        self.key, self.held = holder
        self.last = one.value
        self.escaped = escaped

    def value(self, record: ZoneRecord) -> list[Edit]:
        """The edits that add the value."""
        document = self.document
        names = None
        if self.last.id == "mapping":
            own = {key.value for key, _ in self.last.value}
            names = tuple(next((n for n in names_ if n in own), names_[0]) for names_ in FIELDS[record.type])
        lines = value_lines(record, escaped=self.escaped, names=names)
        if self.held.id == "sequence" and self.held.flow_style:
            return [self._in_brackets(record, lines)]
        if self.held.id == "sequence":
            column = self._dash(items(self.held)[-1])
            new = _indented([f"- {lines[0]}", *(f"  {line}" for line in lines[1:])], column, document.newline)
            return [_insert(document, document.next_line(document.end(self.held)), new)]
        return self._as_list(lines)

    def _in_brackets(self, record: ZoneRecord, lines: list[str]) -> Edit:
        document = self.document
        last = items(self.held)[-1]
        if record.type in FIELDS or last.id != "scalar":
            raise document.refuse(self.held, "stands in brackets")
        style = last.style if last.style in ("'", '"') else None
        (word,) = lines
        if word.startswith("'"):
            word = word[1:-1].replace("''", "'")
        new = f", {scalar_text(word, style, number=False, flow=True)}"
        return text_edit(document.path, document.text, document.end(last), document.end(last), new)

    def _dash(self, item: Node) -> int:
        """The column of an item's dash."""
        document = self.document
        at = document.start(item) - 1
        begin = document.line_start(at)
        while at > begin and document.text[at] in " \t":
            at -= 1
        if document.text[at] != "-" or document.text[begin:at].strip():
            raise document.refuse(item, "is written in a way that is not understood")
        return at - begin

    def _as_list(self, lines: list[str]) -> list[Edit]:
        """``value: x`` becomes ``values:`` with two items."""
        document, text = self.document, self.document.text
        start, end = document.start(self.held), document.end(self.held)
        column = document.column(document.start(self.key)) + 2
        if self.held.id == "scalar" and self.held.style in ("|", ">"):
            raise document.refuse(self.held, "is a text of several lines")
        if self.held.id == "mapping" and not self.held.flow_style:
            first = document.column(start)
            begin = document.line_start(start)
            rows = text[begin:end].splitlines(keepends=True)
            old = "".join(" " * (column + 2) + row[first:] if row.strip() else row for row in rows)
            old = " " * column + "- " + old[column + 2 :]
            gap = text[document.end(self.key) : begin]
        else:
            old, gap = " " * column + "- " + text[start:end], ":" + document.newline
            begin = start
            if text[document.end(self.key) : start].strip(" \t") != ":":
                raise document.refuse(self.held, "is written in a way that is not understood")
        new = _indented([f"- {lines[0]}", *(f"  {line}" for line in lines[1:])], column, document.newline)
        return [
            text_edit(document.path, text, document.start(self.key), document.end(self.key), "values"),
            text_edit(document.path, text, document.end(self.key), end, f"{gap}{old}"),
            _insert(document, document.next_line(end), new),
        ]


def _beside_name(document: Document, key: Node, below: Node, lines: list[str]) -> list[Edit]:
    """One more record at a name that is there: an item of its list, which is made of its only record where need be."""
    check_plain(document, key, below)
    if below.flow_style or document.root.flow_style:
        raise document.refuse(key, "stands in brackets")
    end = document.next_line(document.end(below))
    if below.id == "sequence":
        first = document.start(items(below)[-1])
        begin = document.line_start(first)
        dash = document.text.rfind("-", begin, first)
        if dash < 0 or document.text[begin:dash].strip():
            raise document.refuse(key, "is written in a way that is not understood")
        column, edits = dash - begin, []
    else:
        start = document.start(below)
        begin, column = document.line_start(start), document.column(start)
        rows = document.text[begin : document.end(below)].splitlines(keepends=True)
        deeper = "".join(row if not row.strip() else f"  {row}" for row in rows)
        deeper = f"{' ' * column}- {deeper[column + 2 :]}"
        edits = [text_edit(document.path, document.text, begin, document.end(below), deeper)]
    new = _indented([f"- {lines[0]}", *(f"  {line}" for line in lines[1:])], column, document.newline)
    return [*edits, _insert(document, end, new)]


def _new_name(document: Document, written: str, lines: list[str]) -> list[Edit]:
    """A name at its place in the order, or at the end of a file without order."""
    names = document.names()
    if document.root is not None and document.root.flow_style:
        raise document.refuse(document.root, "stands in braces")
    new = f"{key_text(written)}:{document.newline}{_indented(lines, 2, document.newline)}"
    keys = [key.value for key, _ in names]
    place = len(keys)
    if keys == sorted(keys, key=natural):
        place = sum(natural(key) < natural(written) for key in keys)
    if not names:
        return [_insert(document, len(document.text), new)]
    if place == 0:
        return [_insert(document, document.line_start(document.start(names[0][0])), new)]
    return [_insert(document, document.next_line(document.end(names[place - 1][1])), new)]

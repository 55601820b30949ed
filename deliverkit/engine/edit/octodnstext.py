"""octoDNS YAML edited: values changed in place, added and taken out, every other octet as it was.

Each step works on the text that the step before it left. Comments, quoting and order stay; what shares its text with
others (anchors, aliases, merge keys, included files) is left alone. What this file will not do: choose records, or hold
the outcome against them (`meaning` does).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deliverkit.engine.edit.meaning import states
from deliverkit.engine.edit.model import CannotApply, Edit, SourceFile, applied, text_edit
from deliverkit.engine.edit.octodnsadd import added
from deliverkit.engine.edit.octodnsnodes import Document, Nodes, Stated, entry_of, member, nodes_of, varied
from deliverkit.engine.edit.octodnswords import escapes, scalar_text, value_words
from deliverkit.facts.settings.yamlnodes import Node, items
from deliverkit.world.changes import record_key
from deliverkit.world.masterfile import ZoneRecord, file_octets, unsaved
from deliverkit.world.sources.octodns import FIELDS
from deliverkit.world.values import canonical


def octodns_changed(
    source: SourceFile, origin: str, removes: Sequence[ZoneRecord], records: Sequence[ZoneRecord]
) -> dict[Path, bytes]:
    """The files that change when records are taken out of a zone and others put in. Raises CannotApply."""
    work = _Work(source, origin)
    gone, new = list(removes), list(records)
    for fits in (_same, _same_set):
        for old in list(gone):
            found = next((record for record in new if fits(old, record)), None)
            if found is not None:
                work.replace(old, found)
                gone.remove(old)
                new.remove(found)
    emptied = {old.name for old in gone} if work.outlives(gone) else set()  # a file without a name is none
    for record in new:
        if record.name not in emptied:
            work.add(record)
    for old in gone:
        work.remove(old)
    for record in new:
        if record.name in emptied:
            work.add(record)
    return work.made


def _same(old: ZoneRecord, new: ZoneRecord) -> bool:
    return record_key(old.name, old.type, old.value) == record_key(new.name, new.type, new.value)


def _same_set(old: ZoneRecord, new: ZoneRecord) -> bool:
    return (old.name, old.type) == (new.name, new.type)


class _Work:
    """The files of a zone while they are changed, step by step."""

    def __init__(self, source: SourceFile, origin: str) -> None:
        self.source = source
        self.origin = origin
        self.made: dict[Path, bytes] = {}

    def _nodes(self) -> Nodes:
        with unsaved(self.made):
            return nodes_of(self.source, self.origin)

    def _do(self, edits: Sequence[Edit]) -> None:
        with unsaved(self.made):
            texts = {edit.file: file_octets(edit.file, str(edit.file)) for edit in edits}
        self.made |= applied(texts, edits)

    def _found(self, nodes: Nodes, record: ZoneRecord) -> list[Stated]:
        found = [one for one in nodes.stated if states(one.told, record) and "lost" not in one.told.flags]
        if not found:
            raise CannotApply(f"{record.name} {record.type} does not stand in {self.source.shown} as it is in DNS")
        for one in found:
            document = nodes.document(one)
            entry_of(document, one.record)
            if varied(one.record):
                raise document.refuse(one.record, "gives several answers, by who asks")
        return found

    def outlives(self, gone: Sequence[ZoneRecord]) -> bool:
        """Whether anything is left in the files when these records are gone."""
        return any(not any(states(one.told, old) for old in gone) for one in self._nodes().stated)

    def replace(self, old: ZoneRecord, new: ZoneRecord) -> None:
        """Another value in place of one; where that one stands twice, the second goes."""
        nodes = self._nodes()
        found = self._found(nodes, old)
        escaped = escapes(one.told for one in nodes.stated)
        document = nodes.document(found[0])
        self._do(list(_replaced(document, found[0].value, new, escaped=escaped)))
        for _ in found[1:]:
            self.remove(old)

    def remove(self, old: ZoneRecord) -> None:
        """A value taken out, and with the last one its record, and with the last of these its name."""
        nodes = self._nodes()
        found = self._found(nodes, old)
        document = nodes.document(found[0])
        self._do([_removed(document, found[0])])
        for _ in found[1:]:
            self.remove(old)

    def add(self, record: ZoneRecord) -> None:
        """A value put in."""
        self._do(added(self._nodes(), record, self.origin))


def _replaced(document: Document, node: Node, new: ZoneRecord, *, escaped: bool) -> list[Edit]:
    told = value_words(new, escaped=escaped)
    if node.id == "scalar":
        return [_scalar(document, node, " ".join(told))]
    edits = []
    for word, names in zip(told, FIELDS.get(new.type, ()), strict=True):
        found = member(node, *names)
        if found is None:
            raise document.refuse(node, f"has no {names[-1]}")
        if not _same_word(found[1].value, word):
            edits.append(_scalar(document, found[1], word))
    return edits


def _same_word(old: str, new: str) -> bool:
    """Whether a word may stay: spelled the same, or the same name with its final dot."""
    return old == new or (old.endswith(".") and canonical(old) == canonical(new) and new.endswith("."))


def _scalar(document: Document, node: Node, word: str) -> Edit:
    if node.id != "scalar":
        raise document.refuse(node, "is no plain value")
    number = node.tag.endswith(":int") and word.isdecimal()
    flow = _in_flow(document, node)
    new = scalar_text(word, node.style, number=number, flow=flow)
    return text_edit(document.path, document.text, document.start(node), document.end(node), new)


def _in_flow(document: Document, node: Node) -> bool:
    """Whether a scalar stands between brackets, where commas and brackets end it."""
    waiting = [(document.root, False)]
    while waiting:
        one, flow = waiting.pop()
        if one is node:
            return flow
        if one.id != "scalar":
            flow = flow or bool(one.flow_style)
            waiting += [(p, flow) for v in one.value for p in (v if isinstance(v, tuple) else (v,))]
    return False


def _removed(document: Document, one: Stated) -> Edit:
    """The edit that takes one value out."""
    holder = member(one.record, "values", "value")
    siblings = items(holder[1]) if holder else []
    if len(siblings) > 1:
        return _item(document, siblings, one.value)
    key, below = entry_of(document, one.record)
    if len(items(below)) > 1:
        return _item(document, items(below), one.record)
    if document.root.flow_style:
        raise document.refuse(key, "stands in braces")
    start, end = document.line_start(document.start(key)), document.next_line(document.end(below))
    return text_edit(document.path, document.text, start, end, "")


def _item(document: Document, siblings: list[Node], node: Node) -> Edit:
    """One of several items of a list goes: its lines, or its place between commas."""
    text, at = document.text, siblings.index(node)
    start, end = document.start(node), document.end(node)
    dash = start - 1
    while dash >= 0 and text[dash] in " \t":
        dash -= 1
    begin = document.line_start(start)
    if dash >= begin and text[dash] == "-" and not text[begin:dash].strip():
        return text_edit(document.path, text, begin, document.next_line(end), "")
    if text[dash] not in "[,":
        raise document.refuse(node, "is written in a way that is not understood")
    if at + 1 < len(siblings):
        return text_edit(document.path, text, start, document.start(siblings[at + 1]), "")
    return text_edit(document.path, text, document.end(siblings[at - 1]), end, "")

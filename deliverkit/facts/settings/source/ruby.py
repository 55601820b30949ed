"""Values in Ruby: what an expression of a configuration file is before the program runs, as far as that can be told.

Followed are literals, hashes in both styles, constants and variables assigned once, ``ENV["X"]`` and ``ENV.fetch``, and
the conversions every program uses. A symbol is its text. Ruby's own rules decide: only nil and false are false.

What this file will not do: know a framework, or follow a method of the application.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from deliverkit.facts.settings.source.javascript import Known, Lookup, Unknown, Value
from deliverkit.facts.settings.source.syntax import Node, ancestors, line_of, parse, shown, text_of, walk
from deliverkit.facts.settings.tree import Tree
from deliverkit.facts.settings.values import Place, Setting

_DEEPEST = 40
_LONGEST = 65_536
_NO_VALUES = ("f", "false", "0", "off", "")  # ActiveModel::Type::Boolean; "" is nil there


@dataclass
class Script:
    """One file: its tree, and what each constant or local variable is assigned."""

    path: str
    root: Node
    assigned: dict[str, list[Node]] = field(default_factory=dict)


def read_script(tree: Tree, path: str) -> Script | None:
    """A file read, or None if it cannot be."""
    text = tree.text(path)
    root = parse(text, path) if text is not None else None
    if root is None:
        return None
    script = Script(path, root)
    for node in walk(root):
        if node.type in ("assignment", "operator_assignment"):
            left = node.child_by_field_name("left")
            if left.type in ("identifier", "constant"):
                script.assigned.setdefault(text_of(left), []).append(node)
    return script


class Evaluator:
    """The values of the expressions of a script, with the variables of one environment."""

    def __init__(self, script: Script, lookup: Lookup, used: Callable[[str, Place], None]) -> None:
        self.script = script
        self.lookup = lookup
        self.used = used
        self._known: dict[int, Value] = {}  # each expression once: b = a + a, c = b + b, …

    def value(self, node: Node, depth: int = 0) -> Value:
        """What an expression is."""
        if depth > _DEEPEST:
            return self.unknown(node, "it goes on for too long")
        if node.id not in self._known:
            self._known[node.id] = self.unknown(node, "it stands for itself")  # until it is known
            self._known[node.id] = self._value(node, depth)
        return self._known[node.id]

    def _value(self, node: Node, depth: int) -> Value:
        if node.has_error:  # the grammar gave up here: what it made of the rest is a guess
            return self.unknown(node, "it could not be parsed")
        step = _STEPS.get(node.type)
        if step is None:
            return self.unknown(node, f"only a run could tell ({node.type.replace('_', ' ')})")
        return step(self, node, depth + 1)

    def known(self, value: Any, node: Node, setting: Setting | None = None) -> Known:
        """A value that stands here."""
        return Known(value, self.script.path, line_of(node), setting)

    def unknown(self, node: Node, why: str) -> Unknown:
        """What only a run could tell."""
        return Unknown(shown(node), why, line_of(node))

    def variable(self, name: str, node: Node) -> Known:
        """A variable of the environment, as text; nil where nothing sets it."""
        self.used(name, Place(self.script.path, line_of(node)))
        found = self.lookup(name)
        if found is None:
            return self.known(None, node, Setting(name, None, None, "nothing sets it"))
        return self.known(str(found.value), node, found)

    def reaches(self, node: Node) -> bool | None:
        """True if a statement runs whenever the file is loaded, False if never, None if only a run could tell."""
        inner, certain = node, True
        for outer in ancestors(node):
            taken: bool | None = True
            if outer.type in ("if", "unless", "if_modifier", "unless_modifier", "elsif"):
                taken = self._taken(outer, inner)
            elif outer.type in ("case", "when", "while", "until", "rescue", "method", "while_modifier"):
                taken = None
            if taken is False:
                return False
            certain = certain and taken is True
            inner = outer
        return True if certain else None

    def _taken(self, outer: Node, inner: Node) -> bool | None:
        condition = outer.child_by_field_name("condition")
        if inner == condition:
            return True
        told = self.value(condition)
        if isinstance(told, Unknown) or (told.setting is not None and told.setting.value is None):
            return None  # a variable that no file sets may well be set where the program runs
        holds = truthy(told.value) != bool(outer.type.startswith("unless"))
        return holds != bool(inner == outer.child_by_field_name("alternative"))


# -- one step for each kind of node -------------------------------------------------------------------------


def _string(on: Evaluator, node: Node, depth: int) -> Value:
    pieces: list[str] = []
    setting = None
    for child in node.named_children:
        if child.type == "interpolation":
            inner = on.value(child.named_children[0], depth) if child.named_children else on.known(None, child)
            if isinstance(inner, Unknown) or isinstance(inner.value, dict):
                return on.unknown(node, "a part of it only a run could tell")
            setting = setting or inner.setting
            pieces.append(text(inner.value))
        else:
            pieces.append(_unescaped(text_of(child)) if child.type == "escape_sequence" else text_of(child))
    return on.known("".join(pieces)[:_LONGEST], node, setting)


def _unescaped(written: str) -> str:
    letters = {"n": "\n", "t": "\t", "r": "\r", "s": " ", "0": "\0", "e": "\x1b"}
    return letters.get(written[1:], written[1:])


def _number(on: Evaluator, node: Node, _: int) -> Value:
    written = text_of(node, 60).replace("_", "")
    if re.fullmatch(r"\d{1,18}", written):
        return on.known(int(written), node)
    return on.known(float(written), node) if re.fullmatch(r"\d+\.\d+", written) else on.unknown(node, "no plain number")


def _constant(value: Any) -> Callable[[Evaluator, Node, int], Value]:
    return lambda on, node, _depth: on.known(value, node)


def _symbol(on: Evaluator, node: Node, _: int) -> Value:
    return on.known(text_of(node).lstrip(":").strip("\"'"), node)


def _name(on: Evaluator, node: Node, depth: int) -> Value:
    """A constant or local variable that one assignment in the file reaches."""
    found = on.script.assigned.get(text_of(node), [])
    if len(found) != 1 or found[0].type != "assignment":
        return on.unknown(node, "a method, or assigned more than once")
    return (
        on.value(found[0].child_by_field_name("right"), depth)
        if on.reaches(found[0])
        else on.unknown(node, "it is assigned under a condition")
    )


def _scoped(on: Evaluator, node: Node, _: int) -> Value:
    whole = text_of(node, 100)
    modes = {"OpenSSL::SSL::VERIFY_NONE": "none", "OpenSSL::SSL::VERIFY_PEER": "peer"}
    return on.known(modes[whole], node) if whole in modes else on.unknown(node, "a constant defined elsewhere")


def _hash(on: Evaluator, node: Node, depth: int) -> Value:
    found: dict[str, Value] = {}
    for pair in node.named_children:
        if pair.type != "pair":
            if pair.type != "comment":
                found["..."] = on.unknown(pair, "what is spread here only a run could tell")
            continue
        key, value = pair.child_by_field_name("key"), pair.child_by_field_name("value")
        name = key_of(key)
        if name is None:
            found["..."] = on.unknown(pair, "a key only a run could tell")
        elif value is not None:
            found[name] = on.value(value, depth)
    return on.known(found, node)


def key_of(node: Node) -> str | None:
    """The name of a hash key in either style: ``:port =>``, ``port:``, ``"port" =>``."""
    if node.type in ("simple_symbol", "hash_key_symbol", "string"):
        return text_of(node, 100).lstrip(":").strip("\"'")
    return None


def _element(on: Evaluator, node: Node, depth: int) -> Value:
    """``ENV["X"]``, or an element of a hash that is known."""
    parts = node.named_children
    key = on.value(parts[1], depth) if len(parts) == 2 else None
    if not isinstance(key, Known) or isinstance(key.value, dict):
        return on.unknown(node, "the key only a run could tell")
    if text_of(parts[0], 20) == "ENV":
        return on.variable(text(key.value), node)
    whole = on.value(parts[0], depth)
    if isinstance(whole, Known) and isinstance(whole.value, dict) and "..." not in whole.value:
        return whole.value.get(text(key.value)) or on.known(None, node)
    return on.unknown(node, whole.why if isinstance(whole, Unknown) else "an element of what is no hash here")


def _binary(on: Evaluator, node: Node, depth: int) -> Value:
    operator = node.child_by_field_name("operator").type
    left = on.value(node.child_by_field_name("left"), depth)
    if isinstance(left, Unknown):
        return on.unknown(node, left.why)
    if operator in ("||", "or", "&&", "and"):
        stays = truthy(left.value) == (operator in ("||", "or"))
        return left if stays else on.value(node.child_by_field_name("right"), depth)
    right = on.value(node.child_by_field_name("right"), depth)
    if isinstance(right, Unknown) or operator not in ("==", "!=", "+"):
        return on.unknown(node, "only a run could tell")
    setting = left.setting or right.setting
    if operator == "+":
        both = isinstance(left.value, str) and isinstance(right.value, str)
        return on.known(left.value + right.value, node, setting) if both else on.unknown(node, "only a run could tell")
    return on.known((left.value == right.value) == (operator == "=="), node, setting)


def _unary(on: Evaluator, node: Node, depth: int) -> Value:
    inner = on.value(node.child_by_field_name("operand"), depth)
    operator = node.child_by_field_name("operator").type
    if isinstance(inner, Unknown) or operator not in ("!", "not", "-"):
        return on.unknown(node, "only a run could tell")
    if operator == "-":
        number = isinstance(inner.value, (int, float)) and not isinstance(inner.value, bool)
        return replace(inner, value=-inner.value) if number else on.unknown(node, "only a run could tell")
    return replace(inner, value=not truthy(inner.value))


def _conditional(on: Evaluator, node: Node, depth: int) -> Value:
    condition = on.value(node.child_by_field_name("condition"), depth)
    if isinstance(condition, Unknown):
        return on.unknown(node, condition.why)
    chosen = on.value(node.child_by_field_name("consequence" if truthy(condition.value) else "alternative"), depth)
    return replace(chosen, setting=chosen.setting or condition.setting) if isinstance(chosen, Known) else chosen


def _inner(on: Evaluator, node: Node, depth: int) -> Value:
    return on.value(node.named_children[0], depth) if len(node.named_children) == 1 else on.unknown(node, "no value")


def arguments(call: Node) -> list[Node]:
    """The arguments of a call."""
    found = call.child_by_field_name("arguments")
    return [] if found is None else list(found.named_children)


def _call(on: Evaluator, node: Node, depth: int) -> Value:
    receiver, method = node.child_by_field_name("receiver"), text_of(node.child_by_field_name("method") or node, 60)
    given = arguments(node)
    if receiver is None:
        return on.unknown(node, "what a method returns only a run could tell")
    if text_of(receiver, 20) == "ENV" and method in ("fetch", "[]", "dig") and given:
        return _fetched(on, node, given, depth)
    if "credentials" in text_of(node, 300) or "secrets" in text_of(node, 300):
        return on.unknown(node, "it is kept encrypted, and only a run could tell")
    if method == "cast" and "Boolean" in text_of(receiver, 100) and given:
        inner = on.value(given[0], depth)
        return replace(inner, value=_cast(inner.value)) if isinstance(inner, Known) else inner
    made = _METHODS.get(method)
    inner = on.value(receiver, depth)
    if isinstance(inner, Unknown) or (made is None and method not in ("freeze", "dup")):
        return on.unknown(
            node, inner.why if isinstance(inner, Unknown) else "what a method returns only a run could tell"
        )
    if made is None:
        return inner
    if isinstance(inner.value, dict):
        return on.unknown(node, "what a method returns only a run could tell")
    return replace(inner, value=made(inner.value))


def _fetched(on: Evaluator, node: Node, given: list[Node], depth: int) -> Value:
    """``ENV.fetch("X", default)`` and ``ENV.fetch("X") { default }``."""
    name = on.value(given[0], depth)
    if isinstance(name, Unknown):
        return on.unknown(node, "the name only a run could tell")
    found = on.variable(text(name.value), node)
    if found.setting is not None and found.setting.place is not None:
        return found
    block = node.child_by_field_name("block")
    body = block.child_by_field_name("body") if block is not None else None
    default = (
        given[1] if len(given) > 1 else body.named_children[-1] if body is not None and body.named_children else None
    )
    return found if default is None else on.value(default, depth)


# -- Ruby's own rules ------------------------------------------------------------------------------------------


def truthy(value: Any) -> bool:
    """Only nil and false are false: "", 0 and "false" are true."""
    return value is not None and value is not False


def text(value: Any) -> str:
    """to_s."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def number(value: Any) -> int:
    """to_i: the digits at the beginning of a text, 0 without any."""
    match = re.match(r"\s*[+-]?\d{1,18}", text(value))
    return int(match[0]) if match else 0


def _cast(value: Any) -> bool | None:
    if value is None or value == "":
        return None
    return text(value).lower() not in _NO_VALUES


_METHODS: Mapping[str, Callable[[Any], Any]] = {
    "to_i": number, "to_s": text, "to_sym": text, "strip": lambda v: text(v).strip(),
    "downcase": lambda v: text(v).lower(),
    "upcase": lambda v: text(v).upper(), "presence": lambda v: v if text(v).strip() and v is not False else None,
    "present?": lambda v: v is not False and bool(text(v).strip()), "nil?": lambda v: v is None,
    "blank?": lambda v: v is False or not text(v).strip(), "chomp": lambda v: text(v).rstrip("\r\n"),
}  # fmt: skip
_STEPS: Mapping[str, Callable[[Evaluator, Node, int], Value]] = {
    "string": _string, "integer": _number, "float": _number, "true": _constant(True), "false": _constant(False),
    "nil": _constant(None), "simple_symbol": _symbol, "hash": _hash, "element_reference": _element, "binary": _binary,
    "unary": _unary, "conditional": _conditional, "parenthesized_statements": _inner, "call": _call,
    "identifier": _name, "constant": _name, "scope_resolution": _scoped,
}  # fmt: skip


def assignments(script: Script) -> Iterator[tuple[str, Node, Node]]:
    """Every assignment to a call, ``a.b.c = value``: its target without blanks, the statement, the value."""
    for node in walk(script.root):
        if node.type == "assignment":
            left = node.child_by_field_name("left")
            if left.type in ("call", "element_reference"):
                yield re.sub(r"\s+", "", text_of(left, 200)), node, node.child_by_field_name("right")

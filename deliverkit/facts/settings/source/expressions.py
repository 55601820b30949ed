"""Expressions of JavaScript, one function for each kind of node: literals, objects, operators, calls of what every
program knows.

What this file will not do: find what a name stands for (`javascript.Program` does), or call a function of the program.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from deliverkit.facts.settings.source import ecmascript as law
from deliverkit.facts.settings.source.ecmascript import CANNOT, LONGEST, UNDEFINED, absent, truthy
from deliverkit.facts.settings.source.known import ENVIRONMENT, Known, Unknown, Value, lifted, unknown
from deliverkit.facts.settings.source.modules import Module, required
from deliverkit.facts.settings.source.syntax import Node, line_of, short_text, shown, text_of

if TYPE_CHECKING:
    from deliverkit.facts.settings.source.javascript import Program

_CONFIG_SERVICE = "@nestjs/config"


def _string(program: Program, node: Node, module: Module, _: int) -> Value:
    return program.literal(unquoted(text_of(node))[:LONGEST], node, module)


_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "b": "\b", "f": "\f", "v": "\v", "\n": "", "\r\n": "",
            "\u2028": "", "\u2029": ""}  # fmt: skip
_ESCAPE = re.compile(r"\\(?:u\{([0-9A-Fa-f]+)\}|u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|(\r\n|.))", re.DOTALL)


def unquoted(text: str) -> str:
    """The text of a string literal, with its escapes undone (ECMA-262 §12.9.4)."""
    if "\\" not in text:
        return text[1:-1]

    def escape(match: re.Match[str]) -> str:
        code = match[1] or match[2] or match[3]
        if code:
            return chr(int(code, 16)) if len(code) < 7 and int(code, 16) <= 0x10FFFF else "\ufffd"
        return _LETTERS.get(match[4], match[4])

    told = _ESCAPE.sub(escape, text[1:-1])
    return told.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")  # \ud83d\ude00 is one letter


def _template(program: Program, node: Node, module: Module, depth: int) -> Value:
    pieces: list[str] = []
    setting = None
    for child in node.children:
        if child.type == "template_substitution":
            inner = program.value(child.named_children[0], module, depth) if child.named_children else None
            told = law.to_text(inner.value) if isinstance(inner, Known) else CANNOT
            if not isinstance(inner, Known) or not isinstance(told, str):
                return unknown(node, module, "a part of it only a run could tell")
            setting = setting or inner.setting
            pieces.append(told)
        elif child.type in ("string_fragment", "escape_sequence"):
            pieces.append(unquoted(f"`{text_of(child)}`"))
    return program.literal("".join(pieces)[:LONGEST], node, module, setting)


def _number(program: Program, node: Node, module: Module, _: int) -> Value:
    text = text_of(node, 400).replace("_", "")
    if text.endswith("n") or re.fullmatch(r"0[0-9]+", text):
        return unknown(node, module, "a big integer or an old octal literal")
    return program.made(law.to_number(text), node, module)


def _constant(value: Any) -> Callable[[Program, Node, Module, int], Value]:
    return lambda program, node, module, _depth: program.literal(value, node, module)


def _inner(program: Program, node: Node, module: Module, depth: int) -> Value:
    """``(x)``, ``x!``, ``x as T``, ``await x``: the first child is what counts."""
    inner = [child for child in node.named_children if child.type != "comment"]
    if not inner or (node.type == "parenthesized_expression" and len(inner) > 1 and inner[1].type != "type_annotation"):
        return unknown(node, module, "nothing stands there")
    found = program.value(inner[-1] if node.type == "type_assertion" else inner[0], module, depth)
    keeps = node.type == "non_null_expression" or not isinstance(found, Known)
    return found if keeps else replace(found, short=False)  # type: ignore[arg-type]


def _identifier(program: Program, node: Node, module: Module, depth: int) -> Value:
    return program.name(text_of(node), node, module, depth)


_ENV = re.compile(r"(?:globalThis\.)?process\.env|import\.meta\.env|Bun\.env")
_CHAIN = frozenset(("member_expression", "subscript_expression", "call_expression", "non_null_expression"))


def _ended(program: Program, node: Node, parent: Node, whole: Value, module: Module) -> Known | None:
    """Undefined where an optional chain ends here (ECMA-262 §13.3.9): at ``?.`` or anywhere behind it."""
    if not isinstance(whole, Known) or not absent(whole.value):
        return None
    optional = node.child_by_field_name("optional_chain") is not None or any(c.type == "?." for c in node.children)
    if optional or (whole.short and parent.type in _CHAIN):
        return replace(program.literal(UNDEFINED, node, module, whole.setting), short=True)
    return None


def _member(program: Program, node: Node, module: Module, depth: int) -> Value:
    """``process.env.X``, ``import.meta.env.X``, or a member of a value that is known."""
    if _ENV.fullmatch(short_text(node, 60).replace("?", "")):
        return program.literal(ENVIRONMENT, node, module)
    parent, key = node.child_by_field_name("object"), node.child_by_field_name("property")
    whole = program.value(parent, module, depth)
    return _ended(program, node, parent, whole, module) or program.part(whole, text_of(key), node, module)


def _subscript(program: Program, node: Node, module: Module, depth: int) -> Value:
    parent, index = node.child_by_field_name("object"), node.child_by_field_name("index")
    whole = program.value(parent, module, depth)
    if (ended := _ended(program, node, parent, whole, module)) is not None:
        return ended
    key = program.value(index, module, depth)
    told = law.to_text(key.value) if isinstance(key, Known) else CANNOT
    if not isinstance(told, str):
        return unknown(node, module, "the name of the member only a run could tell")
    return program.part(whole, told, node, module)


def _object(program: Program, node: Node, module: Module, depth: int) -> Value:
    found: dict[str, Value] = {}
    for child in node.named_children:
        if child.type == "pair":
            key, inner = child.child_by_field_name("key"), child.child_by_field_name("value")
            name = _key(program, key, module, depth)
            if name is None:
                found["..."] = unknown(child, module, "the name of the member only a run could tell")
            else:
                found[name] = program.value(inner, module, depth)
        elif child.type == "shorthand_property_identifier":
            found[text_of(child)] = program.name(text_of(child), child, module, depth)
        elif child.type == "spread_element":
            _spread(program, found, child, module, depth)
        elif child.type == "method_definition":
            word = child.child_by_field_name("name")
            found[text_of(word)] = unknown(child, module, "a function")
    return program.literal(found, node, module)


def _key(program: Program, key: Node, module: Module, depth: int) -> str | None:
    if key.type == "string":
        return unquoted(text_of(key))
    if key.type != "computed_property_name":
        told = text_of(key) if key.type != "number" else law.to_text(law.to_number(text_of(key)))
        return None if told is CANNOT else str(told)
    name = program.value(key.named_children[0], module, depth) if key.named_children else None
    told = law.to_text(name.value) if isinstance(name, Known) else CANNOT
    return None if told is CANNOT else str(told)


def _spread(program: Program, found: dict[str, Value], child: Node, module: Module, depth: int) -> None:
    """``...x`` in an object: its members; null, undefined, false and numbers have none (ECMA-262 §7.3.26)."""
    spread = program.value(child.named_children[0], module, depth)
    if isinstance(spread, Known) and isinstance(spread.value, dict):
        if "..." in spread.value:
            found.clear()
        found.update(spread.value)
    elif not isinstance(spread, Known) or not (absent(spread.value) or isinstance(spread.value, (bool, int, float))):
        found.clear()  # whatever stood before may be set anew
        found["..."] = unknown(child, module, "what is spread here only a run could tell")


def _array(program: Program, node: Node, module: Module, depth: int) -> Value:
    parts = [child for child in node.named_children if child.type != "comment"]
    if len(parts) > 1000 or any(child.type == "spread_element" for child in parts):
        return unknown(node, module, "a list only a run could tell")
    return program.literal(tuple(program.value(child, module, depth) for child in parts), node, module)


def _binary(program: Program, node: Node, module: Module, depth: int) -> Value:
    operator = node.child_by_field_name("operator").type
    left = program.value(node.child_by_field_name("left"), module, depth)
    if operator in ("||", "??", "&&"):
        return _short(program, node, module, depth, operator, left)
    right = program.value(node.child_by_field_name("right"), module, depth)
    if isinstance(left, Unknown) or isinstance(right, Unknown) or operator not in law.OPERATORS:
        return unknown(node, module, _why(left, right))
    return program.made(law.OPERATORS[operator](left.value, right.value), node, module, left.setting or right.setting)


def _why(*values: Value) -> str:
    return next((value.why for value in values if isinstance(value, Unknown)), "only a run could tell")


def _short(program: Program, node: Node, module: Module, depth: int, operator: str, left: Value) -> Value:
    """``a || b``: the left side where it counts, else the right one, which is then a default in the source."""
    if isinstance(left, Unknown):
        return unknown(node, module, left.why)
    truth = truthy(left.value)
    stays = {"||": truth, "??": not absent(left.value), "&&": not truth}[operator]
    chosen = left if stays else program.value(node.child_by_field_name("right"), module, depth)
    return replace(chosen, short=False) if isinstance(chosen, Known) else chosen


def _ternary(program: Program, node: Node, module: Module, depth: int) -> Value:
    condition = program.value(node.child_by_field_name("condition"), module, depth)
    if isinstance(condition, Unknown):
        return unknown(node, module, condition.why)
    side = "consequence" if truthy(condition.value) else "alternative"
    chosen = program.value(node.child_by_field_name(side), module, depth)
    if isinstance(chosen, Known):
        return replace(chosen, setting=chosen.setting or condition.setting, short=False)
    return chosen


def _unary(program: Program, node: Node, module: Module, depth: int) -> Value:
    operator = node.child_by_field_name("operator").type
    inner = program.value(node.child_by_field_name("argument"), module, depth)
    if isinstance(inner, Unknown) or operator not in law.UNARY:
        return unknown(node, module, _why(inner))
    return program.made(law.UNARY[operator](inner.value), node, module, inner.setting)


def _call(program: Program, node: Node, module: Module, depth: int) -> Value:
    """Functions and methods that every program knows; any other call only a run could tell."""
    callee = node.child_by_field_name("function")
    arguments = [c for c in node.child_by_field_name("arguments").named_children if c.type != "comment"]
    function = short_text(callee)
    if function in law.FUNCTIONS and module.binding(function.split(".")[0], node) is None:
        return _applied(program, node, module, law.FUNCTIONS[function], [], arguments, depth)
    source = required(node)
    if source is not None:
        return program.exported(module, source, "*" if "import" in function else "default", node, depth)
    if function == "Deno.env.get" and arguments and arguments[0].type == "string":
        return program.variable(unquoted(text_of(arguments[0])), node, module)
    if callee.type != "member_expression":
        return unknown(node, module, "what a call returns only a run could tell")
    method = text_of(callee.child_by_field_name("property"))
    if method in ("get", "getOrThrow") and _CONFIG_SERVICE in module.packages and arguments:
        return _of_config_service(program, node, module, arguments, depth)
    parent = callee.child_by_field_name("object")
    whole = program.value(parent, module, depth)
    ended = _ended(program, callee, parent, whole, module)
    if ended is not None:
        return ended
    if isinstance(whole, Known) and isinstance(whole.value, str) and method in law.METHODS:
        return _applied(program, node, module, law.METHODS[method], [whole], arguments, depth)
    if isinstance(whole, Known) and isinstance(whole.value, tuple) and method == "includes" and len(arguments) == 1:
        return _included(program, node, module, whole, arguments[0], depth)
    if isinstance(whole, Known) and absent(whole.value):
        return unknown(
            node, module, f"it throws: {shown(parent, 40)} is {'null' if whole.value is None else 'undefined'}"
        )
    return unknown(node, module, "what a call returns only a run could tell")


def _applied(
    program: Program,
    node: Node,
    module: Module,
    function: Callable[..., Any],
    before: list[Known],
    arguments: list[Node],
    depth: int,
) -> Value:
    """A function of the language applied to what is known."""
    values: list[Value] = [*before, *(program.value(argument, module, depth) for argument in arguments)]
    known = [value for value in values if isinstance(value, Known)]
    if len(known) < len(values) or any(argument.type == "spread_element" for argument in arguments):
        return unknown(node, module, _why(*values))
    setting = next((value.setting for value in known if value.setting is not None), None)
    made = function(*(value.value for value in known))
    if isinstance(made, (dict, tuple)):
        return lifted(made, module.path, line_of(node), setting)
    return program.made(made, node, module, setting)


def _included(program: Program, node: Node, module: Module, whole: Known, argument: Node, depth: int) -> Value:
    """``["true", "1"].includes(x)``."""
    wanted = program.value(argument, module, depth)
    parts = whole.value
    if isinstance(wanted, Unknown) or not all(isinstance(p, Known) and law.plain(p.value) for p in parts):
        return unknown(node, module, _why(wanted, *parts))
    found = any(law.same(part.value, wanted.value) is True for part in parts)
    return program.literal(found, node, module, wanted.setting)


def _of_config_service(program: Program, node: Node, module: Module, arguments: list[Node], depth: int) -> Value:
    """Nest's ``config.get("SMTP_HOST", default)``: a variable, as text, unless a schema converts it."""
    name = program.value(arguments[0], module, depth)
    if not isinstance(name, Known) or not re.fullmatch(r"[A-Z][A-Z0-9_]*", str(name.value)):
        return unknown(node, module, "a name of Nest's configuration, which only a run could tell")
    found = program.variable(str(name.value), node, module)
    if isinstance(found, Known) and found.value is UNDEFINED and len(arguments) > 1:
        return program.value(arguments[1], module, depth)
    return found


GLOBALS: Mapping[str, Any] = {"undefined": UNDEFINED, "NaN": float("nan"), "Infinity": float("inf")}
STEPS: Mapping[str, Callable[[Program, Node, Module, int], Value]] = {
    "string": _string,
    "template_string": _template,
    "number": _number,
    "true": _constant(True),
    "false": _constant(False),
    "null": _constant(None),
    "undefined": _constant(UNDEFINED),
    "parenthesized_expression": _inner,
    "non_null_expression": _inner,
    "as_expression": _inner,
    "satisfies_expression": _inner,
    "type_assertion": _inner,
    "await_expression": _inner,
    "identifier": _identifier,
    "member_expression": _member,
    "subscript_expression": _subscript,
    "object": _object,
    "array": _array,
    "binary_expression": _binary,
    "ternary_expression": _ternary,
    "unary_expression": _unary,
    "call_expression": _call,
}

"""Values in JavaScript and TypeScript: what an expression is before the program runs, as far as that can be told.

Followed are literals, constants and objects of the file, what it imports from files of the tree, ``process.env.X``
into the files of variables, and what leads from a text to a value: ``Number(x)``, ``x || y``, ``x === "true"``.
Whatever only a run could tell stays `Unknown`, with the expression. JavaScript's own rules decide what a value is: the
text "false" is true.

What this file will not do: know a mail library.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from deliverkit.facts.settings.source.syntax import Node, line_of, parse, shown, text_of
from deliverkit.facts.settings.tree import Tree
from deliverkit.facts.settings.values import Place, Setting

_DEEPEST = 40
_LONGEST = 65_536
_SUFFIXES = ("", ".ts", ".tsx", ".js", ".mjs", ".cjs", ".mts", ".jsx", "/index.ts", "/index.js")


@dataclass(frozen=True, slots=True)
class Unknown:
    """What cannot be told without running the program."""

    expression: str
    why: str
    line: int


class Undefined:
    """JavaScript's undefined."""

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED = Undefined()


@dataclass(frozen=True)
class Known:
    """A value: text, number, truth, None (null), `UNDEFINED`, or a dict of `Value` for an object.

    ``setting`` is the variable it was taken from, through whatever conversions; ``line`` where it stands in its file.
    """

    value: Any
    file: str
    line: int
    setting: Setting | None = None


Value: TypeAlias = Known | Unknown
Lookup: TypeAlias = Callable[[str], Setting | None]


@dataclass
class Module:
    """One file: its tree, its constants, what it imports and exports under which name ("default" among them)."""

    path: str
    root: Node
    constants: dict[str, Node] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    exports: dict[str, Node] = field(default_factory=dict)
    packages: set[str] = field(default_factory=set)
    spread_env: dict[str, str] = field(default_factory=dict)  # const { SMTP_HOST: host } = process.env


class Program:
    """The modules of an application, read when they are wanted, and the values of their expressions."""

    def __init__(self, tree: Tree, lookup: Lookup, used: Callable[[str, Place], None] = lambda _n, _p: None) -> None:
        self.tree = tree
        self.lookup = lookup
        self.used = used
        self._paths = frozenset(tree.paths)
        self._modules: dict[str, Module | None] = {}

    def with_lookup(self, lookup: Lookup) -> Program:
        """The same program with other variables: another environment."""
        other = Program(self.tree, lookup, self.used)
        other._modules = self._modules
        return other

    def module(self, path: str) -> Module | None:
        """A file read, or None if it cannot be."""
        if path not in self._modules:
            text = self.tree.text(path)
            root = parse(text, path) if text is not None else None
            self._modules[path] = None if root is None else _read(path, root)
        return self._modules[path]

    # -- values -------------------------------------------------------------------------------------------

    def value(self, node: Node, module: Module, depth: int = 0) -> Value:
        """What an expression is."""
        if depth > _DEEPEST:
            return Unknown(shown(node), "it goes on for too long", line_of(node))
        step = _STEPS.get(node.type)
        if step is not None:
            return step(self, node, module, depth + 1)
        return Unknown(shown(node), f"only a run could tell ({node.type.replace('_', ' ')})", line_of(node))

    def literal(self, value: Any, node: Node, module: Module, setting: Setting | None = None) -> Known:
        """A value that stands here."""
        return Known(value, module.path, line_of(node), setting)

    def variable(self, name: str, node: Node, module: Module) -> Value:
        """A variable of the environment, as text; undefined where nothing sets it."""
        self.used(name, Place(module.path, line_of(node)))
        found = self.lookup(name)
        if found is None:
            unset = Setting(name, None, None, "nothing sets it")
            return self.literal(UNDEFINED, node, module, unset)
        return self.literal(str(found.value), node, module, found)

    def name(self, name: str, node: Node, module: Module, depth: int) -> Value:
        """What an identifier stands for."""
        if name == "undefined":
            return self.literal(UNDEFINED, node, module)
        if name in module.spread_env:
            return self.variable(module.spread_env[name], node, module)
        if name in module.constants:
            return self.value(module.constants[name], module, depth)
        if name in module.imports:
            source, exported = module.imports[name]
            other = self.imported(module, source)
            if other is not None and exported in other.exports:
                return self.value(other.exports[exported], other, depth)
            if other is not None and exported == "*":
                return Known({n: self.value(e, other, depth) for n, e in other.exports.items()}, other.path, 1)
            return Unknown(name, f"imported from {source}, which is not followed", line_of(node))
        return Unknown(name, "a parameter or a variable that changes", line_of(node))

    def imported(self, module: Module, source: str) -> Module | None:
        """The module that an import names, if it is a file of the tree: relative, or below ``@/`` (the usual alias)."""
        if source.startswith("."):
            bases = [posixpath.normpath(posixpath.join(posixpath.dirname(module.path), source))]
        elif source.startswith(("@/", "~/")):
            parts = module.path.split("/")[:-1]
            roots = ["/".join(parts[:n]) for n in range(len(parts), -1, -1)]
            bases = [posixpath.normpath(posixpath.join(r, inner, source[2:])) for r in roots for inner in ("", "src")]
        else:
            return None
        for base in bases:
            for suffix in _SUFFIXES:
                if base + suffix in self._paths:
                    return self.module(base + suffix)
            stem = re.sub(r"\.[mc]?js$", "", base)
            for suffix in (".ts", ".mts", ".tsx"):
                if stem + suffix in self._paths:
                    return self.module(stem + suffix)
        return None


# -- one step for each kind of node -------------------------------------------------------------------------


def _string(program: Program, node: Node, module: Module, _: int) -> Value:
    return program.literal(unquoted(text_of(node))[:_LONGEST], node, module)


def unquoted(text: str) -> str:
    """The text of a string literal, with the usual escapes undone."""
    letters = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "b": "\b", "f": "\f", "v": "\v"}

    def escape(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        return letters.get(match[2], match[2])

    return re.sub(r"\\(?:(?:u\{?|x)([0-9A-Fa-f]{2,6})\}?|(.))", escape, text[1:-1], flags=re.DOTALL)


def _template(program: Program, node: Node, module: Module, depth: int) -> Value:
    pieces: list[str] = []
    setting = None
    for child in node.children:
        if child.type == "template_substitution":
            inner = program.value(child.named_children[0], module, depth) if child.named_children else None
            if not isinstance(inner, Known) or isinstance(inner.value, dict):
                return Unknown(shown(node), "a part of it only a run could tell", line_of(node))
            setting = setting or inner.setting
            pieces.append(_text(inner.value))
        elif child.type in ("string_fragment", "escape_sequence"):
            pieces.append(unquoted(f"`{text_of(child)}`"))
    return program.literal("".join(pieces)[:_LONGEST], node, module, setting)


def _number(program: Program, node: Node, module: Module, _: int) -> Value:
    return program.literal(_numeric(text_of(node).replace("_", "")), node, module)


def _constant(value: Any) -> Callable[[Program, Node, Module, int], Value]:
    return lambda program, node, module, _depth: program.literal(value, node, module)


def _inner(program: Program, node: Node, module: Module, depth: int) -> Value:
    """``(x)``, ``x!``, ``x as T``, ``await x``: the first child is what counts."""
    if not node.named_children:
        return Unknown(shown(node), "nothing stands there", line_of(node))
    return program.value(node.named_children[0], module, depth)


def _identifier(program: Program, node: Node, module: Module, depth: int) -> Value:
    return program.name(text_of(node), node, module, depth)


def _member(program: Program, node: Node, module: Module, depth: int) -> Value:
    """``process.env.X``, ``import.meta.env.X``, or a member of an object that is known."""
    whole = re.sub(r"\s+|\?", "", text_of(node, 300))
    match = re.fullmatch(r"(?:process\.env|import\.meta\.env|Bun\.env|globalThis\.process\.env)\.(\w+)", whole)
    if match is not None:
        return program.variable(match[1], node, module)
    parent, key = node.child_by_field_name("object"), node.child_by_field_name("property")
    return _part(program.value(parent, module, depth), text_of(key), node)


def _subscript(program: Program, node: Node, module: Module, depth: int) -> Value:
    parent, index = node.child_by_field_name("object"), node.child_by_field_name("index")
    key = program.value(index, module, depth)
    if not isinstance(key, Known) or isinstance(key.value, dict):
        return Unknown(shown(node), "the name of the member only a run could tell", line_of(node))
    if re.fullmatch(r"process\s*\.\s*env|import\.meta\.env", text_of(parent, 100)):
        return program.variable(_text(key.value), node, module)
    return _part(program.value(parent, module, depth), _text(key.value), node)


def _part(whole: Value, key: str, node: Node) -> Value:
    if isinstance(whole, Unknown):
        return Unknown(shown(node), whole.why, line_of(node))
    if not isinstance(whole.value, dict):
        return Unknown(shown(node), "a member of what is no object here", line_of(node))
    return whole.value.get(key) or replace(whole, value=UNDEFINED, line=line_of(node))


def _object(program: Program, node: Node, module: Module, depth: int) -> Value:
    found: dict[str, Value] = {}
    for child in node.named_children:
        if child.type == "pair":
            key, inner = child.child_by_field_name("key"), child.child_by_field_name("value")
            name = unquoted(text_of(key)) if key.type == "string" else text_of(key)
            if key.type == "computed_property_name":
                continue
            found[name] = program.value(inner, module, depth)
        elif child.type == "shorthand_property_identifier":
            found[text_of(child)] = program.name(text_of(child), child, module, depth)
        elif child.type == "spread_element":
            spread = program.value(child.named_children[0], module, depth)
            if isinstance(spread, Known) and isinstance(spread.value, dict):
                found.update(spread.value)
            else:
                found["..."] = Unknown(shown(child), "what is spread here only a run could tell", line_of(child))
    return program.literal(found, node, module)


def _binary(program: Program, node: Node, module: Module, depth: int) -> Value:
    operator = node.child_by_field_name("operator").type
    left = program.value(node.child_by_field_name("left"), module, depth)
    if operator in ("||", "??", "&&"):
        return _short(program, node, module, depth, operator, left)
    right = program.value(node.child_by_field_name("right"), module, depth)
    if isinstance(left, Unknown) or isinstance(right, Unknown) or operator not in _OPERATORS:
        return Unknown(shown(node), "only a run could tell", line_of(node))
    result = _OPERATORS[operator](left.value, right.value)
    return program.literal(result, node, module, left.setting or right.setting)


def _short(program: Program, node: Node, module: Module, depth: int, operator: str, left: Value) -> Value:
    """``a || b``: the left side where it counts, else the right one, which is then a default in the source."""
    if isinstance(left, Unknown):
        return Unknown(shown(node), left.why, line_of(node))
    absent = left.value is None or left.value is UNDEFINED
    stays = {"||": truthy(left.value), "??": not absent, "&&": not truthy(left.value)}[operator]
    return left if stays else program.value(node.child_by_field_name("right"), module, depth)


def _ternary(program: Program, node: Node, module: Module, depth: int) -> Value:
    condition = program.value(node.child_by_field_name("condition"), module, depth)
    if isinstance(condition, Unknown):
        return Unknown(shown(node), condition.why, line_of(node))
    side = "consequence" if truthy(condition.value) else "alternative"
    chosen = program.value(node.child_by_field_name(side), module, depth)
    if isinstance(chosen, Known) and chosen.setting is None:
        return replace(chosen, setting=condition.setting)
    return chosen


def _unary(program: Program, node: Node, module: Module, depth: int) -> Value:
    operator = node.child_by_field_name("operator").type
    inner = program.value(node.child_by_field_name("argument"), module, depth)
    if isinstance(inner, Unknown):
        return inner
    made = _UNARY.get(operator)
    if made is None:
        return Unknown(shown(node), "only a run could tell", line_of(node))
    return replace(inner, value=made(inner.value), line=line_of(node), file=module.path)


def _call(program: Program, node: Node, module: Module, depth: int) -> Value:
    """Conversions that every program knows; any other call only a run could tell."""
    function = re.sub(r"\s+", "", text_of(node.child_by_field_name("function"), 200))
    arguments = node.child_by_field_name("arguments").named_children
    if function in _CONVERSIONS and arguments:
        inner = program.value(arguments[0], module, depth)
        if isinstance(inner, Unknown):
            return inner
        return replace(inner, value=_CONVERSIONS[function](inner.value), line=line_of(node), file=module.path)
    callee = node.child_by_field_name("function")
    method = (
        _METHODS.get(text_of(callee.child_by_field_name("property"))) if callee.type == "member_expression" else None
    )
    if method is not None:
        inner = program.value(callee.child_by_field_name("object"), module, depth)
        if isinstance(inner, Known) and isinstance(inner.value, str):
            return replace(inner, value=method(inner.value))
    if function == "require" and arguments and arguments[0].type == "string":
        other = program.imported(module, unquoted(text_of(arguments[0])))
        if other is not None:
            return Known({n: program.value(e, other, depth) for n, e in other.exports.items()}, other.path, 1)
    return Unknown(shown(node), "what a call returns only a run could tell", line_of(node))


# -- JavaScript's own rules -----------------------------------------------------------------------------------


def truthy(value: Any) -> bool:
    """ECMAScript ToBoolean: false, 0, NaN, "", null and undefined are false; all else, "false" too, is true."""
    if isinstance(value, float) and math.isnan(value):
        return False
    return not (value is None or value is UNDEFINED or value is False or value == "" or value == 0) or isinstance(
        value, dict
    )


def _numeric(value: Any) -> Any:
    """ECMAScript ToNumber, whole numbers as int."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return value
    if value is None or (isinstance(value, str) and not value.strip()):
        return 0
    try:
        text = str(value).strip()
        number = float(int(text, 0)) if re.fullmatch(r"0[xXoObB]\w+", text) else float(text)
    except ValueError:
        return math.nan
    return int(number) if number.is_integer() and abs(number) < 1e15 else number


def _parsed_int(value: Any) -> Any:
    match = re.match(r"\s*[+-]?\d+", _text(value))
    return int(match[0]) if match else math.nan


def _text(value: Any) -> str:
    """ECMAScript ToString."""
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and a == b if isinstance(a, (bool, str)) or isinstance(b, (bool, str)) else a == b


def _loosely(a: Any, b: Any) -> bool:
    """``==``: null and undefined are alike, numbers and texts by their number."""
    if a is None or a is UNDEFINED or b is None or b is UNDEFINED:
        return (a is None or a is UNDEFINED) and (b is None or b is UNDEFINED)
    return _same(a, b) if type(a) is type(b) else bool(_numeric(a) == _numeric(b))


def _json(value: Any) -> Any:
    import json

    try:
        read = json.loads(_text(value))
    except (ValueError, RecursionError):
        return UNDEFINED
    return read if isinstance(read, (str, int, float, bool, type(None))) else UNDEFINED


def _added(a: Any, b: Any) -> Any:
    return _text(a) + _text(b) if isinstance(a, str) or isinstance(b, str) else _numeric(a) + _numeric(b)


_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "===": _same,
    "!==": lambda a, b: not _same(a, b),
    "==": _loosely,
    "!=": lambda a, b: not _loosely(a, b),
    "+": _added,
}
_UNARY: Mapping[str, Callable[[Any], Any]] = {
    "!": lambda value: not truthy(value),
    "+": _numeric,
    "-": lambda value: -_numeric(value),
}
_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "Number": _numeric,
    "parseInt": _parsed_int,
    "Number.parseInt": _parsed_int,
    "parseFloat": _numeric,
    "String": _text,
    "Boolean": truthy,
    "JSON.parse": _json,
}
_METHODS: Mapping[str, Callable[[str], str]] = {
    "trim": str.strip,
    "toLowerCase": str.lower,
    "toUpperCase": str.upper,
    "toString": str,
}
_STEPS: Mapping[str, Callable[[Program, Node, Module, int], Value]] = {
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
    "await_expression": _inner,
    "identifier": _identifier,
    "member_expression": _member,
    "subscript_expression": _subscript,
    "object": _object,
    "binary_expression": _binary,
    "ternary_expression": _ternary,
    "unary_expression": _unary,
    "call_expression": _call,
}


# -- reading a module -------------------------------------------------------------------------------------------


def _read(path: str, root: Node) -> Module:
    module = Module(path, root)
    for node in root.named_children:
        _statement(module, node)
    _inner_constants(module, root)
    return module


def _statement(module: Module, node: Node) -> None:
    if node.type == "import_statement":
        _import(module, node)
    elif node.type == "export_statement":
        declaration, value = node.child_by_field_name("declaration"), node.child_by_field_name("value")
        if value is not None:
            module.exports["default"] = value
        if declaration is not None:
            before = set(module.constants)
            _declaration(module, declaration)
            module.exports |= {name: module.constants[name] for name in set(module.constants) - before}
        for clause in (c for c in node.named_children if c.type == "export_clause"):
            for one in clause.named_children:
                name, alias = one.child_by_field_name("name"), one.child_by_field_name("alias")
                if name is not None:
                    module.exports[text_of(alias or name)] = name
    elif node.type in ("lexical_declaration", "variable_declaration"):
        _declaration(module, node)
    elif node.type == "expression_statement" and node.named_children:
        _common_js(module, node.named_children[0])


def _common_js(module: Module, node: Node) -> None:
    """``module.exports = {…}`` and ``exports.x = …``."""
    if node.type != "assignment_expression":
        return
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    target = re.sub(r"\s+", "", text_of(left, 100))
    if target == "module.exports":
        module.exports["default"] = right
        if right.type == "object":
            for pair in (p for p in right.named_children if p.type == "pair"):
                module.exports[text_of(pair.child_by_field_name("key"))] = pair.child_by_field_name("value")
            for short in (p for p in right.named_children if p.type == "shorthand_property_identifier"):
                module.exports[text_of(short)] = module.constants.get(text_of(short), short)
    elif match := re.fullmatch(r"(?:module\.)?exports\.(\w+)", target):
        module.exports[match[1]] = right


def _import(module: Module, node: Node) -> None:
    source = unquoted(text_of(node.child_by_field_name("source")))
    module.packages.add(source)
    for clause in (c for c in node.named_children if c.type == "import_clause"):
        for child in clause.named_children:
            if child.type == "identifier":
                module.imports[text_of(child)] = (source, "default")
            elif child.type == "namespace_import":
                module.imports[text_of(child.named_children[0])] = (source, "*")
            elif child.type == "named_imports":
                for one in child.named_children:
                    name, alias = one.child_by_field_name("name"), one.child_by_field_name("alias")
                    if name is not None:
                        module.imports[text_of(alias or name)] = (source, text_of(name))


def _declaration(module: Module, node: Node) -> None:
    for declarator in (c for c in node.named_children if c.type == "variable_declarator"):
        name, value = declarator.child_by_field_name("name"), declarator.child_by_field_name("value")
        if value is None:
            continue
        required = re.fullmatch(r"require\s*\(\s*(['\"])(.+?)\1\s*\)", text_of(value, 300))
        if required:
            module.packages.add(required[2])
        if name.type == "identifier":
            if required:
                module.imports[text_of(name)] = (required[2], "default")
            module.constants.setdefault(text_of(name), value)
        elif name.type == "object_pattern":
            _destructured(module, name, value, required[2] if required else None)


def _destructured(module: Module, pattern: Node, value: Node, package: str | None) -> None:
    """``const { SMTP_HOST, SMTP_PORT: port } = process.env``, or names out of a required package."""
    of_env = re.fullmatch(r"process\s*\.\s*env", text_of(value, 60)) is not None
    for one in pattern.named_children:
        if one.type == "shorthand_property_identifier_pattern":
            key = alias = text_of(one)
        elif one.type == "pair_pattern":
            key, alias = text_of(one.child_by_field_name("key")), text_of(one.child_by_field_name("value"))
        else:
            continue
        if of_env:
            module.spread_env[alias] = key
        elif package is not None:
            module.imports[alias] = (package, key)


def _inner_constants(module: Module, root: Node) -> None:
    """Constants inside functions count where their name is used once in the file: nothing else can be meant."""
    from deliverkit.facts.settings.source.syntax import walk

    seen: dict[str, int] = {}
    inner: dict[str, Node] = {}
    for node in walk(root):
        if node.type != "variable_declarator":
            continue
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is not None and name.type == "identifier" and value is not None:
            seen[text_of(name)] = seen.get(text_of(name), 0) + 1
            inner[text_of(name)] = value
        elif name is not None and name.type == "object_pattern" and value is not None:
            _destructured(module, name, value, None)
    for name, count in seen.items():
        if count == 1:
            module.constants.setdefault(name, inner[name])

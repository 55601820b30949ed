"""Values in Python: what an expression is before the program runs, as far as that can be told, by the module ``ast``.

Followed are literals, names, what is imported from files of the tree, ``os.environ`` and its like into the files of
variables, and what leads from a text to a value: ``int(x)``, ``x or y``, ``x == "true"``, ``x.lower() in (…)``.
Python's own rules decide what a value is: ``bool("False")`` is True. Whatever only a run could tell stays `Unknown`.

What this file will not do: run statements (`pythonrun`), know a library's calls (`pythoncalls`), import anything.
"""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from deliverkit.facts.settings.source.javascript import Known, Unknown, Value
from deliverkit.facts.settings.values import Place

if TYPE_CHECKING:
    from deliverkit.facts.settings.source.pythonrun import Program

DEEPEST = 40
LONGEST = 65_536
PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class Named:
    """Something of a package that is not followed, by its whole name: "os.environ", "smtplib.SMTP"."""

    dotted: str


@dataclass(frozen=True, slots=True)
class Called:
    """A method called on an object. ``certain``: it is called whenever the lines around it run."""

    name: str
    positional: tuple[Value, ...]
    keywords: Mapping[str, Value]
    line: int
    certain: bool


@dataclass(eq=False, slots=True)
class Made:
    """An object that a call made: which class or function made it, from what, and what was done with it since."""

    dotted: str
    place: Place
    positional: tuple[Value, ...] = ()
    keywords: Mapping[str, Value] = field(default_factory=dict)
    node: ast.AST | None = None
    in_loop: bool = False
    uncertain: bool = False
    attributes: dict[str, Value] = field(default_factory=dict)
    calls: list[Called] = field(default_factory=list)

    def argument(self, at: int, name: str) -> Value | None:
        """An argument by its place or its name; None if it was not given."""
        return self.keywords.get(name, self.positional[at] if 0 <= at < len(self.positional) else None)


@dataclass(eq=False, slots=True)
class Function:
    """A function of the tree, with the scope it stands in and the object it is a method of."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope
    owner: Known | None = None


@dataclass(frozen=True, slots=True)
class Lazy:
    """An import that nobody has followed yet: a name of a module of the tree, or a module (``name`` None)."""

    path: str
    name: str | None
    inner: str | None
    dotted: str


@dataclass(eq=False, slots=True)
class Space:
    """A class, an instance or a module of the tree: names and what they stand for. ``bases`` are whole names."""

    names: dict[str, Value]
    bases: tuple[str, ...] = ()


@dataclass(eq=False)
class Module:
    """One file, parsed."""

    path: str
    tree: ast.Module


@dataclass(eq=False, slots=True)
class Scope:
    """Names where a statement stands. ``uncertain``: the statements may not run; ``in_loop``: they run again."""

    module: Module
    names: dict[str, Value]
    outer: Scope | None = None
    uncertain: bool = False
    in_loop: bool = False
    depth: int = 0


def parsed(text: str, path: str) -> Module | str:
    """A file's tree, or why there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Module(path, ast.parse(text))
    except SyntaxError as bad:
        return f"no Python that this version reads: {bad.msg} in line {bad.lineno}"
    except (ValueError, RecursionError, MemoryError):
        return "no Python that this version reads"


def shown(node: ast.AST, most: int = 80) -> str:
    """The expression on one line, bounded, with text in quotation marks left out: it may be secret."""
    try:
        text = " ".join(ast.unparse(node).split())
    except (ValueError, RecursionError):
        return "…"
    text = re.sub(r"(['\"])(?:\\.|(?!\1).)*(?:\1|$)", r"\1…\1", text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


class _UnknownHere(Unknown):
    """An expression that is not known; its text is made when somebody reads it, for most are thrown away."""

    __slots__ = ("_node",)

    def __init__(self, node: ast.AST, why: str) -> None:
        for name, value in (("_node", node), ("why", why), ("line", getattr(node, "lineno", 1))):
            object.__setattr__(self, name, value)

    @property
    def expression(self) -> str:
        """The expression on one line, bounded."""
        return shown(self._node)  # type: ignore[attr-defined]


def unknown(node: ast.AST, why: str) -> Unknown:
    """What an expression is not known to be, and why."""
    return _UnknownHere(node, why)


def literal(value: Any, node: ast.AST, scope: Scope) -> Known:
    """A value that stands here."""
    return Known(value, scope.module.path, getattr(node, "lineno", 1))


def plain(value: Value | None) -> bool:
    """True for text, a number, truth or None."""
    return isinstance(value, Known) and isinstance(value.value, PLAIN)


# -- one step for each kind of expression ----------------------------------------------------------------------


def _constant(_program: Program, node: ast.Constant, scope: Scope) -> Value:
    value = node.value
    return literal(value[:LONGEST] if isinstance(value, str) else value, node, scope)


def _name(program: Program, node: ast.Name, scope: Scope) -> Value:
    here: Scope | None = scope
    while here is not None:
        if node.id in here.names:
            return program.resolved(here.names[node.id], here.names, node.id)
        here = here.outer
    if node.id in ("__name__", "__file__"):
        return literal("__main__" if node.id == "__name__" else scope.module.path, node, scope)
    return literal(Named(node.id), node, scope)


def _attribute(program: Program, node: ast.Attribute, scope: Scope) -> Value:
    whole = program.value(node.value, scope)
    if isinstance(whole, Unknown):
        return unknown(node, whole.why)
    inner = whole.value
    if isinstance(inner, Named):
        return literal(Named(f"{inner.dotted}.{node.attr}"), node, scope)
    if isinstance(inner, Space):
        if node.attr in inner.names:
            return program.resolved(inner.names[node.attr], inner.names, node.attr)
        return unknown(node, "no such name was found where it should be")
    if isinstance(inner, Made):
        if node.attr not in inner.attributes:
            part = Made(f"{inner.dotted}().{node.attr}", Place(scope.module.path, node.lineno))
            program.made.append(part)
            inner.attributes[node.attr] = Known(part, scope.module.path, node.lineno)
        return inner.attributes[node.attr]
    return unknown(node, "only a run could tell")


def _subscript(program: Program, node: ast.Subscript, scope: Scope) -> Value:
    whole, key = program.value(node.value, scope), program.value(node.slice, scope)
    if isinstance(whole, Unknown) or not isinstance(key, Known) or not isinstance(key.value, PLAIN):
        return unknown(node, whole.why if isinstance(whole, Unknown) else "the key only a run could tell")
    inner = whole.value
    if isinstance(inner, Named) and inner.dotted == "os.environ":
        return program.variable(str(key.value), node, scope)
    if isinstance(inner, Made) and str(key.value) in inner.attributes:
        return inner.attributes[str(key.value)]
    if isinstance(inner, (dict, tuple, str)):
        try:
            found: Any = inner[key.value]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return unknown(node, "there is no such member")
        return replace(whole, value=found) if isinstance(found, str) else found
    return unknown(node, "only a run could tell")


def _text(program: Program, node: ast.JoinedStr, scope: Scope) -> Value:
    pieces: list[str] = []
    setting = None
    for part in node.values:
        inner = program.value(part.value if isinstance(part, ast.FormattedValue) else part, scope)
        special = isinstance(part, ast.FormattedValue) and (part.format_spec is not None or part.conversion > 0)
        if not isinstance(inner, Known) or not isinstance(inner.value, PLAIN) or special:
            return unknown(node, "a part of it only a run could tell")
        setting = setting or inner.setting
        pieces.append(str(inner.value))
    return replace(literal("".join(pieces)[:LONGEST], node, scope), setting=setting)


def _either(program: Program, node: ast.BoolOp, scope: Scope) -> Value:
    """``a or b``, ``a and b``: the side that decides."""
    wanted = isinstance(node.op, ast.Or)
    value: Value = unknown(node, "only a run could tell")
    for one in node.values:
        value = program.value(one, scope)
        truth = truthy(value)
        if truth is None:
            return unknown(node, value.why if isinstance(value, Unknown) else "only a run could tell")
        if truth is wanted:
            return value
    return value


def _conditional(program: Program, node: ast.IfExp, scope: Scope) -> Value:
    condition = program.value(node.test, scope)
    truth = truthy(condition)
    if truth is None:
        return unknown(node, condition.why if isinstance(condition, Unknown) else "only a run could tell")
    chosen = program.value(node.body if truth else node.orelse, scope)
    if isinstance(chosen, Known) and isinstance(condition, Known) and chosen.setting is None:
        return replace(chosen, setting=condition.setting)
    return chosen


_OPERATORS: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not, ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip


def _compare(program: Program, node: ast.Compare, scope: Scope) -> Value:
    left, right = program.value(node.left, scope), program.value(node.comparators[0], scope)
    if isinstance(right, Known) and isinstance(right.value, Named) and right.value.dotted == "os.environ":
        if isinstance(left, Known) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            there = program.lookup(str(left.value)) is not None
            return literal(there is isinstance(node.ops[0], ast.In), node, scope)
        return unknown(node, "only a run could tell")
    if len(node.ops) > 1:
        return unknown(node, "only a run could tell")
    return _applied(node, node.ops[0], left, right, scope)


def _binary(program: Program, node: ast.BinOp, scope: Scope) -> Value:
    return _applied(node, node.op, program.value(node.left, scope), program.value(node.right, scope), scope)


def _applied(node: ast.AST, op: ast.AST, left: Value, right: Value, scope: Scope) -> Value:
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        bad = left if isinstance(left, Unknown) else right
        return unknown(node, bad.why if isinstance(bad, Unknown) else "")
    a, b = left.value, right.value
    if isinstance(b, tuple) and all(plain(one) for one in b):
        b = tuple(one.value for one in b)
    known = isinstance(a, PLAIN) and (
        isinstance(b, (*PLAIN, tuple)) or (isinstance(b, dict) and "in" in type(op).__name__.lower())
    )
    if not known or type(op) not in _OPERATORS:
        return unknown(node, "only a run could tell")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = _OPERATORS[type(op)](a, b)
    except (TypeError, ValueError, ArithmeticError):
        return unknown(node, "Python stops here: the two sides are of different types")
    if isinstance(result, str):
        result = result[:LONGEST]
    return replace(literal(result, node, scope), setting=left.setting or right.setting)


def _unary(program: Program, node: ast.UnaryOp, scope: Scope) -> Value:
    inner = program.value(node.operand, scope)
    truth = truthy(inner)
    if isinstance(inner, Unknown) or truth is None:
        return inner if isinstance(inner, Unknown) else unknown(node, "only a run could tell")
    if isinstance(node.op, ast.Not):
        return replace(inner, value=not truth)
    if isinstance(node.op, ast.USub) and isinstance(inner.value, (int, float)):
        return replace(inner, value=-inner.value)
    return unknown(node, "only a run could tell")


def _dict(program: Program, node: ast.Dict, scope: Scope) -> Value:
    found: dict[Any, Value] = {}
    for key, one in zip(node.keys, node.values, strict=True):
        value = program.value(one, scope)
        if key is None:
            if isinstance(value, Known) and isinstance(value.value, dict):
                found.update(value.value)
            continue
        name = program.value(key, scope)
        if isinstance(name, Known) and isinstance(name.value, PLAIN):
            found[name.value] = value
    return literal(found, node, scope)


def _sequence(program: Program, node: ast.Tuple | ast.List | ast.Set, scope: Scope) -> Value:
    return literal(tuple(program.value(one, scope) for one in node.elts), node, scope)


def _inner(program: Program, node: ast.Await | ast.Starred, scope: Scope) -> Value:
    return program.value(node.value, scope)


def _walrus(program: Program, node: ast.NamedExpr, scope: Scope) -> Value:
    value = program.value(node.value, scope)
    scope.names[node.target.id] = value
    return value


def _lambda(_program: Program, node: ast.Lambda, scope: Scope) -> Value:
    return literal(Function(node, scope), node, scope)


def _call(program: Program, node: ast.Call, scope: Scope) -> Value:
    from deliverkit.facts.settings.source.pythoncalls import call

    return call(program, node, scope)


def truthy(value: Value) -> bool | None:
    """Python's truth; None where it is not known. Every text but the empty one is true, "False" too."""
    if not isinstance(value, Known):
        return None
    if isinstance(value.value, (*PLAIN, dict, tuple)):
        return bool(value.value)
    return True if isinstance(value.value, (Space, Function)) else None


STEPS: Mapping[type[ast.AST], Callable[..., Value]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.JoinedStr: _text,
    ast.BoolOp: _either,
    ast.IfExp: _conditional,
    ast.Compare: _compare,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.Dict: _dict,
    ast.Tuple: _sequence,
    ast.List: _sequence,
    ast.Set: _sequence,
    ast.Await: _inner,
    ast.Starred: _inner,
    ast.NamedExpr: _walrus,
    ast.Lambda: _lambda,
    ast.Call: _call,
}

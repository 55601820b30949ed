"""Values in PHP: what an expression is before the program runs, as far as that can be told.

Followed are literals, arrays, constants (``define``, ``const``, of the file and of the files it includes by a literal
path), variables that only one assignment reaches, functions that do nothing but return, and what reads the environment
(``getenv``, ``$_ENV``, ``$_SERVER``, Laravel's ``env``). PHP's own rules decide what a value is: "0" is false, the
text "false" is true. Whatever only a run could tell stays `Unknown`, with the expression.

What this file will not do: know a mail library.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from deliverkit.facts.settings.source.javascript import Known, Lookup, Unknown, Value
from deliverkit.facts.settings.source.phplaw import (
    CASTS,
    CONVERSIONS,
    LONGEST,
    OPERATORS,
    laravel_value,
    number,
    same,
    text,
    truthy,
    url_host,
)
from deliverkit.facts.settings.source.syntax import Node, ancestors, line_of, parse, shown, text_of, walk
from deliverkit.facts.settings.tree import Tree
from deliverkit.facts.settings.values import Place, Setting

_DEEPEST = 40
_MOST_INCLUDES = 20
_FUNCTIONS = (
    "function_definition",
    "method_declaration",
    "anonymous_function",
    "anonymous_function_creation_expression",
)


@dataclass
class Module:
    """One file: its tree, constants, functions by name, assignments by scope and variable, files it includes."""

    path: str
    root: Node
    constants: dict[str, Node] = field(default_factory=dict)
    functions: dict[str, list[Node]] = field(default_factory=dict)
    assigned: dict[tuple[int, str], list[Node]] = field(default_factory=dict)
    includes: list[Node] = field(default_factory=list)


class Program:
    """The files of an application, read when they are wanted, and the values of their expressions."""

    def __init__(self, tree: Tree, lookup: Lookup, used: Callable[[str, Place], None] = lambda _n, _p: None) -> None:
        self.tree = tree
        self.lookup = lookup
        self.used = used
        self.getenv = lookup  # Dotenv's immutable repository sets $_ENV and $_SERVER, and not what getenv() reads
        self._paths = frozenset(tree.paths)
        self._modules: dict[str, Module | None] = {}
        self._known: dict[tuple[str, int], Value] = {}  # each expression once: $b = $a . $a, $c = $b . $b, …

    def with_lookup(self, lookup: Lookup, getenv: Lookup | None = None) -> Program:
        """The same program with other variables: another environment. ``getenv`` where getenv() sees others."""
        other = Program(self.tree, lookup, self.used)
        other.getenv = getenv or lookup
        other._modules = self._modules
        return other

    def module(self, path: str) -> Module | None:
        """A file read, or None if it cannot be."""
        if path not in self._modules:
            text = self.tree.text(path)
            root = parse(text, path) if text is not None else None
            self._modules[path] = None if root is None else _read(path, root)
        return self._modules[path]

    def value(self, node: Node, module: Module, depth: int = 0) -> Value:
        """What an expression is."""
        if depth > _DEEPEST:
            return Unknown(shown(node), "it goes on for too long", line_of(node))
        key = (module.path, node.id)
        if key not in self._known:
            self._known[key] = Unknown(shown(node), "it stands for itself", line_of(node))  # until it is known
            self._known[key] = self._value(node, module, depth)
        return self._known[key]

    def _value(self, node: Node, module: Module, depth: int) -> Value:
        if node.has_error:  # the grammar gave up here: what it made of the rest is a guess
            return Unknown(shown(node), "it could not be parsed", line_of(node))
        step = _STEPS.get(node.type)
        if step is not None:
            return step(self, node, module, depth + 1)
        return Unknown(shown(node), f"only a run could tell ({node.type.replace('_', ' ')})", line_of(node))

    def literal(self, value: Any, node: Node, module: Module, setting: Setting | None = None) -> Known:
        """A value that stands here."""
        return Known(value, module.path, line_of(node), setting)

    def returned(self, path: str, depth: int = 0) -> Value | None:
        """What a file returns (``return [...]``); None if it cannot be read or returns nothing."""
        module = self.module(path)
        if module is None:
            return None
        found = [n for n in module.root.named_children if n.type == "return_statement" and n.named_children]
        return self.value(found[0].named_children[0], module, depth + 1) if found else None

    def variable(self, name: str, node: Node, module: Module, absent: Any, lookup: Lookup | None = None) -> Known:
        """A variable of the environment, as text; ``absent`` where nothing sets it."""
        self.used(name, Place(module.path, line_of(node)))
        found = (lookup or self.lookup)(name)
        if found is None and self.lookup(name) is not None:
            return self.literal(absent, node, module)  # it is set, and not where this looks
        if found is None:
            return self.literal(absent, node, module, Setting(name, None, None, "nothing sets it"))
        return self.literal(str(found.value), node, module, found)

    def constant(self, name: str, node: Node, module: Module, depth: int) -> Value:
        """A constant of this file, or of one that it includes."""
        for one in self._reachable(module, depth):
            if name in one.constants:
                return self.value(one.constants[name], one, depth)
        return Unknown(name, "a constant that no file read here defines", line_of(node))

    def _reachable(self, module: Module, depth: int) -> Iterator[Module]:
        waiting, seen = [module], {module.path}
        while waiting and len(seen) <= _MOST_INCLUDES:
            here = waiting.pop(0)
            yield here
            for include in here.includes:
                path = self.included(include, here, depth)
                other = self.module(path) if path is not None and path not in seen else None
                if other is not None:
                    seen.add(other.path)
                    waiting.append(other)

    def included(self, include: Node, module: Module, depth: int) -> str | None:
        """The file that an include names, if it is in the tree."""
        named = self.value(include.named_children[0], module, depth) if include.named_children else None
        if not isinstance(named, Known) or not isinstance(named.value, str):
            return None
        here = posixpath.dirname(module.path)
        tried = (named.value.lstrip("/"), posixpath.join(here, named.value))
        paths = (posixpath.normpath(path) for path in (tried if named.value.startswith("/") else reversed(tried)))
        return next((path for path in paths if path in self._paths), None)

    def reaches(self, node: Node, module: Module, depth: int = 0) -> bool | None:
        """True if the statement runs whenever its function does, False if never, None if only a run could tell."""
        inner, certain = node, True
        for outer in ancestors(node):
            if outer.type in _FUNCTIONS:
                break
            if outer.type == "if_statement":
                taken = self._branch(outer, inner, module, depth + 1)
                if taken is False:
                    return False
                certain = certain and taken is True
            elif outer.type in ("while_statement", "for_statement", "foreach_statement", "switch_statement",
                                "catch_clause"):  # fmt: skip
                certain = False
            inner = outer
        return True if certain else None

    def _branch(self, statement: Node, inner: Node, module: Module, depth: int) -> bool | None:
        """Whether the part ``inner`` of an if statement is the one that runs."""
        if depth > _DEEPEST:
            return None
        if inner == statement.child_by_field_name("condition"):
            return True
        parts = [(statement.child_by_field_name("condition"), statement.child_by_field_name("body"))]
        for other in statement.children_by_field_name("alternative"):
            parts.append((other.child_by_field_name("condition"), other))
        for condition, part in parts:
            told = None if condition is None else self.value(condition, module, depth)
            if isinstance(told, Unknown) or (
                told is not None and told.setting is not None and told.setting.value is None
            ):
                return None  # a variable that no file sets may well be set where the program runs
            holds = told is None or truthy(told.value)
            if part == inner:
                return holds
            if holds:
                return False
        return None

    def named(self, name: str, node: Node, module: Module, depth: int) -> Value:
        """What a variable holds: the one assignment in its scope that reaches here."""
        for scope in _scopes(node, name):
            found = module.assigned.get((scope, name))
            if found is None:
                continue
            reached = [(one, self.reaches(one, module, depth)) for one in found]
            left = [(one, sure) for one, sure in reached if sure is not False]
            if len(left) == 1 and left[0][1]:
                right = left[0][0].child_by_field_name("right")
                return self.value(right, module, depth)
            return Unknown(f"${name}", "it is assigned more than once, or under a condition", line_of(node))
        return Unknown(f"${name}", "a parameter, or set elsewhere", line_of(node))


def scope_of(node: Node) -> int:
    """The function around a node, by where it begins; -1 outside of all."""
    return next((one.start_byte for one in ancestors(node) if one.type in _FUNCTIONS), -1)


def _scopes(node: Node, name: str) -> Iterator[int]:
    """The scopes in which a variable of this name is looked for, the innermost first (PHP manual, Variable scope)."""
    for one in ancestors(node):
        if one.type not in _FUNCTIONS:
            continue
        yield one.start_byte
        text = text_of(one)
        if one.type.startswith("anonymous") and re.search(rf"\buse\s*\([^)]*\${name}\b", text[:2000]):
            continue
        if not re.search(rf"\bglobal\b[^;]{{0,500}}\${name}\b", text):
            return
    yield -1


def _read(path: str, root: Node) -> Module:
    module = Module(path, root)
    for node in walk(root):
        if node.type == "const_element":
            name, value = node.named_children[0], node.named_children[-1]
            around = next((a for a in ancestors(node) if a.type == "class_declaration"), None)
            owner = f"{text_of(around.child_by_field_name('name'))}::" if around is not None else ""
            module.constants.setdefault(f"{owner}{text_of(name)}", value)
        elif node.type == "function_call_expression":
            given = arguments(node)
            if text_of(node.child_by_field_name("function"), 20).lower() == "define" and len(given) > 1:
                module.constants.setdefault(unquoted(text_of(given[0])), given[1])
        elif node.type in ("function_definition", "method_declaration"):
            module.functions.setdefault(text_of(node.child_by_field_name("name")), []).append(node)
        elif node.type in ("assignment_expression", "augmented_assignment_expression"):
            left = node.child_by_field_name("left")
            if left.type == "variable_name":
                module.assigned.setdefault((scope_of(node), text_of(left)[1:]), []).append(node)
        elif node.type in _INCLUDES:
            module.includes.append(node)
    return module


def arguments(call: Node) -> list[Node]:
    """The arguments of a call, without names and references."""
    found = call.child_by_field_name("arguments")
    if found is None:
        found = next((child for child in call.named_children if child.type == "arguments"), None)
    return [one.named_children[-1] for one in (found.named_children if found else ()) if one.named_children]


_INCLUDES = ("require_expression", "require_once_expression", "include_expression", "include_once_expression")

# -- one step for each kind of node -------------------------------------------------------------------------

Step: TypeAlias = Callable[[Program, Node, Module, int], Value]


def unquoted(text: str) -> str:
    """The text of a string literal (PHP manual, Strings): in single quotes only \\' and \\\\ are escapes."""
    if text.startswith("'"):
        return re.sub(r"\\([\\'])", r"\1", text[1:-1])
    letters = {"n": "\n", "r": "\r", "t": "\t", "v": "\v", "e": "\x1b", "f": "\f", "\\": "\\", "$": "$", '"': '"'}

    def escape(match: re.Match[str]) -> str:
        if match[1]:
            return chr(min(int(match[1], 16), 0x10FFFF))
        return letters.get(match[2], match[0])

    return re.sub(r"\\(?:(?:u\{|x)([0-9A-Fa-f]{1,6})\}?|(.))", escape, text[1:-1], flags=re.DOTALL)


def _string(program: Program, node: Node, module: Module, _: int) -> Value:
    return program.literal(unquoted(text_of(node))[:LONGEST], node, module)


def _encapsed(program: Program, node: Node, module: Module, depth: int) -> Value:
    pieces: list[str] = []
    setting = None
    for child in node.named_children:
        if child.type in ("string_content", "escape_sequence"):
            pieces.append(unquoted(f'"{text_of(child)}"'))
            continue
        inner = program.value(child, module, depth)
        if isinstance(inner, Unknown) or isinstance(inner.value, dict):
            return Unknown(shown(node), "a part of it only a run could tell", line_of(node))
        setting = setting or inner.setting
        pieces.append(text(inner.value))
    return program.literal("".join(pieces)[:LONGEST], node, module, setting)


def _number(program: Program, node: Node, module: Module, _: int) -> Value:
    written = text_of(node, 100).replace("_", "")
    try:
        value: Any = int(written, 0) if re.match(r"0[xXbBoO]", written) else int(written)
    except ValueError:
        try:
            value = float(written)
        except ValueError:
            return Unknown(shown(node), "no number", line_of(node))
    return program.literal(value, node, module)


def _boolean(program: Program, node: Node, module: Module, _: int) -> Value:
    return program.literal(text_of(node).lower() == "true", node, module)


def _null(program: Program, node: Node, module: Module, _: int) -> Value:
    return program.literal(None, node, module)


def _inner(program: Program, node: Node, module: Module, depth: int) -> Value:
    if not node.named_children:
        return Unknown(shown(node), "nothing stands there", line_of(node))
    return program.value(node.named_children[-1], module, depth)


def _name(program: Program, node: Node, module: Module, depth: int) -> Value:
    """A constant; ``__DIR__`` is the file's folder, from the root of the tree."""
    name = text_of(node).lstrip("\\")
    if name == "__DIR__":
        return program.literal("/" + posixpath.dirname(module.path), node, module)
    return program.constant(name, node, module, depth)


def _class_constant(program: Program, node: Node, module: Module, depth: int) -> Value:
    owner, name = text_of(node.named_children[0]).rpartition("\\")[2], text_of(node.named_children[-1])
    known = _LIBRARY.get(name)
    if known is not None:
        return program.literal(known, node, module)
    if owner in ("self", "static"):
        around = next((a for a in ancestors(node) if a.type == "class_declaration"), None)
        owner = text_of(around.child_by_field_name("name")) if around is not None else owner
    return program.constant(f"{owner}::{name}", node, module, depth)


_LIBRARY = {"ENCRYPTION_STARTTLS": "tls", "ENCRYPTION_SMTPS": "ssl", "DEBUG_OFF": 0, "DEBUG_CLIENT": 1,
            "DEBUG_SERVER": 2, "DEBUG_CONNECTION": 3, "DEBUG_LOWLEVEL": 4}  # fmt: skip
"""Constants of PHPMailer\\PHPMailer and PHPMailer\\SMTP."""


def _variable(program: Program, node: Node, module: Module, depth: int) -> Value:
    return program.named(text_of(node)[1:], node, module, depth)


def _array(program: Program, node: Node, module: Module, depth: int) -> Value:
    found: dict[str, Value] = {}
    count = 0
    for element in (child for child in node.named_children if child.type == "array_element_initializer"):
        parts = element.named_children
        if len(parts) == 2:
            key = program.value(parts[0], module, depth)
            if isinstance(key, Unknown):
                found["..."] = Unknown(shown(element), "a key only a run could tell", line_of(element))
                continue
            found[text(key.value)] = program.value(parts[1], module, depth)
        elif parts:
            found[str(count)] = program.value(parts[0], module, depth)
            count += 1
    return program.literal(found, node, module)


def _subscript(program: Program, node: Node, module: Module, depth: int) -> Value:
    """``$_ENV['X']``, ``$_SERVER['X']``, or an element of an array that is known."""
    parts = node.named_children
    if len(parts) != 2:
        return Unknown(shown(node), "only a run could tell", line_of(node))
    key = program.value(parts[1], module, depth)
    if isinstance(key, Unknown) or isinstance(key.value, dict):
        return Unknown(shown(node), "the key only a run could tell", line_of(node))
    if text_of(parts[0], 20) in ("$_ENV", "$_SERVER"):
        return program.variable(text(key.value), node, module, None)
    whole = program.value(parts[0], module, depth)
    if isinstance(whole, Unknown):
        return Unknown(shown(node), whole.why, line_of(node))
    if not isinstance(whole.value, dict):
        return Unknown(shown(node), "an element of what is no array here", line_of(node))
    if text(key.value) not in whole.value and "..." in whole.value:
        return Unknown(shown(node), "an element only a run could tell", line_of(node))
    return whole.value.get(text(key.value)) or program.literal(None, node, module)


def _binary(program: Program, node: Node, module: Module, depth: int) -> Value:
    operator = node.child_by_field_name("operator").type
    left = program.value(node.child_by_field_name("left"), module, depth)
    if operator in ("??", "||", "&&", "or", "and"):
        if isinstance(left, Unknown):
            return Unknown(shown(node), left.why, line_of(node))
        stays = {"??": left.value is not None, "||": truthy(left.value), "or": truthy(left.value)}.get(
            operator, not truthy(left.value)
        )
        chosen = left if stays else program.value(node.child_by_field_name("right"), module, depth)
        if operator == "??" or isinstance(chosen, Unknown):
            return chosen
        return replace(chosen, value=truthy(chosen.value))
    right = program.value(node.child_by_field_name("right"), module, depth)
    made = OPERATORS.get(operator)
    if isinstance(left, Unknown) or isinstance(right, Unknown) or made is None:
        return Unknown(shown(node), "only a run could tell", line_of(node))
    if isinstance(left.value, dict) or isinstance(right.value, dict):
        return Unknown(shown(node), "an array where a value belongs", line_of(node))
    return program.literal(made(left.value, right.value), node, module, left.setting or right.setting)


def _conditional(program: Program, node: Node, module: Module, depth: int) -> Value:
    """``a ? b : c`` and ``a ?: c``."""
    condition = program.value(node.child_by_field_name("condition"), module, depth)
    if isinstance(condition, Unknown):
        return Unknown(shown(node), condition.why, line_of(node))
    body = node.child_by_field_name("body")
    if truthy(condition.value) and body is None:
        return condition
    chosen = program.value(body if truthy(condition.value) else node.child_by_field_name("alternative"), module, depth)
    if isinstance(chosen, Known) and chosen.setting is None and body is not None:
        return replace(chosen, setting=condition.setting)
    return chosen


def _match(program: Program, node: Node, module: Module, depth: int) -> Value:
    """``match (x) { 'ssl' => …, default => … }``: compared by identity (PHP manual, match)."""
    subject = program.value(node.child_by_field_name("condition"), module, depth)
    if isinstance(subject, Unknown):
        return Unknown(shown(node), subject.why, line_of(node))
    for arm in node.child_by_field_name("body").named_children:
        result = arm.child_by_field_name("return_expression")
        if result is None:
            continue
        if arm.type == "match_default_expression":
            return program.value(result, module, depth)
        for one in arm.child_by_field_name("conditional_expressions").named_children:
            case = program.value(one, module, depth)
            if isinstance(case, Unknown):
                return Unknown(shown(node), case.why, line_of(node))
            if same(case.value, subject.value):
                chosen = program.value(result, module, depth)
                return (
                    replace(chosen, setting=chosen.setting or subject.setting) if isinstance(chosen, Known) else chosen
                )
    return Unknown(shown(node), "no arm of the match fits", line_of(node))


def _unary(program: Program, node: Node, module: Module, depth: int) -> Value:
    operator = node.child_by_field_name("operator")
    inner = program.value(node.named_children[-1], module, depth)
    if isinstance(inner, Unknown) or isinstance(inner.value, dict):
        return Unknown(shown(node), "only a run could tell", line_of(node))
    made: Any = {"!": lambda v: not truthy(v), "-": lambda v: -number(v), "+": number}.get(
        operator.type if operator is not None else "!"
    )
    return replace(inner, value=made(inner.value), line=line_of(node), file=module.path) if made else inner


def _cast(program: Program, node: Node, module: Module, depth: int) -> Value:
    made = CASTS.get(text_of(node.child_by_field_name("type"), 20).lower().strip("() "))
    inner = program.value(node.child_by_field_name("value"), module, depth)
    if isinstance(inner, Unknown) or made is None or isinstance(inner.value, dict):
        return inner if isinstance(inner, Unknown) else Unknown(shown(node), "only a run could tell", line_of(node))
    return replace(inner, value=made(inner.value))


def _require(program: Program, node: Node, module: Module, depth: int) -> Value:
    """``$config = require 'config.php'``: what the file returns."""
    path = program.included(node, module, depth)
    found = program.returned(path, depth) if path is not None else None
    return found or Unknown(shown(node), "the file is not in the tree, or returns nothing", line_of(node))


def _call(program: Program, node: Node, module: Module, depth: int) -> Value:
    function = text_of(node.child_by_field_name("function") or node.named_children[0], 200).lstrip("\\")
    name = function.lower()
    given = arguments(node)
    first = program.value(given[0], module, depth) if given else None
    if name in ("env", "getenv") and isinstance(first, Known) and isinstance(first.value, str):
        if name == "getenv":
            return program.variable(first.value, node, module, False, program.getenv)
        return _laravel_env(program, first.value, given, node, module, depth)
    if name == "filter_var" and len(given) > 1 and isinstance(first, Known):
        if "BOOL" in text_of(given[1], 60):
            yes = text(first.value).strip().lower() in ("1", "true", "on", "yes")
            return replace(first, value=yes)
        if "INT" in text_of(given[1], 60) and re.fullmatch(r"\s*[+-]?\d{1,18}\s*", text(first.value)):
            return replace(first, value=int(text(first.value)))
    if name == "parse_url" and len(given) > 1 and isinstance(first, Known) and text_of(given[1]) == "PHP_URL_HOST":
        return replace(first, value=url_host(text(first.value)))
    if name in CONVERSIONS and isinstance(first, Known) and len(given) == 1 and not isinstance(first.value, dict):
        return replace(first, value=CONVERSIONS[name](first.value))
    if name == "dirname" and isinstance(first, Known) and isinstance(first.value, str) and len(given) == 1:
        return replace(first, value=posixpath.dirname(first.value))
    return _own_function(program, function, node, module, depth)


def _laravel_env(program: Program, name: str, given: list[Node], node: Node, module: Module, depth: int) -> Value:
    """``env('X', default)``: the default only where nothing sets it (Illuminate\\Support\\Env::getOption)."""
    found = program.variable(name, node, module, None)
    if found.setting is None or found.setting.place is None:
        return program.value(given[1], module, depth) if len(given) > 1 else found
    return replace(found, value=laravel_value(text(found.value)))


def _own_function(program: Program, function: str, node: Node, module: Module, depth: int) -> Value:
    """A function of the files read that does nothing but return, without an argument that matters."""
    name = re.split(r"::|->|\\", function)[-1]
    for one in program._reachable(module, depth):
        found = one.functions.get(name, [])
        if len(found) == 1:
            body = found[0].child_by_field_name("body")
            returns = [n for n in walk(body) if n.type == "return_statement" and n.named_children] if body else []
            taken = [n for n in returns if program.reaches(n, one, depth) is not False]
            if len(taken) == 1 and program.reaches(taken[0], one, depth):
                return program.value(taken[0].named_children[0], one, depth)
            break
    return Unknown(shown(node), "what a call returns only a run could tell", line_of(node))


_STEPS: Mapping[str, Step] = {
    "string": _string, "encapsed_string": _encapsed, "integer": _number, "float": _number, "boolean": _boolean,
    "null": _null, "parenthesized_expression": _inner, "error_suppression_expression": _inner, "name": _name,
    "qualified_name": _name, "class_constant_access_expression": _class_constant, "variable_name": _variable,
    "array_creation_expression": _array, "subscript_expression": _subscript, "binary_expression": _binary,
    "conditional_expression": _conditional, "match_expression": _match, "unary_op_expression": _unary,
    "cast_expression": _cast, "function_call_expression": _call, "require_expression": _require,
    "require_once_expression": _require, "include_expression": _require, "include_once_expression": _require,
}  # fmt: skip

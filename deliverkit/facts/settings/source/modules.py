"""A JavaScript or TypeScript file as a module: what each name stands for where it is used, what is imported, exported
and changed later.

A name is looked up as the language does it: in its block, the blocks around it, the function, the module. A name that
something assigns again stands for nothing that could be told. What this file will not do: find the value of anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from deliverkit.facts.settings.source.syntax import Node, line_of, short_text, text_of

FUNCTIONS = frozenset(
    (
        "function_declaration", "function_expression", "arrow_function", "method_definition",
        "generator_function_declaration", "generator_function",
    )
)  # fmt: skip
_BLOCKS = frozenset(("program", "statement_block", "for_statement", "for_in_statement", "switch_body", "catch_clause"))
_MOST_NODES = 400_000


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a pattern: the member ``key``, with a default where it is undefined; or all but the ``others``."""

    key: str = ""
    default: Node | None = None
    others: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """What a name stands for: a ``value`` (and the steps into it), a "function", a "parameter", or what is imported."""

    kind: Literal["value", "function", "class", "parameter", "import"]
    node: Node
    steps: tuple[Step, ...] = ()
    source: str = ""
    exported: str = ""


@dataclass(frozen=True, slots=True)
class Export:
    """What a module gives away: an expression of its own, or what another module exports (``source`` then)."""

    node: Node | None = None
    source: str = ""
    name: str = ""


@dataclass
class Module:
    """One file. ``scopes`` maps a node that opens a scope to its names; ``changed`` are names that are assigned again;
    ``members`` are names whose members are set later, with these members ("*": any).
    """

    path: str
    root: Node
    scopes: dict[int, dict[str, Binding]] = field(default_factory=dict)
    exports: dict[str, Export] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    members: dict[str, dict[str, int]] = field(default_factory=dict)
    packages: set[str] = field(default_factory=set)
    calls: list[Node] = field(default_factory=list)
    cut: bool = False

    def binding(self, name: str, node: Node) -> Binding | None:
        """What a name stands for where this node stands; None for what the module does not declare."""
        here: Node | None = node
        while here is not None:
            names = self.scopes.get(here.id)
            if names is not None and name in names:
                return names[name]
            here = here.parent
        return None

    @property
    def names(self) -> dict[str, Binding]:
        """What is declared at the top."""
        return self.scopes.get(self.root.id, {})


def read_module(path: str, root: Node) -> Module:
    """Read a file's tree, once and without recursion: nesting costs no stack."""
    module = Module(path, root)
    stack: list[tuple[Node, Node, Node]] = [(root, root, root)]  # the node, its block, its function
    count = 0
    while stack:
        node, block, function = stack.pop()
        count += 1
        if count > _MOST_NODES:
            module.cut = True
            break
        kind = node.type
        if kind in FUNCTIONS:
            _function(module, node, block)
            block = function = node
        elif kind in _BLOCKS:
            block = node
        reading = _READ.get(kind)
        if reading is not None:
            reading(module, node, block, function)
        if kind not in ("string", "template_string", "comment", "regex") or kind == "template_string":
            stack.extend((child, block, function) for child in reversed(node.named_children))
    return module


def _declare(module: Module, scope: Node, name: str, binding: Binding) -> None:
    names = module.scopes.setdefault(scope.id, {})
    if name in names:
        module.changed.add(name)
    names[name] = binding


def _function(module: Module, node: Node, block: Node) -> None:
    name = node.child_by_field_name("name")
    if name is not None and node.type.endswith("_declaration"):
        _declare(module, block, text_of(name), Binding("function", node))
    parameters = node.child_by_field_name("parameters") or node.child_by_field_name("parameter")
    for word in _identifiers(parameters):
        module.scopes.setdefault(node.id, {})[word] = Binding("parameter", node)


def _identifiers(pattern: Node | None) -> Iterator[str]:
    """The names that parameters bind."""
    stack = [pattern] if pattern is not None else []
    while stack:
        node = stack.pop()
        if node.type in ("identifier", "shorthand_property_identifier_pattern"):
            yield text_of(node)
        elif node.type == "type_annotation":
            continue
        elif node.type in ("assignment_pattern", "object_assignment_pattern"):
            stack.append(node.child_by_field_name("left"))
        elif node.type == "pair_pattern":
            stack.append(node.child_by_field_name("value"))
        else:
            stack.extend(node.named_children)


def _declarations(module: Module, node: Node, block: Node, function: Node) -> None:
    scope = function if node.type == "variable_declaration" else block
    for declarator in (c for c in node.named_children if c.type == "variable_declarator"):
        pattern, value = declarator.child_by_field_name("name"), declarator.child_by_field_name("value")
        if value is None:
            for word in _identifiers(pattern):
                module.changed.add(word)  # set later, or never
                _declare(module, scope, word, Binding("parameter", declarator))
            continue
        package = required(value)
        if package is not None:
            module.packages.add(package)
        for word, steps in bound(pattern):
            _declare(module, scope, word, Binding("value", value, steps))


def required(node: Node) -> str | None:
    """The module that ``require("…")`` names."""
    match = re.fullmatch(r"(?:await)?(?:require|import)\((['\"`])([^'\"`$]+)\1\)", short_text(node, 300))
    return match[2] if match else None


def bound(pattern: Node, before: tuple[Step, ...] = ()) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """The names of a pattern, each with its steps into the value."""
    if len(before) > 8:
        return
    if pattern.type in ("identifier", "shorthand_property_identifier_pattern"):
        yield text_of(pattern), before
    elif pattern.type == "object_pattern":
        taken: list[str] = []
        for one in pattern.named_children:
            if one.type == "shorthand_property_identifier_pattern":
                taken.append(text_of(one))
                yield text_of(one), (*before, Step(text_of(one)))
            elif one.type == "object_assignment_pattern":
                word = text_of(one.child_by_field_name("left"))
                taken.append(word)
                yield word, (*before, Step(word, one.child_by_field_name("right")))
            elif one.type == "pair_pattern":
                key, value = text_of(one.child_by_field_name("key")), one.child_by_field_name("value")
                taken.append(key.strip("'\""))
                yield from _inner_pattern(key.strip("'\""), value, before)
            elif one.type == "rest_pattern" and one.named_children:
                yield text_of(one.named_children[0]), (*before, Step(others=tuple(taken)))
    elif pattern.type == "array_pattern":
        index = 0
        for one in pattern.children:
            if one.type == ",":
                index += 1
            elif one.is_named and one.type != "rest_pattern":
                yield from _inner_pattern(str(index), one, before)


def _inner_pattern(key: str, value: Node, before: tuple[Step, ...]) -> Iterator[tuple[str, tuple[Step, ...]]]:
    default = None
    if value.type == "assignment_pattern":
        value, default = value.child_by_field_name("left"), value.child_by_field_name("right")
    yield from bound(value, (*before, Step(key, default)))


def _class(module: Module, node: Node, block: Node, _: Node) -> None:
    name = node.child_by_field_name("name")
    if name is not None:
        _declare(module, block, text_of(name), Binding("class", node))


def _loop(module: Module, node: Node, _block: Node, _function: Node) -> None:
    for word in _identifiers(node.child_by_field_name("left")):
        module.scopes.setdefault(node.id, {})[word] = Binding("parameter", node)


def _caught(module: Module, node: Node, _block: Node, _function: Node) -> None:
    for word in _identifiers(node.child_by_field_name("parameter")):
        module.scopes.setdefault(node.id, {})[word] = Binding("parameter", node)


def _import(module: Module, node: Node, block: Node, _: Node) -> None:
    told = node.child_by_field_name("source")
    if told is None:
        return
    source = text_of(told)[1:-1]
    module.packages.add(source)
    for clause in (c for c in node.named_children if c.type == "import_clause"):
        for child in clause.named_children:
            if child.type == "identifier":
                _declare(module, block, text_of(child), Binding("import", child, (), source, "default"))
            elif child.type == "namespace_import" and child.named_children:
                word = text_of(child.named_children[0])
                _declare(module, block, word, Binding("import", child, (), source, "*"))
            elif child.type == "named_imports":
                for one in child.named_children:
                    name, alias = one.child_by_field_name("name"), one.child_by_field_name("alias")
                    if name is not None:
                        word = text_of(alias or name)
                        _declare(module, block, word, Binding("import", one, (), source, text_of(name)))


def _export(module: Module, node: Node, _block: Node, _function: Node) -> None:
    value, declaration = node.child_by_field_name("value"), node.child_by_field_name("declaration")
    told = node.child_by_field_name("source")
    source = text_of(told)[1:-1] if told is not None else ""
    default = any(child.type == "default" for child in node.children)
    if value is not None:
        module.exports["default"] = Export(value)
    if declaration is not None:
        for word, at in _declared(declaration):
            module.exports["default" if default else word] = Export(at)
    clauses = [c for c in node.named_children if c.type in ("export_clause", "namespace_export")]
    for clause in clauses:
        if clause.type == "namespace_export" and clause.named_children:
            module.exports[text_of(clause.named_children[0])] = Export(None, source, "*")
            continue
        for one in clause.named_children:
            name, alias = one.child_by_field_name("name"), one.child_by_field_name("alias")
            if name is not None:
                module.exports[text_of(alias or name)] = Export(None if source else name, source, text_of(name))
    if source and not clauses:
        module.stars.append(source)


def _declared(declaration: Node) -> Iterator[tuple[str, Node]]:
    """The names of an exported declaration, each with a node that stands for it."""
    if declaration.type in ("lexical_declaration", "variable_declaration"):
        for declarator in (c for c in declaration.named_children if c.type == "variable_declarator"):
            stack = [declarator.child_by_field_name("name")]
            while stack:
                node = stack.pop()
                if node.type in ("identifier", "shorthand_property_identifier_pattern"):
                    yield text_of(node), node
                elif node.type == "pair_pattern":
                    stack.append(node.child_by_field_name("value"))
                else:
                    stack.extend(node.named_children)
    else:
        name = declaration.child_by_field_name("name")
        yield (text_of(name), name) if name is not None else ("default", declaration)


def _assignment(module: Module, node: Node, _block: Node, _function: Node) -> None:
    """``x = …``, ``x.y = …``, and what CommonJS exports."""
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    target = short_text(left)
    if target == "module.exports" or target.startswith(("exports.", "module.exports.")):
        if right is not None:
            module.exports[target.rpartition("exports")[2].lstrip(".") or "module.exports"] = Export(right)
    elif left.type == "identifier":
        module.changed.add(target)
    elif left.type in ("member_expression", "subscript_expression"):
        name, _, member = target.partition(".")
        known = left.type == "member_expression" and re.fullmatch(r"\w+", member)
        module.members.setdefault(re.split(r"[.\[?]", name)[0], {})[member if known else "*"] = line_of(node)
    else:
        module.changed.update(_identifiers(left))


def _update(module: Module, node: Node, _block: Node, _function: Node) -> None:
    module.changed.add(short_text(node.child_by_field_name("argument")))


def _called(module: Module, node: Node, _block: Node, _function: Node) -> None:
    module.calls.append(node)
    if short_text(node.child_by_field_name("function"), 100) == "Object.assign":
        arguments = node.child_by_field_name("arguments").named_children
        if arguments and arguments[0].type == "identifier":
            module.members.setdefault(text_of(arguments[0]), {})["*"] = line_of(node)


_READ = {
    "lexical_declaration": _declarations,
    "variable_declaration": _declarations,
    "class_declaration": _class,
    "for_in_statement": _loop,
    "catch_clause": _caught,
    "import_statement": _import,
    "export_statement": _export,
    "assignment_expression": _assignment,
    "augmented_assignment_expression": _assignment,
    "update_expression": _update,
    "call_expression": _called,
}

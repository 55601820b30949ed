"""Values in JavaScript and TypeScript: what an expression is before the program runs, as far as that can be told.

Followed are literals, constants and objects of the file, what it imports from files of the tree, ``process.env.X``
into the files of variables, and what leads from a text to a value: ``Number(x)``, ``x || y``, ``x === "true"``
(`expressions`). Whatever only a run could tell stays `Unknown`, with the expression. JavaScript's own rules decide what
a value is (`ecmascript`): the text "false" is true.

What this file will not do: know a mail library, or call a function of the program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from deliverkit.facts.settings.source import ecmascript as law
from deliverkit.facts.settings.source.ecmascript import CANNOT, UNDEFINED, absent
from deliverkit.facts.settings.source.expressions import GLOBALS, STEPS
from deliverkit.facts.settings.source.known import ENVIRONMENT, Known, Lookup, Reasoned, Unknown, Value, lifted, unknown
from deliverkit.facts.settings.source.modules import Binding, Export, Module, read_module
from deliverkit.facts.settings.source.paths import resolved
from deliverkit.facts.settings.source.syntax import Node, line_of, parse, shown, text_of
from deliverkit.facts.settings.tree import Tree
from deliverkit.facts.settings.values import Place, Setting

__all__ = ["Known", "Lookup", "Program", "Reasoned", "Unknown", "Value", "lifted", "unknown"]

_DEEPEST = 40  # steps from an expression to what it stands for
_MOST_STEPS = 20_000  # of one expression: constants that double each other end here
_NEVER_SET = "nothing sets it"
_WHAT = {"function": "a function", "class": "a class", "parameter": "a parameter, or a variable that changes"}


class Program:
    """The modules of an application, read when they are wanted, and the values of their expressions."""

    def __init__(self, tree: Tree, lookup: Reasoned, used: Callable[[str, Place], None] = lambda _n, _p: None) -> None:
        self.tree = tree
        self.lookup = lookup
        self.used = used
        self.paths = frozenset(tree.paths)
        self._modules: dict[str, Module | None] = {}
        self._steps = 0
        self.read_json: set[str] = set()

    def with_lookup(self, lookup: Reasoned) -> Program:
        """The same program with other variables: another environment."""
        other = Program.__new__(Program)
        other.tree, other.lookup, other.used, other.paths = self.tree, lookup, self.used, self.paths
        other._modules, other._steps, other.read_json = self._modules, 0, self.read_json
        return other

    def module(self, path: str) -> Module | None:
        """A file read, or None if it cannot be."""
        if path not in self._modules:
            text = self.tree.text(path)
            root = parse(text, path) if text is not None else None
            self._modules[path] = None if root is None else read_module(path, root)
        return self._modules[path]

    # -- values -------------------------------------------------------------------------------------------

    def value(self, node: Node, module: Module, depth: int = 0) -> Value:
        """What an expression is."""
        if depth == 0:
            self._steps = 0
        self._steps += 1
        if depth > _DEEPEST or self._steps > _MOST_STEPS:
            return unknown(node, module, "it goes on for too long")
        step = STEPS.get(node.type)
        if step is not None:
            return step(self, node, module, depth + 1)
        return unknown(node, module, f"only a run could tell ({node.type.replace('_', ' ')})")

    def literal(self, value: Any, node: Node, module: Module, setting: Setting | None = None) -> Known:
        """A value that stands here."""
        return Known(value, module.path, line_of(node), setting)

    def made(self, value: Any, node: Node, module: Module, setting: Setting | None = None) -> Value:
        """What an operation of the language gave."""
        if value is CANNOT:
            return unknown(node, module, "only a run could tell, or it throws")
        return self.literal(value, node, module, setting)

    def variable(self, name: str, node: Node, module: Module) -> Value:
        """A variable of the environment, as text; undefined where nothing sets it."""
        self.used(name, Place(module.path, line_of(node)))
        found = self.lookup(name)
        if isinstance(found, str):
            return unknown(node, module, found)
        if found is None or found.value is None:
            return self.literal(UNDEFINED, node, module, found or Setting(name, None, None, _NEVER_SET))
        return self.literal(str(found.value), node, module, found)

    def name(self, name: str, node: Node, module: Module, depth: int) -> Value:
        """What an identifier stands for here."""
        binding = module.binding(name, node)
        if binding is None:
            if name in GLOBALS:
                return self.literal(GLOBALS[name], node, module)
            return unknown(node, module, "a name this file does not declare")
        if binding.kind == "import":
            found = self.exported(module, binding.source, binding.exported, node, depth)
        elif binding.kind != "value":
            return unknown(node, module, _WHAT[binding.kind])
        elif name in module.changed:
            return unknown(node, module, "a variable that changes")
        else:
            found = self._bound(binding, node, module, depth)
        return self._set_later(name, replace(found, short=False) if isinstance(found, Known) else found, module)

    def _bound(self, binding: Binding, node: Node, module: Module, depth: int) -> Value:
        """The value of a declaration, and the steps of its pattern into it."""
        found = self.value(binding.node, module, depth)
        for step in binding.steps:
            if step.others is not None:
                if not isinstance(found, Known) or not isinstance(found.value, dict):
                    return unknown(node, module, "the rest of what only a run could tell")
                found = replace(found, value={k: v for k, v in found.value.items() if k not in step.others})
                continue
            found = self.part(found, step.key, node, module)
            if step.default is not None and isinstance(found, Known) and found.value is UNDEFINED:
                found = self.value(step.default, module, depth)
        return found

    def _set_later(self, name: str, found: Value, module: Module) -> Value:
        """An object with what is assigned to its members elsewhere left unknown."""
        later = module.members.get(name)
        if later is None or not isinstance(found, Known) or not isinstance(found.value, dict):
            return found
        changes = {
            "..." if member == "*" else member: Unknown(f"{name}.{member}", "it is set later", line, module.path)
            for member, line in later.items()
        }
        before = {} if "*" in later else found.value  # whatever stood there may be set anew
        return replace(found, value={**before, **changes})

    def exported(self, module: Module, source: str, name: str, node: Node, depth: int) -> Value:
        """What a module exports under a name ("*": all of it)."""
        if source in ("process", "node:process") and name == "env":
            return self.literal(ENVIRONMENT, node, module)
        other = self.imported(module, source)
        if isinstance(other, Known):
            return other if name in ("default", "*") else self.part(other, name, node, module)
        if other is None:
            return unknown(node, module, f"imported from {source}, which is not followed")
        if depth > _DEEPEST:
            return unknown(node, module, "it goes on for too long")
        if name == "*":
            return Known(self._namespace(other, depth + 1), other.path, 1)
        found = other.exports.get(name)
        if found is None and "module.exports" in other.exports:
            whole = self._export(other.exports["module.exports"], other, node, depth + 1)
            return whole if name == "default" else self.part(whole, name, node, module)
        if found is None and name == "default" and other.exports:
            return Known(self._namespace(other, depth + 1), other.path, 1)
        if found is not None:
            return self._export(found, other, node, depth + 1)
        for star in other.stars:
            told = self.exported(other, star, name, node, depth + 1)
            if isinstance(told, Known):
                return told
        return unknown(node, module, f"imported from {source}, where only a run could tell it")

    def _export(self, export: Export, other: Module, node: Node, depth: int) -> Value:
        if export.node is None:
            return self.exported(other, export.source, export.name, node, depth)
        if export.node.type in ("identifier", "shorthand_property_identifier_pattern"):
            return self.name(text_of(export.node), export.node, other, depth)
        return self.value(export.node, other, depth)

    def _namespace(self, other: Module, depth: int) -> dict[str, Value]:
        return {n: self._export(e, other, other.root, depth) for n, e in list(other.exports.items())[:500]}

    def imported(self, module: Module, source: str) -> Module | Known | None:
        """The module that an import names, if it is a file of the tree; a JSON file is its value."""
        path = resolved(self.tree, self.paths, module.path, source)
        if path is None or not path.endswith(".json"):
            return None if path is None else self.module(path)
        self.read_json.add(path)
        read = law.from_json(self.tree.text(path) or "")
        return None if read is CANNOT else lifted(read, path, 1)

    def part(self, whole: Value, key: str, node: Node, module: Module) -> Value:
        """A member of a value."""
        if isinstance(whole, Unknown):
            return Unknown(shown(node), whole.why, line_of(node), module.path)
        value = whole.value
        if value is ENVIRONMENT:
            return self.variable(key, node, module)
        if isinstance(value, dict):
            if key not in value and "..." in value:
                return unknown(node, module, "it may come out of what is spread there")
            return value.get(key) or replace(whole, value=UNDEFINED, line=line_of(node), file=module.path)
        if isinstance(value, tuple) and key.isdigit():
            at = int(key[:9])
            return value[at] if at < len(value) else self.literal(UNDEFINED, node, module)
        if key == "length" and isinstance(value, (str, tuple)):
            size = law.length(value) if isinstance(value, str) else len(value)
            return self.literal(size, node, module, whole.setting)
        if absent(value):
            return unknown(node, module, f"it throws: a member of {'null' if value is None else 'undefined'}")
        return unknown(node, module, "a member of what is no object here")

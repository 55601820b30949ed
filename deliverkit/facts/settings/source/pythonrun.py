"""Python's statements, gone through in order as the program would: which names stand for what, which objects are made.

Nothing is executed: a branch whose condition is known is the one that is taken; of one that is not known both sides
are looked at, and what they leave different is `Unknown`. Loops are gone through once, functions of the tree are
followed into, both bounded.

What this file will not do: know a mail library.
"""

from __future__ import annotations

import ast
import functools
import posixpath
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from deliverkit.facts.settings.source.javascript import Known, Lookup, Unknown, Value
from deliverkit.facts.settings.source.python import (
    DEEPEST,
    STEPS,
    Function,
    Lazy,
    Made,
    Module,
    Named,
    Scope,
    Space,
    literal,
    parsed,
    truthy,
    unknown,
)
from deliverkit.facts.settings.tree import Tree
from deliverkit.facts.settings.values import Place, Setting, Unread

_MOST_STATEMENTS = 200_000
_DEEPEST_CALL = 6
_MOST_MODULES = 150  # modules that are gone through because another one imports them
_DEEPEST_IMPORT = 10  # modules whose own lines wait for another module


class _Left(Exception):
    """A return or a raise: what follows in the function does not run."""

    def __init__(self, value: Value | None) -> None:
        self.value = value


class Program:
    """The modules of an application, gone through when they are wanted. ``lookup`` is ``os.environ``, ``config`` what
    python-decouple sees; ``made`` are all objects that calls made, in order.
    """

    def __init__(
        self,
        tree: Tree,
        lookup: Lookup,
        used: Callable[[str, Place], None] = lambda _n, _p: None,
        config: Lookup | None = None,
        files: dict[str, Module | str | None] | None = None,
    ) -> None:
        self.tree = tree
        self.lookup = lookup
        self.config = config or lookup
        self.used = used
        self.made: list[Made] = []
        self.files: dict[str, Module | str | None] = {} if files is None else files
        self.unread: list[Unread] = []
        self.on_item: Callable[[str, str, Value, int], None] = lambda _p, _k, _v, _l: None
        self._paths = frozenset(tree.paths)
        self._scopes: dict[str, Scope] = {}
        self._running: list[ast.AST] = []
        self._modules: list[str] = []
        self._left = _MOST_STATEMENTS
        self._depth = 0

    # -- values ------------------------------------------------------------------------------------------------

    def value(self, node: ast.AST, scope: Scope) -> Value:
        """What an expression is."""
        step = STEPS.get(type(node))
        if step is None or self._depth > DEEPEST * 2:
            return unknown(node, "only a run could tell")
        self._depth += 1
        try:
            return step(self, node, scope)
        finally:
            self._depth -= 1

    def variable(self, name: str, node: ast.AST, scope: Scope, lookup: Lookup | None = None) -> Known:
        """A variable of the environment, as text; None where nothing sets it."""
        self.used(name, Place(scope.module.path, getattr(node, "lineno", None)))
        found = (lookup or self.lookup)(name)
        value = None if found is None else str(found.value)
        setting = found or Setting(name, None, None, "nothing sets it")
        return Known(value, scope.module.path, getattr(node, "lineno", 1), setting)

    def resolved(self, value: Value, names: dict[str, Value], name: str) -> Value:
        """A value, its import followed if it is one; kept among the names it was found in."""
        if not isinstance(value, Known) or not isinstance(value.value, Lazy):
            return value
        lazy = value.value
        if len(self._modules) > _DEEPEST_IMPORT:
            return Known(Named(lazy.dotted), value.file, value.line)
        names[name] = Unknown(name, "a circle of imports", value.line)
        space = self.names(lazy.path)
        found: Value | None = None
        if space is not None and lazy.name is None:
            found = Known(Space(space.names), value.file, value.line)
        elif space is not None and lazy.name in space.names:
            found = self.resolved(space.names[lazy.name], space.names, lazy.name)
        elif lazy.inner is not None and (deeper := self.names(lazy.inner)) is not None:
            found = Known(Space(deeper.names), value.file, value.line)
        found = found or Known(Named(lazy.dotted), value.file, value.line)
        names[name] = found
        return found

    def known(self, path: str, wanted: Callable[[str], bool] = lambda _: True) -> dict[str, Value]:
        """The names of a module that are wanted, every import followed; empty if it cannot be read."""
        scope = self.names(path)
        names = scope.names if scope is not None else {}
        return {name: self.resolved(value, names, name) for name, value in list(names.items()) if wanted(name)}

    # -- modules -----------------------------------------------------------------------------------------------

    def module(self, path: str) -> Module | None:
        """A file parsed, or None if it cannot be; why is then in `unread`."""
        if path not in self.files:
            text = self.tree.text(path)
            self.files[path] = None if text is None else parsed(text, path)
        found = self.files[path]
        if isinstance(found, str):
            self.unread.append(Unread(Place(path), "", found))
            return None
        return found

    def names(self, path: str) -> Scope | None:
        """The names of a module once it has been gone through. A circle of imports sees what is there so far."""
        if path not in self._scopes:
            if self._modules and len(self._scopes) >= _MOST_MODULES:
                return None
            module = self.module(path)
            if module is None:
                return None
            scope = self._scopes[path] = Scope(module, {})
            self._modules.append(path)
            self._run(lambda: self.block(module.tree.body, scope), path)
            self._modules.pop()
        return self._scopes[path]

    def _run(self, step: Callable[[], object], path: str) -> None:
        """A module or a function gone through; source that is nested too deeply is said not to be read."""
        try:
            step()
        except RecursionError:
            self._running.clear()
            self.unread.append(Unread(Place(path), "", "it is nested too deeply"))

    def found(self, dotted: str, module: Module, level: int = 0) -> str | None:
        """The file of the tree that an import names: beside the module, or below a folder around it."""
        inner = dotted.replace(".", "/")
        folder = posixpath.dirname(module.path)
        if level:
            for _ in range(level - 1):
                folder = posixpath.dirname(folder)
            roots = [folder]
        elif dotted.partition(".")[0] in sys.stdlib_module_names:
            return None
        else:
            parts = folder.split("/") if folder else []
            roots = ["/".join(parts[:n]) for n in range(len(parts), -1, -1)]
            roots = [*roots, "src"]
        for root in roots:
            base = posixpath.join(root, inner) if inner else root
            for path in (f"{base}.py", posixpath.join(base, "__init__.py")):
                if path in self._paths:
                    return path
        return None

    def functions(self, path: str) -> None:
        """Go through every function of a module as if somebody had called it with what only a run could tell."""
        scope = self.names(path)
        if scope is None:
            return
        for one in list(_functions(scope)):
            self._run(functools.partial(self.called, one, (), {}, scope), path)

    # -- functions -----------------------------------------------------------------------------------------------

    def called(
        self, function: Function, positional: Sequence[Value], keywords: Mapping[str, Value], scope: Scope
    ) -> Value | None:
        """What a function of the tree returns for these arguments; None if that is not known."""
        node = function.node
        if node in self._running or len(self._running) >= _DEEPEST_CALL:
            return None
        own = Scope(function.scope.module, {}, function.scope, scope.uncertain, scope.in_loop)
        arguments = [*node.args.posonlyargs, *node.args.args]
        if function.owner is not None and arguments:
            own.names[arguments[0].arg] = function.owner
            arguments = arguments[1:]
        defaults = dict(zip((a.arg for a in reversed(arguments)), reversed(node.args.defaults), strict=False))
        defaults |= {
            a.arg: d for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d is not None
        }
        told = dict(zip((a.arg for a in arguments), positional, strict=False)) | dict(keywords)
        for one in [*arguments, *node.args.kwonlyargs]:
            if one.arg in told:
                own.names[one.arg] = told[one.arg]
            elif one.arg in defaults and (positional or keywords):
                own.names[one.arg] = self.value(defaults[one.arg], function.scope)
            else:
                part = Made("a parameter", Place(own.module.path, one.lineno))
                own.names[one.arg] = Known(part, own.module.path, one.lineno)
        self._running.append(node)
        try:
            if isinstance(node, ast.Lambda):
                return self.value(node.body, own)
            self.block(node.body, own)
        except _Left as left:
            return left.value
        finally:
            self._running.pop()
        return literal(None, node, own)

    # -- statements ------------------------------------------------------------------------------------------------

    def block(self, body: Sequence[ast.stmt], scope: Scope) -> None:
        """Go through statements in order."""
        for statement in body:
            self._left -= 1
            if self._left < 0:
                return
            step = _STATEMENTS.get(type(statement))
            if step is not None:
                try:
                    step(self, statement, scope)
                except _Left:
                    if scope.outer is None or scope.uncertain:
                        return
                    raise

    def assign(self, target: ast.AST, value: Value, scope: Scope) -> None:
        """Let a target stand for a value."""
        if isinstance(target, ast.Name):
            scope.names[target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            parts = value.value if isinstance(value, Known) and isinstance(value.value, tuple) else ()
            for at, one in enumerate(target.elts):
                part = parts[at] if at < len(parts) else unknown(one, "only a run could tell")
                self.assign(one, part, scope)
        elif isinstance(target, ast.Attribute):
            whole = self.value(target.value, scope)
            inner = whole.value if isinstance(whole, Known) else None
            if isinstance(inner, Space):
                inner.names[target.attr] = value
            elif isinstance(inner, Made):
                inner.attributes[target.attr] = value
        elif isinstance(target, ast.Subscript):
            self._item(target, value, scope)

    def _item(self, target: ast.Subscript, value: Value, scope: Scope) -> None:
        whole, key = self.value(target.value, scope), self.value(target.slice, scope)
        if not isinstance(whole, Known) or not isinstance(key, Known) or not isinstance(key.value, (str, int)):
            return
        if isinstance(whole.value, dict):
            whole.value[key.value] = value
        elif isinstance(whole.value, Space):
            whole.value.names[str(key.value)] = value
        elif isinstance(whole.value, Made):
            whole.value.attributes[str(key.value)] = value
            self.on_item(scope.module.path, str(key.value), value, target.lineno)

    def branches(self, node: ast.AST, bodies: Sequence[Sequence[ast.stmt]], scope: Scope, why: str) -> None:
        """Go through several sides of which one runs: names they leave different are not known."""
        before = dict(scope.names)
        ends: list[dict[str, Value]] = []
        was, scope.uncertain = scope.uncertain, True
        for body in bodies:
            scope.names.clear()
            scope.names.update(before)
            self.block(body, scope)
            ends.append(dict(scope.names))
        scope.uncertain = was
        for name in {name for end in ends for name in end}:
            first = ends[0].get(name)
            if all(end.get(name) is first for end in ends):
                scope.names[name] = first  # type: ignore[assignment]
            else:
                scope.names[name] = unknown(node, why)


def _functions(scope: Scope) -> Iterator[Function]:
    """The functions of a module and the methods of its classes."""
    seen: set[int] = set()
    for value in list(scope.names.values()):
        inner = value.value if isinstance(value, Known) else None
        if isinstance(inner, Function) and inner.scope.module is scope.module and id(inner) not in seen:
            seen.add(id(inner))
            yield inner
        elif isinstance(inner, Space):
            for one in list(inner.names.values()):
                method = one.value if isinstance(one, Known) else None
                if isinstance(method, Function) and method.scope.module is scope.module and id(method) not in seen:
                    seen.add(id(method))
                    yield method


# -- one step for each kind of statement -------------------------------------------------------------------------


def _assigned(program: Program, node: ast.Assign, scope: Scope) -> None:
    value = program.value(node.value, scope)
    for target in node.targets:
        program.assign(target, value, scope)


def _annotated(program: Program, node: ast.AnnAssign, scope: Scope) -> None:
    if node.value is not None:
        program.assign(node.target, program.value(node.value, scope), scope)


def _added(program: Program, node: ast.AugAssign, scope: Scope) -> None:
    whole = ast.copy_location(ast.BinOp(node.target, node.op, node.value), node)
    program.assign(node.target, program.value(whole, scope), scope)


def _expression(program: Program, node: ast.Expr, scope: Scope) -> None:
    program.value(node.value, scope)


def _if(program: Program, node: ast.If, scope: Scope) -> None:
    condition = program.value(node.test, scope)
    truth = truthy(condition)
    if truth is None:
        told = condition if isinstance(condition, Unknown) else unknown(node.test, "only a run could tell")
        program.branches(node.test, (node.body, node.orelse), scope, f"it depends on a condition ({told.why})")
    else:
        program.block(node.body if truth else node.orelse, scope)


def _for(program: Program, node: ast.For | ast.AsyncFor | ast.While, scope: Scope) -> None:
    was = scope.in_loop
    if not isinstance(node, ast.While):
        over = program.value(node.iter, scope)
        program.assign(node.target, unknown(node.target, "it changes with each turn of a loop"), scope)
        call = isinstance(node.iter, ast.Call) and isinstance(node.iter.func, ast.Name) and node.iter.func.id == "range"
        scope.in_loop = was or not call  # for … in range(3): most often attempts, not recipients
        if isinstance(over, Known) and over.value == ():
            scope.in_loop = was
            return
    program.block(node.body, scope)
    scope.in_loop = was
    program.block(node.orelse, scope)


def _with(program: Program, node: ast.With | ast.AsyncWith, scope: Scope) -> None:
    for item in node.items:
        value = program.value(item.context_expr, scope)
        if item.optional_vars is not None:
            program.assign(item.optional_vars, value, scope)
    program.block(node.body, scope)


def _try(program: Program, node: ast.Try, scope: Scope) -> None:
    """What runs when nothing fails; the handlers are looked at, and what they set does not count."""
    program.block(node.body, scope)
    after = dict(scope.names)
    was, scope.uncertain = scope.uncertain, True
    for handler in node.handlers:
        program.block(handler.body, scope)
        scope.names.clear()
        scope.names.update(after)
    scope.uncertain = was
    program.block([*node.orelse, *node.finalbody], scope)


def _match(program: Program, node: ast.Match, scope: Scope) -> None:
    program.branches(node.subject, [case.body for case in node.cases], scope, "it depends on a match")


def _function(_program: Program, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
    scope.names[node.name] = literal(Function(node, scope), node, scope)


def _class(program: Program, node: ast.ClassDef, scope: Scope) -> None:
    bases: list[str] = []
    names: dict[str, Value] = {}
    for base in node.bases:
        inner: Any = program.value(base, scope)
        inner = inner.value if isinstance(inner, Known) else None
        if isinstance(inner, Named):
            bases.append(inner.dotted)
        elif isinstance(inner, Space):
            bases.extend(inner.bases)
            names.update(inner.names)
    own = Scope(scope.module, names, scope, scope.uncertain, scope.in_loop)
    space = Space(names, tuple(bases))
    itself = literal(space, node, scope)
    if any(base.endswith("BaseSettings") for base in bases):
        for one in node.body:  # the names of its fields are variables, by rules only pydantic knows
            if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
                names[one.target.id] = unknown(one.target, "pydantic-settings reads it when the program runs")
        scope.names[node.name] = itself
        return
    program.block(node.body, own)
    for name, value in names.items():
        if isinstance(value, Known) and isinstance(value.value, Function) and value.value.owner is None:
            names[name] = literal(Function(value.value.node, scope, itself), value.value.node, scope)
    scope.names[node.name] = itself
    start = names.get("__init__")
    if isinstance(start, Known) and isinstance(start.value, Function):
        program.called(start.value, (), {}, scope)


def _import(program: Program, node: ast.Import, scope: Scope) -> None:
    for one in node.names:
        top = one.name if one.asname else one.name.partition(".")[0]
        path = program.found(top, scope.module)
        told: Any = Named(top) if path is None else Lazy(path, None, None, top)
        scope.names[one.asname or top] = literal(told, node, scope)


def _import_from(program: Program, node: ast.ImportFrom, scope: Scope) -> None:
    dotted = node.module or ""
    path = program.found(dotted, scope.module, node.level)
    for one in node.names:
        if one.name == "*":
            space = program.names(path) if path is not None else None
            names = space.names if space is not None else {}
            scope.names.update({n: v for n, v in names.items() if not n.startswith("_")})
            if space is None and (node.level or _ours(program, dotted)):
                shown = f"from {'.' * node.level}{dotted} import *"
                program.unread.append(Unread(Place(scope.module.path, node.lineno), shown, "it is not in the tree"))
            continue
        whole = f"{dotted}.{one.name}".lstrip(".")
        inner = program.found(whole, scope.module, node.level) if path is None or path.endswith("__init__.py") else None
        first = path or inner
        told: Any = Named(f"{'.' * node.level}{dotted}.{one.name}")
        if first is not None:
            told = Lazy(first, one.name if path is not None else None, inner, told.dotted)
        scope.names[one.asname or one.name] = literal(told, node, scope)


def _ours(program: Program, dotted: str) -> bool:
    top = dotted.partition(".")[0]
    return any(path.startswith(f"{top}/") for path in program.tree.paths)


def _leave(program: Program, node: ast.Return | ast.Raise, scope: Scope) -> None:
    value = program.value(node.value, scope) if isinstance(node, ast.Return) and node.value is not None else None
    raise _Left(value)


_STATEMENTS: Mapping[type[ast.stmt], Callable[..., None]] = {
    ast.Assign: _assigned,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _added,
    ast.Expr: _expression,
    ast.If: _if,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _for,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Try: _try,
    ast.TryStar: _try,
    ast.Match: _match,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.ClassDef: _class,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.Return: _leave,
    ast.Raise: _leave,
}

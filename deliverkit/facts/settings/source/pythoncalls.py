"""What calls return in Python, as far as it can be told: conversions, methods of text, and what reads variables.

``os.environ``, python-decouple, django-environ, environs and dj-email-url are followed by their own rules. A call of a
function of the tree is followed; any other call makes an object (`Made`) that remembers what it was made from.

What this file will not do: know what a mail library does with its arguments.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from deliverkit.facts.settings.source.emailurl import DJ_SCHEMES, ENVIRON_SCHEMES, email_url
from deliverkit.facts.settings.source.javascript import Known, Unknown, Value
from deliverkit.facts.settings.source.python import (
    Called,
    Function,
    Made,
    Named,
    Scope,
    Space,
    literal,
    plain,
    truthy,
    unknown,
)
from deliverkit.facts.settings.values import Place, ValueFault

if TYPE_CHECKING:
    from deliverkit.facts.settings.source.pythonrun import Program

_TRUE = frozenset(("y", "yes", "t", "true", "on", "1"))
_FALSE = frozenset(("n", "no", "f", "false", "off", "0"))
_ENVIRON_TRUE = frozenset(("true", "on", "ok", "y", "yes", "1"))  # django-environ, Env.BOOLEAN_TRUE_STRINGS
_METHODS = frozenset(
    ("strip", "lstrip", "rstrip", "lower", "upper", "title", "capitalize", "casefold", "replace", "startswith",
     "endswith", "removeprefix", "removesuffix", "isdigit", "encode", "decode")
)  # fmt: skip
_ENV_CLASSES = ("environ.Env", "environ.FileAwareEnv", "environs.Env")


def call(program: Program, node: ast.Call, scope: Scope) -> Value:
    """What a call returns. Its arguments are evaluated once, whatever it is."""
    positional: list[Value] = []
    for one in node.args:
        value = program.value(one, scope)
        if isinstance(one, ast.Starred) and isinstance(value, Known) and isinstance(value.value, tuple):
            positional.extend(value.value)
        else:
            positional.append(value)
    keywords: dict[str, Value] = {}
    for keyword in node.keywords:
        value = program.value(keyword.value, scope)
        if keyword.arg is not None:
            keywords[keyword.arg] = value
        elif isinstance(value, Known) and isinstance(value.value, dict):
            keywords |= {str(name): inner for name, inner in value.value.items()}
        else:
            keywords["**"] = value if isinstance(value, Unknown) else unknown(keyword.value, "only a run could tell")
    if isinstance(node.func, ast.Attribute):
        owner = program.value(node.func.value, scope)
        if isinstance(owner, Known) and not isinstance(owner.value, (Named, Space)):
            found = _method(program, node, owner, node.func.attr, positional, keywords, scope)
            if found is not None:
                return found
        if isinstance(owner, Known) and isinstance(owner.value, Space) and node.func.attr == "update":
            for given in (*positional, literal(dict(keywords), node, scope)):  # vars().update(…), globals().update(…)
                if isinstance(given, Known) and isinstance(given.value, dict):
                    owner.value.names.update({str(name): inner for name, inner in given.value.items()})
            return literal(None, node, scope)
    elif isinstance(node.func, ast.Name) and node.func.id in ("vars", "globals", "locals") and not node.args:
        return literal(Space(scope.names), node, scope)
    what = program.value(node.func, scope)
    if isinstance(what, Unknown):
        return unknown(node, what.why)
    if isinstance(what.value, Function):
        returned = program.called(what.value, positional, keywords, scope)
        return unknown(node, "what it returns only a run could tell") if returned is None else returned
    if isinstance(what.value, Space):
        return _instance(program, what, node, positional, keywords, scope)
    if isinstance(what.value, Named):
        known = _CALLS.get(what.value.dotted)
        if known is not None:
            return known(program, node, scope, positional, keywords)
        return _made(program, what.value.dotted, node, scope, positional, keywords)
    if isinstance(what.value, Made):
        return _of_made(program, node, what.value, "", positional, keywords, scope)
    return unknown(node, "what it returns only a run could tell")


def _made(
    program: Program,
    dotted: str,
    node: ast.AST,
    scope: Scope,
    positional: Sequence[Value],
    keywords: Mapping[str, Value],
) -> Value:
    place = Place(scope.module.path, getattr(node, "lineno", None))
    one = Made(dotted, place, tuple(positional), dict(keywords), node, scope.in_loop, scope.uncertain)
    program.made.append(one)
    return literal(one, node, scope)


def _instance(
    program: Program,
    what: Known,
    node: ast.Call,
    positional: Sequence[Value],
    keywords: Mapping[str, Value],
    scope: Scope,
) -> Value:
    """An instance of a class of the tree: its own names, and what ``__init__`` gives it. Its making is kept too."""
    own = Space(dict(what.value.names), what.value.bases)
    itself = literal(own, node, scope)
    for name, value in own.names.items():
        if isinstance(value, Known) and isinstance(value.value, Function):
            own.names[name] = replace(value, value=Function(value.value.node, value.value.scope, itself))
    start = own.names.get("__init__")
    if isinstance(start, Known) and isinstance(start.value, Function):
        program.called(start.value, positional, keywords, scope)
    else:
        own.names.update(keywords)
    return itself


def _method(
    program: Program, node: ast.Call, owner: Known, name: str, positional: Sequence[Value],
    keywords: Mapping[str, Value], scope: Scope,
) -> Value | None:  # fmt: skip
    """A method of text, of a dict, or of an object that a call made."""
    inner = owner.value
    if isinstance(inner, Made):
        return _of_made(program, node, inner, name, positional, keywords, scope)
    if isinstance(inner, (str, bytes)) and name in _METHODS:
        if not all(plain(one) or (isinstance(one, Known) and isinstance(one.value, tuple)) for one in positional):
            return unknown(node, "an argument only a run could tell")
        given = [_bare(one) for one in positional]
        try:
            return replace(literal(getattr(inner, name)(*given), node, scope), setting=owner.setting)
        except (TypeError, ValueError, AttributeError):
            return unknown(node, "Python stops here")
    if isinstance(inner, dict):
        if name == "get" and positional and plain(positional[0]):
            default = positional[1] if len(positional) > 1 else literal(None, node, scope)
            found: Value = inner.get(_bare(positional[0]), default)
            return found
        if name == "update":
            for one in (*positional, literal(dict(keywords), node, scope)):
                if isinstance(one, Known) and isinstance(one.value, dict):
                    inner.update(one.value)
            return literal(None, node, scope)
    return None if not isinstance(inner, (int, float, type(None))) else unknown(node, "only a run could tell")


def _bare(value: Value) -> Any:
    if isinstance(value, Known):
        return tuple(_bare(one) for one in value.value) if isinstance(value.value, tuple) else value.value
    return None


def _of_made(
    program: Program, node: ast.Call, owner: Made, name: str, positional: Sequence[Value],
    keywords: Mapping[str, Value], scope: Scope,
) -> Value:  # fmt: skip
    """A call on an object: of `Env` and `config` a variable; else it is kept, and what it returns is an object too."""
    if owner.dotted in _ENV_CLASSES:
        return _env(program, owner, node, scope, name or "str", positional, keywords, cast=bool(name))
    if owner.dotted in ("decouple.Config", "decouple.AutoConfig") and name in ("", "get"):
        return _decouple(program, node, scope, positional, keywords)
    certain = scope.uncertain <= owner.uncertain
    owner.calls.append(Called(name, tuple(positional), dict(keywords), node.lineno, certain))
    if owner.dotted == "email.header.Header" and name in ("encode", "__str__"):
        return literal(owner, node, scope)
    if name == "update" and owner.dotted.endswith(".config"):
        for one in (*positional, literal(dict(keywords), node, scope)):
            if isinstance(one, Known) and isinstance(one.value, dict):
                owner.attributes.update({str(key): value for key, value in one.value.items()})
    if name == "add_header" and len(positional) > 1 and isinstance(positional[0], Known):
        program.on_item(scope.module.path, str(positional[0].value), positional[1], node.lineno)
    return _made(
        program, f"{owner.dotted}().{name}" if name else f"{owner.dotted}()", node, scope, positional, keywords
    )


# -- conversions -----------------------------------------------------------------------------------------------


def _conversion(made: type) -> Callable[..., Value]:
    def convert(
        _program: Program, node: ast.Call, scope: Scope, positional: Sequence[Value], keywords: Mapping[str, Value]
    ) -> Value:
        if not positional:
            return (
                literal({int: 0, str: "", float: 0.0, bool: False}[made], node, scope)
                if not keywords
                else unknown(node, "only a run could tell")
            )
        return converted(positional[0], made, node)

    return convert


def converted(value: Value, made: Callable[[Any], Any], node: ast.AST) -> Value:
    """A value through ``int``, ``str``, ``float`` or ``bool``; what Python refuses is not known, and said."""
    if isinstance(value, Unknown):
        return value
    if made is bool:
        truth = truthy(value)
        return unknown(node, "only a run could tell") if truth is None else replace(value, value=truth)
    if not plain(value):
        return unknown(node, "only a run could tell")
    if value.value is None and made is not str and value.setting is not None and value.setting.value is None:
        return unknown(node, f"nothing sets {value.setting.name}, and Python stops here")
    if isinstance(value.value, str) and len(value.value) > 1000 and made is not str:
        return unknown(node, "no number")
    try:
        return replace(value, value=made(value.value))
    except (TypeError, ValueError, OverflowError):
        return unknown(node, f"Python stops here: no {made.__name__}")


def _dict(
    _program: Program, node: ast.Call, scope: Scope, positional: Sequence[Value], keywords: Mapping[str, Value]
) -> Value:
    found: dict[Any, Value] = {}
    for one in positional:
        if not isinstance(one, Known) or not isinstance(one.value, dict):
            return unknown(node, "only a run could tell")
        found |= one.value
    return literal({**found, **keywords}, node, scope)


def cast_bool(text: str) -> bool:
    """``strtobool``, as python-decouple and environs have it. Raises ValueError for any other word."""
    word = text.lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError(text)


# -- variables -------------------------------------------------------------------------------------------------


def _getenv(
    program: Program, node: ast.Call, scope: Scope, positional: Sequence[Value], keywords: Mapping[str, Value]
) -> Value:
    """``os.getenv(name, default)``, ``os.environ.get(name, default)``."""
    if not positional or not isinstance(positional[0], Known) or not isinstance(positional[0].value, str):
        return unknown(node, "the name of the variable only a run could tell")
    found = program.variable(positional[0].value, node, scope)
    default = positional[1] if len(positional) > 1 else keywords.get("default")
    if found.value is None and default is not None:
        return default
    return found


def _decouple(
    program: Program, node: ast.Call, scope: Scope, positional: Sequence[Value], keywords: Mapping[str, Value]
) -> Value:
    """``config(name, default=…, cast=…)``; the cast is for the default too (python-decouple, Config.get)."""
    if not positional or not isinstance(positional[0], Known) or not isinstance(positional[0].value, str):
        return unknown(node, "the name of the variable only a run could tell")
    value: Value = program.variable(positional[0].value, node, scope, program.config)
    default = positional[1] if len(positional) > 1 else keywords.get("default")
    if isinstance(value, Known) and value.value is None and default is not None:
        value = default
    cast = positional[2] if len(positional) > 2 else keywords.get("cast")
    return _cast(program, value, cast, node, scope, cast_bool)


def _cast(
    program: Program, value: Value, cast: Value | None, node: ast.AST, scope: Scope, to_bool: Callable[[str], bool]
) -> Value:
    if cast is None or (isinstance(cast, Known) and cast.value is None):
        return value
    inner = cast.value if isinstance(cast, Known) else None
    if isinstance(inner, Function) and isinstance(value, Known):
        returned = program.called(inner, (value,), {}, scope)
        return unknown(node, "what its cast returns only a run could tell") if returned is None else returned
    if not isinstance(inner, Named) or inner.dotted not in ("int", "str", "float", "bool"):
        return unknown(node, "what its cast returns only a run could tell")
    if inner.dotted == "bool" and isinstance(value, Known) and isinstance(value.value, str):
        try:
            return replace(value, value=bool(value.value) and to_bool(value.value))
        except ValueError:
            return unknown(node, f"{value.value[:20]!r} is no truth value, and the program stops here")
    return converted(value, {"int": int, "str": str, "float": float, "bool": bool}[inner.dotted], node)


def _environ_bool(text: str) -> bool:
    """django-environ, Env.parse_value: a number counts as one, any word it does not know is False."""
    try:
        return int(text) != 0
    except ValueError:
        return text.lower().strip() in _ENVIRON_TRUE


def _env(
    program: Program, owner: Made, node: ast.Call, scope: Scope, name: str, positional: Sequence[Value],
    keywords: Mapping[str, Value], *, cast: bool,
) -> Value:  # fmt: skip
    """``env("X", default=…)``, ``env.int("X", 587)``, ``env.email_url("EMAIL_URL")``."""
    theirs = owner.dotted.startswith("environ.")
    if name in ("read_env", "prefixed", "seal", "dump"):
        return _made(program, f"{owner.dotted}().{name}", node, scope, positional, keywords)
    variable = positional[0] if positional else keywords.get("var", keywords.get("name"))
    if variable is None and name in ("email_url", "email"):
        variable = literal("EMAIL_URL", node, scope)
    if not isinstance(variable, Known) or not isinstance(variable.value, str):
        return unknown(node, "the name of the variable only a run could tell")
    scheme = owner.keywords.get(variable.value) if theirs else None
    told = scheme.value if isinstance(scheme, Known) and isinstance(scheme.value, tuple) else (scheme,)
    at = 2 if name == "str" and not cast else 1
    default = keywords.get("default", positional[at] if len(positional) > at else None)
    if default is None and len(told) > 1:
        default = told[1]
    value: Value = program.variable(variable.value, node, scope)
    if isinstance(value, Known) and isinstance(value.value, str) and value.value.startswith("$") and theirs:
        value = _proxied(program, value, node)
    if isinstance(value, Known) and value.value is None and default is not None:
        value = default
    if name in ("email_url", "email"):
        return email_url(value, node, scope, ENVIRON_SCHEMES) if theirs else unknown(node, "environs: not followed")
    kind: Value | None = told[0] if told else None
    kind = keywords.get("cast") or (positional[1] if at == 2 and len(positional) > 1 else None) or kind
    if cast:
        kind = literal(Named(name), node, scope) if name in ("int", "bool", "float", "str") else kind
        if name not in ("int", "bool", "float", "str", "get_value", "url"):
            return unknown(node, f"what env.{name} returns is not followed")
    elif kind is None and theirs and isinstance(default, Known) and isinstance(default.value, (bool, int, float)):
        kind = literal(Named(type(default.value).__name__), node, scope)  # Env.smart_cast
    return _cast(program, value, kind, node, scope, _environ_bool if theirs else cast_bool)


def _proxied(program: Program, value: Known, node: ast.AST) -> Value:
    """django-environ takes a value that begins with $ for the name of another variable (Env.get_value)."""
    name = str(value.value).lstrip("$")
    found = program.lookup(name)
    setting = value.setting
    if setting is not None:
        told = ValueFault(
            "expanded",
            f"django-environ takes it for a variable's name, which is {'set' if found else 'not set'}",
        )
        setting = replace(setting, faults=(*setting.faults, told))
    if found is None:
        return unknown(
            node, "its value begins with $, which django-environ takes for the name of a variable nothing sets"
        )
    return replace(value, value=str(found.value), setting=setting)


# -- one URL for all settings of Django ----------------------------------------------------------------------


def _dj_config(
    program: Program, node: ast.Call, scope: Scope, positional: Sequence[Value], keywords: Mapping[str, Value]
) -> Value:
    """``dj_email_url.config(env="EMAIL_URL", default=None)``."""
    name = keywords.get("env", positional[0] if positional else literal("EMAIL_URL", node, scope))
    default = keywords.get("default", positional[1] if len(positional) > 1 else None)
    found = _getenv(program, node, scope, [name, *([default] if default is not None else [])], {})
    return email_url(found, node, scope, DJ_SCHEMES)


def _dj_parse(
    _program: Program, node: ast.Call, scope: Scope, positional: Sequence[Value], _keywords: Mapping[str, Value]
) -> Value:
    return email_url(positional[0], node, scope, DJ_SCHEMES) if positional else unknown(node, "no URL")


_CALLS: Mapping[str, Callable[..., Value]] = {
    "int": _conversion(int),
    "str": _conversion(str),
    "float": _conversion(float),
    "bool": _conversion(bool),
    "dict": _dict,
    "os.getenv": _getenv,
    "os.environ.get": _getenv,
    "os.environ.setdefault": _getenv,
    "decouple.config": _decouple,
    "dj_email_url.config": _dj_config,
    "dj_email_url.parse": _dj_parse,
    **{f"{name}.read_env": lambda p, n, s, a, k: _made(p, "read_env", n, s, a, k) for name in _ENV_CLASSES},
}

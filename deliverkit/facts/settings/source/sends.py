"""Where JavaScript and TypeScript send mail, and what becomes of the promise: awaited, returned, or dropped.

A dropped promise ends with the request on hosts that stop a function once it has answered. What this file will not do:
follow a promise out of its function, or judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from deliverkit.facts.settings.model import SendCall, SourceMark
from deliverkit.facts.settings.source.javascript import Module
from deliverkit.facts.settings.source.syntax import Node, ancestors, line_of, text_of, walk
from deliverkit.facts.settings.values import Place

_FUNCTIONS = frozenset(
    (
        "function_declaration",
        "function_expression",
        "arrow_function",
        "method_definition",
        "generator_function_declaration",
    )
)
_KEPT_BY = re.compile(r"(?:^|\.)(?:waitUntil|after|unstable_after|allSettled|all|race|any)$")
_EDGE = re.compile(
    r"""export\s+const\s+runtime\s*=\s*['"](?:experimental-)?edge['"]|runtime\s*:\s*['"](?:experimental-)?edge['"]"""
)
_HANDLERS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "handler", "default", "action", "loader"))


def sends(module: Module, text: str) -> Iterator[SendCall]:
    """Every ``….sendMail(…)`` of a module."""
    runtime = "edge" if _EDGE.search(text) else "node"
    for call in (n for n in walk(module.root) if n.type == "call_expression"):
        function = call.child_by_field_name("function")
        if function.type != "member_expression" or text_of(function.child_by_field_name("property")) != "sendMail":
            continue
        arguments = call.child_by_field_name("arguments").named_children
        fate, top = ("callback", call) if len(arguments) > 1 else _fate(call)
        yield SendCall(
            place=Place(module.path, line_of(call)),
            call=text_of(function, 120),
            fate=fate,
            errors=_errors(top, arguments),
            runtime=runtime,
            in_request=_in_request(call),
        )


def _fate(call: Node) -> tuple[str, Node]:
    """What becomes of the promise, and the expression that it ends in (the last ``.then`` of a chain)."""
    here = call
    chained = False
    for parent in ancestors(call):
        kind = parent.type
        if kind == "member_expression":
            chained = chained or text_of(parent.child_by_field_name("property")) in ("then", "catch", "finally")
            here = parent
        elif kind == "call_expression":
            function = parent.child_by_field_name("function")
            if function == here:
                here = parent
            elif _KEPT_BY.search(re.sub(r"\s+", "", text_of(function, 80))):
                return "awaited", parent
            else:
                return "unknown", parent
        elif kind == "await_expression":
            return "awaited", here
        elif kind == "return_statement":
            return "returned", here
        elif kind == "arrow_function":
            return ("returned" if parent.child_by_field_name("body") == here else "dropped"), here
        elif kind in ("variable_declarator", "assignment_expression"):
            return _kept_in_a_name(parent), here
        elif kind == "expression_statement" or (kind == "unary_expression" and text_of(parent).startswith("void")):
            return "dropped", here
        elif kind in ("parenthesized_expression", "as_expression", "non_null_expression", "ternary_expression",
                      "binary_expression", "arguments", "array", "sequence_expression"):  # fmt: skip
            here = parent
        else:
            return "unknown", here
    return "unknown", here


def _kept_in_a_name(declarator: Node) -> str:
    """``const sent = t.sendMail(…)``: awaited or returned later in the same function, or not at all."""
    name = declarator.child_by_field_name("name") or declarator.child_by_field_name("left")
    if name is None or name.type != "identifier":
        return "unknown"
    around = next((a for a in ancestors(declarator) if a.type in _FUNCTIONS), None)
    if around is None:
        return "unknown"
    word = text_of(name)
    used = False
    for node in walk(around):
        if node.type == "identifier" and node != name and text_of(node) == word:
            used = True
            for parent in ancestors(node):
                if parent.type in ("await_expression", "return_statement"):
                    return "awaited" if parent.type == "await_expression" else "returned"
                if parent.type in _FUNCTIONS or parent.type.endswith("statement"):
                    break
    return "unknown" if used else "dropped"


def _errors(top: Node, arguments: list[Node]) -> str:
    """ "handled", "swallowed" (an empty catch, a callback that looks at no error), or "open"."""
    if len(arguments) > 1:
        callback = arguments[1]
        parameters = callback.child_by_field_name("parameters") or callback.child_by_field_name("parameter")
        body = callback.child_by_field_name("body")
        if parameters is None or body is None:
            return "open"
        first = re.match(r"\(?\s*(\w+)", text_of(parameters))
        looked = first is not None and re.search(rf"\b{first[1]}\b", text_of(body)) is not None
        return "handled" if looked else "swallowed"
    for node in walk(top):
        if node.type == "call_expression" and text_of(node.child_by_field_name("function")).endswith(".catch"):
            return "swallowed" if _nothing(node.child_by_field_name("arguments")) else "handled"
    for parent in ancestors(top):
        if parent.type == "try_statement":
            handler = parent.child_by_field_name("handler")
            if handler is not None:
                body = handler.child_by_field_name("body")
                return "swallowed" if body is not None and not body.named_children else "handled"
        if parent.type in _FUNCTIONS:
            break
    return "open"


def _nothing(arguments: Node) -> bool:
    """``() => {}``, ``() => null``, ``noop``: a handler that does nothing."""
    handler = arguments.named_children[0] if arguments.named_children else None
    if handler is None or handler.type not in ("arrow_function", "function_expression"):
        return False
    body = handler.child_by_field_name("body")
    if body.type == "statement_block":
        return not [child for child in body.named_children if child.type != "comment"]
    return body.type in ("null", "undefined", "true", "false", "object") and not body.named_children


def _in_request(node: Node) -> bool:
    """True inside a function that answers a request: a handler's name, or one that takes a request or a context."""
    for parent in ancestors(node):
        if parent.type not in _FUNCTIONS:
            continue
        name = parent.child_by_field_name("name")
        if name is not None and text_of(name) in _HANDLERS:
            return True
        parameters = parent.child_by_field_name("parameters")
        if parameters is not None and re.search(r"\b(?:req|request|ctx|context|event|formData)\b", text_of(parameters)):
            return True
        if "use server" in text_of(parent, 400):
            return True
    return False


def marks(module: Module, calls: tuple[Node, ...]) -> Iterator[SourceMark]:
    """What is odd about where transports are made. ``calls`` are the createTransport calls of the module."""
    for call in calls:
        if _in_request(call):
            detail = "a new transport, with its connection and its login, for each request"
            yield SourceMark("transport-per-request", Place(module.path, line_of(call)), detail)

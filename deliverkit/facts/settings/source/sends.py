"""Where JavaScript and TypeScript send mail, and what becomes of the promise: awaited, returned, or dropped.

A dropped promise ends with the request on hosts that stop a function once it has answered. A function that sends and
hands the promise on is followed one step, to where it is called. What this file will not do: judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from deliverkit.facts.settings.model import SendCall, SourceMark
from deliverkit.facts.settings.source.modules import FUNCTIONS, Module
from deliverkit.facts.settings.source.syntax import Node, ancestors, line_of, short_text, text_of, walk
from deliverkit.facts.settings.values import Place

_KEPT_BY = re.compile(r"(?:^|\.)(?:waitUntil|after|unstable_after)$")
_GATHERED = re.compile(r"(?:^|\.)(?:allSettled|all|race|any)$")
_CHAINED = ("then", "catch", "finally")
_LATER = frozenset(("setTimeout", "setInterval", "setImmediate", "process.nextTick", "queueMicrotask"))
_EDGE = re.compile(rb"""\bruntime\s*[=:]\s*['"](?:experimental-)?edge['"]""")
_ANSWERS = re.compile(r"\b(?:res|response|reply|resolve|reject|callback|cb|done|next)\b")
_HANDLERS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "handler", "action", "loader"))
_REQUEST = re.compile(r"\b(?:req|request|ctx|context|event|formData)\b")
_ROUTE = re.compile(r"@(?:Get|Post|Put|Patch|Delete|All|MessagePattern|EventPattern|Mutation|Query)\b")
_THROUGH = frozenset(
    ("parenthesized_expression", "as_expression", "non_null_expression", "ternary_expression", "binary_expression",
     "arguments", "array", "sequence_expression", "satisfies_expression", "spread_element")
)  # fmt: skip
_DONE = ("awaited", "returned", "chained", "callback")


def is_send(call: Node) -> bool:
    """``….sendMail(…)``."""
    function = call.child_by_field_name("function")
    return (
        function is not None
        and function.type == "member_expression"
        and text_of(function.child_by_field_name("property"), 40) == "sendMail"
    )


def sends(module: Module, *, serverless: bool = False) -> Iterator[SendCall]:
    """Every ``….sendMail(…)`` of a module."""
    for call in module.calls:
        if is_send(call):
            yield send_call(module, call, serverless=serverless)


def send_call(module: Module, call: Node, *, serverless: bool, wrapper: bool = False) -> SendCall:
    """What becomes of one call that sends; ``wrapper``: a function of the program that sends."""
    arguments = [a for a in call.child_by_field_name("arguments").named_children if a.type != "comment"]
    if len(arguments) > 1 and not wrapper:
        fate, top = _with_callback(call, arguments[1], serverless), call
    else:
        fate, top = _fate(call)
    return SendCall(
        place=Place(module.path, line_of(call)),
        call=short_text(call.child_by_field_name("function"), 120) or "sendMail",
        fate=fate,
        errors=_errors(top, [] if wrapper else arguments),
        runtime="edge" if _EDGE.search(module.root.text) else "node",
        in_request=in_request(call),
        serverless=serverless,
    )


def _with_callback(call: Node, callback: Node, serverless: bool) -> str:
    """A callback holds nothing up: where the program is stopped after its answer, the answer has to wait for it."""
    promised = any(a.type == "new_expression" and text_of(a, 12).startswith("new Promise") for a in ancestors(call))
    answers = _ANSWERS.search(text_of(callback, 4_000)) is not None or callback.type == "identifier"
    return "callback" if promised or answers or not serverless else "dropped"


def _fate(call: Node) -> tuple[str, Node]:
    """What becomes of the promise, and the expression that it ends in (the last ``.then`` of a chain)."""
    here, top, listed = call, call, False
    for parent in ancestors(call):
        kind = parent.type
        if kind == "member_expression":
            here = parent
        elif kind == "call_expression":
            function = parent.child_by_field_name("function")
            name = short_text(function, 2_000)
            if function == here:
                here = top = parent
            elif _KEPT_BY.search(name):
                return "awaited", parent
            elif _GATHERED.search(name):
                here, listed = parent, False
            elif name.endswith(".push"):
                return "unknown", here
            else:
                return "unknown", parent
        elif kind == "await_expression":
            return ("dropped" if listed else _outside("awaited", parent)), top
        elif kind == "return_statement":
            return _outside("returned", parent), top
        elif kind == "arrow_function":
            if parent.child_by_field_name("body") == here:
                return _outside("returned", here), top
            return "dropped", top
        elif kind in ("variable_declarator", "assignment_expression"):
            return _kept_in_a_name(parent), top
        elif kind == "expression_statement" or (kind == "unary_expression" and text_of(parent, 5).startswith("void")):
            return ("chained" if _answers_in_chain(call, top) else "dropped"), top
        elif kind in _THROUGH:
            here = parent
        else:
            return "unknown", top
    return "unknown", top


def _outside(inner: str, node: Node) -> str:
    """What becomes of the promise of the function around: a callback that nobody waits for drops what it awaits."""
    function = next((a for a in ancestors(node) if a.type in FUNCTIONS), None)
    around = function.parent if function is not None else None
    while around is not None and around.type == "parenthesized_expression":
        around = around.parent
    if function is None or around is None:
        return inner
    if around.type == "call_expression":  # (async () => { … })()
        return _fate(around)[0]
    if around.type != "arguments" or around.parent is None or around.parent.type != "call_expression":
        return inner
    caller = around.parent
    name = short_text(caller.child_by_field_name("function"), 2_000)
    method = name.rpartition(".")[2]
    if name in _LATER or method == "forEach":
        return "dropped"
    if _KEPT_BY.search(name):
        return "awaited"
    if method in _CHAINED:
        return _fate(caller)[0]
    return _of_list(caller) if method in ("map", "flatMap") else inner


def _of_list(mapped: Node) -> str:
    """``list.map(async …)`` is a list of promises: Promise.all waits for them, ``await`` of the list does not."""
    fate, _ = _fate(mapped)
    direct = mapped.parent is not None and mapped.parent.type == "await_expression"
    return "dropped" if direct else fate


def _answers_in_chain(call: Node, top: Node) -> bool:
    """True if the answer is given in a ``.then`` of the chain: whoever asked waits for it."""
    return call != top and _ANSWERS.search(text_of(top, 20_000)[len(text_of(call, 20_000)) :]) is not None


def _kept_in_a_name(declarator: Node) -> str:
    """``const sent = t.sendMail(…)``: awaited or returned later in the same function, or not at all."""
    name = declarator.child_by_field_name("name") or declarator.child_by_field_name("left")
    around = next((a for a in ancestors(declarator) if a.type in FUNCTIONS), None)
    if name is None or name.type != "identifier" or around is None:
        return "unknown"
    word, used = text_of(name), False
    for node in walk(around):
        if node.type == "identifier" and node != name and text_of(node) == word:
            used = True
            for parent in ancestors(node):
                if parent.type in ("await_expression", "return_statement"):
                    return "awaited" if parent.type == "await_expression" else "returned"
                if parent.type in FUNCTIONS or parent.type.endswith("statement"):
                    break
    return "unknown" if used else "dropped"


# -- errors ---------------------------------------------------------------------------------------------------


def _errors(top: Node, arguments: list[Node]) -> str:
    """ "handled", "swallowed" (an empty catch, a callback that looks at no error), or "open"."""
    if len(arguments) > 1:
        return _of_callback(arguments[1])
    here = top
    while here is not None and here.type in ("call_expression", "member_expression"):
        function = here.child_by_field_name("function")
        if function is not None and short_text(function, 20_000).endswith(".catch"):
            return "swallowed" if _nothing(here.child_by_field_name("arguments")) else "handled"
        here = function if function is not None else here.child_by_field_name("object")
    for parent in ancestors(top):
        if parent.type == "try_statement" and (handler := parent.child_by_field_name("handler")) is not None:
            return "swallowed" if _catches_nothing(handler) else "handled"
        if parent.type in FUNCTIONS:
            break
    return "open"


def _of_callback(callback: Node) -> str:
    parameters = callback.child_by_field_name("parameters") or callback.child_by_field_name("parameter")
    body = callback.child_by_field_name("body")
    if parameters is None or body is None:
        return "open"
    first = re.match(r"\(?\s*(\w+)", text_of(parameters, 200))
    looked = first is not None and re.search(rf"\b{first[1]}\b", text_of(body)) is not None
    return "handled" if looked else "swallowed"


def _catches_nothing(handler: Node) -> bool:
    """An empty catch, or one that only returns and says of no failure."""
    body, parameter = handler.child_by_field_name("body"), handler.child_by_field_name("parameter")
    statements = [child for child in body.named_children if child.type != "comment"] if body is not None else []
    if any(statement.type != "return_statement" for statement in statements):
        return False
    told = " ".join(text_of(statement, 2_000) for statement in statements)
    word = text_of(parameter, 100) if parameter is not None else ""
    named = bool(word) and re.search(rf"\b{re.escape(word)}\b", told) is not None
    return not named and re.search(r"error|fail|status|false|reject", told, re.IGNORECASE) is None


def _nothing(arguments: Node) -> bool:
    """``() => {}``, ``() => null``: a handler that does nothing."""
    handler = arguments.named_children[0] if arguments.named_children else None
    if handler is None or handler.type not in ("arrow_function", "function_expression"):
        return False
    body = handler.child_by_field_name("body")
    if body.type == "statement_block":
        return not [child for child in body.named_children if child.type != "comment"]
    return body.type in ("null", "undefined", "true", "false", "object") and not body.named_children


# -- where ------------------------------------------------------------------------------------------------------


def in_request(node: Node) -> bool:
    """True inside a function that answers a request: a handler's name, a route's decorator, one that takes a request
    or a context, or a server action.
    """
    function = None
    for function in (a for a in ancestors(node) if a.type in FUNCTIONS):
        name = function.child_by_field_name("name") or (
            function.parent.child_by_field_name("name") if function.parent.type == "variable_declarator" else None
        )
        if name is not None and text_of(name, 60) in _HANDLERS:
            return True
        parameters = function.child_by_field_name("parameters")
        if parameters is not None and _REQUEST.search(re.sub(r":[^,)]*", "", text_of(parameters, 400))):
            return True
        if re.match(r"""[^{]*\{\s*['"]use server['"]""", text_of(function, 400)):
            return True
        before = function.prev_named_sibling
        while before is not None and before.type == "decorator":
            if _ROUTE.match(text_of(before, 60)):
                return True
            before = before.prev_named_sibling
    return function is not None and _is_actions(node)


def _is_actions(node: Node) -> bool:
    """True in a file of server actions: it begins with "use server"."""
    *_, root = (node, *ancestors(node))
    return re.match(r"""(?:\s|//.*\n|/\*(?s:.{0,2000}?)\*/)*['"]use server['"]""", text_of(root, 4_000)) is not None


def marks(module: Module, calls: tuple[Node, ...]) -> Iterator[SourceMark]:
    """What is odd about where transports are made. ``calls`` are the createTransport calls of the module."""
    for call in calls:
        kept = any(
            (
                a.type == "augmented_assignment_expression"
                and short_text(a.child_by_field_name("operator")) in ("??=", "||=")
            )
            or (a.type == "if_statement" and "!" in short_text(a.child_by_field_name("condition")))
            or (a.type == "binary_expression" and short_text(a.child_by_field_name("operator")) in ("??", "||"))
            for a in ancestors(call)
        )
        if in_request(call) and not kept:
            detail = "a new transport, with its connection and its login, for each request"
            yield SourceMark("transport-per-request", Place(module.path, line_of(call)), detail)


# -- functions that send ------------------------------------------------------------------------------------------


def wrappers(module: Module) -> set[str]:
    """The functions of a module whose promise is that of a send: they await or return it."""
    found: set[str] = set()
    for call in module.calls:
        if not is_send(call):
            continue
        fate, _ = _fate(call)
        function = next((a for a in ancestors(call) if a.type in FUNCTIONS), None)
        if function is None or fate not in ("awaited", "returned"):
            continue
        name = function.child_by_field_name("name")
        if name is None and function.parent is not None and function.parent.type == "variable_declarator":
            name = function.parent.child_by_field_name("name")
        if name is not None and text_of(name, 80) not in _HANDLERS:
            found.add(text_of(name, 80))
    return found


def calls_of(module: Module, names: set[str], sources: frozenset[str], *, serverless: bool) -> Iterator[SendCall]:
    """Calls of functions that send. ``sources`` are the names under which this module imports theirs ("" is itself)."""
    for call in module.calls:
        function = call.child_by_field_name("function")
        if function is None or function.type not in ("identifier", "member_expression"):
            continue
        if function.type == "identifier":
            word = text_of(function, 100)
            binding = module.binding(word, function)
            if binding is None:
                continue
            imported = binding.kind == "import" and binding.source in sources
            called = binding.exported if imported and binding.exported != "default" else word
            known = imported or ("" in sources and binding.kind in ("function", "value"))
        else:
            called, known = text_of(function.child_by_field_name("property"), 100), True
        if known and called in names:
            yield send_call(module, call, serverless=serverless, wrapper=True)

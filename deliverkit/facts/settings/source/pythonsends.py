"""Where Python sends mail, what becomes of the error and of the coroutine, and how the From header is made.

What this file will not do: follow an exception out of its function, or judge.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import Header

from deliverkit.facts.settings.model import SendCall, SourceMark
from deliverkit.facts.settings.source.javascript import Known, Value
from deliverkit.facts.settings.source.python import Made, Module, Named
from deliverkit.facts.settings.values import Place

_SENDS = frozenset(("sendmail", "send_message", "send_mail", "send_mass_mail", "mail_admins", "mail_managers"))
_ASCII = ("us-ascii", "ascii")
_Parents = dict[ast.AST, ast.AST]


def sends(module: Module, text: str) -> Iterator[SendCall]:
    """Every call that hands a message over: smtplib's, aiosmtplib's, Django's and Flask-Mail's."""
    parents = {child: node for node in ast.walk(module.tree) for child in ast.iter_child_nodes(node)}
    aio = "aiosmtplib" in text
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        name = _sending(node, text)
        if name is not None:
            yield SendCall(
                place=Place(module.path, node.lineno),
                call=name,
                fate=_fate(node, parents, asynchronous=aio and _asynchronous(node, name, parents)),
                errors=_errors(node, parents),
                in_request=_in_request(node, parents),
            )


def _sending(node: ast.Call, text: str) -> str | None:
    """The call as written, if it sends mail."""
    function = node.func
    if isinstance(function, ast.Name):
        return (
            function.id if function.id in _SENDS - {"sendmail", "send_message"} and "django.core.mail" in text else None
        )
    if not isinstance(function, ast.Attribute):
        return None
    owner = function.value.id if isinstance(function.value, ast.Name) else ""
    if function.attr in ("sendmail", "send_message"):
        return f"{owner}.{function.attr}" if "smtplib" in text or "django.core.mail" not in text else None
    if function.attr == "send" and (
        owner in ("aiosmtplib", "yag", "yagmail")
        or (owner in ("mail", "email", "msg", "message") and ("flask_mail" in text or "django.core.mail" in text))
    ):
        return f"{owner}.send"
    return None


def _asynchronous(node: ast.Call, name: str, parents: _Parents) -> bool:
    """True for a coroutine: aiosmtplib.send, or a method called inside an async function."""
    if name == "aiosmtplib.send":
        return True
    here: ast.AST | None = node
    while here is not None and not isinstance(here, (ast.FunctionDef, ast.AsyncFunctionDef)):
        here = parents.get(here)
    return isinstance(here, ast.AsyncFunctionDef)


def _fate(node: ast.Call, parents: _Parents, *, asynchronous: bool) -> str:
    """A call that waits is "awaited"; a coroutine that stands alone never runs."""
    if not asynchronous:
        return "awaited"
    parent = parents.get(node)
    if isinstance(parent, ast.Await):
        return "awaited"
    if isinstance(parent, ast.Return):
        return "returned"
    return "dropped" if isinstance(parent, ast.Expr) else "unknown"


def _errors(node: ast.Call, parents: _Parents) -> str:
    """ "swallowed" by ``except …: pass``, ``contextlib.suppress`` or ``fail_silently=True``."""
    for keyword in node.keywords:
        if keyword.arg == "fail_silently" and isinstance(keyword.value, ast.Constant) and keyword.value.value:
            return "swallowed"
    here: ast.AST = node
    while (parent := parents.get(here)) is not None:
        if isinstance(parent, ast.Try) and here in parent.body and parent.handlers:
            return "swallowed" if all(_nothing(handler.body) for handler in parent.handlers) else "handled"
        if isinstance(parent, ast.With) and any(_suppresses(item.context_expr) for item in parent.items):
            return "swallowed"
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            break
        here = parent
    return "open"


def _suppresses(node: ast.expr) -> bool:
    function = node.func if isinstance(node, ast.Call) else None
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name == "suppress"


def _nothing(body: list[ast.stmt]) -> bool:
    """``pass``, ``...``, ``continue``: nothing is done about the error."""
    return all(
        isinstance(one, (ast.Pass, ast.Continue)) or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
        for one in body
    )


def _in_request(node: ast.Call, parents: _Parents) -> bool:
    here: ast.AST | None = node
    while here is not None:
        if isinstance(here, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names = [one.arg for one in here.args.args]
            route = any("route" in ast.unparse(d)[:80] or ".post(" in ast.unparse(d)[:80] for d in here.decorator_list)
            if "request" in names or route:
                return True
        here = parents.get(here)
    return False


def from_header_mark(path: str, key: str, value: Value, line: int) -> SourceMark | None:
    """A From header that is one `Header` in another character set than ASCII: the address is encoded with the name.

    RFC 2047 §5 (3): an encoded word stands for a phrase; inside an addr-spec it is no address.
    """
    if key.lower() != "from" or not isinstance(value, Known) or not isinstance(value.value, Made):
        return None
    made = value.value
    if made.dotted != "email.header.Header" or any(call.name == "append" for call in made.calls):
        return None  # what is appended may well be the address, by itself
    charset = made.argument(1, "charset")
    name = charset.value if isinstance(charset, Known) else None
    if isinstance(name, Named) or (charset is not None and not isinstance(name, (str, type(None)))):
        return None
    ascii_only = not name or str(name).lower() in _ASCII
    if ascii_only and not _encodes(made):
        return None
    told = "" if charset is None else f', "{str(name)[:20]}"'
    what = "the name and the address together" if _has_address(made) else "the whole header"
    return SourceMark("whole-from-encoded", Place(path, line), f"Header(…{told}) encodes {what}")


def _pieces(made: Made) -> str:
    """The literal text of a Header's first argument."""
    first = made.argument(0, "s")
    if isinstance(first, Known) and isinstance(first.value, str):
        return first.value
    node = made.node.args[0] if isinstance(made.node, ast.Call) and made.node.args else None
    inner = ast.walk(node) if node is not None else ()
    return "".join(n.value for n in inner if isinstance(n, ast.Constant) and isinstance(n.value, str))


def _has_address(made: Made) -> bool:
    first = made.argument(0, "s")
    if isinstance(first, Known) and isinstance(first.value, Made) and first.value.dotted == "email.utils.formataddr":
        return True
    text = _pieces(made)
    return "@" in text or "<" in text


def _encodes(made: Made) -> bool:
    """Without a character set, `Header` encodes what is no ASCII as UTF-8 (email.header.Header.append)."""
    try:
        return Header(_pieces(made)[:2000]).encode().startswith("=?")
    except (UnicodeError, HeaderParseError, ValueError):
        return False

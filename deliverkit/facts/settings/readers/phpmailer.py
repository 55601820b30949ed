"""PHPMailer: the properties that PHP source sets on a mailer, with the variables they come from.

What becomes of them is PHPMailer's own law (src/PHPMailer.php, smtpConnect and its properties): mail() unless isSMTP()
is called, localhost:25, STARTTLS where it is offered (SMTPAutoTLS), no login without SMTPAuth, several hosts divided
by ``;`` with a prefix and a port of their own.

What this file will not do: follow a mailer from one function into another.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from deliverkit.facts.base import missing
from deliverkit.facts.settings.environment import Variables
from deliverkit.facts.settings.model import MailSettings, Mode, Plan, SourceMark
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.readers.roles import Roles, of_process
from deliverkit.facts.settings.source import php, phplaw
from deliverkit.facts.settings.source.javascript import Known, Unknown, Value
from deliverkit.facts.settings.source.syntax import LACKING, Node, ancestors, available, line_of, shown, text_of, walk
from deliverkit.facts.settings.values import Place, Unread

_ROLES = {
    "Host": "host", "Port": "port", "SMTPSecure": "secure", "SMTPAutoTLS": "starttls", "Username": "user",
    "Password": "password", "AuthType": "mechanism", "From": "from", "Helo": "helo", "Hostname": "hostname",
    "Timeout": "socket-timeout", "SMTPDebug": "debug", "SMTPOptions": "verify", "SMTPAuth": "auth",
}  # fmt: skip
_TELLING = frozenset(("Host", "SMTPAuth", "SMTPSecure", "SMTPAutoTLS", "SMTPOptions", "Mailer"))
_WAYS = {"issmtp": "smtp", "ismail": "mail", "issendmail": "sendmail", "isqmail": "sendmail"}
_TIMEOUT_S = 300.0
_HOST = re.compile(r"(?:(ssl|tls)://)?(.+?)(?::(\d+))?")


@dataclass
class _Mailer:
    """What source does with one mailer, in order: the property set or the method called, and where."""

    object: str
    first: Node
    sets: list[tuple[str, Node, Node]] = field(default_factory=list)  # property, statement, value
    calls: list[tuple[str, Node]] = field(default_factory=list)
    made: bool = False

    @property
    def telling(self) -> bool:
        """True if this is a PHPMailer for certain."""
        return self.made or any(name in _TELLING for name, _, _ in self.sets) or any(n in _WAYS for n, _ in self.calls)


def read(look: Look) -> Iterator[MailSettings]:
    """Every mailer that source sets up, as far as one function (or one class) does it."""
    told = False
    loaders: dict[str, bool] = {}  # of each application: whether its Dotenv leaves getenv() without what it reads
    for path in look.tree.paths:
        if not path.endswith(".php") or not look.tree.mentions(path, "PHPMailer", "phpmailer"):
            continue
        text = look.tree.text(path)
        if text is None or re.search(r"^[ \t]*class (?:PHPMailer|SMTP)\b", text, re.MULTILINE):
            continue  # not to be read, or a copy of the library
        if not available(path):
            if not told:
                look.unread.append(Unread(Place(path), "PHPMailer", LACKING))
            told = True
            continue
        yield from _of_a_file(look, path, loaders)


def _of_a_file(look: Look, path: str, loaders: dict[str, bool]) -> Iterator[MailSettings]:
    folder = _application(look, path)
    variables = look.variables(look.asked or "", convention="phpdotenv", folder=folder)
    program = php.Program(look.tree, variables.get, look.uses)
    module = program.module(path)
    if module is None:
        return
    mailers = [one for one in _mailers(module) if one.telling]
    if not mailers:
        return
    if folder not in loaders:
        loaders[folder] = _without_putenv(look, folder)
    if loaders[folder]:
        program = program.with_lookup(variables.get, lambda name: of_process(variables, name))
        look.marks.extend(_unseen(module, variables))
    for mailer in mailers:
        yield from _settings(program, module, mailer, look.asked or "")


def _application(look: Look, path: str) -> str:
    """The folder of the application: the nearest one with a composer.json or a ``.env``, else the root."""
    folder = posixpath.dirname(path)
    paths = frozenset(look.tree.paths)
    while folder and not paths & {f"{folder}/composer.json", f"{folder}/.env"}:
        folder = posixpath.dirname(folder)
    return folder


def _without_putenv(look: Look, folder: str) -> bool:
    """True if a Dotenv loads the files that sets $_ENV and $_SERVER only (vlucas/phpdotenv 5, "Putenv and Getenv")."""
    prefix = f"{folder}/" if folder else ""
    source = [p for p in look.tree.paths if p.startswith(prefix) and p.endswith(".php")]
    texts = [look.tree.text(p) or "" for p in source if look.tree.mentions(p, "Dotenv", "putenv")]
    loads = any(re.search(r"Dotenv::create(?:Imm|M)utable\s*\(", text) for text in texts)
    return loads and not any("createUnsafe" in text or "putenv(" in text for text in texts)


def _unseen(module: php.Module, variables: Variables) -> Iterator[SourceMark]:
    for call in (n for n in walk(module.root) if n.type == "function_call_expression"):
        given = php.arguments(call)
        if text_of(call.child_by_field_name("function") or call, 20).lower() != "getenv" or not given:
            continue
        name = php.unquoted(text_of(given[0], 200))
        found = variables.get(name)
        if found is not None and of_process(variables, name) is None:
            detail = f"getenv('{name}') is false: Dotenv sets it from {found.place} in $_ENV and $_SERVER only"
            yield SourceMark("getenv-without-putenv", Place(module.path, line_of(call)), detail)


# -- what source does with a mailer ------------------------------------------------------------------------


def _mailers(module: php.Module) -> list[_Mailer]:
    found: dict[tuple[int, str], _Mailer] = {}

    def of(target: Node, node: Node) -> _Mailer:
        name = text_of(target, 120)
        return found.setdefault((_scope(target, name), name), _Mailer(name, node))

    for node in walk(module.root):
        if node.type == "assignment_expression":
            left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
            if left.type == "member_access_expression":
                name = text_of(left.child_by_field_name("name"), 60)
                if name in _ROLES or name == "Mailer":
                    of(left.child_by_field_name("object"), node).sets.append((name, node, right))
            if right.type == "object_creation_expression" and re.search(r"\bPHPMailer\s*(?:\(|$)", text_of(right, 120)):
                of(left, node).made = True
        elif node.type == "member_call_expression":
            name = text_of(node.child_by_field_name("name"), 60).lower()
            if name in _WAYS or name == "setfrom":
                of(node.child_by_field_name("object"), node).calls.append((name, node))
    return list(found.values())


def _scope(node: Node, name: str) -> int:
    """The function around; for a member of ``$this`` the class."""
    if name.startswith("$this"):
        return next((a.start_byte for a in ancestors(node) if a.type == "class_declaration"), -1)
    return php.scope_of(node)


def _settings(program: php.Program, module: php.Module, mailer: _Mailer, environment: str) -> Iterator[MailSettings]:
    place = Place(module.path, line_of(mailer.first))
    roles = Roles()
    values: dict[str, Value] = {}
    for name, statement, right in mailer.sets:
        value = _value(program, module, statement, right)
        if value is not None:
            values[name] = value
    for name, call in mailer.calls:
        if name == "setfrom" and php.arguments(call):
            value = _value(program, module, call, php.arguments(call)[0])
            if value is not None:
                values["From"] = value
    way = _way(program, module, mailer, values, roles)
    for name, value in values.items():
        if name in _ROLES:
            roles.add(_ROLES[name], f"{mailer.object}->{name}", value, module.path)
    plans = _plans(values, way, roles, place)
    for role in ("auth", "hostname"):
        hidden = roles.found.pop(role, None)
        if role == "hostname" and hidden is not None:
            roles.found.setdefault("helo", hidden)
    for plan in plans:
        yield MailSettings("phpmailer", environment, place, dict(roles.found), plan, unread=tuple(roles.unread))


def _value(program: php.Program, module: php.Module, statement: Node, right: Node) -> Value | None:
    """What a statement sets; None where it never runs."""
    reached = program.reaches(statement, module)
    if reached is False:
        return None
    if reached is None:
        return Unknown(shown(statement), "it runs under a condition that only a run could tell", line_of(statement))
    return program.value(right, module)


def _way(program: php.Program, module: php.Module, mailer: _Mailer, values: dict[str, Value], roles: Roles) -> Any:
    """How mail is sent: "smtp", "mail" or "sendmail"; missing if only a run could tell."""
    way: Any = "mail"
    told = values.get("Mailer")
    if isinstance(told, Known):
        way = {"smtp": "smtp", "mail": "mail"}.get(phplaw.text(told.value).lower(), "sendmail")
    for name, call in mailer.calls:
        if name not in _WAYS:
            continue
        reached = program.reaches(call, module)
        if reached is None:
            roles.unread.append(
                Unread(
                    Place(module.path, line_of(call)), shown(call), "it runs under a condition only a run could tell"
                )
            )
            way = missing(
                f"{module.path}:{line_of(call)}: whether SMTP is used is not known without running the program"
            )
        elif reached:
            way = _WAYS[name]
    return way


# -- PHPMailer's own law -----------------------------------------------------------------------------------


def _plans(values: dict[str, Value], way: Any, roles: Roles, place: Place) -> list[Plan]:
    """What PHPMailer will do, one plan for each host it tries in turn."""
    if way == "mail":
        why = "isSMTP() is not called: PHP's mail() sends, by the local sendmail"
        return [Plan("sendmail", "", 0, "clear", why, True, False)]
    if way == "sendmail":
        return [Plan("sendmail", "", 0, "clear", "the local sendmail sends", True, False)]

    def plain(name: str, default: Any) -> Any:
        found = values.get(name)
        return found.value if isinstance(found, Known) else default

    timeout = float(phplaw.number(plain("Timeout", _TIMEOUT_S)))
    found = []
    for entry in phplaw.text(plain("Host", "localhost")).split(";"):
        match = _HOST.fullmatch(entry.strip() or ("unknown" if "host" in roles.lost else ""))
        if match is None:
            continue
        secure = {"ssl": "ssl", "tls": "tls", None: plain("SMTPSecure", "")}[match[1]]
        mode, why = _mode(secure, plain("SMTPAutoTLS", True))
        port = int(match[3]) if match[3] and 0 < int(match[3][:6]) < 65536 else phplaw.number(plain("Port", 25))
        begins = missing(f"{place}: how TLS begins is not known without running the program")
        unsure = not match[1] and ("secure" in roles.lost or ("starttls" in roles.lost and secure == ""))
        found.append(Plan(
            delivery="smtp" if way == "smtp" else way,
            host=roles.fact("host", match[2], place),
            port=port if match[3] else roles.fact("port", port, place),
            mode=begins if unsure else mode,
            why=f"{match[1]}:// before the host: {why}" if match[1] else why,
            verify=roles.fact("verify", _verifies(plain("SMTPOptions", {})), place),
            login=roles.fact("auth", phplaw.truthy(plain("SMTPAuth", False)), place),
            mechanism=phplaw.text(plain("AuthType", "")) or None,
            helo=phplaw.text(plain("Helo", "")) or phplaw.text(plain("Hostname", "")) or None,
            connect_s=timeout, greeting_s=timeout, socket_s=timeout,
        ))  # fmt: skip
    return found or [Plan("refused", "", 0, "clear", "PHPMailer stops: no host is set", True, False)]


def _mode(secure: Any, auto: Any) -> tuple[Mode, str]:
    """smtpConnect: only the exact texts "ssl" and "tls" count."""
    if secure == "ssl":
        return "implicit", "SMTPSecure is 'ssl' (ENCRYPTION_SMTPS): TLS from the first byte"
    if secure == "tls":
        return "starttls", "SMTPSecure is 'tls' (ENCRYPTION_STARTTLS): no mail without STARTTLS"
    odd = f"SMTPSecure is {secure!r}, which PHPMailer does not know; " if phplaw.truthy(secure) else ""
    if phplaw.truthy(auto):
        return "opportunistic", f"{odd}SMTPAutoTLS: STARTTLS is used where the server offers it"
    return "clear", f"{odd}SMTPAutoTLS is off: TLS is not used although it is offered"


def _verifies(options: Any) -> bool:
    """False where SMTPOptions switch verify_peer or verify_peer_name off (PHP manual, SSL context options)."""
    inner = options.get("ssl") if isinstance(options, dict) else None
    if not isinstance(inner, Known) or not isinstance(inner.value, dict):
        return True
    ones = (inner.value.get(name) for name in ("verify_peer", "verify_peer_name"))
    return all(phplaw.truthy(one.value) for one in ones if isinstance(one, Known))

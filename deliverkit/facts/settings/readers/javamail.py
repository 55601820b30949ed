"""JavaMail in Java and Kotlin source: ``Properties`` with ``mail.smtp.*``, ``Transport.connect``, authenticators.

Also Spring's ``JavaMailSenderImpl`` where it is made in code. Literals, constants of the same file, ``System.getenv``
and ``System.getProperty`` are followed, everything else is said to be unread. The law is `jakartamail`'s.

What this file will not do: follow values from one file into another, or evaluate a call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from deliverkit.facts.settings.environment import Variables
from deliverkit.facts.settings.jakartamail import Session, never_read, plan_of
from deliverkit.facts.settings.model import MailSettings, SourceMark
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.source.javatokens import LARGEST, Token, arguments, shown, tokens
from deliverkit.facts.settings.values import Place, Setting, Unread

_SETTERS = {"setHost": "host", "setPort": "port", "setUsername": "user", "setPassword": "password",
            "setProtocol": "protocol"}  # fmt: skip
_WRAPPERS = frozenset(("valueOf", "parseInt", "toString", "toInt", "parseBoolean", "trim"))
_MODIFIERS = frozenset(("private", "public", "protected", "static", "const"))
_DEEPEST = 8


@dataclass
class _Made:
    """One session as it is collected: where it is made, its properties and what connect() is given."""

    line: int
    properties: dict[str, Setting] = field(default_factory=dict)
    own: dict[str, Setting] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)
    spring: bool = False


def read(look: Look) -> Iterator[MailSettings]:
    """Every session that source makes, for the environment asked for or the only one."""
    for path in look.tree.paths:
        if not path.endswith((".java", ".kt", ".kts")) or "/src/test/" in f"/{path}":
            continue
        if not look.tree.mentions(path, "mail.smtp", "JavaMailSenderImpl", "mail.transport"):
            continue
        text = look.tree.text(path)
        if text is None:
            continue
        if len(text) > LARGEST:
            look.unread.append(Unread(Place(path), "", f"larger than {LARGEST:,} characters"))
            continue
        environment = look.asked or ""
        variables = look.variables(environment, convention="java", folder=_folder(look, path))
        program = _Program(look, path, variables, tokens(text, kotlin=not path.endswith(".java")))
        for made in program.sessions():
            yield _settings(look, made, path, environment)


def _folder(look: Look, path: str) -> str:
    """The application's folder: that which holds ``src/``, or the nearest with a build file."""
    head, mark, _ = f"/{path}".rpartition("/src/")
    if mark:
        return head.lstrip("/")
    builds = {
        p.rpartition("/")[0] for p in look.tree.paths if p.endswith(("pom.xml", "build.gradle", "build.gradle.kts"))
    }
    folder = path.rpartition("/")[0]
    while folder and folder not in builds:
        folder = folder.rpartition("/")[0]
    return folder


def _settings(look: Look, made: _Made, path: str, environment: str) -> MailSettings:
    place = Place(path, made.line)
    own = made.own.get
    session = Session(made.properties, own("protocol"), own("host"), own("port"), own("user"), own("password"))
    for setting, why in never_read(made.properties, session.word):
        look.marks.append(SourceMark("property-never-read", setting.place or place, f"{setting.name}: {why}"))
    roles = session.roles()
    if "from" not in roles and "from" in made.own:
        roles["from"] = made.own["from"]
    framework = "spring" if made.spring else "javamail"
    return MailSettings(framework, environment, place, roles, plan_of(session, place), unread=tuple(made.unread))


class _Program:
    """One source: its constants, and the sessions it makes."""

    def __init__(self, look: Look, path: str, variables: Variables, stream: list[Token]) -> None:
        self.look = look
        self.path = path
        self.variables = variables
        self.stream = stream
        self.constants = self._constants()

    def _constants(self) -> dict[str, list[Token] | None]:
        """Of each name that is given a value once, the expression; None for a name that is given several."""
        found: dict[str, list[Token] | None] = {}
        for at, token in enumerate(self.stream):
            if token.kind != "mark" or token.word != "=" or not at or self.stream[at - 1].kind != "name":
                continue
            name = self.stream[at - 1].word
            if at > 2 and self.stream[at - 2].word == ":":  # Kotlin: val host: String = "…"
                name = self.stream[at - 3].word
            elif at > 1 and self.stream[at - 2].word == ".":
                continue
            found[name] = None if name in found else self._until_end(at + 1)
        return found

    def _until_end(self, at: int) -> list[Token]:
        """The expression that begins here: to the semicolon, or, as Kotlin has none, to the end of its line."""
        part: list[Token] = []
        depth = 0
        for token in self.stream[at : at + 100]:
            if token.kind == "mark":
                depth += (token.word in "([{") - (token.word in ")]}")
            ended = part and not depth and token.line > part[-1].line and token.word not in ("?:", ".", "+", ")")
            if (
                depth < 0
                or (not depth and token.word in (";", ","))
                or (ended and part[-1].word not in ("?:", "+", "=", "("))
            ):
                break
            part.append(token)
        return part

    def sessions(self) -> Iterator[_Made]:
        """Each place where properties are made begins a session; what follows belongs to the last one."""
        found: list[_Made] = []
        stream = self.stream
        for at, token in enumerate(stream):
            if token.kind != "name":
                if token.word == "[" and found:  # Kotlin: props["mail.smtp.host"] = …
                    self._indexed(found, at)
                continue
            call = at + 1 < len(stream) and stream[at + 1].word == "("
            if call and token.word in ("Properties", "JavaMailSenderImpl", "getJavaMailProperties"):
                self._begins(found, token)
            elif token.word == "javaMailProperties" and found and found[-1].spring:
                continue
            elif call and token.word in ("put", "setProperty", "getTransport", "connect", "PasswordAuthentication",
                                         "setFrom", "InternetAddress", *_SETTERS):  # fmt: skip
                self._call(found, at, token)
        yield from (one for one in found if self._is_mail(one))

    @staticmethod
    def _is_mail(one: _Made) -> bool:
        return any(name.startswith(("mail.smtp", "mail.host", "mail.transport")) for name in one.properties) or (
            one.spring and "host" in one.own
        )

    @staticmethod
    def _begins(found: list[_Made], token: Token) -> None:
        if token.word == "getJavaMailProperties" and found:
            return
        last = found[-1] if found else None
        if last is not None and last.spring and token.word == "Properties":  # the sender's own properties
            return
        if last is not None and token.word == "JavaMailSenderImpl" and not last.spring and last.properties:
            last.spring = True
            return
        found.append(_Made(token.line, spring=token.word == "JavaMailSenderImpl"))

    def _indexed(self, found: list[_Made], at: int) -> None:
        inside, after = arguments(self.stream, at)
        if len(inside) == 1 and after < len(self.stream) and self.stream[after].word == "=":
            name = inside[0][0]
            if name.kind == "text" and len(inside[0]) == 1 and self._about(name.word):
                self._put(found[-1], name.word, self._until_end(after + 1), name.line)

    @staticmethod
    def _about(name: str) -> bool:
        return name.startswith(("mail.", "smtp.", "smtps."))

    def _call(self, found: list[_Made], at: int, token: Token) -> None:
        parts, _ = arguments(self.stream, at + 1)
        if not parts:
            return
        word = token.word
        if word in ("put", "setProperty"):
            name = self._name(parts[0])
            if len(parts) == 2 and name is not None and self._about(name):
                if not found:
                    found.append(_Made(token.line))
                self._put(found[-1], name, parts[1], token.line)
            return
        if not found:
            return
        made = found[-1]
        if word in _SETTERS and made.spring and len(parts) == 1:
            self._own(made, _SETTERS[word], f"{word}(…)", parts[0], token.line)
        elif word == "getTransport" and len(parts) == 1 and self._name(parts[0]) in ("smtp", "smtps"):
            self._own(made, "protocol", "getTransport(…)", parts[0], token.line)
        elif word == "connect" and len(parts) in (2, 3, 4):  # (user, password), (host, user, password), with a port
            names = {2: ("user", "password"), 3: ("host", "user", "password"), 4: ("host", "port", "user", "password")}
            for role, part in zip(names[len(parts)], parts, strict=True):
                self._own(made, role, "connect(…)", part, token.line)
        elif word == "PasswordAuthentication" and len(parts) == 2:
            self._own(made, "user", "PasswordAuthentication(…)", parts[0], token.line)
            self._own(made, "password", "PasswordAuthentication(…)", parts[1], token.line)
        elif word == "InternetAddress" and at > 2 and any(t.word == "setFrom" for t in self.stream[at - 4 : at]):
            self._own(made, "from", "setFrom(…)", parts[0], token.line)

    def _name(self, part: list[Token]) -> str | None:
        """The text that an expression of one literal or constant stands for."""
        if len(part) == 1 and part[0].kind == "name":
            part = self.constants.get(part[0].word) or part
        return part[0].word if len(part) == 1 and part[0].kind == "text" and not part[0].template else None

    def _put(self, made: _Made, name: str, part: list[Token], line: int) -> None:
        earlier = made.properties.get(name)
        made.properties[name] = self._setting(made, name, part, line)
        if earlier is not None:
            made.properties[name] = replace(made.properties[name], shadowed=(earlier,))

    def _own(self, made: _Made, role: str, name: str, part: list[Token], line: int) -> None:
        if len(part) == 1 and part[0].word == "null":
            return
        made.own[role] = self._setting(made, name, part, line)

    def _setting(self, made: _Made, name: str, part: list[Token], line: int) -> Setting:
        """A setting for an expression; one that is not followed has the value None, and is said to be unread."""
        place = Place(self.path, part[0].line if part else line)
        told = self._value(part)
        if told is None:
            made.unread.append(
                Unread(place, f"{name} = {shown(part)}"[:120], "what only the running program could tell")
            )
            return Setting(name, None, place, self.path)
        value, via = told
        if via is not None and via.value is None:
            made.unread.append(Unread(place, f"{name} = {shown(part)}"[:120], f"nothing in this tree sets {via.name}"))
        return Setting(name, value, place, self.path, via=via, faults=via.faults if via is not None else ())

    def _value(self, part: list[Token], depth: int = 0) -> tuple[str | None, Setting | None] | None:
        """What an expression stands for, and the variable it was taken from; None for what is not followed."""
        if not part or depth > _DEEPEST:
            return None
        words = [one.word for one in part]
        if len(part) == 1:
            token = part[0]
            if token.kind == "text":
                return None if token.template else (token.word, None)
            if token.kind == "number":
                return token.word.rstrip("lL").replace("_", ""), None
            if token.word in ("true", "false"):
                return token.word, None
            return self._value(self.constants.get(token.word) or [], depth + 1)
        if "?:" in words and words.count("?:") == 1:  # Kotlin: System.getenv("X") ?: "default"
            at = words.index("?:")
            told = self._value(part[:at], depth + 1)
            return self._value(part[at + 1 :], depth + 1) if told is not None and told[0] is None else told
        return self._called(part, words, depth)

    def _called(self, part: list[Token], words: list[str], depth: int) -> tuple[str | None, Setting | None] | None:
        if words[0] == "System" and len(words) > 4 and words[1] == ".":
            return self._system(part, words, depth)
        at = next((i for i, word in enumerate(words) if word in _WRAPPERS), None)
        if at is not None and words[at + 1 : at + 2] == ["("]:
            inside, after = arguments(part, at + 1)
            if after == len(part):
                return self._value(inside[0] if inside else part[: at - 1], depth + 1)
        if words[0] in self.constants and len(words) == 3 and words[1] == ".":  # Config.HOST is another file's
            return None
        if len(words) == 3 and words[0] in ("this", "Boolean") and words[1] == ".":
            return (words[2].lower(), None) if words[0] == "Boolean" else self._value(part[2:], depth + 1)
        return None

    def _system(self, part: list[Token], words: list[str], depth: int) -> tuple[str | None, Setting | None] | None:
        """``System.getenv("X")``, ``System.getenv().getOrDefault("X", "d")``, ``System.getProperty("x", "d")``."""
        method = words[2]
        opening = 3
        if method == "getenv" and words[3:6] == ["(", ")", "."] and len(words) > 7:
            method, opening = words[6], 7
        inside, after = arguments(part, opening)
        if method == "getenv" and words[3] == "[":  # never: getenv is a method
            return None
        if after != len(part) or not inside or (name := self._name(inside[0])) is None:
            return None
        default = self._value(inside[1], depth + 1) if len(inside) > 1 else None
        if method in ("getenv", "get", "getOrDefault"):
            self.look.uses(name, Place(self.path, part[0].line))
            found = self.variables.get(name)
            if found is not None and found.value is not None:
                return str(found.value), found
            return default if default is not None else (None, Setting(name, None, None, ""))
        if method == "getProperty":  # set by -D where the program is started: not here
            return default if default is not None else (None, Setting(name, None, None, ""))
        return None

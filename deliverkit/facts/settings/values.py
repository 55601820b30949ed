"""One value of a configuration: what it is, where it stands, how it came to be what it is. Secrets show their shape.

What this file will not do: read a file, or hold an opinion.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in the tree: ``file`` relative to its root with ``/``, ``line`` from 1 (None: the file as a whole).

    A value of the process's own environment stands in the file "environment".
    """

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


_LONGEST = 500  # characters of a value in a report
PROCESS = "environment"
"""The name under which the process's own environment variables stand."""

_SHAPES = (  # the first that fits; what a person may be told of a secret without being told the secret
    (re.compile(r"[0-9a-f]+"), "lower-case hexadecimal digits"),
    (re.compile(r"[0-9]+"), "digits"),
    (re.compile(r"[a-z]+"), "lower-case letters"),
    (re.compile(r"[a-z]{4}( [a-z]{4})+"), "groups of four lower-case letters"),
    (re.compile(r"[A-Z0-9]+"), "capitals and digits"),
    (re.compile(r"[A-Za-z0-9]+"), "letters and digits"),
    (re.compile(r"[A-Za-z0-9+/]+=*"), "base64 characters"),
    (re.compile(r"[A-Za-z0-9._-]+"), "letters, digits and . _ -"),
)


class Secret:
    """A password, key or token. Its text shows in no repr, format, JSON or pickle; `reveal` is for AUTH alone."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text. Whoever calls this must not show, log or store it."""
        return self._text

    def __len__(self) -> int:
        return len(self._text)

    @property
    def shape(self) -> str:
        """What may be told: "16 characters: lower-case letters"."""
        if not self._text:
            return "empty"
        kind = next((told for pattern, told in _SHAPES if pattern.fullmatch(self._text)), "mixed characters")
        return f"{len(self._text)} character{'s' * (len(self._text) != 1)}: {kind}"

    def fits(self, pattern: str) -> bool:
        """True if the whole text has this form; the shapes of providers' secrets are data."""
        return re.fullmatch(pattern, self._text) is not None

    def digest(self, key: bytes) -> str:
        """A keyed digest: equal for equal secrets under one key, and nothing more can be told from it."""
        return hashlib.blake2b(self._text.encode("utf-8", "surrogateescape"), key=key, digest_size=16).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The shape."""
        return {"secret": True, "shape": self.shape}

    def __repr__(self) -> str:
        return f"<secret of {self.shape}>"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not written anywhere")


Plain: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class ValueFault:
    """Something about how a value was written. ``kind`` is one of

    "trailing-blank", "leading-blank", "quotes-kept", "carriage-return", "byte-order-mark", "comment-cut" (a # began a
    comment in what was meant as the value), "comment-kept" (a # that begins no comment for this loader),
    "expanded" (a $ was taken for a variable), "url-part-not-encoded", "unclosed-quote", "duplicate" (set again later
    in the same file), "blank-unquoted" (a blank that stops the loader), "circle" (variables that stand for each other).
    "not-base64" (data of a Kubernetes Secret), "not-bound" (Spring cannot convert it), "key-not-found" (in Postfix's
    table of passwords). ``detail`` never holds a secret's text.
    """

    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """One value as the application will see it.

    ``name`` is the application's own: "SMTP_PORT", "auth.pass", "EMAIL_USE_TLS", "spring.mail.port". ``layer`` says
    which source won (".env.production", "environment", "settings.py", "Nodemailer's default"). ``via`` is the variable
    it was taken from. ``shadowed`` are settings of the same name in sources that lost. A default of the framework has
    ``place`` None. ``value`` None: the name is used and nothing sets it.
    """

    name: str
    value: Plain | Secret
    place: Place | None
    layer: str
    via: Setting | None = None
    faults: tuple[ValueFault, ...] = ()
    shadowed: tuple[Setting, ...] = field(default=())

    @property
    def origin(self) -> Setting:
        """The setting at the beginning of the chain: the one to change."""
        return self.via.origin if self.via is not None else self

    @property
    def chain(self) -> tuple[Setting, ...]:
        """The setting, the variable it was taken from, and so on to the origin."""
        return (self,) if self.via is None else (self, *self.via.chain)

    @property
    def shown(self) -> str:
        """The value as a report may show it: text in quotation marks, a secret by its shape."""
        if isinstance(self.value, Secret):
            return f"({self.value.shape})"
        return f'"{self.value}"' if isinstance(self.value, str) else str(self.value).lower()

    @property
    def text(self) -> str | None:
        """The value as text, None when nothing sets it; a secret's text is not to be had here."""
        if self.value is None or isinstance(self.value, Secret):
            return None
        return str(self.value).lower() if isinstance(self.value, bool) else str(self.value)

    def to_json(self) -> dict[str, Any]:
        """What a report shows: the value or a secret's shape, where it stands, and the chain it came by."""
        chain = [{"name": one.name, "place": one.place, "layer": one.layer} for one in self.chain[1:]]
        shown = self.shown if len(self.shown) <= _LONGEST else f"{self.shown[:_LONGEST]}…"
        return {"name": self.name, "shown": shown, "place": self.place, "layer": self.layer, "via": chain}


_TELLS_A_SECRET = re.compile(r"(?i)pass|secret|token|pwd|credential|private|(?:^|_)(?:api_?)?key(?:$|_)|auth")


def hidden(setting: Setting, *, always: bool = False) -> Setting:
    """A variable as a report may show it: a secret by its name, or a URL that may hold one, is a `Secret`."""
    value = setting.value
    secret = always or _TELLS_A_SECRET.search(setting.name) is not None or (isinstance(value, str) and "://" in value)
    told = Secret(str(value)) if secret and value is not None and not isinstance(value, Secret) else value
    via = None if setting.via is None else hidden(setting.via, always=secret)
    shadowed = tuple(hidden(one, always=secret) for one in setting.shadowed)
    return replace(setting, value=told, via=via, shadowed=shadowed)


@dataclass(frozen=True, slots=True)
class Unread:
    """What was not followed: the expression as it stands (bounded, secrets out), and why. Never a guess."""

    place: Place
    expression: str
    why: str

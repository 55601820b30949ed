"""Texts that only stand for a value: changeme, your-password, <...>, xxx.

What this file will not do: call a weak password a placeholder; only what nobody can have chosen, or examples use.
"""

from __future__ import annotations

import re

_LONGEST = 80
_MARKED = re.compile(
    r"<[^<>@]*>|\[[^\[\]@]*\]|\{\{.*\}\}|\$\{[^}]*\}|%[A-Za-z_]+%|[xX]{3,}|\*{3,}|\.{3,}|…+|_{3,}|-{3,}|\?+"
)
_STRONG = (
    "your", "changeme", "change", "replace", "insert", "enter", "here", "todo", "tbd", "fixme", "placeholder", "dummy",
    "password", "passwort", "passwd", "passphrase", "pass", "passw0rd", "secret", "username", "user", "token", "apikey",
    "undefined", "null", "none", "example",
)  # fmt: skip
_WEAK = (
    "my", "me", "this", "it", "with", "put", "paste", "add", "set", "the", "a", "own", "new", "real", "smtp", "email",
    "mail", "gmail", "app", "api", "account", "login", "key", "host", "server", "code", "auth", "authorization",
    "domain", "address", "sendgrid", "provider", "name", "id", "value", "from", "16", "char", "digit",
)  # fmt: skip
_EITHER = "|".join(sorted((*_STRONG, *_WEAK), key=len, reverse=True))
_WORDS = re.compile(rf"(?:(?:{_EITHER})[-_ ]?)+[0-9]{{0,4}}[!.]?", re.IGNORECASE)
_HAS_STRONG = re.compile("|".join(_STRONG), re.IGNORECASE)
_ADDRESS = re.compile(
    rf"(?:(?:{_EITHER}|you|someone)[-_.]?)+@(?:your[-_.]?\S*|my[-_]?domain\S*|example\.(?:com|org|net)|domain\.\w+|"
    r"email\.com|provider\.\w+)|your[-_.]?(?:e?mail|name|user|address|username|account|gmail)@\S+",
    re.IGNORECASE,
)
_HOST = re.compile(
    r"(?:smtp|mail|email|mx)[.-](?:your[-_]?\S*|my[-_]?(?:domain|provider|server|host|company|site)\S*|"
    r"(?:domain|provider|server|host)\.\w+)|your[-_]\S+",
    re.IGNORECASE,
)


def placeholder(text: str) -> bool:
    """True for a text that only stands for a value."""
    text = text.strip()
    if not text or len(text) > _LONGEST:
        return False
    if any(pattern.fullmatch(text) for pattern in (_MARKED, _ADDRESS, _HOST)):
        return True
    return _WORDS.fullmatch(text) is not None and _HAS_STRONG.search(text) is not None

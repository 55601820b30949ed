"""What an SMTP reply or a client's error means, and what to do about it: the matcher over ``data/smtp_replies.toml``.

An enhanced status code alone is ambiguous (5.7.30 is REQUIRETLS in the registry, a missing DKIM signature at Gmail and
retired password sign-in at Microsoft), so the text is matched as well. The entries of the provider in question come
first, then all others in the order of the file; the first match wins.

What this file will not do: guess. A reply that no entry matches has no meaning here.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

from deliverkit.data import provider as find_provider
from deliverkit.data import smtp_replies

_CLIENT = "client"  # errors of client libraries: they have no reply code
_FAMILIES = {  # provider ids of providers.toml whose replies stand under another name in smtp_replies.toml
    "google-workspace": "gmail",
    "outlook": "microsoft",
    "microsoft365": "microsoft",
    "aol": "yahoo",
    "icloud": "apple",
    "exmail": "qq",
    "netease-163": "netease",
    "netease-126": "netease",
    "netease-yeah": "netease",
    "netease-qiye": "netease",
}
_LONGEST = 4096  # characters of a reply that are searched


@dataclass(frozen=True, slots=True)
class ReplyMeaning:
    """One entry of the table. ``retry`` is "later", "after-fix" or "by-code" (4xx later, 5xx not at all).

    ``category`` is one of authentication, credentials, config, content, dns, message, network, protocol, rate,
    recipient, reputation, server, size, tls. ``checks`` are the rule families that can confirm the cause.
    """

    id: str
    provider: str
    category: str
    retry: str
    meaning: str
    fix: str
    checks: tuple[str, ...]
    source: str
    verified: bool


def meaning_of(
    reply_text: str, code: int | None = None, enhanced: str | None = None, provider: str | None = None
) -> ReplyMeaning | None:
    """The meaning of a reply, or None. ``code`` is None for the error text of a client library.

    ``reply_text`` may be the reply as a server sent it, code and enhanced codes on each line, or its bare text.
    ``provider`` is an id or alias of ``providers.toml`` or of the table itself ("gmail", "netease-163", "postfix").
    """
    text = _searched(reply_text, code, enhanced)
    family = reply_family(provider)
    ranked = sorted(_entries(), key=lambda entry: entry.meaning.provider != family) if family else _entries()
    return next((entry.meaning for entry in ranked if entry.matches(text, code)), None)


def reply_family(provider: str | None) -> str | None:
    """The name under which a provider's replies stand in the table, or None for no provider."""
    if not provider:
        return None
    known = find_provider(provider)
    word = known.id if known else provider.lower()
    return _FAMILIES.get(word, word)


def _searched(reply_text: str, code: int | None, enhanced: str | None) -> str:
    """One line: the reply's lines joined by a space, the prefixes of all but the first removed."""
    first, *rest = [line.strip() for line in reply_text[:_LONGEST].splitlines() if line.strip()] or [""]
    joined = " ".join([first, *(re.sub(r"^\d{3}[- ](?:[245]\.\d{1,3}\.\d{1,3}[ -])?", "", line) for line in rest)])
    prefix = str(code) if code is not None else ""
    if prefix and re.match(rf"{prefix}[- ]", joined):
        joined = joined[len(prefix) + 1 :]
    joined = joined.removeprefix(enhanced).lstrip() if enhanced and joined.startswith(enhanced) else joined
    if enhanced and prefix:  # servers repeat "550-5.7.1 " inside a reply that was joined elsewhere
        joined = joined.replace(f"{prefix}-{enhanced} ", "").replace(f"{prefix} {enhanced} ", "")
    return " ".join(part for part in (prefix, enhanced, joined) if part)


@dataclass(frozen=True, slots=True)
class _Entry:
    meaning: ReplyMeaning
    codes: frozenset[int]
    pattern: re.Pattern[str]

    def matches(self, text: str, code: int | None) -> bool:
        if (code is None) != (self.meaning.provider == _CLIENT):
            return False
        return (not self.codes or code in self.codes) and self.pattern.search(text) is not None


@functools.cache
def _entries() -> tuple[_Entry, ...]:
    return tuple(_entry(table) for table in smtp_replies())


def _entry(table: dict[str, Any]) -> _Entry:
    meaning = ReplyMeaning(
        id=table["id"],
        provider=table["provider"],
        category=table["class"],
        retry=table["retry"],
        meaning=table["meaning"],
        fix=table["fix"],
        checks=tuple(table["checks"]),
        source=table["source"],
        verified=not table.get("unverified", False),
    )
    return _Entry(meaning, frozenset(table["codes"]), re.compile(table["pattern"], re.IGNORECASE))

"""Explain a word: a rule by id or slug, a server's reply or a client library's error, or the table of all rules.

What this file will not do: know what a reply means (`deliverkit.smtp.meaning`), or read a log (`deliverkit.engine`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from deliverkit.report.plain import fold, plain
from deliverkit.rules.registry import Rule, all_rules
from deliverkit.smtp.codes import by_the_book
from deliverkit.smtp.meaning import ReplyMeaning
from deliverkit.smtp.refusal import Refusal, read_refusal


class NothingKnown(LookupError):
    """No rule is called that, or several are; the message names the nearest."""


def find_rule(word: str) -> Rule:
    """A rule by id ("SPF004") or slug ("too-many-lookups"), in any case. Raises NothingKnown."""
    wanted = word.strip().lower().replace("_", "-")
    if spaced := re.fullmatch(r"([a-z]+)[ -]?(\d{1,3})", wanted):  # "spf 4" is SPF004
        wanted = f"{spaced[1]}{spaced[2]:0>3}"
    rules = all_rules()
    found = [one for one in rules if wanted in (one.id.lower(), one.slug)]
    if len(found) == 1:
        return found[0]
    if found:
        raise NothingKnown(f"{word!r} names {len(found)} rules: give an id ({', '.join(one.id for one in found)})")
    digits = wanted.replace("o", "0") if wanted[-1:].isdigit() else wanted  # SPFOO4
    near = [r.id.lower() for r in rules if r.id.lower().replace("o", "0") == digits]
    near = near or get_close_matches(wanted, [*(r.id.lower() for r in rules), *(r.slug for r in rules)], 3)
    hint = f"; did you mean {' or '.join(n.upper() if n[-1:].isdigit() else n for n in near)}?" if near else "."
    raise NothingKnown(f"no rule is called {word!r}{hint} `deliverkit explain` lists them all.")


def rule_lines(rule: Rule, width: int = 80) -> list[str]:
    """A rule's page for a terminal."""
    width = min(width, 100)
    return [
        f"{rule.id}  {rule.slug}  ({rule.severity.value}, family {rule.family})",
        *fold(rule.title, width),
        "",
        *fold(f"Why: {rule.why}", width, hanging="     "),
        *fold(f"Fix: {rule.fix}", width, hanging="     "),
        f"Law: {rule.reference}",
    ]


def rule_markdown(rule: Rule) -> str:
    """A rule's page for docs/rules."""
    return (
        f"# {rule.id}: {rule.title.rstrip('.')}\n\n"
        f"`{rule.slug}` · {rule.severity.value} · family `{rule.family}` · {rule.reference}\n\n"
        f"**Why.** {rule.why}\n\n**Fix.** {rule.fix}\n"
    )


def rule_json(rule: Rule) -> dict[str, str]:
    """A rule as data."""
    return {
        "rule": rule.id,
        "slug": rule.slug,
        "family": rule.family,
        "severity": rule.severity.value,
        "title": rule.title,
        "why": rule.why,
        "fix": rule.fix,
        "reference": rule.reference,
    }


# -- the configuration ----------------------------------------------------------------------------------------


def configuration_markdown() -> str:
    """Every key of a configuration, for docs/configuration.md and the terminal."""
    from deliverkit.config.keys import DOMAIN, EXPECT, IGNORE, SOURCE, TOP

    parts = [
        "# The configuration\n",
        "`deliverkit.toml`, `.deliverkit.toml` or `[tool.deliverkit]` of a pyproject.toml: the nearest one, from the",
        "current folder upwards. An unknown key is an error. Paths are relative to the file.\n",
    ]
    tables = {
        "The whole": TOP,
        'A domain: `[domains."example.com"]`, also `[defaults]` and `[profiles.NAME]`': DOMAIN,
        'What is expected: `[domains."example.com".expect]`': EXPECT,
        "A source: `[[sources]]`": SOURCE,
        "Findings that do not count: `[[ignore]]`": IGNORE,
    }
    for title, keys in tables.items():
        parts += [f"## {title}\n", "| Key | Value | Meaning |", "|---|---|---|"]
        parts += [f"| `{name}` | {_value(key.schema())} | {key.help} |" for name, key in keys.items()]
        parts.append("")
    return "\n".join(parts)


def _value(schema: dict[str, Any]) -> str:
    """What a value may be, in words."""
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_value(one) for one in schema["anyOf"]))
    kind = schema.get("type")
    if kind in ("integer", "number"):
        unit = "seconds, " if kind == "number" else ""
        return f"{unit}{schema['minimum']:g} to {schema['maximum']:g}"
    if kind == "array":
        return f"[{_value(schema['items'])}, …]"
    return {"string": "date" if schema.get("format") == "date" else "text", "boolean": "true, false"}.get(
        str(kind), "table"
    )


# -- replies and errors ---------------------------------------------------------------------------------------

RETRIES = {
    "later": "try again later: the unchanged message can succeed",
    "after-fix": "do not try again before the cause is mended",
    "by-code": "4xx: try again later; 5xx: not at all",
}


@dataclass(frozen=True, slots=True)
class Explained:
    """A reply or error with what is known of it: by its words (``meaning``) and by its codes (``book``)."""

    refusal: Refusal
    meaning: ReplyMeaning | None
    book: str | None


def looks_like_words(text: str) -> bool:
    """True if this is a reply or an error's text, and no name of a rule."""
    if re.fullmatch(r"[A-Za-z]+ \d{1,3}", text):  # "spf 4"
        return False
    return len(text.split()) > 1 or re.match(r"[2-5]\d\d(\D|$)", text) is not None


def explain_words(text: str, provider: str | None = None) -> Explained:
    """What a reply or an error means. ``provider`` has its replies looked up first. Raises NothingKnown."""
    refusal = read_refusal(text)
    found = Explained(refusal, refusal.meaning(provider), by_the_book(refusal.code, refusal.enhanced))
    if found.meaning is None and found.book is None:
        raise NothingKnown(
            f"nothing is known of {text[:80]!r}: give a server's whole reply (with its code), the error of a mail "
            "library, or a rule's id. `deliverkit explain` lists the rules."
        )
    return found


def words_lines(found: Explained, width: int = 80) -> list[str]:
    """The explanation for a terminal."""
    width = min(width, 100)
    lines = fold(plain(found.refusal.said, 400), width)
    if found.meaning is None:
        said = f"Nobody here knows these words. By its codes: {found.book}."
        return [*lines, "", *fold(said, width)]
    told = found.meaning
    lines += ["", *fold(f"Means: {told.meaning}", width, hanging="       ")]
    lines += fold(f"Fix:   {told.fix}", width, hanging="       ")
    lines += fold(f"Retry: {RETRIES[told.retry]}", width, hanging="       ")
    if found.book:
        lines += fold(f"Codes: {found.book}", width, hanging="       ")
    if told.checks:
        lines += fold(f"Check: {', '.join(told.checks)} (deliverkit audit, probe, verify)", width, hanging="       ")
    doubt = "" if told.verified else " (not confirmed)"
    return [*lines, *fold(f"Known: {told.provider}, {told.id}; {told.source}{doubt}", width, hanging="       ")]


def words_json(found: Explained) -> dict[str, Any]:
    """The explanation as data."""
    told = found.meaning
    return {
        "said": found.refusal.said,
        "code": found.refusal.code,
        "enhanced": found.refusal.enhanced,
        "client": found.refusal.client,
        "cause": None if told is None else told.id,
        "provider": None if told is None else told.provider,
        "meaning": None if told is None else told.meaning,
        "fix": None if told is None else told.fix,
        "retry": None if told is None else told.retry,
        "checks": [] if told is None else list(told.checks),
        "source": None if told is None else told.source,
        "by_the_book": found.book,
    }

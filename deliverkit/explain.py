"""Explain a word: a rule by id or slug, or the table of all rules. SMTP replies and logs come with the doctor."""

from __future__ import annotations

import re
from difflib import get_close_matches

from deliverkit.report.plain import fold
from deliverkit.rules.registry import Rule, all_rules


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

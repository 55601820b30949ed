"""What a shell is offered after Tab beside verbs and options: rules, providers, domains of the configuration, shells.

It is asked for at each Tab, so nothing heavy is imported: ids of rules are read from the text of their files, which
takes a hundredth of the time of importing them (tests/cli/test_completion.py holds both together; rules of other
packages are not offered). What this file will not do: complete files (shells do), or say that a word is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

_RULE = re.compile(r'^@rule\(\s*"([A-Z]+\d{3})"[^\n]*(?:\n(?!def )[^\n]*)*\ndef (\w+)\(', re.MULTILINE)
_RULES = Path(__file__).parent.parent / "rules"


def rule_words() -> dict[str, str]:
    """Every rule's id with its slug."""
    found: dict[str, str] = {}
    for path in sorted(_RULES.rglob("*.py")):
        found |= {id_: name.replace("_", "-") for id_, name in _RULE.findall(path.read_text("utf-8"))}
    return found


def rules(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The rules for ``explain``: ids, or slugs where a slug was begun; and its other word."""
    if incomplete[:1].islower():
        slugs = {slug: id_ for id_, slug in rule_words().items()}
        return _items(slugs | {"providers": "the names that --via and --provider take"}, incomplete)
    return _items(rule_words(), incomplete)


def provider_names(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names that ``--via`` and ``--provider`` take."""
    from deliverkit.data import providers

    return _items({one.id: one.name for one in providers()}, incomplete)


def configured_domains(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The domains that the configuration names, that of ``--config`` or the one that is found."""
    from deliverkit.config import BadConfig, find_config, load_config

    given = context.params.get("config_file")
    file = Path(given) if given else find_config(Path.cwd())
    if file is None:
        return []
    try:
        domains = load_config(file).domains
    except BadConfig:  # `check` says what is wrong with it
        return []
    return _items({domain.given: "" for domain in domains}, incomplete)


def _items(words: dict[str, str], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    chosen: Iterable[str] = sorted(word for word in words if word.startswith(incomplete))
    return [CompletionItem(word, help=words[word] or None) for word in chosen]

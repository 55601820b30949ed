"""``deliverkit explain``: a rule's page, the table of all rules, or the table of providers."""

from __future__ import annotations

import click

from deliverkit.cli.common import usage_error


@click.command()
@click.argument("word", required=False)
@click.option("--format", "format_", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
def explain(word: str | None, format_: str) -> None:
    """Explain a rule, or list all rules.

    WORD is a rule's id (SPF004) or its slug (too-many-lookups), or "providers": the names that --via and --provider
    take.
    """
    import json
    import shutil

    from deliverkit.explain import NothingKnown, find_rule, rule_json, rule_lines, rule_markdown
    from deliverkit.rules.registry import all_rules

    width = shutil.get_terminal_size((100, 24)).columns
    if word is not None and word.strip().lower() == "providers":
        _list_providers(format_)
        return
    if word is None:
        rules = all_rules()
        if format_ == "json":
            click.echo(json.dumps([rule_json(r) for r in rules], indent=2, ensure_ascii=False))
        else:
            from tabulate import tabulate

            style = "github" if format_ == "markdown" else "plain"
            room = max(width - 32, 24)
            rows = [(r.id, r.severity.value, r.title if format_ == "markdown" else _cut(r.title, room)) for r in rules]
            click.echo(tabulate(rows, headers=("rule", "severity", "fault"), tablefmt=style))
        return
    try:
        rule = find_rule(word)
    except NothingKnown as nothing:
        usage_error(str(nothing.args[0]))
    if format_ == "json":
        click.echo(json.dumps(rule_json(rule), indent=2, ensure_ascii=False))
    elif format_ == "markdown":
        click.echo(rule_markdown(rule))
    else:
        click.echo("\n".join(rule_lines(rule, width)))


def _list_providers(format_: str) -> None:
    """Every provider with the words by which it may be named."""
    from deliverkit.data import providers

    rows = [(p.id, p.name, p.category, ", ".join(p.aliases)) for p in providers()]
    names = ("id", "name", "category", "aliases")
    if format_ == "json":
        import json

        click.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2, ensure_ascii=False))
        return
    from tabulate import tabulate

    click.echo(tabulate(rows, headers=names, tablefmt="github" if format_ == "markdown" else "plain"))


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"

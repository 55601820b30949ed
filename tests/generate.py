"""Write the generated pages: ``python -m tests.generate``. Tests fail when a page is not what this writes."""

from __future__ import annotations

import json
from pathlib import Path

import click

from deliverkit.cli import VERBS, cli
from deliverkit.config.keys import schema as config_schema
from deliverkit.explain import configuration_markdown, rule_markdown
from deliverkit.report.schema import report_schema
from deliverkit.rules.registry import all_rules
from tests.golden.render import GOLDEN, golden_pages

DOCS = Path(__file__).parent.parent / "docs"


def rule_pages() -> dict[Path, str]:
    """One page a rule, and their table."""
    pages = {DOCS / "rules" / f"{rule.id}.md": rule_markdown(rule) for rule in all_rules()}
    rows = [f"| [{r.id}]({r.id}.md) | {r.severity.value} | {r.title} |" for r in all_rules()]
    head = (
        "# Rules\n\nGenerated from the rules themselves (`python -m tests.generate`).\n\n"
        "| rule | severity | fault |\n|---|---|---|\n"
    )
    pages[DOCS / "rules" / "README.md"] = head + "\n".join(rows) + "\n"
    return pages


def cli_page() -> dict[Path, str]:
    """Every verb's help, as it is printed."""
    parts = ["# The command line\n\nGenerated from the verbs themselves (`python -m tests.generate`).\n"]
    context = click.Context(cli, info_name="deliverkit", max_content_width=100, terminal_width=100)
    parts.append(f"```text\n{cli.get_help(context)}\n```\n")
    for verb in VERBS:
        command = cli.get_command(context, verb)
        assert command is not None
        inner = click.Context(command, info_name=verb, parent=context, max_content_width=100, terminal_width=100)
        parts.append(f"## {verb}\n\n```text\n{command.get_help(inner)}\n```\n")
        for name, sub in command.commands.items() if isinstance(command, click.Group) else ():
            told = click.Context(sub, info_name=name, parent=inner, max_content_width=100, terminal_width=100)
            parts.append(f"### {verb} {name}\n\n```text\n{sub.get_help(told)}\n```\n")
    return {DOCS / "cli.md": "\n".join(parts)}


def schema_page() -> dict[Path, str]:
    """The JSON schemas of reports and of the configuration, and the configuration in words."""
    told = {"report.schema.json": report_schema(), "deliverkit.schema.json": config_schema()}
    pages = {DOCS / name: json.dumps(schema, indent=2) + "\n" for name, schema in told.items()}
    return {**pages, DOCS / "configuration.md": configuration_markdown()}


def pages() -> dict[Path, str]:
    """Everything generated."""
    return {**rule_pages(), **cli_page(), **schema_page(), **golden_pages()}


def main() -> None:
    """Write all pages, and take away pages of rules and stories that went."""
    written = pages()
    for path in (*(DOCS / "rules").glob("*.md"), *GOLDEN.glob("*.*")):
        if path not in written:
            path.unlink()
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8"))  # lines of CSV end with CRLF
    print(f"{len(written)} pages written")


if __name__ == "__main__":
    main()

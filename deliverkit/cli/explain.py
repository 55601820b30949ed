"""``deliverkit explain``: a rule, a reply or client error, a whole log, or the tables of rules and providers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from deliverkit.cli.common import usage_error
from deliverkit.cli.complete import provider_names, rules

if TYPE_CHECKING:
    from deliverkit.engine.maillog import LogSummary

_SHOWN_GROUPS = 30


@click.command()
@click.argument("words", nargs=-1, metavar="[WORD]...", shell_complete=rules)
@click.option(
    "--log",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Read a mail log or bounces, and count the refusals in it by cause.",
)
@click.option(
    "--provider",
    metavar="NAME",
    shell_complete=provider_names,
    help="Whose reply it is: its own replies are looked up first.",
)
@click.option("--format", "format_", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
def explain(words: tuple[str, ...], log: Path | None, provider: str | None, format_: str) -> None:
    """Explain a rule, an SMTP reply, a client's error or a log; or list all rules.

    WORD is a rule's id (SPF004) or slug (too-many-lookups), a server's reply ("550-5.7.26 ...") or the error of a mail
    library ("Greeting never received"); "providers" lists the names that --via and --provider take, "configuration" the
    keys of a deliverkit.toml. A log may be of Postfix or Exim, JSON lines, tracebacks, or a bounce.
    """
    width = shutil.get_terminal_size((100, 24)).columns
    text = " ".join(words).strip()
    if log is not None:
        if text:
            usage_error("--log and a WORD exclude each other: give one")
        _log(log, provider, format_, width)
        return
    if text.lower() == "providers":
        _list_providers(format_)
        return
    if text.lower() in ("config", "configuration"):
        from deliverkit.explain import configuration_markdown

        click.echo(configuration_markdown())
        return
    if not text:
        _table(format_, width)
        return
    from deliverkit.explain import NothingKnown, looks_like_words

    try:
        if looks_like_words(text):
            _words(text, provider, format_, width)
        else:
            _rule(text, provider, format_, width)
    except NothingKnown as nothing:
        usage_error(str(nothing.args[0]))


def _rule(word: str, provider: str | None, format_: str, width: int) -> None:
    """A rule; a single word that names none may still be an error of a client ("ECONNREFUSED")."""
    from deliverkit.explain import NothingKnown, find_rule, rule_json, rule_lines, rule_markdown

    try:
        rule = find_rule(word)
    except NothingKnown as no_rule:
        try:
            _words(word, provider, format_, width)
        except NothingKnown:
            raise no_rule from None
        return
    if format_ == "json":
        click.echo(json.dumps(rule_json(rule), indent=2, ensure_ascii=False))
    elif format_ == "markdown":
        click.echo(rule_markdown(rule))
    else:
        click.echo("\n".join(rule_lines(rule, width)))


def _words(text: str, provider: str | None, format_: str, width: int) -> None:
    from deliverkit.explain import explain_words, words_json, words_lines

    found = explain_words(text, provider)
    if format_ == "json":
        click.echo(json.dumps(words_json(found), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(words_lines(found, width)))


def _table(format_: str, width: int) -> None:
    from deliverkit.explain import rule_json
    from deliverkit.rules.registry import all_rules

    rules = all_rules()
    if format_ == "json":
        click.echo(json.dumps([rule_json(r) for r in rules], indent=2, ensure_ascii=False))
        return
    from tabulate import tabulate

    style = "github" if format_ == "markdown" else "plain"
    room = max(width - 32, 24)
    rows = [(r.id, r.severity.value, r.title if format_ == "markdown" else _cut(r.title, room)) for r in rules]
    click.echo(tabulate(rows, headers=("rule", "severity", "fault"), tablefmt=style))


def _list_providers(format_: str) -> None:
    """Every provider with the words by which it may be named."""
    from deliverkit.data import providers

    rows = [(p.id, p.name, p.category, ", ".join(p.aliases)) for p in providers()]
    names = ("id", "name", "category", "aliases")
    if format_ == "json":
        click.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2, ensure_ascii=False))
        return
    from tabulate import tabulate

    click.echo(tabulate(rows, headers=names, tablefmt="github" if format_ == "markdown" else "plain"))


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"


# -- logs ---------------------------------------------------------------------------------------------------


def _log(path: Path, provider: str | None, format_: str, width: int) -> None:
    """Read a log as it comes: nothing but the groups is kept. After Ctrl-C: what was read so far."""
    from deliverkit.engine.maillog import LogSummary, summarise

    summary = LogSummary()
    interrupted = False
    try:
        with click.open_file(str(path), "rb") as file:
            summarise(_bounded(file), provider, into=summary)
    except OSError as bad:
        usage_error(f"--log {path}: {bad.strerror or bad}")
    except KeyboardInterrupt:
        interrupted = True
    if format_ == "json":
        click.echo(json.dumps({"log": str(path), **summary.to_json()}, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(log_lines(summary, str(path), width)))
    if interrupted:
        raise click.exceptions.Exit(130)


def _bounded(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file; one without an end comes in pieces."""
    while line := file.readline(1 << 20):
        yield line


def log_lines(summary: LogSummary, name: str, width: int) -> list[str]:
    """The groups for a terminal, the most frequent first."""
    from deliverkit.report.plain import fold, plain

    width = min(width, 110)
    head = f"{plain(name)}: {summary.lines:,} lines, {summary.refusals:,} refusals, {len(summary.groups):,} causes"
    lines = [head]
    for group in summary.ranked()[:_SHOWN_GROUPS]:
        put_off = f", {group.deferred:,} of them put off" if group.deferred else ""
        hosts = ", ".join(f"{host} ({count:,})" for host, count in group.hosts.most_common(3))
        span = " to ".join(dict.fromkeys(at for at in (group.first, group.last) if at))
        cause = group.cause.id if group.cause else "unknown words"
        lines += ["", *fold(plain(f"{group.count:,} x {cause}{put_off}"), width)]
        lines += fold(plain(f"said: {group.sample.refusal.said}", 300), width, "  ", hanging="        ")
        if hosts or span:
            lines += fold(plain("; ".join(part for part in (hosts, span) if part)), width, "  ")
        if group.meaning:
            lines += fold(f"means: {plain(group.meaning)}", width, "  ", hanging="         ")
        if group.cause:
            lines += fold(f"fix: {plain(group.cause.fix)}", width, "  ", hanging="       ")
    if len(summary.groups) > _SHOWN_GROUPS:
        lines += ["", f"and {len(summary.groups) - _SHOWN_GROUPS} more causes (--format json has them all)"]
    if summary.ungrouped:
        lines += ["", f"{summary.ungrouped:,} refusals more were not grouped: too many different ones"]
    return lines

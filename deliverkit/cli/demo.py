"""``deliverkit demo``: play the whole job and print what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from deliverkit.cli.common import run, usage_error
from deliverkit.cli.files import refuse_unwritable, write_file

if TYPE_CHECKING:
    from deliverkit.demo.play import Played
    from deliverkit.report.model import Report

_COLOURS = {"pass": "green", "risk": "yellow", "fail": "red", "unknown": "magenta"}
_LEAD = (
    "An embedded world on loopback: a name server, SMTP listeners in the three roles, a private authority. "
    "sound.example is as it should be; twin.example has a fault in every room."
)


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    default=Path("deliverkit-demo.html"),
    show_default=True,
    help="Where to write the HTML report.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print the verdicts only.")
@click.option("--no-color", is_flag=True, help="No colour (also NO_COLOR).")
def demo(output: Path, quiet: bool, no_color: bool) -> None:
    """Run the whole job on an embedded world, without network.

    Audit, probe, DKIM-signed send, sink and verify, for a sound domain and its faulty twin, over real sockets on
    loopback. Exits with 0 when both got the verdicts that were planned for them.
    """
    import os

    from deliverkit.demo.play import play

    if str(output) == "-":
        usage_error("the verdicts go to standard output; name a file for the report, such as -o demo.html")
    refuse_unwritable(output)
    color = None if not (no_color or os.environ.get("NO_COLOR")) else False
    shown: list[str] = []

    def say(domain: str, step: str, report: Report) -> None:
        if quiet:
            return
        if domain not in shown:
            shown.append(domain)
            click.secho(f"\n{domain}", bold=True, color=color)
        _print_step(step, report, color)

    if not quiet:
        click.echo("Audit, probe, signed send, sink, verify: on loopback, without network or root.")
    played = run(play(say))
    _write_page(played, output)
    if not quiet:
        _print_planted(played)
    for one in played:
        word = click.style(one.verdict.value.upper(), fg=_COLOURS[one.verdict.value], bold=True)
        plan = "as planned" if one.as_planned else "NOT AS PLANNED"
        click.echo(f"{one.domain.name}: {word}, {plan}", color=color)
    click.echo(f"Report: {output}")
    raise click.exceptions.Exit(0 if all(one.as_planned for one in played) else 1)


def _print_step(step: str, report: Report, color: bool | None) -> None:
    import shutil

    from deliverkit.report.plain import fold, plain
    from deliverkit.report.text import counts

    word = click.style(f"{report.verdict.value.upper():<7}", fg=_COLOURS[report.verdict.value], bold=True)
    click.echo(f"  {step:<31} {word} {_said(report) or counts(report)}", color=color)
    columns = min(shutil.get_terminal_size((100, 24)).columns, 110)
    for found in report.findings:
        if found.severity.value == "note":
            continue
        title = f"{found.severity.value} {found.rule}  {found.title}"
        click.echo("\n".join(fold(title, columns, " " * 6, hanging=" " * 8)))
        lines = [f"cause: {plain(found.detail)}", f"fix:   {plain(found.fix.text)}"]
        for line in lines:
            click.echo("\n".join(fold(line, columns, " " * 8, hanging=" " * 15)))
        for line in found.fix.lines:
            click.echo(f"{' ' * 15}{plain(line)}")
        if found.fix.rejudged:
            click.echo("\n".join(fold(f"then:  {plain(found.fix.effect)}", columns, " " * 8, hanging=" " * 15)))


def _said(report: Report) -> str | None:
    """For a verified message its authentication results, for others nothing."""
    authentication = report.facts.get("authentication")
    if authentication is None or report.findings:
        return None
    signatures = " ".join(f"dkim={one.result} ({one.selector})" for one in authentication.dkim)
    return f"spf={authentication.spf.result} {signatures} dmarc={authentication.dmarc.result}"


def _print_planted(played: tuple[Played, ...]) -> None:
    for one in played:
        planted = one.domain.planted
        if not planted:
            continue
        named = len(planted) - len(one.missed)
        click.echo(f"\nPlanted in {one.domain.name}: {len(planted)} faults; named: {named}")
        for fault in planted:
            mark = "MISSED" if fault in one.missed else fault.rule
            click.echo(f"  {mark:<9} {fault.what}")
    click.echo()


def _write_page(played: tuple[Played, ...], path: Path) -> None:
    from deliverkit.report.html import render_html

    reports = [_called(f"{one.domain.name}: {step.name}", step.report) for one in played for step in one.steps]
    page = render_html(reports, title="deliverkit demo", lead=_LEAD)
    write_file(path, page.encode("utf-8"))


def _called(name: str, report: Report) -> Report:
    """The report under another name; what its findings say about its subject stays about its subject."""
    from dataclasses import replace

    old = report.subject.name
    findings = tuple(replace(f, subject=name) if f.subject == old else f for f in report.findings)
    return replace(report, subject=replace(report.subject, name=name), findings=findings)

"""The command line: one file per verb, loaded only when the verb is used.

``--help`` and ``--version`` import click and nothing heavier. What this package will not do: know anything about
mail. Every verb has a library twin.
"""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from deliverkit import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

VERBS = {
    "audit": "Audit SPF, DKIM, DMARC, MX, PTR and ports of domains.",
    "show": "Show a parsed record and its lookup tree, without opinions.",
    "check-host": "Evaluate SPF for one client address (RFC 7208 check_host).",
    "probe": "Probe SMTP ports for reachability, TLS, certificates and AUTH.",
    "send": "Send a real, DKIM-signed test message and keep the transcript.",
    "verify": "Verify stored messages: SPF, DKIM, DMARC and the message itself.",
    "sink": "Receive mail, keep its exact bytes, verify and show it.",
    "doctor": "Find out why an application's mail fails: its settings, then the server.",
    "fix": "Correct DNS records in their source files: zone files and octoDNS YAML.",
    "diff": "Compare two environments, two reports or two versions of zones: what differs.",
    "init": "Write a first configuration from what domains publish today.",
    "check": "Check a repository of DNS records against its configuration, before they are published.",
    "baseline": "Keep the findings of today, so that a check fails for new ones only.",
    "explain": "Explain a rule, an SMTP reply, a client's error or a log; or list all rules.",
    "demo": "Run the whole job on an embedded world, without network.",
    "completion": "Print the script that completes verbs, options and values in a shell.",
}


_LONGEST = 1200  # characters of a message about input


class _ReaderGone(Exception):
    """`| head` took what it wanted."""


class _Verbs(click.Group):
    """A group that imports a verb's file when the verb is called, and not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        module = import_module(f"deliverkit.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The verbs with their help from the table: click would import every verb to learn both."""
        from click.shell_completion import CompletionItem

        verbs = [CompletionItem(verb, help=said) for verb, said in VERBS.items() if verb.startswith(incomplete)]
        return [*verbs, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as gone:  # click would end with 1, which means a finding
            raise _ReaderGone from gone

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], VERBS, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"there is no verb {args[0]!r}.{hint} The verbs: {', '.join(VERBS)}.", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Verbs,
    subcommand_metavar="VERB [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "--version", message="deliverkit %(version)s")
def cli() -> None:
    """Find out why mail does not arrive.

    deliverkit joins what DNS says, what the servers do and what a message looks like on the wire into one
    verdict, with causes, evidence and fixes.
    """


def _show(wrong: click.ClickException) -> None:
    """What was wrong with the input. The input may hold anything: none of it steers the terminal or floods it."""
    from deliverkit.report.plain import plain

    if isinstance(wrong, click.exceptions.NoArgsIsHelpError):  # a bare ``deliverkit``
        wrong.show()
        return
    said = wrong.format_message()
    if isinstance(wrong, click.MissingParameter):  # click lays choices out in lines
        said = " ".join(said.split())
    said = plain(said)
    if len(said) > _LONGEST:
        said = f"{said[: _LONGEST // 2]} … {said[-_LONGEST // 2 :]}"
    context = getattr(wrong, "ctx", None)
    if context is not None:
        click.echo(f"{context.get_usage()}\nTry '{context.command_path} --help' for help.\n", err=True)
    click.echo(f"Error: {said}", err=True)


def _prepare_streams() -> None:
    """A character that the terminal's encoding lacks is escaped, not a reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main() -> None:
    """The console script. No traceback reaches a user: a fault of ours is one line and exit status 70."""
    _prepare_streams()
    try:
        status = cli.main(prog_name="deliverkit", standalone_mode=False)
    except click.exceptions.Abort:
        status = 130
    except click.ClickException as wrong:
        _show(wrong)
        status = wrong.exit_code
    except KeyboardInterrupt:
        status = 130
    except _ReaderGone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    except Exception as bug:  # the last line of defence
        if os.environ.get("DELIVERKIT_DEBUG"):
            raise
        click.echo(
            f"deliverkit: a fault of ours: {type(bug).__name__}: {bug}\n"
            "Set DELIVERKIT_DEBUG=1 to see where, and please report it.",
            err=True,
        )
        status = 70
    sys.exit(status if isinstance(status, int) else 0)

"""The options of ``deliverkit send``: the message, its signatures, and the way it goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from deliverkit.cli.complete import provider_names

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path, dir_okay=False)
WITHOUT_YES = 10
_MOST = 100_000

_MESSAGE = [
    click.option("--to", "to", multiple=True, metavar="ADDRESS", help="A recipient (repeatable; lists with commas)."),
    click.option("--from", "header_from", metavar="ADDRESS", help="The author, e.g. 'Ann <ann@example.com>'."),
    click.option("--cc", multiple=True, metavar="ADDRESS", help="A further recipient (repeatable)."),
    click.option("--reply-to", multiple=True, metavar="ADDRESS", help="Where replies should go (repeatable)."),
    click.option("--subject", metavar="TEXT", help="The subject. [default: one that says it is a test]"),
    click.option("--text", metavar="TEXT", help="The text body. [default: one that says it is a test]"),
    click.option("--text-file", type=_FILE, metavar="FILE", help="The text body from a file."),
    click.option("--html", metavar="HTML", help="The HTML body; with a text body it becomes its alternative."),
    click.option("--html-file", type=_FILE, metavar="FILE", help="The HTML body from a file."),
    click.option(
        "--template",
        "templates",
        type=_FILE,
        multiple=True,
        metavar="FILE",
        help="A Jinja2 template: .html makes the HTML body, any other the text (repeatable).",
    ),
    click.option("--data", "data_file", type=_FILE, metavar="FILE", help="Data for the templates, JSON or TOML."),
    click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="One value for the templates."),
    click.option("--attach", "attach", type=_FILE, multiple=True, metavar="FILE", help="Attach a file (repeatable)."),
    click.option("--inline", multiple=True, metavar="CID=FILE", help="An image that the HTML shows as cid:CID."),
    click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A further header field."),
    click.option("--unsubscribe", metavar="URL", help="One-click unsubscribe (RFC 8058): an https URL."),
    click.option("--unsubscribe-mailto", metavar="ADDRESS", help="Unsubscribe by mail."),
    click.option("--eml", type=_FILE, metavar="FILE", help="Send this message instead of composing one."),
]
_SIGNING = [
    click.option("--dkim-key", "dkim_keys", multiple=True, metavar="S=FILE", help="Sign with this key for selector S."),
    click.option("--dkim-domain", metavar="DOMAIN", help="The signing domain. [default: that of From]"),
]
_SENDING = [
    click.option(
        "--provider",
        metavar="ID",
        shell_complete=provider_names,
        help="A provider's preset: gmail, qq, netease-163, ses, …",
    ),
    click.option("--region", metavar="R", help="The provider's region, where it has some."),
    click.option("--via", metavar="HOST[:PORT]", help="Send through this server. [default: the recipients' MX]"),
    click.option(
        "--tls",
        type=click.Choice(["implicit", "starttls", "opportunistic", "none"]),
        help="How TLS begins. [default: what the port speaks]",
    ),
    click.option("--user", metavar="NAME", help="Log in as. [default: by the provider's rule, else the sender]"),
    click.option("--password-env", metavar="NAME", help="The password stands in this environment variable."),
    click.option("--password-file", type=_FILE, metavar="FILE", help="The password is this file's first line."),
    click.option("--ask-password", is_flag=True, help="Ask for the password; it is not shown."),
    click.option("--oauth-token-env", metavar="NAME", help="An OAuth2 access token stands in this variable (XOAUTH2)."),
    click.option(
        "--auth",
        "mechanism",
        type=click.Choice(["PLAIN", "LOGIN", "CRAM-MD5"], case_sensitive=False),
        help="Log in by this mechanism.",
    ),
    click.option("--mail-from", metavar="ADDRESS", help="The envelope's sender; <> for none. [default: From]"),
    click.option("--helo", metavar="NAME", help="The EHLO name. [default: this host's name or address]"),
    click.option("--ca-file", type=_FILE, metavar="FILE", help="Trust the certificate authorities in this PEM file."),
    click.option("--insecure", is_flag=True, help="Send the password even where the server is not verified."),
    click.option("--count", type=click.IntRange(1, _MOST), default=1, show_default=True, help="Send so many messages."),
    click.option("--yes", is_flag=True, help=f"Do send more than {WITHOUT_YES} messages."),
    click.option("--dry-run", is_flag=True, help="Show the message exactly as it would be sent; send nothing."),
    click.option("--transcript", "transcript_file", type=_FILE, metavar="FILE", help="Write the transcript to a file."),
]


def send_options(function: F) -> F:
    """Add the options of ``send``, in the order --help shows them."""
    for option in reversed(_MESSAGE + _SIGNING + _SENDING):
        function = option(function)
    return function

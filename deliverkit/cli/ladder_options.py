"""The options of ``deliverkit doctor`` that concern the live part, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from deliverkit.cli.common import Seconds, usage_error

if TYPE_CHECKING:
    from deliverkit.engine.transport import LadderOptions
    from deliverkit.protocols.dkim.keys import PrivateKey

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path, dir_okay=False)
_OPTIONS = [
    click.option("--to", metavar="ADDRESS", help="Ask the server whether it would take mail for this recipient."),
    click.option("--send", is_flag=True, help="Do send a test message to --to, if every step before it holds."),
    click.option(
        "--dkim-key", "dkim_keys", multiple=True, metavar="S=FILE", help="Sign the test message (repeatable)."
    ),
    click.option("--insecure", is_flag=True, help="Send the password where the application would, verified or not."),
    click.option("--ca-file", type=_FILE, metavar="FILE", help="Trust the certificate authorities in this PEM file."),
    click.option(
        "--connect-timeout",
        "connect_s",
        type=Seconds(min=0.1),
        default=10.0,
        show_default=True,
        metavar="SECONDS",
        help="Wait so long for a connection.",
    ),
    click.option(
        "--reply-timeout",
        "reply_s",
        type=Seconds(min=0.1),
        default=30.0,
        show_default=True,
        metavar="SECONDS",
        help="Wait so long for the greeting and for each reply.",
    ),
]


def ladder_options(function: F) -> F:
    """Add the options, in the order --help shows them."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def read_ladder(given: Mapping[str, Any], *, static: bool, seconds: float | None) -> LadderOptions | None:
    """How to climb; None where no packet is sent. Options that make no sense together are a usage error."""
    if given["send"] and not given["to"]:
        usage_error("--send: nobody is named; give the recipient with --to")
    if given["dkim_keys"] and not given["send"]:
        usage_error("--dkim-key: nothing is sent without --send")
    if static:
        if given["to"] or given["send"]:
            usage_error("--to and --send need the server: leave out --static, --offline and --closed-world")
        return None
    from dataclasses import replace

    from deliverkit.engine.transport import LadderOptions

    ca_file = given["ca_file"]
    options = LadderOptions(
        to=_recipient(given["to"]),
        insecure=given["insecure"],
        ca_file=_readable(ca_file) if ca_file else None,
        connect_s=given["connect_s"],
        reply_s=given["reply_s"],
    )
    return replace(options, seconds=seconds) if seconds else options


def _recipient(text: str | None) -> str | None:
    from deliverkit.smtp.client import unfit_address

    if text is None:
        return None
    if reason := unfit_address(text, "--to", smtputf8=False):
        usage_error(reason)
    if "@" not in text.strip("@"):
        usage_error(f"--to {text}: no mail address; expected NAME@DOMAIN")
    return text


def _readable(path: Path) -> str:
    try:
        found = b"-----BEGIN CERTIFICATE-----" in path.read_bytes()
    except OSError as bad:
        usage_error(f"--ca-file {path}: {bad.strerror or bad}")
    if not found:
        usage_error(f"--ca-file {path}: there is no certificate in PEM form in it")
    return str(path)


def read_keys(pairs: Sequence[str]) -> tuple[tuple[str, PrivateKey], ...]:
    """Selectors with their keys; the signing domain is that of the sender, which is known only later."""
    if not pairs:
        return ()
    from deliverkit.protocols.dkim.keys import BadKeyFile, load_private_key
    from deliverkit.protocols.dkim.sign import SigningError, SigningKey

    found = []
    for text in pairs:
        selector, equals, file = text.partition("=")
        if not (selector and equals and file):
            usage_error(f"--dkim-key {text}: expected SELECTOR=FILE, for example s1=private.pem")
        try:
            found.append((selector, SigningKey(selector, "example.com", load_private_key(file)).private))
        except (BadKeyFile, SigningError) as bad:
            usage_error(f"--dkim-key: {bad}")
    return tuple(found)

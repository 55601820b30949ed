"""Passwords and tokens: from the environment, a file or a prompt; never from the command line, never shown.

What this file will not do: decide whether a secret may be sent; the conversation does.
"""

from __future__ import annotations

import getpass
import os
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import click

from deliverkit.cli.common import usage_error

_LARGEST = 65_536  # octets of a file; access tokens are some kB


@dataclass(frozen=True)
class Secret:
    """A password, or a token for XOAUTH2. It never shows in a repr."""

    value: str = field(repr=False)
    is_token: bool = False


def read_secret(
    password_env: str | None, password_file: Path | None, ask: bool, token_env: str | None, *, whose: str
) -> Secret | None:
    """The one secret that was given, or None. More than one, or an empty one, is a usage error."""
    named = {
        "--password-env": password_env,
        "--password-file": password_file,
        "--ask-password": ask,
        "--oauth-token-env": token_env,
    }
    chosen = [option for option, value in named.items() if value]
    if len(chosen) > 1:
        usage_error(f"{' and '.join(chosen)} exclude each other: give one")
    if password_env:
        return Secret(_from_environment("--password-env", password_env))
    if token_env:
        return Secret(_from_environment("--oauth-token-env", token_env), is_token=True)
    if password_file:
        return Secret(_from_file(password_file))
    if ask:
        return Secret(_asked(whose))
    return None


def _asked(whose: str) -> str:
    """What is typed, unseen; or a line of a pipe, where there is no terminal to hide it on."""
    from deliverkit.report.plain import plain

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", getpass.GetPassWarning)
            typed: str = click.prompt(f"Password for {plain(whose)}", hide_input=True, err=True)
    except click.Abort:
        if sys.stdin is not None and sys.stdin.isatty():
            raise
        usage_error("--ask-password: nobody answered; without a terminal use --password-env or --password-file")
    return typed


def _from_environment(option: str, name: str) -> str:
    value = os.environ.get(name)
    if not value:
        state = "is empty" if value == "" else "is not set"
        usage_error(f"{option} {name}: the environment variable {state}; it must hold the secret, not its name here")
    if any(0xD800 <= ord(character) <= 0xDFFF for character in value):  # octets that are no UTF-8
        usage_error(f"{option} {name}: the environment variable is not UTF-8 text")
    return value


def _from_file(path: Path) -> str:
    """The first line, without its line end: editors add one, and no password contains one."""
    try:
        with path.open("rb") as file:
            line = file.read(_LARGEST).partition(b"\n")[0].rstrip(b"\r").decode("utf-8")
    except OSError as bad:
        usage_error(f"--password-file {path}: {bad.strerror or bad}")
    except UnicodeDecodeError:
        usage_error(f"--password-file {path}: not UTF-8 text")
    if not line:
        usage_error(f"--password-file {path}: its first line is empty")
    return line

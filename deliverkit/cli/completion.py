"""``deliverkit completion``: the script that lets a shell complete verbs, options and their values.

What this file will not do: complete anything (`deliverkit.cli.complete`, and click), or write into anybody's files.
"""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), metavar="bash|zsh|fish")
def completion(shell: str) -> None:
    """Print the script that completes verbs, options and values in a shell.

    \b
    bash:  deliverkit completion bash > ~/.local/share/bash-completion/completions/deliverkit
    zsh:   deliverkit completion zsh > "${fpath[1]}/_deliverkit"
    fish:  deliverkit completion fish > ~/.config/fish/completions/deliverkit.fish

    For this session alone: source <(deliverkit completion bash).
    """
    from click.shell_completion import ShellComplete, get_completion_class

    from deliverkit.cli import cli

    made = get_completion_class(shell)
    assert made is not None  # click knows the three
    # The base class's: bash's own starts a bash to ask its version, and the script may be for another machine.
    click.echo(ShellComplete.source(made(cli, {}, "deliverkit", "_DELIVERKIT_COMPLETE")), nl=False)

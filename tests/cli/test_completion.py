"""Completion in real shells: what is offered after Tab, and what it costs to be asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deliverkit.cli import VERBS
from deliverkit.cli.complete import rule_words
from deliverkit.data import providers
from deliverkit.rules.registry import all_rules
from tests.cli.command import Typed

ROOT = Path(__file__).parents[2]
HEAVY = ("asyncio", "cryptography", "deliverkit.engine", "deliverkit.rules", "deliverkit.world", "dkim", "dns", "ssl")

# What bash does at Tab: it sets these variables, calls the function, and shows COMPREPLY.
BASH = """\
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
$(complete -p deliverkit | sed -n 's/.*-F \\([^ ]*\\).*/\\1/p') deliverkit "${COMP_WORDS[COMP_CWORD]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which `deliverkit` is this one."""
    folder = tmp_path_factory.mktemp("bin")
    script = folder / "deliverkit"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m deliverkit "$@"\n')
    script.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def asked(program: dict[str, str], *words: str, folder: Path | None = None) -> list[str]:
    """What completion answers to bash's variables: its own words, without a shell."""
    environment = {
        **program,
        "_DELIVERKIT_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["deliverkit", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(
        [sys.executable, "-m", "deliverkit"],
        env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert not done.stderr
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_printed(deliverkit: Typed, shell: str) -> None:
    """For each shell, without that shell being there."""
    done = deliverkit("completion", shell)
    assert done.status == 0
    assert f"_DELIVERKIT_COMPLETE={shell}_complete" in done.out
    assert not done.err


def test_a_shell_that_is_none(deliverkit: Typed) -> None:
    """The three that are known are named."""
    done = deliverkit("completion", "csh")
    assert done.status == 2
    assert "bash" in done.complaint
    assert "zsh" in done.complaint


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ver"], ["verify"]),
        (["explain", "SPF00"], sorted(i for i in rule_words() if i.startswith("SPF00"))),
        (["audit", "--offl"], ["--offline"]),
        (["audit", "--via", "sendg"], ["sendgrid"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
    ],
    ids=lambda value: " ".join(value)[:20],
)
def test_in_a_real_bash(
    deliverkit: Typed, program: dict[str, str], tmp_path: Path, words: list[str], offered: list[str]
) -> None:
    """The script defines a function that bash calls at Tab."""
    script = tmp_path / "deliverkit.bash"
    script.write_text(deliverkit("completion", "bash").out)
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH, "bash", str(script), "deliverkit", *words],
        env=program, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.split() == offered, done.stderr


@pytest.mark.peer("zsh")
def test_in_a_real_zsh(deliverkit: Typed, program: dict[str, str], tmp_path: Path) -> None:
    """Its completion system takes the script, and the function offers what it is told to by `compadd`."""
    script = tmp_path / "_deliverkit"
    script.write_text(deliverkit("completion", "zsh").out)
    asks = (
        f"autoload -U compinit; compinit -u -d {tmp_path}/dump; source {script}\n"
        "compadd() { for last; do :; done; print -l -- ${(P)last}; }\n"
        '_describe() { shift 2; print -l -- "${(@P)1}"; }\n'
        "words=(deliverkit ver); CURRENT=2; _deliverkit_completion\n"
    )
    done = subprocess.run(
        ["zsh", "-f", "-c", asks], env=program, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.startswith("verify:Verify stored messages"), done.stdout + done.stderr


@pytest.mark.peer("fish")
def test_in_a_real_fish(deliverkit: Typed, program: dict[str, str], tmp_path: Path) -> None:
    """`complete -C` answers as Tab does."""
    script = tmp_path / "deliverkit.fish"
    script.write_text(deliverkit("completion", "fish").out)
    asks = f"source {script}; complete -C 'deliverkit explain SPF00'"
    environment = {**program, "HOME": str(tmp_path)}
    done = subprocess.run(
        ["fish", "--no-config", "-c", asks], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    offered = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert offered == sorted(id_ for id_ in rule_words() if id_.startswith("SPF00")), done.stderr


def test_all_verbs_are_offered(program: dict[str, str]) -> None:
    """In the order of the help."""
    assert asked(program, "") == list(VERBS)


def test_domains_of_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are named there; nothing where it cannot be read."""
    import click

    from deliverkit.cli.complete import configured_domains

    monkeypatch.chdir(tmp_path)
    context = click.Context(click.Command("check"))
    option = click.Option(["--domain"])
    (tmp_path / "deliverkit.toml").write_text("")
    assert configured_domains(context, option, "") == []
    (tmp_path / "deliverkit.toml").write_text('[domains."a.example"]\n[domains."b.example"]\n')
    assert [item.value for item in configured_domains(context, option, "b")] == ["b.example"]
    other = tmp_path / "other.toml"
    other.write_text('[domains."c.example"]\n')
    context.params["config_file"] = str(other)
    assert [item.value for item in configured_domains(context, option, "")] == ["c.example"]
    other.write_text("nonsense")
    assert configured_domains(context, option, "") == []


def test_rules_are_those_of_the_registry() -> None:
    """They are read from the text of the rules' files, and no rule is missed."""
    ours = [rule for rule in all_rules() if rule.judge.__module__.startswith("deliverkit.")]
    assert rule_words() == {rule.id: rule.slug for rule in ours}


def test_slugs_and_providers(program: dict[str, str]) -> None:
    """Whoever begins with a small letter means a slug."""
    assert asked(program, "explain", "too-many-l") == sorted(
        s for s in rule_words().values() if s.startswith("too-many-l")
    )
    assert asked(program, "explain", "providers") == ["providers"]
    assert asked(program, "explain", "--provider", "") == sorted(one.id for one in providers())


@pytest.mark.parametrize("words", [["a"], ["explain", "SPF"], ["audit", "--v"]], ids=" ".join)
def test_a_tab_imports_nothing_heavy(words: list[str]) -> None:
    """It is pressed often."""
    code = (
        "import json, os, sys\n"
        "from deliverkit.cli import cli\n"
        "try: cli.main([], prog_name='deliverkit')\n"
        "except SystemExit: pass\n"
        "print(json.dumps(list(sys.modules)), file=sys.stderr)\n"
    )
    environment = {
        **os.environ,
        "_DELIVERKIT_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["deliverkit", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout
    loaded = json.loads(done.stderr)
    assert [name for name in loaded if any(name == h or name.startswith(f"{h}.") for h in HEAVY)] == []

"""The house keeps its shape: arrows point one way, sockets live behind the doors, every rule is complete."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deliverkit.cli import VERBS, cli
from deliverkit.rules.registry import all_rules
from deliverkit.world.story import load_story, run_story

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "deliverkit"
STORIES = sorted((ROOT / "fixtures" / "stories").rglob("*.toml"))

# Which of our rooms a room may import. A file at the top of the package is a room of its own.
MAY_IMPORT = {
    "flow": set(),
    "addresses": set(),
    "names": set(),
    "findings": {"flow"},
    "config": {"config", "findings", "names"},
    "data": {"names"},
    "protocols": {"addresses", "flow", "names", "protocols"},
    "smtp": {"addresses", "flow", "names", "smtp", "data", "protocols"},
    "facts": {"addresses", "flow", "names", "facts", "protocols", "smtp", "data"},
    "rules": {"addresses", "flow", "names", "findings", "facts", "protocols", "smtp", "data", "rules"},
    "report": {"", "flow", "findings", "facts", "names", "protocols", "rules", "smtp", "report"},
    "world": {"", "addresses", "flow", "names", "world", "smtp", "facts", "engine"},
    "engine": {
        "",
        "addresses",
        "flow",
        "names",
        "findings",
        "data",
        "protocols",
        "smtp",
        "facts",
        "rules",
        "report",
        "world",
        "engine",
        "config",
    },
    "sink": {
        "",
        "addresses",
        "flow",
        "names",
        "findings",
        "protocols",
        "smtp",
        "facts",
        "rules",
        "report",
        "world",
        "engine",
        "sink",
    },
    "testing": {"", "flow", "facts", "protocols", "report", "world", "engine", "config", "sink", "testing"},
    "explain": {"config", "report", "rules", "smtp"},
}
SOCKETS = {"socket", "ssl", "selectors", "asyncio", "aiosmtpd", "smtplib", "http", "urllib.request"}
MAY_OPEN_SOCKETS = {"world", "sink", "demo"}
ASYNCIO_ONLY = {"flow", "engine", "cli", "aio", "testing", ""}  # tasks and drivers; no stream, no socket


def _modules() -> Iterator[tuple[Path, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        first = path.relative_to(PACKAGE).parts[0]
        room = first.removesuffix(".py")
        yield path, "" if room == "__init__" else room


def _imports(path: Path) -> Iterator[str]:
    """Imported module names, those under TYPE_CHECKING left out."""
    tree = ast.parse(path.read_text("utf-8"))
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize(("path", "room"), [m for m in _modules() if m[1] in MAY_IMPORT], ids=str)
def test_arrows_point_one_way(path: Path, room: str) -> None:
    """World, facts, rules, report: nothing imports against the stream."""
    for name in _imports(path):
        parts = name.split(".")
        if parts[0] == "deliverkit":
            target = parts[1] if len(parts) > 1 else ""
            assert target in MAY_IMPORT[room] or target == room, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize(("path", "room"), list(_modules()), ids=str)
def test_sockets_live_behind_the_doors(path: Path, room: str) -> None:
    """Only the world, the sink and the demo's servers may touch sockets."""
    for name in _imports(path):
        guilty = {s for s in SOCKETS if name == s or name.startswith(f"{s}.")}
        if name.startswith("dns.") and name.split(".")[1] in {"resolver", "asyncresolver", "query", "asyncquery"}:
            guilty.add(name)
        if room in ASYNCIO_ONLY:
            guilty.discard("asyncio")
        assert not guilty or room in MAY_OPEN_SOCKETS, f"{path.relative_to(ROOT)} imports {guilty}"


@pytest.mark.parametrize("path", [p for p, _ in _modules()], ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_file_opens_by_saying_what_it_is_for(path: Path) -> None:
    """A module without a docstring is a room without a name."""
    assert (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").strip()


@functools.cache
def _outcomes() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """The rules that some story fires, those that judged and stayed silent in one, and those that crashed."""
    fired: set[str] = set()
    passed: set[str] = set()
    crashed: set[str] = set()
    for path in STORIES:
        report = run_story(load_story(path))
        fired |= {f.rule for f in report.findings}
        passed |= set(report.passed)
        crashed |= {i.rule for i in report.inconclusive if i.reason.startswith("the rule crashed")}
    return frozenset(fired), frozenset(passed), frozenset(crashed)


@pytest.mark.parametrize("rule", all_rules(), ids=lambda r: r.id)
def test_every_rule_has_a_story_that_fires_it_and_one_that_stays_silent(rule: object) -> None:
    """A rule nobody has seen fire, or that nothing passes, is not proven."""
    fired, passed, crashed = _outcomes()
    assert rule.id in fired, f"no story fires {rule.id}"  # type: ignore[attr-defined]
    assert rule.id in passed, f"no story passes {rule.id}"  # type: ignore[attr-defined]
    assert rule.id not in crashed  # type: ignore[attr-defined]


def test_rule_ids_and_slugs_are_unique_and_well_formed() -> None:
    """Ids are PREFIX + three digits; within its family a slug names one fault."""
    rules = all_rules()
    assert all(re.fullmatch(r"[A-Z]+\d{3}", r.id) for r in rules)
    assert len({(r.family, r.slug) for r in rules}) == len(rules)
    law = re.compile(r"RFC \d+|draft|§|CA/Browser|M3AAWG|Gmail|Yahoo|Postfix|CVE|good practice")
    assert [rule.id for rule in rules if not law.search(rule.reference)] == []


@pytest.mark.parametrize("rule", all_rules(), ids=lambda r: r.id)
def test_every_rule_has_its_page(rule: object) -> None:
    """docs/rules is generated from the docstrings: `python -m tests.generate`."""
    from deliverkit.explain import rule_markdown

    page = ROOT / "docs" / "rules" / f"{rule.id}.md"  # type: ignore[attr-defined]
    assert page.read_text("utf-8") == rule_markdown(rule), "run `python -m tests.generate`"  # type: ignore[arg-type]


def test_no_page_without_a_rule() -> None:
    """A rule that went takes its page with it."""
    pages = {p.stem for p in (ROOT / "docs" / "rules").glob("*.md")} - {"README"}
    assert pages == {r.id for r in all_rules()}


def test_the_verb_table_tells_what_the_verbs_say() -> None:
    """The short help of the group is that of each command, without importing them for --help."""
    import click

    context = click.Context(cli)
    for verb, short in VERBS.items():
        command = cli.get_command(context, verb)
        assert command is not None
        assert (command.help or "").strip().splitlines()[0] == short


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_click_and_nothing_heavier(option: str) -> None:
    """The start path stays lean: no dnspython, no dkimpy, no ssl, no asyncio, no importlib.metadata."""
    heavy = ["dns", "dkim", "aiosmtpd", "ssl", "asyncio", "cryptography", "jinja2", "tabulate", "tomllib", "sqlite3"]
    code = (
        "import sys; from deliverkit.cli import cli\n"
        f"try: cli.main([{option!r}], prog_name='deliverkit')\n"
        "except SystemExit: pass\n"
        f"bad = [m for m in {heavy!r} if m in sys.modules]; print(bad, file=sys.stderr); sys.exit(bool(bad))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_the_top_level_is_as_agreed() -> None:
    """Nothing piles up at the top of the tree."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    top = {line.split("/")[0] for line in done.stdout.splitlines()}
    agreed = {"pyproject.toml", "deliverkit", "tests", "fixtures", "reports", "docs", "README.md", "LICENSE"}
    assert {name for name in top if not name.startswith(".")} <= agreed

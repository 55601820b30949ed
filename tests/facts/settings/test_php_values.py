"""Values in PHP: what the evaluator makes of source, against PHP's own rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.facts.settings.source import phplaw
from deliverkit.facts.settings.source.javascript import Known, Unknown, Value
from deliverkit.facts.settings.source.php import Program
from deliverkit.facts.settings.tree import ToldTree
from deliverkit.facts.settings.values import Place, Setting

ENV = {name: Setting(name, value, Place(".env", 1), ".env") for name, value in
       {"HOST": "h.shop.example", "PORT": "465", "OFF": "false", "EMPTY": "", "ENC": "ssl"}.items()}  # fmt: skip


def value(expression: str, before: str = "", **files: str) -> Value:
    """What ``return expression;`` is in a file."""
    tree = ToldTree({"app/config.php": f"<?php\n{before}\nreturn {expression};", **files})
    found = Program(tree, ENV.get).returned("app/config.php")
    assert found is not None
    return found


def plain(expression: str, before: str = "", **files: str) -> object:
    """The same where it is known."""
    found = value(expression, before, **files)
    assert isinstance(found, Known), found
    return found.value


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("getenv('HOST')", "h.shop.example"),
        ("getenv('NONE')", False),
        ("getenv('NONE') ?: 'localhost'", "localhost"),
        ("$_ENV['NONE'] ?? 'localhost'", "localhost"),
        ("$_SERVER['HOST']", "h.shop.example"),
        ("(int) $_ENV['PORT']", 465),
        ("intval(getenv('PORT')) === 465", True),
        ("env('OFF', true)", False),
        ("env('EMPTY', 'x')", ""),
        ("env('NONE', 'x')", "x"),
        ("(bool) $_ENV['OFF']", True),
        ("filter_var($_ENV['OFF'], FILTER_VALIDATE_BOOLEAN)", False),
        ("'smtp.' . \"{$_ENV['PORT']}\\n\"", "smtp.465\n"),
        ("'a\\n'", "a\\n"),
        ("$_ENV['ENC'] === 'ssl' ? PHPMailer::ENCRYPTION_SMTPS : PHPMailer::ENCRYPTION_STARTTLS", "ssl"),
        ("match ($_ENV['ENC']) { 'tls' => 587, 'ssl', 'smtps' => 465, default => 25 }", 465),
        ("['a' => ['b' => 1]]['a']['b']", 1),
        ("!'0'", True),
        ("-5 + 2", -3),
        ("0 == ''", False),
        ("1.5", 1.5),
    ],
)
def test_expressions(expression: str, expected: object) -> None:
    """Literals, the environment and what leads from a text to a value."""
    assert plain(expression) == expected


def test_what_is_followed_beyond_an_expression() -> None:
    """Constants, included files, functions that return, variables, conditions."""
    assert plain("A . B", "const A = 'a'; define('B', 'b');") == "ab"
    assert plain("HOST", "require __DIR__ . '/c.php';", **{"app/c.php": "<?php define('HOST', 'x');"}) == "x"
    assert plain("$c['h']", "$c = require 'c.php';", **{"app/c.php": "<?php return ['h' => 'x'];"}) == "x"
    assert plain("f()['p']", "function f() { return ['p' => 587]; }") == 587
    assert plain("$x", "if ($_ENV['ENC'] === 'ssl') { $x = 1; } else { $x = 2; }") == 1
    assert plain("$x", "if ($_ENV['ENC'] === 'tls') { $x = 1; } elseif (true) $x = 3; else { $x = 2; }") == 3


@pytest.mark.parametrize(
    ("expression", "before"),
    [
        ("$_POST['x']", ""),
        ("$x", "if ($_GET['a']) { $x = 1; }"),
        ("$x", "if (getenv('NONE')) { $x = 1; }"),
        ("$x", "$x = 1; $x = 2;"),
        ("$x", "foreach ($a as $b) { $x = 1; }"),
        ("f()", "function f() { if (rand()) { return 1; } return 2; }"),
        ("f()", "function f() { return f(); }"),
        ("$x", "$x = $x;"),
        ("decrypt('a')", ""),
        ("UNKNOWN", ""),
        ("fn() => 1", ""),
    ],
)
def test_what_only_a_run_could_tell(expression: str, before: str) -> None:
    """Never a guess, and never endless."""
    assert isinstance(value(expression, before), Unknown)


def test_doubling_ends() -> None:
    """Each expression is evaluated once, and no text grows without bounds."""
    before = "$a0 = 'a';\n" + "\n".join(f"$a{n + 1} = $a{n} . $a{n} . $a{n};" for n in range(30))
    found = value("$a12", before)
    assert isinstance(found, Known) and 60_000 < len(found.value) <= phplaw.LONGEST
    assert isinstance(value("$a30", before), Unknown)


def test_a_variable_keeps_its_setting_through_conversions() -> None:
    """What the evidence points at."""
    found = value("(int) trim($_ENV['PORT'])")
    assert isinstance(found, Known) and found.setting is ENV["PORT"] and found.line == 3


@given(st.text(alphabet=st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=60))
def test_a_text_in_single_quotes_is_itself(text: str) -> None:
    """PHP manual, Strings: only the quote and the backslash are written with a backslash."""
    written = text.replace("\\", "\\\\").replace("'", "\\'")
    assert plain(f"'{written}'") == text


@given(st.text(max_size=120))
def test_any_source_is_survived(source: str) -> None:
    """A file that is no PHP raises nothing."""
    Program(ToldTree({"a.php": f"<?php {source}"}), ENV.get).returned("a.php")


_PIECES = ("$x", "=", "'a'", "[", "]", "(", ")", "env('HOST')", "return", ";", "{", "}", "if", "else", "?", ":", "??",
           "function f()", "require 'a.php'", ".", "=>", "$m->Host", "define('A',", "A")  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES), max_size=25))
def test_scrambled_php_is_survived(pieces: list[str]) -> None:
    """Pieces in any order: known, unknown or nothing, never an error."""
    Program(ToldTree({"a.php": "<?php " + " ".join(pieces)}), ENV.get).returned("a.php")


@given(st.one_of(st.none(), st.booleans(), st.integers(-(10**15), 10**15), st.text(max_size=10)))
def test_the_law_is_consistent(one: object) -> None:
    """What is true as a value is true as its text, but for texts that PHP takes as false; texts keep numbers."""
    assert phplaw.truthy(phplaw.text(one)) == (phplaw.text(one) not in ("", "0"))
    if isinstance(one, int) and not isinstance(one, bool):
        assert phplaw.number(phplaw.text(one)) == one
    assert phplaw.loosely(one, one)

"""PHP itself says what expressions are, and the evaluator of source says the same or that it does not know."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deliverkit.facts.settings.source.javascript import Known
from deliverkit.facts.settings.source.php import Program
from deliverkit.facts.settings.tree import ToldTree
from deliverkit.facts.settings.values import Place, Setting
from tests.peers.run import run

ENV = {"A": "ssl", "B": "465", "C": "false", "D": "", "E": "0", "F": " 3x"}
_TEXTS = ("", "0", "1", "false", "12x", " 3", "3 ", "abc", "1e3", "1.50", "0x1A", "-7", "\\\\n", "it\\'s")
_LEAVES = st.one_of(
    st.sampled_from(["true", "false", "null", "0", "1", "587", "0x1F", "1_000", '"$x"', '"a{$x}b\\t"', "C", "$x"]),
    st.sampled_from([f"'{text}'" for text in _TEXTS]),
    st.sampled_from([f"$_ENV['{name}']" for name in (*ENV, "NONE")]),
    st.sampled_from([f"getenv('{name}')" for name in (*ENV, "NONE")]),
)


def _wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, st.sampled_from(["==", "!=", "===", "!==", "??", "?:", "&&", "||", "."]), inner)
    return st.one_of(
        two.map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} ? {p[1]} : {p[2]})"),
        st.tuples(st.sampled_from(["(int) ", "(bool) ", "(string) ", "!", "-(int) ", "@"]), inner).map(
            "({0[0]}{0[1]})".format
        ),
        st.tuples(st.sampled_from(["trim", "strtolower", "intval", "boolval"]), inner).map(
            "{0[0]}((string) {0[1]})".format
        ),
        inner.map("filter_var({}, FILTER_VALIDATE_BOOLEAN)".format),
        st.tuples(inner, inner).map("['k' => {0[0]}, {0[1]}]['k']".format),
        st.tuples(inner, inner).map("(match ({0[0]}) {{ {0[1]} => 'same', default => 'other' }})".format),
    )


EXPRESSIONS = st.recursive(_LEAVES, _wider, max_leaves=6)
_BEFORE = "const C = 'c';\n$x = 'var';\n"


@pytest.mark.peer("php")
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(EXPRESSIONS, min_size=20, max_size=60))
def test_php_agrees(expressions: list[str]) -> None:
    """A known value is PHP's own; most are known."""
    array = ",\n".join(expressions)
    done = run(
        ["php", "-d", "variables_order=E", "-r", f"error_reporting(0);\n{_BEFORE}echo json_encode([\n{array}\n]);"],
        **ENV,
    )
    assert done.returncode == 0, done.stderr.decode()[:500] or done.stdout.decode()[:500]
    variables = {name: Setting(name, value, Place("environment"), "environment") for name, value in ENV.items()}
    found = Program(ToldTree({"a.php": f"<?php\n{_BEFORE}return [\n{array}\n];"}), variables.get).returned("a.php")
    assert isinstance(found, Known)
    known = 0
    for expression, told, ours in zip(expressions, json.loads(done.stdout), found.value.values(), strict=True):
        if isinstance(ours, Known):
            known += 1
            assert (type(ours.value), ours.value) == (type(told), told), expression
    assert known >= len(expressions) * 0.9

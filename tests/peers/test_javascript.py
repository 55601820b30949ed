"""What we say an expression is, and what Node.js says it is: the same, or we say that only a run could tell."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("tree_sitter_javascript", reason="the extra source is not installed")

from deliverkit.facts.settings.source import ecmascript as law
from deliverkit.facts.settings.source import javascript as js
from deliverkit.facts.settings.source.syntax import walk
from deliverkit.facts.settings.tree import ToldTree
from deliverkit.facts.settings.values import Place, Setting
from tests.peers.run import script

pytestmark = pytest.mark.peer("node")

PRELUDE = """
const plain = { host: "mail.example.com", port: 587, auth: { user: "ann", pass: null }, list: [1, "2", true] };
const spread = { ...plain, port: "465", ...(false), ...null };
const { host, port: number, missing = "default", auth: { user, pass = "p" }, ...others } = plain;
const [first, , third = 9, fourth = 4] = plain.list;
const { A, B = "b", GONE, GONE_TOO = 7 } = process.env;
const env = process.env;
function shadow(host) { return host; }
"""
ENV = {
    "A": "false",
    "B": "",
    "C": "587",
    "D": " 12px",
    "E": '{"a": [1, "x", null], "b": {"c": true}}',
    "F": "0x1F",
    "G": "true",
}


def told(value: js.Value) -> Any:
    """A value with its kind, as evaluate.js writes it; None for what only a run could tell."""
    if isinstance(value, js.Unknown):
        return None
    one = value.value
    if isinstance(one, dict):
        members = {name: told(inner) for name, inner in one.items()}
        return None if None in members.values() else ["object", members]
    if isinstance(one, tuple):
        parts = [told(inner) for inner in one]
        return None if None in parts else ["array", parts]
    if one is law.UNDEFINED:
        return ["undefined"]
    if one is None:
        return ["null"]
    if isinstance(one, bool):
        return ["boolean", one]
    return ["string", one] if isinstance(one, str) else ["number", law.to_text(one)]


def ours(expressions: list[str], env: dict[str, str] = ENV) -> list[Any]:
    """What we say of each expression."""
    source = PRELUDE + "\n".join(f"const result_{n} = ({one});" for n, one in enumerate(expressions))

    def lookup(name: str) -> Setting | None:
        return Setting(name, env[name], Place(".env"), ".env") if name in env else None

    program = js.Program(ToldTree({"a.js": source}), lookup)
    module = program.module("a.js")
    assert module is not None
    assert not any(node.type == "ERROR" for node in walk(module.root)), source
    names = module.names
    return [told(program.value(names[f"result_{n}"].node, module)) for n in range(len(expressions))]


def theirs(expressions: list[str]) -> list[Any]:
    """What Node.js says of each expression."""
    return list(script("evaluate.js", {"env": ENV, "prelude": PRELUDE, "expressions": expressions}))


literals = st.sampled_from(
    [
        "0",
        "1",
        "465",
        "587.0",
        "1e21",
        "1.5e-7",
        "0.1",
        "123456789012345680000",
        "0x1f",
        "1_000",
        "-0",
        "NaN",
        "Infinity",
        "true",
        "false",
        "null",
        "undefined",
        '""',
        '"false"',
        "'true'",
        '" 465 "',
        '"4e2"',
        '"0b11"',
        '"-0x1"',
        '"\\u0041\\x42\\n"',
        '"\\ud83d\\ude00"',
        "`t`",
        '"Infinity"',
        '"1_0"',
        '"\\u00a07"',
        '"nan"',
        "{}",
        "[]",
        "[1, 2]",
        '{ a: 1, "b": { c: "x" } }',
    ]
)
variables = st.sampled_from(
    [
        "process.env.A",
        "process.env.B",
        "process.env.C",
        "process.env.D",
        'process.env["E"]',
        "process.env.F",
        "process.env.G",
        "process.env.GONE",
        "env.C",
        "A",
        "B",
        "GONE",
        "GONE_TOO",
        "host",
        "number",
        "missing",
        "user",
        "pass",
        "first",
        "third",
        "fourth",
        "plain",
        "spread",
        "others",
        "plain.auth",
        "plain.port",
        "spread.port",
        'spread["auth"].user',
        "others.list",
        "plain?.nothing?.deep.er",
        "plain.nothing?.[0].x",
        "plain.list[1]",
        "plain.list.length",
        "host.length",
        "plain.auth.pass?.x",
    ]
)


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions out of smaller ones."""
    binary = st.sampled_from(
        ["||", "??", "&&", "===", "!==", "==", "!=", "+", "-", "*", "/", "%", "<", ">", "<=", ">="]
    )
    calls = st.sampled_from(
        [
            "Number({})",
            "parseInt({})",
            "parseInt({}, 10)",
            "parseInt({}, 16)",
            "Number.parseInt({}, 8)",
            "parseFloat({})",
            "String({})",
            "Boolean({})",
            "JSON.parse({})",
            "isNaN({})",
            "Number.isNaN({})",
            "!{}",
            "!!{}",
            "+({})",
            "-({})",
            "typeof {}",
            "void {}",
            "({})",
            "`a${{{}}}b`",
            "({})?.trim()",
            "({})?.toLowerCase()",
            "String({}).toUpperCase()",
            "String({}).trim().length",
            'String({}).split(",")[0]',
            'String({}).replace("a", "b")',
            '["true", "1", 1].includes({})',
            'String({}).includes("5")',
            'String({}).startsWith("f")',
            "({{ ...plain, port: {} }}).port",
            "({{ a: {} }}).a",
            "({{ [{}]: 1 }})",
            "[{}, 1][0]",
            "({{ ...({}) }})",
            "(await_less => 1, {})",
        ]
    )
    calls = calls.filter(lambda form: "await_less" not in form)
    return st.one_of(
        st.tuples(inner, binary, inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]}) ? ({t[1]}) : ({t[2]})"),
        st.tuples(calls, inner).map(lambda t: t[0].format(f"({t[1]})")),
    )


expressions = st.recursive(st.one_of(literals.map(lambda t: f"({t})"), variables), larger, max_leaves=6)


@given(st.lists(expressions, min_size=150, max_size=150))
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
def test_expressions_are_what_node_says(drawn: list[str]) -> None:
    """A value we tell is Node's; of most expressions we tell one."""
    results = list(zip(drawn, ours(drawn), theirs(drawn), strict=True))
    wrong = [one for one in results if one[1] is not None and one[1] != one[2]]
    assert wrong == []
    tellable = [one for one in results if one[2][0] not in ("throws", "other")]
    assert sum(one[1] is not None for one in tellable) > 0.6 * len(tellable)


TOLD = [
    'process.env.A === "true"',
    "process.env.A || true",
    'process.env.G?.toLowerCase() === "true"',
    "Number(process.env.C)",
    "parseInt(process.env.D, 10)",
    'process.env.GONE ?? "587"',
    "Number(process.env.GONE || 587)",
    "Boolean(process.env.A)",
    "JSON.parse(process.env.A)",
    "JSON.parse(process.env.E).b.c",
    "!!process.env.B",
    "`${host}:${process.env.C}`",
    "Number(process.env.C) === 465",
    '["true", "1"].includes(process.env.G)',
    "{ ...plain, secure: process.env.A }",
    "10 * 1000",
    "(process.env.E || '').split(',')[0].length",
    "plain?.auth?.user",
    "number",
    "user",
    "missing",
    "others",
    "process.env.GONE?.trim().toLowerCase()",
    "process.env['C']",
    "third",
    "fourth",
    "1e21 + ''",
    "5e-7 + ''",
    "-1.5e300 + ''",
]


def test_what_settings_are_made_of_is_told() -> None:
    """The forms that mail settings are written in have a value, and it is Node's."""
    assert dict(zip(TOLD, ours(TOLD), strict=True)) == dict(zip(TOLD, theirs(TOLD), strict=True))


MADE_UP = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
NUMBERISH = st.one_of(st.text("0123456789.eE+-xXabfoO _\u00a0\ufeffInity", max_size=10), st.floats().map(str), MADE_UP)


@given(st.lists(NUMBERISH, min_size=200, max_size=200))
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
def test_texts_become_the_numbers_that_node_makes(texts: list[str]) -> None:
    """Number, parseInt and parseFloat of any text."""
    drawn = []
    for text in texts:
        quoted = "'" + "".join(f"\\u{{{ord(c):x}}}" for c in text) + "'"
        drawn += [f"Number({quoted})", f"parseInt({quoted})", f"parseFloat({quoted})", f"({quoted}).trim()"]
    assert list(zip(drawn, ours(drawn), strict=True)) == list(zip(drawn, theirs(drawn), strict=True))

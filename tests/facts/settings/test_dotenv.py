"""Files of variables, read as each loader reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.facts.settings.dotenv import DIALECTS, read_dotenv
from deliverkit.facts.settings.environment import CONVENTIONS, environments_of, variables
from deliverkit.facts.settings.tree import ToldTree


def value(written: str, dialect: str) -> tuple[object, tuple[str, ...]]:
    """What a line ``A=…`` sets A to, and its faults."""
    found = read_dotenv(f"X=1\nA={written}\n", ".env", DIALECTS[dialect]).values["A"]
    return found.value, tuple(fault.kind for fault in found.faults)


@pytest.mark.parametrize(
    ("written", "dialect", "told", "faults"),
    [
        ("plain", "node", "plain", ()),
        ("two words", "node", "two words", ()),
        ("two words", "laravel", "two words", ("blank-unquoted",)),
        ("ab#cd", "node", "ab", ("comment-cut",)),
        ("ab#cd", "python-dotenv", "ab#cd", ()),
        ("ab #cd", "python-dotenv", "ab", ()),
        ("ab #cd", "decouple", "ab #cd", ("comment-kept",)),
        ("ab #cd", "environ", "ab #cd", ("comment-kept",)),
        ('"ab" #cd', "environ", '"ab" #cd', ("comment-kept", "quotes-kept")),
        ("ab ", "environ", "ab ", ("trailing-blank",)),
        ("#cd", "python-dotenv", "#cd", ()),
        (" #cd", "python-dotenv", "", ()),
        ("\\${X}", "python-dotenv", "\\1", ("expanded",)),
        ("${LATER}", "python-dotenv", "", ("expanded",)),
        ('"ab#cd"', "node", "ab#cd", ()),
        ("'ab#cd'", "laravel", "ab#cd", ()),
        ('"ab"', "docker", '"ab"', ("quotes-kept",)),
        ('"a\\nb"', "node", "a\nb", ()),
        ("'a\\nb'", "node", "a\\nb", ()),
        ("pa$Xs", "node", "pa$Xs", ()),
        ("pa$X", "next", "pa1", ("expanded",)),
        ("'pa$X'", "next", "pa1", ("expanded",)),
        ("pa\\$X", "next", "pa$X", ()),
        ("pa$X", "python-dotenv", "pa$X", ()),
        ("pa${X}", "python-dotenv", "pa1", ("expanded",)),
        ("'pa${X}'", "laravel", "pa${X}", ()),
        ("${NO:-d}", "compose", "d", ("expanded",)),
        ('"open', "node", '"open', ("unclosed-quote",)),
        ('" a "', "node", " a ", ("trailing-blank",)),
        ("$A", "next", "", ("circle",)),
    ],
)
def test_a_value_is_what_its_loader_makes_of_it(written: str, dialect: str, told: str, faults: tuple[str, ...]) -> None:
    """Quotes, comments, blanks and dollars, loader by loader."""
    assert value(written, dialect) == (told, faults)


def test_line_ends_marks_and_line_numbers() -> None:
    """CRLF is a line end; a byte order mark is skipped by Node.js and spoils the first name elsewhere."""
    text = '\ufeffA=1\r\nB="x\r\ny"\r\n\r\n# note\r\nexport C=3\r\nnonsense\r\nA=2\r\n'
    found = read_dotenv(text, ".env", DIALECTS["node"])
    assert {n: (s.value, s.place and s.place.line) for n, s in found.values.items()} == {
        "A": ("2", 8), "B": ("x\ny", 2), "C": ("3", 6),
    }  # fmt: skip
    assert [fault.kind for fault in found.values["A"].faults] == ["duplicate"]
    assert [unread.place.line for unread in found.unread] == [7]
    spoiled = read_dotenv("\ufeffA=1\nB=2\n", ".env", DIALECTS["ruby"])
    assert set(spoiled.values) == {"B"} and "byte order mark" in spoiled.unread[0].why
    assert read_dotenv("A=1\r\n", ".env", DIALECTS["docker"]).values["A"].value == "1\r"


def test_the_file_that_wins() -> None:
    """Next.js: .env.production.local before .env.local before .env.production before .env, the process before all."""
    tree = ToldTree({f".env{end}": f"A={end}\nB{end.replace('.', '_')}=x\n" for end in ("", ".local", ".production")})
    found = variables(tree, "production", convention="next")
    a = found.get("A")
    assert a is not None and a.layer == ".env.local"
    assert [shadow.layer for shadow in a.shadowed] == [".env.production", ".env"]
    own = variables(tree, "production", convention="next", process={"A": "p"}).get("A")
    assert own is not None and own.value == "p" and str(own.place) == "environment"


def test_a_file_that_stands_alone() -> None:
    """Laravel reads .env.production instead of .env, not beside it."""
    tree = ToldTree({".env": "A=1\nB=2\n", ".env.production": "A=3\n"})
    found = variables(tree, "production", convention="laravel")
    assert {name: s.value for name, s in found.values.items()} == {"A": "3"}


def test_environments_are_told_by_their_files() -> None:
    """An example file is no environment; without files there is one environment without a name."""
    tree = ToldTree(dict.fromkeys((".env", ".env.example", ".env.staging", "sub/.env.production.local"), ""))
    assert environments_of(tree, "rails") == ("staging",)
    assert environments_of(tree, "next") == ("production", "development", "staging")
    assert environments_of(tree, "rails", "sub") == ("production",)
    assert environments_of(tree, "node") == ("",)


@given(st.text(max_size=300), st.sampled_from(sorted(DIALECTS)))
def test_any_file_is_read(text: str, dialect: str) -> None:
    """No text raises; every value stands in a line of the file."""
    found = read_dotenv(text, ".env", DIALECTS[dialect])
    for setting in found.values.values():
        assert setting.place is not None and setting.place.line is not None
        assert 1 <= setting.place.line <= text.count("\n") + text.count("\r") + 1


@given(
    st.lists(
        st.sampled_from(["A", "B", "C"]).flatmap(
            lambda n: st.sampled_from(["$A", "${B}x", "$C$A"]).map(lambda v: f"{n}={v}")
        ),
        max_size=8,
    )
)
def test_circles_come_to_an_end(lines: list[str]) -> None:
    """Variables that stand for each other stand for nothing."""
    for setting in read_dotenv("\n".join(lines), ".env", DIALECTS["next"]).values.values():
        assert "$" not in str(setting.value)


def test_every_convention_names_a_dialect_and_its_source() -> None:
    """A convention without a source is a guess."""
    assert all(one.dialect in DIALECTS and one.source for one in CONVENTIONS.values())
    assert all(one.source for one in DIALECTS.values())

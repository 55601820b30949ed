"""Canonical forms are dkimpy's, octet for octet, and linear where dkimpy is quadratic."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import dkim
import pytest
from dkim import canonicalization as stock
from hypothesis import assume, given
from hypothesis import strategies as st

from deliverkit.protocols.dkim import canonical
from deliverkit.protocols.dkim.canonical import NotAMessage

PIECES = [
    b" ",
    b"  ",
    b" " * 17,
    b"\t" * 40,
    b"\t",
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"a",
    b"Z",
    b"\x00",
    b"\xff",
    b".",
    b":",
    b"\x0b",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)
HEADERS = [
    b"From: a\r\n",
    b"To:b\n",
    b"X:\r\n",
    b"x : y\r\n",
    b" folded\r\n",
    b"\tfolded \t\n",
    b"From mbox\n",
    b"\r\n",
]
MESSAGES = st.lists(st.sampled_from([*HEADERS, *PIECES, b"no field\n"]), max_size=20).map(b"".join)
SIGNATURES = [
    b" ",
    b"\r\n ",
    b"\t",
    b";",
    b"b",
    b"bh",
    b"=",
    b"b=",
    b"; b = ",
    b"AbC1+/",
    b"=",
    b"v=1",
    b"\r\n",
    b"\n",
    b"*",
]


@given(TEXTS)
def test_relaxed_body_equals_dkimpys(body: bytes) -> None:
    """RFC 6376 §3.4.4, also for lone CR and LF, and for blanks without a final line end."""
    assert canonical.relaxed_body(body) == stock.Relaxed.canonicalize_body(body)


@given(TEXTS)
def test_simple_body_equals_dkimpys(body: bytes) -> None:
    """RFC 6376 §3.4.3."""
    assert canonical.simple_body(body) == stock.Simple.canonicalize_body(body)


@given(st.lists(st.tuples(st.sampled_from([b"From", b"X-y", b"SUBJECT "]), TEXTS), max_size=5))
def test_relaxed_fields_equal_dkimpys(fields: list[tuple[bytes, bytes]]) -> None:
    """RFC 6376 §3.4.2."""
    assert canonical.relaxed_fields(fields) == stock.Relaxed.canonicalize_headers(fields)


@given(MESSAGES)
def test_split_equals_dkimpys(message: bytes) -> None:
    """What dkimpy can split is split alike; what it refuses is refused, never an IndexError."""
    assume(not re.search(rb"[ \t]:", message))  # dkimpy refuses blanks before the colon; see the next test
    try:
        headers, body = dkim.rfc822_parse(message)
    except (dkim.MessageFormatError, IndexError):
        with pytest.raises(NotAMessage):
            canonical.split_message(message)
        return
    assert canonical.split_message(message) == ([(name, value) for name, value in headers], body)


def test_a_blank_before_the_colon_is_obsolete_and_legal() -> None:
    """RFC 5322 §4.5: "Subject : x" is a field; the blank belongs to the octets that simple form signs."""
    assert canonical.split_message(b"Subject : x\r\n\r\n")[0] == [(b"Subject ", b" x\r\n")]
    assert canonical.relaxed_fields([(b"Subject ", b" x\r\n")]) == [(b"subject", b"x\r\n")]


@given(st.lists(st.sampled_from(SIGNATURES), max_size=30).map(b"".join))
def test_removing_the_signature_equals_dkimpys(value: bytes) -> None:
    """RFC 6376 §3.7 step 2, except that a first tag b= without a blank in front is removed too."""
    assume(not value.lstrip().startswith(b"b") or value[:1] in (b" ", b"\t", b"\r"))
    assert canonical.without_signature(value) == dkim.RE_BTAG.sub(rb"\1", value)


def test_b_as_the_very_first_tag_is_removed() -> None:
    """dkimpy leaves "b=" in place when nothing stands in front of it, and then refuses a good signature."""
    assert canonical.without_signature(b"b=abc; v=1") == b"b=; v=1"


@given(
    st.lists(st.tuples(st.sampled_from([b"from", b"to", b"x"]), st.binary(max_size=3)), max_size=12),
    st.lists(st.sampled_from([b"from", b"to", b"x", b"absent"]), max_size=12),
)
def test_selection_equals_dkimpys(fields: list[tuple[bytes, bytes]], names: list[bytes]) -> None:
    """RFC 6376 §5.4.2: each mention takes the next instance from the bottom; more mentions take nothing."""
    assert canonical.select_fields(fields, names) == dkim.select_headers(fields, names)


@pytest.mark.parametrize(
    ("body", "simple", "relaxed"),
    [
        (b"", b"\r\n", b""),
        (b"\r\n\r\n", b"\r\n", b""),
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C \r\nD \t E\r\n", b" C\r\nD E\r\n"),
        (b"no end", b"no end\r\n", b"no end\r\n"),
    ],
)
def test_examples(body: bytes, simple: bytes, relaxed: bytes) -> None:
    """RFC 6376 §3.4.5, and the empty body (§3.4.3, §3.4.4)."""
    assert (canonical.simple_body(body), canonical.relaxed_body(body)) == (simple, relaxed)


GROWING: dict[str, Callable[[int], Callable[[], object]]] = {
    "blanks inside a line": lambda n: lambda: canonical.relaxed_body(b"a" + b" " * n + b"a\r\n"),
    "tabs and blanks": lambda n: lambda: canonical.relaxed_body(b"a" + b" \t" * (n // 2) + b"a"),
    "empty lines": lambda n: lambda: canonical.simple_body(b"a" + b"\r\n" * (n // 2)),
    "lone line ends": lambda n: lambda: canonical.simple_body(b"a" + b"\n\r" * (n // 2)),
    "folds": lambda n: lambda: canonical.split_message(b"X: a\r\n" + b" a\r\n" * (n // 4) + b"\r\n"),
    "folds of the signature": lambda n: lambda: canonical.without_signature(b" b=" + b"\r\n a" * (n // 4) + b"*"),
    "b without value": lambda n: lambda: canonical.without_signature(b";b" * (n // 2) + b" " * n),
    "names in h=": lambda n: (
        lambda: canonical.select_fields([(b"x%d" % i, b"") for i in range(n // 8)], [b"y%d" % i for i in range(n // 8)])
    ),
}


@pytest.mark.parametrize("what", GROWING)
def test_work_grows_with_size_and_no_faster(what: str) -> None:
    """Eight times the input costs about eight times the work; what is quadratic would cost sixty-four times."""

    def cost(size: int) -> float:
        work = GROWING[what](size)
        spent = []
        for _ in range(3):
            start = time.process_time_ns()
            work()
            spent.append(time.process_time_ns() - start)
        return max(min(spent), 1)

    ratios = [cost(320_000) / cost(40_000) for _ in range(3)]
    assert min(ratios) < 24

"""Authentication-Results (RFC 8601): what is read, what is written, whom to believe."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.protocols.authres import (
    AuthenticationResults,
    MethodResult,
    Property,
    format_authres,
    parse_authres,
    trusted,
)


def kinds(field: AuthenticationResults) -> list[str]:
    """The kinds of the faults, in order."""
    return [fault.kind for fault in field.faults]


def test_an_ordinary_field() -> None:
    """Id, version, methods, properties and a reason come out, without a fault."""
    field = parse_authres(
        'mx.example.com 1;\r\n spf=pass reason="the range" smtp.mailfrom=bounce@example.net;'
        "\r\n dkim=fail (body hash) header.d=example.net header.b=abc/+d=;\r\n dmarc=none header.from=example.net"
    )
    assert (field.authserv_id, field.version, kinds(field)) == ("mx.example.com", 1, [])
    spf, dkim, dmarc = field.results
    assert (spf.method, spf.result, spf.reason) == ("spf", "pass", "the range")
    assert spf.get("smtp", "mailfrom") == "bounce@example.net"
    assert (dkim.result, dkim.comments, dkim.get("header", "b")) == ("fail", ("body hash",), "abc/+d=")
    assert field.of("dmarc") == (dmarc,)
    assert dmarc.get("header", "d") is None


def test_mixed_case_and_comments_everywhere() -> None:
    """`spf=Pass` is a pass, and a comment may stand between any two words, nested or with semicolons in it."""
    field = parse_authres(
        "(a;b) mx.example.com (v (1)) 1 (c) ; SPF (e) / (f) 1 = (g) Pass (h; dkim=pass) SMTP . MailFrom = a.example"
    )
    assert (field.authserv_id, field.version) == ("mx.example.com", 1)
    assert kinds(field) == []
    assert [(one.method, one.result) for one in field.results] == [("spf", "pass")]
    assert field.results[0].properties == (Property("smtp", "mailfrom", "a.example"),)
    assert "h; dkim=pass" in field.results[0].comments


def test_quoted_strings_hide_semicolons() -> None:
    """A semicolon inside a quoted string starts no new result."""
    field = parse_authres('"mx; dkim=pass"; spf=fail smtp.mailfrom="a; dmarc=pass \\" x"@example.com')
    assert field.authserv_id == "mx; dkim=pass"
    assert [one.method for one in field.results] == ["spf"]
    assert field.results[0].get("smtp", "mailfrom") == 'a; dmarc=pass " x@example.com'


def test_no_authentication_was_done() -> None:
    """The word none stands for: nothing was checked."""
    field = parse_authres("mx.example.com; none")
    assert (field.results, kinds(field)) == ((), [])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "no-authserv-id"),
        ("spf=pass smtp.mailfrom=a.example", "no-authserv-id"),
        ("mx.example.com", "no-results"),
        ("mx.example.com; none; spf=pass", "none-with-results"),
        ("mx.example.com beta; spf=pass", "bad-version"),
        ("mx.example.com;; spf=pass", "empty-result"),
        ("mx.example.com; spf pass", "no-equals"),
        ("mx.example.com; spf!=pass", "bad-method"),
        ("mx.example.com; spf=maybe", "unknown-result"),
        ("mx.example.com; dmarc=pass action=none", "bad-property"),
        ("mx.example.com; spf=pass (open", "unclosed-comment"),
        ('mx.example.com; spf=pass smtp.mailfrom="open', "unclosed-quote"),
        ("mx.example.com; spf=pass smtp.mailfrom", "stray-text"),
    ],
)
def test_faults(text: str, kind: str) -> None:
    """Each fault is named, and what could be read is there."""
    assert kind in kinds(parse_authres(text))


def test_a_result_survives_the_faults_around_it() -> None:
    """Microsoft's `action=none` and a missing type cost neither the result nor the other properties."""
    field = parse_authres("mx.example.com; dmarc=pass action=none header.from=example.com;compauth=pass reason=100")
    assert field.results[0].get("header", "from") == "example.com"
    assert (field.results[1].method, field.results[1].reason) == ("compauth", "100")


def test_only_the_own_border_is_believed() -> None:
    """A field that the sender put into the message is not trusted, nor one that only looks alike."""
    fields = [
        "mx.receiver.example; spf=pass",
        "mx.receiver.example.attacker.test; dkim=pass",
        "MX.Receiver.Example; dmarc=fail",
        "mx.receiver.example 2; dmarc=pass",
        "attacker.test; dmarc=pass (mx.receiver.example)",
        "; dmarc=pass",
    ]
    believed = trusted(fields, ["mx.receiver.example"])
    assert [one.text for one in believed] == [fields[0], fields[2]]
    assert trusted(fields, [""]) == ()


def test_what_is_written_is_read_again() -> None:
    """Writing and reading are each other's inverse for ordinary results."""
    results = (
        MethodResult("spf", "softfail", "not in the range", (Property("smtp", "mailfrom", "a@example.com"),)),
        MethodResult("dkim", "pass", None, (Property("header", "d", "example.com"), Property("header", "b", "ab/c="))),
        MethodResult("iprev", "pass", None, (Property("policy", "iprev", "2001:db8::1"),), ("mx.example.com",)),
    )
    text = format_authres("mx.receiver.example", results)
    field = parse_authres(text)
    assert kinds(field) == []
    assert field.authserv_id == "mx.receiver.example"
    assert [(o.method, o.result, o.reason, o.properties, o.comments) for o in field.results] == [
        (o.method, o.result, o.reason, o.properties, o.comments) for o in results
    ]
    assert all(len(line.expandtabs()) <= 78 for line in text.split("\r\n"))
    assert format_authres("mx.receiver.example", []) == "mx.receiver.example; none"


def test_a_value_cannot_inject_a_header_field() -> None:
    """Line breaks and quotes in what a stranger wrote stay inside the value."""
    evil = 'x"\r\nSubject: injected\r\n\r\nbody; dkim=pass (\x00'
    results = [MethodResult("spf", "fail", evil, (Property("smtp", "mailfrom", evil),), (evil,))]
    text = format_authres(evil, results)
    assert all(line.startswith("\t") for line in text.split("\r\n")[1:])
    field = parse_authres(text)
    assert [(one.method, one.result) for one in field.results] == [("spf", "fail")]
    assert kinds(field) == []


words = st.text(max_size=40)


@given(words, words, words, words)
def test_whatever_is_written_stays_one_result(authserv_id: str, reason: str, value: str, comment: str) -> None:
    """No choice of texts makes a second result, a bare line break or an unreadable field."""
    results = [MethodResult("dkim", "pass", reason, (Property("header", "d", value),), (comment,))]
    text = format_authres(authserv_id, results)
    assert "\n" not in text.replace("\r\n\t", "") and "\r" not in text.replace("\r\n\t", "")
    read = parse_authres(text)
    assert [(one.method, one.result) for one in read.results] == [("dkim", "pass")]


@given(st.text(max_size=200) | st.text('mx;= ()"\\/.spfdkimas1\r\n', max_size=80))
def test_reading_never_raises(text: str) -> None:
    """Any text can be read; every span lies inside it."""
    field = parse_authres(text)
    for fault in field.faults:
        assert 0 <= fault.span[0] <= fault.span[1] <= len(text)
    for one in field.results:
        assert one.result and 0 <= one.span[0] <= one.span[1] <= len(text)


@pytest.mark.parametrize("unit", ["(", '"', ";", "a=b ", "a.b=c ", "; x=pass", "\\", "= ", "(\\"])
def test_reading_takes_linear_time(unit: str) -> None:
    """A hostile field of 100 kB is read at once."""
    text = "mx.example.com; spf=pass " + unit * (100_000 // len(unit))
    began = time.process_time()
    parse_authres(text)
    assert time.process_time() - began < 2

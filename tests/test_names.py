"""Names: what a person typed becomes the name that was meant, or a clear refusal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.names import BadName, key, labels, meant, parent, reverse, to_ascii, within


@pytest.mark.parametrize(
    ("given_", "name", "remark"),
    [
        ("example.com", "example.com", None),
        ("Example.COM.", "example.com", None),
        ("  example.com ", "example.com", None),
        ("https://www.example.com:8443/path?q=1", "www.example.com", "URL"),
        ("http://user:secret@example.com/", "example.com", "URL"),
        ("example.com/path", "example.com", "URL"),
        ("Somebody <someone@example.com>", "example.com", "e-mail"),
        ("someone@example.com", "example.com", "e-mail"),
        ("example.com:25", "example.com", "port"),
        ("bücher.example", "xn--bcher-kva.example", "A-label"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah", "A-label"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah", "A-label"),
        ("s1._domainkey.bücher.example", "s1._domainkey.xn--bcher-kva.example", "A-label"),
        ("com", "com", "single label"),
        ("_dmarc.example.com", "_dmarc.example.com", None),
    ],
)
def test_what_was_meant(given_: str, name: str, remark: str | None) -> None:
    """IDN, capitals, a final dot, a URL and an address are accepted, and said."""
    typed = meant(given_)
    assert typed.name == name
    assert (typed.remark is None) if remark is None else remark in (typed.remark or "")


@pytest.mark.parametrize(
    ("given_", "why"),
    [
        ("", "empty"),
        (".", "empty"),
        ("example..com", "empty label"),
        ("exa mple.com", "other characters"),
        ("192.0.2.1", "IP address"),
        ("[2001:db8::1]", "IP address"),
        ("999.1.1.1", "neither an IP address nor a domain"),
        ("a" * 64 + ".example", "63"),
        (".".join(["a" * 60] * 5), "253"),
        ("-a.example", "other characters"),
        ("exam\x1b[31mple.com", "other characters"),
    ],
)
def test_what_is_no_domain(given_: str, why: str) -> None:
    """The refusal says why, and never raises anything else."""
    with pytest.raises(BadName, match=why):
        meant(given_)


@given(st.text(max_size=80))
def test_meant_never_raises_anything_but_bad_name(text: str) -> None:
    """Whatever is typed: a name that to_ascii accepts again, or BadName."""
    try:
        typed = meant(text)
    except BadName:
        return
    assert to_ascii(typed.name) == typed.name


def test_parts_of_a_name() -> None:
    """Labels, parents, comparison and reverse names."""
    assert labels("A.b.Example.") == ("a", "b", "example")
    assert labels(".") == ()
    assert parent("a.b") == "b"
    assert parent("b") is None
    assert key("A.B.") == "a.b"
    assert within("mx.Example.com.", "example.com")
    assert not within("badexample.com", "example.com")
    assert within("anything", ".")
    assert reverse("192.0.2.1") == "1.2.0.192.in-addr.arpa"

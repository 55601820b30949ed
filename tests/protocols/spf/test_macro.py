"""Macro expansion: the examples of RFC 7208 §7.4, transformers, escaping, and the cut at 253 octets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.protocols.spf.address import Client
from deliverkit.protocols.spf.macro import MacroContext, expand, expand_name, parse_domain_spec, parse_macro_string

SENDER = "strong-bad@email.example.com"
V4 = MacroContext(Client.of("192.0.2.3"), "email.example.com", SENDER, "mx.example.org", validated="mx.example.org")
V6 = MacroContext(Client.of("2001:db8::cb01"), "email.example.com", SENDER, "mx.example.org")


@pytest.mark.parametrize(
    ("text", "expansion"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ("%{h}/%{p}", "mx.example.org/mx.example.org"),
        ("%%%_%-", "% %20"),
    ],
)
def test_examples_of_the_rfc(text: str, expansion: str) -> None:
    """RFC 7208 §7.4."""
    string, faults = parse_macro_string(text)
    assert not faults
    assert expand(string, V4) == expansion


def test_ip6_is_expanded_nibble_by_nibble() -> None:
    """RFC 7208 §7.4, last example; DNS does not see the case of the digits."""
    string, _ = parse_macro_string("%{ir}.%{v}._spf.%{d2}")
    assert expand(string, V6).lower() == (
        "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
    )


def test_upper_case_letters_escape_and_lower_case_ones_do_not() -> None:
    """Upper-case letters are legal: the expansion is URL-escaped (RFC 7208 §7.3)."""
    context = MacroContext(Client.of("192.0.2.3"), "example.com", "a&b=c~d@example.com", "h")
    assert expand(parse_macro_string("%{L} %{l} %{S}", explanation=True)[0], context) == (
        "a%26b%3Dc~d a&b=c~d a%26b%3Dc~d%40example.com"
    )


def test_transformers_with_several_delimiters_beside_another_macro() -> None:
    """%{l1r+} together with %{d}: hardenize-public#53."""
    context = MacroContext(Client.of("192.0.2.3"), "example.com", "user+tag@example.com", "h")
    assert expand(parse_macro_string("%{l1r+}._spf.%{d}")[0], context) == "user._spf.example.com"
    assert expand(parse_macro_string("%{lr+-}")[0], context) == "tag.user"


def test_long_names_lose_labels_on_the_left() -> None:
    """The expanded name is cut to 253 octets at a dot (RFC 7208 §7.3)."""
    context = MacroContext(Client.of("192.0.2.3"), "example.com", f"{'x' * 60}.{'y' * 60}.{'z' * 60}@example.com", "h")
    spec, _ = parse_domain_spec("%{l}.%{l}._spf.example.com")
    name = expand_name(spec, context)
    assert len(name) == 3 * 61 + len("_spf.example.com")  # one label more would be too many
    assert name.startswith("x") and name.endswith("z._spf.example.com")


def test_final_dot_is_dropped_from_names_only() -> None:
    """A trailing dot is legal in a domain-spec, and part of an explanation."""
    assert expand_name(parse_domain_spec("%{d}.example.net.")[0], V4) == "email.example.com.example.net"
    assert expand(parse_macro_string("A text.", explanation=True)[0], V4) == "A text."


@pytest.mark.parametrize(
    "text",
    ["example.com", "example.com.", "%{d}", "a.%{d2}.com", "foo%%", "foo:bar/baz.example.com", "a.xn--p1ai", "a.b-1"],
)
def test_domain_specs(text: str) -> None:
    """A domain-spec ends in a top-level label or in a macro (RFC 7208 §7.1)."""
    assert parse_domain_spec(text)[1] == []


@pytest.mark.parametrize(
    "text", ["com", "com.", "a.123", "a.-b", "a.b-", "example.com/24", "example.com:25", "a..", "a.c\u00f6m"]
)
def test_no_domain_specs(text: str) -> None:
    """Everything else is a fault at its place."""
    faults = parse_domain_spec(text, 7)[1]
    assert [f.kind for f in faults] == ["bad-domain"] and faults[0].span == (7, 7 + len(text))


@given(st.text(alphabet="%{}slodiphcrtvSL0123456789r.-+,/_= a", max_size=60), st.text(max_size=30))
def test_anything_parses_and_expands(text: str, sender: str) -> None:
    """No macro-string and no sender makes the expansion raise."""
    string, faults = parse_macro_string(text, 3, explanation=True)
    for fault in faults:
        assert 3 <= fault.span[0] < fault.span[1] <= 3 + len(text)
    context = MacroContext(Client.of("2001:db8::1"), "example.com", sender, "h\udc80")
    assert len(expand_name(string, context)) <= 253 or "." not in expand_name(string, context)

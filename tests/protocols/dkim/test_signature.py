"""DKIM-Signature fields: every value, every fault with its place, nothing that raises."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.protocols.dkim.signature import Signature, parse_signature

BH = base64.b64encode(bytes(32)).decode()
SOUND = f"v=1; a=rsa-sha256; d=example.com; s=s1; h=From:To; bh={BH}; b=QUJD"
TAGS = [*SOUND.split("; "), "c=relaxed", "l=10", "i=@sub.example.com", "t=1", "x=0", "q=dns/txt", "z=From:a|To:b", ""]


def changed(name: str, value: str | None) -> Signature:
    """The sound signature with one tag set or removed."""
    tags = [tag for tag in SOUND.split("; ") if not tag.startswith(f"{name}=")]
    return parse_signature("; ".join([*tags, *([] if value is None else [f"{name}={value}"])]))


@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(TAGS), max_size=12).map(";".join)))
def test_nothing_raises_and_every_place_is_inside(text: str) -> None:
    """Whatever stands in the field, the parser comes back with faults whose spans lie in it."""
    signature = parse_signature(text)
    for fault in signature.faults:
        assert 0 <= fault.span[0] <= fault.span[1] <= len(text)
    if signature.well_formed:
        assert len(signature.key_name) <= 253 and "from" in signature.signed_names


@given(st.binary(max_size=80))
def test_octets_are_read_too(value: bytes) -> None:
    """Header fields are octets and may be no UTF-8."""
    assert isinstance(parse_signature(value), Signature)


def test_defaults() -> None:
    """c= is simple/simple, i= is "@" and d=, nothing else is set."""
    signature = parse_signature(SOUND)
    assert signature.faults == ()
    assert (signature.header_canonicalization, signature.body_canonicalization) == ("simple", "simple")
    assert (signature.identity, signature.key_name) == ("@example.com", "s1._domainkey.example.com")
    assert (signature.body_length, signature.timestamp, signature.expires) == (None, None, None)
    assert signature.signed_names == ("from", "to")


def test_relaxed_alone_leaves_the_body_simple() -> None:
    """c=relaxed means relaxed/simple (§3.5)."""
    signature = changed("c", "relaxed")
    assert (signature.header_canonicalization, signature.body_canonicalization) == ("relaxed", "simple")


def test_folds_and_blanks() -> None:
    """A folded field, as it comes: h= and b= may be broken anywhere."""
    text = (
        f" v=1;\r\n\ta=rsa-sha256; d=Example.COM;\r\n s=s1; h=From :\r\n  To; bh=\r\n {BH[:9]}\r\n {BH[9:]};"
        " b=QU\r\n JD\r\n"
    )
    signature = parse_signature(text)
    assert signature.faults == ()
    assert (signature.domain, signature.signed_names) == ("example.com", ("from", "to"))
    assert (signature.body_hash, signature.value) == (bytes(32), b"ABC")


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        *((name, None, "missing-tag") for name in ("v", "a", "b", "bh", "d", "h", "s")),
        ("v", "2", "bad-version"),
        ("a", "rsa-sha1", "sha1"),
        ("a", "rsa-md5", "unknown-algorithm"),
        ("b", "", "bad-base64"),
        ("b", "QUJ", "bad-base64"),
        ("b", "QU*D", "bad-base64"),
        ("bh", "QUJD", "bad-length-of-hash"),
        ("d", "exa mple.com", "bad-domain"),
        ("s", "s..1", "bad-selector"),
        ("s", ".".join(["a" * 60] * 4), "bad-selector"),
        ("h", "To:Subject", "from-not-signed"),
        ("h", "From:a b", "bad-signed-name"),
        ("i", "@example.net", "bad-identity"),
        ("i", "@notexample.com", "bad-identity"),
        ("i", "example.com", "bad-identity"),
        ("l", "ten", "bad-body-length"),
        ("l", "-1", "bad-body-length"),
        ("c", "nowsp/simple", "bad-canonicalization"),
        ("c", "relaxed/", "bad-canonicalization"),
        ("q", "dns/naptr", "bad-query"),
        ("t", "yesterday", "bad-time"),
        ("x", "-1", "bad-time"),
        ("y-z", "1", "bad-tag-name"),
    ],
)
def test_what_makes_it_malformed(name: str, value: str | None, kind: str) -> None:
    """Each fault of §3.5 is named, and a verifier refuses the signature for it (§6.1.1)."""
    signature = changed(name, value)
    assert [fault.kind for fault in signature.faults] == [kind]
    assert not signature.well_formed


def test_a_repeated_tag_makes_the_whole_list_invalid() -> None:
    """§3.2: names must not occur twice."""
    assert not parse_signature(f"{SOUND}; d=example.net").well_formed


def test_expiry_must_be_later_than_signing() -> None:
    """x= not greater than t= is malformed (§3.5 x=)."""
    assert parse_signature(f"{SOUND}; t=10; x=10").fault("expires-before-signing")
    assert parse_signature(f"{SOUND}; t=10; x=11").well_formed


def test_a_query_list_with_an_unknown_method() -> None:
    """Unknown methods are ignored as long as dns/txt is among them; dkimpy refuses such a list."""
    assert changed("q", "dns/new:dns/txt").well_formed


def test_a_name_listed_twice_in_different_case() -> None:
    """h= names are case-insensitive: twice the same name is oversigning, not two names."""
    assert changed("h", "From:FROM:from").signed_names == ("from", "from", "from")


def test_empty_names_in_h_do_no_harm() -> None:
    """A colon too many is told, and the signature is still judged."""
    signature = changed("h", "From::To:")
    assert signature.well_formed and signature.fault("empty-signed-name")


def test_internationalized_domains_become_a_labels() -> None:
    """RFC 8616: the key is asked for under A-labels, however d= is written."""
    signature = changed("d", "bücher.example")
    assert signature.domain == "xn--bcher-kva.example"


def test_a_body_length_is_told() -> None:
    """l= is legal and dangerous."""
    signature = changed("l", "17")
    assert signature.well_formed and signature.body_length == 17
    assert signature.fault("body-length")


def test_huge_numbers_do_not_stall() -> None:
    """A number of 76 digits is a number, one of 77 is none."""
    assert changed("l", "9" * 76).body_length == int("9" * 76)
    assert changed("l", "9" * 77).fault("bad-body-length")


def test_copied_fields_are_decoded() -> None:
    """z= holds names and values in DKIM-Quoted-Printable."""
    assert changed("z", "From:a=40b|Subject:x=3By").copied == (("from", "a@b"), ("subject", "x;y"))


def test_a_field_beyond_any_measure_is_not_read() -> None:
    """64 kB is the limit for one field."""
    signature = parse_signature("v=1;" + " " * 70_000)
    assert [fault.kind for fault in signature.faults] == ["too-long"]

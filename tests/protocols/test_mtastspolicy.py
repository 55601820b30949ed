"""The MTA-STS policy as RFC 8461 §3.2 has it, and as web servers hand it out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.protocols.mtastspolicy import LARGEST, parse_policy

SOUND = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n"  # §3.2


@pytest.mark.parametrize("ends", [b"\r\n", b"\n"])
def test_the_policy_of_the_rfc(ends: bytes) -> None:
    policy = parse_policy(SOUND.replace(b"\r\n", ends))
    assert (policy.mode, policy.max_age, policy.mx) == ("enforce", 604800, ("mail.example.com", "*.example.net"))
    assert policy.valid
    assert policy.faults == ()


@pytest.mark.parametrize(
    ("host", "covered"),
    [
        ("mail.example.com", True),
        ("MAIL.example.com.", True),
        ("a.mail.example.com", False),
        ("mx.example.net", True),
        ("a.mx.example.net", False),  # §4.1: one label
        ("example.net", False),
    ],
)
def test_patterns(host: str, covered: bool) -> None:
    assert parse_policy(SOUND).covers(host) is covered


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ((b"version: STSv1\r\n", b""), ["version"]),
        ((b"STSv1", b"STSv2"), ["version"]),
        ((b"enforce", b"Enforce"), ["mode"]),
        ((b"604800", b"31557601"), ["max-age"]),
        ((b"604800", b"1 week"), ["max-age"]),
        ((b"mx: mail.example.com\r\nmx: *.example.net\r\n", b""), ["no-mx"]),
        ((b"*.example.net", b"mail.*.net"), ["bad-mx"]),
        ((b"mail.example.com", b"mail.example.com."), ["bad-mx"]),
        ((b"mode: enforce", b"mode: enforce\r\nmode: none"), ["twice"]),
        ((b"mode: enforce", b"mode: enforce\r\n"), ["empty-line"]),
        ((b"mode: enforce", b"mode: enforce\r\n<html>"), ["no-field"]),
        ((b"version", b"\xef\xbb\xbfversion"), ["byte-order-mark"]),
        ((b"mode: enforce", b"mode: enforce\r\nfuture_field: whatever"), []),  # §3.2: extensions are ignored
    ],
)
def test_each_fault_is_told(change: tuple[bytes, bytes], kinds: list[str]) -> None:
    policy = parse_policy(SOUND.replace(*change))
    assert [fault.kind for fault in policy.faults] == kinds


def test_a_mode_of_none_needs_no_host() -> None:
    assert parse_policy(b"version: STSv1\nmode: none\nmax_age: 86400\n").valid


@given(st.binary(max_size=400) | st.text(alphabet="versionmdax_ge: STv1\r\n*.", max_size=200).map(str.encode))
def test_anything_is_read(octets: bytes) -> None:
    policy = parse_policy(octets)
    assert all(1 <= fault.line <= policy.text.count("\n") + 1 for fault in policy.faults)


def test_what_is_too_large_is_cut() -> None:
    policy = parse_policy(SOUND + b"x: y\r\n" * LARGEST)
    assert policy.mode == "enforce"
    assert any(fault.kind == "too-large" for fault in policy.faults)

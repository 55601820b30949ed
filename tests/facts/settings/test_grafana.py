"""Grafana's [smtp], from files and variables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.facts.base import Missing
from deliverkit.facts.settings.model import MailSettings
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.readers.grafana import read
from deliverkit.facts.settings.tree import ToldTree


def found(files: dict[str, str], **options: object) -> list[MailSettings]:
    """Grafana's mail in a tree."""
    return list(read(Look(ToldTree(files), **options)))  # type: ignore[arg-type]


def ini(*lines: str) -> dict[str, str]:
    """grafana.ini with these lines in [smtp]."""
    return {
        "grafana.ini": "\n".join(("[server]", "host = no", "[smtp]", "enabled = true", *lines, "[log]", "host = no"))
    }


@pytest.mark.parametrize(
    ("lines", "host", "port", "mode", "verify"),
    [
        ((), "localhost", 25, "opportunistic", True),
        (("host = mail.shop.example:465",), "mail.shop.example", 465, "implicit", True),
        (("host = mail.shop.example:465", "startTLS_policy = NoStartTLS"), "mail.shop.example", 465, "implicit", True),
        (("host = mail.shop.example:587", "skip_verify = true"), "mail.shop.example", 587, "opportunistic", False),
        (("host = [2001:db8::1]:587", "startTLS_policy=MandatoryStartTLS"), "2001:db8::1", 587, "starttls", True),
        (("host = a:25", "startTLS_policy = NoStartTLS ; note", "host = b:26"), "b", 26, "clear", True),
    ],
)
def test_how_tls_begins(lines: tuple[str, ...], host: str, port: int, mode: str, verify: bool) -> None:
    """Port 465 at once, else by startTLS_policy."""
    (one,) = found(ini(*lines))
    plan = one.plan
    assert (plan.delivery, plan.host, plan.port, plan.mode, plan.verify) == ("smtp", host, port, mode, verify)


def test_passwords_and_comments() -> None:
    """A # cuts a password that is not in triple quotation marks; no text of it is shown."""
    (one,) = found(ini("user = ann", "password = ab#cd"))
    assert one.password is not None and one.password.reveal() == "ab"
    assert [f.kind for f in one.roles["password"].faults] == ["comment-cut"]
    (one,) = found(ini("user = ann", 'password = """ab#cd;e"""'))
    assert one.password is not None and one.password.reveal() == "ab#cd;e" and one.plan.login
    assert "ab#cd" not in repr(one)


def test_variables_win_and_defaults_lose() -> None:
    """defaults.ini, then grafana.ini, then GF_SMTP_* of the process."""
    files = ini("host = b:587") | {
        "conf/defaults.ini": "[smtp]\nenabled = false\nhost = a:25\nehlo_identity = x.example\n"
    }
    (one,) = found(files, process={"GF_SMTP_HOST": "c:465"})
    host = one.roles["host"]
    assert (one.plan.host, one.plan.port, one.plan.helo, host.name) == ("c", 465, "x.example", "GF_SMTP_HOST")
    assert [(s.value, str(s.place)) for s in host.shadowed] == [
        ("b:587", "grafana.ini:5"),
        ("a:25", "conf/defaults.ini:3"),
    ]


def test_switched_off_and_open() -> None:
    """Without enabled nothing is sent; what stands elsewhere is said to be unread."""
    (one,) = found({"grafana.ini": "[smtp]\nhost = a:25\n"})
    assert one.plan.delivery == "none"
    look = Look(ToldTree(ini("host = $__file{/run/host}", "user = ${SMTP_USER}")))
    (one,) = read(look)
    assert isinstance(one.plan.raw("host"), Missing) and one.roles["user"].origin.name == "SMTP_USER" and one.plan.login
    assert [u.expression for u in look.unread] == ["$__file{…}"]
    compose = (
        "services: {g: {image: grafana/grafana, environment: {GF_SMTP_ENABLED: true, GF_SMTP_PASSWORD__FILE: /run/p}}}"
    )
    look = Look(ToldTree({"compose.yaml": compose}))
    (one,) = read(look)
    assert one.plan.host == "localhost" and [u.expression for u in look.unread] == ["GF_SMTP_PASSWORD__FILE"]


@given(st.lists(st.text("[smtp]hoenabldprw=;#\" '$_{}:1", max_size=30), max_size=8))
def test_no_file_raises(lines: list[str]) -> None:
    """Whatever stands in a file; every place is a line of it."""
    for one in found({"grafana.ini": "\n".join(("[smtp]", *lines))}):
        assert all(s.place is not None and 1 <= (s.place.line or 0) <= len(lines) + 1 for s in one.roles.values())

"""Postfix as a relay client, also beside postconf."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.facts.settings.model import MailSettings
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.readers.postfix import _DEFAULTS, _Main, destination, read, read_main
from deliverkit.facts.settings.tree import ToldTree

POSTCONF = shutil.which("postconf", path="/usr/sbin:/usr/bin:/sbin:/bin")


def one(*lines: str, **files: str) -> MailSettings:
    """The relay of a main.cf with these lines."""
    (found,) = read(Look(ToldTree({"main.cf": "\n".join(lines), **files})))
    return found


@pytest.mark.parametrize(
    ("lines", "mode", "verify"),
    [
        ((), "clear", False),
        (("smtp_use_tls = yes",), "opportunistic", False),
        (("smtp_enforce_tls = yes",), "starttls", False),
        (("smtp_tls_security_level = none", "smtp_use_tls = yes"), "clear", False),
        (("smtp_tls_security_level = may",), "opportunistic", False),
        (("smtp_tls_security_level = encrypt",), "starttls", False),
        (("smtp_tls_security_level = secure",), "starttls", True),
        (("smtp_tls_wrappermode = yes", "smtp_tls_security_level = encrypt"), "implicit", False),
        (("smtp_tls_wrappermode = yes", "smtp_tls_security_level = may"), "opportunistic", False),
        (("level = verify", "smtp_tls_security_level = ${level?{$level}:{may}}"), "starttls", True),
    ],
)
def test_how_tls_begins(lines: tuple[str, ...], mode: str, verify: bool) -> None:
    """The level, the older parameters without it, wrapper mode with encrypt alone."""
    plan = one("relayhost = [mail.shop.example]:587", *lines).plan
    assert (plan.host, plan.port, plan.mode, plan.verify) == ("mail.shop.example", 587, mode, verify)
    assert (plan.connect_s, plan.greeting_s) == (30.0, 300.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[a.example]:587", ("a.example", 587)), ("a.example", ("a.example", 25)), ("[a]:submissions", ("a", 465)),
        ("smtp:[a]:25", ("a", 25)), ("[ipv6:2001:db8::1]:2525", ("2001:db8::1", 2525)), ("", ("", 25)),
    ],
)  # fmt: skip
def test_next_hops(text: str, told: tuple[str, int]) -> None:
    """Brackets, services by name, none."""
    assert destination(text) == told


def test_passwords_are_found_by_the_next_hop_and_held_apart() -> None:
    """hash: beside main.cf, static:, keys that differ, tables that are elsewhere."""
    head = ("relayhost = [mail.shop.example]:587", "smtp_sasl_auth_enable = yes")
    found = one(
        *head,
        "smtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd",
        sasl_passwd="#\n[mail.shop.example]:587 ann:s:cret\n",
    )
    assert found.roles["user"].value == "ann" and str(found.roles["password"].place) == "sasl_passwd:2"
    assert found.password is not None and found.password.reveal() == "s:cret" and "s:cret" not in repr(found)
    found = one(*head, "smtp_sasl_password_maps = static:ann:secret-one")
    assert found.password is not None and found.plan.login and "secret-one" not in repr(found)
    found = one(*head, "smtp_sasl_password_maps = hash:sasl_passwd", sasl_passwd="other ann:x")
    assert [f.kind for f in found.roles["smtp_sasl_password_maps"].faults] == ["key-not-found"]
    found = one(*head, "smtp_sasl_password_maps = hash:sasl_passwd, ldap:x")
    assert [u.why for u in found.unread] == ["sasl_passwd is not there", "it is no table of text"]


def test_without_a_relay_there_is_no_transport() -> None:
    """Direct delivery is no application's transport; a circle of names is none either."""
    for text in ("", "relayhost =\n", "relayhost = $a\na = $b\nb = $a\n", "# relayhost = x"):
        assert list(read(Look(ToldTree({"etc/main.cf": text})))) == []


SAMPLE = """# comment
myhostname = relay.shop.example
relay = mail.shop.example
relayhost = [$relay]:${submission_port:587}
smtp_sasl_security_options =
    noanonymous,
# inside
\tnodictionary
smtp_connect_timeout = 10s
smtp_connect_timeout = 20s
smtp_helo_name = ${relay?{client.$myhostname}:{x}}
smtp_sasl_mechanism_filter = $(nothing)plain$$x
"""


@pytest.mark.skipif(POSTCONF is None, reason="postconf (Postfix) is not installed")
def test_values_are_those_of_postconf(tmp_path: Path) -> None:
    """The real program reads the same file, and has the same defaults."""
    (tmp_path / "main.cf").write_text(SAMPLE)
    (tmp_path / "master.cf").write_text("")
    told = _Main(read_main(SAMPLE, "main.cf"))
    names = [name for name in _DEFAULTS if name != "smtp_sasl_password_maps"]
    shown = subprocess.run(
        [str(POSTCONF), "-c", str(tmp_path), "-x", "-h", *names], capture_output=True, text=True, check=True, timeout=30
    ).stdout.splitlines()
    assert {n: " ".join(v.split()) for n, v in zip(names, shown, strict=True)} == {
        n: " ".join(told.text(n).split()) for n in names
    }


@given(st.text("ab=$ {}?:()\n\t#", max_size=80))
def test_no_main_cf_raises(text: str) -> None:
    """Whatever stands in it; replaced texts end, and every place is a line of the file."""
    values = read_main(text, "main.cf")
    told = _Main(values)
    assert all(isinstance(told.text(name), str) for name in values)
    assert all(s.place is not None and 1 <= (s.place.line or 0) <= text.count("\n") + 1 for s in values.values())

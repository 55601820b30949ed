"""What we say Nodemailer will do with its options, and what the real one does on a socket."""

from __future__ import annotations

from typing import Any

import pytest

from deliverkit.facts.settings.model import MailSettings
from deliverkit.facts.settings.nodemailer import service
from deliverkit.facts.settings.readers.nodemailer import settings_of
from deliverkit.facts.settings.source.javascript import lifted
from deliverkit.facts.settings.values import Place
from tests.peers.run import script

pytestmark = pytest.mark.peer("nodemailer")

CASES: list[Any] = [
    {"host": "mail.example.com", **rest}
    for rest in (
        {},
        {"port": 465},
        {"port": "465"},
        {"port": 465, "secure": False},
        {"port": 465, "secure": None},
        {"port": 465, "secure": ""},
        {"port": 587, "secure": "false"},
        {"port": 587, "secure": True},
        {"secure": True},
        {"port": "", "secure": 1},
        {"port": "abc"},
        {"port": 0},
        {"port": " 2525 "},
        {"port": 587, "ignoreTLS": True},
        {"port": 587, "requireTLS": True},
        {"port": 587, "requireTLS": True, "ignoreTLS": True},
        {"port": 25},
        {"port": 587, "connectionTimeout": 5000, "greetingTimeout": "7000", "socketTimeout": 9000},
        {"connectionTimeout": 0},
        {"name": "app.example.com"},
        {"pool": True, "port": 465},
        {"service": "Nowhere"},
        {"service": "Gmail", "port": 587, "secure": False},
        {"service": "Mailjet", "secure": True},
        {"service": "qq"},
        {"service": "a@gmail.com"},
        {"service": "Outlook365", "port": 465},
        {"service": "Maildev", "port": 25},
        {"service": "Google Mail"},
        {"url": "smtps://mail.example.org", "port": 587, "ignoreTLS": True},
        {"secure": True, "tls": {"rejectUnauthorized": False}},
        {"secure": True, "tls": {"rejectUnauthorized": "false"}},
    )
] + [
    "smtp://mail.example.com",
    "smtps://mail.example.com",
    "smtp://mail.example.com:465",
    "smtps://mail.example.com:587",
    "smtp://u:p%40x@mail.example.com:2525/?requireTLS=true",
    "SMTP://MAIL.example.com/?secure=true",
    "smtp://mail.example.com/?ignoreTLS=true&connectionTimeout=4000",
    "smtps://localhost/?tls.rejectUnauthorized=false",
    {"port": 587, "service": ""},
    {},
    "smtp://mail.example.com?service=Gmail",
]


def ours(options: Any) -> MailSettings:
    """The transport as we read it."""
    return settings_of(lifted(options, "a.js", 1), Place("a.js", 1), "")


def test_transports_begin_as_planned() -> None:
    """Host, port, TLS, STARTTLS, timers and the name in EHLO are those that the plan tells."""
    told = script("nodemailer_starts.js", {"cases": CASES})["told"]
    for options, (offered, lacking) in zip(CASES, told, strict=True):
        plan = ours(options).plan
        assert (offered["host"], offered["port"]) == (plan.host, plan.port), options
        begins = {
            "implicit": ("implicit", "implicit"),
            "starttls": ("starttls", "starttls"),
            "opportunistic": ("starttls", "clear"),
            "clear": ("clear", "clear"),
        }
        assert (offered["how"], lacking["how"]) == begins[plan.mode], (options, plan.why)
        if plan.mode == "implicit":
            assert (offered.get("rejects") is not False) == plan.verify, options
        assert plan.connect_s * 1000 in [float(d) for d in offered["delays"]], options
        if plan.mode != "implicit":
            assert {plan.greeting_s * 1000, plan.socket_s * 1000} <= {float(d) for d in offered["delays"]}, options
        if plan.helo is not None:
            assert offered["helo"] == plan.helo, options


def test_services_are_those_of_nodemailer() -> None:
    """Our list of services is the installed Nodemailer's."""
    services = script("nodemailer_starts.js", {"cases": []})["services"]
    for name, entry in services.items():
        puts = {k: v for k, v in entry.items() if k not in ("aliases", "domains", "description")}
        puts |= {"port": int(entry["port"])} if "port" in entry else {}
        for word in (name, *entry.get("aliases", ()), *entry.get("domains", ())):
            assert service(word) == puts, word

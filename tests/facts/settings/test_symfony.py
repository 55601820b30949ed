"""Symfony: MAILER_DSN and config/packages/mailer.yaml."""

from __future__ import annotations

import pytest

from deliverkit.facts.settings.model import MailSettings
from deliverkit.facts.settings.values import Place
from tests.facts.settings.told import read_all, read_one

COMPOSER = '{"require": {"symfony/framework-bundle": "7.3.*", "symfony/mailer": "7.3.*"}}'
YAML = "framework:\n    mailer:\n        dsn: '%env(MAILER_DSN)%'\n"


def app(dsn: str, **more: str) -> dict[str, str]:
    """An application with this DSN in its ``.env``."""
    return {"composer.json": COMPOSER, "config/packages/mailer.yaml": YAML, ".env": f"MAILER_DSN='{dsn}'\n", **more}


def made(dsn: str) -> MailSettings:
    """Its one transport."""
    return read_one("symfony", app(dsn))


@pytest.mark.parametrize(
    ("dsn", "host", "port", "mode"),
    [
        ("smtp://u:p@h.shop.example:587", "h.shop.example", 587, "opportunistic"),
        ("smtp://u:p@h.shop.example:465", "h.shop.example", 465, "implicit"),
        ("smtp://u:p@h.shop.example", "h.shop.example", 465, "implicit"),
        ("smtp://localhost", "localhost", 25, "opportunistic"),
        ("smtps://u:p@h.shop.example", "h.shop.example", 465, "implicit"),
        ("smtps://u:p@h.shop.example:587", "h.shop.example", 587, "implicit"),
        ("smtp://h.shop.example:465?auto_tls=false", "h.shop.example", 465, "clear"),
        ("smtp://h.shop.example:587?require_tls=true", "h.shop.example", 587, "starttls"),
        ("gmail+smtp://ann:p@default", "smtp.gmail.com", 465, "implicit"),
        ("ses+smtp://K:S@default?region=us-east-1", "email-smtp.us-east-1.amazonaws.com", 465, "implicit"),
        ("mailgun+smtp://u:p@default?region=eu", "smtp.eu.mailgun.org", 587, "opportunistic"),
    ],
)
def test_how_tls_begins(dsn: str, host: str, port: int, mode: str) -> None:
    """EsmtpTransportFactory and the bridges."""
    plan = made(dsn).plan
    assert (plan.delivery, plan.host, plan.port, plan.mode) == ("smtp", host, port, mode)


@pytest.mark.parametrize(
    ("dsn", "delivery"),
    [
        ("null://null", "none"), ("sendmail://default", "sendmail"), ("native://default", "sendmail"),
        ("sendgrid://KEY@default", "api"), ("ses+api://K:S@default", "api"), ("", "refused"),
        ("mail.shop.example", "refused"),
        ("smtp://", "refused"), ("smtp://u:p/w@h.shop.example:587", "refused"), ("smtp://u:p@:25", "refused"),
        ("smtp://h.shop.example:port", "refused"),
    ],
)  # fmt: skip
def test_what_is_no_smtp(dsn: str, delivery: str) -> None:
    """Other ways to send, and what Dsn::fromString throws out."""
    assert made(dsn).plan.delivery == delivery


def test_options_and_credentials() -> None:
    """verify_peer, local_domain; user and password percent-decoded."""
    one = made("smtp://ann%40shop.example:s%2Fcret@h.shop.example:587?verify_peer=0&local_domain=app.shop.example")
    assert (one.plan.verify, one.plan.helo, one.plan.login) == (False, "app.shop.example", True)
    assert one.roles["user"].value == "ann@shop.example"
    assert one.password is not None and one.password.reveal() == "s/cret"
    assert one.roles["host"].origin.place == Place(".env", 1)


@pytest.mark.parametrize(
    "dsn",
    [
        "smtp://ann:geheim@h.shop.example",
        "failover(smtp://a:geheim@h.shop.example smtp://b:geheim@i.shop.example)",
        "sendgrid://geheim@default",
        "sendgrid+smtp://geheim@default",
        "postmark+smtp://geheim@default",
        "smtp://ann:geheim x@h.shop.example",
        "smtp://ann:geh/geheim@h.shop.example",
    ],
)
def test_no_secret_shows(dsn: str) -> None:
    """Neither passwords nor the keys that stand where the user does."""
    found, look = read_all("symfony", app(dsn))
    assert found
    assert "geheim" not in repr([one.to_json() for one in found]) + repr(look.unread)


def test_failover_gives_each_server() -> None:
    """And null:// behind a server is no sandbox."""
    found, _ = read_all("symfony", app("failover(smtp://a.shop.example:587 smtps://b.shop.example:465 null://null)"))
    assert [one.plan.host for one in found] == ["a.shop.example", "b.shop.example"]


def test_production_is_read_where_configuration_names_it() -> None:
    """when@prod, config/packages/prod and .env.prod win in production, and nowhere else."""
    files = app("smtp://dev.shop.example:1025")
    files["config/packages/mailer.yaml"] += (
        "when@prod:\n    framework:\n        mailer:\n            dsn: 'smtp://live.shop.example:587'\n"
    )
    hosts = {one.environment: one.plan.host for one in read_all("symfony", files)[0]}
    assert hosts == {"prod": "live.shop.example"}
    files = app("smtp://dev.shop.example:1025", **{".env.prod": "MAILER_DSN=smtp://live.shop.example:587"})
    assert {one.environment: one.plan.host for one in read_all("symfony", files)[0]} == {"prod": "live.shop.example"}
    files |= {"config/packages/prod/mailer.yaml": YAML.replace("%env(MAILER_DSN)%", "smtp://third.shop.example:25")}
    assert read_one("symfony", files, "prod").plan.host == "third.shop.example"


def test_what_was_not_read_is_said() -> None:
    """.env.local.php, configuration in PHP, YAML that is none, a variable nobody sets."""
    dumped = {".env.local.php": "<?php return [];", "config/packages/prod/mailer.php": "<?php"}
    _, look = read_all("symfony", app("null://null", **dumped))
    said = " ".join(one.why for one in look.unread)
    assert "it replaces every .env file" in said and "configuration in PHP" in said
    _, look = read_all("symfony", {**app("x"), "config/packages/mailer.yaml": "a: [b"})
    assert any(one.why == "no valid YAML" for one in look.unread)
    found, look = read_all("symfony", {"composer.json": COMPOSER, "config/packages/mailer.yaml": YAML})
    assert found == [] and "no file here sets MAILER_DSN" in look.unread[0].why

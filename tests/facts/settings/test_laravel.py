"""Laravel: config/mail.php of each generation, and what MAIL_* make of it."""

from __future__ import annotations

import pytest

from deliverkit.facts.settings.model import MailSettings
from deliverkit.facts.settings.values import Place
from tests.facts.settings.told import read_all, read_one

NEW = """<?php
return [
    'default' => env('MAIL_MAILER', 'log'),
    'mailers' => [
        'smtp' => [
            'transport' => 'smtp',
            'scheme' => env('MAIL_SCHEME'),
            'url' => env('MAIL_URL'),
            'host' => env('MAIL_HOST', '127.0.0.1'),
            'port' => env('MAIL_PORT', 2525),
            'username' => env('MAIL_USERNAME'),
            'password' => env('MAIL_PASSWORD'),
            'timeout' => env('MAIL_TIMEOUT'),
            'local_domain' => env('MAIL_EHLO_DOMAIN', parse_url(env('APP_URL', 'http://localhost'), PHP_URL_HOST)),
        ],
        'backup' => ['transport' => 'smtp', 'host' => 'b.shop.example', 'port' => 587, 'verify_peer' => false],
        'log' => ['transport' => 'log'],
        'failover' => ['transport' => 'failover', 'mailers' => ['smtp', 'backup', 'log']],
    ],
    'from' => ['address' => env('MAIL_FROM_ADDRESS', 'hello@example.com'), 'name' => 'Shop'],
];
"""
OLD = """<?php
return [
    'driver' => env('MAIL_DRIVER', 'smtp'),
    'host' => env('MAIL_HOST', 'smtp.mailgun.org'),
    'port' => env('MAIL_PORT', 587),
    'from' => ['address' => env('MAIL_FROM_ADDRESS', 'hello@example.com'), 'name' => 'Shop'],
    'encryption' => env('MAIL_ENCRYPTION', 'tls'),
    'username' => env('MAIL_USERNAME'),
    'password' => env('MAIL_PASSWORD'),
];
"""


def app(env: str, *, version: str | None = "^12.0", config: str | None = NEW) -> dict[str, str]:
    """A Laravel application."""
    files = {"artisan": "", ".env": env}
    if version is not None:
        files["composer.json"] = f'{{"require": {{"laravel/framework": "{version}"}}}}'
    return files | ({"config/mail.php": config} if config is not None else {})


def made(*lines: str, version: str | None = "^12.0", config: str | None = NEW) -> MailSettings:
    """The one mailer of an application with these lines in its ``.env``."""
    return read_one("laravel", app("\n".join(lines), version=version, config=config))


@pytest.mark.parametrize(
    ("lines", "mode", "port"),
    [
        (("MAIL_PORT=587",), "opportunistic", 587),
        (("MAIL_PORT=465",), "implicit", 465),
        (("MAIL_PORT=465", "MAIL_SCHEME=smtp"), "implicit", 465),
        (("MAIL_PORT=465", "MAIL_SCHEME=null"), "implicit", 465),
        (("MAIL_PORT=587", "MAIL_SCHEME=smtps"), "implicit", 587),
        (("MAIL_PORT=2465",), "opportunistic", 2465),
        ((), "opportunistic", 2525),
    ],
)
def test_symfony_mailer_begins_tls_by_scheme_and_port(lines: tuple[str, ...], mode: str, port: int) -> None:
    """EsmtpTransportFactory: smtps, or port 465 whatever the scheme."""
    plan = made("MAIL_MAILER=smtp", "MAIL_HOST=mail.shop.example", *lines).plan
    assert (plan.mode, plan.port, plan.host) == (mode, port, "mail.shop.example")


@pytest.mark.parametrize(
    ("encryption", "mode"),
    [("tls", "starttls"), ("ssl", "implicit"), ("null", "clear"), ("", "clear"), (None, "starttls")],
)
@pytest.mark.parametrize("version", ["^8.0", "5.8.*"])
def test_swiftmailer_begins_tls_by_encryption(encryption: str | None, mode: str, version: str) -> None:
    """Until Laravel 8 the variable MAIL_ENCRYPTION says it all; without it config/mail.php's "tls" counts."""
    lines = () if encryption is None else (f"MAIL_ENCRYPTION={encryption}",)
    assert made("MAIL_HOST=mail.shop.example", *lines, version=version, config=OLD).plan.mode == mode


def test_encryption_decides_nothing_since_laravel_9() -> None:
    """ssl on 587 is STARTTLS, tls on 465 is TLS at once: the port decides."""
    config = NEW.replace("'scheme' => env('MAIL_SCHEME')", "'encryption' => env('MAIL_ENCRYPTION', 'tls')")
    for encryption in ("ssl", "tls", "null"):
        lines = ("MAIL_MAILER=smtp", f"MAIL_ENCRYPTION={encryption}")
        assert made(*lines, "MAIL_PORT=587", version="^10.0", config=config).plan.mode == "opportunistic"
        assert made(*lines, "MAIL_PORT=465", version="^10.0", config=config).plan.mode == "implicit"


def test_values_keep_their_chain() -> None:
    """The setting names config/mail.php, and its origin the line of ``.env``; the password shows its shape."""
    one = made("MAIL_MAILER=smtp", "MAIL_HOST=h.shop.example", "MAIL_USERNAME=ann", 'MAIL_PASSWORD="ab12"')
    host = one.roles["host"]
    assert (host.name, host.origin.name, host.origin.place) == ("mail.mailers.smtp.host", "MAIL_HOST", Place(".env", 2))
    assert host.place == Place("config/mail.php", 9)
    password = one.roles["password"]
    assert "ab12" not in f"{password!r}{password.origin!r}"
    assert one.password is not None and one.password.reveal() == "ab12"
    assert one.plan.login


def test_each_smtp_mailer_of_a_failover_is_read() -> None:
    """The log behind servers catches what they refuse, and is no sandbox."""
    found, _ = read_all("laravel", app("MAIL_MAILER=failover\nMAIL_HOST=a.shop.example\nMAIL_PORT=587"))
    assert [(one.plan.host, one.plan.verify) for one in found] == [("a.shop.example", True), ("b.shop.example", False)]


def test_a_failover_that_names_itself_ends() -> None:
    """A circle of mailers is no endless loop."""
    config = NEW.replace("['smtp', 'backup', 'log']", "['failover', 'smtp']")
    found, _ = read_all("laravel", app("MAIL_MAILER=failover\nMAIL_HOST=a.shop.example", config=config))
    assert [one.plan.delivery for one in found] == ["api", "smtp"]


def test_a_url_overrides_the_single_options() -> None:
    """ConfigurationUrlParser: host, port, user, password and options of MAIL_URL win."""
    url = "smtp://ann:s%40w0rt@u.shop.example:465?verify_peer=0"
    one = made("MAIL_MAILER=smtp", "MAIL_HOST=h.shop.example", f"MAIL_URL={url}")
    plan = one.plan
    assert (plan.host, plan.port, plan.mode, plan.verify, plan.login) == (
        "u.shop.example",
        465,
        "implicit",
        False,
        True,
    )
    assert one.password is not None and one.password.reveal() == "s@w0rt"
    assert "w0rt" not in repr(one.to_json()["roles"])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("MAIL_MAILER=smtp", "MAIL_SCHEME=tls"), 'The "tls" scheme is not supported'),
        (("MAIL_MAILER=mailjet",), "Mailer [mailjet] is not defined"),
        (("MAIL_MAILER=smtp", "MAIL_URL=smtps://h.shop.example"), "Unsupported mail transport [smtps]"),
    ],
)
def test_what_the_framework_refuses(lines: tuple[str, ...], said: str) -> None:
    """The exceptions of MailManager and EsmtpTransportFactory."""
    plan = made(*lines).plan
    assert plan.delivery == "refused" and said in plan.why


def test_the_file_that_the_framework_ships_stands_for_a_missing_one() -> None:
    """Laravel 11 needs no config/mail.php: MAIL_MAILER is then "log" by default."""
    assert made("MAIL_HOST=h.shop.example", config=None, version=None).plan.delivery == "log"
    assert made("MAIL_HOST=h.shop.example", config=None, version="^10.0").plan.mode == "opportunistic"
    assert made("MAIL_HOST=h.shop.example", config=None, version="^6.0").plan.mode == "starttls"


def test_variables_that_nothing_reads_are_marked() -> None:
    """MAIL_ENCRYPTION in an application whose configuration knows MAIL_SCHEME only; not if other source reads it."""
    files = app("MAIL_MAILER=smtp\nMAIL_ENCRYPTION=tls\nMAIL_DRIVER=smtp\n")
    _, look = read_all("laravel", files)
    assert [mark.place.line for mark in look.marks] == [2, 3]
    _, look = read_all("laravel", {**files, "app/Mail.php": "<?php env('MAIL_ENCRYPTION'); env('MAIL_DRIVER');"})
    assert look.marks == []


def test_the_locked_version_counts() -> None:
    """composer.lock says what is installed, composer.json what is asked for."""
    files = app("MAIL_HOST=h.shop.example\nMAIL_ENCRYPTION=ssl", version="^8.0|^9.0", config=OLD)
    files["composer.lock"] = '{"packages": [{"name": "laravel/framework", "version": "v8.83.27"}]}'
    one = read_one("laravel", files)
    assert (one.version, one.plan.mode) == ("v8.83.27", "implicit")


def test_environments_are_exclusive() -> None:
    """.env.production is read instead of .env, not over it."""
    files = app("MAIL_MAILER=smtp\nMAIL_HOST=dev.shop.example\nMAIL_PORT=1025")
    files[".env.production"] = "MAIL_MAILER=smtp\nMAIL_HOST=live.shop.example"
    one = read_one("laravel", files)
    assert (one.environment, one.plan.host, one.plan.port) == ("production", "live.shop.example", 2525)


@pytest.mark.parametrize("config", ["<?php return config('x');", "<?php", "<?php return [", "", "\x00"])
def test_a_configuration_that_cannot_be_followed_is_said(config: str) -> None:
    """Never a guess."""
    found, look = read_all("laravel", app("MAIL_MAILER=smtp", config=config))
    assert found == [] or found[0].unread
    assert found or look.unread


def test_a_cached_configuration_is_said() -> None:
    """With bootstrap/cache/config.php no variable is read."""
    _, look = read_all("laravel", {**app("MAIL_MAILER=log"), "bootstrap/cache/config.php": "<?php return [];"})
    assert any("config:clear" in one.why for one in look.unread)

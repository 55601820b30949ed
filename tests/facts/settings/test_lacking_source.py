"""Without the extra ``source``: what was not read is said, and nothing is made up."""

from __future__ import annotations

import sys

import pytest

from deliverkit.facts.settings.readers import laravel, phpmailer, rails
from deliverkit.facts.settings.source.syntax import LACKING
from tests.facts.settings.test_laravel import app as laravel_app
from tests.facts.settings.test_phpmailer import source
from tests.facts.settings.test_rails import app as rails_app
from tests.facts.settings.test_symfony import app as symfony_app
from tests.facts.settings.told import read_all


@pytest.fixture(autouse=True)
def _without(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (laravel, phpmailer, rails):
        monkeypatch.setattr(module, "available", lambda _path: False)
    monkeypatch.setitem(sys.modules, "yaml", None)


def test_laravel_by_the_file_that_it_ships() -> None:
    """The variables have the same names in nearly every application; the report says that this was taken for it."""
    found, look = read_all("laravel", laravel_app("MAIL_MAILER=smtp\nMAIL_HOST=h.shop.example\nMAIL_PORT=465"))
    assert found[0].plan.mode == "implicit" and look.unread[0].why.startswith(LACKING)
    assert look.marks == []


def test_symfony_by_the_variable_it_always_has() -> None:
    """%env(MAILER_DSN)% is what the recipe writes."""
    found, look = read_all("symfony", symfony_app("smtp://h.shop.example:587"))
    assert found[0].plan.host == "h.shop.example" and "YAML" in look.unread[0].why


def test_source_is_not_read() -> None:
    """PHPMailer and Rails are source alone."""
    for name, files in (("phpmailer", {"a.php": source(), "b.php": source()}), ("rails", rails_app("port: 587"))):
        found, look = read_all(name, files)
        assert found == [] and [one.why for one in look.unread] == [LACKING]


def test_a_transport_that_was_not_read_is_unknown_and_no_pass() -> None:
    """A decisive unknown that names the file and what to install, whatever other settings were found."""
    from deliverkit.engine.doctor import untold
    from deliverkit.facts.settings.model import AppFacts
    from deliverkit.facts.settings.values import Place, Unread

    found, _ = read_all("symfony", symfony_app("smtp://h.shop.example:587"))
    unread = (Unread(Place("lib/mail.ts"), "createTransport(…)", LACKING),)
    assert untold(AppFacts("shop", tuple(found))).inconclusive == ()
    for settings in ((), tuple(found)):
        [told] = untold(AppFacts("shop", settings, unread=unread)).inconclusive
        assert told.decisive and "lib/mail.ts" in told.reason and "deliverkit[source]" in told.reason

"""Rails: config.action_mailer, and what the mail gem makes of smtp_settings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.facts.base import Missing
from deliverkit.facts.settings.model import MailSettings
from deliverkit.facts.settings.source.ruby import Evaluator, read_script
from deliverkit.facts.settings.tree import ToldTree
from deliverkit.facts.settings.values import Place
from tests.facts.settings.told import read_all, read_one

APP = "module Shop\n  class Application < Rails::Application\n  end\nend\n"
TEST = "  config.action_mailer.delivery_method = :test\n"
DOTENV = 'gem "dotenv-rails"\n'


def app(settings: str, *, more: str = "", env: str = "", gemfile: str = DOTENV, mail: str = "2.8.1") -> dict[str, str]:
    """An application whose production has these settings."""
    body = f"  config.action_mailer.smtp_settings = {{ {settings} }}\n" if settings else ""
    return {
        "config/application.rb": APP,
        "config/environments/production.rb": f"Rails.application.configure do\n{more}{body}end\n",
        "config/environments/test.rb": f"Rails.application.configure do\n{TEST}end\n",
        "Gemfile": gemfile,
        "Gemfile.lock": f"    mail ({mail})\n",
        ".env": env,
    }


def made(settings: str, *, more: str = "", env: str = "", mail: str = "2.8.1") -> MailSettings:
    """Its production."""
    return read_one("rails", app(settings, more=more, env=env, mail=mail))


@pytest.mark.parametrize(
    ("settings", "mode"),
    [
        ("port: 587", "opportunistic"),
        ("tls: true", "implicit"),
        (":ssl => true", "implicit"),
        ("tls: 'false'", "implicit"),
        ("enable_starttls: true", "starttls"),
        ("enable_starttls: :always", "starttls"),
        ("enable_starttls: :auto", "opportunistic"),
        ("enable_starttls: false", "clear"),
        ("enable_starttls_auto: false", "clear"),
        ("enable_starttls: false, enable_starttls_auto: true", "opportunistic"),
        ("tls: nil, enable_starttls_auto: true", "opportunistic"),
        ("tls: ENV['TLS'] == 'true', port: 25", "implicit"),
        ("tls: ActiveModel::Type::Boolean.new.cast(ENV['NO'])", "opportunistic"),
    ],
)
def test_how_tls_begins(settings: str, mode: str) -> None:
    """Mail::SMTP#smtp_tls? and #smtp_starttls."""
    assert made(f"address: 'h.shop.example', {settings}", env="TLS=true\nNO=false").plan.mode == mode


def test_tls_and_starttls_exclude_each_other_since_mail_2_8() -> None:
    """An ArgumentError; before, tls won."""
    both = "address: 'h.shop.example', tls: true, enable_starttls_auto: true"
    assert made(both).plan.delivery == "refused"
    assert made(both, mail="2.7.1").plan.mode == "implicit"


def test_the_defaults_of_the_mail_gem() -> None:
    """localhost:25, five seconds since 2.8."""
    plan = made("authentication: nil").plan
    assert (plan.host, plan.port, plan.helo, plan.login) == ("localhost", 25, "localhost.localdomain", False)
    assert (plan.connect_s, made("port: 25", mail="2.7.1").plan.connect_s) == (5, 30)


@pytest.mark.parametrize(
    ("more", "delivery"),
    [
        ("  config.action_mailer.delivery_method = :test\n", "memory"),
        ("  config.action_mailer.delivery_method = :letter_opener\n", "file"),
        ("  config.action_mailer.delivery_method = :sendmail\n", "sendmail"),
        ("  config.action_mailer.delivery_method = :postmark\n", "api"),
        ("  config.action_mailer.perform_deliveries = false\n", "none"),
        ("  config.action_mailer.delivery_method = :test if ENV['CI'] == 'yes'\n", "smtp"),
        ("  if ENV['SET']\n    config.action_mailer.delivery_method = :test\n  end\n", "memory"),
        ("  unless ENV['SET']\n    config.action_mailer.delivery_method = :test\n  end\n", "smtp"),
    ],
)
def test_how_mail_is_delivered(more: str, delivery: str) -> None:
    """delivery_method, under conditions too."""
    assert made("port: 25", more=more, env="SET=1\nCI=no").plan.delivery == delivery


def test_variables_by_every_way_of_reading_them() -> None:
    """ENV[], ENV.fetch with a default and with a block, to_i; each with its place."""
    one = made(
        'address: ENV.fetch("H"), port: ENV.fetch("N", 587).to_i, user_name: ENV["U"].presence, '
        'password: ENV.fetch("P") { "" }, domain: "#{ENV["D"]}.example", '
        "openssl_verify_mode: OpenSSL::SSL::VERIFY_NONE",
        env="H=h.shop.example\nU=ann\nP=geheim\nD=shop\n",
    )
    plan = one.plan
    assert (plan.host, plan.port, plan.login, plan.helo, plan.verify) == (
        "h.shop.example", 587, True, "shop.example", False,
    )  # fmt: skip
    assert one.roles["host"].origin.place == Place(".env", 1)
    assert one.password is not None and "geheim" not in repr(one.to_json())


@pytest.mark.parametrize(
    ("gemfile", "read"),
    [
        (DOTENV, True),
        ('gem "rails"\n', False),
        ('group :development, :test do\n  gem "dotenv-rails"\nend\n', False),
        ('gem "dotenv-rails", groups: [:development, :test]\n', False),
        ('gem "dotenv", group: :production\n', True),
    ],
)
def test_files_of_variables_count_where_dotenv_is_loaded(gemfile: str, read: bool) -> None:
    """Often in development only: production has what its platform sets, and nothing is made up."""
    one = read_one("rails", app("address: ENV['H']", env="H=h.shop.example", gemfile=gemfile))
    assert (one.plan.raw("host") == "h.shop.example") is read
    assert (type(one.plan.raw("host")) is Missing) is not read


def test_encrypted_credentials_are_said_to_be_unread() -> None:
    """Rails.application.credentials: only a run could tell."""
    one = made("address: 'h.shop.example', password: Rails.application.credentials.dig(:smtp, :password)")
    assert "encrypted" in one.unread[0].why and one.password is None and one.plan.host == "h.shop.example"


def test_later_files_win() -> None:
    """application.rb, then the environment, then initializers; an element alone is set, too."""
    files = app("address: 'a.shop.example', port: 587")
    files["config/application.rb"] = APP + "config.action_mailer.smtp_settings = { address: 'z.shop.example' }\n"
    assert read_one("rails", files).plan.host == "a.shop.example"
    files["config/initializers/mail.rb"] = "ActionMailer::Base.smtp_settings[:address] = 'b.shop.example'\n"
    plan = read_one("rails", files).plan
    assert (plan.host, plan.port) == ("b.shop.example", 587)


def test_environments_and_sender() -> None:
    """Each environment but test; the sender of ApplicationMailer; errors that are swallowed."""
    files = app("port: 587", more="  config.action_mailer.raise_delivery_errors = false\n")
    files["config/environments/development.rb"] = files["config/environments/test.rb"]
    files["app/mailers/application_mailer.rb"] = (
        'class A < ActionMailer::Base\n  default from: "ann@shop.example"\nend\n'
    )
    found, _ = read_all("rails", files)
    assert [(one.environment, one.plan.delivery) for one in found] == [
        ("production", "smtp"),
        ("development", "memory"),
    ]
    assert found[0].roles["from"].value == "ann@shop.example" and found[0].roles["raise-errors"].value is False


_PIECES = ("x", "=", "ENV['H']", "{", "}", "a:", ":b =>", "if", "end", "do", ".to_i", "||", "(", ")", "\n", "nil", "?",
           ":", "config.action_mailer.smtp_settings", '"#{', '}"', "unless", "ENV.fetch('X')",
           "!", "==")  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES), max_size=25))
def test_scrambled_ruby_is_survived(pieces: list[str]) -> None:
    """Pieces in any order: known, unknown or nothing, never an error."""
    files = app("", more=" ".join(pieces) + "\n")
    read_all("rails", files)
    script = read_script(ToldTree({"a.rb": " ".join(pieces)}), "a.rb")
    assert script is not None
    for node in script.root.named_children:
        Evaluator(script, lambda _n: None, lambda _n, _p: None).value(node)

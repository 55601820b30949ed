"""Rules about settings on transports made by hand: what stories would tell clumsily, and what must stay silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from deliverkit.facts.base import missing
from deliverkit.facts.settings.model import MailSettings
from deliverkit.facts.settings.values import Place, Secret, Setting, ValueFault
from deliverkit.rules.settings.reading import server
from tests.rules.settings.handmade import PLAIN, app, found, judged, setting, transport

SES = "email-smtp.eu-west-1.amazonaws.com"


def rules(facts: MailSettings) -> set[str]:
    """The ids of what is found."""
    return set(found(facts))


@pytest.mark.parametrize(
    ("host", "user", "provider"),
    [
        ("smtp.gmail.com", "shop@gmail.com", "gmail"),
        ("smtp.gmail.com", "ann@shop.example", "google-workspace"),
        ("smtp.gmail.com", "shop", "gmail"),
        ("SMTP.Gmail.com.", "shop@googlemail.com", "gmail"),
        ("smtp.office365.com", "ann@shop.example", "microsoft365"),
        ("smtp.office365.com", "", "microsoft365"),
        ("smtp.office365.com", "shop@hotmail.com", "outlook"),
        (SES, "AKIAIOSFODNN7ABCDEFG", "ses"),
        ("smtp.mailtrap.io", "abc", "mailtrap-sandbox"),
        ("mail.shop.example", "ann@shop.example", None),
        ("127.0.0.1", "", None),
    ],
)
def test_whose_server_it_is(host: str, user: str, provider: str | None) -> None:
    """The user tells which of two providers behind one name is meant."""
    known = server(transport(host=host, user=user))
    assert (known.id if known else None) == provider


@pytest.mark.parametrize(
    ("host", "user", "password", "rule"),
    [
        ("smtp.gmail.com", "shop@gmail.com", "abcd efgh ijkl mnop", None),
        ("smtp.gmail.com", "shop@gmail.com", "abcdefghijklmnop", None),
        ("smtp.gmail.com", "shop@gmail.com", "Winter2026", "SET024"),
        ("smtp.gmail.com", "ann@shop.example", "Winter2026", "SET025"),
        ("smtp.qq.com", "1@qq.com", "abcdefghijklmnop", None),
        ("smtp.qq.com", "1@qq.com", "ABCDEFGHIJKLMNOP", "SET024"),
        ("smtp.163.com", "a@163.com", "ABCDEFGHIJKLMNOP", None),
        ("smtp.163.com", "a@163.com", "Winter2026", "SET025"),
        ("smtp.mail.yahoo.com", "a@yahoo.com", "Winter2026", "SET025"),
        ("smtp.mail.me.com", "a@icloud.com", "abcd-efgh-ijkl-mnop", None),
        ("smtp.sendgrid.net", "apikey", "Winter2026", "SET024"),
        ("smtp.resend.com", "resend", "re_abcdEFGH_1234", None),
        ("smtp.resend.com", "resend", "Winter2026", "SET024"),
        (SES, "AKIAIOSFODNN7ABCDEFG", "B" + "a/+" * 14 + "Z", None),
        (SES, "AKIAIOSFODNN7ABCDEFG", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzKEY", "SET028"),
        (SES, "AKIAIOSFODNN7ABCDEFG", "Winter2026", "SET024"),
        ("mail.shop.example", "ann@shop.example", "Winter2026", None),
    ],
)
def test_passwords_are_judged_by_their_shape(host: str, user: str, password: str, rule: str | None) -> None:
    """The finding names the place, and never the password."""
    findings = found(transport(host=host, port=465, user=user, password=password))
    assert {one for one in findings if one in ("SET024", "SET025", "SET028")} == ({rule} if rule else set())
    assert password not in repr(findings)


@pytest.mark.parametrize("password", ["your-password", "Winter2026 ", '"Winter2026"', "changeme"])
def test_one_cause_makes_one_finding(password: str) -> None:
    """A placeholder, a blank or quotation marks are said; the shape they spoil is not said besides."""
    findings = found(transport(host="smtp.gmail.com", port=465, user="shop@gmail.com", password=password))
    assert len(findings) == 1
    assert "SET024" not in findings


def test_a_token_is_no_password() -> None:
    """OAuth2 needs no app password, and Microsoft's dates do not matter to it."""
    plan = replace(PLAIN, host="smtp.office365.com", port=587, mode="starttls", mechanism="OAuth2")
    one = transport(plan=plan, user="shop@outlook.com", password="ya29.token")
    assert rules(one) == set()
    assert not {"SET026", "SET027"} & set(found(app(one)))


@pytest.mark.parametrize(
    ("user", "today", "rule"),
    [
        ("shop@outlook.com", date(2024, 9, 15), None),
        ("shop@outlook.com", date(2024, 9, 16), "SET026"),
        ("ann@shop.example", date(2026, 11, 25), "SET027"),
        ("ann@shop.example", date(2027, 1, 1), "SET027"),
    ],
)
def test_the_end_of_passwords_is_dated(user: str, today: date, rule: str | None) -> None:
    """By the clock of the world that is judged."""
    findings = found(app(transport(host="smtp.office365.com", port=587, user=user, password="Winter2026"), today=today))
    assert set(findings) & {"SET026", "SET027"} == ({rule} if rule else set())


def test_keys_for_a_time_are_refused_by_ses() -> None:
    """ASIA… needs a session token, which SMTP has no place for."""
    told = found(transport(host=SES, port=465, user="ASIAIOSFODNN7ABCDEFG", password="B" + "a" * 43))
    assert "for a time" in told["SET028"].detail


@pytest.mark.parametrize("kind", ["quotes-kept", "carriage-return", "unclosed-quote", "blank-unquoted", "comment-cut"])
def test_faults_are_said_at_the_origin(kind: str) -> None:
    """Not where the program reads the variable, and without the secret."""
    origin = setting("SMTP_PASS", Secret("Winter"), 4, faults=(ValueFault(kind, "told"),))
    read = Setting("auth.pass", Secret("Winter"), Place("mailer.js", 8), "mailer.js", via=origin, faults=origin.faults)
    (one,) = found(transport(host="smtp.gmail.com", port=465, user="shop@gmail.com", password=read)).values()
    assert (one.evidence[0].name, one.evidence[0].place) == ("SMTP_PASS", ".env:4")
    assert "SMTP_PASS in .env:4" in one.detail
    assert "Winter" not in repr(one)


def test_a_reader_that_forgot_to_hide_a_secret_does_not_leak() -> None:
    """What stands in the role of a password is shown by its shape, whatever its type."""
    one = transport(host="mail.shop.example", password=setting("SMTP_PASS", "Winter 2026 "))
    assert "Winter" not in repr(found(one))
    url = setting(
        "SMTP_URL", "smtp://ann:Winter@2026@mail.shop.example", faults=(ValueFault("url-part-not-encoded", "an @"),)
    )
    assert "Winter" not in repr(found(transport(url=url)))


def test_expanded_variables_that_are_set_are_no_fault() -> None:
    """Only a $ that stood for nothing is."""
    meant = ValueFault("expanded", "${DOMAIN} is set")
    lost = ValueFault("expanded", "$word is not set")
    assert "SET007" not in found(transport(host=setting("SMTP_HOST", "mail.shop.example", faults=(meant,))))
    assert "SET007" in found(transport(host=setting("SMTP_HOST", "mail.shop.example", faults=(lost,))))


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [
        ("imap.gmail.com", 993, {"SET016"}),
        ("imap.gmail.com", 465, {"SET016"}),
        ("pop.163.com", 995, {"SET016"}),
        ("imap.shop.example", 465, set()),
        ("mail.shop.example", 143, {"SET016"}),
        ("smtp.163.com", 994, set()),
        ("smtpdm.aliyun.com", 80, set()),
        ("mail.shop.example", 80, {"SET017"}),
        ("mail.shop.example", 2465, set()),
        ("mail.shop.example", 26, set()),
        ("mail.shop.example", 0, {"SET017"}),
        ("smtp.mail.me.com", 465, {"SET017"}),
        ("2001:db8::25", 465, set()),
        ("mail.shop.example:465", 465, {"SET014"}),
        ("ann@shop.example", 465, {"SET014"}),
        ("hotmail.com", 465, {"SET019"}),
        ("email-smtp.ap-southeast-7.amazonaws.com", 465, set()),
        ("email-smtp.frankfurt.amazonaws.com", 465, {"SET020"}),
        ("email-smtp.amazonaws.com", 465, {"SET020"}),
        ("smtp.example.com", 465, {"SET093"}),
        ("smtp.myexample.com", 465, set()),
        ("host.docker.internal", 465, set()),
        ("mail.apps.svc.cluster.local", 465, set()),
    ],
)
def test_hosts_and_ports(host: str, port: int, expected: set[str]) -> None:
    """What no mail can be handed to is said; the rest is left alone."""
    assert rules(transport(host=host, port=port)) == expected


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("localhost", True),
        ("my_app.shop.example", True),
        ("web-1", True),
        ("3f2a9c81d0be", True),
        ("192.0.2.1", True),
        ("-x.shop.example", True),
        ("[192.0.2.1]", False),
        ("[IPv6:2001:db8::1]", False),
        ("app.shop.example", False),
    ],
)
def test_names_in_ehlo(name: str, refused: bool) -> None:
    """RFC 5321 §4.1.4: a domain name or an address in brackets."""
    assert ("SET088" in rules(transport(plan=replace(PLAIN, helo=name), helo=name))) is refused


@pytest.mark.parametrize(
    ("host", "user", "sender", "expected"),
    [
        ("smtp.qq.com", "1@qq.com", "Shop <1@qq.com>", set()),
        ("smtp.qq.com", "1@qq.com", "shop@shop.example", {"SET030"}),
        ("smtp.gmail.com", "shop@gmail.com", "shop+orders@gmail.com", set()),
        ("smtp.zoho.com", "a@shop.example", "b@shop.example", {"SET031"}),
        ("smtp.sendgrid.net", "apikey", "ann@yahoo.com", {"SET032"}),
        ("smtp.sendgrid.net", "apikey", "ann@shop.example", set()),
        ("mail.shop.example", "ann@shop.example", "ann@gmail.com", {"SET032"}),
        ("mail.shop.example", "ann@shop.example", "", {"SET033"}),
        ("mail.shop.example", "ann@shop.example", "webmaster@localhost", {"SET033"}),
        ("mail.shop.example", "ann@shop.example", "The shop", {"SET033"}),
        ("mail.shop.example", "ann@shop.example", "hello@example.com", {"SET033"}),
        ("mail.shop.example", "ann@shop.example", "your-email@gmail.com", {"SET029"}),
    ],
)
def test_the_sender(host: str, user: str, sender: str, expected: set[str]) -> None:
    """From against the account."""
    assert rules(transport(host=host, port=465, user=user, from_=sender)) == expected


def test_a_platform_that_stops_functions_needs_timeouts() -> None:
    """Waiting for ever is longer than any limit; a limit that is not told is none."""
    one = transport(host="mail.shop.example", plan=replace(PLAIN, connect_s=None, greeting_s=10.0))
    limit = Setting("time limit", 60, None, "Netlify's default")
    hosted = (("netlify", Place("netlify.toml")),)
    told = found(app(one, time_limits={"netlify": limit}, platforms=hosted))["SET089"]
    assert "connect for ever" in told.detail
    assert told.subject == one.subject
    unknown = {"netlify": replace(limit, value=None)}
    assert "SET089" not in found(app(one, time_limits=unknown, platforms=hosted))


def test_what_is_not_known_costs_no_other_transport_its_finding() -> None:
    """The rule is inconclusive, and what it found before stays."""
    unknown = transport(plan=replace(PLAIN, host=missing("only a run could tell"), connect_s=5.0, greeting_s=5.0))
    one = transport(port=25, plan=replace(PLAIN, port=25))
    judgement = judged(app(unknown, one, platforms=(("vercel", Place("vercel.json")),)))
    assert "SET090" in {each.rule for each in judgement.findings}
    assert "SET090" in {each.rule for each in judgement.inconclusive}
    assert judgement.crashed == ()


def test_frameworks_that_wait_for_ever_are_told_so() -> None:
    """Those whose documentation says so; a timeout that is set is enough."""
    assert rules(transport(framework="smtplib")) == {"SET092"}
    assert rules(transport(framework="smtplib", plan=replace(PLAIN, socket_s=20.0))) == set()
    assert rules(transport(framework="postfix")) == set()


@pytest.mark.parametrize(
    ("read", "is_set", "rule"),
    [
        ("SMTP_PASS", "SMTP_PASSWORD", "SET034"),
        ("EMAIL_USER", "SMTP_USERNAME", "SET034"),
        ("SMTP_HOST", "SMTP_HSOT", "SET034"),
        ("SMTP_PASS", "NEXT_PUBLIC_SMTP_PASS", "SET034"),
        ("SMTP_HOST", "SMTP_PORT", "SET036"),
        ("AUTH_PASSWORD", "AUTH_SECRET", "SET036"),
        ("SMTP_USER", "DB_USER", "SET036"),
    ],
)
def test_variables_that_are_nearly_set(read: str, is_set: str, rule: str) -> None:
    """A name of other words is another variable."""
    unset = Setting(read, None, None, "nothing sets it")
    role = Setting("x", None, Place("mailer.js", 8), "mailer.js", via=unset)
    name = "password" if "PASS" in read else "user" if "USER" in read else "host"
    one = MailSettings("nodemailer", "", Place("mailer.js", 4), {name: role}, PLAIN)
    findings = set(found(app(one, variables={"": {is_set: setting(is_set, "x1")}})))
    assert findings & {"SET034", "SET036"} == {rule}


def test_production_is_told_by_a_variable_too() -> None:
    """APP_ENV=production in the only file of variables."""
    one = transport(plan=replace(PLAIN, delivery="log"), backend="log")
    assert "SET081" in found(app(one))
    assert "SET080" in found(app(one, variables={"": {"APP_ENV": setting("APP_ENV", "production")}}))


@pytest.mark.parametrize(
    ("host", "environment", "platform", "expected"),
    [
        ("localhost", "production", None, "SET084"),
        ("localhost", "production", "vercel", "SET082"),
        ("localhost", "", "vercel", "SET084"),
        ("localhost", "development", "vercel", None),
        ("10.0.0.5", "production", "vercel", "SET082"),
        ("10.0.0.5", "production", "fly", "SET084"),
        ("mail.internal", "production", "fly", "SET084"),
        ("smtp", "production", None, "SET084"),
        ("host.docker.internal", "production", None, "SET083"),
        ("host.docker.internal", "", None, "SET084"),
        ("mail.apps.svc.cluster.local", "production", None, "SET084"),
        ("mailpit", "production", None, "SET080"),
        ("sandbox.smtp.mailtrap.io", "production", None, "SET080"),
        ("live.smtp.mailtrap.io", "production", None, None),
        ("smtp.ethereal.email", "", None, "SET081"),
        ("smtp.ethereal.email", "development", None, "SET081"),
        ("mail.shop.example", "production", "vercel", None),
    ],
)
def test_where_mail_ends(host: str, environment: str, platform: str | None, expected: str | None) -> None:
    """One finding for a host that leads nowhere; an error only where that is certain."""
    hosted = ((platform, Place("deploy")),) if platform else ()
    findings = set(found(app(transport(host=host, port=587, environment=environment), platforms=hosted)))
    assert findings == ({expected} if expected else set())


@pytest.mark.parametrize(
    ("sender", "expected"),
    [("webmaster@localhost", {"SET095"}), ("hello@example.com", {"SET095"}), ("shop@shop.example", set())],
)
def test_the_frameworks_own_sender_is_a_note(sender: str, expected: set[str]) -> None:
    """The program may name another for each message; nobody wrote this one."""
    default = Setting("DEFAULT_FROM_EMAIL", sender, None, "the framework's default")
    assert rules(transport(from_=default)) == expected


def test_a_url_is_read_for_what_is_not_encoded_whoever_read_it() -> None:
    """A reader that hands on the URL as it stands need not know the law of URLs."""
    told = found(transport(url=setting("MAILER_DSN", "smtps://ann:Win@ter@mail.shop.example:465")))
    assert "write %40" in told["SET008"].detail
    assert "Win" not in repr(told)
    assert "SET008" not in found(transport(url=setting("MAILER_DSN", "smtps://ann:Win%40ter@mail.shop.example:465")))

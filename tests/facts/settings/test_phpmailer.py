"""PHPMailer: what the properties of a mailer make of it."""

from __future__ import annotations

import pytest

from deliverkit.facts.base import Missing
from deliverkit.facts.settings.model import MailSettings
from deliverkit.facts.settings.values import Place
from tests.facts.settings.told import read_all, read_one


def source(*lines: str, smtp: bool = True) -> str:
    """A file that sets up one mailer."""
    first = ["$mail = new PHPMailer(true);", *(["$mail->isSMTP();"] if smtp else [])]
    return "<?php\nuse PHPMailer\\PHPMailer\\PHPMailer;\n" + "\n".join((*first, *lines)) + "\n$mail->send();\n"


def made(*lines: str, smtp: bool = True, env: str = "") -> MailSettings:
    """Its settings."""
    return read_one("phpmailer", {"mail.php": source(*lines, smtp=smtp), ".env": env})


def test_the_defaults_of_phpmailer() -> None:
    """localhost:25, STARTTLS where offered, no login, five minutes."""
    plan = made().plan
    assert (plan.host, plan.port, plan.mode, plan.login, plan.verify) == ("localhost", 25, "opportunistic", False, True)
    assert plan.socket_s == 300


@pytest.mark.parametrize(
    ("lines", "mode"),
    [
        (("$mail->SMTPSecure = 'ssl';",), "implicit"),
        (("$mail->SMTPSecure = 'tls';",), "starttls"),
        (("$mail->SMTPSecure = PHPMailer::ENCRYPTION_SMTPS;",), "implicit"),
        (("$mail->SMTPSecure = PHPMailer::ENCRYPTION_STARTTLS;",), "starttls"),
        (("$mail->SMTPSecure = 'SSL';",), "opportunistic"),
        (("$mail->SMTPSecure = '';", "$mail->SMTPAutoTLS = false;"), "clear"),
        (("$mail->SMTPSecure = false;",), "opportunistic"),
        (("$mail->SMTPSecure = 'ssl';", "$mail->SMTPSecure = 'tls';"), "starttls"),
        (("$mail->Host = 'ssl://h.shop.example';",), "implicit"),
        (("$mail->Host = 'tls://h.shop.example';", "$mail->SMTPSecure = 'ssl';"), "starttls"),
    ],
)
def test_how_tls_begins(lines: tuple[str, ...], mode: str) -> None:
    """Only the exact texts count, a prefix of the host before them, the last assignment before the first."""
    assert made(*lines).plan.mode == mode


def test_several_hosts_are_tried_in_turn() -> None:
    """Each with a prefix and a port of its own."""
    line = "$mail->Host = 'ssl://a.shop.example:465;b.shop.example;tls://c.shop.example:2525'; $mail->Port = 26;"
    found, _ = read_all("phpmailer", {"mail.php": source(line)})
    plans = [(one.plan.host, one.plan.port, one.plan.mode) for one in found]
    assert plans == [
        ("a.shop.example", 465, "implicit"),
        ("b.shop.example", 26, "opportunistic"),
        ("c.shop.example", 2525, "starttls"),
    ]


def test_verification_names_and_sender() -> None:
    """SMTPOptions, Helo before Hostname, setFrom."""
    one = made(
        "$mail->SMTPOptions = ['ssl' => ['verify_peer' => false, 'allow_self_signed' => true]];",
        "$mail->Hostname = 'a.shop.example';",
        "$mail->SMTPAuth = true; $mail->AuthType = 'LOGIN'; $mail->Timeout = 10;",
        "$mail->setFrom('ann@shop.example', 'Shop');",
    )
    plan = one.plan
    assert (plan.verify, plan.helo, plan.login, plan.mechanism) == (False, "a.shop.example", True, "LOGIN")
    assert plan.connect_s == 10 and one.roles["from"].value == "ann@shop.example"


def test_without_issmtp_mail_sends() -> None:
    """The settings of a server are then without effect."""
    one = made("$mail->Host = 'h.shop.example';", smtp=False)
    assert one.plan.delivery == "sendmail" and "isSMTP" in one.plan.why
    assert made("$mail->Mailer = 'smtp';", smtp=False).plan.delivery == "smtp"
    assert made("$mail->IsSMTP();", smtp=False).plan.delivery == "smtp"
    assert made("$mail->isSendmail();").plan.delivery == "sendmail"


def test_variables_are_followed_into_the_file() -> None:
    """$_ENV and getenv; the password by its shape."""
    one = made(
        "$mail->Host = $_ENV['H'];",
        "$mail->Password = getenv('P');",
        "$mail->Port = (int) $_ENV['N'];",
        env="H=h.shop.example\nP=geheim\nN=587\n",
    )
    assert (one.plan.host, one.plan.port) == ("h.shop.example", 587)
    assert one.roles["host"].origin.place == Place(".env", 1)
    assert one.password is not None and "geheim" not in repr(one.to_json())


def test_what_is_not_known_stays_open() -> None:
    """A parameter, a branch, a variable that no file sets: no value is made up."""
    one = made("$mail->Host = $host;", "if ($_GET['x']) { $mail->SMTPSecure = 'ssl'; }", "$mail->Port = $_ENV['N'];")
    assert all(type(one.plan.raw(name)) is Missing for name in ("host", "mode", "port"))
    assert [unread.place.line for unread in one.unread] == [6, 5] or len(one.unread) == 2
    assert type(made("$mail->Host = getenv('H');").plan.raw("host")) is Missing


def test_a_branch_that_is_known_is_taken() -> None:
    """if ($_ENV['ENC'] === 'ssl') … else …"""
    lines = (
        "if ($_ENV['ENC'] === 'ssl') { $mail->SMTPSecure = 'ssl'; $mail->Port = 465; }",
        "else { $mail->SMTPSecure = 'tls'; $mail->Port = 587; }",
    )
    assert [(p.mode, p.port) for p in (made(*lines, env=f"ENC={e}").plan for e in ("ssl", "tls"))] == [
        ("implicit", 465),
        ("starttls", 587),
    ]


def test_mailers_of_a_class_and_of_functions_are_kept_apart() -> None:
    """$this->mail over the methods of its class; $mail in each function."""
    text = """<?php
class Sender {
    public function __construct() { $this->mail = new PHPMailer(true); $this->mail->isSMTP(); }
    public function setUp() { $this->mail->Host = 'a.shop.example'; }
}
function one() { $mail = new PHPMailer; $mail->isSMTP(); $mail->Host = 'b.shop.example'; }
add_action('phpmailer_init', function ($phpmailer) { $phpmailer->isSMTP(); $phpmailer->Host = 'c.shop.example'; });
"""
    found, _ = read_all("phpmailer", {"mail.php": text})
    assert sorted(one.plan.host for one in found) == ["a.shop.example", "b.shop.example", "c.shop.example"]


def test_the_library_itself_is_not_read() -> None:
    """A copy of PHPMailer in the tree is no application."""
    found, _ = read_all(
        "phpmailer", {"lib/PHPMailer.php": "<?php\nclass PHPMailer { function x() { $this->Host = 'x'; } }"}
    )
    assert found == []


def test_getenv_of_what_dotenv_sets_elsewhere() -> None:
    """createImmutable fills $_ENV and $_SERVER; createUnsafeImmutable what getenv reads, too."""
    files = {"mail.php": source("$mail->Password = getenv('P');"), ".env": "P=geheim"}
    for call, marks in (("createImmutable", 1), ("createUnsafeImmutable", 0)):
        boot = f"<?php Dotenv\\Dotenv::{call}(__DIR__)->load();"
        found, look = read_all("phpmailer", {**files, "boot.php": boot})
        assert len(look.marks) == marks and (found[0].password is None) == bool(marks)

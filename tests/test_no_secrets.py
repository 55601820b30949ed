"""No secret that an application holds comes out of the doctor: in no format, file, error or debugging output.

Secrets of every kind are planted, everything that is written is searched for each of them: as it stands, decoded,
percent-encoded, in base64.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from deliverkit.report import FORMATS

ROOT = Path(__file__).parents[1]
TELLING = ("text", "json", "jsonl", "markdown", "html")
"""Formats that show the facts; the others hold findings alone."""

QUOTED = "Zk7 #quoted$Winter!2026"
IN_URL = "Up@ss/w0rd:x%Y9"
LITERAL = "lit3ral-S3cret-9931"
IN_COMPOSE = "c0mpose+S3cr3t/77"
IN_LARAVEL = "laravel$ecret99x"
FALLBACK = "fallb4ck-Secret-42"
DATABASE = "db-Passw0rd-1177"
API_KEY = "sk_live_51HxYzSecretKey"
TOKEN_AS_USER = "0f1c2d3e-77aa-4b4b-9c9c-1234567890ab"
SHADOWED = "0ld-Shadowed-Pass1"
PUBLIC = "publ1c-Prefix-Secret"
UNREAD = "Unr3ad-Vault-Secret"
KEY_LINE = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC/x9+k"
IN_PROCESS = "proc3ss-Env-S3cret"
AUTH_LOGIN = "l0gin-Auth-S3cret"
SHARED_KEY = "shared-digest-key-0123456789"
SECRETS = (
    QUOTED, IN_URL, LITERAL, IN_COMPOSE, IN_LARAVEL, FALLBACK, DATABASE, API_KEY, TOKEN_AS_USER, SHADOWED, PUBLIC,
    UNREAD, KEY_LINE, IN_PROCESS, AUTH_LOGIN, SHARED_KEY,
)  # fmt: skip

FILES = {
    "package.json": '{"dependencies": {"next": "16.0.0", "nodemailer": "^9.0.0"}}',
    ".env.production": f"""SMTP_HOST=smtp.gmail.com
SMTP_PORT=587
SMTP_SECURE=false
SMTP_USER=shop@gmail.com
SMTP_PASS='{QUOTED}'
MAIL_URL=smtps://ann:{quote(IN_URL, safe="")}@smtp.example.com:587
NEXT_PUBLIC_SMTP_PASSWORD={PUBLIC}
DATABASE_URL=postgres://app:{DATABASE}@db/app
STRIPE_SECRET_KEY={API_KEY}
POSTMARK_TOKEN={TOKEN_AS_USER}
DKIM_PRIVATE_KEY=-----BEGIN PRIVATE KEY-----
{KEY_LINE}==
""",
    ".env": f"SMTP_PASS={SHADOWED}\nMAIL_URL=smtp://bob:{SHADOWED}@old.example.com\n",
    ".env.development": f"SMTP_PASS={SHADOWED}\n",
    "app/api/contact/route.ts": f"""import nodemailer from "nodemailer";
const one = nodemailer.createTransport({{
  host: process.env.SMTP_HOST, port: Number(process.env.SMTP_PORT), secure: process.env.SMTP_SECURE as any,
  auth: {{ user: process.env.SMTP_USER, pass: process.env.SMTP_PASS }},
}});
const two = nodemailer.createTransport(process.env.MAIL_URL);
const three = nodemailer.createTransport({{
  host: "smtp.example.com", port: 465, auth: {{ user: "ann", pass: "{LITERAL}" }},
}});
const four = nodemailer.createTransport({{
  host: "smtp.postmarkapp.com", port: 587,
  auth: {{ user: process.env.POSTMARK_TOKEN, pass: process.env.POSTMARK_TOKEN }},
}});
const five = nodemailer.createTransport({{
  host: "smtp.example.com", port: 25, auth: {{ user: "ann", pass: decrypt("{UNREAD}") || "{FALLBACK}" }},
}});
const six = nodemailer.createTransport("smtp://carl:{quote(FALLBACK)}@smtp.example.com:465");
const seven = nodemailer.createTransport(open("{UNREAD}"));
export async function POST(request: Request) {{
  one.sendMail({{ from: "shop@gmail.com", auth: {{ pass: "{LITERAL}" }} }});
  await two.sendMail({{}});
}}
""",
    "docker-compose.yml": f"""services:
  web:
    image: shop
    environment:
      SMTP_HOST: smtp.example.com
      SMTP_PORT: "465"
      SMTP_PASS: "{IN_COMPOSE}"
  worker:
    image: shop
    environment:
      - SMTP_HOST=smtp.example.com
      - SMTP_PASSWORD={IN_COMPOSE}
""",
    "backend/artisan": "#!/usr/bin/env php",
    "backend/.env": f"""MAIL_MAILER=smtp
MAIL_SCHEME=smtps
MAIL_HOST=smtp.example.com
MAIL_PORT=587
MAIL_USERNAME=ann@example.com
MAIL_PASSWORD="{IN_LARAVEL}"
""",
    "service/settings.py": f"""import os
EMAIL_HOST = "smtp.qq.com"
EMAIL_PORT = 465
EMAIL_USE_TLS = True
EMAIL_HOST_USER = "ann@qq.com"
EMAIL_HOST_PASSWORD = os.environ.get("EMAIL_PASSWORD", "{LITERAL}")
""",
    "service/send.py": f"""import smtplib
with smtplib.SMTP("smtp.qq.com", 465) as server:
    server.login("ann@qq.com", "{LITERAL}")
""",
}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield json.dumps(secret)[1:-1]
    yield quote(secret)
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield _base64(secret).rstrip("=")
    yield _base64(f"\0ann\0{secret}").rstrip("=")


LOG = f"""Nov 22 10:00:00 mx postfix/smtp[99]: debug: > AUTH PLAIN {_base64(f"{chr(0)}ann{chr(0)}{AUTH_LOGIN}")}
Nov 22 10:00:00 mx postfix/smtp[99]: debug: > AUTH LOGIN
Nov 22 10:00:00 mx postfix/smtp[99]: debug: < 334 UGFzc3dvcmQ6
Nov 22 10:00:00 mx postfix/smtp[99]: debug: > {_base64(AUTH_LOGIN)}
Nov 22 10:00:01 mx postfix/smtp[99]: 4F1: to=<a@b.example>, status=bounced (host mx said: 535 5.7.8 AUTH PLAIN \
{_base64(f"{chr(0)}ann{chr(0)}{AUTH_LOGIN}")} not accepted (in reply to AUTH command))
{
    json.dumps(
        {
            "level": 50,
            "err": {"code": "EAUTH", "response": "535 5.7.8 bad", "command": "AUTH PLAIN"},
            "options": {"auth": {"user": "ann", "pass": AUTH_LOGIN}},
        }
    )
}
Error: Invalid login: 535 5.7.8 Error at smtp://ann:{AUTH_LOGIN}@smtp.example.com:587
smtplib.SMTPAuthenticationError: (535, b'5.7.8 Username and Password not accepted: AUTH PLAIN {_base64(AUTH_LOGIN)}')
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The application's folder, with the secrets in it; what is written goes into ``written`` beside it."""
    folder = tmp_path_factory.mktemp("no-secrets") / "app"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder.parent / "written").mkdir()
    (folder.parent / "mail.log").write_text(LOG)
    return folder


def _run(app: Path, *words: str, stdin: str = "", **environment: str) -> str:
    """What a command says, with what it wrote; everything but the secrets' own files."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("SMTP", "MAIL", "DELIVERKIT"))}
    own |= {"PYTHONPATH": str(ROOT), "SMTP_TOKEN": IN_PROCESS, **environment}
    done = subprocess.run(
        [sys.executable, "-m", "deliverkit", *words],
        cwd=app.parent / "written", env=own, input=stdin, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1, 2, 3), done.stderr
    written = [path.read_text("utf-8") for path in (app.parent / "written").rglob("*") if path.is_file()]
    return "\n".join([done.stdout, done.stderr, *written])


def _leaks(said: str) -> list[tuple[str, str]]:
    return [(secret, form) for secret in SECRETS for form in _forms(secret) if form in said]


@pytest.mark.parametrize("form", FORMATS)
def test_no_format_shows_one(app: Path, form: str) -> None:
    """Printed, and written to a file; the transports themselves are told."""
    said = _run(app, "doctor", str(app), "--static", "--format", form, "-o", f"report.{form}")
    assert "smtp.gmail.com" in said or form not in TELLING
    assert _leaks(said + _run(app, "doctor", str(app), "--static", "--format", form)) == []


@pytest.mark.parametrize("environment", ["production", "development"])
def test_no_environment_shows_one(app: Path, environment: str) -> None:
    """Each environment by name, with the debugging switch."""
    said = _run(
        app, "doctor", str(app), "--static", "--environment", environment, "--format", "json", DELIVERKIT_DEBUG="1"
    )
    assert _leaks(said) == []


def test_no_snapshot_and_no_difference_shows_one(app: Path) -> None:
    """With digests and without; the comparison in both formats."""
    said = _run(app, "doctor", str(app), "--static", "--save", "prod.json")
    said += _run(
        app, "doctor", str(app), "--static", "--save", "dev.json", "--environment", "development",
        "--digest-key-env", "SHARED", SHARED=SHARED_KEY,
    )  # fmt: skip
    said += _run(app, "diff", "prod.json", "dev.json") + _run(app, "diff", "dev.json", "prod.json", "--format", "json")
    assert '"digest": "' in said
    assert "prod.json and dev.json" in said
    assert _leaks(said) == []


@pytest.mark.parametrize(
    "url",
    [
        f"smtp://ann:{quote(IN_URL, safe='')}@smtp.example.com:465?password={LITERAL}",
        f"smtp://ann:{IN_URL}@smtp.example.com",
        f"smtp://ann:{LITERAL}",
        f"ann:{LITERAL}@smtp.example.com",
        f"http://ann:{LITERAL}@smtp.example.com",
        f"smtp://{LITERAL}:{LITERAL}@smtp.example.com:99999",
    ],
    ids=["encoded", "not encoded", "cut", "no scheme", "another scheme", "no port"],
)
def test_no_url_shows_its_password(app: Path, url: str) -> None:
    """Sound and broken ones, from the command line and from standard input."""
    said = _run(app, "doctor", "--static", "--url", url, "--format", "json", "--save", "url.json")
    said += _run(app, "doctor", "--static", "--url", "-", stdin=url)
    assert _leaks(said) == []


def test_no_file_of_variables_shows_one(app: Path) -> None:
    """A file that the user named, from standard input too, beside this shell's own variables."""
    text = f"SMTP_PASS={QUOTED}\nSMTP_PASSWORD={LITERAL}\nMAIL_URL=smtp://a:{LITERAL}@h.example:465\n{LITERAL}\n={LITERAL}\n"
    path = app.parent / "given.env"
    path.write_text(text)
    said = _run(app, "doctor", str(app), "--static", "--env-file", str(path), "--process-env", SMTP_PASS=IN_PROCESS)
    said += _run(app, "doctor", str(app), "--static", "--env-file", "-", "--format", "json", stdin=text)
    assert _leaks(said) == []


def test_no_error_shows_one(app: Path, tmp_path: Path) -> None:
    """Files that cannot be read, bad options, a key that is too short."""
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / ".env").write_bytes(b"SMTP_PASS=" + LITERAL.encode() + b"\x00\xff\n")
    (bad / "artisan").write_text("")
    (bad / "mail.js").write_text(f'createTransport({{auth: {{pass: "{LITERAL}\n')
    said = _run(app, "doctor", str(bad), "--static", "--format", "json", DELIVERKIT_DEBUG="1")
    said += _run(app, "doctor", str(bad), "--static", "--env-file", str(bad / ".env"))
    said += _run(app, "doctor", "--static", "--save", "x.json", "--digest-key-env", "SHORT", SHORT=AUTH_LOGIN[:12])
    (bad / "snapshot.json").write_text(json.dumps({"schema": "deliverkit.snapshot/1", "name": [LITERAL]}))
    said += _run(app, "diff", str(bad / "snapshot.json"), str(bad / ".env"))
    assert _leaks(said) == []
    assert AUTH_LOGIN[:12] not in said


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_log_shows_one(app: Path, form: str) -> None:
    """A log with the lines of a login in it."""
    said = _run(app, "explain", "--log", str(app.parent / "mail.log"), "--format", form)
    assert "535" in said
    assert _leaks(said) == []


def test_the_search_finds_what_is_there() -> None:
    """The test itself is not blind."""
    assert _leaks(f"x {quote(IN_URL, safe='')} y")
    assert _leaks(LOG)

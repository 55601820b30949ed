"""What expressions of Python are before the program runs: compared with Python itself, and the transports they make."""

from __future__ import annotations

import ast
import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.engine.doctor import DoctorOptions, examined
from deliverkit.facts.settings.model import AppFacts, MailSettings
from deliverkit.facts.settings.source.javascript import Known, Unknown
from deliverkit.facts.settings.source.python import Scope, parsed, plain
from deliverkit.facts.settings.source.pythonrun import Program
from deliverkit.facts.settings.tree import ToldTree
from deliverkit.facts.settings.values import Place, Setting
from deliverkit.report.settings_text import settings_lines

VARIABLES = {"A": "False", "B": "587", "C": "", "D": " True "}


def value(expression: str) -> Any:
    """What an expression is found to be, as Known or Unknown."""
    program = Program(
        ToldTree({}),
        lambda name: Setting(name, VARIABLES[name], Place(".env", 1), ".env") if name in VARIABLES else None,
    )
    module = parsed(f"import os\nx = ({expression})\n", "a.py")
    assert not isinstance(module, str)
    scope = Scope(module, {})
    program.block(module.tree.body, scope)
    return scope.names["x"]


class _Os:
    """What stands for the module os while Python itself evaluates."""

    environ = VARIABLES

    @staticmethod
    def getenv(name: str, default: Any = None) -> Any:
        return VARIABLES.get(name, default)


_ATOMS = st.sampled_from(
    ['os.environ["A"]', 'os.environ.get("B")', 'os.getenv("C")', 'os.getenv("D", "no")', 'os.environ.get("NONE")',
     'os.getenv("NONE", "25")', "'true'", "465", "True", "False", "None", '""', "0"]
)  # fmt: skip
_EXPRESSIONS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.builds("({}) or ({})".format, inner, inner),
        st.builds("({}) and ({})".format, inner, inner),
        st.builds("not ({})".format, inner),
        st.builds("({}) if ({}) else ({})".format, inner, inner, inner),
        st.builds("bool({})".format, inner),
        st.builds("int({})".format, inner),
        st.builds("str({})".format, inner),
        st.builds("({}) == ({})".format, inner, inner),
        st.builds("({}) != ({})".format, inner, inner),
        st.builds("({}) + ({})".format, inner, inner),
        st.builds("str({}).strip().lower() in ('1', 'true', 'yes')".format, inner),
        st.builds("str({}).lower() not in ['false', '0']".format, inner),
        st.builds("f'x{{{}}}'".format, st.sampled_from(["465", "True", "None"])),
        st.builds("'A' in os.environ and ({})".format, inner),
    ),
    max_leaves=6,
)


@given(_EXPRESSIONS)
def test_an_expression_is_what_python_makes_of_it(expression: str) -> None:
    """Whatever is said to be known is what Python says; where Python stops, nothing is said to be known."""
    found = value(expression)
    try:
        told = eval(compile(ast.parse(expression, mode="eval"), "x", "eval"), {"os": _Os})
    except (TypeError, ValueError):
        assert isinstance(found, Unknown) or found.value is None
        return
    assert isinstance(found, Known) and plain(found)
    assert (type(found.value), found.value) == (type(told), told)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("secrets.token_hex()", "only a run could tell"),
        ("open('/etc/mail').read()", "only a run could tell"),
        ("int(os.environ['NONE'])", "nothing sets NONE"),
        ("int('smtp')", "Python stops here"),
        ("'%s' % name", "only a run could tell"),
    ],
)
def test_what_only_a_run_could_tell_stays_unknown(expression: str, why: str) -> None:
    """Calls of packages, files, and what stops the program."""
    found = value(expression)
    assert isinstance(found, Unknown) or not plain(found)
    if isinstance(found, Unknown):
        assert why in found.why


def app(files: dict[str, str], environment: str | None = None) -> AppFacts:
    """An application read."""
    return examined(ToldTree(files), "app", DoctorOptions(environment), lambda _: None)


def only(files: dict[str, str], environment: str | None = None) -> MailSettings:
    """The one transport of an application."""
    (found,) = app(files, environment).settings
    return found


@pytest.mark.parametrize(
    ("lines", "plan"),
    [
        ("EMAIL_HOST = 'h'", ("h", 25, "clear", False)),
        ("EMAIL_PORT = 25", ("localhost", 25, "clear", False)),
        ("EMAIL_HOST = 'h'\nEMAIL_PORT = '587'\nEMAIL_USE_TLS = 'False'", ("h", 587, "starttls", False)),
        ("EMAIL_HOST = 'h'\nEMAIL_USE_SSL = True", ("h", 25, "implicit", False)),
        ("EMAIL_HOST = 'h'\nif DEBUG:\n    EMAIL_HOST = 'd'\n", ("h", 25, "clear", False)),
        ("EMAIL_HOST, EMAIL_PORT = 'h', 465", ("h", 465, "clear", False)),
        ("EMAIL_HOST = 'h'\nEMAIL_HOST_USER = 'u'\nEMAIL_HOST_PASSWORD = 'p'", ("h", 25, "clear", True)),
        ("EMAIL_HOST = 'h'\nEMAIL_HOST_USER = 'u'", ("h", 25, "clear", False)),
        ("try:\n    from .nowhere import *\nexcept ImportError:\n    EMAIL_HOST = 'no'\nEMAIL_HOST = 'h'",
         ("h", 25, "clear", False)),
        ("MAILERS = {'default': {'OPTIONS': {'host': 'h', 'use_tls': True}}}", ("h", 587, "starttls", False)),
        ("MAILERS = {'default': {'OPTIONS': {'host': 'h'}}}", ("h", 25, "clear", False)),
        ("import dj_email_url\nvars().update(dj_email_url.parse('submission://u:p@h'))", ("h", 587, "starttls", True)),
        ("import dj_email_url\nc = dj_email_url.parse('smtp://u:p@h:465/?ssl=True')\nEMAIL_HOST = c['EMAIL_HOST']\n"
         "EMAIL_PORT = c['EMAIL_PORT']\nEMAIL_USE_SSL = c['EMAIL_USE_SSL']", ("h", 465, "implicit", False)),
    ],
)  # fmt: skip
def test_django_does_what_its_settings_say(lines: str, plan: tuple[str, int, str, bool]) -> None:
    """Django's defaults, and settings in the forms they are written in."""
    found = only({"shop/settings.py": f"DEBUG = False\nINSTALLED_APPS = []\n{lines}\nEMAIL_TIMEOUT = 5\n"}).plan
    assert (found.host, found.port, found.mode, found.login) == plan


def test_django_environments_and_backends() -> None:
    """production.py is production; a console backend is one; the test settings are nobody's."""
    files = {
        "manage.py": "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'conf.settings.dev')",
        "conf/settings/__init__.py": "",
        "conf/settings/base.py": "EMAIL_HOST = 'base'\nEMAIL_PORT = 587\n",
        "conf/settings/dev.py": "from .base import *\nEMAIL_BACKEND = 'django.core.mail.backends.console.Any'\n",
        "conf/settings/prod.py": "from .base import *\nEMAIL_USE_TLS = True\nEMAIL_BACKEND = 'anymail.backends.x.Y'\n",
        "conf/settings/test.py": "from .base import *\nEMAIL_HOST = 'test'\n",
    }
    told = app(files)
    assert told.environments == ("development", "production") and len(told.settings) == 1
    assert told.settings[0].plan.delivery == "api"
    assert only(files, "development").plan.delivery == "console"
    assert only(files, "development").roles["host"].place == Place("conf/settings/base.py", 1)


@pytest.mark.parametrize(
    ("source", "plan"),
    [
        ("s = smtplib.SMTP('h')", ("h", 25, "clear", False, False)),
        ("s = smtplib.SMTP()\ns.connect('h', 587)\ns.starttls()", ("h", 587, "starttls", False, False)),
        ("s = smtplib.SMTP('h:2525')\ns.login('u', 'p')", ("h", 2525, "clear", True, False)),
        ("with smtplib.SMTP_SSL('h') as s:\n    s.login('u', 'p')", ("h", 465, "implicit", True, False)),
        ("c = ssl.create_default_context()\ns = smtplib.SMTP_SSL('h', context=c)", ("h", 465, "implicit", False, True)),
        ("c = ssl.create_default_context()\nc.check_hostname = False\nc.verify_mode = ssl.CERT_NONE\n"
         "s = smtplib.SMTP_SSL('h', context=c)", ("h", 465, "implicit", False, False)),
        ("s = smtplib.SMTP_SSL('h', context=ssl._create_unverified_context())", ("h", 465, "implicit", False, False)),
        ("def make(host, port=587):\n    s = smtplib.SMTP(host, port)\n    s.starttls()\n    return s\n"
         "s = make('h')\ns.login('u', 'p')", ("h", 587, "starttls", True, False)),
        ("class M:\n    def __init__(self):\n        self.s = smtplib.SMTP('h', 587)\n    def go(self):\n"
         "        self.s.starttls()\n        self.s.login('u', 'p')", ("h", 587, "starttls", True, False)),
        ("s = yagmail.SMTP('u@gmail.com', 'p')", ("smtp.gmail.com", 465, "implicit", True, False)),
        ("s = aiosmtplib.SMTP(hostname='h', start_tls=True)", ("h", 587, "starttls", False, True)),
        ("s = aiosmtplib.SMTP(hostname='h')", ("h", 25, "opportunistic", False, True)),
        ("c = ConnectionConfig(MAIL_SERVER='h', MAIL_PORT=587, MAIL_STARTTLS='False', MAIL_SSL_TLS='1')",
         ("h", 587, "implicit", True, True)),
    ],
)  # fmt: skip
def test_transports_are_what_is_done_with_them(source: str, plan: tuple[str, int, str, bool, bool]) -> None:
    """Host, port, TLS, login and the check of certificates, by calls in order."""
    imports = "import smtplib, ssl, aiosmtplib, yagmail\nfrom fastapi_mail import ConnectionConfig\n"
    found = only({"a.py": imports + source}).plan
    assert (found.host, found.port, found.mode, found.login, found.verify) == plan


def test_what_a_condition_hides_is_not_guessed() -> None:
    """starttls() under a condition that only a run could tell: the mode is not known, and said."""
    one = only(
        {"a.py": "import smtplib\ndef go(tls):\n    s = smtplib.SMTP('h', 587)\n    if tls:\n        s.starttls()\n"}
    )
    assert "under a condition" in one.plan.raw("mode").reason
    hidden = only({"a.py": "import smtplib\ndef go(host):\n    s = smtplib.SMTP(host, 587)\n"})
    assert [(u.place.line, u.why) for u in hidden.unread] == [(2, "only a run could tell")]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('m["From"] = Header("商店 <a@b.example>", "utf-8")', 1),
        ('m["From"] = Header(f"{name} <{address}>", "utf-8").encode()', 1),
        ('m["From"] = Header("商店 <a@b.example>")', 1),
        ('m["From"] = Header(formataddr(("商店", address)), "utf-8")', 1),
        ('m.add_header("From", Header("Ann <a@b.example>", "utf-8"))', 1),
        ('m["From"] = Header("Ann <a@b.example>")', 0),
        ('m["From"] = formataddr((Header("商店", "utf-8").encode(), address))', 0),
        ('h = Header("商店", "utf-8")\n    h.append("<a@b.example>", "ascii")\n    m["From"] = h', 0),
        ('m["Subject"] = Header("商店", "utf-8")', 0),
    ],
)
def test_a_from_that_is_one_encoded_word_is_marked(line: str, told: int) -> None:
    """Header() of the whole; a name that is encoded alone is sound."""
    head = "import smtplib\nfrom email.header import Header\nfrom email.utils import formataddr\n"
    found = app({"a.py": f"{head}def go(m, name, address):\n    {line}\n"})
    assert len([mark for mark in found.marks if mark.kind == "whole-from-encoded"]) == told


def test_flask_from_objects_files_and_mappings() -> None:
    """app.config by every door."""
    for how in (
        "app.config.from_object('conf.Prod')", "app.config.from_object('plain')", "app.config.from_pyfile('plain.py')",
        "app.config.from_mapping(MAIL_SERVER='h', MAIL_PORT=587, MAIL_USE_TLS=True)",
        "app.config.update({'MAIL_SERVER': 'h', 'MAIL_PORT': 587, 'MAIL_USE_TLS': True})",
    ):  # fmt: skip
        files = {
            "app.py": f"from flask import Flask\nfrom flask_mail import Mail\napp = Flask(__name__)\n{how}\n",
            "conf.py": "class Prod:\n    MAIL_PORT = 587\n    MAIL_USE_TLS = True\n    MAIL_USERNAME = 'u'\n",
            "plain.py": "MAIL_PORT = 587\nMAIL_USE_TLS = True\n",
        }
        found = [one for one in app(files).settings if one.framework == "flask-mail"]
        assert found and (found[0].plan.port, found[0].plan.mode) == (587, "starttls"), how


def test_no_secret_is_shown() -> None:
    """Passwords of files, of URLs and of source: by shape only, in the report's text and its JSON."""
    from deliverkit.report.jsonable import jsonable

    secret = "Pä55 wörd/+=1"
    files = {
        "a.py": f"import smtplib\ns = smtplib.SMTP_SSL('h')\ns.login('u', {secret!r})\n",
        "b/settings.py": "import environ\nenv = environ.Env()\nenv.read_env()\nINSTALLED_APPS = []\n"
        "vars().update(env.email_url())\nEMAIL_TIMEOUT = 5\n",
        "b/.env": f"EMAIL_URL=smtp://u:{quote(secret)}@h:587\n",
        "c.py": f"import smtplib\ndef go(x):\n    s = smtplib.SMTP('h')\n    s.login('u', x or {secret!r} + x)\n",
    }
    found = app(files)
    assert len(found.settings) == 3
    shown = (
        json.dumps(jsonable(found), ensure_ascii=False, default=str)
        + "\n".join(settings_lines(found, 100))
        + repr(found)
    )
    for form in (
        secret,
        quote(secret),
        quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode(),
        repr(secret),
    ):
        assert form not in shown


@given(st.text(max_size=200))
def test_no_source_stops_the_reader(text: str) -> None:
    """Whatever stands in a file, the reader ends, and says what it could not read."""
    app({"a.py": f"import smtplib\n{text}", "settings.py": f"EMAIL_HOST = 1\nINSTALLED_APPS = []\n{text}"})


def test_deep_and_circular_source_is_bounded() -> None:
    """Expressions of 5,000 parts, functions that call each other, modules that import each other."""
    deep = (
        "x = "
        + "(" * 150
        + "1"
        + ")" * 150
        + "\ny = "
        + " + ".join(["1"] * 5000)
        + "\nz = "
        + "f(" * 90
        + "1"
        + ")" * 90
    )
    files = {
        "a.py": f"import smtplib\nfrom b import *\ndef f(x):\n    return g(x)\ndef g(x):\n    return f(x)\n{deep}\n",
        "b.py": "from a import *\nHOST = 'h'\n",
    }
    app(files)

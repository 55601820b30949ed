"""Files of variables, and settings made of them, as Python's own packages read them: ours against the real ones."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deliverkit.facts.settings.dotenv import DIALECTS, read_dotenv
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.source.javascript import Known
from deliverkit.facts.settings.source.python import plain
from deliverkit.facts.settings.source.pythonenv import loaders, lookups
from deliverkit.facts.settings.source.pythonrun import Program
from deliverkit.facts.settings.tree import ToldTree
from tests.peers.programs import peer_python

LOADERS = ("python-dotenv", "decouple", "environ")
pytestmark = pytest.mark.peer("python-dotenv", "python-decouple", "django-environ", "dj-email-url")


class Loaders:
    """The real loaders, in a process that is asked line by line."""

    def __init__(self) -> None:
        program = Path(__file__).with_name("python_loaders.py")
        self.process = subprocess.Popen(
            [peer_python(), str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, loader: str, text: str) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({"loader": loader, "text": text}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


@pytest.fixture(scope="module")
def real() -> Iterator[Loaders]:
    """The loaders, until the module ends."""
    loaders = Loaders()
    with loaders.process:
        yield loaders
        assert loaders.process.stdin is not None
        loaders.process.stdin.close()


def ours(loader: str, text: str) -> dict[str, str]:
    """What we say the loader makes of a file."""
    return {name: str(one.value) for name, one in read_dotenv(text, ".env", DIALECTS[loader]).values.items()}


_PIECE = st.sampled_from(
    [
        "a",
        "b#c",
        " #",
        "#",
        " ",
        "'",
        '"',
        "\\",
        "\\n",
        '\\"',
        "\\'",
        "$",
        "${A}",
        "${B:-d}",
        "${",
        "}",
        "=",
        "\t",
        "ä",
        ":",
    ]
)
_VALUE = st.lists(_PIECE, max_size=6).map("".join)
_QUOTED = st.builds(lambda mark, value, tail: f"{mark}{value}{mark}{tail}", st.sampled_from("'\""), _VALUE,
                    st.sampled_from(["", "", " ", " # x", "y"]))  # fmt: skip
_LINE = st.one_of(
    st.builds(
        lambda head, name, equal, value: f"{head}{name}{equal}{value}",
        st.sampled_from(["", "", "export ", " "]), st.sampled_from(["A", "B", "C_1"]),
        st.sampled_from(["=", "=", " = ", "= ", ""]), st.one_of(_VALUE, _QUOTED),
    ),
    st.sampled_from(["", "# note", "nonsense", "  # x", "=x"]),
)  # fmt: skip
_FILE = st.builds(
    lambda lines, end: end.join(lines) + end, st.lists(_LINE, max_size=5), st.sampled_from(["\n", "\r\n"])
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(loader=st.sampled_from(LOADERS), text=_FILE)
def test_a_file_is_read_as_its_loader_reads_it(real: Loaders, loader: str, text: str) -> None:
    """Every variable of a file, by each loader; names that no program asks for are not compared."""
    told = {name: value for name, value in real(loader, text).items() if name in ("A", "B", "C_1")}
    assert {name: value for name, value in ours(loader, text).items() if name in ("A", "B", "C_1")} == told


@pytest.mark.parametrize("loader", LOADERS)
def test_a_byte_order_mark_counts_as_for_its_loader(real: Loaders, loader: str) -> None:
    """python-dotenv skips it; for the others the first name is another one."""
    text = "\ufeffA=1\nB=2\n"
    told = {name: value for name, value in real(loader, text).items() if name in ("A", "B")}
    assert ours(loader, text) == told


_ENV = """EMAIL_HOST=smtp.example.com
EMAIL_PORT=587
EMAIL_USE_TLS=False
EMAIL_USE_SSL=on
EMAIL_EMPTY=
EMAIL_PROXY=$EMAIL_HOST
EMAIL_URL=smtps://u%40x:p%2Fw@mx.example.com:465
"""
_DECOUPLE = "from decouple import AutoConfig\nimport os\nconfig = AutoConfig(os.path.dirname(__file__))\n"
_ENVIRON = "import environ\nenv = environ.Env(EMAIL_PORT=(int, 25))\nenvironment = env.read_env()\n"
_OS = "import os\nfrom dotenv import load_dotenv\nload_dotenv(os.path.join(os.path.dirname(__file__), '.env'))\n"


@pytest.mark.parametrize(
    "source",
    [
        _DECOUPLE + "EMAIL_PORT = config('EMAIL_PORT', cast=int)\nEMAIL_USE_TLS = config('EMAIL_USE_TLS', cast=bool)",
        _DECOUPLE + "EMAIL_A = config('EMAIL_EMPTY', cast=bool)\nEMAIL_B = config('NONE', default='yes', cast=bool)",
        _DECOUPLE + "EMAIL_A = config('EMAIL_HOST', cast=bool)",
        _DECOUPLE + "EMAIL_A = config('EMAIL_PORT')\nEMAIL_B = config('EMAIL_USE_SSL', default=False, cast=bool)",
        _ENVIRON + "EMAIL_PORT = env('EMAIL_PORT')\nEMAIL_USE_TLS = env.bool('EMAIL_USE_TLS')",
        _ENVIRON + "EMAIL_A = env('EMAIL_PROXY')\nEMAIL_B = env.int('NONE', default=3)",
        _ENVIRON + "EMAIL_C = env('EMAIL_USE_SSL', default=False)\nEMAIL_A = env('EMAIL_USE_SSL')",
        _ENVIRON + "EMAIL_A = env.bool('EMAIL_HOST')\nEMAIL_B = env.bool('EMAIL_PORT')\nEMAIL_C = env.str('NONE', 'x')",
        _ENVIRON + "vars().update(env.email_url('EMAIL_URL'))",
        _OS + "import dj_email_url\nvars().update(dj_email_url.config())",
        _OS + "import dj_email_url\nvars().update(dj_email_url.parse('submission://h?timeout=3'))",
        _OS + "EMAIL_A = bool(os.environ['EMAIL_USE_TLS'])\nEMAIL_B = os.getenv('NONE', '25')",
        _OS + "EMAIL_C = os.getenv('EMAIL_EMPTY') or 1\nEMAIL_D = os.environ['EMAIL_PORT'] in ('25', '587')",
    ],
)  # fmt: skip
def test_settings_are_what_the_packages_make_of_them(source: str) -> None:
    """A module of settings run with the real packages, and gone through by us: every value we know is theirs."""
    program = Path(__file__).with_name("python_settings.py")
    done = subprocess.run(
        [peer_python(), str(program)], input=json.dumps({"env": _ENV, "source": source}),
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    told = json.loads(done.stdout)
    look = Look(ToldTree({"settings.py": source, ".env": _ENV}))
    read = Program(look.tree, *_in_order(lookups(look, "settings.py", "", loaders(look))))
    names = read.known("settings.py", lambda name: name.startswith("EMAIL_"))
    known = {n: [type(v.value).__name__, v.value] for n, v in names.items() if isinstance(v, Known) and plain(v)}
    if "stopped" in told:
        assert len(known) < len(names)
        return
    ours_only = {name: value for name, value in known.items() if name in told}
    assert ours_only == {name: value for name, value in told.items() if name in names} and known


def _in_order(found: tuple[Any, Any]) -> tuple[Any, Any, Any]:
    """The arguments of a Program: os.environ, who is told of uses, python-decouple's file."""
    return found[0], lambda _name, _place: None, found[1]

"""Files of variables as python-dotenv, python-decouple and django-environ read them: ours against the real ones."""

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
from tests.peers.programs import peer_python

LOADERS = ("python-dotenv", "decouple", "environ")
pytestmark = pytest.mark.peer("python-dotenv", "python-decouple", "django-environ")


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

"""The command line as a person types it: one call in this process, or a process of its own where that matters.

What this file will not do: judge what came out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deliverkit.__main__ import main

ROOT = Path(__file__).parents[2]

GOOD_ZONE = """$ORIGIN example.com.
$TTL 3600
@ IN SOA ns.example.net. hostmaster.example.com. 1 7200 3600 1209600 3600
@ IN MX 10 mx
@ IN TXT "v=spf1 mx -all"
_dmarc IN TXT "v=DMARC1; p=reject; rua=mailto:dmarc@example.com"
_smtp._tls IN TXT "v=TLSRPTv1; rua=mailto:tls@example.com"
mx IN A 192.0.2.1
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The line that says what was wrong with the input."""
        return next((line for line in self.err.splitlines() if line.startswith("Error: ")), "")


class Typed:
    """Runs commands in this process, through the same door as the console script."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch = monkeypatch
        self.capsys = capsys

    def __call__(self, *words: object) -> Ended:
        """Run ``deliverkit WORDS``; a traceback or a fault of ours fails the test at once."""
        self.monkeypatch.setattr(sys, "argv", ["deliverkit", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self.capsys.readouterr()
        assert "Traceback" not in err + out
        assert "a fault of ours" not in err
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, out, err)


def start(*words: object, cwd: Path, **more: Any) -> subprocess.Popen[bytes]:
    """Run ``deliverkit WORDS`` as a process of its own."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONUNBUFFERED", "PYTHONIOENCODING")}
    environment |= {"PYTHONPATH": str(ROOT), **more.pop("environment", {})}
    command = [sys.executable, "-m", "deliverkit", *map(str, words)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.Popen(command, cwd=cwd, env=environment, **pipes)

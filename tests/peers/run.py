"""How the tests run a peer's script: one JSON object in, one out, and no patience without bounds."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.peers.programs import find, node_modules

HERE = Path(__file__).parent
_INTERPRETERS = {".js": "node", ".pl": "perl", ".php": "php"}


def run(
    command: Sequence[str | Path], given: bytes = b"", *, seconds: float = 60, **env: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end; what it printed is in ``stdout`` and ``stderr``."""
    program = find(str(command[0])) or str(command[0])
    return subprocess.run(
        [program, *map(str, command[1:])],
        input=given,
        capture_output=True,
        timeout=seconds,
        env={**os.environ, **env},
        check=False,
    )


def script(name: str, job: dict[str, Any]) -> Any:
    """Run a script of this folder with a JSON object, and read the one it prints."""
    path = HERE / name
    done = run([_INTERPRETERS[path.suffix], path], json.dumps(job).encode(), NODE_PATH=str(node_modules()))
    assert done.returncode == 0, (
        f"{name}: {done.stderr.decode(errors='replace') or done.stdout.decode(errors='replace')}"
    )
    return json.loads(done.stdout)

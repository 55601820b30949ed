"""Reads files of variables with the real loaders, for test_dotenv_loaders.py; runs in an interpreter that has them.

One JSON object a line on standard input: {loader: "python-dotenv" | "decouple" | "environ", text}; answers with one
line: what the loader makes of it, by name.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from pathlib import Path


def loaded(loader: str, path: Path) -> dict[str, str]:
    """What a program sees after this loader has read the file."""
    os.environ.clear()
    if loader == "python-dotenv":
        from dotenv import load_dotenv

        load_dotenv(path)
        return dict(os.environ)
    if loader == "environ":
        import environ  # type: ignore[import-not-found]

        environ.Env.read_env(path)
        return dict(os.environ)
    from decouple import RepositoryEnv  # type: ignore[import-not-found]

    return dict(RepositoryEnv(str(path)).data)


def main() -> None:
    """Answer line by line until the input ends."""
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ".env"
        for line in sys.stdin:
            asked = json.loads(line)
            path.write_bytes(asked["text"].encode())
            print(json.dumps(loaded(asked["loader"], path)), flush=True)


if __name__ == "__main__":
    main()

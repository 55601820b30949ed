"""Runs a module of settings with the real packages, for test_dotenv_loaders.py: what its EMAIL_* names are at the end.

One JSON object on standard input: {env, source}; the answer is {name: [type, value]}, or {"stopped": kind of error}.
"""

from __future__ import annotations

import json
import logging
import os
import runpy
import sys
import tempfile
import warnings
from pathlib import Path


def main() -> None:
    """Write both files into a folder, run the module there, and tell."""
    logging.disable()
    warnings.simplefilter("ignore")
    asked = json.load(sys.stdin)
    os.environ.clear()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / ".env").write_text(asked["env"], encoding="utf-8")
        module = Path(folder) / "settings.py"
        module.write_text(asked["source"], encoding="utf-8")
        try:
            names = runpy.run_path(str(module))
        except Exception as bad:
            print(json.dumps({"stopped": type(bad).__name__}))
            return
    told = {n: [type(v).__name__, v] for n, v in names.items() if n.startswith("EMAIL_") and not isinstance(v, dict)}
    print(json.dumps(told))


if __name__ == "__main__":
    main()

"""A fix brought into files in a folder, and what came of it.

What this file will not do: judge a domain.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from deliverkit.engine.edit.model import SourceFile
from deliverkit.engine.edit.source import brought_in, held
from deliverkit.findings import Fix, RecordText

Three = tuple[str, str, str]


def bring(
    files: Mapping[str, bytes], removes: Iterable[Three], records: Iterable[Three], *, origin: str | None = None
) -> dict[str, bytes]:
    """The files of a new folder after the fix; the first one is the source. Raises CannotApply and ZoneError."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        for name, octets in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(octets)
        first = next(iter(files))
        zones = held([SourceFile(root / first, first, None, origin)], {})
        fix = Fix("fix", tuple(RecordText(*one) for one in records), tuple(RecordText(*one) for one in removes))
        made = brought_in(fix, zones, {}, root)
        for path, octets in made.items():
            path.write_bytes(octets)
        return {name: (root / name).read_bytes() for name in files}


def brought(text: str, removes: Iterable[Three], records: Iterable[Three], name: str = "example.com.zone") -> str:
    """The same for a single text."""
    return bring({name: text.encode()}, removes, records)[name].decode()

"""The verdict on a captured message: its JSON text as stores keep it, and its report when somebody asks for that.

A report made in another process comes packed, without the octets of the message, and is unpacked only when it is read:
a sink that takes two thousand messages a second has few readers.

What this file will not do: verify, or choose where that is done (`deliverkit.sink.verifier` does).
"""

from __future__ import annotations

import io
import json
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deliverkit.report.model import Report

_OCTETS = "octets"  # stands in a packed report for the message it is about


@dataclass(frozen=True, slots=True)
class Judged:
    """``text`` is the report in JSON; ``report`` and ``packed`` are the report itself, where that is still known."""

    text: str
    report: Report | None = None
    packed: bytes | None = None

    @classmethod
    def of(cls, report: Report) -> Judged:
        """A report and its JSON form."""
        from deliverkit.report.jsonable import report_json

        return cls(json.dumps(report_json(report)), report)

    def without_octets(self, raw: bytes) -> Judged:
        """To be sent to another process, which has the message itself."""
        out = io.BytesIO()
        _Packer(out, raw).dump(self.report)
        return Judged(self.text, packed=out.getvalue())

    def report_on(self, raw: bytes) -> Report | None:
        """The report on this message, None if only its JSON form was kept."""
        if self.report is not None or self.packed is None:
            return self.report
        report: Report = _Unpacker(io.BytesIO(self.packed), raw).load()
        return report


class _Packer(pickle.Pickler):
    def __init__(self, out: io.BytesIO, raw: bytes) -> None:
        super().__init__(out, protocol=5)
        self._raw = raw

    def persistent_id(self, obj: Any) -> str | None:
        return _OCTETS if obj is self._raw else None


class _Unpacker(pickle.Unpickler):
    """Reads what our own process packed; nothing else comes here."""

    def __init__(self, packed: io.BytesIO, raw: bytes) -> None:
        super().__init__(packed)
        self._raw = raw

    def persistent_load(self, _name: str) -> bytes:
        return self._raw

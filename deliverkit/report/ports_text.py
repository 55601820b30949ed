"""The table of probed ports: one row an address, and what was found there.

A wide page gets one table; a narrow one a short block for each row. Pure: rows in, lines out.
"""

from __future__ import annotations

from collections.abc import Sequence

from deliverkit.facts.base import Missing
from deliverkit.facts.host import PortFacts
from deliverkit.report.plain import plain

_NARROW = 78
_HEADERS = ("host", "address", "port", "found", "TLS", "certificate", "login", "greeting")
_REASONS = {
    "refused": "refused",
    "timeout": "no answer",
    "unreachable": "unreachable",
    "blocked": "blocked from here",
    "no-route": "no route from here",
    "not-allowed": "not tried",
    "no-address": "no address",
    "closed": "reset",
}


def port_lines(rows: Sequence[PortFacts], width: int = 100) -> list[str]:
    """The rows as text, no line longer than ``width`` where the names allow it."""
    if not rows:
        return []
    cells = [_cells(row) for row in rows]
    if width >= _NARROW:
        table = _table(cells, width)
        if table is not None:
            return table
    return [line for row, cell in zip(rows, cells, strict=True) for line in _block(row, cell)]


def _table(cells: list[tuple[str, ...]], width: int) -> list[str] | None:
    """The widest table that fits: with the greeting, or without; None when even that is too wide."""
    from tabulate import tabulate

    shown = [list(row) for row in cells]
    for before, row in zip(cells, shown[1:], strict=False):
        if before[0] == row[0]:
            row[0] = ""  # a host is named once
    for columns in (len(_HEADERS), len(_HEADERS) - 1):
        rows = [row[:columns] for row in shown]
        text = tabulate(rows, headers=_HEADERS[:columns], tablefmt="plain", disable_numparse=True)
        lines = [line.rstrip() for line in text.splitlines()]
        if max(map(len, lines)) <= width:
            return lines
    return None


def _block(row: PortFacts, cell: tuple[str, ...]) -> list[str]:
    _, address, port, found, tls, certificate, login, _ = cell
    lines = [f"{plain(row.host)}:{port}  {address}", f"  {found}"]
    lines += [f"  {name}: {value}" for name, value in (("TLS", tls), ("certificate", certificate)) if value != "-"]
    return lines + ([f"  login: {login}"] if login != "-" else [])


def _cells(row: PortFacts) -> tuple[str, ...]:
    return (
        plain(row.host),
        plain(row.address),
        str(row.port),
        _found(row),
        _tls(row),
        _certificate(row),
        _login(row),
        _greeting(row),
    )


def _found(row: PortFacts) -> str:
    """How far it went: reached, greeted, and how the port speaks."""
    if row.raw("reachable") is not True:
        state = row.raw("reachable")
        reason = _REASONS.get(row.reason or "", row.reason or "")
        return reason or ("not asked" if isinstance(state, Missing) and not state.asked else "unknown")
    code = row.raw("greeting_code")
    if isinstance(code, Missing):
        return row.trouble.kind.value if row.trouble is not None else "no greeting"
    if code != 220:
        return f"greets with {code}"
    mode = row.raw("mode")
    names = {"starttls": "STARTTLS", "implicit": "implicit TLS", "clear": "in the clear"}
    found = "unknown" if isinstance(mode, Missing) else names.get(mode, mode)
    wrong = not isinstance(mode, Missing) and mode != row.mode_expected
    return f"{found} (!)" if wrong else found


def _tls(row: PortFacts) -> str:
    tls, error = row.raw("tls"), row.raw("tls_error")
    if isinstance(tls, Missing) or (tls is None and not error):
        return "-"
    return "fails" if tls is None else plain(tls.version)


def _certificate(row: PortFacts) -> str:
    """Trusted or not, for this name or not, and how long it lasts: in a few words."""
    tls = row.raw("tls")
    if isinstance(tls, Missing) or tls is None:
        return "-"
    words = ["trusted" if tls.trusted else tls.trust_problem or "not judged"]
    if tls.name_matches is False:
        words.append("other name")
    if tls.days_left is not None and tls.days_left >= 0:
        words.append(f"{tls.days_left:.0f} days")
    return plain(", ".join(words))


def _login(row: PortFacts) -> str:
    auth = row.raw("auth")
    return "-" if isinstance(auth, Missing) or not auth else plain(" ".join(auth), 60)


def _greeting(row: PortFacts) -> str:
    said = row.raw("greeting")
    return "-" if isinstance(said, Missing) else plain(said, 50)

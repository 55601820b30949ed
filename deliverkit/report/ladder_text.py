"""The ladder as lines: one block a server, one line a step, then what stands beside it and what was proved."""

from __future__ import annotations

from collections.abc import Iterable

from deliverkit.facts.base import Missing
from deliverkit.facts.host import PortFacts
from deliverkit.facts.ladder import DomainSide, LadderFacts, Step
from deliverkit.report.plain import fold, plain

_MARKS = {True: "ok", False: "BROKE", None: "?"}


def ladder_lines(every: Iterable[LadderFacts], width: int) -> list[str]:
    """Each server: its steps, the ports beside it, and the ways that were proved."""
    lines: list[str] = []
    for facts in every:
        lines += [""] if lines else []
        lines += fold(plain(f"{facts.name} ({facts.settings.subject})"), width)
        for step in facts.steps:
            lines += _step(step, width)
        if facts.beside:
            told = ", ".join(f"{row.port} {_state(row, facts)}" for row in facts.beside)
            lines += fold(plain(f"beside it: {told}"), width, "  ", hanging="    ")
        for way in facts.ways:
            lines += fold(plain(f"proved: {way.told}"), width, "  ", hanging="    ")
    return lines


def _step(step: Step, width: int) -> list[str]:
    head = f"{step.name:<12}{_MARKS[step.ok]:<6}{step.elapsed_s:6.2f} s  "
    return fold(plain(f"{head}{step.detail}"), width, "  ", hanging=" " * 12)


def _state(row: PortFacts, facts: LadderFacts) -> str:
    """What a port beside the configured one did."""
    if row.raw("reachable") is not True:
        blocked = " (blocked from here)" if facts.outward.get(row.port) == "blocked" else ""
        return f"{row.reason or 'unknown'}{blocked}"
    mode = row.raw("mode")
    if isinstance(mode, Missing):
        return "answers, and no session came about"
    return {"implicit": "TLS at once", "starttls": "STARTTLS", "clear": "no TLS"}.get(str(mode), str(mode))


def domain_lines(sides: Iterable[DomainSide], width: int) -> list[str]:
    """Each From domain: SPF, DKIM and DMARC for this provider."""
    lines: list[str] = []
    for side in sides:
        told = [f"{side.domain} through {side.provider.name}:"]
        if side.include is not None:
            told.append(f"SPF include:{side.include} {_yes(side.raw('included'))};")
        if side.selectors:
            told.append(f"DKIM key at {', '.join(side.selectors)} {_yes(side.raw('published'))};")
        policy = side.raw("policy")
        told.append(f"DMARC policy {'unknown' if isinstance(policy, Missing) else policy or 'none published'}")
        lines += fold(plain(" ".join(told)), width, hanging="  ")
    return lines


def _yes(value: object) -> str:
    if isinstance(value, Missing):
        return "unknown"
    return "yes" if value else "no"

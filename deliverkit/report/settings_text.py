"""An application's mail settings as lines: one block a transport, each value with where it stands."""

from __future__ import annotations

from deliverkit.facts.base import Missing
from deliverkit.facts.settings.model import AppFacts, MailSettings, Plan
from deliverkit.facts.settings.values import Setting
from deliverkit.report.plain import fold, plain

_MOST_UNREAD = 12
_MODES = {
    "implicit": "TLS from the first byte",
    "starttls": "STARTTLS demanded",
    "opportunistic": "STARTTLS if offered",
    "clear": "no TLS",
}


def settings_lines(app: AppFacts, width: int) -> list[str]:
    """Every transport, and what was not read."""
    lines: list[str] = []
    for one in app.settings:
        lines += ["", *_transport(one, width)] if lines else _transport(one, width)
    if not app.settings:
        lines.append("no mail settings were found")
    if app.platforms:
        told = ", ".join(f"{name} ({place})" for name, place in app.platforms)
        lines += ["", *fold(plain(f"Made for: {told}"), width, "")]
    if app.unread:
        lines += ["", "Not followed:"]
        for unread in app.unread[:_MOST_UNREAD]:
            said = f"{unread.place}: {unread.why}" + (f" ({unread.expression})" if unread.expression else "")
            lines += fold(plain(said), width, "  ")
        if len(app.unread) > _MOST_UNREAD:
            lines.append(f"  and {len(app.unread) - _MOST_UNREAD} more")
    return lines


def _transport(one: MailSettings, width: int) -> list[str]:
    where = f", {one.environment}" if one.environment else ""
    lines = [plain(f"{one.framework}{where} ({one.place})")]
    lines += fold(plain(_planned(one.plan)), width, "  ")
    for role, setting in one.roles.items():
        lines += fold(plain(f"{role}: {_told(setting)}"), width, "  ", hanging="      ")
    return lines


def _planned(plan: Plan) -> str:
    delivery, host, port, mode, why = (_fact(plan, name) for name in ("delivery", "host", "port", "mode", "why"))
    if delivery == "refused":
        return f"nothing is sent: {why}"
    if delivery != "smtp":
        return f"mail goes to: {delivery}"
    return f"{host}:{port}, {_MODES.get(mode, mode)}{f': {why}' if why else ''}"


def _fact(plan: Plan, name: str) -> str:
    """A field of a plan, or that it is not known; why stands among what was not followed."""
    found = plan.raw(name)
    return f"({name} not known)" if isinstance(found, Missing) else str(found)


def _told(setting: Setting) -> str:
    chain, here = [], setting
    while here is not None:
        chain.append(f"{here.name} at {here.place}" if here.place else f"{here.name} ({here.layer})")
        here = here.via  # type: ignore[assignment]
    return f"{setting.shown}, from {' from '.join(chain)}"

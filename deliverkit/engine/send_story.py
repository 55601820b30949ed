"""Stories of kind "send": a message is sent into a scripted world, and the rules judge what became of it.

Options of such a story: ``from``, ``to`` (a list), ``via`` (HOST:PORT), ``tls``, ``user``, ``password``, ``mechanism``,
``provider``, ``insecure``, ``count``. What is left out is what the verb would take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deliverkit.data import provider
from deliverkit.engine.draft import Draft, content_of, writer_of
from deliverkit.engine.route import read_relay
from deliverkit.engine.send import SendOptions, send
from deliverkit.report.model import Report
from deliverkit.smtp.submission import Auth

if TYPE_CHECKING:
    from deliverkit.world import World
    from deliverkit.world.story import Story

_KNOWN = {"from", "to", "via", "tls", "user", "password", "mechanism", "provider", "insecure", "count"}


async def run_send_story(story: Story, world: World) -> Report:
    """Send the story's message. Raises ValueError for an option that no such story has."""
    told: dict[str, Any] = dict(story.options)
    unknown = set(told) - _KNOWN
    if unknown:
        raise ValueError(f"{story.path}: a story of kind send has no option {', '.join(sorted(unknown))}")
    sender = told.get("from", "ann@example.com")
    content = content_of(Draft(header_from=sender, to=tuple(told.get("to", ["bob@example.net"]))))
    options = SendOptions(
        mail_from=content.header_from.spec,
        recipients=tuple(address.spec for address in content.to),
        relay=_relay(told),
        tls=told.get("tls"),
        helo="client.example.com",
        auth=Auth(told["user"], told.get("password", "secret"), told.get("mechanism")) if "user" in told else None,
        provider=provider(told["provider"]) if "provider" in told else None,
        count=told.get("count", 1),
        insecure=told.get("insecure", False),
    )
    return await send(writer_of(content), options, world=world)


def _relay(told: dict[str, Any]) -> tuple[str, int] | None:
    if "via" not in told:
        return None
    host, port = read_relay(told["via"])
    return host, port or 587

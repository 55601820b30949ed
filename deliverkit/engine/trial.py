"""A real test message by an application's own settings, for ``doctor --send``: the sending engine does the work.

What this file will not do: send where the ladder broke, or to anybody but the recipient that was named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deliverkit.engine.draft import Draft, content_of, writer_of
from deliverkit.engine.ladder import changed
from deliverkit.engine.send import SendOptions, send
from deliverkit.engine.transport import TLS_MODES, LadderOptions, auth_of, submission_of
from deliverkit.facts.base import Missing
from deliverkit.facts.ladder import LadderFacts, Step
from deliverkit.facts.sending import SendFacts
from deliverkit.protocols.dkim.keys import PrivateKey
from deliverkit.protocols.dkim.sign import SigningError, SigningKey
from deliverkit.smtp.compose import BadValue
from deliverkit.smtp.submission import Auth
from deliverkit.world import World


@dataclass(frozen=True)
class Trial:
    """What became of the test message of one transport."""

    ladder: LadderFacts
    sent: tuple[SendFacts, ...] = ()
    letter: Any = None
    interrupted: bool = False


async def trial(
    facts: LadderFacts, world: World, options: LadderOptions, keys: Sequence[tuple[str, PrivateKey]]
) -> Trial:
    """Send one message, if every rung held and sender and recipient are known."""
    if not facts.climbed or facts.sender is None or options.to is None:
        return Trial(facts)
    try:
        return await _sent(facts, facts.sender, options.to, world, options, keys)
    except (BadValue, SigningError) as bad:
        return Trial(changed(facts, steps=(*facts.steps, Step("send", None, 0.0, str(bad), facts.name))))


async def _sent(
    facts: LadderFacts,
    sender: str,
    recipient: str,
    world: World,
    options: LadderOptions,
    keys: Sequence[tuple[str, PrivateKey]],
) -> Trial:
    one = facts.settings
    login = auth_of(one)
    submission = submission_of(one, "", world, options)
    chosen = SendOptions(
        mail_from=sender,
        recipients=(recipient,),
        relay=(facts.host, facts.port),
        tls=TLS_MODES[facts.mode],
        helo=submission.helo,
        auth=login if isinstance(login, Auth) else None,
        keys=tuple(SigningKey(selector, sender.rpartition("@")[2], key) for selector, key in keys),
        provider=facts.provider,
        ca_file=options.ca_file,
        insecure=options.insecure,
        connect_s=options.connect_s,
        reply_s=options.reply_s,
    )
    content = content_of(Draft(header_from=sender, to=(recipient,)))
    report = await send(writer_of(content), chosen, world=world)
    sent: tuple[SendFacts, ...] = tuple(report.facts["send"])
    ok, told = _outcome(sent)
    step = Step("send", ok, round(report.elapsed_s, 3), told, facts.name)
    return Trial(changed(facts, steps=(*facts.steps, step)), sent, report.facts["letter"], report.interrupted)


def _outcome(sent: Sequence[SendFacts]) -> tuple[bool | None, str]:
    """Whether the message was taken, and the server's last word."""
    outcome = sent[0].raw("outcome") if sent else None
    if outcome is None or isinstance(outcome, Missing):
        return None, outcome.reason if outcome else "interrupted"
    last = sent[0].last
    replies = [d.reply for d in last.result.deliveries if d.reply is not None] if last else []
    told = str(replies[-1]) if replies else str(sent[0].rejections[0].reply) if sent[0].rejections else outcome
    return outcome == "accepted", told

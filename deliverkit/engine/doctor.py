"""The doctor: an application's folder in, its mail settings judged, a report out.

First what needs no packet: the settings of every transport and environment, by the rules of the family ``settings``;
then, unless it is switched off, the ladder (`deliverkit.engine.ladder`) from here to the server. What this file will
not do: know a framework, or hold an opinion.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deliverkit.facts.settings.model import AppFacts, MailSettings
from deliverkit.facts.settings.platforms import platforms_of, time_limits
from deliverkit.facts.settings.readers import READERS, Look, reader
from deliverkit.facts.settings.sealing import sealed, sealed_unread, sealed_variables, secret_texts, without
from deliverkit.facts.settings.source.syntax import LACKING
from deliverkit.facts.settings.tree import ToldTree, Tree
from deliverkit.facts.settings.versions import versions_of
from deliverkit.facts.vantage import Vantage
from deliverkit.findings import Inconclusive, Judgement, Severity
from deliverkit.report.model import Report, Subject, merge
from deliverkit.rules.registry import judge, rules_of
from deliverkit.world import World

if TYPE_CHECKING:
    from deliverkit.engine.transport import LadderOptions
    from deliverkit.protocols.dkim.keys import PrivateKey


@dataclass(frozen=True)
class DoctorOptions:
    """What to look at. ``environment`` None: production where there is one, each apart otherwise.

    ``process`` are variables of the process's own environment, as the application would be given them; ``env_files``
    files of variables the user named (name to text), which win over those of the tree. ``url`` is a transport to judge
    beside those of the tree (`deliverkit.facts.settings.urltransport`). ``ladder`` None: no packet is
    sent. ``send``: a test message goes to the ladder's recipient, signed with ``keys`` (selector and key) for
    the sender's domain. What may hold secrets shows in no repr.
    """

    environment: str | None = None
    process: Mapping[str, str] = field(default_factory=dict, repr=False)
    env_files: Mapping[str, str] = field(default_factory=dict, repr=False)
    url: MailSettings | None = field(default=None, repr=False)
    severities: Mapping[str, Severity] = field(default_factory=dict)
    ladder: LadderOptions | None = None
    send: bool = False
    keys: tuple[tuple[str, PrivateKey], ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Seen:
    """What the rules said, and what the live part adds to a report."""

    judgements: list[Judgement]
    facts: dict[str, Any] = field(default_factory=dict)
    vantage: Vantage | None = None
    interrupted: bool = False


async def doctor(
    tree: Tree,
    *,
    name: str,
    world: World,
    options: DoctorOptions | None = None,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Read and judge an application. Nothing of it is run, and nothing is changed anywhere."""
    options = options or DoctorOptions()
    started, began = world.now(), time.monotonic()
    say = progress or (lambda _: None)
    app = examined(tree, name, options, say, today=started.date())
    seen = Seen(judged(app, options.severities), {"steps": []})
    if options.ladder is not None:
        from deliverkit.engine.live import looked_live

        seen = await looked_live(app, world, options, say, seen)
    report = Report(
        subject=Subject("app", name),
        vantage=seen.vantage or world.vantage,
        started=started,
        elapsed_s=round(time.monotonic() - began, 3),
        facts={"app": app, **seen.facts},
        interrupted=seen.interrupted,
    )
    return report.judged_by(kept_secret(merge([*seen.judgements, untold(app)]), app))


def untold(app: AppFacts) -> Judgement:
    """What nobody could judge is unknown, never a pass: no settings at all, or a transport in source not read here."""
    unread = next((one for one in app.unread if one.why == LACKING), None)
    if app.settings and unread is None:
        return Judgement()
    reason = "no mail settings were found" if unread is None else f"{unread.place}: {unread.why}"
    return Judgement(inconclusive=(Inconclusive("settings", app.name, reason, decisive=True),))


def subject_of(folder: Path, options: DoctorOptions) -> tuple[Tree, str]:
    """The files to read, and the name to report under: the folder's, or host and port of the URL."""
    if options.url is not None:
        return ToldTree({}), f"{options.url.plan.host}:{options.url.plan.port}"
    from deliverkit.engine.sourcetree import DiskTree

    return DiskTree(folder), folder.resolve().name


def examined(
    tree: Tree, name: str, options: DoctorOptions, say: Callable[[str], None], *, today: date | None = None
) -> AppFacts:
    """What every reader finds in the tree."""
    look = Look(tree, options.process, options.environment, options.env_files)
    found = look.found
    for word in READERS:
        say(f"{name}: looking for {word}")
        found.extend(reader(word)(look))
    if options.url is not None:
        found.append(options.url)
    hosted = platforms_of(tree)
    read = [one.values for one in look.seen.values()]
    secrets = secret_texts(found, read)
    judged_ones = tuple(sealed(one) for one in _chosen(found, options.environment))
    secrets |= secret_texts(judged_ones, map(sealed_variables, read))
    return AppFacts(
        name=name,
        settings=judged_ones,
        environments=tuple(dict.fromkeys(one.environment for one in found)),
        variables={one.environment: sealed_variables(one.values) for one in look.seen.values()},
        used={n: tuple(places) for n, places in look.used.items()},
        calls=tuple(replace(call, call=without(call.call, secrets)) for call in look.calls),
        marks=tuple(replace(mark, detail=without(mark.detail, secrets)) for mark in look.marks),
        platforms=hosted,
        time_limits=time_limits(tree, hosted),
        today=today,
        versions=versions_of(tree),
        unread=tuple(sealed_unread(one, secrets) for one in (*tree.unread, *look.unread)),
    )


def kept_secret(judgement: Judgement, app: AppFacts) -> Judgement:
    """What the rules said, with every secret of the application masked, should one have come through."""
    secrets = secret_texts(app.settings, app.variables.values())
    if not secrets:
        return judgement

    def safe(text: str) -> str:
        return without(text, secrets)

    findings = (
        replace(
            one,
            detail=safe(one.detail),
            evidence=tuple(replace(e, name=safe(e.name), value=safe(e.value)) for e in one.evidence),
            fix=replace(one.fix, text=safe(one.fix.text)),
        )
        for one in judgement.findings
    )
    unknown = (replace(one, reason=safe(one.reason)) for one in judgement.inconclusive)
    return replace(judgement, findings=tuple(findings), inconclusive=tuple(unknown))


def _chosen(found: list[MailSettings], asked: str | None) -> tuple[MailSettings, ...]:
    """The environment asked for; else production where there is one, each apart otherwise. Twins are said once."""
    if asked is None and any(one.production and one.environment for one in found):
        found = [one for one in found if one.production]
    seen: dict[Any, MailSettings] = {}
    for one in found:
        seen.setdefault(
            (
                one.framework,
                one.place,
                tuple(sorted((r, s.origin.name, str(s.origin.place)) for r, s in one.roles.items())),
            ),
            one,
        )
    return tuple(seen.values())


def judged(app: AppFacts, severities: Mapping[str, Severity]) -> list[Judgement]:
    """Let the rules judge each transport, and the application as a whole."""
    rules = rules_of("settings")
    told = dict(severities)
    return [*(judge(one, rules, told) for one in app.settings), judge(app, rules, told)]

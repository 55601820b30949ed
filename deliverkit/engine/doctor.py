"""The doctor: an application's folder in, its mail settings judged, a report out.

First what needs no packet: the settings of every transport and environment, by the rules of the family ``settings``;
then, unless it is switched off, the ladder (`deliverkit.engine.ladder`) from here to the server. What this file will
not do: know a framework, or hold an opinion.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from deliverkit.facts.settings.model import AppFacts, MailSettings
from deliverkit.facts.settings.platforms import platforms_of, time_limits
from deliverkit.facts.settings.readers import READERS, Look, reader
from deliverkit.facts.settings.tree import Tree
from deliverkit.findings import Judgement, Severity
from deliverkit.report.model import Report, Subject, merge
from deliverkit.rules.registry import judge, rules_of
from deliverkit.world import World


@dataclass(frozen=True)
class DoctorOptions:
    """What to look at. ``environment`` None: production where there is one, each apart otherwise.

    ``process`` are variables of the process's own environment, as the application would be given them; ``env_files``
    files of variables the user named (name to text), which win over those of the tree.
    """

    environment: str | None = None
    process: Mapping[str, str] = field(default_factory=dict)
    env_files: Mapping[str, str] = field(default_factory=dict)
    severities: Mapping[str, Severity] = field(default_factory=dict)


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
    app = examined(tree, name, options, progress or (lambda _: None), today=started.date())
    judgement = merge(judged(app, options.severities))
    return Report(
        subject=Subject("app", name),
        vantage=world.vantage,
        started=started,
        elapsed_s=round(time.monotonic() - began, 3),
        facts={"app": app},
    ).judged_by(judgement)


def examined(
    tree: Tree, name: str, options: DoctorOptions, say: Callable[[str], None], *, today: date | None = None
) -> AppFacts:
    """What every reader finds in the tree."""
    look = Look(tree, options.process, options.environment, options.env_files)
    found: list[MailSettings] = []
    for word in READERS:
        say(f"{name}: looking for {word}")
        found.extend(reader(word)(look))
    hosted = platforms_of(tree)
    judged_ones = _chosen(found, options.environment)
    return AppFacts(
        name=name,
        settings=judged_ones,
        environments=tuple(dict.fromkeys(one.environment for one in found)),
        variables={one.environment: one.values for one in look.seen.values()},
        used={n: tuple(places) for n, places in look.used.items()},
        calls=tuple(look.calls),
        marks=tuple(look.marks),
        platforms=hosted,
        time_limits=time_limits(tree, hosted),
        today=today,
        unread=(*tree.unread, *look.unread),
    )


def _chosen(found: list[MailSettings], asked: str | None) -> tuple[MailSettings, ...]:
    """The environment asked for; else production where there is one, each apart otherwise. Twins are said once."""
    if asked is None and any(one.environment == "production" for one in found):
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

"""The recipes of docs/ci.md: what they name is there, and what they write can be read."""

from __future__ import annotations

import re
from typing import Any

import yaml

from deliverkit.cli import VERBS
from deliverkit.engine.verify import Verification
from deliverkit.testing import claims, dns, mail, running
from tests.ci.repository import ROOT

TEXT = (ROOT / "docs" / "ci.md").read_text("utf-8")
YAML = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]


def uses(told: Any, key: str) -> list[Any]:
    """Every value of a key, wherever it stands."""
    if isinstance(told, list):
        return [found for one in told for found in uses(one, key)]
    if isinstance(told, dict):
        here = [told[key]] if key in told else []
        return here + [found for one in told.values() for found in uses(one, key)]
    return []


def test_hooks_and_inputs_are_those_that_there_are() -> None:
    """Of pre-commit and of the action."""
    hooks = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))}
    named = [hook["id"] for found in uses(YAML, "hooks") for hook in found]
    assert named
    assert set(named) <= hooks
    action = yaml.safe_load((ROOT / ".github" / "actions" / "check" / "action.yml").read_text("utf-8"))
    steps = [step for found in uses(YAML, "steps") for step in found if "/actions/check" in step.get("uses", "")]
    assert len(steps) == 1
    assert set(steps[0]["with"]) <= set(action["inputs"])
    for name in (*action["inputs"], *action["outputs"]):
        assert f"`{name}`" in TEXT


def test_what_is_told_of_the_fixtures_is_there() -> None:
    """Each name of a method or attribute in the part on pytest."""
    classes = (running.RunningSink, mail.Mail, claims.Claims, dns.ToldDns, Verification)
    part = TEXT[TEXT.index("## pytest") : TEXT.index("## Completion")]
    named = set(re.findall(r"`(?:\w+)?\.(\w+)", part)) | set(re.findall(r"\b(assert_\w+)", part))
    assert "wait_for" in named
    unknown = sorted(name for name in named if not any(hasattr(one, name) for one in classes))
    assert unknown == ["captured", "host", "port"]  # set on each instance


def test_the_verbs_are_there() -> None:
    """Whatever is typed after `deliverkit`."""
    typed = set(re.findall(r"(?m)(?:^|[`'] ?|&& |run: |  )deliverkit ([a-z-]+)", TEXT))
    assert "completion" in typed
    assert typed <= {*VERBS, "check"}

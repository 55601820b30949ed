"""Which platform an application is made for, and how long its functions may run."""

from __future__ import annotations

import pytest

from deliverkit.data import platforms
from deliverkit.facts.settings.platforms import platforms_of, time_limits
from deliverkit.facts.settings.tree import ToldTree
from deliverkit.facts.settings.values import Place


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("vercel.json", "{}", "vercel"),
        ("apps/web/vercel.json", "{}", "vercel"),
        ("netlify.toml", "", "netlify"),
        ("render.yaml", "", "render"),
        ("railway.json", "{}", "railway"),
        ("fly.toml", "", "fly"),
        ("Procfile", "web: node .", "heroku"),
        (".do/app.yaml", "", "digitalocean"),
        ("app.yaml", "runtime: nodejs22\n", "app-engine"),
        ("app.yaml", "kind: Deployment\n", None),
        ("serverless.yml", "provider:\n  name: aws\n", "lambda"),
        ("serverless.yml", "provider:\n  name: google\n", None),
        ("template.yaml", "Transform: AWS::Serverless-2016-10-31\n", "lambda"),
        ("Dockerfile", "FROM node", None),
        ("docs/my-vercel.json", "{}", None),
    ],
)
def test_the_file_tells_the_platform(path: str, text: str, expected: str | None) -> None:
    """A Dockerfile alone is none, nor is a file that others have too."""
    assert [name for name, _ in platforms_of(ToldTree({path: text}))] == ([expected] if expected else [])


def test_limits_come_from_the_file_or_the_platform() -> None:
    """The longest of several; what the file takes from elsewhere is not known."""
    told = '{"functions": {"a.js": {"maxDuration": 10},\n "b.js": {"maxDuration": 60}}}'
    tree = ToldTree({"vercel.json": told})
    limit = time_limits(tree, platforms_of(tree))["vercel"]
    assert (limit.value, limit.place) == (60, Place("vercel.json", 2))
    bare = ToldTree({"vercel.json": "{}"})
    assert time_limits(bare, platforms_of(bare))["vercel"].value == 300
    sam = ToldTree({"template.yaml": "Transform: AWS::Serverless\n  Timeout: 20\n"})
    assert time_limits(sam, platforms_of(sam))["lambda"].value == 20
    elsewhere = ToldTree({"template.yaml": "Transform: AWS::Serverless\n  Timeout: !Ref Seconds\n"})
    assert time_limits(elsewhere, platforms_of(elsewhere))["lambda"].value is None
    fly = ToldTree({"fly.toml": ""})
    assert time_limits(fly, platforms_of(fly)) == {}


def test_the_data_is_whole() -> None:
    """Each platform can be recognised, and says what its closed ports are."""
    assert len({one.id for one in platforms()}) == len(platforms()) > 8
    for one in platforms():
        assert one.files or one.marks
        assert bool(one.blocked) == bool(one.blocked_told)
        assert bool(one.blocked_on_some) == bool(one.blocked_on_some_told)
        assert one.default_s is None or (one.most_s is not None and one.default_s <= one.most_s)

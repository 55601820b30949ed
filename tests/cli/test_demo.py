"""``deliverkit demo``: the whole job on the embedded world, as a newcomer meets it."""

from __future__ import annotations

import os
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from deliverkit.demo.domains import sound, twin
from tests.cli.command import start


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Two demos at the same time, in one machine; what the first one printed, and its folder."""
    folders = [tmp_path_factory.mktemp(name) for name in ("one", "two")]
    processes = []
    for folder in folders:
        (folder / "temporary").mkdir()
        processes.append(start("demo", cwd=folder, environment={"TMPDIR": str(folder / "temporary")}))
    ended = []
    for process in processes:
        out, err = process.communicate(timeout=60)
        ended.append(subprocess.CompletedProcess([], process.returncode, out.decode(), err.decode()))
    assert [one.returncode for one in ended] == [0, 0]
    assert [one.stderr for one in ended] == ["", ""]
    return ended[0], folders[0]


def test_both_domains_get_their_planned_verdicts(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """Every step is shown, and the verdicts come last."""
    said = demo[0].stdout
    for step in ("audit", "probe", "send", "verify"):
        assert len(re.findall(rf"^  {step}\b", said, re.MULTILINE)) >= 2, step
    assert said.splitlines()[-3:] == [
        "sound.example: PASS, as planned",
        "twin.example: FAIL, as planned",
        "Report: deliverkit-demo.html",
    ]


def test_every_planted_fault_is_named(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """In the list at the end, and by a finding with its cause above."""
    said = demo[0].stdout
    planted = twin().planted
    assert f"Planted in twin.example: {len(planted)} faults; named: {len(planted)}" in said
    assert "MISSED" not in said
    page = (demo[1] / "deliverkit-demo.html").read_text("utf-8")
    for fault in planted:
        assert f"{fault.rule:<9} {fault.what}" in said
        assert fault.rule in page
    assert sound().planted == ()


class _Parts(HTMLParser):
    """The tags of a page and whatever would be loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "srcset", "action", "data")]


def test_the_page_is_one_self_contained_file(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """No script, no image, no style or font from elsewhere; every link stays in the page."""
    page = (demo[1] / "deliverkit-demo.html").read_text("utf-8")
    parts = _Parts()
    parts.feed(page)
    assert not {"script", "img", "iframe", "link", "object"} & set(parts.tags)
    assert parts.links
    assert all(link.startswith("#") for link in parts.links)
    assert "url(" not in page
    assert "@import" not in page


def test_nothing_is_left_behind(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """The page is the one new file; the keys, certificates and stored mail of the demo are gone."""
    _, folder = demo
    assert sorted(path.name for path in folder.iterdir()) == ["deliverkit-demo.html", "temporary"]
    assert list((folder / "temporary").iterdir()) == []


def test_quiet_prints_the_verdicts_and_o_chooses_the_file(folder: Path) -> None:
    """And no colour code where there is no terminal. No process stays that could listen."""
    (folder / "there").mkdir()
    process = start("demo", "-q", "-o", "there/page.html", cwd=folder, start_new_session=True)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert out.decode().splitlines() == [
        "sound.example: PASS, as planned",
        "twin.example: FAIL, as planned",
        "Report: there/page.html",
    ]
    assert [path.name for path in (folder / "there").iterdir()] == ["page.html"]
    assert not (folder / "deliverkit-demo.html").exists()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)

"""The HTML report in a real browser: everything is there, nothing runs, nothing overflows, and it can be read.

The page is the one that `deliverkit demo` writes.
"""

from __future__ import annotations

import re
import socket
import struct
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deliverkit.facts.vantage import Vantage
from deliverkit.findings import Evidence, Finding, Fix, Severity
from deliverkit.report.html import render_html
from deliverkit.report.model import Report, Subject
from tests.peers.chromium import Chromium
from tests.peers.run import run

pytestmark = pytest.mark.peer("chromium")

HOSTILE = '"><script>document.title="ran"</script><img src=x onerror="document.title=\'ran\'"> \x1b[31m'


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    """One browser for all tests."""
    with Chromium() as running:
        yield running


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The page that the demo writes, and what it prints."""
    page = tmp_path_factory.mktemp("demo") / "report.html"
    done = run([sys.executable, "-m", "deliverkit", "demo", "--no-color", "-o", page], COLUMNS="200")
    assert done.returncode == 0, done.stderr.decode()
    return page, done.stdout.decode()


def seen(browser: Chromium) -> str:
    """The text that a reader sees, blanks made single."""
    return " ".join(str(browser.evaluate("document.body.innerText")).split())


def test_every_finding_is_on_the_page(demo: tuple[Path, str], browser: Chromium) -> None:
    """The titles and ids of all findings that the demo prints."""
    page, printed = demo
    browser.open(page)
    text = seen(browser)
    told = re.findall(r"(?m)^ +(?:error|warning) ([A-Z]+[0-9]{3}) +(.+)$", printed)
    assert len(told) > 10
    for rule, title in told:
        assert title in text
        assert f"{rule} · " in text
    assert "sound.example" in text


@pytest.mark.parametrize("width", [320, 420, 768, 1280])
@pytest.mark.parametrize("media", ["screen", "print"])
def test_nothing_overflows(width: int, media: str, demo: tuple[Path, str], browser: Chromium) -> None:
    """The page is never wider than its window; what is wider scrolls in a box of its own."""
    browser.open(demo[0], width=width, media=media)
    assert browser.call("Page.getLayoutMetrics")["cssContentSize"]["width"] <= width
    outside = """[...document.querySelectorAll("body *")].filter(one => !one.closest("pre"))
        .filter(one => one.getBoundingClientRect().right > innerWidth + 0.5).map(one => one.outerHTML.slice(0, 200))"""
    assert browser.evaluate(outside) == []


def test_a_screenshot_at_420_pixels(demo: tuple[Path, str], browser: Chromium) -> None:
    """It is as wide as the window, longer than it, and not empty."""
    browser.open(demo[0], width=420)
    png = browser.screenshot()
    width, height = struct.unpack("!II", png[16:24])
    assert width == 420
    assert height > 2000
    assert len(png) > 50_000


def test_nothing_is_loaded_and_nothing_complains(demo: tuple[Path, str], browser: Chromium) -> None:
    """One request, for the file itself; no error in the browser's log."""
    browser.open(demo[0])
    assert len(browser.heard("Network.requestWillBeSent")) == 1
    assert browser.heard("Log.entryAdded") == []
    assert browser.evaluate("document.scripts.length") == 0


def test_the_policy_stops_scripts_and_loads(demo: tuple[Path, str], browser: Chromium, tmp_path: Path) -> None:
    """Were markup ever to slip through, it would neither run nor fetch: each is stopped, and the browser says so."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        slipped = f'<script>document.title="ran"</script><img src="{url}" onerror="document.title=\'ran\'">'
        slipped += f'<script src="{url}"></script><link rel="stylesheet" href="{url}"><p onclick="1" id="p">p</p>'
        changed = tmp_path / "changed.html"
        changed.write_text(demo[0].read_text("utf-8").replace("<main>", f"<main>{slipped}", 1), "utf-8")
        browser.open(changed)
        assert browser.evaluate("document.title") == "deliverkit demo"
        with pytest.raises(BlockingIOError):
            listening.accept()
    said = " ".join(one["entry"]["text"] for one in browser.heard("Log.entryAdded"))
    for directive in ("script", "event handler", "image", "stylesheet"):
        assert directive in said.lower()


def test_hostile_data_is_shown_and_not_obeyed(browser: Chromium, tmp_path: Path) -> None:
    """Markup out of DNS and SMTP is text wherever it stands in a report."""
    found = Finding(
        rule="SPF001",
        slug="hostile",
        severity=Severity.ERROR,
        subject=HOSTILE,
        title="A title",
        detail=HOSTILE,
        evidence=(Evidence("dns", HOSTILE, "TXT", HOSTILE, span=(2, 9)),),
        fix=Fix(HOSTILE),
        reference="RFC 7208",
    )
    report = Report(Subject("domain", HOSTILE, HOSTILE), Vantage("live"), datetime.now(UTC), 0.1, findings=(found,))
    page = tmp_path / "hostile.html"
    page.write_text(render_html([report], title=HOSTILE, lead=HOSTILE), "utf-8")
    browser.open(page)
    assert browser.evaluate("document.title") != "ran"
    assert browser.evaluate("document.scripts.length + document.images.length") == 0
    assert browser.heard("Log.entryAdded") == []
    assert seen(browser).count("<script>document.title=") >= 6


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read_in_light_and_dark(dark: bool, demo: tuple[Path, str], browser: Chromium) -> None:
    """Every piece of text stands out by 4.5 to 1 at least (WCAG 2.2, 1.4.3), on paper that is light, or dark."""
    browser.open(demo[0], dark=dark)
    paper = luminance(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert paper < 0.1 if dark else paper > 0.8
    pairs = browser.evaluate(
        """(() => {
          const paper = one => { for (; one; one = one.parentElement) {
            const colour = getComputedStyle(one).backgroundColor; if (colour !== "rgba(0, 0, 0, 0)") return colour } };
          const texts = [...document.querySelectorAll("body *")].filter(one =>
            [...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()));
          return [...new Set(texts.map(one => getComputedStyle(one).color + "|" + paper(one)))] })()"""
    )
    assert len(pairs) > 3
    for pair in pairs:
        light, shade = sorted(map(luminance, pair.split("|")), reverse=True)
        assert (light + 0.05) / (shade + 0.05) >= 4.5, pair


def luminance(colour: str) -> float:
    """The relative luminance of "rgb(r, g, b)" (WCAG 2.2)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

"""What was seen, section by section, as lines of text: the trees and tables under the findings.

One place knows which facts have a section and in which order; text, Markdown and HTML all read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, TypeAlias

from deliverkit.facts.base import Missing
from deliverkit.report.model import Report

Lines: TypeAlias = Callable[[Any, int], list[str]]

SECTIONS = (
    ("app", "Mail settings", "settings_text", "settings_lines"),
    ("ladder", "Ladder", "ladder_text", "ladder_lines"),
    ("domains", "Domain side", "ladder_text", "domain_lines"),
    ("check_host", "Evaluation", "trees", "check_host_lines"),
    ("authentication", "Authentication", "mail_text", "authentication_lines"),
    ("authentication", "DMARC", "dmarc_text", "message_lines"),
    ("spf", "SPF", "trees", "spf_tree_lines"),
    ("dkim", "DKIM", "dkim_text", "dkim_lines"),
    ("dmarc", "DMARC", "dmarc_text", "dmarc_lines"),
    ("providers", "Providers", "providers_text", "provider_lines"),
    ("mx", "MX", "mail_text", "mx_lines"),
    ("ptr", "Reverse DNS", "mail_text", "ptr_lines"),
    ("ports", "Ports", "ports_text", "port_lines"),
    ("letter", "Message", "send_text", "letter_lines"),
    ("send", "Sending", "send_text", "send_lines"),
    ("throughput", "Throughput", "send_text", "throughput_lines"),
    ("preview", "On the wire", "send_text", "preview_lines"),
    ("transcript", "Transcript", "send_text", "transcript_lines"),
)
"""Key of the facts, title, and the file and function that write the lines (imported when they are needed)."""


OUTLINES = {
    "spf_tree_lines": "spf_outline",
    "dmarc_lines": "dmarc_outline",
    "message_lines": "message_outline",
    "provider_lines": "provider_outline",
}
"""The functions of `deliverkit.report.outline` that give the same as nested data, by the name of that for lines."""


def seen(report: Report, width: int = 100) -> Iterator[tuple[str, list[str]]]:
    """Title and lines of each section whose facts were observed."""
    for title, file, function, facts in _observed(report):
        lines: Lines = getattr(import_module(f"deliverkit.report.{file}"), function)
        found = lines(facts, width)
        if found:
            yield title, found


def outlined(report: Report, width: int = 100) -> Iterator[tuple[str, list[str], dict[str, Any] | None]]:
    """As `seen`, with nested data instead of lines where a section has an outline."""
    for title, file, function, facts in _observed(report):
        outline = None
        if function in OUTLINES:
            outline = getattr(import_module("deliverkit.report.outline"), OUTLINES[function])(facts)
        lines = [] if outline else getattr(import_module(f"deliverkit.report.{file}"), function)(facts, width)
        if outline or lines:
            yield title, lines, outline


def _observed(report: Report) -> Iterator[tuple[str, str, str, Any]]:
    for key, title, file, function in SECTIONS:
        facts = report.facts.get(key)
        if facts is not None and not isinstance(facts, Missing):
            yield title, file, function, facts

"""What was seen, section by section, as lines of text: the trees and tables under the findings.

One place knows which facts have a section and in which order; text, Markdown and HTML all read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from deliverkit.facts.base import Missing
from deliverkit.report.model import Report

Lines = Callable[[Any, int], list[str]]


def seen(report: Report, width: int = 100) -> Iterator[tuple[str, list[str]]]:
    """Title and lines of each section whose facts were observed."""
    for key, (title, lines) in _sections().items():
        facts = report.facts.get(key)
        if facts is None or isinstance(facts, Missing):
            continue
        found = lines(facts, width)
        if found:
            yield title, found


def _sections() -> dict[str, tuple[str, Lines]]:
    from deliverkit.report.dkim_text import dkim_lines
    from deliverkit.report.dmarc_text import dmarc_lines
    from deliverkit.report.mail_text import authentication_lines, mx_lines, ptr_lines
    from deliverkit.report.ports_text import port_lines
    from deliverkit.report.send_text import letter_lines, preview_lines, send_lines, throughput_lines, transcript_lines
    from deliverkit.report.trees import check_host_lines, spf_tree_lines

    return {
        "check_host": ("Evaluation", check_host_lines),
        "authentication": ("Authentication", authentication_lines),
        "spf": ("SPF", spf_tree_lines),
        "dkim": ("DKIM", lambda facts, _: dkim_lines(facts)),
        "dmarc": ("DMARC", lambda facts, _: dmarc_lines(facts)),
        "mx": ("MX", mx_lines),
        "ptr": ("Reverse DNS", ptr_lines),
        "ports": ("Ports", port_lines),
        "letter": ("Message", letter_lines),
        "send": ("Sending", send_lines),
        "throughput": ("Throughput", throughput_lines),
        "preview": ("On the wire", preview_lines),
        "transcript": ("Transcript", transcript_lines),
    }

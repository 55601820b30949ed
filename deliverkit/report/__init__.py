"""Reports: the model, and one file per format. Renderers read a Report and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from deliverkit.report.model import Report


def render(
    reports: Sequence[Report], format_: str, *, width: int = 100, color: bool = False, quiet: bool = False
) -> str:
    """Reports as text in one of the formats: text, json, jsonl, markdown, html."""
    if format_ == "jsonl":
        from deliverkit.report.jsonable import json_line

        return "".join(map(json_line, reports))
    if format_ == "json":
        import json

        from deliverkit.report.jsonable import report_json
        from deliverkit.report.plain import plain_json

        whole = report_json(reports[0]) if len(reports) == 1 else {"reports": [report_json(r) for r in reports]}
        return plain_json(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
    if format_ == "markdown":
        from deliverkit.report.markdown import render_markdown

        return render_markdown(reports)
    if format_ == "html":
        from deliverkit.report.html import render_html

        return render_html(reports)
    from deliverkit.report.text import render_text

    return render_text(reports, width=width, color=color, quiet=quiet)

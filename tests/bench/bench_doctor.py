"""The doctor's static part on a tree of 5,000 source files. ``python -m tests.bench.bench_doctor``.

A made-up shop of Next.js: modules that have nothing to do with mail, some that send, and folders that git ignores. The
figure to hold is the CPU of the whole command on one core: at most 3 seconds.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.bench.measure import CLIENTS, Bar, interleave_commands, pinned, ratio, write

FILES, SENDERS = 5_000, 100
_COMPONENT = """import React, {{ useState }} from "react";
import {{ format }} from "@/lib/format{n}";

export interface Props{n} {{ title: string; count: number; onChange?: (value: number) => void }}

export function Component{n}({{ title, count, onChange }}: Props{n}) {{
  const [value, setValue] = useState(count * {n});
  const change = (next: number) => {{ setValue(next); onChange?.(next); }};
  return <section><h2>{{title}}</h2><button onClick={{() => change(value + 1)}}>{{format(value)}}</button></section>;
}}
"""
_SENDER = """import {{ transporter }} from "@/lib/mail";

export async function POST(request: Request) {{
  const order = await request.json();
  await transporter.sendMail({{ from: process.env.SHOP, to: order.email, subject: "Order {n}", text: order.text }});
  return Response.json({{ ok: true }});
}}
"""
_TRANSPORT = """import nodemailer from "nodemailer";

export const transporter = nodemailer.createTransport({
  host: process.env.SMTP_HOST, port: Number(process.env.SMTP_PORT), secure: process.env.SMTP_SECURE === "true",
  auth: { user: process.env.SMTP_USER, pass: process.env.SMTP_PASS },
});
"""


def plant(root: Path, files: int = FILES, senders: int = SENDERS) -> None:
    """Write the tree: ``files`` sources, and as many again where git would not look."""
    told = {
        "package.json": '{"dependencies": {"next": "16.0.3", "nodemailer": "^9.1.1"}}',
        ".gitignore": "node_modules\n/generated/\n*.log\n.env*\n",
        ".env.production": "SMTP_HOST=mail.example.com\nSMTP_PORT=587\nSMTP_SECURE=false\nSMTP_USER=a\nSMTP_PASS=b\n",
        "lib/mail.ts": _TRANSPORT,
    }
    for n in range(senders):
        told[f"app/api/route{n}/route.ts"] = _SENDER.format(n=n)
    for n in range(files - senders - 1):
        told[f"components/part{n % 80}/Component{n}.tsx"] = _COMPONENT.format(n=n) * (1 + n % 5)
    for n in range(files // 2):
        told[f"node_modules/package{n}/index.js"] = told[f"generated/file{n}.js"] = "t.sendMail({});"
    for path, text in told.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def main() -> None:
    """Measure and write reports/bench/doctor.*"""
    with tempfile.TemporaryDirectory() as folder, pinned(CLIENTS):
        plant(Path(folder))
        command = [sys.executable, "-m", "deliverkit", "doctor", "--static", "--fail-on", "never", folder]
        rows = interleave_commands(
            {
                f"doctor --static, {FILES:,} files": command,
                "deliverkit --help": [sys.executable, "-m", "deliverkit", "--help"],
            },
            rounds=5,
        )
    name = f"doctor --static, {FILES:,} files"
    write(
        "doctor",
        "The doctor's static part",
        ("command", "CPU s (median)", "wall s (median)", "CPU ratio to --help"),
        [
            (n, f"{r.median('cpu'):.2f}", f"{r.median():.2f}", f"{ratio(rows, n, 'deliverkit --help', 'cpu'):.1f}")
            for n, r in rows.items()
        ],
        [f"5 interleaved rounds of whole processes on one core; {SENDERS} of the files send mail."],
        [Bar(f"CPU of a tree of {FILES:,} files, one core", rows[name].median("cpu"), 3.0, "s", at_most=True)],
    )


if __name__ == "__main__":
    main()

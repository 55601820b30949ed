"""From what a user gave to a message that can be written: files read, templates rendered, addresses parsed.

Everything that can be wrong with it is found here, before anybody is connected to: a `BadValue`, `TemplateFault` or
`BadData` names the value, the file and the line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from deliverkit.smtp.compose import (
    Attachment,
    BadValue,
    Composed,
    Content,
    Writer,
    compose,
    existing,
    parse_address,
    parse_addresses,
)

LARGEST_FILE = 64 * 1024 * 1024  # octets of one attachment or message
SUBJECT = "Test message from deliverkit"


@dataclass(frozen=True)
class Draft:
    """A message as the user described it. With ``data`` (even empty) subject and bodies are Jinja2 templates.

    ``templates`` are files: .html makes the HTML body, any other the text. ``inline`` pairs a content id with a file.
    """

    header_from: str
    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    reply_to: tuple[str, ...] = ()
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    templates: tuple[Path, ...] = ()
    data: Mapping[str, Any] | None = None
    attachments: tuple[Path, ...] = ()
    inline: tuple[tuple[str, Path], ...] = ()
    headers: tuple[str, ...] = ()
    unsubscribe: str | None = None
    unsubscribe_mailto: str | None = None


@dataclass(slots=True)
class _Bodies:
    subject: str | None
    text: str | None
    html: str | None
    taken: dict[str, str] = field(default_factory=dict)


def content_of(draft: Draft) -> Content:
    """Read the files, render the templates, parse the addresses."""
    bodies = _rendered(draft)
    attached = [Attachment(path.name, read_octets(path)) for path in draft.attachments]
    shown = [Attachment(path.name, read_octets(path), cid=cid) for cid, path in draft.inline]
    header_from = parse_address("--from", draft.header_from)
    to = _addresses("--to", draft.to)
    text = bodies.text
    if text is None and bodies.html is None:
        text = default_text(header_from.domain)
    return Content(
        header_from=header_from,
        to=to,
        cc=_addresses("--cc", draft.cc),
        reply_to=_addresses("--reply-to", draft.reply_to),
        subject=SUBJECT if bodies.subject is None else bodies.subject,
        text=text,
        html=bodies.html,
        attachments=(*shown, *attached),
        headers=tuple(_header(text) for text in draft.headers),
        unsubscribe=draft.unsubscribe,
        unsubscribe_mailto=draft.unsubscribe_mailto,
    )


def default_text(domain: str) -> str:
    """The body of a message whose body nobody gave: it says what it is and that nothing need be done."""
    return (
        f"This is a test message. It was sent with deliverkit to find out whether mail\n"
        f"from {domain} arrives, and what the servers on the way make of it.\n\n"
        "Nothing needs to be done about it, and it may be deleted. The header field\n"
        "X-Deliverkit-Nonce tells it apart from other tests.\n"
    )


def writer_of(content: Content) -> Writer:
    """Writes the content anew for each message of a run: Date, Message-ID and nonce differ."""

    def write(number: int, now: datetime) -> Composed:  # noqa: ARG001 - every message says the same
        return compose(content, now=now)

    return write


def writer_of_file(path: Path) -> tuple[Writer, Composed]:
    """Writes an existing message as it stands, each time the same; and that message."""
    message = existing(str(path), read_octets(path))
    return (lambda number, now: message), message  # noqa: ARG005 - a Writer's parameters


def read_octets(path: Path) -> bytes:
    """A file's content. Raises BadValue when it cannot be read or is too large."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as bad:
        raise BadValue(f"{path}: {getattr(bad, 'strerror', None) or bad}") from None
    if len(content) > LARGEST_FILE:
        raise BadValue(f"{path}: larger than {LARGEST_FILE // 2**20} MB")
    return content


def read_text(path: Path) -> str:
    """A text file as UTF-8, a byte order mark aside."""
    try:
        return read_octets(path).decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        raise BadValue(f"{path}: not UTF-8 text (octet {bad.start})") from None


def _rendered(draft: Draft) -> _Bodies:
    bodies = _Bodies(draft.subject, draft.text, draft.html)
    if draft.templates:
        _render_files(draft, bodies)
    if draft.data is None:
        return bodies
    from deliverkit.smtp.compose.template import render_text

    for name, value, html in (
        ("subject", draft.subject, False),
        ("text", draft.text, False),
        ("html", draft.html, True),
    ):
        if value is not None:
            setattr(bodies, name, render_text(f"--{name}", value, draft.data, html=html))
    return bodies


def _render_files(draft: Draft, bodies: _Bodies) -> None:
    """Each template file gives one body, and the first that sets a subject the subject, unless one was given."""
    from deliverkit.smtp.compose.template import render_file

    for path in draft.templates:
        rendered = render_file(path, draft.data or {})
        name = "html" if rendered.html else "text"
        if getattr(bodies, name) is not None:
            before = bodies.taken.get(name, f"--{name}")
            raise BadValue(f"--template {path}: the {name} body is given already by {before}")
        setattr(bodies, name, rendered.text)
        bodies.taken[name] = str(path)
        if bodies.subject is None and rendered.subject is not None:
            bodies.subject = " ".join(rendered.subject.split())


def _addresses(option: str, texts: Sequence[str]) -> tuple[Any, ...]:
    return tuple(address for text in texts for address in parse_addresses(option, text))


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise BadValue(f"--header {text!r}: expected 'Name: value'")
    return name.strip(), value.strip(" ")

"""List-Unsubscribe (RFC 2369) and List-Unsubscribe-Post (RFC 8058), as they stand in the header.

What this file will not do: follow a link, or say whether a signature covers the fields.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from deliverkit.facts.message.wire import Field, Header

_ANGLED = re.compile(r"<([^<>]*)>")
_ONE_CLICK = re.compile(r"List-Unsubscribe\s*=\s*One-Click", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """The fields taken apart: ``uris`` stand in angle brackets, ``bare`` outside of them.

    ``one_click`` says that exactly one List-Unsubscribe-Post has the value RFC 8058 §3.1 demands.
    """

    fields: tuple[Field, ...]
    posts: tuple[Field, ...]
    uris: tuple[str, ...]
    bare: str
    one_click: bool

    @property
    def https(self) -> tuple[str, ...]:
        """The https: URIs that have a host."""
        return tuple(uri for uri in self.uris if scheme_of(uri) == "https" and host_of(uri))

    def to_json(self) -> dict[str, object]:
        """The values alone."""
        return {"uris": self.uris, "post": [field.value for field in self.posts], "one_click": self.one_click}


def read_unsubscribe(header: Header) -> Unsubscribe:
    """Read both fields."""
    fields, posts = header.all("list-unsubscribe"), header.all("list-unsubscribe-post")
    value = ", ".join(field.value for field in fields)
    uris = tuple(re.sub(r"\s+", "", match[1]) for match in _ANGLED.finditer(value))
    bare = re.sub(r"\([^()]*\)", " ", _ANGLED.sub(" ", value)).replace(",", " ").strip()
    one_click = len(posts) == 1 and _ONE_CLICK.fullmatch(posts[0].value.strip()) is not None
    return Unsubscribe(fields, posts, uris, bare, one_click)


def scheme_of(uri: str) -> str:
    """The scheme, lower case; "" where there is none."""
    head, colon, _ = uri.partition(":")
    return head.lower() if colon and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", head) else ""


def host_of(uri: str) -> str:
    """The host of a URI, lower case; "" where there is none or the URI is damaged."""
    try:
        return (urlsplit(uri).hostname or "").lower()
    except ValueError:
        return ""

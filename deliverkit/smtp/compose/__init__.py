"""Composing messages, wire-exact: addresses, header fields, MIME parts, templates.

`compose` writes a message from `Content`; `existing` puts an .eml file into wire form. Both give a `Composed`, ready to
be signed. Nothing here opens a socket.
"""

from deliverkit.smtp.compose.address import Address, parse_address, parse_addresses
from deliverkit.smtp.compose.existing import existing, recipients
from deliverkit.smtp.compose.message import NONCE, Composed, Content, Writer, compose
from deliverkit.smtp.compose.mime import Attachment, PartSize, media_type
from deliverkit.smtp.compose.values import BadValue

__all__ = [
    "NONCE",
    "Address",
    "Attachment",
    "BadValue",
    "Composed",
    "Content",
    "PartSize",
    "Writer",
    "compose",
    "existing",
    "media_type",
    "parse_address",
    "parse_addresses",
    "recipients",
]

"""The sink: an SMTP server that captures, verifies and shows.

async with Sink(world=world) as sink:
    …send to sink.smtp_address…
    message = await sink.wait_for(lambda m: "welcome" in m.subject, timeout=5)
    assert message.report.verdict == "pass"
"""

from deliverkit.sink.export import ExportError
from deliverkit.sink.inbox import Bounds, Inbox
from deliverkit.sink.judging import Judging
from deliverkit.sink.message import CapturedMessage
from deliverkit.sink.reception import Credentials, Limits
from deliverkit.sink.server import Address, ListenError, Sink
from deliverkit.sink.stores import StoreError
from deliverkit.sink.tls import TlsError, TlsFiles, private_tls

__all__ = [
    "Address",
    "Bounds",
    "CapturedMessage",
    "Credentials",
    "ExportError",
    "Inbox",
    "Judging",
    "Limits",
    "ListenError",
    "Sink",
    "StoreError",
    "TlsError",
    "TlsFiles",
    "private_tls",
]

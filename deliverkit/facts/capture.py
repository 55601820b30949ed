"""What the sink saw that the message itself no longer shows: the wire, and the conversation around it.

Dots lost to transparency, sequences that pass for the end of data at a careless server, octets that were never
declared, commands out of order, passwords in the clear. All of it is gone once a message lies in a file.

What this file will not do: look for any of it (``smtp/content.py`` and ``sink/session.py`` do), or judge it
(``rules/sink.py`` does).
"""

from __future__ import annotations

from dataclasses import dataclass

from deliverkit.facts.base import Facts
from deliverkit.smtp.content import FaultKind, WireFault


@dataclass(frozen=True, repr=False)
class CaptureFacts(Facts):
    """One message, or one session that ended without any, as it came over the wire.

    ``listener`` is "smtp" (cleartext), "starttls" or "smtps" (implicit TLS). ``octets`` is the size of the
    content, None when the session brought none. ``tls`` is e.g. "TLSv1.3 TLS_AES_256_GCM_SHA384", None in the
    clear. ``mail_from`` is "" for the null reverse-path.
    """

    name: str
    client: str
    listener: str
    helo: str | None
    mail_from: str | None
    rcpt_tos: tuple[str, ...]
    octets: int | None
    tls: str | None
    authenticated_as: str | None
    faults: tuple[WireFault, ...] = ()

    @property
    def subject(self) -> str:
        return self.name

    def of(self, *kinds: FaultKind) -> tuple[WireFault, ...]:
        """The faults of these kinds, in the order in which they were seen."""
        return tuple(fault for fault in self.faults if fault.kind in kinds)

"""A domain as it was observed: one field per protocol, each a facts class of its own room.

What this file will not do: ask anything. The flows that observe stand beside each protocol's facts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from deliverkit.facts.base import Facts, not_asked
from deliverkit.facts.bimi import BimiFacts
from deliverkit.facts.dkim import DkimFacts
from deliverkit.facts.dmarc import DmarcFacts
from deliverkit.facts.host import PortFacts
from deliverkit.facts.mtasts import MtaStsFacts
from deliverkit.facts.mx import MxFacts
from deliverkit.facts.providers import ProvidersFacts
from deliverkit.facts.ptr import PtrFacts
from deliverkit.facts.spf import SpfFacts
from deliverkit.facts.tlsrpt import TlsRptFacts


@dataclass(frozen=True, repr=False)
class DomainFacts(Facts):
    """Everything observed about one domain.

    ``name`` is the A-label form, ``given`` what the user typed. ``parked`` and ``profile`` are the user's word
    on what the domain is for; ``sends_from`` the addresses its mail leaves from.
    """

    name: str
    given: str
    spf: SpfFacts
    dkim: DkimFacts
    dmarc: DmarcFacts
    mx: MxFacts
    ptr: PtrFacts
    tlsrpt: TlsRptFacts
    mtasts: MtaStsFacts
    bimi: BimiFacts
    providers: ProvidersFacts = field(default=not_asked("no providers were looked for"))
    ports: tuple[PortFacts, ...] = field(default=not_asked("no port was probed"))
    parked: bool = False
    profile: str | None = None
    sends_from: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        return self.name

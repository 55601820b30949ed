"""What authentication says about one message, in the words of RFC 8601 §2.7: SPF, DKIM, DMARC, iprev.

These are the facts of ``verify`` and of the sink, and the ``authentication`` object of their JSON. What this file will
not do: evaluate anything; the engine runs the protocols' flows and fills these in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from deliverkit.facts.base import Facts, Missing, not_asked
from deliverkit.facts.message.mutation import Search
from deliverkit.protocols.dkim.verify import Result as DkimWord
from deliverkit.protocols.dkim.verify import SignatureVerdict
from deliverkit.protocols.dmarc.align import Alignment, DmarcResult
from deliverkit.protocols.iprev import Iprev
from deliverkit.protocols.spf.evaluate import CheckResult
from deliverkit.protocols.spf.record import Result as SpfWord


@dataclass(frozen=True, slots=True)
class SpfResult:
    """SPF for one identity. ``identity`` is "mailfrom" or "helo" (RFC 8601 §2.7.2).

    For a null reverse-path the MAIL FROM identity is postmaster@HELO (RFC 7208 §2.4).
    """

    identity: str
    check: CheckResult

    @property
    def result(self) -> SpfWord:
        """none neutral pass fail softfail temperror permerror."""
        return self.check.result

    @property
    def domain(self) -> str:
        """The domain whose record was evaluated."""
        return self.check.domain

    @property
    def reason(self) -> str:
        """Why it ended so, in a sentence."""
        return self.check.reason

    def to_json(self) -> dict[str, Any]:
        """The result first, then what led to it."""
        return {
            "result": self.result,
            "domain": self.domain,
            "identity": self.identity,
            "client_ip": self.check.client_ip,
            "mail_from": self.check.sender,
            "helo": self.check.helo,
            "reason": self.reason,
            "matched": self.check.matched,
            "explanation": self.check.explanation,
            "lookups": self.check.lookups,
            "voids": self.check.voids,
        }


@dataclass(frozen=True, repr=False)
class AuthenticationFacts(Facts):
    """Every authentication result of one message.

    ``spf``, ``helo`` and ``iprev`` are not asked without a client address. ``dkim`` holds one verdict a signature,
    topmost first: it is empty when the message carries none (RFC 8601 would say dkim=none), which `dkim_result` says in
    a word. ``dmarc`` is a missing fact when no aligned DKIM signature passes and SPF could not be told: nobody can say
    more. ``arc`` is None until ARC is evaluated.
    """

    spf: SpfResult
    dkim: tuple[SignatureVerdict, ...]
    dmarc: DmarcResult
    helo: SpfResult = field(default=not_asked("no client address was given"))
    iprev: Iprev = field(default=not_asked("no client address was given"))
    dkim_result: DkimWord = DkimWord.NONE
    unchecked_signatures: int = 0
    unreadable: str | None = None  # why DKIM could not read the header at all
    alignments: tuple[Alignment, ...] = ()  # of the signatures that pass, where a DMARC record applies
    searches: tuple[Search | None, ...] = ()  # for each signature: the search for the cause of its failure
    arc: None = None

    def search(self, number: int) -> Search | None:
        """The search for the cause of the failure of the signature of that number; None where there was none."""
        return self.searches[number] if number < len(self.searches) else None

    def cause(self, number: int) -> str | None:
        """What was proven to have been done to the message after that signature was made."""
        search = self.search(number)
        return search.cause if search else None

    @property
    def passes_dmarc(self) -> bool:
        """True if DMARC passes; False if it does not or nobody can tell."""
        told = self.raw("dmarc")
        return not isinstance(told, Missing) and told.result == "pass"

    def to_json(self) -> dict[str, Any]:
        """The contract's shape: spf, dkim, dmarc, arc; iprev and helo beside them."""
        return {
            "spf": self.raw("spf"),
            "dkim": self._signatures(),
            "dmarc": self.raw("dmarc"),
            "arc": self.arc,
            "iprev": self.raw("iprev"),
            "helo": self.raw("helo"),
        }

    def _signatures(self) -> Any:
        """Each verdict with the change that explains it, and the search for it."""
        if isinstance(self.raw("dkim"), Missing):
            return self.raw("dkim")
        told = []
        for number, verdict in enumerate(self.dkim):
            search = self.search(number)
            change = search.changes[0] if search and search.changes else None
            told.append({**verdict.to_json(), "change": change, "search": search})
        return told

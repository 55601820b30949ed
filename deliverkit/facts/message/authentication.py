"""What authentication says about one message, in the words of RFC 8601 §2.7: SPF, DKIM, DMARC, iprev.

These are the facts of ``verify`` and of the sink, and the ``authentication`` object of their JSON. What this file will
not do: evaluate anything; the engine runs the protocols' flows and fills these in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from deliverkit.facts.base import Facts, not_asked


@dataclass(frozen=True, slots=True)
class SpfResult:
    """SPF for one identity (RFC 7208 §2.3, §2.4; RFC 8601 §2.7.2).

    ``identity`` is "mailfrom", or "helo" where the reverse-path is null and postmaster@HELO stands for it.
    ``detail`` says which term decided, or why it could not be told.
    """

    result: str  # none neutral pass fail softfail temperror permerror
    domain: str
    identity: str
    client_ip: str
    mail_from: str = ""
    helo: str = ""
    detail: str = ""
    explanation: str = ""
    record: str = ""


@dataclass(frozen=True, slots=True)
class DkimResult:
    """One DKIM signature (RFC 6376 §6; RFC 8601 §2.7.1), in the order they stand in the message.

    ``failure`` names the kind of failure, None on a pass; ``detail`` explains it in a sentence. ``testing`` is the
    key's t=y. ``signed`` are the names in h=, lower case, as often as they stand there.
    """

    result: str  # pass fail policy neutral temperror permerror
    domain: str
    selector: str
    identity: str = ""
    algorithm: str = ""
    canonicalization: str = ""
    failure: str | None = None
    detail: str = ""
    key_bits: int | None = None
    testing: bool = False
    body_length: int | None = None  # l=
    signed: tuple[str, ...] = ()
    aligned: bool | None = None  # with the Author Domain; None: not told
    line: int = 0


@dataclass(frozen=True, slots=True)
class DmarcResult:
    """DMARC for the message (RFC 9989 §5.3): none pass fail temperror permerror.

    ``policy`` is the policy that applies to the Author Domain (after ``t=y`` it is still the one published), ``domain``
    where its record stands, ``by`` the aligned identifiers that passed ("spf example.com").
    """

    result: str
    header_from: str
    policy: str | None = None
    domain: str | None = None
    testing: bool = False
    by: tuple[str, ...] = ()
    spf_aligned: bool | None = None
    dkim_aligned: bool | None = None
    record: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class IprevResult:
    """Reverse DNS of the client, and back (RFC 8601 §3)."""

    result: str  # pass fail temperror permerror
    address: str
    host: str = ""
    detail: str = ""


@dataclass(frozen=True, repr=False)
class AuthenticationFacts(Facts):
    """Every authentication result of one message.

    ``dkim`` is empty when the message carries no signature (RFC 8601 would say dkim=none). ``spf`` and ``iprev`` are
    not asked without a client address. ``dmarc`` is a missing fact when no aligned DKIM signature passes and SPF could
    not be told: without it nobody can say more. ``arc`` is None until ARC is evaluated.
    """

    spf: SpfResult
    dkim: tuple[DkimResult, ...]
    dmarc: DmarcResult
    iprev: IprevResult = field(default=not_asked("no --client-ip was given"))
    helo: SpfResult = field(default=not_asked("no --client-ip was given"))
    arc: Any = None

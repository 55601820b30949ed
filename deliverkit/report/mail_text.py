"""MX hosts, reverse names and authentication results as lines of text. Pure text, no opinion."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deliverkit.facts.base import Missing
from deliverkit.facts.mx import MxFacts, MxHost
from deliverkit.facts.ptr import IprevFacts, PtrFacts
from deliverkit.flow import Answer
from deliverkit.report.plain import columns, fold, plain

if TYPE_CHECKING:  # reading a message is heavy, and an audit reads none
    from deliverkit.facts.message.authentication import AuthenticationFacts
    from deliverkit.protocols.dmarc.align import DmarcResult


def mx_lines(facts: MxFacts, width: int = 100) -> list[str]:
    """The hosts that take the domain's mail, best preference first, with their addresses."""
    if not facts.answer.known:
        return fold(plain(facts.answer.why()), width)
    if facts.null:
        return ["null MX: the domain takes no mail (RFC 7505)"]
    if not facts.hosts:
        return [f"{facts.answer.status}: no MX record, and no address to fall back on"]
    lines = ["no MX record: mail goes to the domain's own address (RFC 5321 §5.1)"] if facts.implicit else []
    rows = [(str(host.preference), plain(host.name), ", ".join(_addresses(host))) for host in facts.hosts]
    return lines + columns(rows, width)


def _addresses(host: MxHost) -> list[str]:
    told = [answer for answer in (host.raw("a"), host.raw("aaaa")) if isinstance(answer, Answer)]
    found = [plain(str(address)) for answer in told for address in answer.records]
    failed = [plain(answer.why()) for answer in told if not answer.known]
    return [*found, *failed] or ["no address"]


def ptr_lines(facts: PtrFacts, width: int = 100) -> list[str]:
    """Each address, its reverse names, and whether they lead back to it (RFC 8601 §3)."""
    seen = [
        entry for name in ("senders", "hosts") if not isinstance(facts.raw(name), Missing) for entry in facts.raw(name)
    ]
    return columns([(entry.address, entry.outcome.value, _names(entry)) for entry in seen], width)


def _names(entry: IprevFacts) -> str:
    names = ", ".join(plain(name.name) for name in entry.names)
    return f"{names}{f' (MX host {plain(entry.host)})' if entry.host else ''}" or plain(entry.reason)


def authentication_lines(facts: AuthenticationFacts, width: int = 100) -> list[str]:
    """SPF, each DKIM signature, DMARC and iprev with their results and what decided them."""
    rows: list[tuple[str, str, str]] = []
    rows.append(("spf", *_told(facts.raw("spf"), lambda spf: (f"{spf.identity} {spf.domain}", spf.reason))))
    signatures = facts.raw("dkim")
    if isinstance(signatures, Missing):
        rows.append(("dkim", *_told(signatures, lambda _: ())))
    else:
        causes = [facts.cause(number) for number in range(len(signatures))]
        for one, cause in zip(signatures, causes, strict=True):
            why = cause or one.detail
            rows.append(
                ("dkim", one.result, plain("; ".join(filter(None, (f"d={one.domain} s={one.selector}", why.strip())))))
            )
        rows += [] if signatures else [("dkim", "none", "the message carries no signature")]
    rows.append(("dmarc", *_told(facts.raw("dmarc"), lambda d: (_dmarc(d), d.why))))
    rows.append(("iprev", *_told(facts.raw("iprev"), lambda i: (i.reason,))))
    return columns(rows, width)


def _told(result: Any, parts: Callable[[Any], tuple[str, ...]]) -> tuple[str, str]:
    """A result's word and what is worth saying about it; for a missing one the reason."""
    if isinstance(result, Missing):
        return ("unknown" if result.asked else "not asked"), plain(result.reason)
    return result.result, plain("; ".join(part.strip() for part in parts(result) if part.strip()))


def _dmarc(result: DmarcResult) -> str:
    by = f", aligned by {result.identifier.method}" if result.identifier else ""
    policy = f", policy {result.policy} of {result.domain}" if result.policy else ""
    return f"From {result.header_from}{policy}{by}"

"""What receivers of the old school find: RFC 7489 with the public suffix list, beside the tree walk of RFC 9989.

RFC 9989 replaced the list by the walk in 2026; receivers move over one by one, so for years a domain is judged by both.
`by_suffix_list` says which Organizational Domain and which record the list leads to and whether that differs;
`suffix_alignment` does the same for the identifiers of one message. The list comes with the package publicsuffixlist,
an optional extra: without it nothing is compared, and nothing else changes. Nothing here touches the network.

What this file will not do: read a record as RFC 7489 wrote it (pct, ri); only the way to the record is compared.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deliverkit.flow import Flow, ask
from deliverkit.protocols.dmarc.discover import Discovery, step_of
from deliverkit.protocols.dmarc.record import DmarcRecord

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

LACKING = "the public suffix list is not installed: pip install 'deliverkit[psl]'"
"""Why there is no comparison, and how to get one."""


def available() -> bool:
    """Whether the extra ``psl`` is installed."""
    try:
        import publicsuffixlist  # noqa: F401
    except ImportError:
        return False
    return True


@functools.lru_cache(maxsize=64)
def _below(top: str, encoded: bool) -> PublicSuffixList:
    """The rules of the list below one top-level domain (an A-label), with their A-labels where ``encoded``.

    Reading all ten thousand rules takes the library a tenth of a second, longer than a small audit; those of one
    top-level domain take a few milliseconds, and no other rule can match (https://publicsuffix.org/list).
    """
    from publicsuffixlist import PublicSuffixList

    try:  # the list is written in U-labels
        shown = top.encode("ascii").decode("idna") if encoded else top
    except UnicodeError:
        shown = top
    return PublicSuffixList(source="\n".join(_ending_in(shown)), accept_encoded_idn=encoded)


def _ending_in(top: str) -> Iterator[str]:
    """The lines of the list that are this label or end in it; comments among them are the library's to skip."""
    text = _text()
    yield from [top] * (f"\n{top}\n".encode() in text)
    tail = f".{top}\n".encode()
    place = text.find(tail)
    while place >= 0:
        yield text[text.rfind(b"\n", 0, place) + 1 : place + len(tail) - 1].decode("utf-8", "replace")
        place = text.find(tail, place + len(tail))


@functools.cache
def _text() -> bytes:
    """The list that came with the package."""
    from publicsuffixlist import PSLFILE

    return b"\n" + Path(PSLFILE).read_bytes()


def organizational_domain(domain: str) -> str | None:
    """The registrable domain of a name in A-labels (RFC 7489 §3.2); None for a public suffix. Needs the extra."""
    return _below(domain.rpartition(".")[2].lower(), "xn--" in domain.lower()).privatesuffix(domain)


def _organization(domain: str) -> str:
    """The Organizational Domain; a public suffix stands for itself, as receivers take it."""
    return organizational_domain(domain) or domain


@dataclass(frozen=True, slots=True)
class SuffixAnswer:
    """What RFC 7489 finds for an Author Domain.

    ``org_domain`` is the domain itself when it is a public suffix (``is_suffix``). ``policy`` is the one the record
    asks for, taken from the tag ``taken_from``: p, sp, or rua where only a report address is valid. ``trouble`` says
    why the record could not be told. ``differs`` names what the walk finds otherwise: "organizational domain",
    "record", "policy"; None when that cannot be said.
    """

    domain: str
    org_domain: str
    is_suffix: bool
    record_domain: str | None = None
    record: DmarcRecord | None = None
    policy: str | None = None
    taken_from: str | None = None
    trouble: str | None = None
    differs: tuple[str, ...] | None = ()

    def to_json(self) -> dict[str, object]:
        """The outcome, and what differs from the walk."""
        return {
            "org_domain": self.org_domain,
            "is_suffix": self.is_suffix,
            "record_domain": self.record_domain,
            "policy": self.policy,
            "taken_from": self.taken_from,
            "trouble": self.trouble,
            "differs": self.differs,
        }


def by_suffix_list(discovery: Discovery) -> Flow[SuffixAnswer | None]:
    """The way of RFC 7489 §6.6.3: the Author Domain, else the Organizational Domain, and no third name.

    None without the extra. Asks nothing the walk has asked.
    """
    if not available():
        return None
    domain = discovery.domain
    org_domain = _organization(domain)
    is_suffix = organizational_domain(domain) is None
    step, own = discovery.steps[0], True
    if step.answer.known and not step.records and org_domain != domain:  # step 3: only an empty set goes on
        known, own = discovery.walk.at(org_domain), False
        step = known or step_of(org_domain, (yield from ask(f"_dmarc.{org_domain}", "TXT")), None)
    if not step.answer.known:
        return SuffixAnswer(domain, org_domain, is_suffix, trouble=step.answer.why(), differs=None)
    record = step.record  # step 5: several records end the discovery
    policy, tag = record.asked("p" if own else "sp") if record and record.applies else (None, None)
    where = step.domain if record else None
    differs = _differs(discovery, org_domain, where, policy)
    return SuffixAnswer(domain, org_domain, is_suffix, where, record, policy, tag, differs=differs)


def _differs(
    discovery: Discovery, org_domain: str, record_domain: str | None, policy: str | None
) -> tuple[str, ...] | None:
    if discovery.trouble or discovery.org_domain is None:
        return None
    pairs = {
        "organizational domain": (discovery.org_domain, org_domain),
        "record": (discovery.record_domain, record_domain),
        "policy": (discovery.published, policy),
    }
    return tuple(name for name, (new, old) in pairs.items() if new != old)


@dataclass(frozen=True, slots=True)
class SuffixVerdict:
    """What RFC 7489 makes of one message. ``aligned`` says it for each identifier: method, domain, aligned.

    ``result`` is pass, fail or none; None when the record could not be told.
    """

    answer: SuffixAnswer
    result: str | None
    aligned: tuple[tuple[str, str, bool], ...] = ()

    def to_json(self) -> dict[str, object]:
        """The discovery with the result of the message."""
        return {
            "result": self.result,
            **self.answer.to_json(),
            "aligned": [{"method": method, "domain": domain, "aligned": said} for method, domain, said in self.aligned],
        }


def suffix_verdict(discovery: Discovery, identifiers: Iterable[tuple[str, str]]) -> Flow[SuffixVerdict | None]:
    """The result by the public suffix list for identifiers that passed, each a method and a domain in A-labels."""
    answer = yield from by_suffix_list(discovery)
    if answer is None:
        return None
    if answer.trouble:
        return SuffixVerdict(answer, None)
    if answer.record is None or not answer.record.applies:
        return SuffixVerdict(answer, "none")
    held = tuple((method, name, _aligned(method, name, answer, answer.record)) for method, name in identifiers)
    return SuffixVerdict(answer, "pass" if any(said for _, _, said in held) else "fail", held)


def _aligned(method: str, domain: str, answer: SuffixAnswer, record: DmarcRecord) -> bool:
    """RFC 7489 §3.1: the same name when strict, the same Organizational Domain when relaxed."""
    strict = (record.adkim if method == "dkim" else record.aspf) == "s"
    return domain == answer.domain if strict else _organization(domain) == answer.org_domain

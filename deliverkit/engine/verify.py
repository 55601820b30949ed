"""The verify engine: one message and what is known of its session in, authentication and findings out.

SPF, reverse names and DKIM keys are asked for side by side; DMARC joins what passed. Decisions taken here:

* Without a client address SPF is *not asked*. DMARC then passes by an aligned DKIM signature or is left open: nobody
  could say that it fails.
* Without a given ``mail_from`` the message's Return-Path is taken (a delivering server wrote it, RFC 5321 §4.4), and
  without that the address in From, as most applications send; the report says which.
* A message without any signature has no entry in ``authentication.dkim`` (RFC 8601 would say ``dkim=none``).
* SPF of the HELO name is a result of its own and never reaches DMARC, unless the reverse-path is null and
  postmaster@HELO is the MAIL FROM identity (RFC 7208 §2.4, RFC 9989 §4.4.2).

What this file will not do: know a protocol; every law is a flow of its own room.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from deliverkit.data import selectors
from deliverkit.facts.base import Missing, missing, not_asked
from deliverkit.facts.message import AuthenticationFacts, MessageFacts, SpfResult, read_message
from deliverkit.facts.message.mutation import Search, find_changes
from deliverkit.findings import Inconclusive, Judgement
from deliverkit.flow import Answer, Flow, Question, ask, noting, together
from deliverkit.names import BadName, to_ascii
from deliverkit.protocols.dkim.verify import DkimVerdict, Kind, SignedMessage, judge_signatures
from deliverkit.protocols.dkim.verify import read_message as read_signatures
from deliverkit.protocols.dmarc.align import Alignment, DmarcResult, evaluate, spf_identifier
from deliverkit.protocols.iprev import iprev
from deliverkit.protocols.spf.evaluate import check_host
from deliverkit.protocols.spf.record import Result as Spf
from deliverkit.report.model import Report, Subject
from deliverkit.rules.registry import judge, rules_of
from deliverkit.world import World

if TYPE_CHECKING:
    from deliverkit.world.changes import Changes

T = TypeVar("T")
LARGE = 128 * 1024  # octets from which on work is done in a thread, off the event loop
NO_CLIENT = "no client address was given (--client-ip)"
MOST_OCTETS = 64 * 2**20
MOST_SELECTORS = 40  # names that are asked for another key, where one may have made a signature


@dataclass(frozen=True, repr=False)
class Verification(Report):
    """The report on one message, with its authentication results at hand."""

    message: MessageFacts = field(kw_only=True)

    @property
    def authentication(self) -> AuthenticationFacts:
        """SPF, DKIM, DMARC, iprev in RFC 8601's words."""
        return self.message.authentication


async def verify(
    raw: bytes,
    *,
    world: World,
    client_ip: str | None = None,
    helo: str | None = None,
    mail_from: str | None = None,
    profile: str | None = None,
    smtputf8: bool | None = None,
    name: str = "message",
    progress: Callable[[str], None] | None = None,
) -> Verification:
    """Verify one message. ``raw`` are its octets, untouched; ``mail_from`` is "" or "<>" for the null reverse-path.

    ``smtputf8`` says whether MAIL declared SMTPUTF8, where that is known.

    Raises ValueError if ``client_ip`` is no IP address or the message is larger than 64 MB.
    """
    if len(raw) > MOST_OCTETS:
        raise ValueError(f"{name}: {len(raw):,} octets; {MOST_OCTETS:,} is the most that is verified")
    known = {"client_ip": _address(client_ip), "helo": helo, "profile": profile, "smtputf8": smtputf8}
    world = world.scene("verify", name, {**known, "mail_from": mail_from}, message=raw)
    started, began, say = world.now(), time.monotonic(), progress or (lambda _: None)
    say(f"{name}: reading {len(raw):,} octets")
    read = partial(read_message, raw, name=name, now=started, **known)
    message = _with_mail_from(await _work(read, len(raw)), mail_from)
    say(f"{name}: SPF, DKIM, DMARC")
    heard: dict[Question, Answer] = {}
    rules = rules_of("message")

    async def judged(here: World, signed: _Signatures | None = None) -> tuple[MessageFacts, Judgement, _Signatures]:
        authentication, signed = await _authenticate(message, here, heard, signed)
        told = message.with_authentication(authentication)
        return told, await _work(lambda: judge(told, rules), len(raw)), signed

    told, judgement, signatures = await judged(world.with_budget())
    report = Verification(
        subject=Subject("message", name, _remark(message)),
        vantage=world.vantage,
        started=started,
        elapsed_s=0.0,
        facts={"authentication": told.authentication, "message": told},
        message=told,
    ).judged_by(judgement)
    if report.changes_dns:
        from deliverkit.engine.rejudge import Trial, with_outcomes

        async def again(here: World, changes: Changes) -> Trial:
            untouched = changes.names.isdisjoint(signatures.key_names)
            tried, outcome, _ = await judged(here, signatures if untouched else None)
            return Trial(outcome, _measured(tried.authentication))

        now = Trial(judgement, _measured(told.authentication))
        report = await with_outcomes(report, now, again, world=world, known=dict(heard), rules=rules)
    world.ended(interrupted=False)
    return replace(report, elapsed_s=round(time.monotonic() - began, 3))


def _measured(authentication: AuthenticationFacts) -> dict[str, str]:
    """The results that a change of DNS may change, those that are known."""
    results = {"SPF": authentication.raw("spf"), "DMARC": authentication.raw("dmarc")}
    return {name: str(result.result) for name, result in results.items() if not isinstance(result, Missing)}


def _remark(message: MessageFacts) -> str | None:
    """What was assumed about the message, for people."""
    remarks = []
    if message.converted:
        remarks.append("stored with local line ends; verified with CRLF, as it travels")
    if message.client_ip is not None and message.mail_from_source in ("Return-Path", "From"):
        remarks.append(f"reverse-path <{message.mail_from}> taken from {message.mail_from_source}")
    return "; ".join(remarks) or None


def unverified(name: str, why: str, world: World) -> Report:
    """The report on a message that could not be verified at all."""
    nothing = Inconclusive("verify", name, why, decisive=True)
    world = world.given_up("verify", name, why)
    return Report(Subject("message", name), world.vantage, world.now(), 0.0, inconclusive=(nothing,))


async def _work(task: Callable[[], T], octets: int) -> T:
    """Do work in place for a small message, in a thread for a large one."""
    return await asyncio.to_thread(task) if octets > LARGE else task()


def _address(client_ip: str | None) -> str | None:
    """The client's address in canonical form. Raises ValueError."""
    import ipaddress

    return None if client_ip is None else str(ipaddress.ip_address(client_ip.strip().strip("[]")))


def _with_mail_from(message: MessageFacts, given: str | None) -> MessageFacts:
    """The reverse-path: given, or taken from Return-Path, or from From."""
    if given is not None:
        return message.told(mail_from=given.strip().removeprefix("<").removesuffix(">"), mail_from_source="given")
    path = message.header.value("return-path")
    if path is not None and path.startswith("<") and path.endswith(">"):
        return message.told(mail_from=path[1:-1].strip(), mail_from_source="Return-Path")
    author = next((mailbox.address for mailbox in message.authors if mailbox.domain), None)
    return message.told(mail_from=author, mail_from_source="From") if author else message


class _Signatures(NamedTuple):
    """What the signatures of a message came to, and the names their keys stand at."""

    key_names: tuple[str, ...]
    verdict: DkimVerdict
    searches: tuple[Search | None, ...]


async def _signatures(message: MessageFacts, world: World, heard: dict[Question, Answer]) -> _Signatures:
    """Ask for the keys and do the arithmetic."""
    octets = message.octets
    signed = await _work(partial(read_signatures, octets), len(octets))
    answers = await world.run(noting(together(*(ask(name, "TXT") for name in signed.key_names)), heard))
    told = dict(zip(signed.key_names, answers, strict=True))
    verdict = await _work(partial(judge_signatures, signed, told, now=message.now), len(octets))
    searches = await _causes(message, signed, verdict, told, world, heard)
    return _Signatures(tuple(map(str.lower, signed.key_names)), verdict, searches)


async def _authenticate(
    message: MessageFacts, world: World, heard: dict[Question, Answer], signatures: _Signatures | None = None
) -> tuple[AuthenticationFacts, _Signatures]:
    """Ask for everything side by side, then join it in DMARC. What was ``heard`` is noted.

    ``signatures`` are given where they were verified before and no key changed since.
    """

    async def known_or_verified() -> _Signatures:
        return signatures or await _signatures(message, world, heard)

    spf, helo, reverse, signed = await _side_by_side(
        world,
        world.run(noting(_spf(message, message.now), heard)),
        world.run(noting(_spf_of_helo(message, message.now), heard)),
        world.run(noting(_reverse(message), heard)),
        known_or_verified(),
    )
    dkim = signed.verdict
    dmarc, alignments = await world.run(noting(_dmarc(message, spf, dkim), heard))
    return AuthenticationFacts(
        spf=spf,
        dkim=dkim.signatures,
        dmarc=dmarc,
        helo=helo,
        iprev=reverse,
        dkim_result=dkim.result,
        unchecked_signatures=dkim.unchecked,
        unreadable=dkim.unreadable,
        alignments=alignments,
        searches=signed.searches,
    ), signed


async def _causes(
    message: MessageFacts,
    signed: SignedMessage,
    dkim: DkimVerdict,
    told: Mapping[str, Answer],
    world: World,
    heard: dict[Question, Answer],
) -> tuple[Search | None, ...]:
    """What was done to the message after each signature that fails. Asks for other keys where one may have signed."""
    if all(verdict.kind is None for verdict in dkim.signatures):
        return ()
    from deliverkit.facts.message.mutation.keys import named_keys, other_names

    names = other_names(dkim.signatures, (one.name for one in selectors() if not one.deep))
    answers = await world.run(noting(together(*(ask(name, "TXT") for name in names[:MOST_SELECTORS])), heard))
    keys = named_keys({**told, **dict(zip(names, answers, strict=False))})
    search = partial(find_changes, signed, dkim.signatures, keys=keys, body_line=message.header.body_line)
    return await asyncio.to_thread(search)  # however small the message, the search may be long


async def _side_by_side(world: World, *works: Coroutine[Any, Any, Any]) -> Sequence[Any]:
    """Do works side by side; where the world is told and nobody waits, one after the other, without tasks."""
    if world.told:
        return [await work for work in works]
    return await asyncio.gather(*works)


def _spf(message: MessageFacts, now: datetime) -> Flow[Any]:
    """SPF of the MAIL FROM identity (RFC 7208 §2.4), or the reason why it was not asked."""
    if message.client_ip is None:
        return not_asked(NO_CLIENT)
    if message.mail_from is None:
        return not_asked("no reverse-path is known (--mail-from), and From holds no address")
    helo = message.helo or ""
    domain = spf_identifier(message.mail_from, helo)
    if domain is None:
        return not_asked("the reverse-path is null, and no HELO name was given (--helo)")
    sender = message.mail_from or f"postmaster@{domain}"
    check = yield from check_host(message.client_ip, domain, sender, helo or domain, now=now)
    return SpfResult("mailfrom", check)


def _spf_of_helo(message: MessageFacts, now: datetime) -> Flow[Any]:
    """SPF of the HELO identity (RFC 7208 §2.3), where it is a name and not the MAIL FROM identity already."""
    if message.client_ip is None:
        return not_asked(NO_CLIENT)
    if not message.helo:
        return not_asked("no HELO name was given (--helo)")
    if not message.mail_from:
        return not_asked("the HELO name stands for the null reverse-path")
    try:
        name = to_ascii(message.helo)
    except BadName:
        return not_asked(f"{message.helo} is no host name")
    if "." not in name:
        return not_asked(f"{name} is no full host name")
    check = yield from check_host(message.client_ip, name, f"postmaster@{name}", name, now=now)
    return SpfResult("helo", check)


def _reverse(message: MessageFacts) -> Flow[Any]:
    if message.client_ip is None:
        return not_asked(NO_CLIENT)
    return (yield from iprev(message.client_ip))


def _dmarc(message: MessageFacts, spf: Any, dkim: DkimVerdict) -> Flow[tuple[Any, tuple[Alignment, ...]]]:
    """DMARC of the Author Domain from the identifiers that passed, and those that could not be told."""
    if message.header_from is None:
        return DmarcResult("permerror", "", None, None, "there is no single Author Domain in From"), ()
    told = spf if isinstance(spf, SpfResult) else None
    outcome = yield from evaluate(
        message.header_from,
        dkim.authenticated_domains,
        told.domain if told and told.result is Spf.PASS else None,
        dkim_domains_unknown=[v.domain for v in dkim.signatures if v.kind is Kind.DNS],
        spf_domain_unknown=told.domain if told and told.result is Spf.TEMPERROR else None,
    )
    if told is None and outcome.result == "fail":
        dkim_says = outcome.why if outcome.dkim else "no DKIM signature passes that counts"
        why = f"DMARC of {message.header_from}: {dkim_says}, and SPF is unknown: {spf.reason}"
        return missing(why), outcome.dkim
    return outcome, outcome.dkim

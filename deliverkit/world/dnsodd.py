"""DNS responses of any shape, read by dnspython: what `dnsplain` does not dare to judge.

Extended errors (RFC 8914), truncation, odd response codes, rare types, records out of order, damage. Nothing that a
server sends raises here: it becomes a `Said` with ``problem`` set. Imported when the first such response comes, since
dnspython takes longer to load than most audits take.
"""

from __future__ import annotations

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from deliverkit.flow import Question
from deliverkit.world.dnsmessage import BadQuestion, type_number
from deliverkit.world.dnsplain import MAX_CHAIN, Said
from deliverkit.world.values import join_labels, plain_value, split_labels


def wire_name(text: str) -> dns.name.Name:
    """The name in dnspython's form. Raises BadQuestion when it can be no DNS name."""
    labels = split_labels(text)
    if labels is None:
        raise BadQuestion(text)
    return dns.name.Name([*labels, b""])


def read_odd(octets: bytes, question: Question) -> Said | None:
    """Read a response; None when it answers another question and must be ignored."""
    try:
        message = dns.message.from_wire(octets, ignore_trailing=True, raise_on_truncation=False)
    except dns.message.Truncated:
        return Said(truncated=True)
    except Exception as bad:  # whatever a hostile server sends must end as a value
        truncated = len(octets) >= 3 and bool(octets[2] & 0x02)
        return Said(truncated=True) if truncated else Said(problem=f"no DNS message ({type(bad).__name__}: {bad})")
    if message.opcode() != dns.opcode.QUERY:
        return Said(problem=f"opcode {message.opcode()}")
    if not _matches(message, question):
        return None
    return said_by(message, question)


def said_by(message: dns.message.Message, question: Question) -> Said:
    """What a message says to the question it answers. Never raises."""
    try:
        return _read(message, question)
    except Exception as bad:
        return Said(problem=f"an answer that cannot be read ({type(bad).__name__}: {bad})")


def _matches(message: dns.message.Message, question: Question) -> bool:
    """RFC 5452 §9.1: the question must come back. Error responses may leave it out (RFC 1035 §7.3)."""
    if not message.question:
        return message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
    asked = message.question[0]
    wanted = asked.rdtype == type_number(question.type) and asked.rdclass == dns.rdataclass.IN
    return len(message.question) == 1 and wanted and asked.name == wire_name(question.name)


def _read(message: dns.message.Message, question: Question) -> Said:
    type_ = dns.rdatatype.RdataType.make(type_number(question.type))
    by_owner = {
        (rrset.name, rrset.rdtype): rrset for rrset in message.answer if rrset.rdclass == dns.rdataclass.IN
    }  # dnspython's names compare without case
    name = wire_name(question.name)
    chain: list[dns.name.Name] = []
    seen = {name}
    ttls: list[int] = []
    found: dns.rrset.RRset | None = None
    loop = False
    while (found := by_owner.get((name, type_))) is None:
        alias = by_owner.get((name, dns.rdatatype.CNAME))
        if alias is None:
            break
        name = alias[0].target
        ttls.append(alias.ttl)
        if name in seen or len(chain) >= MAX_CHAIN:
            loop = True
            break
        seen.add(name)
        chain.append(name)
    if found is not None:
        ttls.append(found.ttl)
    ttl = min(ttls, default=None) if found is not None else _negative_ttl(message)
    return Said(
        rcode=dns.rcode.to_text(message.rcode()),
        records=tuple(plain_value(rdata) for rdata in found) if found is not None else (),
        ttl=ttl,
        aliases=tuple(_text(target) for target in chain),
        name=_text(name),
        complete=found is not None or not chain or _says_no(message),
        truncated=bool(message.flags & dns.flags.TC),
        authentic=bool(message.flags & dns.flags.AD),
        lame=found is None and not chain and _is_lame(message),
        loop=loop,
        extended_errors=_extended_errors(message),
    )


def _says_no(message: dns.message.Message) -> bool:
    """True if the server resolved the whole chain and found nothing at its end (RFC 2308 §2.1, §2.2)."""
    if message.rcode() != dns.rcode.NOERROR:
        return True
    return any(rrset.rdtype == dns.rdatatype.SOA for rrset in message.authority)


def _is_lame(message: dns.message.Message) -> bool:
    """Neither authoritative nor recursive, and nothing but a referral: ask somebody else (RFC 2308 §2.2)."""
    if message.rcode() != dns.rcode.NOERROR or message.flags & (dns.flags.AA | dns.flags.RA):
        return False
    return not any(rrset.rdtype == dns.rdatatype.SOA for rrset in message.authority)


def _negative_ttl(message: dns.message.Message) -> int | None:
    """How long "no" may be remembered: the lesser of the SOA's TTL and its minimum (RFC 2308 §5)."""
    return next(
        (min(rrset.ttl, rrset[0].minimum) for rrset in message.authority if rrset.rdtype == dns.rdatatype.SOA), None
    )


def _extended_errors(message: dns.message.Message) -> tuple[tuple[int, str], ...]:
    """RFC 8914 codes with their texts."""
    return tuple(
        (int(option.code), str(option.text or ""))
        for option in message.options
        if isinstance(option, dns.edns.EDEOption)
    )


def _text(name: dns.name.Name) -> str:
    return join_labels([label for label in name.labels if label])

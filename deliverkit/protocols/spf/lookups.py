"""The lookups of one check_host: asked, answered, and counted against the limits (RFC 7208 §4.6.4, §5).

Void lookups. The RFC counts an answer without records against the domain, and asks AAAA for an IPv6 client. By the
letter, three mail hosts that have A records only make the record a permerror for IPv6 clients alone. Receivers differ
here. Our result counts a host as void when it has addresses of *neither* family; the letter's count stands beside it as
``voids_strict``, and ``strict_voids=True`` evaluates by it. Names found by ``ptr`` belong to whoever runs the reverse
zone, so they count in neither.

What this file will not do: know what a mechanism means.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import TypeAlias

from deliverkit.flow import Answer, Flow, Question, Status, together
from deliverkit.protocols.spf.address import Client, parse_ip4, parse_ip6
from deliverkit.protocols.spf.macro import NAME_OCTETS
from deliverkit.protocols.spf.record import Result

Tell: TypeAlias = Callable[[Question], Answer]

MAX_LOOKUPS = 10  # RFC 7208 §4.6.4, terms that query DNS, over the whole evaluation
MAX_VOIDS = 2  # §4.6.4
MAX_HOSTS = 10  # §4.6.4, address lookups for one mx; names considered for one ptr

OK, NODATA = Status.OK, Status.NODATA
_LABELS = re.compile(r"[^.]{1,63}(?:\.[^.]{1,63})*")


def askable(name: str) -> bool:
    """True if a DNS query can be composed: labels of 1 to 63 octets, 253 in all (RFC 1035 §2.3.4)."""
    return len(name) <= NAME_OCTETS and name.isascii() and _LABELS.fullmatch(name) is not None


def question_about(name: str, type_: str) -> Question | None:
    """The question for a name; None if no query can carry it."""
    return _question(name, type_) if len(name) <= NAME_OCTETS else None


@functools.lru_cache(maxsize=16_384)
def _question(name: str, type_: str) -> Question | None:
    return Question(name.lower(), type_) if askable(name) else None


def ask_name(name: str, type_: str) -> Flow[Answer]:
    """Ask; a name that no query can carry does not exist (RFC 7208 §4.8 leaves it open)."""
    question = question_about(name, type_)
    answer: Answer = (yield question) if question else no_name(name, type_)
    return answer


@functools.lru_cache(maxsize=4096)
def mail_hosts(records: tuple[tuple[int, str], ...]) -> tuple[str, ...]:
    """The hosts of MX records in their order of preference; a null MX names none (RFC 7505)."""
    return tuple([host for _, host in sorted(records) if host != "."])


def no_name(name: str, type_: str) -> Answer:
    detail = "a name that no DNS query can carry (RFC 1035 §2.3.4)"
    return Answer(Question(name, type_), Status.NXDOMAIN, detail=detail)


class Ended(Exception):
    """The evaluation of a record ends here, with permerror or temperror."""

    def __init__(self, result: Result, reason: str) -> None:
        super().__init__(reason)
        self.result = result
        self.reason = reason


def permerror(reason: str) -> Ended:
    return Ended(Result.PERMERROR, reason)


class Lookups:
    """The void lookups of one check_host, over all the records it enters, and the answers of the term at hand."""

    def __init__(self, client: Client, strict: bool) -> None:
        self.client = client
        self.four = client.family == 4
        self.strict = strict  # the void lookups that count are those of the RFC's letter
        self.voids = 0
        self.voids_strict = 0
        self.unanswered = ""
        self.answers: list[Answer] = []
        self._validated: tuple[str, ...] | None = None

    def asked(self, name: str, type_: str, question: Question | None) -> Flow[Answer]:
        """One question of the term at hand, which may be ready; no answer is temperror (§5)."""
        question = question or question_about(name, type_)
        answer: Answer = (yield question) if question else no_name(name, type_)
        self.answers.append(answer)
        self.require(answer)
        return answer

    def require(self, answer: Answer) -> None:
        if answer.status is not OK and not answer.known:
            self.unanswered = self.unanswered or answer.why()
            raise Ended(Result.TEMPERROR, f"{answer.why()} (RFC 7208 §5)")

    def addresses(self, name: str) -> Flow[tuple[Answer, Answer | None]]:
        """The client's family (§5), and the other one if the name exists without addresses of the first."""
        wanted = "A" if self.four else "AAAA"
        question = question_about(name, wanted)
        found: Answer = (yield question) if question else no_name(name, wanted)
        return found, (yield from self.other_family(name)) if found.status is NODATA else None

    def other_family(self, name: str) -> Flow[Answer]:
        """Ask for the addresses of the other family."""
        return ask_name(name, "AAAA" if self.four else "A")

    def compare(self, shifts: tuple[int, int], found: Answer, other: Answer | None) -> str | None:
        """Look at one host's addresses: temperror, a void lookup, or the address that matches.

        ``shifts`` says for IPv4 and IPv6 how many bits of an address do not count.
        """
        self.answers.append(found)
        if found.status is not OK:
            self.require(found)
        if not found.records:
            self.void(found, other)
        if self.four and not shifts[0]:  # an IPv4 address has one spelling
            text = self.client.text
            return text if text in found.records else None
        parse, shift = (parse_ip4, shifts[0]) if self.four else (parse_ip6, shifts[1])
        client = self.client.number
        for text in found.records:
            number = parse(text)
            if number is not None and (number ^ client) >> shift == 0:
                return str(text)
        return None

    def void(self, answer: Answer, other: Answer | None = None) -> None:
        """§4.6.4: count an empty answer, and end at the third."""
        if not askable(answer.question.name):
            return
        self.voids_strict += 1
        if other is None or other.status in (Status.NODATA, Status.NXDOMAIN):
            self.voids += 1
        if (self.voids_strict if self.strict else self.voids) > MAX_VOIDS:
            raise permerror(f"{answer.question} is the third lookup that found nothing (RFC 7208 §4.6.4)")

    def validated_names(self) -> Flow[tuple[str, ...]]:
        """§5.5: of the first ten PTR names, those whose addresses hold the client. DNS errors skip, not fail."""
        if self._validated is not None:
            return self._validated
        client = self.client
        answer = yield from ask_name(client.reverse_name, "PTR")
        self.answers.append(answer)
        if answer.known and not answer.records:
            self.void(answer)
        names = [str(name).lower().removesuffix(".") for name in answer.records[:MAX_HOSTS]]
        forward = yield from together(*(ask_name(name, client.question) for name in names))
        self.answers.extend(forward)
        parse = parse_ip4 if client.family == 4 else parse_ip6
        self._validated = tuple(
            name
            for name, addresses in zip(names, forward, strict=True)
            if any(parse(text) == client.number for text in addresses.records)
        )
        return self._validated

"""What a test can assert of a captured message: header fields, DKIM and why it fails, alignment, one-click unsubscribe.

Each assertion raises AssertionError with what was found instead, and returns what it looked at. What this file will
not do: verify, or repeat a judgement of the rules; it reads the verification that stands.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deliverkit.engine.verify import Verification
    from deliverkit.facts.message import AuthenticationFacts
    from deliverkit.protocols.dkim.verify import SignatureVerdict
    from deliverkit.protocols.dmarc.align import Alignment, DmarcResult

_UNSUBSCRIBE = ("List-Unsubscribe", "List-Unsubscribe-Post")  # RFC 8058 §4: both must be signed
_REMEDY_SPF = "give the sink client_ip=…, or say mail.sent_from(…): from loopback SPF tells nothing"


class Claims(ABC):
    """The assertions of `deliverkit.testing.mail.Mail`."""

    @property
    @abstractmethod
    def summary(self) -> str:
        """The message in one line."""

    @property
    @abstractmethod
    def headers(self) -> tuple[tuple[str, str], ...]:
        """All header fields, decoded."""

    @property
    @abstractmethod
    def verification(self) -> Verification:
        """What the message was verified to be."""

    # -- header fields ----------------------------------------------------------------------------------

    def assert_header(self, name: str, expected: str | re.Pattern[str] | None = None) -> str:
        """The message has this header field: with this value, or one in which the pattern is found. Returns it."""
        __tracebackhide__ = True
        values = [value for given, value in self.headers if given.lower() == name.lower()]
        if not values:
            have = ", ".join(dict.fromkeys(given for given, _ in self.headers)) or "none at all"
            raise AssertionError(f"{self.summary}: no header field {name}; it has {have}")
        for value in values:
            if expected is None or _fits(value, expected):
                return value
        wanted = f"match {expected.pattern!r}" if isinstance(expected, re.Pattern) else f"equal {expected!r}"
        found = "\n".join(f"  {name}: {value!r}" for value in values)
        raise AssertionError(f"{self.summary}: {name} does not {wanted}:\n{found}")

    def assert_no_header(self, name: str) -> None:
        """The message has no header field of this name."""
        __tracebackhide__ = True
        values = [value for given, value in self.headers if given.lower() == name.lower()]
        if values:
            raise AssertionError(f"{self.summary}: there is a header field {name}: {values[0]!r}")

    # -- DKIM -------------------------------------------------------------------------------------------

    def assert_dkim(self, *, domain: str | None = None, selector: str | None = None) -> SignatureVerdict:
        """A DKIM signature passes (of that domain, by that selector). Returns it; a failure says the cause."""
        __tracebackhide__ = True
        facts = self.verification.authentication
        wanted = " ".join(f"{tag}={value}" for tag, value in (("d", domain), ("s", selector)) if value)
        chosen = [
            (number, verdict)
            for number, verdict in enumerate(facts.dkim)
            if (domain is None or verdict.domain.lower() == domain.lower())
            and (selector is None or verdict.selector.lower() == selector.lower())
        ]
        for _, verdict in chosen:
            if verdict.authenticated_domain is not None:  # a pass, and not by a key in testing (RFC 6376 §3.6.1)
                return verdict
        if not facts.dkim:
            raise AssertionError(f"{self.summary}: the message has no DKIM signature{_unreadable(facts)}")
        if not chosen:
            have = _lines(_told(facts, number) for number in range(len(facts.dkim)))
            raise AssertionError(f"{self.summary}: no DKIM signature with {wanted}; there is\n{have}")
        why = _lines(_told(facts, number) for number, _ in chosen)
        raise AssertionError(f"{self.summary}: no DKIM signature{' with ' if wanted else ''}{wanted} passes:\n{why}")

    def assert_dkim_signs(self, *names: str, domain: str | None = None, selector: str | None = None) -> None:
        """One passing DKIM signature covers all these header fields, every instance of them."""
        __tracebackhide__ = True
        self.assert_dkim(domain=domain, selector=selector)
        left: list[str] = []
        for verdict in self._passing(domain, selector):
            open_ = _uncovered(verdict, names)
            if not open_:
                return
            left.append(f"h= of d={verdict.domain} s={verdict.selector} leaves out {', '.join(open_)}")
        raise AssertionError(f"{self.summary}: no passing DKIM signature covers {', '.join(names)}:\n{_lines(left)}")

    def _passing(self, domain: str | None = None, selector: str | None = None) -> list[SignatureVerdict]:
        return [
            verdict
            for verdict in self.verification.authentication.dkim
            if verdict.authenticated_domain is not None
            and domain in (None, verdict.domain)
            and selector in (None, verdict.selector)
        ]

    # -- SPF, DMARC -------------------------------------------------------------------------------------

    def assert_spf(self, result: str = "pass") -> None:
        """SPF of MAIL FROM has this result (RFC 7208 §2.6)."""
        __tracebackhide__ = True
        facts = self.verification.authentication
        found = facts.raw("spf")
        if getattr(found, "result", None) is None:
            raise AssertionError(f"{self.summary}: SPF was not evaluated: {found.reason}; {_REMEDY_SPF}")
        if found.result != result:
            said = f"{found.result} for {found.domain} ({found.reason})"
            raise AssertionError(f"{self.summary}: SPF is {said}, expected {result}")

    def assert_aligned(self, method: Literal["spf", "dkim", "dmarc"] = "dmarc", *, strict: bool = False) -> str:
        """An identifier that passed is aligned with the domain of From (RFC 9989 §4.4). Returns the identifier.

        "dmarc" asks whether DMARC passes, by whichever. ``strict`` asks for the very domain of From, whatever the
        record allows.
        """
        __tracebackhide__ = True
        if method not in ("spf", "dkim", "dmarc"):
            raise ValueError(f'{method!r}: expected "spf", "dkim" or "dmarc"')
        if method == "spf":
            self.assert_spf()
        if method == "dkim":
            self.assert_dkim()
        facts = self.verification.authentication
        found = facts.raw("dmarc")
        if getattr(found, "result", None) is None:
            raise AssertionError(f"{self.summary}: DMARC could not be told: {found.reason}")
        dmarc: DmarcResult = found
        if dmarc.policy is None and dmarc.domain is None:
            record = f'deliverkit_dns.add("_dmarc.{dmarc.header_from}", "TXT", "v=DMARC1; p=none")'
            raise AssertionError(f"{self.summary}: DMARC is {dmarc.result}: {dmarc.why}; add a record: {record}")
        identifiers = self._identifiers(facts, dmarc, method)
        for one in identifiers:
            if one.aligned and (not strict or one.domain.lower() == dmarc.header_from.lower()):
                return one.domain
        how = "strictly aligned" if strict else "aligned"
        seen = _lines(f"{one.method} {one.domain}: {one.why}" for one in identifiers) or f"  {dmarc.why}"
        signatures = _lines(_told(facts, number) for number in range(len(facts.dkim)))
        raise AssertionError(
            f"{self.summary}: no identifier of {method} is {how} with From {dmarc.header_from}"
            f" (DMARC {dmarc.result}):\n{seen}" + (f"\n{signatures}" if signatures else "")
        )

    def _identifiers(self, facts: AuthenticationFacts, dmarc: DmarcResult, method: str) -> list[Alignment]:
        """What passed, by one method or by both."""
        dkim = list(dmarc.dkim or facts.alignments)
        spf = [dmarc.spf] if dmarc.spf is not None else []
        return {"dkim": dkim, "spf": spf}.get(method, [*dkim, *spf])

    # -- everything else --------------------------------------------------------------------------------

    def assert_no_findings(self, severity: str = "error", *, ignore: Iterable[str] = ()) -> None:
        """The rules find nothing of this severity ("error", "warning", "note") or above; ``ignore`` names rules."""
        __tracebackhide__ = True
        from dataclasses import replace

        from deliverkit.report import render

        report = self.verification
        passed_over = set(ignore)
        kept = tuple(f for f in report.findings if f.rule not in passed_over and f.slug not in passed_over)
        report = replace(report, findings=kept)
        if report.exit_status(severity) == 1:
            raise AssertionError(f"\n{render([report], 'text').rstrip()}")

    def assert_unsubscribe(self) -> str:
        """One click unsubscribes (RFC 8058): the fields are right, a passing signature covers them. Returns the URL."""
        __tracebackhide__ = True
        given = self.verification.message.unsubscribe
        faults = []
        if not given.fields:
            faults.append("there is no List-Unsubscribe")
        elif len(given.https) != 1:  # §3.1
            faults.append(f"List-Unsubscribe has {len(given.https) or 'no'} https: links, expected one")
        if not given.posts:
            faults.append("there is no List-Unsubscribe-Post: List-Unsubscribe=One-Click")
        elif not given.one_click:  # §3.1
            values = ", ".join(repr(field.value) for field in given.posts)
            faults.append(f"List-Unsubscribe-Post is {values}, expected 'List-Unsubscribe=One-Click', once")
        if faults:
            raise AssertionError(f"{self.summary}: one click does not unsubscribe:\n{_lines(faults)}")
        self.assert_dkim_signs(*_UNSUBSCRIBE)  # §4
        return given.https[0]


def _fits(value: str, expected: str | re.Pattern[str]) -> bool:
    return expected.search(value) is not None if isinstance(expected, re.Pattern) else value == expected


def _lines(texts: Iterable[str]) -> str:
    return "\n".join(f"  {text}" for text in texts)


def _unreadable(facts: AuthenticationFacts) -> str:
    return f": {facts.unreadable}" if facts.unreadable else ""


def _uncovered(verdict: SignatureVerdict, names: Iterable[str]) -> list[str]:
    """The fields that are not signed, or of which an instance is not."""
    covered = set(verdict.coverage.signed) - set(verdict.coverage.unsigned)
    return [name for name in names if name.lower() not in covered]


def _told(facts: AuthenticationFacts, number: int) -> str:
    """A signature in one line: its result and, where it fails, the proven cause or what is known of it."""
    verdict = facts.dkim[number]
    said = f"d={verdict.domain or '?'} s={verdict.selector or '?'}: {verdict.result}"
    if verdict.testing:
        return f"{said}, but its key says t=y: whoever verifies treats the message as unsigned (RFC 6376 §3.6.1)"
    search = facts.search(number)
    parts = [verdict.detail, facts.cause(number), search.rest if search else None]
    why = "; ".join(part for part in parts if part)
    return f"{said} ({why})" if why else said

"""A message that a test's sink captured: its octets, envelope and parts, what verification makes of it, assertions.

It is verified when a test asks, against the test's DNS of that moment, and again after that changed; what verifies is
imported then, for many tests only wait for a message. What this file will not do: verify by itself
(`deliverkit.sink.judging` does), or assert (`claims` does).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from deliverkit.sink import CapturedMessage, Judging
from deliverkit.testing.claims import Claims

if TYPE_CHECKING:
    from deliverkit.engine.verify import Verification
    from deliverkit.facts.message import MessageFacts
    from deliverkit.testing.dns import ToldDns


@dataclass(frozen=True, slots=True)
class Attachment:
    """One attachment, decoded. ``name`` is "" where it has none; ``type`` is "application/pdf"."""

    name: str
    type: str
    octets: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The octets as UTF-8; what is none is replaced."""
        return self.octets.decode("utf-8", "replace")


class Mail(Claims):
    """One message. ``captured`` is the sink's own value, with transcript, HELO, login and TLS."""

    def __init__(
        self, captured: CapturedMessage, dns: ToldDns, client_ip: str | None = None, profile: str | None = None
    ) -> None:
        self.captured = captured
        self._dns = dns
        self._client_ip = client_ip
        self._profile = profile
        self._verified: tuple[int, Verification] | None = None

    def __repr__(self) -> str:
        return f"<Mail {self.summary}>"

    # -- the envelope -----------------------------------------------------------------------------------

    @property
    def raw(self) -> bytes:
        """The octets as they came, untouched but for transparency (RFC 5321 §4.5.2)."""
        return self.captured.raw

    @property
    def mail_from(self) -> str:
        """The reverse-path, "" for the null one."""
        return self.captured.mail_from

    @property
    def rcpt_tos(self) -> tuple[str, ...]:
        """The recipients of the envelope."""
        return self.captured.rcpt_tos

    @property
    def received(self) -> datetime:
        """When it came, in UTC."""
        return self.captured.received

    @property
    def summary(self) -> str:
        """``<a@example.com> to <b@example.org>: Subject``."""
        return self.captured.summary

    # -- the message ------------------------------------------------------------------------------------

    @functools.cached_property
    def _facts(self) -> MessageFacts:
        from deliverkit.facts.message import read_message

        return read_message(self.raw, name=self.captured.name, now=self.received, smtputf8=None)

    @functools.cached_property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """All header fields as (name, value) in order, unfolded, encoded words decoded (RFC 2047)."""
        from deliverkit.facts.message.words import decode_words

        return tuple((f.name, decode_words(f.value).text) for f in self._facts.header.fields)

    def header(self, name: str) -> str | None:
        """The first header field of this name, in any case; None when there is none."""
        return next(iter(self.header_all(name)), None)

    def header_all(self, name: str) -> tuple[str, ...]:
        """Every header field of this name, in any case."""
        return tuple(value for given, value in self.headers if given.lower() == name.lower())

    @property
    def subject(self) -> str:
        """The decoded Subject, "" when there is none."""
        return self.header("Subject") or ""

    @property
    def text(self) -> str | None:
        """The text/plain body, decoded; None where there is none."""
        return self._facts.text

    @property
    def html(self) -> str | None:
        """The text/html body, decoded; None where there is none."""
        return self._facts.html

    @functools.cached_property
    def attachments(self) -> tuple[Attachment, ...]:
        """The parts that are neither the text nor the HTML of the message, decoded."""
        from deliverkit.facts.message.mime import decoded

        facts = self._facts
        return tuple(
            Attachment(part.filename, part.type, decoded(facts.octets[part.start : part.end], part.encoding))
            for part in facts.mime.attachments
        )

    @property
    def links(self) -> tuple[str, ...]:
        """The targets of all links of HTML and text."""
        return tuple(link.target for link in self._facts.links)

    # -- verification -----------------------------------------------------------------------------------

    def sent_from(self, client_ip: str) -> Mail:
        """The same message as if this address had sent it: what SPF needs, for loopback tells nothing."""
        return Mail(self.captured, self._dns, client_ip, self._profile)

    @property
    def verification(self) -> Verification:
        """What SPF, DKIM, DMARC and the rules say of the message in the test's DNS as it is now."""
        if self._verified is None or self._verified[0] != self._dns.revision:
            self._verified = self._dns.revision, self._verify()
        return self._verified[1]

    def _verify(self) -> Verification:
        from deliverkit import _blocking
        from deliverkit.engine.verify import Verification
        from deliverkit.sink.judging import judged

        judging = Judging(client_ip=self._client_ip, profile=self._profile)
        report = _blocking(judged(self.captured, self._dns.world, judging)).report
        if not isinstance(report, Verification):
            why = "; ".join(reason.reason for reason in report.inconclusive) if report else "no report"
            raise AssertionError(f"{self.summary} could not be verified: {why}")
        return report

"""The assertions: each holds for a good letter, and says what was found instead for a bad one."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from deliverkit.sink import CapturedMessage
from deliverkit.smtp.transcript import Transcript
from deliverkit.testing.dns import ToldDns
from deliverkit.testing.mail import Mail
from tests.testing.letters import KEY, UNSUBSCRIBE, letter


def mail_of(raw: bytes, dns: ToldDns, **more: Any) -> Mail:
    """A letter as the sink would hand it over."""
    captured = CapturedMessage(
        receipt="r-1",
        received=datetime.now(UTC),
        listener="smtp",
        client="127.0.0.1:40000",
        helo="mx.example.com",
        mail_from=more.pop("mail_from", "bounce@example.com"),
        rcpt_tos=("bob@example.org",),
        raw=raw,
        transcript=Transcript("-", "-"),
        id=1,
    )
    return Mail(captured, dns, **more)


def refused(call: Any, *arguments: Any, **more: Any) -> str:
    """The text of an assertion that must fail."""
    with pytest.raises(AssertionError) as bad:
        call(*arguments, **more)
    return str(bad.value)


def test_a_good_letter_passes_everything(dns: ToldDns) -> None:
    """And each assertion returns what it looked at."""
    mail = mail_of(letter(), dns, client_ip="192.0.2.1")
    assert mail.assert_header("subject", "Grüße") == "Grüße"
    assert mail.assert_header("From", re.compile(r"@example\.com")) == "Shop <shop@example.com>"
    mail.assert_no_header("Bcc")
    verdict = mail.assert_dkim(domain="example.com", selector="s1")
    assert verdict.algorithm == "rsa-sha256"
    mail.assert_dkim_signs("List-Unsubscribe", "List-Unsubscribe-Post", "From")
    mail.assert_spf()
    for method in ("spf", "dkim", "dmarc"):
        assert mail.assert_aligned(method, strict=True) == "example.com"  # type: ignore[arg-type]
    assert mail.assert_unsubscribe() == "https://www.example.com/u/8f3ac1"
    mail.assert_no_findings("warning")


def test_header_fields_that_are_not_as_expected(dns: ToldDns) -> None:
    """Absent, another value, unexpectedly there."""
    mail = mail_of(letter(), dns)
    assert "no header field X-Tag; it has DKIM-Signature, From, To, Subject" in refused(mail.assert_header, "X-Tag")
    assert "Subject does not equal 'Hello':\n  Subject: 'Grüße'" in refused(mail.assert_header, "Subject", "Hello")
    assert "does not match '^Re:'" in refused(mail.assert_header, "Subject", re.compile("^Re:"))
    assert "there is a header field To: 'bob@example.org'" in refused(mail.assert_no_header, "To")


def test_a_signature_that_fails_says_the_cause(dns: ToldDns) -> None:
    """What was done to the message is proven by the search for it."""
    footed = letter().replace(b"\r\nHello\r\n", b"\r\nHello\r\n\r\n-- \r\nSent by the list\r\n")
    said = refused(mail_of(footed, dns).assert_dkim)
    assert "no DKIM signature passes:\n  d=example.com s=s1: fail (" in said
    assert re.search(r"added|footer|appended", said), said
    tagged = letter().replace(b"Subject: ", b"Subject: [list] ")
    assert "Subject" in refused(mail_of(tagged, dns).assert_dkim, domain="example.com")


def test_signatures_that_are_not_there_or_count_for_nothing(dns: ToldDns) -> None:
    """None at all, another domain, no key, a key in testing."""
    assert "the message has no DKIM signature" in refused(mail_of(letter(signed=False), dns).assert_dkim)
    mail = mail_of(letter(), dns)
    assert "no DKIM signature with d=example.net; there is\n  d=example.com s=s1: pass" in refused(
        mail.assert_dkim, domain="example.net"
    )
    dns.remove("s1._domainkey.example.com")
    assert "s=s1: permerror (no TXT record at s1._domainkey.example.com" in refused(mail.assert_dkim)
    dns.add("s1._domainkey.example.com", "TXT", KEY.record.replace("v=DKIM1;", "v=DKIM1; t=y;"))
    assert "its key says t=y" in refused(mail.assert_dkim)


def test_fields_that_no_signature_covers(dns: ToldDns) -> None:
    """A field added above a signature that does not oversign it, and one that was never signed."""
    mail = mail_of(b"X-Tag: one\r\n" + letter(), dns)
    said = refused(mail.assert_dkim_signs, "From", "X-Tag")
    assert "no passing DKIM signature covers From, X-Tag:\n  h= of d=example.com s=s1 leaves out X-Tag" in said


def test_spf_needs_an_address(dns: ToldDns) -> None:
    """From loopback nothing can be said; another address fails."""
    mail = mail_of(letter(), dns)
    assert "give the sink client_ip=…, or say mail.sent_from(…)" in refused(mail.assert_spf)
    mail.sent_from("192.0.2.1").assert_spf()
    said = refused(mail.sent_from("198.51.100.1").assert_aligned, "spf")
    assert "SPF is fail for example.com" in said
    mail.sent_from("198.51.100.1").assert_spf("fail")


def test_alignment(dns: ToldDns) -> None:
    """A signature of a subdomain is aligned unless strict; one of a stranger is not."""
    dns.add("s1._domainkey.mail.example.com", "TXT", KEY.record)
    dns.add("s1._domainkey.example.net", "TXT", KEY.record)
    mail = mail_of(letter(domain="mail.example.com"), dns)
    assert mail.assert_aligned("dkim") == "mail.example.com"
    said = refused(mail.assert_aligned, "dmarc", strict=True)
    assert "no identifier of dmarc is strictly aligned with From example.com (DMARC pass):\n  dkim mail.exam" in said
    said = refused(mail_of(letter(domain="example.net"), dns, client_ip="198.51.100.1").assert_aligned)
    assert "no identifier of dmarc is aligned with From example.com (DMARC fail)" in said
    assert "dkim example.net" in said
    with pytest.raises(ValueError, match='expected "spf", "dkim" or "dmarc"'):
        mail.assert_aligned("arc")  # type: ignore[arg-type]


def test_alignment_without_a_policy_says_what_to_add(dns: ToldDns) -> None:
    """Alignment is a word of DMARC: without a record nobody asks for it."""
    dns.remove("_dmarc.example.com")
    said = refused(mail_of(letter(), dns).assert_aligned)
    assert 'add a record: deliverkit_dns.add("_dmarc.example.com", "TXT", "v=DMARC1; p=none")' in said


def test_alignment_that_nobody_could_tell(dns: ToldDns) -> None:
    """A DNS failure is neither."""
    dns.fail("_dmarc.example.com", "TXT", "servfail")
    assert re.search("DMARC (is temperror|could not be told)", refused(mail_of(letter(), dns).assert_aligned))


def test_unsubscribing_by_one_click(dns: ToldDns) -> None:
    """Each part of RFC 8058 that is lacking is named."""
    said = refused(mail_of(letter(""), dns).assert_unsubscribe)
    assert "there is no List-Unsubscribe\n  there is no List-Unsubscribe-Post" in said
    plain = UNSUBSCRIBE.replace("https:", "http:").replace("One-Click", "Yes")
    said = refused(mail_of(letter(plain), dns).assert_unsubscribe)
    assert "has no https: links, expected one" in said
    assert "List-Unsubscribe-Post is 'List-Unsubscribe=Yes'" in said
    assert "no DKIM signature" in refused(mail_of(letter(signed=False), dns).assert_unsubscribe)


def test_findings_fail_with_the_report(dns: ToldDns) -> None:
    """The text is the report; rules can be passed over by id or slug."""
    raw = letter().replace(b"Message-ID: <1@example.com>\r\n", b"")
    mail = mail_of(raw, dns)
    said = refused(mail.assert_no_findings, "warning")
    assert said.startswith("\nmessage 1: ")
    found = {finding.rule for finding in mail.verification.findings}
    mail.assert_no_findings("note", ignore=found)
    mail.assert_no_findings("note", ignore={finding.slug for finding in mail.verification.findings})


def test_it_is_verified_again_when_the_dns_changed(dns: ToldDns) -> None:
    """And not when it did not."""
    mail = mail_of(letter(), dns)
    once = mail.verification
    assert mail.verification is once
    dns.remove("s1._domainkey.example.com")
    assert mail.verification is not once

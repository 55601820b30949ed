"""The plugin's sink and assertions with an application that is not ours: Nodemailer composes, signs and sends.

Nodemailer's default list of signed fields lacks List-Unsubscribe-Post, which RFC 8058 §4 wants signed: the assertion
must find that in mail which is sound otherwise.
"""

from __future__ import annotations

import base64
import re

import pytest

from deliverkit.testing.dns import ToldDns
from deliverkit.testing.running import RunningSink, SinkOptions
from tests.peers.run import script
from tests.peers.signing import DOMAIN, key_pairs, records

RAW = b"From: Ann <ann@example.com>\r\nTo: b@example.org\r\nSubject: as it is\r\n\r\nHello\r\n"


@pytest.mark.peer("nodemailer")
def test_nodemailer() -> None:
    """STARTTLS with a login, two messages over one connection, waited for while the application runs."""
    dns = ToldDns()
    dns.add(DOMAIN, "TXT", "v=spf1 ip4:192.0.2.26 -all")
    dns.add(f"_dmarc.{DOMAIN}", "TXT", "v=DMARC1; p=reject")
    for name, record in records().items():
        dns.add(name, "TXT", record)
    pair = key_pairs()["rsa"]
    options = SinkOptions(tls="starttls", auth="ann@example.com:s3cret word", client_ip="192.0.2.26", profile="bulk")
    with RunningSink(dns, options) as sink:
        assert sink.ca_file is not None
        job = {"host": sink.host, "port": sink.port, "mode": "starttls", "ca": sink.ca_file.read_text()}
        job |= {"user": "ann@example.com", "pass": "s3cret word", "from": "ann@example.com"}
        job |= {"to": "b@example.org", "raw_to": "raw@example.org", "raw": base64.b64encode(RAW).decode()}
        dkim = {"domainName": DOMAIN, "keySelector": pair.selector, "privateKey": pair.pem}
        script("nodemailer_send.js", {**job, "dkim": dkim})
        mail = sink.wait_for(lambda mail: "b@example.org" in mail.rcpt_tos)
        assert sink.wait_for(lambda mail: "raw@example.org" in mail.rcpt_tos).raw == RAW
    mail.assert_header("Subject", re.compile("^Grüße aus Köln"))
    mail.assert_header("Message-ID", re.compile(f"@{re.escape(DOMAIN)}>$"))
    mail.assert_dkim(domain=DOMAIN, selector=pair.selector)
    mail.assert_dkim_signs("From", "To", "Subject", "List-Unsubscribe")
    for method in ("spf", "dkim", "dmarc"):
        assert mail.assert_aligned(method, strict=True) == DOMAIN  # type: ignore[arg-type]
    assert [(one.name, one.octets) for one in mail.attachments] == [("prices ä.csv", b"a;b\n1;2\n")]
    assert mail.html == "<p>Hello,</p><p>Grüße from <b>Köln</b></p>"
    with pytest.raises(AssertionError, match=r"h= of d=example\.com s=r1 leaves out List-Unsubscribe-Post"):
        mail.assert_unsubscribe()

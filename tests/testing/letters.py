"""Letters that the plugin's tests send, signed with the keys of the fixtures, and the DNS in which they verify."""

from __future__ import annotations

import smtplib
from datetime import UTC, datetime
from pathlib import Path

from deliverkit.protocols.dkim.keys import load_private_key
from deliverkit.protocols.dkim.sign import SigningKey, sign
from deliverkit.testing.dns import ToldDns
from deliverkit.testing.running import RunningSink

KEYS = Path(__file__).parents[2] / "fixtures" / "keys"
KEY = load_private_key(KEYS / "test-only-rsa2048.pem")
NOW = datetime.now(UTC)

HEAD = (
    "From: Shop <shop@example.com>\r\nTo: bob@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    "Date: {date}\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n"
)
UNSUBSCRIBE = (
    "List-Unsubscribe: <https://www.example.com/u/8f3ac1>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
)
BODY = (
    'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
    'Content-Type: multipart/alternative; boundary="a"\r\n\r\n--a\r\n'
    "Content-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n--a\r\n"
    "Content-Type: text/html; charset=utf-8\r\n\r\n"
    '<html><body><p>Hello, <a href="https://www.example.com/">shop</a></p></body></html>\r\n--a--\r\n'
    '--b\r\nContent-Type: text/csv; charset=utf-8; name="prices.csv"\r\n'
    'Content-Disposition: attachment; filename="prices.csv"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    "YTtiCjE7Mgo=\r\n--b--\r\n"
)


def letter(more: str = UNSUBSCRIBE, *, domain: str = "example.com", signed: bool = True) -> bytes:
    """A whole message with text, HTML and an attachment, signed by s1 of the domain."""
    head = HEAD.format(date=NOW.strftime("%a, %d %b %Y %H:%M:%S +0000"))
    raw = (head + more + BODY).encode()
    return sign(raw, [SigningKey("s1", domain, KEY)], now=NOW) if signed else raw


def told_dns() -> ToldDns:
    """A DNS in which the letters verify, by DKIM and from 192.0.2.1 by SPF."""
    dns = ToldDns()
    dns.add("example.com", "TXT", "v=spf1 ip4:192.0.2.1 -all")
    dns.add("example.com", "MX", "10 mx.example.com.")
    dns.add("mx.example.com", "A", "192.0.2.1")
    dns.add("1.2.0.192.in-addr.arpa", "PTR", "mx.example.com.")
    dns.add("_dmarc.example.com", "TXT", "v=DMARC1; p=reject; rua=mailto:dmarc@example.com")
    dns.add("s1._domainkey.example.com", "TXT", KEY.record)
    return dns


def send(sink: RunningSink, raw: bytes, mail_from: str = "bounce@example.com") -> None:
    """Send as an application would. Blocking."""
    with smtplib.SMTP(sink.host, sink.port, timeout=20) as client:
        client.sendmail(mail_from, ["bob@example.org"], raw)

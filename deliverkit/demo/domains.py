"""The demo's two domains: a sound one, and a twin with a fault in every room.

Each knows its zone, its keys and what was planted in it. Addresses are those of RFC 5737: nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deliverkit.protocols.dkim.keys import PrivateKey, parse_private_key
from deliverkit.smtp.compose import Content, parse_address
from deliverkit.world.zone import Zone

REVERSE = """\
$ORIGIN 2.0.192.in-addr.arpa.
$TTL 300
@ SOA ns.example. hostmaster.example. 1 7200 3600 1209600 300
25 PTR mx.sound.example.
26 PTR smtp.sound.example.
"""

HEAD = """\
$ORIGIN example.
$TTL 300
@ SOA ns.example. hostmaster.example. 1 7200 3600 1209600 300
@ NS ns.example.
ns A 192.0.2.53
"""

SOUND = """\
$ORIGIN sound.example.
@ MX 10 mx
@ TXT "v=spf1 ip4:192.0.2.25 ip4:192.0.2.26 -all"
mx A 192.0.2.25
mx TXT "v=spf1 a -all"
smtp A 192.0.2.26
smtp TXT "v=spf1 a -all"
_dmarc TXT "v=DMARC1; p=reject; rua=mailto:dmarc@sound.example"
_smtp._tls TXT "v=TLSRPTv1; rua=mailto:tls@sound.example"
"""

TWIN = """\
$ORIGIN twin.example.
@ MX 10 mx
@ MX 20 mx-old
@ TXT "v=spf1 include:_spf.old-relay.example mx -all"
mx A 198.51.100.25
smtp A 198.51.100.26
_dmarc.twin.example TXT "v=DMARC1; p=quarantine; rua=mailto:dmarc@twin.example"
"""


@dataclass(frozen=True)
class Planted:
    """A fault that was put there on purpose, and the rule that must name it."""

    what: str
    rule: str


@dataclass(frozen=True)
class DemoDomain:
    """A domain of the demo: ``signing`` are the private keys by selector, ``published`` those whose records it has."""

    name: str
    mx: str
    submission: str
    sends_from: str
    signing: dict[str, PrivateKey]
    published: dict[str, PrivateKey]
    message: Content
    planted: tuple[Planted, ...] = ()

    def key_files(self, folder: Path) -> dict[str, Path]:
        """The private keys as files, as a user would have them."""
        files = {}
        for selector, key in self.signing.items():
            files[selector] = folder / f"{self.name}-{selector}.pem"
            files[selector].write_bytes(key.secret)
        return files

    def key_records(self) -> str:
        """The published keys as master-file lines, split into strings as TXT demands (RFC 1035 §3.3.14)."""
        lines = []
        for selector, key in self.published.items():
            text = key.record
            strings = " ".join(f'"{text[n : n + 250]}"' for n in range(0, len(text), 250))
            lines.append(f"{selector}._domainkey TXT {strings}\n")
        return "".join(lines)


def sound() -> DemoDomain:
    """The domain as it should be."""
    keys = {"s1": _rsa(), "s2": _ed25519()}
    content = Content(
        header_from=parse_address("demo", "Zoë of Sound <zoe@sound.example>"),
        to=(parse_address("demo", "customer@example.org"),),
        subject="Your order №4711 — thank you",
        text="Dear customer,\n\nthank you for your order. It leaves today.\n\nZoë\n",
        html="<p>Dear customer,</p><p>thank you for your order. It leaves <b>today</b>.</p><p>Zoë</p>\n",
    )
    return DemoDomain("sound.example", "mx.sound.example", "smtp.sound.example", "192.0.2.26", keys, keys, content)


def twin() -> DemoDomain:
    """The same domain after a year of small mistakes."""
    content = Content(
        header_from=parse_address("demo", "Twin <news@twin.example>"),
        to=(parse_address("demo", "customer@example.org"),),
        subject="Your order",
        html='<p>Hello {{ first_name }},</p><p>see <a href="http://localhost:3000/orders">your order</a>.</p>\n',
    )
    return DemoDomain(
        "twin.example",
        "mx.twin.example",
        "smtp.twin.example",
        "198.51.100.26",
        {"s1": _rsa()},
        {"s1": _rsa()},
        content,
        PLANTED,
    )


PLANTED = (
    Planted("a DMARC record whose zone file lacks a final dot", "DMARC003"),
    Planted("an SPF include of a service that is gone", "SPF012"),
    Planted("a signing key that is not the published one", "DKIM024"),
    Planted("an MX host that no longer exists", "MX011"),
    Planted("a sending address without reverse name", "PTR001"),
    Planted("an MX that offers no STARTTLS", "TLS004"),
    Planted("port 587 without STARTTLS, taking passwords in the clear", "TLS002"),
    Planted("port 465 with a certificate that has expired", "TLS010"),
    Planted("mail whose SPF cannot be evaluated", "MSG006"),
    Planted("mail whose signature nobody can verify", "MSG012"),
    Planted("a template placeholder that was not filled in", "MSG100"),
    Planted("a link to the developer's own machine", "MSG130"),
)


def zones(*domains: DemoDomain) -> list[Zone]:
    """The zones of the embedded world."""
    texts = {"sound.example": SOUND, "twin.example": TWIN}
    bodies = "".join(texts[domain.name] + domain.key_records() for domain in domains)
    return [Zone.parse(HEAD + bodies, file="demo.zone"), Zone.parse(REVERSE, file="reverse.zone")]


def _rsa() -> PrivateKey:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return parse_private_key(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _ed25519() -> PrivateKey:
    key = ed25519.Ed25519PrivateKey.generate()
    return parse_private_key(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

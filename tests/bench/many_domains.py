"""Many made-up domains with realistic records, as master-file texts: what `bench_audit_many` serves and audits.

Each domain has a zone of its own; the providers that their SPF records include and the reverse zones are shared. One
in ten has a fault. The same number always makes the same text. What this file will not do: serve anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from functools import cache

DOMAINS = 200
SOA = "@ SOA ns.bench.example. hostmaster.bench.example. 1 7200 3600 1209600 300\n@ NS ns.bench.example.\n"
HEAD = "$ORIGIN {origin}\n$TTL 300\n" + SOA
NETWORKS = ("192.0.2", "198.51.100", "203.0.113")  # RFC 5737

PROVIDERS = {
    "google.com.": """\
_spf TXT "v=spf1 include:_netblocks.google.com include:_netblocks2.google.com include:_netblocks3.google.com ~all"
_netblocks TXT "v=spf1 ip4:35.190.247.0/24 ip4:64.233.160.0/19 ip4:66.102.0.0/20 ip4:66.249.80.0/20 " (
  "ip4:72.14.192.0/18 ip4:74.125.0.0/16 ~all" )
_netblocks2 TXT "v=spf1 ip6:2001:4860:4000::/36 ip6:2404:6800:4000::/36 ip6:2607:f8b0:4000::/36 " (
  "ip6:2800:3f0:4000::/36 ~all" )
_netblocks3 TXT "v=spf1 ip4:172.217.0.0/19 ip4:172.217.32.0/20 ip4:172.253.56.0/21 " (
  "ip4:108.177.96.0/19 ip4:130.211.0.0/22 ~all" )
aspmx.l A 142.250.102.26
aspmx.l AAAA 2a00:1450:4025:401::1a
alt1.aspmx.l A 142.250.153.26
alt1.aspmx.l AAAA 2a00:1450:4013:c16::1a
""",
    "1e100.net.": "rb-in-f26 A 142.250.102.26\nrb-in-f26 AAAA 2a00:1450:4025:401::1a\n"
    "ea-in-f26 A 142.250.153.26\nea-in-f26 AAAA 2a00:1450:4013:c16::1a\n",
    "outlook.com.": """\
spf.protection TXT "v=spf1 ip4:40.92.0.0/15 ip4:40.107.0.0/16 ip4:52.100.0.0/15 ip4:52.102.0.0/16 " (
  "ip4:104.47.0.0/17 ip6:2a01:111:f400::/48 ip6:2a01:111:f403::/49 -all" )
""",
    "sendgrid.net.": """\
@ TXT "v=spf1 ip4:167.89.0.0/17 ip4:208.117.48.0/20 ip4:50.31.32.0/19 include:ab.sendgrid.net ~all"
ab TXT "v=spf1 ip4:149.72.0.0/16 ip4:159.183.0.0/16 ~all"
""",
    "mcsv.net.": """\
servers TXT "v=spf1 ip4:205.201.128.0/20 ip4:198.2.128.0/18 ip4:148.105.8.0/21 ?all"
""",
    "reports.example.": '*._report._dmarc TXT "v=DMARC1"\n',
}  # fmt: skip


@cache
def names(count: int = DOMAINS) -> tuple[str, ...]:
    """The domains to audit, without a final dot."""
    return tuple(f"shop{number:04}.example" for number in range(count))


@cache
def zones(count: int = DOMAINS) -> dict[str, str]:
    """Every zone as origin and text: the root (so that a name outside is NXDOMAIN), providers, domains, reverse."""
    texts = {".": "$ORIGIN .\n$TTL 300\n" + SOA, "bench.example.": HEAD.format(origin="bench.example.")}
    texts["bench.example."] += "ns A 192.0.2.254\n"
    texts.update({origin: HEAD.format(origin=origin) + text for origin, text in PROVIDERS.items()})
    reverse: dict[str, list[str]] = {network: [] for network in NETWORKS}
    for number, name in enumerate(names(count)):
        texts[f"{name}."] = HEAD.format(origin=f"{name}.") + "\n".join(_records(number, name, reverse)) + "\n"
    for network, lines in reverse.items():
        a, b, c = network.split(".")
        origin = f"{c}.{b}.{a}.in-addr.arpa."
        texts[origin] = HEAD.format(origin=origin) + "\n".join(lines) + "\n"
    return texts


def _address(index: int) -> str:
    return f"{NETWORKS[index // 250 % 3]}.{index % 250 + 1}"


def _records(number: int, name: str, reverse: dict[str, list[str]]) -> Iterator[str]:
    """One domain: three in ten at Google, two at Microsoft, the others with mail servers of their own."""
    web = _address(number)
    yield f"@ A {web}\nwww A {web}\n@ AAAA 2001:db8::{number + 1:x}"
    kind = "google" if number % 10 < 3 else "microsoft" if number % 10 < 5 else "own"
    spf = {"google": "include:_spf.google.com", "microsoft": "include:spf.protection.outlook.com", "own": "mx"}[kind]
    if number % 3 == 0:
        spf += " include:sendgrid.net"
    if number % 4 == 0:
        spf += " include:servers.mcsv.net"
    yield from _mx(number, name, kind, reverse)
    yield from _keys(number, kind)
    # faults: a lost include, two SPF records, no DMARC record, a DMARC record without a policy, a key of 1024 bits
    if number % 50 == 7:
        spf += f" include:gone.{name}"
    if number % 50 == 17:
        yield '@ TXT "v=spf1 ~all"'
    yield f'@ TXT "v=spf1 {spf} ip4:{web} {"-all" if number % 2 else "~all"}"'
    yield f'@ TXT "verification={hashlib.sha256(name.encode()).hexdigest()}"'
    policy = ("none", "quarantine", "reject")[number % 3]
    tags = "" if number % 50 == 37 else f"p={policy}; "
    if number % 50 != 27:
        yield f'_dmarc TXT "v=DMARC1; {tags}rua=mailto:dmarc@{name},mailto:agg@reports.example; adkim=s"'
    yield f'_smtp._tls TXT "v=TLSRPTv1; rua=mailto:tls@{name}"'
    yield f'_mta-sts TXT "v=STSv1; id=20261101{number:04}"'
    if number % 5 == 0:
        yield f'default._bimi TXT "v=BIMI1; l=https://{name}/logo.svg; a=https://{name}/mark.pem"'


def _mx(number: int, name: str, kind: str, reverse: dict[str, list[str]]) -> Iterator[str]:
    if kind == "google":
        yield "@ MX 1 aspmx.l.google.com.\n@ MX 5 alt1.aspmx.l.google.com."
        return
    hosts = [f"{name.replace('.', '-')}.mail.protection.outlook.com."] if kind == "microsoft" else ["mx1", "mx2"]
    for place, host in enumerate(hosts):
        yield f"@ MX {10 * (place + 1)} {host if kind == 'own' else 'mx1'}"
    for place, host in enumerate(("mx1", "mx2") if kind == "own" else ("mx1",)):
        address = _address(200 + 2 * number + place)
        yield f"{host} A {address}"
        reverse[address.rpartition(".")[0]].append(f"{address.rpartition('.')[2]} PTR {host}.{name}.")


def _keys(number: int, kind: str) -> Iterator[str]:
    """Two keys: one at the provider's selector or a common one, one of a mailing service."""
    first = {"google": "google", "microsoft": "selector1", "own": "default"}[kind]
    small = number % 50 == 47
    yield f"{first}._domainkey TXT {_key(number * 2, 128 if small else 256)}"
    yield f"{'s1' if number % 3 == 0 else 'k1'}._domainkey TXT {_key(number * 2 + 1, 256)}"


def _key(seed: int, octets: int) -> str:
    """An RSA key record with a made-up modulus, as quoted strings of at most 255 characters."""
    modulus = bytearray(hashlib.shake_256(b"modulus %d" % seed).digest(octets))
    modulus[0] |= 0x80
    modulus[-1] |= 1
    numbers = _der(2, b"\0" + bytes(modulus)) + _der(2, b"\1\0\1")
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    key = base64.b64encode(_der(0x30, algorithm + _der(3, b"\0" + _der(0x30, numbers)))).decode()
    text = f"v=DKIM1; k=rsa; p={key}"
    return " ".join(f'"{text[at : at + 255]}"' for at in range(0, len(text), 255))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x81, size]) if size < 256 else bytes([0x82]) + size.to_bytes(2)
    return bytes([tag]) + length + content

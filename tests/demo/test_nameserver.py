"""The demo's name server, asked by dnspython: an independent client."""

from __future__ import annotations

import socket

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from deliverkit.demo.nameserver import Nameserver
from deliverkit.world.zone import Zone

ZONE = """
$ORIGIN example.com.
@      SOA   ns hostmaster 1 7200 3600 1209600 60
@      MX    10 mx
mx     A     192.0.2.1
alias  CNAME mx.example.net.
sub    NS    ns.sub
*.wild TXT   "here"
big    TXT   "0123456789012345678901234567890123456789012345678901234567890123456789"
$GENERATE 1-40 big TXT "$ 0123456789012345678901234567890123456789012345678901234567890123456789"
"""
OTHER = "$ORIGIN example.net.\nmx A 192.0.2.9\n"


def ask(server: Nameserver, name: str, type_: str, *, tcp: bool = False, edns: bool = True) -> dns.message.Message:
    """Ask with dnspython."""
    query = dns.message.make_query(name, type_, use_edns=edns)
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query, server.host, port=server.port, timeout=5)


def test_answers_of_every_kind() -> None:
    """Records, wildcard, aliases across zones, no data, no name, over UDP and TCP."""
    with Nameserver([Zone.parse(ZONE), Zone.parse(OTHER)]) as server:
        for tcp in (False, True):
            assert (
                ask(server, "example.com", "MX", tcp=tcp).answer[0].to_text()
                == "example.com. 60 IN MX 10 mx.example.com."
            )
            assert "here" in ask(server, "a.wild.example.com", "TXT", tcp=tcp).answer[0].to_text()
            chain = ask(server, "alias.example.com", "A", tcp=tcp)
            assert [rrset.rdtype.name for rrset in chain.answer] == ["CNAME", "A"]
            nodata = ask(server, "mx.example.com", "TXT", tcp=tcp)
            assert (nodata.rcode(), nodata.answer, nodata.authority[0].rdtype.name) == (dns.rcode.NOERROR, [], "SOA")
            assert ask(server, "no.example.com", "A", tcp=tcp).rcode() == dns.rcode.NXDOMAIN
            assert ask(server, "elsewhere.test", "A", tcp=tcp).rcode() == dns.rcode.NXDOMAIN
        assert ("example.com", "MX", "udp") in server.queries


def test_long_answers_are_truncated_over_udp_only() -> None:
    """By what the client takes: 512 octets without EDNS."""
    with Nameserver([Zone.parse(ZONE)]) as server:
        for edns in (True, False):
            short = ask(server, "big.example.com", "TXT", edns=edns)
            assert short.flags & dns.flags.TC
            assert not short.answer
        whole = ask(server, "big.example.com", "TXT", tcp=True)
        assert len(whole.answer[0]) == 41


def test_a_server_without_recursion_refers() -> None:
    """An authoritative server gives the delegation; a resolver that cannot follow it fails."""
    with Nameserver([Zone.parse(ZONE)], recursive=False) as server:
        referral = ask(server, "host.sub.example.com", "A")
        assert not referral.flags & (dns.flags.AA | dns.flags.RA)
        assert referral.authority[0].to_text() == "sub.example.com. 60 IN NS ns.sub.example.com."
    with Nameserver([Zone.parse(ZONE)]) as server:
        assert ask(server, "host.sub.example.com", "A").rcode() == dns.rcode.SERVFAIL


def test_noise_is_ignored_and_stopping_frees_the_port() -> None:
    """Datagrams that are no query do no harm; after the end the port can be taken again."""
    with Nameserver([Zone.parse(ZONE)]) as server:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noisy:
            noisy.sendto(b"", (server.host, server.port))
            noisy.sendto(b"noise", (server.host, server.port))
        with socket.create_connection((server.host, server.port), 5) as impolite:
            impolite.sendall(b"\xff")
        assert ask(server, "mx.example.com", "A").answer
        with pytest.raises(OSError):
            Nameserver([Zone.parse(ZONE)], port=server.port).start()
    with Nameserver([Zone.parse(ZONE)], port=server.port) as again:
        assert ask(again, "mx.example.com", "A").answer

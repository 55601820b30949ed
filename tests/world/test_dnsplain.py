"""Responses read by hand say what dnspython says of them: sound ones of every shape, damaged ones, and hostile ones."""

from __future__ import annotations

import struct
import time

import dns.message
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deliverkit.flow import Question
from deliverkit.world.answered import answer_of, is_plain, read_answer
from deliverkit.world.dnsmessage import Asked, asked
from deliverkit.world.dnsodd import read_odd
from deliverkit.world.dnsplain import Said, read_plain

EDNS = "edns 0\npayload 1232\n"
SOA = "example.com. 900 IN SOA ns.example.com. host.example.com. 1 2 3 4 300"


def response(text: str, *, flags: str = "QR RD RA", rcode: str = "NOERROR", edns: str = EDNS) -> bytes:
    """A response from dnspython's text form."""
    head = f"id 7\nopcode QUERY\nrcode {rcode}\nflags {flags}\n{edns}"
    return dns.message.from_text(head + text).to_wire()


def by_hand(octets: bytes, question: Asked) -> Said | None:
    """The short way."""
    return read_plain(octets, question.section, question.plain, question.type)


SHAPES: dict[str, tuple[str, str, str, dict[str, str]]] = {
    # what is read by hand: name, type, the sections after the question, what else the header says
    "MX": ("example.com", "MX", ";ANSWER\nE. 60 IN MX 10 mx1.E.\nE. 61 IN MX 10 Mail.example.net.\nE. 9 IN MX 0 .", {}),
    "TXT": ("example.com", "TXT", ';ANSWER\nE. 60 IN TXT "v=spf1 " "" "-all"\nE. 60 IN TXT "caf\\195\\169"', {}),
    "TXT twice": ("example.com", "TXT", ';ANSWER\nE. 60 IN TXT "a"\nE. 30 IN TXT "b"', {"edns": ""}),
    "SPF": ("example.com", "SPF", ';ANSWER\nE. 60 IN SPF "v=spf1 -all"', {}),
    "A": ("example.com", "A", ";ANSWER\nE. 60 IN A 192.0.2.1\nE. 50 IN A 192.0.2.255", {"flags": "QR AA AD"}),
    "AAAA": ("example.com", "AAAA", ";ANSWER\nE. 60 IN AAAA ::ffff:192.0.2.1\nE. 60 IN AAAA 2001:db8:0:1::", {}),
    "AAAA of every spelling": (
        "example.com", "AAAA", ";ANSWER\n" + "".join(f"E. 60 IN AAAA {a}\n" for a in (
            "::", "::1", "::192.0.2.1", "::ffff:0:0", "2001:db8::", "2001:0:0:1::1", "1:0:0:2:0:0:3:4",
            "1:2:3:4:5:6:0:8", "100:0:0:0:0:ffff:c000:201", "64:ff9b::192.0.2.33", "FE80::ABCD", "1:0:2:0:3:0:4:0",
        )), {},
    ),
    "NS": ("example.com", "NS", ";ANSWER\nE. 60 IN NS a.E.\nE. 60 IN NS b.a.E.\nE. 60 IN NS .", {}),
    "SOA": ("example.com", "SOA", f";ANSWER\n{SOA}", {}),
    "PTR": ("1.2.0.192.in-addr.arpa", "PTR", ";ANSWER\nE. 60 IN PTR mx.example.com.", {}),
    "TLSA": (
        "_25._tcp.mx.example.com", "TLSA", ";ANSWER\n"
        f"E. 60 IN TLSA 3 1 1 {'0f' * 32}\nE. 60 IN TLSA 2 0 2 {'aa' * 64}", {},
    ),
    "CNAME": ("example.com", "CNAME", ";ANSWER\nE. 60 IN CNAME a.E.", {}),
    "chain": (
        "a.example.com", "A",
        ";ANSWER\nE. 60 IN CNAME b.example.com.\nb.example.com. 5 IN CNAME c.b.example.com.\n"
        "c.b.example.com. 90 IN A 192.0.2.1\nC.b.Example.com. 91 IN A 192.0.2.2", {},
    ),
    "chain to a key": (
        "s1._domainkey.example.com", "TXT",
        ';ANSWER\nE. 60 IN CNAME s1.dkim.esp.example.\ns1.dkim.esp.example. 60 IN TXT "v=DKIM1; p="', {},
    ),
    "chain to no data": ("a.example.com", "AAAA", f";ANSWER\nE. 60 IN CNAME b.E.\n;AUTHORITY\n{SOA}", {}),
    "chain to no name": ("a.x.example", "A", f";ANSWER\nE. 60 IN CNAME b.x.\n;AUTHORITY\n{SOA}", {"rcode": "NXDOMAIN"}),
    "chain left unresolved": ("a.example.com", "A", ";ANSWER\nE. 60 IN CNAME b.example.net.", {"flags": "QR AA"}),
    "no data": ("example.com", "MX", f";AUTHORITY\n{SOA}", {}),
    "no data, unknown type": ("example.com", "CAA", f";AUTHORITY\n{SOA}", {}),
    "no name": ("no.example.com", "TXT", f";AUTHORITY\n{SOA}", {"rcode": "NXDOMAIN", "flags": "QR RD RA AD"}),
    "no name, from the root": ("no.invalid", "A", ";AUTHORITY\n. 60 IN SOA a. b.c. 1 2 3 4 99", {"rcode": "NXDOMAIN"}),
    "no name without SOA": ("no.example.com", "TXT", "", {"rcode": "NXDOMAIN"}),
    "no data without SOA": ("example.com", "TXT", "", {}),
    "lame": ("example.com", "TXT", "", {"flags": "QR RD"}),
    "servers and glue": (
        "example.com", "MX",
        ";ANSWER\nE. 60 IN MX 10 mx.E.\n;AUTHORITY\nE. 60 IN NS ns1.E.\nE. 60 IN NS ns2.E.\n"
        ";ADDITIONAL\nmx.E. 60 IN A 192.0.2.1\nns1.E. 60 IN AAAA 2001:db8::1", {},
    ),
    "glue without EDNS": (
        "example.com", "MX", ";ANSWER\nE. 60 IN MX 10 mx.E.\n;ADDITIONAL\nmx.E. 60 IN A 192.0.2.1", {"edns": ""},
    ),
    "capitals": ("EXAMPLE.com", "MX", ";ANSWER\nexample.COM. 60 IN MX 10 MX.Example.COM.", {}),
}  # fmt: skip


def shaped(name: str, type_: str, text: str, more: dict[str, str]) -> tuple[bytes, Asked]:
    """A response and its question; E in the text is the name that was asked."""
    filled = text.replace("E. ", f"{name}. ").replace(".E.", f".{name}.")
    return response(f";QUESTION\n{name}. IN {type_}\n{filled}", **more), asked(Question(name, type_))


@pytest.mark.parametrize("shape", SHAPES)
def test_plain_responses_read_as_dnspython_reads_them(shape: str) -> None:
    """Order, TTL, chain, doubled records, flags; and they are read by hand."""
    octets, question = shaped(*SHAPES[shape])
    said = by_hand(octets, question)
    assert said is not None
    agree(octets, question)


ODD: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "truncated": ("example.com", "A", "", {"flags": "QR TC"}),
    "servfail": ("example.com", "A", "", {"rcode": "SERVFAIL"}),
    "extended rcode": ("example.com", "A", "", {"rcode": "BADVERS"}),
    "chaos": ("example.com", "TXT", ';ANSWER\nE. 60 CH TXT "a"', {}),
    "signature": ("example.com", "A", ";ANSWER\nE. 60 IN A 192.0.2.1\nE. 60 IN RRSIG A 8 2 60 20300101000000 "
                  "20200101000000 1 E. AAAA", {}),
    "DNAME": ("a.example.com", "A", ";ANSWER\nexample.com. 60 IN DNAME example.net.\nE. 60 IN CNAME a.example.net.\n"
              "a.example.net. 60 IN A 192.0.2.1", {}),
    "records before their alias": ("example.com", "A", ";ANSWER\nb.E. 60 IN A 192.0.2.1\nE. 60 IN CNAME b.E.", {}),
    "alias and records of one name": ("example.com", "A", ";ANSWER\nE. 60 IN A 192.0.2.1\nE. 60 IN CNAME b.E.", {}),
    "loop": ("example.com", "A", ";ANSWER\nE. 60 IN CNAME a.E.\na.E. 60 IN CNAME example.com.", {}),
    "records of another name": ("example.com", "A", ";ANSWER\nother.E. 60 IN A 192.0.2.1", {}),
    "referral": ("a.example.com", "A", ";AUTHORITY\nexample.com. 60 IN NS a.example.net.", {"flags": "QR"}),
    "NXDOMAIN with records": ("example.com", "A", ";ANSWER\nE. 60 IN A 192.0.2.1", {"rcode": "NXDOMAIN"}),
    "odd octets in a name": ("example.com", "MX", ";ANSWER\nE. 60 IN MX 1 a\\.b\\032c.E.", {}),
    "records of a rare type": ("example.com", "CAA", ';ANSWER\nE. 60 IN CAA 0 issue "ca.example"', {}),
    "a whole certificate": ("example.com", "TLSA", ";ANSWER\nE. 60 IN TLSA 3 0 0 00ff", {}),
    "two SOA": ("example.com", "A", f";AUTHORITY\n{SOA}\nexample.net. 60 IN SOA a. b. 1 2 3 4 5", {}),
}  # fmt: skip


@pytest.mark.parametrize("shape", ODD)
def test_unusual_responses_are_left_to_dnspython(shape: str) -> None:
    """The short way gives no opinion; the long way always ends."""
    octets, question = shaped(*ODD[shape])
    assert by_hand(octets, question) is None
    assert read_odd(octets, question.question) is not None


def test_two_aliases_of_one_name_are_left_to_dnspython() -> None:
    """Which of them counts is not for the short way to say."""
    question = asked(Question("example.com", "A"))
    alias = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 60, 4) + b"\x01%b\xc0\x0c"
    octets = struct.pack("!6H", 7, 0x8180, 1, 2, 0, 0) + question.section + alias % b"a" + alias % b"b"
    assert by_hand(octets, question) is None
    assert read_odd(octets, question.question) is not None


def test_another_question_trailing_octets_and_options_are_left_to_dnspython() -> None:
    """Nothing is believed beyond what was asked."""
    octets, question = shaped(*SHAPES["A"])
    assert by_hand(octets, question) is not None
    assert by_hand(octets, asked(Question("example.net", "A"))) is None
    assert by_hand(octets, asked(Question("example.com", "AAAA"))) is None
    assert by_hand(octets + b"\0", question) is None
    padded = octets[:-2] + b"\0\x06\0\x0c\0\2\0\0"
    assert by_hand(padded, question) is None


WIRES = [shaped(*shape) for shape in (*SHAPES.values(), *ODD.values())]


def agree(octets: bytes, question: Asked) -> None:
    """The short way is silent, or says exactly what the long way says; so does the answer that is made at once."""
    said = by_hand(octets, question)
    assert said is None or said == read_odd(octets, question.question)
    answer = read_answer(octets, question.question, question.section, question.plain, question.type, "192.0.2.53", 0.5)
    if said is None or not is_plain(said):
        assert answer is None
    else:
        assert answer == answer_of(question.question, said, said.aliases, "192.0.2.53", 0.5)


@settings(max_examples=400)
@given(st.data())
def test_damaged_responses_never_read_as_something_else(data: st.DataObject) -> None:
    """Octets changed, cut out, doubled or cut off."""
    octets, question = data.draw(st.sampled_from(WIRES))
    wire = bytearray(octets)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(2, len(wire) - 1))
        action = data.draw(st.sampled_from(["change", "change", "change", "cut", "double", "point"]))
        if action == "change":
            wire[at] = data.draw(st.integers(0, 255))
        elif action == "cut":
            del wire[at : at + data.draw(st.integers(1, 12))]
        elif action == "double":
            wire[at:at] = wire[at : at + data.draw(st.integers(1, 16))]
        else:
            wire[at : at + 2] = (0xC000 | data.draw(st.integers(0, len(wire) - 1))).to_bytes(2, "big")
        if len(wire) < 13:
            return
    agree(bytes(wire), question)


LABELS = st.sampled_from([b"a", b"mx", b"EXAMPLE", b"com", b"_dmarc", b"b.c", b"\xff", b"x" * 63, b"y" * 64, b""])
POINTERS = st.integers(0, 120).map(lambda at: (0xC000 | at).to_bytes(2, "big"))
NAMES = st.builds(
    lambda labels, end: b"".join(bytes([len(label)]) + label for label in labels) + end,
    st.lists(LABELS, max_size=5),
    st.one_of(st.just(b"\0"), st.just(b"\xc0\x0c"), POINTERS),
)
DATA = st.one_of(
    NAMES, st.binary(max_size=20), st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16),
    NAMES.map(lambda name: b"\0\x0a" + name),
    st.lists(st.binary(max_size=20)).map(lambda texts: b"".join(bytes([len(t)]) + t for t in texts)),
    st.tuples(NAMES, NAMES, st.binary(min_size=20, max_size=20)).map(b"".join),
)  # fmt: skip
RECORDS = st.builds(
    lambda owner, type_, class_, ttl, data, lie: (
        owner + struct.pack("!HHIH", type_, class_, ttl, max(len(data) + lie, 0)) + data
    ),
    st.one_of(st.just(b"\xc0\x0c"), st.just(b"\xc0\x0c"), NAMES),
    st.sampled_from([1, 2, 5, 5, 6, 12, 15, 16, 28, 41, 46, 52, 99]),
    st.sampled_from([1, 1, 1, 1, 3, 255]),
    st.sampled_from([0, 60, 0x7FFFFFFF, 0x80000000]),
    DATA,
    st.sampled_from([0, 0, 0, 0, 1, -1]),
)


@settings(max_examples=600)
@given(
    type_=st.sampled_from(["A", "AAAA", "MX", "TXT", "NS", "SOA", "CNAME", "PTR", "TLSA", "SPF"]),
    flags=st.sampled_from([0x8180, 0x8580, 0x8183, 0x81A0, 0x8100, 0x8380, 0x8182, 0x9180, 0x0180]),
    sections=st.tuples(*[st.lists(RECORDS, max_size=3)] * 3),
    lies=st.tuples(*[st.sampled_from([0, 0, 0, 0, 0, 1, -1])] * 4),
    edns=st.sampled_from([b"", b"\0\0\x29\x04\xd0\0\0\0\0\0\0", b"\0\0\x29\x04\xd0\0\0\x80\0\0\4\0\x0c\0\0"]),
)
def test_hostile_responses_never_read_as_something_else(
    type_: str, flags: int, sections: tuple[list[bytes], ...], lies: tuple[int, ...], edns: bytes
) -> None:
    """Messages put together from parts: pointers anywhere, long labels, lengths and counts that lie."""
    question = asked(Question("mx.example.com", type_))
    counts = [1, *map(len, sections)]
    counts[3] += bool(edns)
    header = struct.pack("!6H", 7, flags, *(max(count + lie, 0) for count, lie in zip(counts, lies, strict=True)))
    body = b"".join(record for section in sections for record in section)
    agree(header + question.section + body + edns, question)


@pytest.mark.parametrize(
    "pattern", ["chain of pointers", "pointer to itself", "pointers forward", "many records", "deep"]
)
def test_hostile_names_take_no_time(pattern: str) -> None:
    """A datagram full of pointers is read, or handed over, in less time than it takes to send it."""
    question = asked(Question("example.com", "MX"))
    begin = 12 + len(question.section)
    head = b"\xc0\x0c" + struct.pack("!HHIH", 15, 1, 60, 0)
    if pattern == "chain of pointers":
        body = b"".join(b"\x01a" + (0xC000 | at).to_bytes(2, "big") for at in range(begin, begin + 15_000, 4))
        body = head[:-2] + struct.pack("!H", len(body) + 2) + b"\0\1" + body
    elif pattern == "pointer to itself":
        body = head[:-2] + b"\0\4\0\1" + (0xC000 | (begin + 14)).to_bytes(2, "big")
    elif pattern == "pointers forward":
        body = head[:-2] + b"\0\4\0\1" + (0xC000 | (begin + 16)).to_bytes(2, "big") + b"\x01a\0"
    elif pattern == "many records":
        name = b"\x01a\x01b\x01c\xc0\x0c"
        body = (head[:-2] + struct.pack("!H", len(name) + 2) + b"\0\1" + name) * 2_900
    else:
        body = head[:-2] + struct.pack("!H", 65_000) + b"\0\1" + b"\x01a" * 32_000
    count = 2_900 if pattern == "many records" else 1
    octets = struct.pack("!6H", 7, 0x8180, 1, count, 0, 0) + question.section + body
    began = time.process_time()
    by_hand(octets[:65_535], question)
    assert time.process_time() - began < 2

"""DNS messages: our queries as dnspython reads them, and responses of any shape."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.flow import Question
from deliverkit.world import dnsmessage
from deliverkit.world.dnsmessage import PAYLOAD, BadQuestion, Said, answers, decode, encode, wire_name

QUESTION = Question("example.com", "MX")


def response(text: str, flags: str = "QR RD RA", *, ident: int = 7) -> bytes:
    """A response from dnspython's text form: sections of records."""
    return dns.message.from_text(f"id {ident}\nopcode QUERY\nrcode NOERROR\nflags {flags}\n{text}").to_wire()


@pytest.mark.parametrize("edns", [True, False])
@pytest.mark.parametrize(
    ("name", "type_"),
    [("example.com", "MX"), (".", "NS"), ("_25._tcp.a\\.b.Example", "TLSA"), ("é.example", "TYPE65534")],
)
def test_queries_are_what_dnspython_would_send(name: str, type_: str, edns: bool) -> None:
    """Octet for octet."""
    theirs = dns.message.make_query(wire_name(name), type_, use_edns=edns, payload=PAYLOAD, id=4711)
    theirs.flags |= dns.flags.AD
    assert encode(Question(name, type_), 4711, edns=edns) == theirs.to_wire()


@pytest.mark.parametrize(("name", "type_"), [("a..b", "A"), ("x" * 64, "A"), ("example.com", "NONSENSE"), ("", "A")])
def test_what_cannot_be_asked_is_refused(name: str, type_: str) -> None:
    """Before a packet is made."""
    with pytest.raises(BadQuestion):
        encode(Question(name, type_), 1)


def test_ids_and_the_response_bit_must_fit() -> None:
    """A query sent back, another id and a short datagram are no responses."""
    wire = response("")
    assert answers(wire, 7)
    assert not answers(wire, 8)
    assert not answers(encode(QUESTION, 7), 7)
    assert not answers(wire[:11], 7)


def test_a_response_to_another_question_is_ignored() -> None:
    """Another name, another type, several questions; a lone error may come without its question."""
    assert decode(response(";QUESTION\nexample.net. IN MX"), QUESTION) is None
    assert decode(response(";QUESTION\nexample.com. IN A"), QUESTION) is None
    assert decode(response(""), QUESTION) is None
    bare = dns.message.from_text("id 7\nopcode QUERY\nrcode FORMERR\nflags QR").to_wire()
    said = decode(bare, QUESTION)
    assert said is not None
    assert said.rcode == "FORMERR"


def test_capitals_in_the_answer_mean_nothing() -> None:
    """0x20 in questions, capitals in owners and targets."""
    said = decode(
        response(";QUESTION\nEXAMPLE.com. IN MX\n;ANSWER\nexample.COM. 60 IN MX 10 MX.Example.Com."), QUESTION
    )
    assert said is not None
    assert said.records == ((10, "mx.example.com"),)


def test_records_of_other_names_are_not_believed() -> None:
    """What was not asked for is left aside, in whatever section it stands."""
    answer = ";ANSWER\nevil.example. 60 IN MX 10 mx.evil.example."
    additional = ";AUTHORITY\n;ADDITIONAL\nexample.com. 60 IN MX 1 x."
    said = decode(response(f";QUESTION\nexample.com. IN MX\n{answer}\n{additional}"), QUESTION)
    assert said is not None
    assert said.records == ()


@given(st.binary(max_size=80))
def test_noise_never_raises(noise: bytes) -> None:
    """With or without a sensible header."""
    for wire in (noise, response(";QUESTION\nexample.com. IN MX")[:29] + noise):
        said = decode(wire, QUESTION)
        assert said is None or isinstance(said, Said)


@given(st.data())
def test_damaged_responses_never_raise(data: st.DataObject) -> None:
    """A sound response with one octet changed or cut off anywhere."""
    wire = bytearray(
        response(
            ";QUESTION\nexample.com. IN MX\n"
            ";ANSWER\nexample.com. 60 IN CNAME a.example.\na.example. 60 IN MX 10 mx.example.com.\n"
            ";AUTHORITY\nexample.com. 60 IN SOA a. b. 1 2 3 4 5"
        )
    )
    at = data.draw(st.integers(0, len(wire) - 1))
    wire[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(wire)))
    for octets in (bytes(wire), bytes(wire[:cut])):
        said = decode(octets, QUESTION)
        assert said is None or isinstance(said, Said)


NO = {
    "nodata": ("NOERROR", "QR RD RA", "example.com. 900 IN SOA ns.example.com. h.example.com. 1 2 3 4 300", -1),
    "nxdomain": ("NXDOMAIN", "QR AA RD RA", "com. 60 IN SOA a.nic.com. b.nic.com. 1 2 3 4 86400", 0),
    "authentic": ("NXDOMAIN", "QR RD RA AD", ". 60 IN SOA a. b. 1 2 3 4 5", 0),
    "no EDNS": ("NOERROR", "QR RD RA", "example.com. 900 IN SOA ns.example.com. h.example.com. 1 2 3 4 300", None),
}


def no(rcode: str, flags: str, authority: str, edns: int | None) -> bytes:
    """A response that says no."""
    head = f"id 7\nopcode QUERY\nrcode {rcode}\nflags {flags}\n"
    options = "" if edns is None else "edns 0\npayload 1232\n" if edns < 0 else "edns 0\neflags DO\npayload 4096\n"
    text = f"{head}{options};QUESTION\nExample.com. IN MX\n;AUTHORITY\n{authority}"
    return dns.message.from_text(text).to_wire()


@pytest.mark.parametrize("shape", NO, ids=str)
def test_a_plain_reads_as_dnspython_reads_it(shape: str) -> None:
    """The short way is taken, and says the same as the long one."""
    wire = no(*NO[shape])
    said = dnsmessage._plain(wire, QUESTION)
    assert said is not None
    assert said == dnsmessage._by_dnspython(wire, QUESTION)


@given(st.data())
def test_a_damaged_no_never_reads_as_something_else(data: st.DataObject) -> None:
    """Where the short way says something, dnspython says the same, or finds a name in the SOA that is none."""
    wire = bytearray(no(*NO[data.draw(st.sampled_from(sorted(NO)))]))
    for _ in range(data.draw(st.integers(1, 3))):
        wire[data.draw(st.integers(2, len(wire) - 1))] = data.draw(st.integers(0, 255))
    octets = bytes(wire[: data.draw(st.integers(len(wire) - 3, len(wire)))])
    short, long = dnsmessage._plain(octets, QUESTION), dnsmessage._by_dnspython(octets, QUESTION)
    assert short is None or short == long or (long is not None and long.problem)


YES = {
    "TXT": ['"v=spf1 " "-all"', '"caf\\195\\169" ""', '"v=spf1 " "-all"'],
    "A": ["192.0.2.1", "198.51.100.7"],
    "AAAA": ["2001:db8::1", "::ffff:192.0.2.1"],
}


def yes(type_: str, edns: bool = True) -> tuple[bytes, Question]:
    """A response with records of the name that was asked."""
    lines = "\n".join(f"Example.com. {60 + n} IN {type_} {value}" for n, value in enumerate(YES[type_]))
    options = "edns 0\npayload 1232\n" if edns else ""
    head = f"id 7\nopcode QUERY\nrcode NOERROR\nflags QR RD RA AD\n{options}"
    text = f"{head};QUESTION\nExample.com. IN {type_}\n;ANSWER\n{lines}"
    return dns.message.from_text(text).to_wire(), Question("example.com", type_)


@pytest.mark.parametrize("edns", [True, False])
@pytest.mark.parametrize("type_", YES)
def test_plain_records_read_as_dnspython_reads_them(type_: str, edns: bool) -> None:
    """Order, TTL and doubled records included."""
    wire, question = yes(type_, edns)
    said = dnsmessage._plain(wire, question)
    assert said is not None
    assert said.records
    assert said == dnsmessage._by_dnspython(wire, question)


@given(st.data())
def test_damaged_records_never_read_as_something_else(data: st.DataObject) -> None:
    """Where the short way says something, dnspython says the same."""
    octets, question = yes(data.draw(st.sampled_from(sorted(YES))))
    wire = bytearray(octets)
    for _ in range(data.draw(st.integers(1, 3))):
        wire[data.draw(st.integers(2, len(wire) - 1))] = data.draw(st.integers(0, 255))
    octets = bytes(wire[: data.draw(st.integers(len(wire) - 3, len(wire)))])
    short = dnsmessage._plain(octets, question)
    assert short is None or short == dnsmessage._by_dnspython(octets, question)


def test_what_is_unusual_goes_the_long_way() -> None:
    """Extended errors, signatures, two SOA records, another question: dnspython reads them."""
    soa = "example.com. 900 IN SOA a. b. 1 2 3 4 300"
    for wire in (
        response(f";QUESTION\nexample.com. IN MX\n;AUTHORITY\n{soa}\nexample.com. 900 IN NS a."),
        response(f";QUESTION\nexample.com. IN A\n;AUTHORITY\n{soa}"),
        response(f";QUESTION\nexample.com. IN MX\n;ANSWER\nexample.com. 9 IN MX 1 a.\n;AUTHORITY\n{soa}"),
        response(";QUESTION\nexample.com. IN MX"),
        response(f";QUESTION\nexample.com. IN MX\n;AUTHORITY\n{soa}") + b"\0",
        response(f";QUESTION\nexample.com. IN MX\n;AUTHORITY\n{soa}", "QR TC RD"),
    ):
        assert dnsmessage._plain(wire, QUESTION) is None

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
from deliverkit.world.dnsmessage import PAYLOAD, BadQuestion, answers, asked, encode
from deliverkit.world.dnsodd import wire_name
from deliverkit.world.dnsplain import Said

QUESTION = Question("example.com", "MX")


def decode(octets: bytes, question: Question) -> Said | None:
    """Read a response to a question."""
    return dnsmessage.decode(octets, asked(question))


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


@pytest.mark.parametrize(
    ("name", "plain"),
    [("Example.COM.", "example.com"), ("_a-b.c1", "_a-b.c1"), ("a b.example", ""), ("a\\.b.example", ""), (".", "")],
)
def test_only_plain_names_are_read_by_hand(name: str, plain: str) -> None:
    """Letters, digits, hyphens and underscores; all others are for dnspython."""
    assert asked(Question(name, "A")).plain == plain


@given(st.text(st.sampled_from("aZ0-_.\\ é"), max_size=70))
def test_every_name_is_written_as_dnspython_writes_it(name: str) -> None:
    """Or refused, where no name can be made of it."""
    try:
        wire = wire_name(name).to_wire()
    except BadQuestion:
        with pytest.raises(BadQuestion):
            asked(Question(name, "TXT"))
    else:
        assert asked(Question(name, "TXT")).section == wire + b"\0\x10\0\x01"

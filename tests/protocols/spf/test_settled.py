"""What was found for one client holds for its neighbours: result, counters and trace are those of their own walk."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from deliverkit.flow import drive
from deliverkit.protocols.spf.address import text_of
from deliverkit.protocols.spf.evaluate import check_host
from deliverkit.protocols.spf.settled import MOST_SPANS, Settled, span_of
from tests.protocols.spf.test_compiled import CLIENTS, SENDERS, _worlds
from tests.protocols.spf.worlds import hearing

_clients = (
    st.sampled_from(CLIENTS)
    | st.integers(0xC0000200, 0xC00002FF).map(lambda number: text_of(number, 4))
    | st.integers(0, 1 << 32).map(lambda low: text_of(0x20010DB8 << 96 | low, 6))
)


@settings(max_examples=150, deadline=None)
@given(zone=_worlds(), clients=st.lists(_clients, min_size=3, max_size=9), sender=st.sampled_from(SENDERS))
def test_neighbours_are_told_what_they_would_have_found(zone: dict[str, Any], clients: list[str], sender: str) -> None:
    """The edges of a span, too, walk as the client did that it was made for."""
    settled, hear = Settled(), hearing(zone)
    domain = sender.rpartition("@")[2]

    def agree(client: str) -> Any:
        ours = settled.check_host(client, domain, sender, "h.example", tell=hear)
        usual = drive(check_host(client, domain, sender, "h.example"), hear)
        assert ours == usual
        assert (ours.result, ours.reason, ours.matched, ours.trace) == (
            usual.result,
            usual.reason,
            usual.matched,
            usual.trace,
        )
        return usual

    for client in clients:
        usual = agree(client)
        span = span_of(usual)
        for number in span or ():
            if usual.client.family == 4 or number >> 32 != 0xFFFF:  # a mapped address is another family's
                agree(text_of(number, usual.client.family))


def test_the_third_client_of_a_gap_costs_no_question() -> None:
    """The first is one of many domains, the second is kept, the third is looked up; its address is its own."""
    asked: list[str] = []
    settled, hear = Settled(), hearing({"a.example": "v=spf1 ip4:192.0.2.0/24 -all"}, asked)
    found = [
        settled.check_host(f"198.51.100.{number}", "a.example", "u@a.example", "h", tell=hear) for number in (1, 2, 3)
    ]
    assert asked == ["TXT a.example"] * 2
    assert [one.client_ip for one in found] == ["198.51.100.1", "198.51.100.2", "198.51.100.3"]
    assert {one.result for one in found} == {"fail"}
    assert settled.check_host("192.0.2.9", "a.example", "u@a.example", "h", tell=hear).result == "pass"


def test_macros_ptr_and_explanations_are_for_one_client_alone() -> None:
    """What is made of more than networks is evaluated for each client."""
    for record in ("exists:%{i}.list.example -all", "ptr -all", "include:%{l}.example -all", "-all exp=why.example"):
        asked: list[str] = []
        settled, hear = Settled(), hearing({"a.example": f"v=spf1 {record}"}, asked)
        for _ in range(4):
            settled.check_host("192.0.2.1", "a.example", "u@a.example", "h", tell=hear)
        assert asked.count("TXT a.example") == 4


def test_the_spans_of_a_domain_are_bounded() -> None:
    """One domain may name a thousand hosts and more."""
    hosts = [f"10.{number >> 8}.{number & 255}.1" for number in range(MOST_SPANS + 9)]
    settled = Settled()
    hear = hearing({"a.example": " ".join(["v=spf1", *(f"ip4:{host}" for host in hosts)])})
    for host in hosts:
        assert settled.check_host(host, "a.example", "u@a.example", "h", tell=hear).result == "pass"
    (spans,) = settled._spans.values()
    assert spans is not None and len(spans.starts) < MOST_SPANS

"""The set of addresses a record passes agrees with check_host, client by client."""

from __future__ import annotations

import ipaddress

from hypothesis import given, settings
from hypothesis import strategies as st

from deliverkit.flow import Answer, Question, Status, drive
from deliverkit.protocols.spf.evaluate import check_host
from deliverkit.protocols.spf.reach import difference, everything, intersection, networks, passing, union
from deliverkit.protocols.spf.tree import spf_tree
from deliverkit.world import World

NAMES = ("example.com", "_spf.example.com", "a.example.net", "b.example.net", "c.example.org")
OCTETS = st.integers(0, 3)
QUALIFIERS = st.sampled_from(["", "", "", "-", "~", "?", "+"])

networks4 = st.builds(lambda o, p: f"ip4:192.0.2.{o * 64}/{p}", OCTETS, st.sampled_from([24, 25, 26, 30, 32]))
networks6 = st.builds(lambda o, p: f"ip6:2001:db8::{o}/{p}", OCTETS, st.sampled_from([64, 126, 127, 128]))
hosts = st.sampled_from(["a:h1.example.com", "a:h2.example.net/26", "mx", "a:gone.example.com", "mx:h1.example.com"])
includes = st.sampled_from([f"include:{name}" for name in NAMES[1:]])
terms = st.builds(lambda q, t: q + t, QUALIFIERS, networks4 | networks6 | hosts | includes)
ends = st.sampled_from(["-all", "~all", "?all", "", "redirect=a.example.net", "redirect=c.example.org", "all"])
records = st.builds(lambda body, end: " ".join(["v=spf1", *body, end]).strip(), st.lists(terms, max_size=4), ends)
worlds = st.fixed_dictionaries(dict.fromkeys(NAMES, records))

HOSTS = {
    "h1.example.com": {"A": ["192.0.2.7"], "AAAA": ["2001:db8::7"]},
    "h2.example.net": {"A": ["192.0.2.130", "192.0.2.3"]},
    "mx.example.com": {"A": ["192.0.2.200"], "AAAA": ["2001:db8::2"]},
}
CLIENTS = [f"192.0.2.{n}" for n in (0, 1, 3, 7, 63, 64, 127, 128, 130, 191, 192, 200, 255)]
CLIENTS += [f"2001:db8::{n:x}" for n in (0, 1, 2, 3, 4, 7)] + ["198.51.100.1", "2001:db8:1::1"]


def world_of(texts: dict[str, str]) -> World:
    """A closed world with these SPF records."""
    table: dict[str, dict[str, object]] = {name: dict(values) for name, values in HOSTS.items()}
    for name, text in texts.items():
        table.setdefault(name, {})["TXT"] = [text]
    table["example.com"]["MX"] = ["10 mx.example.com."]
    return World.from_records(table)


@settings(max_examples=200)
@given(worlds)
def test_the_set_is_what_check_host_passes(texts: dict[str, str]) -> None:
    """Where there is a set, it holds exactly the clients that pass, unless a limit ends the evaluation before."""
    tell = world_of(texts).dns.tell
    assert tell is not None
    tree = drive(spf_tree("example.com"), tell)
    for client in CLIENTS:
        address = ipaddress.ip_address(client)
        ranges = passing(tree.root, address.version)
        if ranges is None or tree.permerror:
            continue
        passes = any(first <= int(address) <= last for first, last in ranges)
        result = drive(check_host(client, "example.com", "me@example.com", "example.com"), tell).result
        assert passes == (result == "pass"), (client, texts)


ranges = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 20)), max_size=6).map(
    lambda pairs: union(tuple((first, first + size) for first, size in pairs))
)


@given(ranges, ranges)
def test_sets_behave_as_sets(one: tuple[tuple[int, int], ...], other: tuple[tuple[int, int], ...]) -> None:
    """Union, difference and intersection, compared with Python's sets; the terms name exactly the same addresses."""

    def plain(given: tuple[tuple[int, int], ...]) -> set[int]:
        return {n for first, last in given for n in range(first, last + 1)}

    assert plain(union(one, other)) == plain(one) | plain(other)
    assert plain(difference(one, other)) == plain(one) - plain(other)
    assert plain(intersection(one, other)) == plain(one) & plain(other)
    read = [ipaddress.ip_network(term.partition(":")[2]) for term in networks(one, 4)]
    assert {int(a) for n in read for a in n} == plain(one)
    assert difference(one, everything(4)) == ()


def test_what_depends_on_the_sender_has_no_set() -> None:
    """A macro, ptr, an answer that nobody gave."""
    for text in ("v=spf1 exists:%{i}.example.net -all", "v=spf1 ptr -all", "v=spf1 include:%{l}.example.net -all"):
        tell = world_of({"example.com": text}).dns.tell
        assert tell is not None
        assert passing(drive(spf_tree("example.com"), tell).root, 4) is None

    def silent(question: Question) -> Answer:
        if question.type == "TXT":
            return Answer(question, Status.OK, ((b"v=spf1 a -all",),))
        return Answer(question, Status.TIMEOUT)

    assert passing(drive(spf_tree("example.com"), silent).root, 4) is None

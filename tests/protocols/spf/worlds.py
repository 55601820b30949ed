"""Worlds of literals for the SPF tests, told by hand or drawn at random: small, closed, and hostile where asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

from deliverkit.flow import Answer, Question, Status

Zone = Mapping[str, Any]
Hear = Callable[[Question], Answer]


def hearing(zone: Zone, asked: list[str] | None = None) -> Hear:
    """Answer from ``{name: text | {type: [records]} | Status}``; a name that is not there does not exist."""

    def hear(question: Question) -> Answer:
        if asked is not None:
            asked.append(str(question))
        entry = zone.get(question.name)
        if entry is None:
            return Answer(question, Status.NXDOMAIN)
        if isinstance(entry, Status):
            return Answer(question, entry)
        entry = {"TXT": [entry]} if isinstance(entry, str) else entry
        records = entry.get(question.type, ())
        if isinstance(records, Status):
            return Answer(question, records)
        if question.type in ("TXT", "SPF"):
            records = [r if isinstance(r, tuple) else (r.encode("utf-8", "surrogateescape"),) for r in records]
        return Answer(question, Status.OK if records else Status.NODATA, tuple(records))

    return hear


_NAMES = [f"{letter}.example" for letter in "abcdefgh"]
_ADDRESSES = ["192.0.2.1", "192.0.2.77", "198.51.100.1", "203.0.113.9"]
_ADDRESSES6 = ["2001:db8::1", "2001:db8:1::1"]

_terms = st.one_of(
    st.builds("{}include:{}".format, st.sampled_from(["", "", "", "-", "?"]), st.sampled_from(_NAMES)),
    st.builds("{}a:{}".format, st.sampled_from(["", "", "-"]), st.sampled_from(_NAMES)),
    st.builds("{}mx:{}".format, st.sampled_from(["", "~"]), st.sampled_from(_NAMES)),
    st.builds("exists:{}".format, st.sampled_from(_NAMES)),
    st.builds("{}ip4:{}/{}".format, st.sampled_from(["", "-"]), st.sampled_from(_ADDRESSES), st.integers(0, 32)),
    st.builds("ip6:{}/{}".format, st.sampled_from(_ADDRESSES6), st.integers(0, 128)),
)
_ends = st.one_of(
    st.sampled_from(["", "-all", "~all", "?all", "+all"]), st.builds("redirect={}".format, st.sampled_from(_NAMES))
)


@st.composite
def records(draw: st.DrawFn) -> str:
    """A legal record of static terms."""
    return " ".join(["v=spf1", *draw(st.lists(_terms, max_size=5)), draw(_ends)]).rstrip()


@st.composite
def zones(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """Eight names that include, redirect and point at each other in any way."""
    zone: dict[str, dict[str, Any]] = {}
    for name in _NAMES:
        entry: dict[str, Any] = {}
        if draw(st.integers(0, 5)):
            entry["TXT"] = [draw(records())]
        entry["A"] = draw(st.lists(st.sampled_from(_ADDRESSES), max_size=2))
        entry["AAAA"] = draw(st.lists(st.sampled_from(_ADDRESSES6), max_size=1))
        hosts = draw(st.lists(st.sampled_from([*_NAMES, "gone.example"]), max_size=3))
        entry["MX"] = [(preference, host) for preference, host in enumerate(hosts)]
        if draw(st.integers(0, 9)):
            zone[name] = entry
    return zone

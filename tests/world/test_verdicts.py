"""A judgement that is kept is the one that would be made anew, at any time."""

from __future__ import annotations

import datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from deliverkit.world import trust, verdicts
from tests.loopback.authority import DAY, Authority

NOW = datetime.datetime(2026, 11, 22, 10, 0, tzinfo=datetime.UTC)
SECOND = datetime.timedelta(seconds=1)


def test_what_is_kept_is_what_would_be_judged() -> None:
    """Around every date of every certificate, forwards and backwards: before, on it, and after."""
    authority = Authority(NOW)
    store = trust.TrustStore([authority.root], chosen=True)
    chain = authority.issue("mail.example.com").chain
    sent = tuple(one.public_bytes(Encoding.DER) for one in chain)
    dates = sorted(trust.dates_of(chain, store))
    assert len(dates) >= 4
    times = [NOW, *(date + SECOND * step for date in dates for step in (-1, 0, 1)), NOW]
    found = set()
    for now in (*times, *reversed(times)):
        seen = verdicts.seen(sent, store, now)
        assert seen.verdict == trust.judge(chain, store, now)
        assert seen.facts == tuple(trust.certificate_facts(one) for one in chain)
        found.add(seen.verdict.problem)
    assert found == {None, "expired", "not-yet-valid"}


def test_a_chain_is_judged_once_and_for_one_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another store is another judgement; what is kept is bounded."""
    authority, other = Authority(NOW), Authority(NOW - 5000 * DAY)
    store = trust.TrustStore([authority.root], chosen=True)
    sent = tuple(one.public_bytes(Encoding.DER) for one in authority.issue("mail.example.com").chain)
    first = verdicts.seen(sent, store, NOW)
    assert first.verdict.trusted
    assert verdicts.seen(sent, store, NOW + SECOND) is first
    assert not verdicts.seen(sent, trust.TrustStore([other.root], chosen=True), NOW).verdict.trusted
    monkeypatch.setattr(verdicts, "MOST_KEPT", 1)
    verdicts.seen((b"no certificate",), store, NOW)
    assert len(verdicts._kept) == 1

"""Verifying: each failure has its own name, and what dkimpy overlooks is seen."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deliverkit.flow import Answer, Question, Status, Together, drive
from deliverkit.protocols.dkim.key import parse_key
from deliverkit.protocols.dkim.sign import sign
from deliverkit.protocols.dkim.verify import Kind, Result, verify_dkim
from tests.protocols.dkim.byhand import signed_by_hand
from tests.protocols.dkim.samples import (
    ED25519,
    ED25519_KEY,
    MESSAGE,
    NOW,
    OTHER,
    RSA,
    RSA_KEY,
    SIGNED,
    ZONE,
    hearing,
    only,
    verify,
)

S1 = RSA_KEY.record_name
P = base64.b64encode(RSA.public).decode()
SECONDS = int(NOW.timestamp())


def outcome(message: bytes, record: str | list[str] | Status = RSA.record) -> tuple[Result, Kind | None]:
    """Result and kind of a message's one signature when the key at s1 is this."""
    verdict = only(message, {S1: record})
    return verdict.result, verdict.kind


def test_pass_and_what_it_covers() -> None:
    """A good signature passes, and says which fields it covers."""
    verdict = only(SIGNED)
    assert (verdict.result, verdict.kind, verdict.detail) == (Result.PASS, None, "")
    assert (verdict.domain, verdict.selector, verdict.algorithm, verdict.key_bits) == (
        "example.com",
        "s1",
        "rsa-sha256",
        2048,
    )
    assert {"from", "subject", "list-unsubscribe", "list-unsubscribe-post"} <= set(verdict.coverage.signed)
    assert {"from", "to", "subject", "date"} <= set(verdict.coverage.oversigned)
    assert verdict.coverage.unsigned == ()
    assert verify(SIGNED).authenticated_domains == ("example.com",)


def test_important_fields_left_unsigned_are_named() -> None:
    """h=From:To:Subject leaves Date, Message-ID and the unsubscribe fields to anybody."""
    coverage = only(signed_by_hand(MESSAGE)).coverage
    assert coverage.signed == ("from", "to", "subject")
    assert coverage.oversigned == ()
    assert {"date", "message-id", "list-unsubscribe", "list-unsubscribe-post"} <= set(coverage.unsigned)


def test_body_hash_and_signature_are_told_apart() -> None:
    """A changed body and a changed header fail for different reasons, which dkimpy's False does not tell."""
    assert outcome(SIGNED.replace(b"seven?", b"eight?")) == (Result.FAIL, Kind.BODY_HASH)
    assert outcome(SIGNED.replace(b"Dinner", b"Lunch!")) == (Result.FAIL, Kind.SIGNATURE)
    assert outcome(SIGNED, OTHER.record) == (Result.FAIL, Kind.WRONG_KEY)


def test_a_damaged_header_is_told_from_another_key() -> None:
    """The published key shows what an RSA signature holds (RFC 8017 §9.2): the wrong one finds no hash in it."""
    assert "the published key made this signature" in only(SIGNED.replace(b"Dinner", b"Lunch!")).detail
    assert "did not make this signature" in only(SIGNED, {S1: OTHER.record}).detail


def test_white_space_in_transit_does_no_harm_to_relaxed() -> None:
    """What relays do to blanks and folds is forgiven by relaxed/relaxed."""
    touched = SIGNED.replace(b"Subject: Dinner", b"Subject:\r\n  Dinner").replace(b"Hi  Bob, \t\r\n", b"Hi Bob,\r\n")
    assert outcome(touched) == (Result.PASS, None)


@pytest.mark.parametrize("added", [b"From: x@example.net\r\n", b"Subject: again\r\n", b"Reply-To: x@example.net\r\n"])
def test_a_field_added_in_front_breaks_an_oversigned_signature(added: bytes) -> None:
    """Oversigning is what keeps a second From, Subject or Reply-To out (§8.15)."""
    assert outcome(added + SIGNED) == (Result.FAIL, Kind.SIGNATURE)


def test_a_second_from_fails_even_without_oversigning() -> None:
    """h= with one From does not cover a message with two; the detail counts them."""
    verdict = only(b"From: x@example.net\r\n" + signed_by_hand(MESSAGE))
    assert (verdict.result, verdict.kind) == (Result.FAIL, Kind.SIGNATURE)
    assert "2 From fields" in verdict.detail


def test_copies_name_the_field_that_was_changed() -> None:
    """z= holds the fields as they were signed: the one that differs is named."""
    signed = signed_by_hand(MESSAGE, tags={"z": "Subject:Dinner|To:bob@example.net"})
    assert "it is subject" in only(signed.replace(b"Subject: Dinner", b"Subject: Lunch!")).detail


# -- the key ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "result", "kind"),
    [
        (Status.NXDOMAIN, Result.PERMERROR, Kind.KEY_ABSENT),
        (Status.NODATA, Result.PERMERROR, Kind.KEY_ABSENT),
        (Status.SERVFAIL, Result.TEMPERROR, Kind.DNS),
        (Status.TIMEOUT, Result.TEMPERROR, Kind.DNS),
        (Status.BOGUS, Result.TEMPERROR, Kind.DNS),
        (Status.UNOBSERVED, Result.TEMPERROR, Kind.DNS),
        ("v=DKIM1; p=", Result.PERMERROR, Kind.REVOKED),
        ("v=spf1 -all", Result.PERMERROR, Kind.KEY_UNUSABLE),
        ("v=DKIM1; k=rsa", Result.PERMERROR, Kind.KEY_UNUSABLE),
        (f"v=DKIM1; p={P[:200]}", Result.PERMERROR, Kind.KEY_UNUSABLE),
        (ED25519.record, Result.PERMERROR, Kind.KEY_UNUSABLE),
        (f"v=DKIM1; s=tlsrpt; p={P}", Result.PERMERROR, Kind.KEY_UNUSABLE),
        (f"v=DKIM1; h=sha1; p={P}", Result.PERMERROR, Kind.KEY_UNUSABLE),
        (f"v=DKIM1; p={P}; p={P}", Result.PERMERROR, Kind.KEY_UNUSABLE),
        (f'"v=DKIM1; p={P}"', Result.PERMERROR, Kind.KEY_UNUSABLE),
    ],
)
def test_a_key_that_does_not_serve(record: str | Status, result: Result, kind: Kind) -> None:
    """No key, a revoked one, a wrong one, and nobody who answers are four things (dkimpy has one word for them)."""
    assert outcome(SIGNED, record) == (result, kind)


def test_a_short_key_is_refused_though_the_signature_may_be_good() -> None:
    """RFC 8301 §3.2: less than 1024 bits must not be accepted."""
    from tests.protocols.dkim.test_key import public_of

    short = f"v=DKIM1; p={base64.b64encode(public_of('rsa768')).decode()}"
    assert outcome(SIGNED, short) == (Result.POLICY, Kind.TOO_SHORT)


@pytest.mark.parametrize(
    "record",
    [
        f"v=DKIM1;; p={P}",
        f"k=rsa; v=DKIM1; p={P}",
        f"p={P}",
        f"v=DKIM1; p={P[:99]} {P[99:]}",
        f'v=DKIM1; n="x"; zz=\\"; p={P}',
        f"v=DKIM1; h=sha1:sha256; s=*; p={P};",
    ],
)
def test_a_key_that_serves_though_it_is_not_pretty(record: str) -> None:
    """Double semicolons (which dkimpy refuses), order, blanks and unknown tags do not stop a verifier."""
    assert outcome(SIGNED, record) == (Result.PASS, None)


@pytest.mark.parametrize("records", [[OTHER.record, RSA.record], [RSA.record, OTHER.record], ["text", RSA.record]])
def test_several_records_are_tried_and_counted(records: list[str]) -> None:
    """dkimpy takes the first record, so its result depends on the order; ours does not, and tells of both."""
    verdict = only(SIGNED, {S1: records})
    assert (verdict.result, verdict.key_records) == (Result.PASS, 2)


def test_a_key_in_testing_earns_nothing() -> None:
    """t=y: the signature is good, and mail is to be treated like unsigned mail (§3.6.1)."""
    zone = {S1: f"v=DKIM1; t=y; p={P}"}
    verdict = only(SIGNED, zone)
    assert (verdict.result, verdict.testing, verdict.authenticated_domain) == (Result.PASS, True, None)
    assert verify(SIGNED, zone).authenticated_domains == ()


def test_strict_key_and_identity_in_a_subdomain() -> None:
    """t=s: i= in a subdomain of d= must fail, also when the signature is good; some libraries pass it."""
    strict = f"v=DKIM1; t=s; p={P}"
    below = signed_by_hand(MESSAGE, tags={"i": "@news.example.com"})
    assert outcome(below, RSA.record) == (Result.PASS, None)
    assert outcome(below, strict) == (Result.PERMERROR, Kind.IDENTITY_REFUSED)
    assert outcome(signed_by_hand(MESSAGE, tags={"i": "ann@example.com"}), strict) == (Result.PASS, None)


# -- the signature ---------------------------------------------------------------------------------------


def test_body_length_leaves_the_rest_open() -> None:
    """l=: appended text still passes, as for dkimpy; how much is unsigned is told."""
    signed = signed_by_hand(MESSAGE, tags={"l": "8"})
    verdict = only(signed + b"Buy now!\r\n")
    assert verdict.result is Result.PASS
    assert verdict.coverage.unsigned_octets == len(b"Hi Bob,\r\n\r\nseven?\r\n\r\n\r\nBuy now!\r\n") - 8


def test_a_body_shorter_than_its_length() -> None:
    """l= beyond the end of the body cannot be what was signed."""
    signed = signed_by_hand(MESSAGE, tags={"l": "5000"})
    assert outcome(signed) == (Result.FAIL, Kind.BODY_HASH)


@pytest.mark.parametrize(
    ("tags", "result", "kind"),
    [
        ({"x": str(SECONDS - 1)}, Result.POLICY, Kind.EXPIRED),
        ({"x": str(SECONDS)}, Result.PASS, None),
        ({"t": str(SECONDS + 3600)}, Result.PASS, None),
        ({"t": str(SECONDS + 50_000)}, Result.POLICY, Kind.FUTURE),
        ({"t": "99999999999999999999"}, Result.POLICY, Kind.FUTURE),
        ({"t": "5", "x": "5"}, Result.PERMERROR, Kind.MALFORMED),
        ({"v": "2"}, Result.PERMERROR, Kind.MALFORMED),
        ({"v": None}, Result.PERMERROR, Kind.MALFORMED),
        ({"h": "To:Subject"}, Result.PERMERROR, Kind.MALFORMED),
        ({"i": "@example.net"}, Result.PERMERROR, Kind.MALFORMED),
        ({"a": "rsa-sha1"}, Result.PERMERROR, Kind.ALGORITHM_REFUSED),
        ({"a": "rsa-sha512"}, Result.PERMERROR, Kind.ALGORITHM_REFUSED),
        ({"q": "dns/txt:dns/new"}, Result.PASS, None),
        ({"c": None}, Result.PASS, None),
        ({"c": "relaxed"}, Result.PASS, None),
        ({"c": "simple/relaxed"}, Result.PASS, None),
        ({"c": "relaxed/simple"}, Result.PASS, None),
        ({"h": "FROM:from:To : subject:SUBJECT"}, Result.PASS, None),
        ({"h": "From:Received"}, Result.PASS, None),
    ],
)
def test_what_the_field_says(tags: dict[str, str | None], result: Result, kind: Kind | None) -> None:
    """Times, versions, defaults of c=, lists in q=, repeated names in h=: each as §3.5 and §6.1.1 have it."""
    assert outcome(signed_by_hand(MESSAGE, tags=tags)) == (result, kind)


def test_b_may_be_the_first_tag() -> None:
    """Tag order is free: b= directly after the colon, which dkimpy fails to blank out, is a good signature."""
    assert outcome(signed_by_hand(MESSAGE, b_first=True)) == (Result.PASS, None)


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n", b"x", b"x\r\n\r\n"])
@pytest.mark.parametrize("form", ["simple/simple", "relaxed/relaxed", "simple/relaxed", "relaxed/simple"])
def test_empty_and_unfinished_bodies(body: bytes, form: str) -> None:
    """Body canonicalisation follows the second word of c=, also when there is no body."""
    message = b"From: a@example.com\r\nTo: b@example.net\r\nSubject: x\r\n\r\n" + body
    assert outcome(signed_by_hand(message, tags={"c": form})) == (Result.PASS, None)


def test_ed25519_signs_the_hash() -> None:
    """RFC 8463 §3: PureEdDSA over the SHA-256 hash, neither over the octets nor over a hash of the hash."""
    signed = signed_by_hand(MESSAGE, "ed25519", {"a": "ed25519-sha256", "s": "s2"})
    assert only(signed).result is Result.PASS
    assert only(signed.replace(b"Dinner", b"Lunch!")).kind is Kind.SIGNATURE


@pytest.mark.parametrize("value", ["QUJD", base64.b64encode(bytes(64)).decode(), base64.b64encode(bytes(300)).decode()])
@pytest.mark.parametrize("algorithm", ["rsa-sha256", "ed25519-sha256"])
def test_signatures_of_any_length_fail_quietly(value: str, algorithm: str) -> None:
    """A signature that is too short, too long or zero is a failure, never an exception."""
    selector = "s1" if algorithm.startswith("rsa") else "s2"
    signed = signed_by_hand(MESSAGE, tags={"a": algorithm, "s": selector}).replace(b"; b=", b"; b=" + value.encode())
    head, _, rest = signed.partition(b"\r\n")
    cut = head[: head.index(b"; b=") + 4 + len(value)]
    expected = Kind.WRONG_KEY if algorithm.startswith("rsa") else Kind.SIGNATURE
    assert only(cut + b"\r\n" + rest).kind is expected


# -- the message -----------------------------------------------------------------------------------------


def test_two_signatures_each_with_its_own_key() -> None:
    """Every signature asks for its own key, and one that fails does not fail the message."""
    both = sign(MESSAGE, [RSA_KEY, ED25519_KEY], now=NOW)
    assert [one.result for one in verify(both).signatures] == [Result.PASS, Result.PASS]
    one_gone = verify(both, {S1: OTHER.record, ED25519_KEY.record_name: ED25519.record})
    assert [one.result for one in one_gone.signatures] == [Result.FAIL, Result.PASS]
    assert one_gone.result is Result.PASS


def test_questions_come_first_side_by_side_and_once() -> None:
    """All keys are asked for together before any work; a key that two signatures share is asked for once."""
    message = sign(sign(MESSAGE, [RSA_KEY], now=NOW), [RSA_KEY, ED25519_KEY], now=NOW)
    flow = verify_dkim(message, now=NOW)
    asked = next(flow)
    assert isinstance(asked, Together)
    questions = [next(inner) for inner in asked.flows]
    assert questions == [Question(S1, "TXT"), Question(ED25519_KEY.record_name, "TXT")]
    with pytest.raises(StopIteration) as done:
        flow.send(tuple(hearing(ZONE)(question) for question in questions))
    assert [one.result for one in done.value.value.signatures] == [Result.PASS] * 3


def test_ten_signatures_are_judged_and_the_rest_counted() -> None:
    """A message with hundreds of signatures does not make us ask hundreds of questions."""
    field = SIGNED[: len(SIGNED) - len(MESSAGE)]
    verdict = verify(field * 25 + MESSAGE)
    assert (len(verdict.signatures), verdict.unchecked) == (10, 15)


def test_no_signature_is_none() -> None:
    """An unsigned message has no result."""
    assert verify(MESSAGE).result is Result.NONE


def test_a_malformed_signature_asks_nothing() -> None:
    """A field that fails by itself costs no question."""
    asked: list[Question] = []

    def hear(question: Question) -> Answer:
        asked.append(question)
        return hearing(ZONE)(question)

    drive(verify_dkim(signed_by_hand(MESSAGE, tags={"v": "3"}), now=NOW), hear)
    assert asked == []


def test_line_feeds_without_cr_are_counted() -> None:
    """dkimpy passes an LF-only message; so do we, and say that the octets are not those of the wire."""
    verdict = verify(SIGNED.replace(b"\r\n", b"\n"))
    assert verdict.result is Result.PASS
    assert verdict.bare_lf == SIGNED.count(b"\n")
    assert verify(SIGNED).bare_lf == 0


def test_a_message_without_header_is_neutral() -> None:
    """What cannot be split is told by line, and nothing is judged."""
    verdict = verify(b"From: a@example.com\r\nno colon here\r\n\r\nbody")
    assert (verdict.result, verdict.signatures) == (Result.NEUTRAL, ())
    assert verdict.unreadable is not None and verdict.unreadable.startswith("line 2: ")


@given(st.binary(max_size=300))
def test_no_octets_raise(octets: bytes) -> None:
    """Whatever arrives is judged."""
    assert verify(octets).result in Result
    assert verify(b"DKIM-Signature: " + octets + b"\r\nFrom: a@b.example\r\n\r\n").result in Result


@settings(max_examples=40)
@given(st.integers(0, len(SIGNED) - 1), st.sampled_from(b"aZ0;=@"))
def test_no_changed_octet_passes(place: int, octet: int) -> None:
    """A letter put in place of any other octet that is signed makes the signature fail."""
    if SIGNED[place] == octet:
        return
    changed = SIGNED[:place] + bytes([octet]) + SIGNED[place + 1 :]
    before = verify(changed)
    folded = SIGNED[max(place - 2, 0) : place + 3]
    if before.result is Result.PASS:  # only what canonicalisation drops may change: case of names
        assert SIGNED[place : place + 1].lower() == bytes([octet]).lower(), folded


@given(st.text(max_size=60))
def test_any_key_record_is_judged(text: str) -> None:
    """Whatever stands at the selector, there is a verdict, and never a pass by accident."""
    verdict = only(SIGNED, {S1: text})
    assert verdict.result in (Result.PERMERROR, Result.POLICY, Result.FAIL)
    assert parse_key(text).text == text


def test_expiry_follows_the_clock_that_is_given() -> None:
    """The same message passes today and has expired in eight days."""
    signed = sign(MESSAGE, [RSA_KEY], now=NOW, expires=NOW + timedelta(days=7))
    assert only(signed, now=NOW).result is Result.PASS
    assert only(signed, now=NOW + timedelta(days=8)).kind is Kind.EXPIRED


def test_the_verdict_as_json_names_what_matters() -> None:
    """Reports get result, kind, domain, selector and what is covered."""
    told = only(SIGNED).to_json()
    assert (told["result"], told["domain"], told["selector"], told["key_bits"]) == ("pass", "example.com", "s1", 2048)


# -- strangers' mail -------------------------------------------------------------------------------------


GROWING: dict[str, Callable[[int], bytes]] = {
    "blanks in the body": lambda n: SIGNED + b"a" + b" " * n + b"a\r\n",
    "blanks in a field": lambda n: b"X: a" + b" " * n + b"a\r\n" + SIGNED,
    "folds of a field": lambda n: b"X: a\r\n" + b" a\r\n" * (n // 4) + SIGNED,
    "folds of the signature": lambda n: SIGNED.replace(b" b=", b" b=" + b"\r\n " * (min(n, 160_000) // 8), 1),
    "many fields": lambda n: b"X: a\r\n" * (n // 6) + SIGNED,
    "many names in h=": lambda n: (
        b"".join(b"X%d: a\r\n" % i for i in range(n // 32))
        + SIGNED.replace(b"h=from", b"h=" + b"".join(b"y%d:" % i for i in range(min(n, 160_000) // 32)) + b"from")
    ),
    "empty lines": lambda n: SIGNED + b"\r\n" * (n // 2),
}


@pytest.mark.parametrize("what", GROWING)
def test_hostile_messages_cost_no_more_than_their_size(what: str) -> None:
    """Eight times the message costs about eight times the work (stock dkimpy: sixty-four times for blanks)."""

    def cost(size: int) -> int:
        message = GROWING[what](size)
        spent = []
        for _ in range(2):
            start = time.process_time_ns()
            verify(message)
            spent.append(time.process_time_ns() - start)
        return max(min(spent), 1)

    verify(SIGNED)  # imports and key parsing are not part of the growth
    assert min(cost(320_000) / cost(40_000) for _ in range(3)) < 24

"""What was done to signed header fields, to the signature field, or by another key is named, each by its proof."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from deliverkit.facts.message.mutation import Search, State, find_changes
from deliverkit.facts.message.mutation.change import KINDS
from deliverkit.flow import Answer, Question, Status
from deliverkit.protocols.dkim.key import parse_key
from deliverkit.protocols.dkim.keys import load_private_key
from deliverkit.protocols.dkim.verify import judge_signatures, read_message
from tests.make_messages import USUAL, message, sign

KEYS = Path(__file__).parents[2] / "fixtures" / "keys"
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
RSA, OTHER, ED25519 = (
    load_private_key(KEYS / name).record
    for name in ("test-only-rsa2048.pem", "test-only-rsa2048-b.pem", "test-only-ed25519.pem")
)
EDDSA = {"key": "test-only-ed25519.pem", "algorithm": "ed25519-sha256"}


def searches_of(raw: bytes, record: str = RSA, others: dict[str, str] | None = None) -> Sequence[Search | None]:
    """The searches, where every selector that is named has this record and ``others`` are known besides."""
    signed = read_message(raw)
    answers = {n: Answer(Question(n, "TXT"), Status.OK, ((record.encode(),),)) for n in signed.key_names}
    keys = [(name, parse_key(text)) for name, text in (others or {}).items()]
    return find_changes(signed, judge_signatures(signed, answers, now=NOW).signatures, keys=keys)


def kinds(raw: bytes, record: str = RSA, others: dict[str, str] | None = None) -> list[str]:
    """The kinds of the changes that were named."""
    [search] = searches_of(raw, record, others)
    assert search is not None
    assert (State.UNEXPLAINED in (search.header, search.body)) == (not search.changes)
    assert {change.kind for change in search.changes} <= set(KINDS)
    return [change.kind for change in search.changes]


def put(raw: bytes, old: str | bytes, new: str | bytes) -> bytes:
    old, new = (one if isinstance(one, bytes) else one.encode() for one in (old, new))
    assert raw.count(old) == 1, old
    return raw.replace(old, new)


@pytest.mark.parametrize(
    ("tagged", "tag"),
    [
        ("[list] Your order 1001", "[list]"),
        ("[List-Name 12] Your order 1001", "[List-Name 12]"),
        ("*****SPAM***** Your order 1001", "*****SPAM*****"),
        ("EXTERNAL: Your order 1001", "EXTERNAL:"),
        ("{Spam?} Your order 1001", "{Spam?}"),
        ("Your order 1001 [list]", "[list]"),
        ("Re: Your order 1001", "Re:"),
    ],
)
def test_tags_in_subject(tagged: str, tag: str) -> None:
    """At the beginning or at the end, with what was added as evidence."""
    [search] = searches_of(put(sign(message()), "Subject: Your order 1001", f"Subject: {tagged}"))
    assert search is not None
    [change] = search.changes
    assert (change.kind, change.field, change.evidence) == ("subject-tagged", "Subject", tag)
    assert change.line == 11  # behind the eight lines of the signature, From and To


WORD, AGAIN = "=?utf-8?q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=", "=?UTF-8?B?R3LDvMOfZSBhdXMgS8O2bG4=?="


@pytest.mark.parametrize(
    ("fields", "old", "new", "kind"),
    [
        ({"Subject": "Re: x"}, "Re: x", "Re: [list] x", "subject-tagged"),
        ({"Subject": WORD}, WORD, AGAIN, "field-reencoded"),
        ({"Subject": WORD}, WORD, "Grüße aus Köln", "field-reencoded"),
        ({"Subject": "Grüße aus Köln"}, "Grüße aus Köln", AGAIN, "field-reencoded"),
        ({"Subject": WORD}, WORD, "=?utf-8?b?W2xpc3RdIEdyw7zDn2UgYXVzIEvDtmxu?=", "subject-tagged"),
        ({"From": f"{WORD} <a@example.com>"}, WORD, AGAIN, "field-reencoded"),
        ({}, "From: Shop <", 'From: "Shop" <', "addresses-respelled"),
        ({"To": "<ann@example.net>"}, "<ann@example.net>", "ann@example.net", "addresses-respelled"),
        ({}, "+0000\r\nMess", "+0000 (UTC)\r\nMess", "date-respelled"),
        ({}, "+0000\r\nMess", "GMT\r\nMess", "date-respelled"),
        ({"MIME_Version": "1.0"}, "MIME-Version: 1.0", "MIME-Version: 1.0 (filter 2)", "mime-version-changed"),
        ({"Content_Type": "text/plain; charset=utf-8"}, "charset=utf-8", 'charset="utf-8"', "content-type-changed"),
        ({"MIME_Version": "1.0"}, "MIME-Version: 1.0\r\n", "", "field-lost"),
        ({}, "To: Ann", "Reply-To: x@example.net\r\nTo: Ann", "field-added"),
        ({}, "h=from:", "h=From:", "signature-edited"),
        ({}, " t=1795341570;", " t=1795341570; x=1795999999;", "signature-edited"),
        ({}, "c=relaxed/relaxed", "c=simple/relaxed", "signature-edited"),
        ({"Subject": "a" * 80}, "a" * 80, "a" * 70 + "\r\n " + "a" * 10, "field-broken"),
    ],
)  # fmt: skip
def test_known_changes_are_named(fields: dict[str, str], old: str, new: str, kind: str) -> None:
    """One change, undone and proven."""
    assert kinds(put(sign(message(**fields)), old, new)) == [kind]


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("1001,\r\n 2", "1001, 2", "field-refolded"),
        ("1001,\r\n 2", "1001,\r\n\t2", "field-refolded"),
        ("From: Shop", "From:  Shop", "field-refolded"),
        ("Message-ID:", "Message-Id:", "names-recased"),
        (";\r\n\tbh=", "; bh=", "signature-edited"),
    ],
)
def test_changes_that_only_simple_canonicalization_sees(old: str, new: str, kind: str) -> None:
    """Relaxed canonicalization passes over them."""
    plain = message(Subject="Your order 1001,\r\n 2 parcels")
    assert kinds(put(sign(plain, canonicalization="simple/relaxed"), old, new)) == [kind]
    if kind != "signature-edited":
        assert searches_of(put(sign(plain), old, new)) == (None,)


def test_a_list_that_rewrites_from_keeps_the_author_elsewhere() -> None:
    """From, Subject and Reply-To: three changes, and From as it was."""
    raw = put(
        sign(message()),
        "From: Shop <orders@example.com>",
        "From: Shop via L <l@l.example>\r\nReply-To: orders@example.com",
    )
    [search] = searches_of(put(raw, "Subject: ", "Subject: [l] "))
    assert search is not None
    assert [change.kind for change in search.changes] == ["from-rewritten", "subject-tagged", "field-added"]
    assert "it was 'Shop <orders@example.com>'" in (search.cause or "")


def test_a_fold_and_a_tag_together() -> None:
    """Under simple canonicalization both must be undone."""
    raw = sign(message(Subject="Your order 1001,\r\n 2 parcels"), canonicalization="simple/simple")
    assert kinds(put(raw, "Your order 1001,\r\n 2", "[x] Your order 1001, 2")) == ["field-refolded", "subject-tagged"]


def test_copies_in_the_signature_restore_what_was_replaced() -> None:
    """z= (RFC 6376 §3.5) proves a value that nobody could guess."""
    raw = sign(message(), more=" z=Subject:=20Your=20order=201001;")
    [search] = searches_of(put(raw, "Subject: Your order 1001", "Subject: Something else"))
    assert search is not None
    assert [(c.kind, c.field) for c in search.changes] == [("field-rewritten", "Subject")]


def test_fields_of_one_name_in_another_order() -> None:
    """Comments may occur twice, and are counted from the bottom (RFC 6376 §5.4.2)."""
    raw = b"Comments: one\r\nComments: two\r\n" + message()
    raw = sign(raw, names=("from", "comments", "comments"))
    assert kinds(put(raw, "Comments: one\r\nComments: two", "Comments: two\r\nComments: one")) == ["fields-reordered"]


@pytest.mark.parametrize("declared", ["relaxed/relaxed", "simple/relaxed"])
def test_a_signer_that_uses_the_other_form(declared: str) -> None:
    """c= does not say what was done; the proof is the signature itself."""
    used = "simple/relaxed" if declared == "relaxed/relaxed" else "relaxed/relaxed"
    assert kinds(sign(message(), canonicalization=used, declared=declared)) == ["other-canonicalization"]


def _faulty(hashed: Callable[[bytes], bytes]) -> bytes:
    """A signature over something else than the law says; ``hashed`` makes it of what the law says."""
    signed = sign(message(), names=("from",))
    field = signed[: signed.index(b"From: ")]
    value = re.sub(rb"[ \t]+", b" ", field.partition(b":")[2].replace(b"\r\n", b"")).partition(b" b=")[0]
    data = b"from:Shop <orders@example.com>\r\ndkim-signature:" + value.strip() + b" b="
    key = serialization.load_pem_private_key((KEYS / "test-only-rsa2048.pem").read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    value = base64.b64encode(key.sign(hashed(data), padding.PKCS1v15(), hashes.SHA256()))
    return (
        field[: field.index(b" b=") if b" b=" in field else field.index(b"\tb=")] + b" b=" + value + b"\r\n" + message()
    )


@pytest.mark.parametrize("hashed", [lambda d: d + b"\r\n", lambda d: d.removesuffix(b" b="), lambda d: d[:-4]])
def test_signers_that_hash_something_else(hashed: Callable[[bytes], bytes]) -> None:
    """The last line end, or the field without the tag b=."""
    assert searches_of(_faulty(lambda data: data)) == (None,), "the signature is good where nothing is at fault"
    assert kinds(_faulty(hashed)) == ["signer-fault"]


@pytest.mark.parametrize(
    ("signing", "record", "others"),
    [
        ({}, OTHER, {"s2._domainkey.example.com": RSA}),
        ({"key": "test-only-rsa2048-b.pem"}, RSA, {"s2._domainkey.example.com": OTHER}),
        (EDDSA, RSA, {"s2._domainkey.example.com": ED25519, "s3._domainkey.example.com": OTHER}),
    ],
)
def test_the_key_of_another_selector(signing: dict[str, str], record: str, others: dict[str, str]) -> None:
    """RSA shows its key whatever was changed; Ed25519 where the header is whole."""
    [search] = searches_of(sign(message(), **signing), record, others)  # type: ignore[arg-type]
    assert search is not None
    assert search.cause == "it was signed with the key of selector s2, but names s1"
    assert (search.header, search.body) == (State.AGREES, State.AGREES)


def test_the_key_of_another_selector_and_a_changed_message() -> None:
    """The header and the body are looked into with the key that made the signature."""
    raw = put(sign(message(), key="test-only-rsa2048-b.pem"), "Subject: ", "Subject: [l] ") + b"--\r\nfooter\r\n"
    assert kinds(raw, RSA, {"s2._domainkey.example.com": OTHER}) == ["other-selector", "subject-tagged", "footer-added"]


def test_no_key_that_is_known_made_it() -> None:
    """Nothing is named, and the report says how many were tried."""
    [search] = searches_of(sign(message(), key="test-only-rsa1024.pem"), RSA, {"s2._domainkey.example.com": OTHER})
    assert search is not None
    assert (search.header, search.changes, search.keys) == (State.UNKNOWN, (), 1)
    assert search.rest == "none of the other keys that were found (1) made it"


@pytest.mark.parametrize("signing", [{}, EDDSA])
def test_both_halves_are_looked_into(signing: dict[str, str]) -> None:
    """A tag and a footer; RSA by the hash it shows, Ed25519 by verifying again and again."""
    raw = put(sign(message(), **signing), "Subject: ", "Subject: [l] ") + b"--\r\nfooter\r\n"  # type: ignore[arg-type]
    assert kinds(raw, ED25519 if signing else RSA) == ["subject-tagged", "footer-added"]


@pytest.mark.parametrize("change", [(b"Your order", b"Our order"), (b"Hello Ann", b"Hallo Ann"), (b"ann@", b"bob@")])
@pytest.mark.parametrize("form", ["relaxed/relaxed", "simple/simple"])
def test_unknown_changes_are_not_named(change: tuple[bytes, bytes], form: str) -> None:
    """Zero false names: what is not known is said not to be known."""
    [search] = searches_of(put(sign(message(), canonicalization=form), *change))
    assert search is not None
    assert search.changes == ()
    assert "is not known (none of the" in search.rest


def test_nothing_is_searched_where_all_signatures_pass() -> None:
    """The search costs nothing there."""
    assert searches_of(sign(message())) == (None,)


def test_the_signature_may_name_thousands_of_fields() -> None:
    """The work is bounded and counted: the same on every machine."""
    names = USUAL + tuple(f"x-{number}" for number in range(3000))
    raw = put(sign(message(), names=names), "Your order", "Our order")
    raw = b"".join(b"X-%d: a\r\n" % (number % 3000) for number in range(20_000)) + raw
    [first], [second] = searches_of(raw), searches_of(raw)
    assert first == second
    assert first is not None
    assert (first.header, first.gave_up) == (State.UNEXPLAINED, True)
    assert re.search(r"the search was given up after \d+ tries", first.rest)

"""Verification of one message: authentication joined, and what is not known kept apart from what fails."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deliverkit.engine.verify import Verification, verify
from deliverkit.facts.base import NotAsked, Unobserved
from deliverkit.protocols.dkim.keys import load_private_key
from deliverkit.report import render
from deliverkit.world import World
from deliverkit.world.story import load_story, run_story
from tests.make_messages import message, messages, sign

FIXTURES = Path(__file__).parents[2] / "fixtures"
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
KEY = load_private_key(FIXTURES / "keys" / "test-only-rsa2048.pem").record
RECORDS: dict[str, dict[str, Any]] = {
    "example.com": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]},
    "_dmarc.example.com": {"TXT": ["v=DMARC1; p=reject"]},
    "s1._domainkey.example.com": {"TXT": [KEY]},
    "mx.example.com": {"A": ["192.0.2.1"], "TXT": ["v=spf1 a -all"]},
    "1.2.0.192.in-addr.arpa": {"PTR": ["mx.example.com."]},
}
SESSION = {"client_ip": "192.0.2.1", "helo": "mx.example.com", "mail_from": "b@example.com"}


def verified(raw: bytes, failures: dict[tuple[str, str], str] | None = None, **known: Any) -> Verification:
    """Verify in the world above."""
    world = World.from_records(RECORDS, failures, now=NOW)
    return asyncio.run(verify(raw, world=world, **known))


def test_the_signed_messages_are_what_their_generator_writes() -> None:
    """Fixtures and generator agree octet for octet: signing is deterministic."""
    for name, octets in messages().items():
        assert (FIXTURES / "messages" / name).read_bytes() == octets, f"{name}: run python -m tests.make_messages"


def test_a_sound_message_passes_everything() -> None:
    """The results stand where the README says."""
    verdict = verified(sign(message()), **SESSION)
    assert verdict.verdict == "pass"
    assert verdict.authentication.spf.result == "pass"
    assert verdict.authentication.dkim[0].result == "pass"
    assert verdict.authentication.dmarc.result == "pass"
    assert verdict.authentication.dmarc.policy == "reject"
    assert verdict.authentication.iprev.result == "pass"
    assert verdict.authentication.helo.result == "pass"
    assert verdict.authentication.arc is None


def test_no_signature_is_an_empty_list_and_the_word_none() -> None:
    """RFC 8601 says dkim=none; there is no signature to say it of."""
    authentication = verified(message(), **SESSION).authentication
    assert authentication.dkim == ()
    assert authentication.dkim_result == "none"


def test_the_json_has_the_contract_s_shape() -> None:
    """authentication: {spf, dkim, dmarc, arc}, with RFC 8601 words."""
    from deliverkit.report.jsonable import report_json

    told = report_json(verified(sign(message()), **SESSION))["facts"]["authentication"]
    assert told["spf"]["result"] == "pass"
    assert told["spf"]["domain"] == "example.com"
    assert [(d["result"], d["domain"], d["selector"]) for d in told["dkim"]] == [("pass", "example.com", "s1")]
    assert (told["dmarc"]["result"], told["dmarc"]["policy"]) == ("pass", "reject")
    assert told["arc"] is None


def test_without_a_client_address_spf_is_not_asked() -> None:
    """Reading it raises NotAsked; the JSON says null, and the exit status is not 3."""
    verdict = verified(sign(message()))
    with pytest.raises(NotAsked):
        _ = verdict.authentication.spf
    assert verdict.authentication.dmarc.result == "pass"
    assert verdict.exit_status() == 0
    assert "MSG001" in verdict.not_asked


def test_dmarc_is_open_where_neither_signature_nor_client_can_tell() -> None:
    """An unsigned message without a client address neither passes nor fails."""
    verdict = verified(message())
    with pytest.raises(Unobserved, match="SPF is unknown"):
        _ = verdict.authentication.dmarc
    assert verdict.verdict == "unknown"
    assert verdict.exit_status() == 3


def test_a_pass_of_the_helo_name_never_reaches_dmarc() -> None:
    """HELO mx.example.com passes and would align; MAIL FROM fails: DMARC fails (CVE-2019-20790)."""
    verdict = verified(message(), client_ip="192.0.2.1", helo="mx.example.com", mail_from="x@elsewhere.example")
    assert verdict.authentication.helo.result == "pass"
    assert verdict.authentication.dmarc.result == "fail"


def test_with_a_null_reverse_path_the_helo_name_is_the_identity() -> None:
    """RFC 7208 §2.4: postmaster@HELO; it may align."""
    for null in ("", "<>"):
        verdict = verified(message(), client_ip="192.0.2.1", helo="mx.example.com", mail_from=null)
        assert verdict.authentication.spf.domain == "mx.example.com"
        assert verdict.authentication.dmarc.result == "pass"


def test_authentication_results_in_the_message_are_not_believed() -> None:
    """A sender may write what it likes; nothing of it becomes a result."""
    forged = b"Authentication-Results: mx.example.com; spf=pass; dkim=pass header.d=example.com; dmarc=pass\r\n"
    verdict = verified(forged + message(), client_ip="192.0.2.9", mail_from="b@example.com")
    assert verdict.authentication.spf.result == "fail"
    assert verdict.authentication.dkim == ()
    assert verdict.authentication.dmarc.result == "fail"


def test_two_signatures_are_checked_with_their_own_keys() -> None:
    """The second's key is not the first's, and one failing signature does not fail the message."""
    verdict = verified(sign(sign(message()), selector="gone"), **SESSION)
    assert [signature.result for signature in verdict.authentication.dkim] == ["permerror", "pass"]
    assert verdict.authentication.dmarc.result == "pass"


def test_where_the_reverse_path_comes_from() -> None:
    """Given, else Return-Path, else From."""
    path = b"Return-Path: <r@example.org>\r\n"
    assert verified(path + message(), mail_from="<g@example.net>").message.mail_from == "g@example.net"
    told = verified(path + message()).message
    assert (told.mail_from, told.mail_from_source) == ("r@example.org", "Return-Path")
    assumed = verified(message()).message
    assert (assumed.mail_from, assumed.mail_from_source) == ("orders@example.com", "From")
    assert "taken from From" in str(verified(message(), client_ip="192.0.2.1").subject.remark)
    assert verified(b"Return-Path: <>\r\n" + message()).message.mail_from == ""


def test_a_message_with_lf_alone_is_verified_as_it_travels() -> None:
    """The signature holds, the report says so, and no bare LF is found."""
    verdict = verified(sign(message()).replace(b"\r\n", b"\n"), **SESSION)
    assert verdict.authentication.dkim[0].result == "pass"
    assert verdict.subject.remark is not None
    assert "local line ends" in verdict.subject.remark
    assert verdict.verdict == "pass"


def test_servfail_is_neither_pass_nor_fail() -> None:
    """Every dependent rule is inconclusive, with the question that got no answer."""
    verdict = verified(sign(message()), {(name, "*"): "servfail" for name in RECORDS}, **SESSION)
    assert verdict.verdict == "unknown"
    assert not [f for f in verdict.findings if f.rule.startswith("MSG0") and f.rule < "MSG030"]
    assert any("servfail" in one.reason for one in verdict.inconclusive)


def test_the_world_s_clock_decides_about_expiry() -> None:
    """The same message, an hour earlier."""
    raw = messages()["signed-expired.eml"]
    world = World.from_records(RECORDS, now=NOW - timedelta(minutes=30))
    assert asyncio.run(verify(raw, world=world)).authentication.dkim[0].result == "pass"
    assert verified(raw).authentication.dkim[0].result == "policy"


def test_what_is_no_address_is_refused() -> None:
    """A caller's mistake is an error, not a result."""
    with pytest.raises(ValueError, match=r"192\.0\.2"):
        verified(message(), client_ip="192.0.2")


def test_a_large_message_does_not_hold_the_loop_up() -> None:
    """While ten megabytes are verified another task of the loop keeps its turns."""
    raw = sign(message("0123456789 0123456789 0123456789\r\n" * 300_000))

    async def both() -> tuple[Verification, float]:
        gaps = [0.0]

        async def ticks() -> None:
            while True:
                began = time.perf_counter()
                await asyncio.sleep(0.005)
                gaps.append(time.perf_counter() - began)

        ticking = asyncio.create_task(ticks())
        verdict = await verify(raw, world=World.from_records(RECORDS, now=NOW))
        ticking.cancel()
        return verdict, max(gaps)

    verdict, longest = asyncio.run(both())
    assert verdict.authentication.dkim[0].result == "pass"
    assert longest < 1.5


HOSTILE_FIELDS = [
    b"=?utf-8?q?a?= ",
    b"=?utf-8?q?",
    b"\r",
    b"(",
    b'"',
    b"<",
    b"a@b,",
    b";a=",
    b"=?utf-8?b?YUBiLmM=?=",
    b"%0a",
    b" \r\n ",
]
HOSTILE_BODIES = [
    b"<a href=x>",
    b"<",
    b"{{",
    b"hi ",
    b"= ",
    b"http://",
    b"\r\n--b\r\n",
    b"x" * 997 + b"\r\n",
    b">From \r\n",
    b" \t",
]


@pytest.mark.parametrize("piece", HOSTILE_FIELDS)
@pytest.mark.parametrize("name", [b"From", b"Subject", b"List-Unsubscribe", b"Content-Type", b"Content-Disposition"])
def test_hostile_fields_cost_linear_time(name: bytes, piece: bytes) -> None:
    """150 kB of any of these in a field is read and judged in seconds."""
    raw = name + b": " + piece * (150_000 // len(piece)) + b"\r\nContent-Type: text/plain; name=" + piece + b"\r\n\r\nx"
    began = time.perf_counter()
    verdict = verified(raw)
    assert time.perf_counter() - began < 5
    assert not [one for one in verdict.inconclusive if "crashed" in one.reason]


@pytest.mark.parametrize("piece", HOSTILE_BODIES)
@pytest.mark.parametrize("type_", [b"text/plain", b"text/html", b"multipart/mixed; boundary=b"])
def test_hostile_bodies_cost_linear_time(type_: bytes, piece: bytes) -> None:
    """300 kB of any of these as text, as HTML, as parts; signed, so that the changes are looked for, too."""
    body = piece * (300_000 // len(piece))
    raw = sign(message()).replace(b"\r\n\r\n", b"\r\nContent-Type: " + type_ + b"\r\n\r\n" + body, 1)
    began = time.perf_counter()
    verdict = verified(raw)
    assert time.perf_counter() - began < 5
    assert not [one for one in verdict.inconclusive if "crashed" in one.reason]


@pytest.mark.parametrize("piece", [*HOSTILE_BODIES, b"`", b"```\r\n", b"> {{ x }}\r\n", b"<code>{{ x }}</code>\r\n"])
def test_hostile_alternatives_cost_linear_time(piece: bytes) -> None:
    """300 kB of any of these as text and as HTML, which are compared."""
    body = piece * (300_000 // len(piece))
    parts = (b"--a\r\nContent-Type: " + type_ + b"\r\n\r\n" + body + b"\r\n" for type_ in (b"text/plain", b"text/html"))
    head = message(MIME_Version="1.0", Content_Type="multipart/alternative; boundary=a").partition(b"\r\n\r\n")[0]
    began = time.perf_counter()
    verdict = verified(head + b"\r\n\r\n" + b"".join(parts) + b"--a--\r\n")
    assert time.perf_counter() - began < 5
    assert not [one for one in verdict.inconclusive if "crashed" in one.reason]


@pytest.mark.parametrize("change", [(b"Hello", b"Hallo"), (b"Your order", b"Our order")])
def test_ten_signatures_that_fail_cost_no_ten_searches(change: tuple[bytes, bytes]) -> None:
    """What changed a large body or header is looked for once."""
    plain = message("Hello Ann\r\n" * 40_000)
    head = sign(plain).removesuffix(plain)
    began = time.perf_counter()
    verdict = verified(head * 10 + plain.replace(*change))
    assert time.perf_counter() - began < 5
    assert len(verdict.authentication.searches) == 10


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_mutated_messages_are_verified_and_rendered(data: st.DataObject) -> None:
    """Octets cut, doubled, replaced: always a report, in text and JSON, and no rule crashes."""
    raw = bytearray(data.draw(st.sampled_from(list(messages().values()))))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.integers(0, 40))] = data.draw(
            st.sampled_from(
                [b"", b"\r", b"\n", b"\r\n\r\n", b"\0", b"\xff", b"=?utf-8?b?", b"<a href=", b"{{", b";;", b":"]
            )
        )
    verdict = verified(bytes(raw), **SESSION)
    assert not [one for one in verdict.inconclusive if "crashed" in one.reason]
    for form in ("text", "json", "markdown", "html"):
        assert render([verdict], form)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=600))
def test_any_octets_are_verified(raw: bytes) -> None:
    """Never raises, no rule crashes."""
    assert not [one for one in verified(raw, **SESSION).inconclusive if "crashed" in one.reason]


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html"])
def test_a_private_key_that_was_published_is_not_repeated(form: str) -> None:
    """Whoever reads the report of a message must not find the key in it."""
    story = load_story(FIXTURES / "stories" / "message" / "dkim-private-key-published.toml")
    told = render([run_story(story)], form)
    assert "MSG016" in told
    assert "SecretSecret" not in told


def test_texts_and_links_are_shown_with_their_lines() -> None:
    """A soft line break of quoted-printable moves nothing; text, HTML and links count in the whole message."""
    report = run_story(load_story(FIXTURES / "stories" / "message" / "evidence-tells-lines.toml"))
    lines = {f.rule: [(e.name, e.line) for e in f.evidence] for f in report.findings}
    assert lines["MSG100"] == [("text part", 14), ("HTML part", 20)]
    assert lines["MSG130"] == [("link", 19)]


def test_other_selectors_are_asked_for_where_the_key_is_in_doubt() -> None:
    """Common selectors of the signing domain, and those of other signatures; JSON has the change and the search."""
    raw = sign(message(), selector="gone")
    verdict = verified(raw, **SESSION)
    told = verdict.authentication.to_json()["dkim"][0]
    assert told["change"].text == "it was signed with the key of selector s1, but names gone"
    assert told["search"].header == told["search"].body == "agrees"
    [finding] = [f for f in verdict.findings if f.rule == "MSG013"]
    assert "no TXT record at gone._domainkey.example.com" in finding.detail
    assert "the key of selector s1" in finding.detail
    assert any(e.name == "s1._domainkey.example.com" for e in finding.evidence)


def test_nothing_is_asked_or_loaded_for_the_search_where_signatures_pass() -> None:
    """The search costs nothing there: its room stays closed."""
    code = (
        "import sys; import tests.engine.test_verify as t; t.verified(t.sign(t.message()), **t.SESSION);"
        "print([m for m in sys.modules if 'message.mutation.' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['deliverkit.facts.message.mutation.change']"


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html"])
def test_the_first_line_of_a_footer_is_shown_and_safe(form: str) -> None:
    """In every format, without the escape that stands in it."""
    told = render([verified(sign(message()) + b"--\r\nthe \x1b[31mlist\r\n", **SESSION)], form)
    assert "a footer of 2 lines was added at the end of the body" in told
    assert "\x1b[31m" not in told
    assert "[31mlist" in told


def test_a_search_gives_the_same_report_each_time() -> None:
    """Work is counted, not timed: a replayed world gives the same octets."""
    raw = sign(message()).replace(b"Hello Ann", b"Hallo Ann")
    first, second = (verified(raw, **SESSION).authentication.searches for _ in range(2))
    assert first == second

"""Two environments: what differs is found, ranked, and the same whichever file comes first."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import deliverkit
from deliverkit.data.differences import changes, kinds
from deliverkit.engine.diff import Comparison, compared, diff
from deliverkit.engine.differing import transports
from deliverkit.engine.divergence import first_divergence, without
from deliverkit.engine.snapshot import Found, Place, SeenStep, Session, Snapshot, Transport, Value, snapshot_json
from deliverkit.engine.snapshotfile import NotComparable


def value(shown: Any, name: str = "", **more: Any) -> Value:
    """A setting in .env."""
    return Value(name or "X", ".env", ".env:1", shown, **more)


def secret(shape: str = "16 characters: lower-case letters", digest: str | None = None) -> Value:
    """A secret of a shape."""
    return Value("SMTP_PASS", ".env", ".env:4", None, secret=True, shape=shape, digest=digest)


def transport(framework: str = "nodemailer", place: str = "mail.ts:3", **roles: Value) -> Transport:
    """A sound transport on 587, its roles changed."""
    told = {
        "host": value("smtp.example.com", "SMTP_HOST"), "port": value(587, "SMTP_PORT"),
        "user": value("ann", "SMTP_USER"), "password": secret(), **roles,
    }  # fmt: skip
    plan = {
        "delivery": "smtp", "host": told["host"].value, "port": told["port"].value, "mode": "opportunistic",
        "verify": True,
    }  # fmt: skip
    return Transport(framework, None, "production", place, told, plan)


def snapshot(*ones: Transport, **more: Any) -> Snapshot:
    """A snapshot of transports, taken at a sound place."""
    place = more.pop(
        "place", Place(mode="live", resolvers=("192.0.2.53",), trust_certificates=140, ehlo="a.example.com")
    )
    return Snapshot("shop", "2026-11-22T10:00:00Z", "0.1.0", transports=ones or (transport(),), place=place, **more)


def told(old: Snapshot, new: Snapshot) -> Comparison:
    """What differs, the same both ways round."""
    there, back = compared(old, new, "old", "new"), compared(new, old, "new", "old")
    assert [(d.kind, d.what, d.old, d.new) for d in there.differences] == [
        (d.kind, d.what, d.new, d.old) for d in back.differences
    ]
    return there


def found(old: Snapshot, new: Snapshot) -> list[tuple[str, str]]:
    """The kinds and what they are about, the likeliest first."""
    return [(one.kind, one.what) for one in told(old, new).differences]


def moded(one: Transport, **plan: Any) -> Transport:
    """The transport with another plan."""
    return replace(one, plan={**one.plan, **plan})


def placed(**more: Any) -> Snapshot:
    """A snapshot from another place."""
    return snapshot(place=replace(snapshot().place, **more))


PAIRS = {
    "port against encryption": (snapshot(moded(transport(), mode="implicit")), ("port-mode", "port and encryption")),
    "mode": (snapshot(moded(transport(), mode="starttls")), ("mode", "mode")),
    "port": (snapshot(transport(port=value(2525))), ("port", "port")),
    "host": (snapshot(transport(host=value("smtp.example.net"))), ("host", "host")),
    "host of here only": (snapshot(transport(host=value("mailhog"))), ("host-local", "host")),
    "user": (snapshot(transport(user=value("bob"))), ("user", "user")),
    "shape of the password": (
        snapshot(transport(password=secret("12 characters: digits"))),
        ("password-shape", "password"),
    ),
    "no password": (snapshot(transport(password=value(None))), ("password-missing", "password")),
    "no user": (snapshot(transport(user=value(None))), ("setting-missing", "user")),
    "logged only": (snapshot(moded(transport(), delivery="log")), ("delivery", "delivery")),
    "not verified": (snapshot(moded(transport(), verify=False)), ("verify", "verify")),
    "From": (snapshot(transport(**{"from": value("a@b.example")})), ("setting", "from")),
    "timeout": (snapshot(moded(transport(), connect_s=1.0)), None),
    "another transport": (snapshot(transport(), transport("django", "settings.py:9")), ("transport", "django")),
    "blocked port": (placed(ports={"smtp.example.com:587": "timeout"}), None),
    "local EHLO name": (placed(ehlo="3f2a9c1b7d4e"), ("helo-local", "EHLO name")),
    "EHLO name": (placed(ehlo="b.example.com"), ("helo", "EHLO name")),
    "resolver": (placed(resolvers=("192.0.2.54",)), ("resolver", "resolvers")),
    "empty trust store": (placed(trust_certificates=0), ("trust-empty", "trust store")),
    "older trust store": (placed(trust_certificates=90), ("trust", "trust store")),
    "clock": (placed(clock_offset_s=-3600.0), ("clock", "clock")),
    "clock a little": (placed(clock_offset_s=200.0), None),
    "platform": (placed(platforms=("vercel",)), ("platform", "platform")),
    "container": (placed(container=True), ("container", "container")),
    "error": (snapshot(findings=(Found("SET001", "error", "t"),)), ("finding-error", "SET001")),
    "warning": (snapshot(findings=(Found("SET041", "warning", "t"),)), ("finding-warning", "SET041")),
    "variable": (snapshot(variables={"": {"SMTP_NAME": True}}), ("variable", "SMTP_NAME")),
}


@pytest.mark.parametrize(("other", "expected"), PAIRS.values(), ids=PAIRS)
def test_each_kind_is_found_alone(other: Snapshot, expected: tuple[str, str] | None) -> None:
    """One thing is changed, and it is the one difference; what cannot be known from one side is none."""
    assert found(snapshot(), other) == ([] if expected is None else [expected])


def test_equal_snapshots_have_no_difference() -> None:
    """Apart from when they were taken, and where a value stands."""
    moved = transport(host=Value("SMTP_HOST", ".env.production", ".env.production:7", "smtp.example.com"))
    assert told(snapshot(), replace(snapshot(moved), taken="2027-01-01T00:00:00Z")).same


def test_a_port_that_answers_from_one_place_only() -> None:
    """The configured one explains; another tells of the network."""
    old = placed(ports={"smtp.example.com:587": "open", "smtp.example.com:25": "open"})
    new = placed(ports={"smtp.example.com:587": "timeout", "smtp.example.com:25": "timeout"})
    assert found(old, new) == [("port-blocked", "smtp.example.com:587"), ("port-beside", "smtp.example.com:25")]


def test_a_variable_that_is_read_and_unset_is_likely() -> None:
    """The other side knows its name, because something reads it."""
    old, new = (snapshot(variables={"production": {"SMTP_NAME": is_set}}) for is_set in (True, False))
    assert found(old, new) == [("variable-missing", "SMTP_NAME")]


def test_passwords_are_compared_by_digests_of_one_key_only() -> None:
    """Else it is said that they were not compared."""
    ours, theirs = snapshot(transport(password=secret(digest="a"))), snapshot(transport(password=secret(digest="b")))
    without_key = told(ours, theirs)
    assert without_key.same
    assert "only digests with one key tell" in without_key.unknown[0]
    keyed = [replace(side, digest_check="k") for side in (ours, theirs)]
    assert found(*keyed) == [("password", "password")]
    assert told(keyed[0], keyed[0]).unknown == ()
    assert told(keyed[0], replace(keyed[1], digest_check="another")).unknown == without_key.unknown


@pytest.mark.parametrize(
    ("name", "old", "new", "kind"),
    [
        ("laravel/framework", "v8.83.0", "v9.1.0", "version-known"),
        ("laravel/framework", "v9.0.0", "v10.1.0", "version"),
        ("nodemailer", "^6.9.1", "7.0.0", "version-known"),
        ("python", "3.12.1", "3.13", "version-known"),
        ("node", "lts/*", "20", "version"),
    ],
)
def test_a_version_across_a_known_change_says_which(name: str, old: str, new: str, kind: str) -> None:
    """From the data, with its source; others are only told."""
    ours, theirs = (snapshot(versions={name: version}) for version in (old, new))
    (one,) = told(ours, theirs).differences
    assert one.kind == kind
    assert (changes()[0].what in one.why) is (name == "python" and kind == "version-known" and old < "3.12")


def steps(*broken: str) -> tuple[SeenStep, ...]:
    """A ladder that broke at these rungs."""
    return tuple(SeenStep("smtp.example.com:587", name, name not in broken) for name in ("connect", "TLS", "AUTH"))


def test_the_rung_that_broke_ranks_what_can_break_it_first() -> None:
    """A login that fails is no matter of ports, and a port that keeps silent none of passwords."""
    old = snapshot(steps=steps())
    changed = transport(port=value(2525), password=secret("8 characters: digits"))
    auth, connect = (snapshot(changed, steps=steps(rung)) for rung in ("AUTH", "connect"))
    assert [kind for kind, _ in found(old, auth)] == ["password-shape", "port"]
    assert [kind for kind, _ in found(old, connect)] == ["port", "password-shape"]
    assert told(old, auth).broke == ((), ("auth",))


def test_every_difference_has_its_words_from_the_data() -> None:
    """Each kind that the code names stands in the data, and no likelihood is out of range."""
    assert all(0 < kind.likelihood < 100 and kind.why and kind.change for kind in kinds().values())
    assert all(change.source and change.at[0].isdigit() for change in changes())
    used = {one.kind for other, _ in PAIRS.values() for one in told(snapshot(), other).differences}
    assert used < set(kinds())


def test_transports_are_paired_by_framework_and_file_whatever_their_order() -> None:
    """Each with its own kind, and nothing is told of two that are the same."""
    ones = transport(), transport("django", "settings.py:9"), transport("nodemailer", "other.ts:3", user=value("bob"))
    unknown: list[str] = []
    assert list(transports(snapshot(*ones), snapshot(*reversed(ones)), unknown)) == []


# -- transcripts ----------------------------------------------------------------------------------------------


def session(*lines: str, server: str = "smtp.example.com:587") -> Session:
    """ "> " the client's, "< " the server's lines."""
    events: list[dict[str, Any]] = [{"event": "connected", "at": 0.1, "in_clear": True}]
    for line in lines:
        if line[0] in "<>":
            by = "client" if line[0] == ">" else "server"
            events.append({"event": "line", "at": 0.2, "by": by, "text": line[2:], "in_clear": True})
        else:
            events.append(
                {"event": line, "at": 0.2, "version": "TLSv1.3", "verified": True, "why": "timeout", "by": "server"}
            )
    return Session(server, tuple(events))


HELLO = (
    "< 220 mx7.example.com ESMTP a1b2c3d4e5f6g7h8 - gsmtp",
    "> EHLO dev-laptop",
    "< 250-mx7.example.com, [192.0.2.9]",
)
HELLO2 = ("< 220 mx9.example.com ESMTP z9y8x7w6v5u4t3s2 - gsmtp", "> EHLO web-1", "< 250-mx9.example.com, [192.0.2.77]")


def test_what_differs_in_any_two_sessions_is_no_divergence() -> None:
    """Names of the pool, ids, addresses, the order of extensions, the client's own name."""
    one = session(*HELLO, "< 250-SIZE 35882577", "< 250 STARTTLS", "> STARTTLS", "tls-started")
    other = session(*HELLO2, "< 250-STARTTLS", "< 250 SIZE 35882577", "> STARTTLS", "tls-started")
    assert first_divergence([one], [other]) is None


def test_the_first_divergence_has_what_went_before_and_what_it_means() -> None:
    """A login that one server takes and refuses to the other."""
    ours = session(
        *HELLO, "< 250 AUTH PLAIN", "> AUTH PLAIN ********", "< 235 2.7.0 Accepted", "> MAIL FROM:<a@b.example>"
    )
    theirs = session(
        *HELLO2, "< 250 AUTH PLAIN", "> AUTH PLAIN ********",
        "< 535-5.7.8 Username and Password not accepted. For more information, go to",
        "< 535 5.7.8  https://support.google.com/mail/?p=BadCredentials a1b2c3d4e5f6g7h8 - gsmtp",
    )  # fmt: skip
    parted = first_divergence([ours], [theirs])
    assert parted is not None
    assert parted.before[-1] == "> AUTH PLAIN ********"
    assert parted.old == "< 235 2.7.0 Accepted"
    assert parted.new is not None
    assert parted.new.startswith("< 535-5.7.8 Username and Password not accepted")
    assert parted.meaning
    back = first_divergence([theirs], [ours])
    assert back == replace(parted, old=parted.new, new=parted.old, before=back.before if back else ())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("< 220 a.example.com",), ("not-connected",)),
        (("< 220 a.example.com", "> EHLO a"), ("< 220 a.example.com",)),
        (("< 250-a", "< 250 STARTTLS"), ("< 250-a", "< 250 AUTH")),
        (("tls-started",), ("tls-failed",)),
    ],
)
def test_other_divergences(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """No connection, an end, an extension that was stripped, a handshake."""
    parted = first_divergence([session(*one)], [session(*other)])
    assert parted is not None
    assert parted.at >= 0


def test_sessions_of_one_server_are_compared_and_the_first_of_others() -> None:
    """Two transports have two sessions."""
    a, b = session("< 220 a", server="a:1"), session("< 220 b", server="b:1")
    assert first_divergence([a, b], [b, a]) is None
    assert first_divergence([a], [b]) is not None
    assert first_divergence([], [a]) is None


def test_what_is_left_out_of_a_line() -> None:
    """Domains, codes and sizes stay."""
    assert without("mx7.pool.example.com at your service, [2001:db8::7]") == "*.example.com at your service, <address>"
    assert without("SIZE 35882577 Sun, 22 Nov 2026 10:00:00 +0000 (UTC)") == "SIZE 35882577 <time>"
    assert without("250 2.0.0 OK 1763805600 4fa91b7c2d") == "250 2.0.0 OK <number> <id>"


# -- files and reports ----------------------------------------------------------------------------------------


def test_the_library_compares_two_files(tmp_path: Path) -> None:
    """The verb's twin."""
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(snapshot_json(snapshot())))
    new.write_text(json.dumps(snapshot_json(snapshot(transport(port=value(2525))))))
    assert [one.kind for one in deliverkit.diff(old, new).differences] == ["port"]
    (tmp_path / "link.json").symlink_to(old)
    for twin in (old, tmp_path / "link.json"):
        with pytest.raises(NotComparable, match="the same file"):
            diff(old, twin)
    with pytest.raises(NotComparable, match="No such file"):
        diff(old, tmp_path / "none.json")


def report(*findings: tuple[str, str, str], verdict: str = "fail", name: str = "example.com") -> dict[str, Any]:
    """A report as its file is read."""
    told = [
        {"rule": rule, "severity": severity, "subject": name, "title": "t", "detail": detail}
        for rule, severity, detail in findings
    ]
    return {"subject": {"kind": "domain", "name": name}, "verdict": verdict, "findings": told}


def test_of_reports_findings_are_new_gone_or_changed() -> None:
    """And verdicts; the gravest first."""
    old = [report(("SPF004", "error", "12"), ("DMARC002", "note", "x"), ("MX001", "warning", "same"))]
    new = [report(("SPF004", "error", "13"), ("DKIM003", "warning", "y"), ("MX001", "warning", "same"), verdict="risk")]
    seen = [(d.what, d.old, d.new) for d in compared(old, new, "a", "b").differences]
    assert seen == [
        ("SPF004 example.com", "error: 12", "error: 13"),
        ("verdict", "fail", "risk"),
        ("DKIM003 example.com", None, "warning: y"),
        ("DMARC002 example.com", "note: x", None),
    ]
    assert compared(old, old, "a", "b").same


def test_a_snapshot_and_a_report_are_not_compared() -> None:
    """Two of a kind only."""
    with pytest.raises(NotComparable, match="old is a snapshot and new a report"):
        compared(snapshot(), [report()], "old", "new")


# -- any two --------------------------------------------------------------------------------------------------

_TEXT = st.sampled_from(["", "a", "localhost", "smtp.example.com", "535 5.7.8 no", "\u202e\x1b[2J", "192.0.2.1"])
_PLAIN = st.none() | st.booleans() | st.integers(-1, 70_000) | st.floats(-9, 9) | _TEXT
_VALUES = st.builds(
    Value, _TEXT, _TEXT, st.none() | _TEXT, _PLAIN, secret=st.booleans(), shape=st.none() | _TEXT,
    digest=st.none() | st.sampled_from("ab"), via=st.lists(_TEXT, max_size=2).map(tuple),
)  # fmt: skip
_ROLES = st.sampled_from(["host", "port", "user", "password", "secure", "from", "url", "helo", "odd"])
_PLANS = st.sampled_from(["host", "port", "mode", "delivery", "verify", "connect_s", "odd"])
_TRANSPORTS = st.builds(
    Transport, st.sampled_from(["nodemailer", "django"]), st.none(), _TEXT, st.sampled_from(["a.py:1", "a.py:9", "b"]),
    st.dictionaries(_ROLES, _VALUES, max_size=5), st.dictionaries(_PLANS, _PLAIN, max_size=5),
)  # fmt: skip
_EVENTS = st.fixed_dictionaries(
    {"event": st.sampled_from(["line", "connected", "closed", "tls-started", "odd"])},
    optional={"by": _TEXT | st.sampled_from(["client", "server"]), "text": _TEXT, "verified": _PLAIN, "at": _PLAIN},
)
_PLACES = st.builds(
    Place, resolvers=st.lists(_TEXT, max_size=2).map(tuple), ports=st.dictionaries(_TEXT, _TEXT, max_size=2),
    ehlo=st.none() | _TEXT, trust_certificates=st.none() | st.integers(0, 200),
    clock_offset_s=st.none() | st.floats(-999, 999), container=st.booleans(),
    platforms=st.lists(_TEXT, max_size=1).map(tuple),
)  # fmt: skip
_STEPS = st.builds(SeenStep, _TEXT, st.sampled_from(["AUTH", "connect", "odd"]), st.none() | st.booleans())
_SNAPSHOTS = st.builds(
    Snapshot, _TEXT, _TEXT, _TEXT, st.lists(_TRANSPORTS, max_size=3).map(tuple),
    st.dictionaries(_TEXT, st.dictionaries(_TEXT, st.booleans(), max_size=2), max_size=2),
    st.dictionaries(st.sampled_from(["node", "python", "x"]), st.sampled_from(["", "3.11", "3.13", "v1"]), max_size=3),
    _PLACES,
    st.lists(_STEPS, max_size=3).map(tuple),
    st.lists(st.builds(Session, _TEXT, st.lists(_EVENTS, max_size=4).map(tuple)), max_size=2).map(tuple),
    st.lists(st.builds(Found, _TEXT, st.sampled_from(["error", "warning", "odd"]), _TEXT), max_size=2).map(tuple),
    st.none() | st.sampled_from("xy"),
)  # fmt: skip


@given(_SNAPSHOTS, _SNAPSHOTS)
def test_any_two_snapshots_differ_alike_both_ways_round(old: Snapshot, new: Snapshot) -> None:
    """The same kinds in the same order, old and new exchanged; nothing crashes, and all of it is JSON."""
    seen = told(old, new)
    json.dumps(seen.to_json(), allow_nan=False)
    there, back = first_divergence(old.sessions, new.sessions), first_divergence(new.sessions, old.sessions)
    assert (there is None) == (back is None)


@given(_SNAPSHOTS)
def test_a_snapshot_does_not_differ_from_itself(one: Snapshot) -> None:
    """Whatever is in it."""
    assert told(one, one).same

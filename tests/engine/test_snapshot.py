"""A snapshot holds what an environment is, by names and shapes, and survives its file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import deliverkit
from deliverkit.engine.doctor import DoctorOptions, doctor
from deliverkit.engine.snapshot import WeakKey, digest_key, snapshot_json, take
from deliverkit.engine.snapshotfile import LARGEST, NotComparable, read_octets
from deliverkit.facts.settings.tree import ToldTree
from deliverkit.facts.settings.urltransport import transport_of_url
from deliverkit.report.model import Report
from deliverkit.smtp.transcript import Connected, Line, Transcript
from deliverkit.world import World
from deliverkit.world.here import Here, look_around

HERE = Here(
    python="3.12.1", openssl="3.0.13", system="Linux x86_64", hostname="web-1", resolvers=("192.0.2.53",),
    source_addresses=("192.0.2.9",), trust_path="/etc/ssl/certs", trust_certificates=140, platform="heroku",
)  # fmt: skip
URL = "smtp://ann:Winter%212026@smtp.example.com:587"


def report(files: dict[str, str] | None = None, **options: Any) -> Report:
    """What the doctor says of some files."""
    told = DoctorOptions(**options)
    return asyncio.run(doctor(ToldTree(files or {}), name="shop", world=World.offline(), options=told))


def of_url(url: str = URL) -> Report:
    """What the doctor says of a URL."""
    return report(url=transport_of_url(url))


def written(told: Report, **more: Any) -> str:
    """The file of a snapshot."""
    return json.dumps(snapshot_json(take(told, HERE, **more)), allow_nan=False)


def test_a_snapshot_comes_back_from_its_file_as_it_was() -> None:
    """The form of the file is that of the dataclasses."""
    told = of_url()
    snapshot = take(told, HERE)
    assert read_octets(written(told).encode(), "a.json") == snapshot
    (one,) = snapshot.transports
    assert (one.plan["host"], one.plan["port"], one.plan["mode"]) == ("smtp.example.com", 587, "opportunistic")
    assert (one.roles["host"].value, one.roles["user"].value) == ("smtp.example.com", "ann")
    assert one.roles["url"].value == "smtp://ann:***@smtp.example.com:587"
    assert snapshot.place.resolvers == ("192.0.2.53",)
    assert snapshot.place.platforms == ("heroku",)
    assert snapshot.versions == {"python": "3.12.1", "openssl": "3.0.13"}


def test_a_secret_is_a_shape_and_no_more_without_a_shared_key() -> None:
    """Nothing in the file can be tried passwords against."""
    (one,) = take(of_url(), HERE).transports
    password = one.roles["password"]
    assert (password.secret, password.value, password.digest) == (True, None, None)
    assert password.shape == "11 characters: mixed characters"
    assert "Winter" not in written(of_url())


def test_digests_are_equal_for_equal_secrets_under_one_key_only() -> None:
    """The key is stretched, and the file says which key it was without giving it away."""
    one, other = (take(of_url(), HERE, key=digest_key(word * 8)) for word in ("ab", "cd"))
    again = take(of_url(), HERE, key=digest_key("ab" * 8))
    changed = take(of_url(URL.replace("2026", "2027")), HERE, key=digest_key("ab" * 8))
    digests = [side.transports[0].roles["password"].digest for side in (one, again, other, changed)]
    assert digests[0] == digests[1] is not None
    assert len(set(digests)) == 3
    assert one.digest_check == again.digest_check != other.digest_check


def test_a_key_that_could_be_guessed_is_refused() -> None:
    """Fewer than sixteen characters."""
    with pytest.raises(WeakKey, match="fewer than 16"):
        digest_key("short")


def test_variables_stand_by_name_only_and_only_those_about_mail() -> None:
    """Other programs' secrets are nobody's business."""
    files = {
        "artisan": "",
        ".env": "MAIL_HOST=h.example.com\nMAIL_PORT=587\nMAIL_PASSWORD=abcdefgh1\nDATABASE_URL=pg://a:b@c\nAPP_KEY=k123\n",
    }
    snapshot = take(report(files), HERE)
    (values,) = snapshot.variables.values()
    assert values["MAIL_HOST"] is True
    assert not {"DATABASE_URL", "APP_KEY"} & set(values)
    assert "abcdefgh1" not in json.dumps(snapshot_json(snapshot))


def test_versions_are_those_of_the_lock_file_before_those_asked_for() -> None:
    """A range is believed only where nothing is locked."""
    lock = {
        "packages": {"node_modules/nodemailer": {"version": "6.9.14"}, "node_modules/left-pad": {"version": "1.0.0"}}
    }
    files = {
        "package.json": '{"dependencies": {"nodemailer": "^6.0.0", "next": "15.1.0"}, "engines": {"node": ">=20"}}',
        "package-lock.json": json.dumps(lock),
        "api/requirements.txt": "Django==5.2.1\nrequests==2\naiosmtplib>=3,<4  # mail\n",
        "php/composer.lock": json.dumps({"packages": [{"name": "phpmailer/phpmailer", "version": "v6.9.1"}, 7]}),
        "rb/Gemfile.lock": "GEM\n  specs:\n    mail (2.8.1)\n    rake (13.0)\n",
        "broken/package-lock.json": "{",
    }
    assert report(files).facts["app"].versions == {
        "nodemailer": "6.9.14", "next": "15.1.0", "node": ">=20", "django": "==5.2.1", "aiosmtplib": ">=3,<4",
        "phpmailer/phpmailer": "v6.9.1", "mail": "2.8.1",
    }  # fmt: skip


def live(greeting: str = "220 mx.example.com ESMTP; Sun, 22 Nov 2026 10:20:00 +0000") -> Report:
    """A report with what the ladder saw, in the form in which its JSON tells it."""
    told = replace(of_url(), started=datetime(2026, 11, 22, 10, 0, tzinfo=UTC))
    events = [
        Connected(0.1), Line(0.5, "server", greeting, True), Line(0.6, "client", "EHLO web-1", True),
        Line(0.7, "server", "250 mx.example.com", True), Line(0.8, "client", "AUTH PLAIN ********", True),
    ]  # fmt: skip
    ladder = {
        "server": "smtp.example.com:587",
        "steps": [
            {"name": "connect", "ok": True, "elapsed_s": 0.1, "detail": "ok", "server": "smtp.example.com:587"},
            {"name": "AUTH", "ok": False, "elapsed_s": 0.1, "detail": "535", "server": "smtp.example.com:587"},
        ],
        "beside": [
            {"port": 25, "reachable": False, "reason": "timeout"},
            {"port": 465, "reachable": True, "reason": None},
            {"port": 2525, "reachable": None, "reason": None},
        ],
        "transcript": Transcript("192.0.2.9:40000", "192.0.2.1:587", list(events)),
    }
    return replace(told, facts={**told.facts, "ladder": [ladder]})


def test_what_the_ladder_saw_is_kept() -> None:
    """Ports, steps, transcript, EHLO name, and the clock where the greeting tells the time."""
    snapshot = take(live(), HERE)
    assert snapshot.place.ports == {
        "smtp.example.com:25": "timeout", "smtp.example.com:465": "open", "smtp.example.com:587": "open",
    }  # fmt: skip
    assert [(step.name, step.ok) for step in snapshot.steps] == [("connect", True), ("AUTH", False)]
    assert snapshot.place.ehlo == "web-1"
    assert snapshot.place.clock_offset_s == pytest.approx(1199.5)
    assert [event["event"] for event in snapshot.sessions[0].events][:2] == ["connected", "line"]
    assert take(live("220 mx.example.com ESMTP"), HERE).place.clock_offset_s is None
    assert take(live("220 mx Sun, 99 Nov 2026 10:20:00 +0000"), HERE).place.clock_offset_s is None
    assert read_octets(written(live()).encode(), "a.json") == snapshot


def test_the_library_saves_and_compares(tmp_path: Path) -> None:
    """The verb's twin: a URL, a file of variables, the process's variables, a key."""
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    deliverkit.doctor(url=URL, static=True, save=old, digest_key="k" * 16)
    (tmp_path / "artisan").write_text("#!/usr/bin/env php")
    (tmp_path / ".env").write_text("MAIL_MAILER=smtp\n")
    (tmp_path / "my.env").write_text("MAIL_MAILER=smtp\nMAIL_HOST=h.example.com\nMAIL_PORT=465\nMAIL_SCHEME=smtps\n")
    told = deliverkit.doctor(
        tmp_path, static=True, env_files=[tmp_path / "my.env"], process={"MAIL_USERNAME": "bob"}, save=new
    )
    (one,) = told.facts["app"].settings
    assert (one.plan.host, one.setting("user").text) == ("h.example.com", "bob")
    assert {"host", "port", "user"} <= {d.what for d in deliverkit.diff(old, new).differences}
    with pytest.raises(WeakKey):
        deliverkit.doctor(url=URL, static=True, save=old, digest_key="short")


def test_this_machine_is_told_without_a_packet() -> None:
    """Versions, trust store, and which variables are set: never their values."""
    here = look_around({"DYNO": "web.1", "SSL_CERT_FILE": "/secret/place"})
    assert here.platform == "heroku"
    assert here.trust_variables == ("SSL_CERT_FILE",)
    assert here.python.count(".") == 2
    assert "/secret/place" not in repr(here)


# -- hostile files --------------------------------------------------------------------------------------------


def _with(change: Callable[[dict[str, Any]], object]) -> bytes:
    told = json.loads(written(live()))
    change(told)
    return json.dumps(told).encode()


HOSTILE = {
    "empty": b"",
    "no JSON": b"SMTP_PASS=x",
    "cut short": written(of_url()).encode()[:-40],
    "binary": b"\xff\xfe{}",
    "a number": b"7",
    "null": b"null",
    "an empty list": b"[]",
    "no reports": b'{"reports": []}',
    "deep": b"[" * 100_000,
    "deep object": b'{"a":' * 100_000,
    "large": b" " * (LARGEST + 1),
    "a long number": b"9" * 10_000,
    "another version": _with(lambda t: t.update(schema="deliverkit.snapshot/2")),
    "no schema": _with(lambda t: t.pop("schema")),
    "a schema that is a list": _with(lambda t: t.update(schema=["deliverkit.snapshot/1"])),
    "no name": _with(lambda t: t.pop("name")),
    "a name that is a list": _with(lambda t: t.update(name=["x"])),
    "a place that is a text": _with(lambda t: t.update(place="here")),
    "a port that is a list": _with(lambda t: t["place"]["ports"].update(x=[])),
    "a clock that is a text": _with(lambda t: t["place"].update(clock_offset_s="1")),
    "a count that is a truth": _with(lambda t: t["place"].update(trust_certificates=True)),
    "too many": _with(lambda t: t.update(steps=[{"server": "a", "name": "b", "ok": None}] * 2001)),
    "an infinite clock": _with(lambda t: t["place"].update(clock_offset_s=0)).replace(
        b'"clock_offset_s": 0', b'"clock_offset_s": 1e999'
    ),
    "NaN": _with(lambda t: t["place"].update(clock_offset_s=0)).replace(
        b'"clock_offset_s": 0', b'"clock_offset_s": NaN'
    ),
    "a nested event": _with(lambda t: t["sessions"][0]["events"].append({"a": {"b": 1}})),
    "a report without findings": b'{"schema": "deliverkit.report/1", "subject": {}}',
    "a finding without a rule": b'{"schema": "deliverkit.report/1", "subject": {}, "findings": [{}]}',
}


@pytest.mark.parametrize("octets", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_whole_snapshot_is_refused_by_name(octets: bytes) -> None:
    """A clear statement with the file's name and what is wrong, bounded."""
    with pytest.raises(NotComparable) as refused:
        read_octets(octets, "prod.json")
    assert str(refused.value).startswith("prod.json")
    assert len(str(refused.value)) < 400


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.sampled_from(sorted(json.loads(written(live())))), _JSON)
def test_any_value_in_any_field_is_read_or_refused(name: str, value: Any) -> None:
    """Never anything else."""
    try:
        read_octets(_with(lambda told: told.update({name: value})), "a.json")
    except NotComparable:
        return


@given(st.binary(max_size=300))
def test_any_octets_are_refused(octets: bytes) -> None:
    """No octets raise anything but our own error."""
    with pytest.raises(NotComparable):
        read_octets(octets, "a.json")

"""``deliverkit fix`` as a person types it: diffs that apply, files that are written, statuses, bad input."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deliverkit.engine import fixfiles
from deliverkit.engine.fixshown import SCHEMA, WITHHELD
from tests.cli.command import ROOT, Typed

FAULTY = ROOT / "fixtures" / "fix"
FILES = ("example.com.zone", "example.org.yaml")
SMALL = """$ORIGIN example.com.
$TTL 3600
@ SOA ns h 1 2 3 4 5
@ NS ns
ns A 192.0.2.2
@ MX 10 mail
mail A 192.0.2.1
"""


@pytest.fixture
def faulty(folder: Path) -> Path:
    """The faulty files in the current folder."""
    for name in FILES:
        shutil.copy(FAULTY / name, folder / name)
    return folder


def test_a_diff_by_default_and_nothing_is_written(deliverkit: Typed, faulty: Path) -> None:
    """Status 1: there is something to fix; what and why is said on stderr."""
    ended = deliverkit("fix", "--closed-world", *FILES)
    assert ended.status == 1
    assert ended.out.startswith("--- a/example.com.zone\n+++ b/example.com.zone\n@@ ")
    assert "would be fixed: SPF022 example.org in example.org.yaml: error → pass, verdict fail → pass" in ended.err
    assert all((faulty / name).read_bytes() == (FAULTY / name).read_bytes() for name in FILES)


@pytest.mark.parametrize("program", [("git", "apply", "fix.patch"), ("patch", "-p1", "-s", "-i", "fix.patch")])
def test_the_diff_applies(deliverkit: Typed, faulty: Path, program: tuple[str, ...]) -> None:
    """By git and by patch, and it does what --write does."""
    if shutil.which(program[0]) is None:
        pytest.skip(f"{program[0]} is not installed")
    assert deliverkit("fix", "--closed-world", *FILES, "-o", "fix.patch", "-q").out == ""
    subprocess.run(program, cwd=faulty, check=True, capture_output=True)
    patched = [(faulty / name).read_bytes() for name in FILES]
    for name in FILES:
        shutil.copy(FAULTY / name, faulty / name)
    deliverkit("fix", "--closed-world", "--write", *FILES)
    assert [(faulty / name).read_bytes() for name in FILES] == patched


def test_write_makes_the_check_pass_and_a_second_run_finds_nothing(deliverkit: Typed, faulty: Path) -> None:
    """Status 0, the permissions kept, the serial told and untouched; then there is nothing to do."""
    (faulty / FILES[0]).chmod(0o640)
    ended = deliverkit("fix", "--closed-world", "--write", *FILES)
    assert (ended.status, ended.err) == (0, "")
    assert "example.com.zone:3: raise the serial 2026112501 of example.com" in ended.out
    assert stat.S_IMODE((faulty / FILES[0]).stat().st_mode) == 0o640
    assert not [path for path in faulty.iterdir() if path.name.startswith(".deliverkit")]
    again = deliverkit("fix", "--closed-world", *FILES)
    assert (again.status, again.out, again.err) == (0, "", "")
    for domain, words in (("example.com", ("--zone", FILES[0])),):
        assert deliverkit("audit", domain, "--closed-world", "--no-probe", *words).status == 0


def test_the_serial_is_raised_where_that_is_wished(deliverkit: Typed, faulty: Path) -> None:
    """And nothing else beside it changes."""
    deliverkit("fix", "--closed-world", "--write", "-q", *FILES)
    plain = (faulty / FILES[0]).read_text()
    shutil.copy(FAULTY / FILES[0], faulty / FILES[0])
    ended = deliverkit("fix", "--closed-world", "--write", "--bump-serial", FILES[0])
    raised = (faulty / FILES[0]).read_text()
    assert "serial of example.com 2026112501 → " in ended.out
    different = [pair for pair in zip(plain.splitlines(), raised.splitlines(), strict=True) if len({*pair}) > 1]
    assert len(different) == 1 and "SOA" in different[0][0]


def test_json_is_as_documented(deliverkit: Typed, faulty: Path) -> None:
    """One object with steps, what is left, and the diff."""
    told: dict[str, Any] = json.loads(deliverkit("fix", "--closed-world", *FILES, "--format", "json").out)
    assert (told["schema"], told["written"]) == (SCHEMA, False)
    assert {step["rule"] for step in told["steps"]} >= {"SRC001", "SRC002", "SRC004", "SRC030", "SRC037", "SPF022"}
    assert told["left"] == [] and told["diff"].startswith("--- a/example.com.zone")
    assert told["steps"][0]["place"] == "example.com.zone:14"


@pytest.mark.parametrize("format_", ["zone", "octodns"])
def test_records_as_other_files_hold_them(deliverkit: Typed, faulty: Path, format_: str) -> None:
    """What is printed can be read again."""
    ended = deliverkit("fix", "--closed-world", FILES[1], "--format", format_, "-q")
    assert ("v=spf1 mx ip4:192.0.2.0/24 ~all" in ended.out) and ended.status == 1
    if format_ == "octodns":
        import yaml

        told = yaml.safe_load(ended.out)
        assert told["_dmarc"]["value"].startswith("v=DMARC1\\;")


def test_filters(deliverkit: Typed, faulty: Path) -> None:
    """One rule by its id or slug, one domain; notes only on wish."""
    only = deliverkit("fix", "--closed-world", *FILES, "--rule", "src002")
    assert only.err.count("would be fixed") == 1 and "SRC002" in only.err
    domain = deliverkit("fix", "--closed-world", *FILES, "--domain", "example.org")
    assert "example.com.zone" not in domain.out and "example.org.yaml" in domain.out
    notes = deliverkit("fix", "--closed-world", *FILES, "--notes")
    assert len(notes.err) > len(deliverkit("fix", "--closed-world", *FILES).err)


def test_what_cannot_be_fixed_is_left_with_advice(deliverkit: Typed, folder: Path) -> None:
    """Status 1 with --write too, and the reason."""
    (folder / "bad.zone").write_text(SMALL + '$GENERATE 1-1 @ TXT "v=spf1 mx +all"\n')
    ended = deliverkit("fix", "--closed-world", "--write", "bad.zone")
    assert ended.status == 1
    assert "could not be applied: bad.zone:9 makes the record by $GENERATE" in ended.out  # behind the new DMARC record
    assert "  to do: " in ended.out
    assert deliverkit("fix", "--closed-world", "--write", "bad.zone", "--fail-on", "never").status == 0


def test_terraform_is_never_written(deliverkit: Typed, folder: Path) -> None:
    """The resource that has to change is named."""
    values = {"zone_id": "Z1", "name": "example.com", "type": "TXT", "ttl": 300, "records": ["v=spf1 mx +all"]}
    zone = {"zone_id": "Z1", "name": "example.com"}
    resources = [
        {"address": "aws_route53_zone.z", "mode": "managed", "type": "aws_route53_zone", "name": "z", "values": zone},
        {
            "address": "aws_route53_record.spf",
            "mode": "managed",
            "type": "aws_route53_record",
            "name": "spf",
            "values": values,
        },
    ]
    plan = json.dumps({"format_version": "1.2", "planned_values": {"root_module": {"resources": resources}}})
    (folder / "plan.json").write_text(plan)
    ended = deliverkit("fix", "--closed-world", "--write", "plan.json")
    assert ended.status == 1
    assert "plan.json is made by Terraform: change resource aws_route53_record.spf in the .tf files" in ended.out
    assert (folder / "plan.json").read_text() == plan
    assert "example.com. TXT" in deliverkit("fix", "--closed-world", "plan.json", "--format", "zone").out


def test_a_file_that_changed_meanwhile_is_not_written(
    deliverkit: Typed, faulty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's work is not overwritten, and no other file either."""
    write = fixfiles.write_changes

    def late(fixed: Any) -> None:
        (faulty / FILES[1]).write_bytes((faulty / FILES[1]).read_bytes() + b"# mine\n")
        write(fixed)

    monkeypatch.setattr(fixfiles, "write_changes", late)
    ended = deliverkit("fix", "--closed-world", "--write", *FILES)
    assert ended.status == 2
    assert "example.org.yaml changed while it was judged; nothing was written" in ended.complaint
    assert (faulty / FILES[0]).read_bytes() == (FAULTY / FILES[0]).read_bytes()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_rights(deliverkit: Typed, faulty: Path) -> None:
    """Said with its cause; nothing is left half written."""
    faulty.chmod(0o500)
    try:
        ended = deliverkit("fix", "--closed-world", "--write", FILES[0])
    finally:
        faulty.chmod(0o700)
    assert ended.status == 2 and "cannot write example.com.zone" in ended.complaint


def test_a_link_out_of_the_folder_is_not_followed(deliverkit: Typed, folder: Path, tmp_path_factory: Any) -> None:
    """What lies elsewhere stays as it is."""
    elsewhere = tmp_path_factory.mktemp("elsewhere") / FILES[0]
    shutil.copy(FAULTY / FILES[0], elsewhere)
    (folder / FILES[0]).symlink_to(elsewhere)
    ended = deliverkit("fix", "--closed-world", "--write", FILES[0])
    assert ended.status == 1 and "lies outside" in ended.out
    assert elsewhere.read_bytes() == (FAULTY / FILES[0]).read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "there is no configuration here or in a folder above"),
        (("nowhere.zone",), "nowhere.zone: is not there; correct the path"),
        (("broken.zone",), "broken.zone:2: "),
        (("good.zone", "--rule", "SPF999"), "--rule SPF999: there is no such rule"),
        (("good.zone", "--domain", "not a domain"), "--domain: "),
        (("good.zone", "--offline", "--closed-world"), "exclude each other"),
        (("good.zone", "-o", "no/such/folder.diff"), "cannot write no/such/folder.diff"),
    ],
)
def test_bad_input(deliverkit: Typed, folder: Path, words: tuple[str, ...], said: str) -> None:
    """Status 2 and one clear line."""
    (folder / "broken.zone").write_text("$ORIGIN example.com.\n@ MX mail\n")
    ended = deliverkit("fix", *(() if "--offline" in words else ("--closed-world",)), *words)
    assert ended.status == 2
    assert said in ended.complaint


def test_a_sound_zone_has_nothing_to_fix(deliverkit: Typed, folder: Path) -> None:
    """Status 0, nothing said; offline nobody can tell the rest: 3."""
    ended = deliverkit("fix", "--closed-world", "good.zone")
    assert (ended.status, ended.out) == (0, "")
    (folder / "far.zone").write_text(
        SMALL
        + '@ TXT "v=spf1 include:_spf.example.net -all"\n_dmarc TXT "v=DMARC1; p=reject; rua=mailto:d@example.com"\n'
    )
    assert deliverkit("fix", "--offline", "far.zone").status == 3


def test_a_private_key_is_not_shown(deliverkit: Typed, folder: Path) -> None:
    """Somebody published it: no format repeats it."""
    key = (ROOT / "fixtures" / "keys").rglob("*.pem")
    text = next("".join(p.read_text().splitlines()[1:-1]) for p in key if "PRIVATE" in p.read_text()[:40])
    cut = " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
    (folder / "leak.zone").write_text(SMALL + f'@ TXT "v=spf1 mx ?all"\ns1._domainkey TXT "v=DKIM1; k=rsa; p=" {cut}\n')
    for format_ in ("diff", "zone", "octodns", "json"):
        ended = deliverkit("fix", "--closed-world", "--notes", "leak.zone", "--format", format_, "--selector", "s1")
        assert all(text[at : at + 24] not in ended.out + ended.err for at in range(0, len(text) - 24, 8)), format_
        assert format_ != "diff" or WITHHELD in ended.out or "_domainkey" not in ended.out

"""What is a source, told by suffix and content; and files that are none, or cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deliverkit.world.sources import ZoneError, kind_of, read_source


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("example.com.zone", "", "master"),
        ("db.example.com", "$TTL 1h\n@ SOA a b 1 2 3 4 5\n", "master"),
        ("example.com", "@ IN MX 10 mx\nwww 300 A 192.0.2.1\n", "master"),
        ("README", "We have a zone.\n  A record is a line.\n", None),
        ("example.com.yaml", "---\nwww:\n  type: A\n  value: 192.0.2.1\n", "octodns"),
        ("example.com.yaml", "www: {type: A, value: 192.0.2.1}\n", "octodns"),
        ("example.com.yml", "---\n{}\n", "octodns"),
        ("production.yaml", "providers:\n  config:\n    class: octodns.provider.yaml.YamlProvider\n", None),
        ("docker-compose.yaml", "services:\n  web: {image: x}\n", None),
        ("plan.json", '{"format_version":"1.2","terraform_version":"1.9"}', "terraform"),
        ("package.json", '{"name": "x", "version": "1.0.0"}', None),
        ("plan", '{"planned_values": {}}', "terraform"),
        ("main.tf", 'resource "aws_route53_record" "x" {}\n', None),
        ("binary.zone", "a\0b", None),
    ],
)
def test_kinds(tmp_path: Path, name: str, text: str, kind: str | None) -> None:
    """By suffix and content."""
    path = tmp_path / name
    path.write_text(text)
    assert kind_of(path) == kind


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("main.tf", r"main\.tf: is Terraform's own language.*terraform show -json plan\.out > plan\.json"),
        ("main.tofu", "OpenTofu's own language.*tofu show -json"),
        ("terraform.tfstate", "state in its own format.*terraform show -json"),
        ("dnsconfig.js", r"a program \(DNSControl\?\), and no program is run"),
        ("notes.txt", "is no zone file"),
        ("package.json", "is no plan or state"),
        ("missing.zone", "is not there"),
        ("folder", "is no zone file"),
        ("loop.zone", "is not there|cannot be read"),
        ("pipe.zone", "is no regular file"),
        ("nul.zone", r"nul\.zone:2: is no text: it holds a NUL octet"),
        ("nul.yaml", "the file's name is no zone|NUL octet"),
        ("example.org.yaml", r"example\.org\.yaml:1: is no UTF-8"),
    ],
)
def test_what_is_no_source_says_what_to_do(tmp_path: Path, name: str, told: str) -> None:
    """File, reason and remedy; never a traceback, and nobody waits for a pipe."""
    for file, octets in (
        ("main.tf", b""),
        ("main.tofu", b""),
        ("terraform.tfstate", b"{}"),
        ("dnsconfig.js", b""),
        ("notes.txt", b"hello\n"),
        ("package.json", b'{"name": "x"}'),
        ("nul.zone", b"$ORIGIN a.\n\0"),
        ("nul.yaml", b"\0"),
        ("example.org.yaml", b"a: \xff\n"),
    ):
        (tmp_path / file).write_bytes(octets)
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop.zone").symlink_to("loop.zone")
    os.mkfifo(tmp_path / "pipe.zone")
    with pytest.raises(ZoneError, match=told) as caught:
        read_source(tmp_path / name, shown=name)
    assert caught.value.file == name and caught.value.remedy
    assert kind_of(tmp_path / name) in (None, "master")


def test_a_file_without_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so the refusal is told."""
    path = tmp_path / "z.zone"
    path.write_text("@ A 192.0.2.1\n")

    def refused(*_: object, **__: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    assert kind_of(path) is None
    with pytest.raises(ZoneError, match=r"z\.zone: cannot be read \(Permission denied\); name a readable file"):
        read_source(path, shown="z.zone")


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounded, with the bound named."""
    from deliverkit.world import masterfile
    from deliverkit.world.sources import terraform

    monkeypatch.setattr(masterfile, "MAX_FILE_OCTETS", 100)
    monkeypatch.setattr(terraform, "MAX_PLAN_OCTETS", 100)
    for name in ("z.zone", "example.com.yaml", "plan.json"):
        (tmp_path / name).write_bytes(b"x" * 101)
        with pytest.raises(ZoneError, match="is larger than 100 octets"):
            read_source(tmp_path / name)


def test_options_that_cannot_be(tmp_path: Path) -> None:
    """An unknown kind, an origin that is no name."""
    path = tmp_path / "z.zone"
    path.write_text("@ A 192.0.2.1\n")
    with pytest.raises(ZoneError, match="an unknown kind of source: 'bind'; say one of master, octodns, terraform"):
        read_source(path, kind="bind")
    with pytest.raises(ZoneError, match="the origin is no domain name"):
        read_source(path, origin="a..b")

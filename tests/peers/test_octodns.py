"""octoDNS YAML as octoDNS itself reads it: the same records, and the rules say what it refuses."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deliverkit.engine.sources import judge_source
from deliverkit.world.masterfile import parse_master_text
from deliverkit.world.sources import ZoneError, read_source
from tests.peers.programs import peer_python

pytestmark = pytest.mark.peer("octodns")

SAME = {
    "forms.example": r"""---
'':
- type: MX
  ttl: 300
  values:
  - {exchange: mx1.example.net., preference: 10}
  - {value: mx2.example.net., priority: 20}
- type: TXT
  values: [v=spf1 include:a.example.net -all, 'a"b', '"quoted" "in two"']
- {type: CAA, value: {flags: 0, tag: issue, value: ca.example.net}}
- {type: A, values: [192.0.2.1, 192.0.2.2]}
- {type: AAAA, value: 2001:DB8::1}
_dmarc: {type: TXT, value: v=DMARC1\; p=reject}
_sip._tcp: {type: SRV, value: {priority: 1, weight: 2, port: 5060, target: sip.example.net.}}
'*': {type: CNAME, value: www.example.net.}
sub: {type: NS, values: [ns1.example.net., ns2.example.net.]}
_25._tcp.mx:
  type: TLSA
  value: {certificate_usage: 3, selector: 1, matching_type: 1, certificate_association_data: ABCD}
old: {type: A, value: 192.0.2.9, octodns: {ignored: true}}
""",
    "anchors.example": """---
base: &base {type: TXT, ttl: 60, value: one}
other: {<<: *base, value: two}
list:
- *base
- {type: A, value: 192.0.2.1}
""",
    "long.example": f"""---
key: {{type: TXT, value: '{"k" * 700}'}}
cut: {{type: TXT, value: '"{"a" * 250}" "{"b" * 250}"'}}
""",
    "empty.example": "--- {}\n",
}
REFUSED = {
    "dots.example": ("---\nwww: {type: CNAME, value: mail.example.net}\n", "SRC004"),
    "mx-dots.example": ("---\nm: {type: MX, value: {exchange: mx.example.net, preference: 1}}\n", "SRC004"),
    "apex.example": ("---\n'': {type: CNAME, value: www.example.net.}\n", "SRC010"),
    "beside.example": ("---\na:\n- {type: CNAME, value: x.example.}\n- {type: TXT, value: b}\n", "SRC011"),
    "semicolon.example": ("---\na: {type: TXT, value: 'v=DMARC1\\; p=none; x'}\n", "SRC037"),
    "twice.example": ("---\na:\n- {type: TXT, value: b}\n- {type: TXT, value: c}\n", "SRC027"),
    "at.example": ("---\n'@': {type: A, value: 192.0.2.1}\n", None),
    "address.example": ("---\na: {type: A, value: 192.0.2.999}\n", None),
    "type.example": ("---\na: {value: 192.0.2.1}\n", None),
    "ttl.example": ("---\na: {type: A, ttl: soon, value: 192.0.2.1}\n", None),
    "value.example": ("---\na: {type: A}\n", None),
    "preference.example": ("---\na: {type: MX, value: {exchange: a.example., preference: x}}\n", None),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All zones in one folder."""
    made = tmp_path_factory.mktemp("octodns")
    for name, text in SAME.items():
        (made / f"{name}.yaml").write_text(text)
    for name, (text, _) in REFUSED.items():
        (made / f"{name}.yaml").write_text(text)
    return made


@pytest.fixture(scope="module")
def theirs(folder: Path) -> dict[str, Any]:
    """What octoDNS says of each zone."""
    files = sorted(path.name for path in folder.iterdir())
    program = Path(__file__).with_name("octodns_zone.py")
    done = subprocess.run(
        [peer_python(), str(program), str(folder), *files], capture_output=True, text=True, timeout=120, check=True
    )
    return {name.removesuffix(".yaml"): told for name, told in zip(files, json.loads(done.stdout), strict=True)}


@pytest.mark.parametrize("name", SAME)
def test_the_same_records(name: str, folder: Path, theirs: dict[str, Any]) -> None:
    """Name, type, TTL and value."""
    assert isinstance(theirs[name], list), theirs[name]
    lines = [f"{fqdn} {ttl} {type_} {value}" for fqdn, type_, ttl, values in theirs[name] for value in values]
    expected = {(r.name, r.type, r.ttl, _joined(r.type, r.value)) for r in parse_master_text("\n".join(lines)).records}
    zone = read_source(folder / f"{name}.yaml")[0].zone
    assert {(r.name, r.type, r.ttl, _joined(r.type, r.value)) for r in zone.records()} == expected


def _joined(type_: str, value: Any) -> Any:
    return b"".join(value) if type_ == "TXT" else value


@pytest.mark.parametrize("name", REFUSED)
def test_what_octodns_refuses_is_a_finding_or_an_error(name: str, folder: Path, theirs: dict[str, Any]) -> None:
    """Never silence."""
    assert "refused" in theirs[name]
    rule = REFUSED[name][1]
    if rule is None:
        with pytest.raises(ZoneError):
            read_source(folder / f"{name}.yaml")
        return
    report = judge_source(read_source(folder / f"{name}.yaml")[0].facts)
    assert rule in [finding.rule for finding in report.findings if finding.severity == "error"]

"""A configuration is read whole, and whatever is wrong with it is named with file, line and remedy."""

from __future__ import annotations

import json
import tomllib
from datetime import date
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.config import BadConfig, Config, find_config, load_config, parse_config
from deliverkit.config.keys import schema
from deliverkit.config.read import PROFILES
from deliverkit.engine import audit
from deliverkit.findings import Severity

FILE = Path("/repo/deliverkit.toml")
WHOLE = """
sources = ["zones/*.zone", "plan.json"]
parked = ["old.example"]
journal = "dns.jsonl"
baseline = "baseline.json"
fail-on = "warning"
retries = 2
[severity]
spf015 = "error"
[defaults.expect]
dmarc = "quarantine"
[profiles.shop]
via = "sendgrid"
profile = "bulk"
expect = {lookups-max = 8}
[domains."example.com"]
selectors = "s1"
dkim-keys = {s1 = "keys/s1.pem"}
sends-from = ["192.0.2.1"]
profile = "shop"
expect = {spf = "pass", mta-sts = "enforce"}
[domains.'münchen.example'.expect]
mx = "null"
[[ignore]]
rule = ["dmarc021", "SPF016"]
subject = "*.Example.com"
reason = "rollout"
until = 2027-01-31
[environments.staging]
world = "offline"
[environments.staging.domains."example.com".expect]
dmarc = "none"
"""


def _read(text: str, environment: str | None = None) -> Config:
    return parse_config(text, file=FILE, environment=environment)


def test_everything_is_read() -> None:
    told = _read(WHOLE)
    assert [(s.pattern, s.line) for s in told.sources] == [("zones/*.zone", 2), ("plan.json", 2)]
    assert told.journal == Path("/repo/dns.jsonl")
    assert (told.fail_on, told.retries, told.world) == ("warning", 2, "live")
    assert told.severities == {"SPF015": Severity.ERROR}
    shop, munich, old = told.domains
    assert (shop.name, shop.selectors, shop.via, shop.profile) == ("example.com", ("s1",), ("sendgrid",), "bulk")
    assert shop.dkim_keys == {"s1": Path("/repo/keys/s1.pem")}
    assert (shop.expect.spf, shop.expect.dmarc, shop.expect.lookups_max) == ("pass", "quarantine", 8)
    assert shop.expect.lines == {"dmarc": 11, "lookups-max": 15, "spf": 21, "mta-sts": 21}
    assert (munich.name, munich.expect.mx, munich.line) == ("xn--mnchen-3ya.example", ("",), 22)
    assert old.parked
    assert told.defaults.expect.dmarc == "quarantine"
    ignore = told.ignores[0]
    assert (ignore.rules, ignore.subject, ignore.until) == (("DMARC021", "SPF016"), "*.example.com", date(2027, 1, 31))


def test_an_environment_is_laid_over() -> None:
    told = _read(WHOLE, "staging")
    assert told.world == "offline"
    assert told.domains[0].expect.dmarc == "none"
    assert told.domains[0].expect.spf == "pass"


FAULTS = {
    "selctors = 1": "deliverkit.toml:1: there is no key 'selctors' in the configuration",
    '[domains."a.example"]\nselector = "x"': "no key 'selector' in [domains.a.example]; did you mean 'selectors'?",
    "[environments.x]\nfail_on = 'error'": "2: there is no key 'fail_on' in [environments.x]; did you mean 'fail-on'?",
    "fail-on = 'eror'": "deliverkit.toml:1: fail-on: 'eror' is none of its words; did you mean 'error'?",
    "\ntimeout = true": "deliverkit.toml:2: timeout: True is not seconds",
    "[[ignore]]\nrule = 'SPF001'": "deliverkit.toml:1: an ignore without a reason",
    "[[ignore]]\nreason = 'x'": "deliverkit.toml:1: an ignore without a rule",
    "[[ignore]]\nrule='X'\nreason='x'\nuntil='soon'": "deliverkit.toml:4: ignore.until: 'soon' is not a day",
    "domains = ['a.example',\n'a..b']": "deliverkit.toml:2: 'a..b' has an empty label",
    "domains = ['a.example',\n'A.example.']": "deliverkit.toml:2: a.example was named before, on line 1",
    "a = [\n1,": "no TOML: ",
    "a = 1\na = 2": "deliverkit.toml:2: no TOML: Cannot overwrite a value",
    "sources = [{kind = 'master'}]": "deliverkit.toml:1: a source without a path",
    "[domains.'a.example']\nprofile = 'blk'": "deliverkit.toml:2: there is no profile 'blk'; did you mean 'bulk'?",
    "domains = 3": "deliverkit.toml:1: domains: 3 is not a table",
    "[domains.'a.example'.expect]\nlookups-max = 11": "expect.lookups-max: 11 is not a whole number from 0 to 10",
}


@pytest.mark.parametrize("text", FAULTS)
def test_each_fault_names_its_line_and_the_remedy(text: str) -> None:
    with pytest.raises(BadConfig) as bad:
        _read(text)
    assert FAULTS[text] in str(bad.value)
    assert bad.value.do


@pytest.mark.parametrize("key", ["-----BEGIN PRIVATE KEY-----MIIEsecret", "MIIEsecret" * 60])
def test_a_key_that_was_pasted_is_not_repeated(key: str) -> None:
    with pytest.raises(BadConfig, match="holds a private key itself") as bad:
        _read(f'[domains."a.example"]\ndkim-keys = {{s1 = "{key}"}}')
    assert "secret" not in str(bad.value)


def test_an_unknown_environment_is_refused_with_those_there_are() -> None:
    with pytest.raises(BadConfig, match="no environment 'stagin'; did you mean 'staging'"):
        _read(WHOLE, "stagin")


@given(st.text(max_size=200))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    try:
        _read(text)
    except BadConfig as bad:
        assert str(bad).strip()


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "deliverkit.toml"
    file.write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(BadConfig, match=r"deliverkit.toml:2: is no UTF-8"):
        load_config(file)
    with pytest.raises(BadConfig, match="cannot be read"):
        load_config(tmp_path)


def test_the_schema_accepts_what_is_read_and_refuses_what_is_not() -> None:
    jsonschema.Draft7Validator.check_schema(schema())
    told = json.loads(json.dumps(tomllib.loads(WHOLE), default=str))
    jsonschema.validate(told, schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"selctors": 1}, schema())


def test_the_profiles_are_those_of_the_audit() -> None:
    assert PROFILES == audit.PROFILES


def test_the_nearest_file_is_found(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "deliverkit.toml").write_text("")
    (below / "pyproject.toml").write_text("[tool.ruff]\n")  # says nothing of us
    assert find_config(below) == tmp_path / "deliverkit.toml"
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.deliverkit]\nretries = 1\n")
    assert find_config(below) == tmp_path / "a" / "pyproject.toml"
    assert load_config(tmp_path / "a" / "pyproject.toml").retries == 1
    (tmp_path / "a" / ".deliverkit.toml").write_text("")
    assert find_config(below / "zone.file") == tmp_path / "a" / ".deliverkit.toml"

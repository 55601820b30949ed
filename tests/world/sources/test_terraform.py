"""Terraform plans and states: what will be in DNS after apply, what nobody knows yet, and no secret."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from deliverkit.flow import Question, Status
from deliverkit.world import World
from deliverkit.world.sources import SourceZone, ZoneError
from deliverkit.world.sources.jsontext import JsonText
from deliverkit.world.zone import overlay
from tests.world.sources.written import as_plan, read_text


def resource(type_: str, name: str, values: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A resource as `terraform show -json` writes it."""
    return {"address": f"{type_}.{name}", "mode": "managed", "type": type_, "name": name, "values": values, **more}


def route53(label: str, /, **values: Any) -> dict[str, Any]:
    """A record of Route 53 in the zone Z1."""
    return resource("aws_route53_record", label, {"zone_id": "Z1", "ttl": 300, **values})


AWS_ZONE = resource("aws_route53_zone", "main", {"name": "example.com", "zone_id": "Z1"})


def read(folder: Path, *resources: dict[str, Any], text: str | None = None, **more: Any) -> tuple[SourceZone, ...]:
    """The zones of a plan with these resources."""
    options = {key: more.pop(key) for key in ("origin", "kind") if key in more}
    plan = {"format_version": "1.2", "planned_values": {"root_module": {"resources": resources}}, **more}
    return read_text(folder, "plan.json", text or json.dumps(plan, indent=2), **options)


def told(zone: SourceZone) -> list[tuple[str, str, Any]]:
    """What the zone answers."""
    return [(r.name, r.type, r.value) for r in zone.zone.records()]


def test_route53(tmp_path: Path) -> None:
    """Names in full or relative, records, strings that begin anew at two quotation marks, octal escapes, an alias."""
    alias = [{"name": "lb.example.net", "zone_id": "Z2", "evaluate_target_health": False}]
    zone = read(
        tmp_path,
        AWS_ZONE,
        route53("mx", name="example.com.", type="MX", records=["10 mx1", "20 mx2.example.com."], alias=[]),
        route53("spf", name="", type="TXT", records=['v=spf1 ""-all', "a\\052b"]),
        route53("www", name="www", type="A", records=None, alias=alias),
    )[0]
    assert told(zone) == [
        ("example.com", "MX", (10, "mx1")),
        ("example.com", "MX", (20, "mx2.example.com")),
        ("example.com", "TXT", (b"v=spf1 ", b"-all")),
        ("example.com", "TXT", (b"a*b",)),
    ]
    assert zone.zone.unknown == {("www.example.com", "A")}
    assert (zone.facts.records[-1].text, zone.facts.records[-1].flags) == ("lb.example.net", {"alias"})


def test_routing_policies_are_one_answer_only_where_all_agree(tmp_path: Path) -> None:
    """Two sets that say the same are one; of sets that differ nobody knows which one is answered."""
    zone = read(
        tmp_path,
        AWS_ZONE,
        route53("a1", name="mx", type="A", records=["192.0.2.1"], set_identifier="one"),
        route53("a2", name="mx", type="A", records=["192.0.2.1"], set_identifier="two"),
        route53("b1", name="", type="TXT", records=["v=spf1 -all"], set_identifier="one"),
        route53("b2", name="", type="TXT", records=["v=spf1 ?all"], set_identifier="two"),
    )[0]
    assert told(zone) == [("mx.example.com", "A", "192.0.2.1")]
    assert zone.zone.unknown == {("example.com", "TXT")}


def test_cloudflare(tmp_path: Path) -> None:
    """Old and new names of resource and attributes; a proxied host hides its addresses, an alias at the apex all."""
    zone_data = resource("cloudflare_zone", "z", {"id": "c1", "name": "example.com"})
    prior = {
        "values": {"root_module": {"resources": [{**zone_data, "mode": "data", "address": "data.cloudflare_zone.z"}]}}
    }

    def record(type_: str, label: str, /, **values: Any) -> dict[str, Any]:
        return resource(type_, label, {"zone_id": "c1", "ttl": 1, **values})

    zone = read(
        tmp_path,
        record("cloudflare_record", "mx", name="@", type="MX", value="mx.example.com", priority=10),
        record("cloudflare_dns_record", "a", name="mx", type="A", content="192.0.2.1", proxied=True),
        record("cloudflare_dns_record", "c", name="example.com", type="CNAME", content="x.example.net", proxied=True),
        record("cloudflare_dns_record", "t", name="t", type="TXT", content='"a;" "b"'),
        record(
            "cloudflare_record",
            "s",
            name="_s._tcp",
            type="SRV",
            priority=1,
            data=[{"weight": 2, "port": 3, "target": "h"}],
        ),
        record("cloudflare_dns_record", "k", name="k", type="CAA", data={"flags": 0, "tag": "issue", "value": 'c"a'}),
        prior_state=prior,
    )[0]
    assert told(zone) == [
        ("example.com", "MX", (10, "mx.example.com")),
        ("t.example.com", "TXT", (b"a;", b"b")),
        ("_s._tcp.example.com", "SRV", "1 2 3 h."),
        ("k.example.com", "CAA", '0 issue "c\\"a"'),
    ]
    hidden = {(name, type_) for name in ("mx.example.com", "example.com") for type_ in ("A", "AAAA")}
    assert zone.zone.unknown == hidden
    assert zone.zone.records()[0].ttl == 300  # Cloudflare's "automatic"


def test_google_and_azure(tmp_path: Path) -> None:
    """Presentation form at Google, plain text at Azure; a zone for each provider and name."""
    google = {"managed_zone": "z", "ttl": 60}
    azure = {"zone_name": "example.org", "ttl": 60}
    zones = read(
        tmp_path,
        resource("google_dns_managed_zone", "z", {"name": "z", "dns_name": "example.com."}),
        resource(
            "google_dns_record_set",
            "t",
            {**google, "name": "example.com.", "type": "TXT", "rrdatas": ['"a b" "c"', "d e"]},
        ),
        resource(
            "google_dns_record_set",
            "r",
            {**google, "name": "r.example.com.", "type": "A", "routing_policy": [{"wrr": []}]},
        ),
        resource(
            "azurerm_dns_txt_record", "t", {**azure, "name": "@", "record": [{"value": "x" * 300}, {"value": '"q"'}]}
        ),
        resource(
            "azurerm_dns_mx_record", "m", {**azure, "name": "sub", "record": [{"preference": "5", "exchange": "mx."}]}
        ),
        resource("azurerm_dns_cname_record", "c", {**azure, "name": "c", "record": "d.example.net"}),
        resource("azurerm_dns_a_record", "a", {**azure, "name": "a", "records": [], "target_resource_id": "/x"}),
    )
    assert [(zone.facts.origin, zone.facts.provider) for zone in zones] == [
        ("example.com", "google"),
        ("example.org", "azure"),
    ]
    assert told(zones[0]) == [("example.com", "TXT", (b"a b", b"c")), ("example.com", "TXT", (b"d", b"e"))]
    assert told(zones[1]) == [
        ("example.org", "TXT", (b"x" * 255, b"x" * 45)),
        ("example.org", "TXT", (b'"q"',)),
        ("sub.example.org", "MX", (5, "mx")),
        ("c.example.org", "CNAME", "d.example.net"),
    ]
    assert [zone.zone.unknown for zone in zones] == [{("r.example.com", "A")}, {("a.example.org", "A")}]


def change(one: dict[str, Any], unknown: dict[str, Any], after: Any = None) -> dict[str, Any]:
    """The change that makes a resource."""
    kept = {key: one[key] for key in ("address", "mode", "type", "name")}
    return {**kept, "change": {"actions": ["create"], "before": None, "after": after or {}, "after_unknown": unknown}}


def test_what_is_known_after_apply_is_unobserved(tmp_path: Path) -> None:
    """A value opens its set, an alias its name, a name everything that is not there; the answer says where and why."""
    key, all_, alias = (
        resource("aws_route53_record", "k", {"zone_id": "Z1", "name": "k._domainkey", "type": "TXT", "ttl": 1}),
        resource("aws_route53_record", "x", {"zone_id": "Z1", "type": "MX", "ttl": 1}),
        resource("aws_route53_record", "c", {"zone_id": "Z1", "name": "c", "type": "CNAME", "records": [None]}),
    )
    changes = [change(key, {"records": True}), change(all_, {"name": True, "records": True})]
    spf = route53("s", name="example.com", type="TXT", records=["v=spf1 -all"])
    zone = read(tmp_path, AWS_ZONE, key, all_, alias, spf, resource_changes=changes)[0]
    assert zone.zone.unknown == {("k._domainkey.example.com", "TXT"), ("*", "MX"), ("c.example.com", "*")}
    world = overlay(World.from_records({}), [zone.zone])

    def ask(name: str, type_: str) -> Status:
        return asyncio.run(world.dns.ask(Question(name, type_))).status

    assert ask("k._domainkey.example.com", "TXT") is Status.UNOBSERVED
    assert ask("_domainkey.example.com", "TXT") is Status.NODATA  # it exists, since a name below it does
    assert ask("example.com", "MX") is Status.UNOBSERVED
    assert ask("nowhere.example.com", "MX") is Status.UNOBSERVED
    assert ask("nowhere.example.com", "TXT") is Status.NXDOMAIN
    assert ask("c.example.com", "A") is ask("c.example.com", "TXT") is Status.UNOBSERVED
    assert ask("example.com", "TXT") is Status.OK
    answer = asyncio.run(world.dns.ask(Question("k._domainkey.example.com", "TXT")))
    line = zone.facts.records[0].line
    assert answer.detail == f"plan.json:{line}: known after apply"


def test_a_certificate_s_proof_opens_nothing(tmp_path: Path) -> None:
    """Its name is known after apply, and is no name of mail."""
    proof = resource("aws_route53_record", "cert", {"zone_id": "Z1", "ttl": 60}, index="x")
    expressions = {"name": {"references": ["aws_acm_certificate.c.domain_validation_options", "each.value"]}}
    configured = {"root_module": {"resources": [{**proof, "expressions": expressions}]}}
    proof["address"] = 'aws_route53_record.cert["example.com"]'
    spf = route53("s", name="", type="TXT", records=["v=spf1 -all"])
    zone = read(tmp_path, AWS_ZONE, spf, proof, configuration=configured)[0]
    assert zone.zone.unknown == frozenset() and len(zone.facts.records) == 1


def test_the_zone_is_found_by_reference_in_modules(tmp_path: Path) -> None:
    """Two zones are made in the same run, so that no id is known; the configuration's references tell them apart."""
    module = "module.dns."
    zones = [
        resource("aws_route53_zone", name, {"name": domain})
        for name, domain in (("a", "example.com"), ("b", "example.org"))
    ]
    records = [
        resource("aws_route53_record", name, {"name": "www", "type": "A", "records": ["192.0.2.1"]})
        for name in ("a", "b")
    ]
    configured = [
        {
            **{k: one[k] for k in ("address", "type")},
            "expressions": {"zone_id": {"references": [f"aws_route53_zone.{one['name']}.zone_id"]}},
        }
        for one in records
    ]
    inside = [{**one, "address": module + one["address"]} for one in (*zones, *records)]
    plan = {
        "format_version": "1.2",
        "planned_values": {"root_module": {"child_modules": [{"address": "module.dns", "resources": inside}]}},
        "configuration": {"root_module": {"module_calls": {"dns": {"module": {"resources": configured}}}}},
    }
    found = read(tmp_path, text=json.dumps(plan))
    assert [told(zone) for zone in found] == [
        [("www.example.com", "A", "192.0.2.1")],
        [("www.example.org", "A", "192.0.2.1")],
    ]


def test_a_zone_that_is_not_in_the_plan_must_be_named(tmp_path: Path) -> None:
    """The error says how; with the name the records are read."""
    record = route53("mx", name="example.com", type="MX", records=["10 mx."])
    with pytest.raises(
        ZoneError, match=r"plan\.json:6: aws_route53_record\.mx is in a zone whose name is not in the plan.*origin = "
    ) as caught:
        read(tmp_path, record)
    assert caught.value.text == "Z1"
    assert told(read(tmp_path, record, origin="example.com")[0]) == [("example.com", "MX", (10, "mx"))]


def test_states_and_plans_without_values(tmp_path: Path) -> None:
    """`terraform show -json` of a state; a plan of which only the changes were kept."""
    spf = route53("s", name="", type="TXT", records=["v=spf1 -all"])
    expected = [("example.com", "TXT", (b"v=spf1 -all",))]
    state = {"format_version": "1.0", "values": {"root_module": {"resources": [AWS_ZONE, spf]}}}
    assert told(read(tmp_path, text=json.dumps(state))[0]) == expected
    gone = {**spf, "change": {"actions": ["delete"], "before": spf["values"], "after": None, "after_unknown": False}}
    changes = [change(AWS_ZONE, {}, AWS_ZONE["values"]), change(spf, {}, spf["values"]), {**gone, "address": "x.y"}]
    plan = json.dumps({"format_version": "1.2", "resource_changes": changes}, indent=1)
    zone = read(tmp_path, text=plan)[0]
    assert told(zone) == expected
    assert "v=spf1 -all" in plan.split("\n")[(zone.facts.records[0].line or 0) - 1]


def test_nothing_of_other_resources_is_kept(tmp_path: Path) -> None:
    """Plans hold passwords: no fact, no zone and no error repeats one."""
    database = resource("aws_db_instance", "db", {"password": "hunter2", "name": "hunter2"})
    bad = route53("a", name="www", type="A", records=["192.0.2"])
    spf = route53("s", name="", type="TXT", records=["v=spf1 -all"])
    zones = read(tmp_path, AWS_ZONE, database, spf, variables={"token": {"value": "hunter2"}})
    assert "hunter2" not in repr([(z.facts.records, z.zone.__dict__) for z in zones])
    with pytest.raises(ZoneError) as caught:
        read(tmp_path, AWS_ZONE, database, bad, variables={"token": {"value": "hunter2"}})
    assert "hunter2" not in str(caught.value) and "aws_route53_record.a: not an IPv4 address" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "no JSON object"),
        ("{", "a name in quotation marks is missing"),
        ('{"planned_values": {"root_module": {"resources": [{]}}}', "no valid JSON"),
        ('{"planned_values": {}} {}', "more than one JSON document"),
        ('{"format_version": "1.2"}', "it has no planned_values"),
        ('{"version": 4, "serial": 1, "lineage": "x", "resources": []}', "state in its own format"),
        ('{"planned_values": {}, "errored": true}', "a run that failed"),
        ('{"planned_values": {"root_module": {}}}', "holds no DNS record"),
        ('{"planned_values": ' + "[" * 100_000, "nested too deep"),
        ('{"planned_values": {"root_module": ' + '{"child_modules": [' * 60, "modules more than 50 deep"),
        ('{"planned_values": 1' + "0" * 5000 + "}", "a number that is too long"),
        ('{"a" 1}', "a colon is missing"),
        ('{"a": 1 "b"}', "a comma or } is missing"),
    ],
)
def test_faults_name_file_and_remedy(tmp_path: Path, text: str, told: str) -> None:
    """Every fault of the text is a ZoneError."""
    with pytest.raises(ZoneError, match=told) as caught:
        read(tmp_path, text=text, kind="terraform")
    assert caught.value.file == "plan.json" and caught.value.remedy


def test_a_plan_on_one_line_is_one_line(tmp_path: Path) -> None:
    """What `terraform show -json` prints has one line feed, at its end: nothing is sought behind each resource."""
    text = as_plan([(f"h{n}", "A", 60, "192.0.2.1") for n in range(3)], "route53", indent=None)
    for end in ("", "\n"):
        here = JsonText(text + end, "plan.json")
        assert not here.broken(0)
        facts = read_text(tmp_path, "plan.json", text + end)[0].facts
        assert {record.line for record in facts.records} == {1}
    assert JsonText("{\n}\n", "plan.json").broken(0)
    assert not JsonText("{\n}\n", "plan.json").broken(2)

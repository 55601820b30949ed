"""pyspf beside check_host, in worlds drawn at random: the same word, or a difference with a name.

Where they differ, pyspf says permerror, and for one of three reasons:

* it counts void lookups by the letter of RFC 7208 §4.6.4: a host without addresses of the client's family is void even
  if it has others. Our ``strict_voids`` says the same then.
* it asks for the addresses of all MX hosts before it compares any, so hosts behind the one that matches count as void
  too. The hosts are compared in order here, as §5.4 has it.
* it refuses a record that includes itself or redirects to itself before anything is evaluated. The RFC knows no such
  rule: the limit of §4.6.4 ends the recursion, and a term that matches before (§4.6.2) decides.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from deliverkit.flow import drive
from deliverkit.protocols.spf.evaluate import check_host
from deliverkit.protocols.spf.trace import Evaluation
from tests.bench.spf_world import SpfWorld, made
from tests.peers.programs import peer_python
from tests.peers.run import run
from tests.protocols.spf.worlds import hearing

CLIENTS = ("192.0.2.1", "198.51.100.9", "2001:db8::1")
SCRIPT = Path(__file__).parents[1] / "bench" / "spf_pyspf.py"


def pyspf(world: SpfWorld, folder: Path) -> list[str]:
    """What pyspf says, tuple by tuple."""
    (folder / "world.json").write_text(world.as_json(), "utf-8")
    done = run([peer_python(), SCRIPT, folder / "world.json"], b"results\n")
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode().split()


def drawn(seed: int, worlds: int = 400) -> SpfWorld:
    """Small worlds of five domains that point at each other, and at one that does not exist."""
    draw, world = random.Random(seed), SpfWorld()
    for number in range(worlds):
        names = [f"{letter}{number}.example" for letter in "abcde"]
        targets = [*names, f"gone{number}.example"]
        for name in names:
            terms = [_term(draw, names[0], targets) for _ in range(draw.randint(0, 4))]
            end = draw.choice(["", "-all", "~all", f"redirect={draw.choice(targets)}"])
            if draw.random() < 0.9:
                world.add(name, "TXT", " ".join(["v=spf1", *terms, end]).rstrip())
            for _ in range(draw.randint(0, 2)):
                world.add(name, "A", draw.choice(["192.0.2.1", "192.0.2.77"]))
            if draw.random() < 0.5:
                world.add(name, "AAAA", "2001:db8::1")
            for preference in range(draw.randint(0, 2)):
                world.add(name, "MX", [preference, draw.choice(targets)])
        world.tuples += [(client, f"u@{names[0]}", "h.example") for client in CLIENTS]
    return world


def _term(draw: random.Random, first: str, targets: list[str]) -> str:
    target = draw.choice(targets)
    written = draw.choice(
        [
            f"ip4:{draw.choice(['192.0.2.1', '192.0.2.77', '198.51.100.0'])}/{draw.randint(8, 32)}",
            f"ip6:2001:db8::/{draw.randint(16, 128)}",
            f"include:{target}",
            f"include:{target}",
            f"a:{target}{draw.choice(['', '/24', '//64', '/0'])}",
            f"mx:{target}",
            f"exists:{draw.choice([target, '%{d}', '%{o}', f'%{{l}}.{first}'])}",
            draw.choice(["a", "mx", "a/28"]),
        ]
    )
    return draw.choice(["", "", "", "-", "~", "?"]) + written


def _leads_to_itself(trace: Evaluation) -> bool:
    """True if a record that was entered names its own domain in an include or redirect."""
    record = trace.record or ""
    own = f"include:{trace.domain}" in record or f"redirect={trace.domain}" in record
    return own or any(_leads_to_itself(step.inner) for step in trace.steps if step.inner)


def _matched_before_the_last_host(trace: Evaluation) -> bool:
    """True if an mx matched with a host that was not the last."""
    return any(
        (step.outcome == "match" and "mx" in step.term and len(step.answers[0].records) >= len(step.answers))
        or (step.inner is not None and _matched_before_the_last_host(step.inner))
        for step in trace.steps
    )


@pytest.mark.peer("pyspf")
@pytest.mark.parametrize("seed", [1, 2])
def test_differences_from_pyspf_have_a_name(seed: int, tmp_path: Path) -> None:
    """Void lookups by the letter, and records that lead to themselves; nothing else."""
    world = drawn(seed)
    zone = {
        name: {type_: [tuple(v) if type_ == "MX" else v for v in values] for type_, values in types.items()}
        for name, types in world.records.items()
    }
    named: Counter[str] = Counter()
    for (client, sender, helo), theirs in zip(world.tuples, pyspf(world, tmp_path), strict=True):
        asked: dict[str, Any] = {"client_ip": client, "domain": sender[2:], "sender": sender, "helo": helo}
        ours = drive(check_host(**asked), hearing(zone))
        if ours.result == theirs:
            named["same"] += 1
            continue
        assert theirs == "permerror", (asked, ours.result, theirs)
        strict = drive(check_host(**asked, strict_voids=True), hearing(zone))
        reasons = {
            "voids": strict.result == theirs,
            "loop": _leads_to_itself(ours.trace),
            "mx": _matched_before_the_last_host(ours.trace),
        }
        assert any(reasons.values()), (asked, ours.result, ours.reason)
        named[next(reason for reason, found in reasons.items() if found)] += 1
    assert named["same"] > 10 * (named.total() - named["same"]), named


@pytest.mark.peer("pyspf")
def test_in_a_world_as_it_is_found_all_words_are_those_of_pyspf(tmp_path: Path) -> None:
    """Another draw of the world of the benchmark: shared providers, hosts of both families."""
    world = made(seed=1)
    world.tuples = world.tuples[:1000]
    zone = {
        name: {type_: [tuple(v) if type_ == "MX" else v for v in values] for type_, values in types.items()}
        for name, types in world.records.items()
        if not name.startswith("*")
    }
    plain = [(t, word) for t, word in zip(world.tuples, pyspf(world, tmp_path), strict=True)]
    for (client, sender, helo), word in plain:
        domain = sender.rpartition("@")[2]
        if "exists:" not in zone[domain]["TXT"][0]:  # wildcards are the benchmark's
            assert drive(check_host(client, domain, sender, helo), hearing(zone)).result == word

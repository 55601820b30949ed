"""A world of SPF records as they are found: domains that include shared providers, drawn with a fixed seed.

About five terms that query DNS and twenty ip4 terms for an evaluation; every mail host has addresses of both families,
so that the strict and the lenient count of void lookups (RFC 7208 §4.6.4) agree, and evaluators can be compared word
for word. Some domains need eleven lookups. The same world is written for every evaluator: JSON, or lines for a C
program.
"""

from __future__ import annotations

import ipaddress
import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

PROVIDERS, DOMAINS, TUPLES_A_DOMAIN = 40, 1000, 4
CHAIN = 11


@dataclass
class SpfWorld:
    """Records by name and type, and who is checked: client address, MAIL FROM, HELO."""

    records: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    tuples: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, name: str, type_: str, *values: Any) -> None:
        self.records.setdefault(name, {}).setdefault(type_, []).extend(values)

    def as_json(self) -> str:
        """``{"records": {name: {type: [values]}}, "tuples": [[ip, mail_from, helo]]}``; an MX is [preference, host]."""
        return json.dumps({"records": self.records, "tuples": self.tuples})

    def as_lines(self) -> Iterator[str]:
        """``R type name value`` and ``T ip mail_from helo``, one a line; TXT is the last type, for it holds spaces."""
        for name, types in self.records.items():
            for type_, values in types.items():
                for value in values:
                    shown = f"{value[0]} {value[1]}" if type_ == "MX" else value
                    yield f"R {type_} {name} {shown}"
        for tuple_ in self.tuples:
            yield "T " + " ".join(tuple_)


class _Maker:
    """Draws the world."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = SpfWorld()
        self.nets: dict[str, list[str]] = {}

    def net4(self) -> str:
        prefix = self.random.choice([32, 32, 32, 29, 28, 27, 26, 24, 24, 24, 23, 22, 20, 19, 18])
        address = self.random.randrange(1 << 24, 224 << 24) >> (32 - prefix) << (32 - prefix)
        text = str(ipaddress.IPv4Address(address))
        return text if prefix == 32 else f"{text}/{prefix}"

    def net6(self) -> str:
        prefix = self.random.choice([32, 36, 48, 64])
        address = (0x2A00 << 112 | self.random.getrandbits(48) << 64) >> (128 - prefix) << (128 - prefix)
        return f"{ipaddress.IPv6Address(address)}/{prefix}"

    def inside(self, net: str) -> str:
        network = ipaddress.ip_network(net)
        return str(network[self.random.randrange(min(network.num_addresses, 1 << 32))])

    def stranger(self) -> str:
        if self.random.random() < 0.1:
            return f"2a0f:dead::{self.random.randrange(1, 65536):x}"
        return f"198.18.{self.random.randrange(256)}.{self.random.randrange(1, 255)}"

    def networks(self, name: str, four: int, six: int, *more: str, end: str) -> None:
        nets = [self.net4() for _ in range(four)] + [self.net6() for _ in range(six)]
        self.nets[name] = nets
        terms = [f"ip{6 if ':' in net else 4}:{net}" for net in nets]
        self.world.add(name, "TXT", " ".join(["v=spf1", *more, *terms, end]))

    def provider(self, number: int) -> str:
        name = f"_spf.p{number}.example"
        parts = []
        if number % 3 == 0:
            parts = [f"_netblocks{k}.p{number}.example" for k in range(1, 1 + self.random.randint(1, 3))]
            for part in parts:
                self.networks(part, self.random.randint(5, 12), self.random.randint(0, 3), end="~all")
        own = self.random.randint(1, 4) if parts else self.random.randint(4, 16)
        end = self.random.choice(["~all", "-all", "?all"])
        self.networks(name, own, self.random.randint(0, 2), *(f"include:{part}" for part in parts), end=end)
        self.nets[name] += [net for part in parts for net in self.nets[part]]
        return name

    def host(self, name: str) -> str:
        address = self.inside(self.net4().partition("/")[0])
        self.world.add(name, "A", address)
        self.world.add(name, "AAAA", f"2a01:{self.random.randrange(65536):x}::{self.random.randrange(1, 65536):x}")
        return address

    def domain(self, number: int, providers: list[str]) -> None:
        name, draw = f"d{number}.example", self.random.random
        own = [self.net4() for _ in range(self.random.randint(0, 5))]
        hosts = [self.host(name)]
        mail = [f"mx{k}.{name}" for k in range(1, 1 + self.random.randint(1, 2))]
        self.world.add(name, "MX", *([10 * k, host] for k, host in enumerate(mail, 1)))
        hosts += [self.host(host) for host in mail]
        chosen = self.random.sample(providers, self.random.choice([1, 2, 2, 3]))
        terms = [f"ip4:{net}" for net in own] + ["a"] * (draw() < 0.4) + ["mx"] * (draw() < 0.7)
        terms += [f"a:mx1.{name}"] * (draw() < 0.2)
        if draw() < 0.03:
            terms.append(f"exists:%{{ir}}._list.{name}")
            self.world.add(f"*._list.{name}", "A", "127.0.0.2")
        redirect = draw() < 0.08
        terms += [f"include:{provider}" for provider in (chosen[1:] if redirect else chosen)]
        terms.append(f"redirect={chosen[0]}" if redirect else self.random.choice(["~all", "-all", "-all", "?all"]))
        self.world.add(name, "TXT", "v=spf1 " + " ".join(terms))
        sending = own + hosts + [net for provider in chosen for net in self.nets[provider]]
        for _ in range(TUPLES_A_DOMAIN):
            client = self.inside(self.random.choice(sending)) if draw() < 0.55 else self.stranger()
            self.world.tuples.append((client, f"user@{name}", f"mx1.{name}"))

    def chain(self, number: int) -> None:
        """Eleven includes, one behind the other."""
        names = [f"c{number}.example", *(f"c{number}-{k}.example" for k in range(1, CHAIN + 1))]
        for name, following in itertools.pairwise(names):
            self.world.add(name, "TXT", f"v=spf1 include:{following} ~all")
        self.world.add(names[-1], "TXT", "v=spf1 ip4:192.0.2.0/24 -all")
        self.world.tuples.append(("192.0.2.1", f"user@{names[0]}", f"mx.{names[0]}"))


def made(seed: int = 7208) -> SpfWorld:
    """The world of the benchmark."""
    maker = _Maker(seed)
    providers = [maker.provider(number) for number in range(PROVIDERS)]
    for number in range(DOMAINS):
        maker.domain(number, providers)
    for number in range(5):
        maker.chain(number)
    maker.random.shuffle(maker.world.tuples)
    return maker.world

"""DNS clients for bench_dns, each a process of its own: ask every question of a file, and say how long it took.

``python dns_clients.py CLIENT ADDRESS PORT FILE COUNT WINDOW``; the file has lines "name TYPE", as dnsperf reads them.
Prints JSON: wall and CPU seconds from the first question to the last answer, how many answers were asked for and how
many came, and what they said. A client whose library is not installed prints ``{"missing": why}``. This file imports
nothing of the project but in the clients that need it, so that another Python may run it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any


async def work(questions: Iterable[tuple[str, str]], window: int, ask: Callable[[str, str], Awaitable[str]]) -> Any:
    """Keep ``window`` questions open until all are answered; counts what was said."""
    told: Counter[str] = Counter()
    left = iter(questions)

    async def asker() -> None:
        for name, type_ in left:
            told[await ask(name, type_)] += 1

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(asker() for _ in range(window)))
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "told": dict(told)}


async def flows(door: Any, questions: Iterable[tuple[str, str]], window: int) -> Any:
    """The same of a door of ours, asked as audits ask it: by flows side by side, which `World.run` drives."""
    from deliverkit.flow import Flow, Question, together
    from deliverkit.world.strands import run_begun

    told: Counter[str] = Counter()
    left = iter(questions)

    def asker() -> Flow[None]:
        for name, type_ in left:
            answer = yield Question(name, type_)
            told[answer.status] += 1

    wall, cpu = time.perf_counter(), time.process_time()
    await run_begun(together(*(asker() for _ in range(window))), door.begin)
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "told": dict(told)}


async def world(address: str, port: int, questions: Any, window: int) -> Any:
    """The door of `World.live`: cache and single flight, patience, random ports and ids."""
    from deliverkit.world import World

    async with World.live([f"{address}:{port}"]) as here:
        return await flows(here.dns, questions, window)


async def live(address: str, port: int, questions: Any, window: int) -> Any:
    """`LiveDns` alone: patience, health, random ports and ids."""
    from deliverkit.world.dns import LiveDns
    from deliverkit.world.resolvers import Server

    door = LiveDns([Server(address, port)])
    try:
        return await flows(door, questions, window)
    finally:
        await door.aclose()


async def dnspython(address: str, port: int, questions: Any, window: int) -> Any:
    """dnspython's asynchronous stub resolver, as its documentation shows it."""
    import dns.asyncresolver
    import dns.resolver

    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.cache = [address], port, None

    async def ask(name: str, type_: str) -> str:
        try:
            await resolver.resolve(name, type_, search=False)
        except dns.resolver.NXDOMAIN:
            return "nxdomain"
        except dns.resolver.NoAnswer:
            return "nodata"
        return "ok"

    return await work(questions, window, ask)


async def aiodns(address: str, port: int, questions: Any, window: int) -> Any:
    """aiodns on c-ares; it refuses TLSA, so those are left out."""
    import aiodns as library

    resolver = library.DNSResolver(nameservers=[address], udp_port=port, tcp_port=port, rotate=False)
    query = getattr(resolver, "query_dns", resolver.query)

    async def ask(name: str, type_: str) -> str:
        try:
            await query(name, type_)
        except library.error.DNSError as bad:
            return {1: "nodata", 4: "nxdomain"}.get(bad.args[0], str(bad.args))
        return "ok"

    return await work([pair for pair in questions if pair[1] != "TLSA"], window, ask)


CLIENTS = {"world": world, "live": live, "dnspython": dnspython, "aiodns": aiodns}


def main() -> None:
    """Run one client, with the collector of cycles as the command line sets it: for all of them alike."""
    name, address, port, file, count, window = sys.argv[1:]
    with Path(file).open() as lines:
        pairs = [tuple(line.split()) for line, _ in zip(lines, range(int(count)), strict=False)]
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    try:
        print(json.dumps(asyncio.run(CLIENTS[name](address, int(port), pairs, int(window)))))
    except ImportError as why:
        print(json.dumps({"missing": str(why)}))


if __name__ == "__main__":
    main()

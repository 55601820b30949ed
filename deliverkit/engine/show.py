"""Show what a domain publishes for one protocol: facts without a rule run over them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from deliverkit.facts.base import Unobserved
from deliverkit.facts.dkim import observe_dkim
from deliverkit.facts.dmarc import observe_dmarc
from deliverkit.facts.mx import observe_mx
from deliverkit.facts.spf import observe_spf
from deliverkit.findings import Inconclusive
from deliverkit.flow import Flow
from deliverkit.names import meant
from deliverkit.report.model import Report, Subject
from deliverkit.world import World

PROTOCOLS = ("spf", "dkim", "dmarc", "mx")


async def show(protocol: str, name: str, *, world: World, selectors: tuple[str, ...] = ()) -> Report:
    """What is published, parsed, with its lookup tree. Raises `deliverkit.names.BadName`.

    For DKIM the name may be ``selector._domainkey.domain``. A report whose facts nobody could tell says so as
    one decisive unknown; no finding is ever made.
    """
    typed = meant(name)
    started, began = world.now(), time.monotonic()
    domain = typed.name
    if protocol == "dkim" and "._domainkey." in domain:
        selector, _, domain = domain.partition("._domainkey.")
        selectors = (*selectors, selector)
    flows: dict[str, Callable[[], Flow[Any]]] = {
        "spf": lambda: observe_spf(domain),
        "dkim": lambda: observe_dkim(domain, selectors=selectors),
        "dmarc": lambda: observe_dmarc(domain),
        "mx": lambda: observe_mx(domain),
    }
    facts = await world.run(flows[protocol]())
    unknown = _untold(facts)
    return Report(
        subject=Subject("record", domain, typed.remark),
        vantage=world.vantage,
        started=started,
        elapsed_s=round(time.monotonic() - began, 3),
        inconclusive=(Inconclusive(protocol.upper(), domain, unknown, decisive=True),) if unknown else (),
        facts={protocol: facts},
    )


def _untold(facts: Any) -> str | None:
    """Why the record itself could not be read, or None if it could (or is known to be absent)."""
    try:
        _ = facts.answer
    except Unobserved as why:
        return str(why)
    except AttributeError:
        return None
    answer = facts.answer
    return None if answer is None or answer.known else str(answer.why())

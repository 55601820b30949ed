"""The domain side of an application's mail: does DNS let this provider send for the From domain?

The audit engine looks; what this file will not do: judge, or ask about a domain that is the provider's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

from deliverkit.data import Provider, providers
from deliverkit.engine.audit import AuditOptions, audit
from deliverkit.engine.route import is_address
from deliverkit.facts.base import Missing, missing
from deliverkit.facts.ladder import DomainSide
from deliverkit.facts.sending import provider_of
from deliverkit.facts.settings.model import MailSettings
from deliverkit.names import BadName, key, meant
from deliverkit.protocols.spf.tree import Node
from deliverkit.world import World

_SECONDS = 20.0


async def domain_sides(wanted: Iterable[tuple[str, Provider]], world: World) -> tuple[DomainSide, ...]:
    """The domain side of each pair of From domain and provider."""
    return tuple(await asyncio.gather(*(_domain_side(domain, provider, world) for domain, provider in wanted)))


def pairs(senders: Iterable[tuple[str | None, MailSettings]]) -> Iterator[tuple[str, Provider]]:
    """Each From domain with the provider it is sent through, once; not where either is unknown or they are one."""
    seen = set()
    for sender, one in senders:
        host = one.plan.raw("host")
        if sender is None or not isinstance(host, str) or is_address(host):  # bridges stand on 127.0.0.1
            continue
        try:
            domain = meant(sender.rpartition("@")[2]).name
        except BadName:
            continue
        provider = _provider(host, domain)
        if provider is not None and (domain, provider.id) not in seen:
            seen.add((domain, provider.id))
            yield domain, provider


def _provider(host: str, domain: str) -> Provider | None:
    """Who sends here for a domain of one's own: people's accounts and those of companies may share a host."""
    known = provider_of(host)
    sharing = [one for one in providers() if any(end.host == host.lower().rstrip(".") for end in one.endpoints)]
    every = sharing or ([known] if known else [])
    if any(domain in one.domains for one in every):
        return None
    return next((one for one in every if one.spf_include), every[0] if every else None)


async def _domain_side(domain: str, provider: Provider, world: World) -> DomainSide:
    options = AuditOptions(
        selectors=provider.dkim_selectors, only=("spf", "dkim", "dmarc"), probe=False, seconds=_SECONDS
    )
    seen: dict[str, Any] = (await audit(domain, world=world, options=options)).facts
    needed = provider.spf_include if "spf_needed" not in provider.entry else None
    spf: Any = seen["spf"]
    dmarc: Any = seen["dmarc"]
    record, policy = _raw(spf, "record"), _raw(dmarc, "policy")
    return DomainSide(
        domain=domain,
        provider=provider,
        include=needed,
        record=record,
        included=_included(spf, (needed, *provider.entry.get("spf_alternatives", ())) if needed else ()),
        selectors=provider.dkim_selectors,
        published=_published(seen["dkim"], provider),
        policy=policy,
    )


def _raw(facts: Any, name: str) -> Any:
    """A field of facts that may be missing as a whole."""
    return facts if isinstance(facts, Missing) else facts.raw(name)


def _included(spf: Any, includes: tuple[str, ...]) -> Any:
    """Whether the SPF record leads to one of the provider's names, at whatever depth."""
    tree = _raw(spf, "tree")
    if isinstance(tree, Missing):
        return tree
    if tree is None or not includes:
        return False
    if not {key(name) for name in includes}.isdisjoint(key(name) for name in _names(tree.root)):
        return True
    return missing(f"SPF {spf.domain}: {tree.unknown[0]}") if tree.unknown else False


def _names(node: Node) -> Iterator[str]:
    for branch in node.branches:
        if branch.target:
            yield branch.target
        if branch.node is not None:
            yield from _names(branch.node)


def _published(dkim: Any, provider: Provider) -> Any:
    """The provider's selectors at which a key stands, by its own record or an alias."""
    selectors = _raw(dkim, "selectors")
    if isinstance(selectors, Missing):
        return selectors
    asked = [one for one in selectors if one.selector in provider.dkim_selectors]
    found = tuple(one.selector for one in asked if not isinstance(one.raw("records"), Missing) and one.records)
    unknown = next((one.answer for one in asked if not one.answer.known), None)
    return missing(unknown.why()) if unknown is not None and not found else found

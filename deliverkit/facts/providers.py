"""The mail providers of a domain: by what each is recognised, and what of it is in place in SPF and DKIM.

Everything is told by the facts of SPF, DKIM and MX and by ``data/providers.toml``. Only for providers that the user
names (``--via``) more is asked: the selectors of the provider one by one, its own SPF record (to see whether its
addresses are listed without its name), and the name that carries its bounces. What this file will not do: say what is
lacking.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from deliverkit.data import Provider, recognise
from deliverkit.facts.base import Facts, Missing, missing
from deliverkit.facts.dkim import DkimFacts, SelectorFacts
from deliverkit.facts.mx import MxFacts
from deliverkit.facts.spf import SpfFacts, own_nodes
from deliverkit.flow import Answer, Flow, Status, ask, together
from deliverkit.names import key, within
from deliverkit.protocols.dkim.key import looks_like_key, parse_key
from deliverkit.protocols.spf.record import Directive, select
from deliverkit.protocols.spf.tree import Node, Tree, spf_tree

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
MAX_NETWORKS = 500  # of one tree that are compared; a provider names some dozens


@dataclass(frozen=True, slots=True)
class Sign:
    """What gives a provider away: ``kind`` is via, mx, spf or dkim; ``name`` the host, include or alias target."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Listing:
    """Where SPF lists a provider.

    ``how`` is "included" (``path`` leads to the include), "covered" (its addresses are listed without its name),
    "mail-from" (at ``path[0]``, the provider's return path) or "absent".
    """

    how: str
    path: tuple[str, ...] = ()

    @property
    def there(self) -> bool:
        return self.how != "absent"


@dataclass(frozen=True, slots=True)
class Delegation:
    """One of a provider's selectors at the domain. ``target`` is the alias target to publish, as far as it is known."""

    selector: str
    answer: Answer
    usable: bool
    target: str | None = None

    @property
    def name(self) -> str:
        return self.answer.question.name

    @property
    def state(self) -> str:
        """ "key", "delegated" (by an alias), "dangling" (an alias that leads to no key), "absent" or "unknown"."""
        if not self.answer.known:
            return "unknown"
        if self.usable:
            return "delegated" if self.answer.aliases else "key"
        return "dangling" if self.answer.aliases else "absent"

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "state": self.state, "aliases": self.answer.aliases, "target": self.target}


@dataclass(frozen=True, repr=False)
class ProviderFacts(Facts):
    """One provider of a domain. ``via`` is True when the user says that mail leaves through it.

    ``spf`` is missing where the record could not be told. ``delegations`` are its selectors: for a provider that was
    named all of them, else those that were found. ``others`` is True if keys stand at selectors that are nobody's in
    particular, which may be this provider's; ``none_below`` if DNS says that no selector exists at all.
    """

    provider: Provider
    domain: str
    via: bool
    signs: tuple[Sign, ...]
    spf: Listing
    delegations: tuple[Delegation, ...]
    others: bool = False
    none_below: bool = False
    mail_from: Answer | None = None

    @property
    def subject(self) -> str:
        return self.domain

    @property
    def personal(self) -> bool:
        """True if the provider is known to send for its own domains only, and this is none of them."""
        return personal(self.provider, self.domain)

    @property
    def signing(self) -> tuple[Delegation, ...]:
        """The selectors at which a usable key stands."""
        return tuple(one for one in self.delegations if one.usable)

    @property
    def dkim(self) -> str:
        """ "in place", "dangling", "absent", "unknown", or "unguessable" where its selectors are not known."""
        states = {one.state for one in self.delegations}
        if states & {"key", "delegated"}:
            return "in place"
        for state in ("dangling", "unknown"):
            if state in states:
                return state
        return "absent" if self.none_below or (states and self.via) else "unguessable"

    def to_json(self) -> dict[str, Any]:
        """Who, recognised by what, and what is in place."""
        return {
            "id": self.provider.id,
            "name": self.provider.name,
            "category": self.provider.category,
            "via": self.via,
            "recognised_by": self.signs,
            "spf": self.raw("spf"),
            "spf_include": self.provider.spf_include,
            "spf_needed": self.provider.spf_needed or None,
            "dkim": self.dkim,
            "selectors": self.delegations,
        }


@dataclass(frozen=True, repr=False)
class ProvidersFacts(Facts):
    """The providers of a domain, those that the user named first."""

    domain: str
    seen: tuple[ProviderFacts, ...]

    @property
    def subject(self) -> str:
        return self.domain

    def to_json(self) -> list[ProviderFacts]:
        """The list of providers."""
        return list(self.seen)


def observe_providers(domain: str, via: tuple[Provider, ...], spf: Any, dkim: Any, mx: Any) -> Flow[ProvidersFacts]:
    """Recognise the providers. ``spf``, ``dkim`` and ``mx`` are the facts of the domain, or what is missing of them."""
    signs = _signs(domain, via, spf, dkim, mx)
    found = yield from together(*(_provider(domain, p, by, spf, dkim) for p, by in signs))
    return ProvidersFacts(domain, tuple(found))


# -- by what they are recognised --------------------------------------------------------------------------


def _signs(
    domain: str, via: tuple[Provider, ...], spf: Any, dkim: Any, mx: Any
) -> list[tuple[Provider, tuple[Sign, ...]]]:
    hosts = [host.name for host in mx.hosts] if isinstance(mx, MxFacts) and mx.answer.known else []
    includes = list(_includes(spf))
    targets = [name for one in _selectors(dkim) for name in one.answer.aliases]
    found: dict[str, tuple[Provider, tuple[Sign, ...]]] = {p.id: (p, (Sign("via", p.id),)) for p in via}
    for p in recognise(tuple(hosts), tuple(includes), tuple(targets)):
        by = (
            *(Sign("mx", host) for host in hosts if any(within(host, suffix) for suffix in p.mx)),
            *(Sign("spf", name) for name in includes if key(name) in {p.spf_include, *p.spf_others}),
            *(Sign("dkim", name) for name in targets if any(within(name, suffix) for suffix in p.dkim_targets)),
        )
        found[p.id] = (p, (*found.get(p.id, (p, ()))[1], *by))
    return [one for one in found.values() if not _another(domain, *one, list(found.values()))]


def personal(p: Provider, domain: str) -> bool:
    """True for a service whose accounts lie in its own domains, and that gives no include for those of others."""
    return bool(p.domains) and not p.spf_include and not any(within(domain, own) for own in p.domains)


def _another(domain: str, p: Provider, by: tuple[Sign, ...], all_: list[tuple[Provider, tuple[Sign, ...]]]) -> bool:
    """True if what gives this provider away belongs to another one."""
    kinds = {sign.kind for sign in by}
    if "via" in kinds:
        return False
    if personal(p, domain):  # it takes no mail for domains of others; its hosts are shared with a service that does
        return True
    if kinds == {"spf"}:  # an include that several share: the one that more speaks for, else the first in the file
        mine = {sign.name for sign in by}
        rivals = [(q, their) for q, their in all_ if mine & {s.name for s in their if s.kind == "spf"}]
        better = [q for q, their in rivals if {s.kind for s in their} != {"spf"}]
        return p.id not in {q.id for q in (better or [q for q, _ in rivals][:1])}
    return False


def _includes(spf: Any) -> Iterator[str]:
    """The names that the domain's own records include or redirect to."""
    tree = spf.raw("tree") if isinstance(spf, SpfFacts) else None
    if isinstance(tree, Tree):
        yield from dict.fromkeys(
            branch.target
            for node in own_nodes(tree.root)
            for branch in node.branches
            if branch.reachable and branch.target and branch.term.name in ("include", "redirect")
        )


def _selectors(dkim: Any) -> tuple[SelectorFacts, ...]:
    seen = dkim.raw("selectors") if isinstance(dkim, DkimFacts) else ()
    return () if isinstance(seen, Missing) else tuple(seen)


# -- what is in place -------------------------------------------------------------------------------------


def _provider(domain: str, p: Provider, by: tuple[Sign, ...], spf: Any, dkim: Any) -> Flow[ProviderFacts]:
    via = any(sign.kind == "via" for sign in by)
    label = f"{p.mail_from[0]}.{domain}" if via and p.mail_from else None
    mail_from = (yield from ask(label, "TXT")) if label else None
    listing = _listing(p, spf, mail_from)
    if via and isinstance(listing, Listing) and not listing.there:
        listing = yield from _covered(p, spf.raw("tree"), listing)
    named = (yield from _ask_selectors(domain, p, dkim)) if via else ()
    seen = tuple(_of_selector(p, one) for one in _selectors(dkim) if one.selector not in {d.selector for d in named})
    delegations = (*named, *(one for one in seen if one is not None))
    mine = {one.selector for one in delegations}
    return ProviderFacts(
        p,
        domain,
        via,
        by,
        listing,
        delegations,
        others=any(_nobodys(one) for one in _selectors(dkim) if one.selector not in mine),
        none_below=isinstance(dkim, DkimFacts) and dkim.scan.nothing_below,
        mail_from=mail_from,
    )


def _listing(p: Provider, spf: Any, mail_from: Answer | None) -> Any:
    """Whether the record leads to the provider's include, at any depth, and lets it pass (RFC 7208 §5.2)."""
    if not isinstance(spf, SpfFacts):
        return spf if isinstance(spf, Missing) else missing("SPF was not observed")
    if not spf.answer.known:
        return missing(spf.answer.why())
    tree, names = spf.raw("tree"), {p.spf_include, *p.spf_others}
    if isinstance(tree, Tree):
        for node in _passing(tree.root):
            if key(node.domain) in names and node.path[1:]:
                return Listing("included", node.path)
    if _carries(p, mail_from):
        assert mail_from is not None
        return Listing("mail-from", (mail_from.question.name,))
    if isinstance(tree, Tree) and (tree.unknown or tree.cut):
        return missing(tree.unknown[0] if tree.unknown else "the SPF tree is too large to be followed")
    return Listing("absent")


def _passing(node: Node) -> Iterator[Node]:
    """This node and those below it whose senders pass: not those of ``?include:``, ``~include:`` or ``-include:``."""
    yield node
    for branch in node.branches:
        if branch.node and not (isinstance(branch.term, Directive) and branch.term.qualifier != "+"):
            yield from _passing(branch.node)


def _carries(p: Provider, answer: Answer | None) -> bool:
    """True if the name for bounces leads to the provider: by its alias, or by an SPF record that includes it."""
    if answer is None or p.mail_from is None or not answer.known:
        return False
    target = p.mail_from[1]
    if target:
        return any(within(name, target) for name in answer.aliases)
    texts = answer.texts if answer.status is Status.OK else ()
    return any(f"include:{p.spf_include}" in texts[index].lower().split() for index in select(texts))


def _covered(p: Provider, tree: Any, absent: Listing) -> Flow[Any]:
    """Whether the addresses of the provider are listed without its name, as a flattened record does."""
    if p.spf_include is None or not isinstance(tree, Tree):
        return absent
    theirs = yield from spf_tree(p.spf_include, tree.answers)
    wanted, listed = _networks(theirs), _networks(tree)
    if theirs.unknown or not wanted or len(wanted) >= MAX_NETWORKS:
        return absent  # what it would need is not known; that it is not there is
    return Listing("covered") if all(any(_inside(one, other) for other in listed) for one in wanted) else absent


def _networks(tree: Tree) -> list[Network]:
    """The networks that pass in a tree: ip4 and ip6 terms, and the addresses of a and mx."""
    found: list[Network] = []
    for branch in (branch for node in _passing(tree.root) for branch in node.branches):
        term = branch.term
        passes = branch.reachable and isinstance(term, Directive) and term.qualifier == "+"
        if not passes or len(found) >= MAX_NETWORKS:
            continue
        if term.name in ("ip4", "ip6"):
            found += _parsed([term.text.partition(":")[2]])
        else:
            found += _parsed(str(address) for answer in branch.addresses for address in answer.records)
    return found


def _parsed(texts: Iterable[str]) -> Iterator[Network]:
    for text in texts:
        try:
            yield ipaddress.ip_network(text, strict=False)
        except ValueError:
            continue


def _inside(one: Network, other: Network) -> bool:
    if isinstance(one, ipaddress.IPv4Network) and isinstance(other, ipaddress.IPv4Network):
        return one.subnet_of(other)
    return isinstance(one, ipaddress.IPv6Network) and isinstance(other, ipaddress.IPv6Network) and one.subnet_of(other)


def _ask_selectors(domain: str, p: Provider, dkim: Any) -> Flow[tuple[Delegation, ...]]:
    """Every selector the data gives for a provider: those that are aliases, or else those it is known to use."""
    if personal(p, domain):  # its selectors stand in its own domains
        return ()
    targets = {selector: _filled(target, domain) for selector, target in p.dkim_cname}
    selectors = tuple(dict.fromkeys((*targets, *p.dkim_selectors)))
    answers = yield from together(*(ask(f"{selector}._domainkey.{domain}", "TXT") for selector in selectors))
    guard = dkim.scan.guard if isinstance(dkim, DkimFacts) else None
    return tuple(
        Delegation(selector, answer, _usable(answer) and not _wild(answer, guard), targets.get(selector))
        for selector, answer in zip(selectors, answers, strict=True)
    )


def _filled(target: str, domain: str) -> str:
    return target.replace("<domain-with-dashes>", domain.replace(".", "-")).replace("<domain>", domain)


def _usable(answer: Answer) -> bool:
    texts = answer.texts if answer.status is Status.OK else ()
    return any(looks_like_key(text) and parse_key(text).usable for text in texts)


def _wild(answer: Answer, guard: Answer | None) -> bool:
    """True if a wildcard gives the same at a name nobody made."""
    return guard is not None and guard.status is Status.OK and sorted(guard.texts) == sorted(answer.texts)


def _of_selector(p: Provider, one: SelectorFacts) -> Delegation | None:
    """A selector that was found, if its name or its alias is this provider's."""
    by_alias = any(within(name, suffix) for name in one.answer.aliases for suffix in p.dkim_targets)
    if not by_alias and one.source != f"provider {p.name}" and one.selector not in p.dkim_selectors:
        return None
    return Delegation(one.selector, one.answer, _has_key(one))


def _nobodys(one: SelectorFacts) -> bool:
    """True for a key that may be any provider's: no alias tells whose it is, and no provider has the selector."""
    return _has_key(one) and not one.answer.aliases and not one.source.startswith("provider ")


def _has_key(one: SelectorFacts) -> bool:
    return one.answer.known and any(record.usable for _, record in one.records)

"""What each branch of an SPF tree costs, for itself and with all below it, and where the ten lookups are spent.

RFC 7208 §4.6.4 counts over all records entered, in the order of evaluation. ``so_far`` counts along the worst path, the
one rule SPF004 judges: the evaluation in which nothing matches for as long as possible. What this file will not do:
grow the tree, or judge what it costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deliverkit.protocols.spf.lookups import MAX_LOOKUPS
from deliverkit.protocols.spf.tree import FAMILIES, Branch, Counted, Node, State, Tree

DEAD = (State.INVALID, State.NONE, State.NXDOMAIN, State.MANY, State.LOOP)
"""What an include or redirect can lead to that ends the evaluation in permerror (§4.6, §5.2, §6.1)."""


@dataclass(frozen=True, slots=True)
class Priced:
    """A branch with its price. ``lookups`` and ``voids`` are its own, ``all_lookups`` and ``all_voids`` with all below.

    Voids are counted for IPv4 and for IPv6 clients: an ``a`` costs one only to a family that finds no address.
    ``so_far`` is the number of lookups made when this term has been asked, on the worst path; None beside that path.
    """

    branch: Branch
    lookups: int
    all_lookups: int
    voids: tuple[int, int]
    all_voids: tuple[int, int]
    so_far: int | None
    inner: tuple[Priced, ...]

    @property
    def over(self) -> bool:
        """True where the limit is passed: evaluation ends here, in permerror."""
        return self.so_far is not None and self.so_far > MAX_LOOKUPS

    @property
    def dead(self) -> bool:
        """True if this term can never help: it is not reached, or leads to nothing that could match."""
        node = self.branch.node
        return not self.branch.reachable or (node is not None and node.state in DEAD)

    def to_json(self) -> dict[str, object]:
        """The price alone."""
        return {
            "lookups": self.lookups,
            "subtree_lookups": self.all_lookups,
            "so_far": self.so_far,
            "voids": dict(zip(("ipv4", "ipv6"), self.voids, strict=True)),
            "subtree_voids": dict(zip(("ipv4", "ipv6"), self.all_voids, strict=True)),
        }


def priced(tree: Tree) -> tuple[Priced, ...]:
    """The branches of the root with their prices. Lookups cost the same for both families."""
    return tuple(_priced(tree.root, _Count(tree.worst[0].lookups)))


class _Count:
    """Walks along the terms of the worst path while the tree is walked in the order of evaluation."""

    def __init__(self, path: tuple[Counted, ...]) -> None:
        self._left = list(reversed(path))
        self._made = 0

    def pay(self, node: Node, branch: Branch) -> int | None:
        """The lookups made once this term was asked, if it is the next one on the path."""
        following = self._left[-1] if self._left else None
        if following is None or (following.term, following.path) != (branch.term.text, node.path):
            return None
        self._made += self._left.pop().number
        return self._made


def _priced(node: Node, count: _Count) -> Iterator[Priced]:
    for branch in node.branches:
        own = int(branch.counts and branch.reachable)
        so_far = count.pay(node, branch) if own else None
        inner = tuple(_priced(branch.node, count)) if branch.node and branch.reachable else ()
        four, six = (branch.voids(family) if branch.reachable else 0 for family in FAMILIES)
        yield Priced(
            branch,
            own,
            own + sum(one.all_lookups for one in inner),
            (four, six),
            (four + sum(one.all_voids[0] for one in inner), six + sum(one.all_voids[1] for one in inner)),
            so_far,
            inner,
        )

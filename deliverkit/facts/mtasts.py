"""The MTA-STS facts of a domain: what stands at ``_mta-sts``, and the policy that its web server hands out.

The record is observed as a flow; the policy is fetched by the engine afterwards, where the world fetches pages, and
read here. What this file will not do: open a socket, or judge.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from deliverkit.facts.base import Missing, missing, not_asked
from deliverkit.facts.placed import PlacedFacts, observe_placed
from deliverkit.flow import Flow, Page, PageTrouble
from deliverkit.protocols.mtasts import MtaStsRecord, is_mtasts, looks_like_mtasts, parse_mtasts
from deliverkit.protocols.mtastspolicy import Policy, parse_policy

PREFIX = "_mta-sts"
_NOT_FETCHED: Any = not_asked("no page is fetched here")


@dataclass(frozen=True, repr=False)
class MtaStsFacts(PlacedFacts[MtaStsRecord]):
    """What DNS and the policy host say of MTA-STS: exactly one record, or no policy (RFC 8461 §3.1).

    ``page`` is what came of fetching the policy, and missing where that is due to where we ask from. ``policy`` is the
    one that was served, None where none was. Both are None without a record that can be used: senders fetch nothing.
    """

    page: Page | None = field(default=_NOT_FETCHED)
    policy: Policy | None = field(default=_NOT_FETCHED)

    def to_json(self) -> dict[str, object]:
        """The record, and the policy with how it was had."""
        page, policy = self.raw("page"), self.raw("policy")
        told = {"url": page.url, "status": page.status, "trouble": page.trouble} if isinstance(page, Page) else None
        return {**super().to_json(), "policy": None if isinstance(policy, Missing) else policy, "fetched": told}


def policy_url(domain: str) -> str:
    """Where the policy of a domain stands (RFC 8461 §3.3)."""
    return f"https://mta-sts.{domain}/.well-known/mta-sts.txt"


def observe_mtasts(domain: str) -> Flow[MtaStsFacts]:
    """Observe the MTA-STS record of a domain."""
    return observe_placed(MtaStsFacts, domain, PREFIX, parse_mtasts, is_mtasts, looks_like_mtasts)


def announces(facts: MtaStsFacts) -> bool:
    """Whether senders would fetch a policy."""
    record = facts.raw("record")
    return record is not None and not isinstance(record, Missing)


def with_page(facts: MtaStsFacts, page: Page | None) -> MtaStsFacts:
    """The facts with what came of fetching the policy; ``page`` is None in a world that fetches none."""
    told: dict[str, Any] = {one.name: facts.raw(one.name) for one in fields(facts)}
    if told["record"] is None:
        told |= {"page": None, "policy": None}
    elif page is None:  # or nobody knows whether there is one to fetch, which the record's own rules tell
        told |= {"page": _NOT_FETCHED, "policy": _NOT_FETCHED}
    elif page.trouble in (PageTrouble.UNKNOWN, PageTrouble.NOT_ALLOWED):
        unknown = missing(f"{page.url}: {page.detail or page.trouble}")
        told |= {"page": unknown, "policy": unknown}
    else:
        told |= {"page": page, "policy": parse_policy(page.octets) if page.status == 200 else None}
    return MtaStsFacts(**told)

"""What check_host said of one client and sender, as facts that rules judge. What to think of it is a rule's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deliverkit.facts.base import Facts

if TYPE_CHECKING:
    from deliverkit.protocols.spf.trace import CheckResult


@dataclass(frozen=True, repr=False)
class CheckHostFacts(Facts):
    """One evaluation. ``mail_from`` is empty for a null reverse-path (RFC 7208 §2.4)."""

    check: CheckResult
    mail_from: str

    @property
    def subject(self) -> str:
        return self.check.domain

    def to_json(self) -> dict[str, object]:
        """The evaluation, and the reverse-path it was asked for."""
        return {"mail_from": self.mail_from, **self.check.to_json()}

"""What a domain's owner expects of it, beside what was observed.

What this file will not do: read a configuration (its values come plain), observe, or judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deliverkit.facts.base import Facts, needs
from deliverkit.facts.domain import DomainFacts

OBSERVED = {
    "spf": "spf",
    "spf-all": "spf",
    "spf-includes": "spf",
    "lookups-max": "spf",
    "voids-max": "spf",
    "dkim": "dkim",
    "dkim-bits-min": "dkim",
    "dmarc": "dmarc",
    "dmarc-subdomains": "dmarc",
    "dmarc-rua": "dmarc",
    "mx": "mx",
    "mta-sts": "mtasts",
    "tls-rpt": "tlsrpt",
    "bimi": "bimi",
}
"""The protocol that tells whether an expectation holds."""


@dataclass(frozen=True, slots=True)
class Expectations:
    """Expectations by the key of a configuration, with values as `deliverkit.config.Expect` has them.

    ``lines`` are those of the keys in ``file``; both are empty where no file says so.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    file: str | None = None

    @property
    def protocols(self) -> frozenset[str]:
        """The protocols that must be observed."""
        return frozenset(OBSERVED[key] for key in self.values if key in OBSERVED)


@dataclass(frozen=True, repr=False)
class ExpectedFacts(Facts):
    """A domain as it was observed, and what is expected of it."""

    domain: DomainFacts
    expect: Expectations

    @property
    def subject(self) -> str:
        return self.domain.name

    def wanted(self, key: str) -> Any:
        """The value that is expected; raises NotApplicable where nothing is."""
        return needs(self.expect.values.get(key))

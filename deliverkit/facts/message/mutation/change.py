"""What was found out about a signature that fails: the changes that are proven, and how far the search went.

Values only. What this file will not do: search, or say what to do about a change; the rules know that.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

KINDS = (
    "footer-added",
    "part-added",
    "banner-added",
    "lines-added",
    "subject-tagged",
    "from-rewritten",
    "field-added",
    "field-lost",
    "field-rewritten",
    "field-reencoded",
    "field-broken",
    "field-refolded",
    "names-recased",
    "fields-reordered",
    "addresses-respelled",
    "date-respelled",
    "brackets-changed",
    "content-type-changed",
    "content-transfer-encoding-changed",
    "mime-version-changed",
    "encoding-changed",
    "quoted-printable-anew",
    "base64-anew",
    "charset-converted",
    "decoded-text-signed",
    "other-encoding-signed",
    "other-canonicalization",
    "signer-fault",
    "signature-edited",
    "lf-line-ends",
    "line-ends-doubled",
    "empty-body-signed",
    "trailing-lines-signed",
    "last-line-end-not-signed",
    "body-cut",
    "from-quoted",
    "from-unquoted",
    "dots-doubled",
    "dots-lost",
    "lines-broken",
    "lines-wrapped",
    "blanks-added",
    "blanks-lost",
    "tabs-changed",
    "preamble-changed",
    "boundaries-respaced",
    "first-line-added",
    "first-line-lost",
    "other-selector",
)
"""Every kind of change there is: stable words, for programs that read reports."""

EVIDENCE = 120  # characters of evidence that are kept


class Half(StrEnum):
    """Which part of a signature a change breaks (RFC 6376 §3.7: the body has a hash of its own, in bh=)."""

    HEADER = "header"
    BODY = "body"
    KEY = "key"


class State(StrEnum):
    """What is known of one half of a signature."""

    AGREES = "agrees"  # it is as it was signed
    EXPLAINED = "explained"  # it agrees when the changes are undone
    UNEXPLAINED = "unexplained"  # it was changed, and no known change explains it
    UNKNOWN = "unknown"  # it could not be checked: no key made the signature


@dataclass(frozen=True, slots=True)
class Change:
    """One proven change: with it undone, hash or signature agree, and nobody finds a SHA-256 by chance.

    ``kind`` is one of `KINDS`; ``text`` is a sentence; ``field`` the header field that was changed; ``line``
    the line of the message where the change begins; ``evidence`` what was added, the first line of it.
    """

    kind: str
    half: Half
    text: str
    field: str | None = None
    line: int | None = None
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class HalfSearch:
    """How the search of one half ended."""

    state: State
    changes: tuple[Change, ...] = ()
    tries: int = 0
    gave_up: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """How the search for the cause of one failed signature ended.

    ``tries`` counts the changes that were undone for trial, ``keys`` the other keys that did not make the signature.
    ``gave_up`` says that the bound of work was reached before every known change was tried: the bound counts tries and
    octets, so it is the same on every machine.
    """

    header: State
    body: State
    changes: tuple[Change, ...] = ()
    tries: int = 0
    gave_up: bool = False
    keys: int = 0

    @property
    def cause(self) -> str | None:
        """The proven changes in a sentence; None where there is none."""
        return "; ".join(dict.fromkeys(change.text for change in self.changes)) or None

    @property
    def rest(self) -> str:
        """What is left open, and what is known to be whole; "" where there is nothing to say."""
        halves = {"the body": self.body, "the header": self.header}
        open_ = [name for name, state in halves.items() if state is State.UNEXPLAINED]
        whole = [name for name, state in halves.items() if state is State.AGREES]
        said = [f"{name} is as it was signed" for name in whole if open_]
        if open_:
            tried = f"the search was given up after {self.tries:,} tries" if self.gave_up else ""
            tried = tried or f"none of the {self.tries:,} known changes that were tried explains it"
            said.append(f"what changed {' and '.join(open_)} is not known ({tried})")
        elif self.header is State.UNKNOWN and self.keys:
            said.append(f"none of the other keys that were found ({self.keys}) made it")
        return "; ".join(said)

    def to_json(self) -> dict[str, Any]:
        """The search for reports."""
        return {
            "header": self.header,
            "body": self.body,
            "changes": self.changes,
            "tries": self.tries,
            "gave_up": self.gave_up,
            "other_keys": self.keys,
        }

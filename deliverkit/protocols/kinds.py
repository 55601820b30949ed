"""Which TXT records at one name are of one kind, so that a new one takes the place of the old and leaves the rest.

A domain's own name holds SPF beside proofs of ownership; a DKIM selector holds nothing but its key. What this file
will not do: say whether a record is valid.
"""

from __future__ import annotations

from collections.abc import Callable

from deliverkit.protocols.bimi import looks_like_bimi
from deliverkit.protocols.dkim.key import looks_like_key, parse_key
from deliverkit.protocols.dmarc.record import is_dmarc, looks_like_dmarc
from deliverkit.protocols.mtasts import looks_like_mtasts
from deliverkit.protocols.spf.record import is_spf
from deliverkit.protocols.tlsrpt import looks_like_tlsrpt

_LABELS: dict[str, Callable[[str], bool]] = {
    "_domainkey": lambda _: True,  # RFC 6376 §3.6.2.2: one TXT record at a selector
    "_dmarc": lambda text: is_dmarc(text) or looks_like_dmarc(text),
    "_tls": looks_like_tlsrpt,
    "_mta-sts": looks_like_mtasts,
    "_bimi": looks_like_bimi,
}


def of_one_kind(name: str) -> Callable[[str], bool]:
    """A test for the texts at this name that a record published there replaces; SPF at an ordinary name."""
    for label in name.split("."):
        if label in _LABELS:
            return _LABELS[label]
    return is_spf


def without_secrets(text: str) -> str:
    """The text as it may be shown: somebody published a private key now and then."""
    return parse_key(text).shown() if looks_like_key(text) else text

"""Report destinations: the comma-separated URI lists of DMARC (RFC 9989 §4.6) and TLS-RPT (RFC 8460 §3).

Every URI comes back with what is wrong in it and where. Whether a destination has consented, or takes mail at all,
is for others to ask.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from deliverkit.names import BadName, to_ascii
from deliverkit.protocols.fault import Fault

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")  # RFC 3986 §3.1
_BAD_CHARACTER = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]")  # RFC 3986 §2
_SIZE = re.compile(r"!([0-9]*)([kmgt]?)$", re.IGNORECASE)  # RFC 7489 §6.4; obsolete since RFC 9989 §4.8
_BLANK = " \t\r\n"


@dataclass(frozen=True, slots=True)
class ReportUri:
    """One destination as it was written. ``host`` is its A-label form; None when there is none to be found.

    ``size`` is the obsolete ``!10m`` suffix, which is not part of ``target``. A URI with a fatal fault is ignored
    by those who send reports.
    """

    text: str
    target: str
    scheme: str
    host: str | None
    size: str | None
    span: tuple[int, int]
    faults: tuple[Fault, ...] = ()

    @property
    def valid(self) -> bool:
        """True if a reporter can make something of it."""
        return not any(fault.fatal for fault in self.faults)


def parse_uri_list(text: str, offset: int = 0, *, sizes: bool = True) -> tuple[ReportUri, ...]:
    """Read a list of URIs; ``offset`` is where the text stands in the record, ``sizes`` allows ``!10m``."""
    found: list[ReportUri] = []
    start = 0
    for piece in text.split(","):
        left = start + len(piece) - len(piece.lstrip(_BLANK))
        body = piece.strip(_BLANK)
        found.append(_parse_uri(body, (offset + left, offset + left + len(body)), sizes))
        start += len(piece) + 1
    return tuple(found)


def _parse_uri(text: str, span: tuple[int, int], sizes: bool) -> ReportUri:
    faults: list[Fault] = []
    target, size = text, None
    suffix = _SIZE.search(text) if sizes else None
    if suffix:
        target, size = text[: suffix.start()], suffix[0]
        place = (span[0] + suffix.start(), span[1])
        faults.append(Fault("uri-size", f"the size limit {size} is obsolete and ignored (RFC 9989 §4.8)", place))
    scheme = _SCHEME.match(target)
    if not target:
        faults.append(Fault("uri-empty", "an empty place in the list of URIs", _visible(span), fatal=True))
    elif not scheme:
        faults.append(_schemeless(target, span))
    bad = _BAD_CHARACTER.search(target)
    if bad:
        place = (span[0] + bad.start(), span[0] + bad.end())
        faults.append(Fault("uri-character", f"{bad[0]!r} may not stand in a URI (RFC 3986 §2)", place, fatal=True))
    name = scheme[1].lower() if scheme else ""
    host, trouble = _host(name, target[scheme.end() :]) if scheme and not bad else (None, None)
    if trouble:
        faults.append(Fault("uri-address", trouble, span, fatal=True))
    return ReportUri(text, target, name, host, size, span, tuple(faults))


def _visible(span: tuple[int, int]) -> tuple[int, int]:
    """An empty span, widened to the character before it so that a reader sees something."""
    return span if span[1] > span[0] else (max(span[0] - 1, 0), span[1])


def _schemeless(target: str, span: tuple[int, int]) -> Fault:
    if "@" in target:
        return Fault("uri-no-mailto", f"an address without mailto: in front ({target})", span, fatal=True)
    return Fault("uri-no-scheme", f"{target!r} is no URI: it has no scheme such as mailto:", span, fatal=True)


def _host(scheme: str, rest: str) -> tuple[str | None, str | None]:
    """The destination host of a URI (RFC 9990 §4 step 1), or why there is none."""
    if scheme == "mailto":  # RFC 6068 §2: the address part may be percent-encoded, headers follow a "?"
        address = unquote(rest.partition("?")[0])
        local, at, domain = address.rpartition("@")
        if not at or not local or "@" in local.strip('"'):
            return None, f"{address!r} is no e-mail address"
    else:
        if not rest.startswith("//"):
            return None, f"a {scheme}: URI without a host"
        domain = re.split(r"[/?#]", rest[2:], maxsplit=1)[0].rpartition("@")[2]
        domain = re.sub(r":[0-9]*$", "", domain)
    try:
        return to_ascii(domain), None
    except BadName as bad:
        return None, str(bad)

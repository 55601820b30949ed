"""What to do about each change that broke a signature: who must change what. No rule lives here."""

from __future__ import annotations

from collections.abc import Iterator

from deliverkit.facts.message import MessageFacts
from deliverkit.facts.message.mutation import Change, Half, Search
from deliverkit.findings import Evidence

_LIST = (
    "A mailing list or gateway that changes a message must sign it anew with its own domain (and put a list's address"
    " in From where the author's domain has a DMARC policy)"
)
_LAST = "Sign at the last hop that touches the message"
_RELAXED = "Sign with c=relaxed/relaxed"
_SEVEN = "Send 7bit, quoted-printable or base64, so that no server has a reason to convert it, or sign behind it"
_SIGNER = "Correct or replace the signing program; `deliverkit send --dkim-key` shows a signature that verifies"

_FIXES = {
    "footer-added": f"{_LIST}, or have it leave the text alone. If it is your own disclaimer: {_LAST.lower()}",
    "part-added": f"{_LIST}, or have it leave the parts alone. If it is your own disclaimer: {_LAST.lower()}",
    "banner-added": f"The gateway that adds the banner must verify before it and re-sign behind it. {_LAST}",
    "lines-added": f"{_LIST}. {_LAST}",
    "subject-tagged": f"{_LIST}, or have it leave Subject alone: List-Id says where the message came through",
    "from-rewritten": f"{_LIST}: the rewritten From belongs to the list, so this signature cannot count any more",
    "field-added": f"{_LAST}; do not add a field that is named in h=, or leave it out of h=",
    "field-lost": f"{_LAST}; the program that takes the field away must leave signed fields alone",
    "field-rewritten": f"{_LAST}; the program that rewrites the field must leave signed fields alone",
    "field-reencoded": "Write headers in the form servers leave alone: encoded words (RFC 2047) of at most 75 octets,"
    f" no raw 8-bit text without SMTPUTF8. {_LAST}",
    "field-broken": "Write header lines of at most 78 octets, folded at blanks, before signing",
    "field-refolded": f"{_RELAXED}: it ignores folds and blanks",
    "names-recased": f"{_RELAXED}: it ignores the case of field names",
    "fields-reordered": "Send each field once, as RFC 5322 §3.6 has it, and sign behind what orders them",
    "addresses-respelled": f"Write names and addresses as servers do (quotes only where needed). {_LAST}",
    "date-respelled": f"Write the Date as RFC 5322 §3.3 has it, with a numeric zone and no comment. {_LAST}",
    "brackets-changed": f"Write message identifiers in angle brackets (RFC 5322 §3.6.4). {_LAST}",
    "content-type-changed": f"{_SEVEN}. {_LAST}",
    "content-transfer-encoding-changed": f"{_SEVEN}. {_LAST}",
    "mime-version-changed": f"Write MIME-Version: 1.0 without a comment. {_LAST}",
    "encoding-changed": _SEVEN,
    "quoted-printable-anew": f"The server that decodes and encodes the text anew must re-sign it. {_LAST}",
    "base64-anew": f"Write base64 in lines of 76 octets, as servers do. {_LAST}",
    "charset-converted": "Send UTF-8 and label it so; the program that converts text must do so before signing",
    "decoded-text-signed": _SIGNER,
    "other-encoding-signed": f"Encode first, then sign what is sent. {_SIGNER}",
    "other-canonicalization": f"{_RELAXED}, and let the signer use the forms that c= names",
    "signer-fault": _SIGNER,
    "signature-edited": "Nothing may touch a DKIM-Signature field once it is written: take the program that refolds or"
    " edits it out of the way",
    "lf-line-ends": "Make the line ends CRLF first, then sign the very octets that are sent",
    "line-ends-doubled": "Convert line ends once: a program that writes LF to a channel in text mode doubles them",
    "empty-body-signed": "The signing program must be given the whole message, header and body",
    "trailing-lines-signed": _SIGNER,
    "last-line-end-not-signed": _SIGNER,
    "body-cut": "Find the server that cuts the message (a limit of size, a filter); sign without l=",
    "from-quoted": "Encode lines that begin with From (quoted-printable =46rom), or keep the message out of mbox files",
    "from-unquoted": "Take the > away before signing, or not at all",
    "dots-doubled": "Undo transparency exactly once (RFC 5321 §4.5.2): the sending library or the receiver doubled it",
    "dots-lost": "Sign the message before its dots are doubled: transparency belongs to SMTP, not to the message",
    "lines-broken": "Send lines of at most 998 octets, better 78: quoted-printable or base64 do that",
    "lines-wrapped": "Send short lines, or quoted-printable, so that no program has a reason to wrap them",
    "blanks-added": f"{_RELAXED}: it ignores blanks at the ends of lines",
    "blanks-lost": f"{_RELAXED}: it ignores blanks at the ends of lines",
    "tabs-changed": f"{_RELAXED}: it takes tabs for blanks",
    "preamble-changed": f"{_LAST}; a program that reads and writes MIME anew must not come behind it",
    "boundaries-respaced": f"{_LAST}; a program that reads and writes MIME anew must not come behind it",
    "first-line-added": f"{_LAST}; header and body are parted by one empty line",
    "first-line-lost": "Hash the body without the empty line that parts it from the header, and do not strip the body",
    "other-selector": "Set the selector (s=) to the one whose key signs, or publish the public half of the signing key"
    " at the selector that is named",
}


def fix_for(search: Search | None) -> str | None:
    """What to do about the proven changes; None where the rule's own words must do."""
    if search is None or not search.changes:
        return None
    said = dict.fromkeys(_FIXES[change.kind] for change in search.changes if change.kind in _FIXES)
    return ". ".join(said) + "." if said else None


def evidence_for(facts: MessageFacts, search: Search | None) -> Iterator[Evidence]:
    """The place and the first line of each change."""
    for change in search.changes if search else ():
        if change.half is Half.KEY:
            name, _, record = change.evidence.partition(": ")
            yield Evidence("dns", name, "TXT", record)
        elif change.evidence or change.line:
            yield Evidence("message", _where(change), value=change.evidence, file=facts.name, line=change.line)


def _where(change: Change) -> str:
    return change.field or ("header" if change.half is Half.HEADER else "body")

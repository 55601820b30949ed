"""What to do about each change that broke a signature: who must change what. No rule lives here."""

from __future__ import annotations

from collections.abc import Iterator

from deliverkit.facts.message import MessageFacts
from deliverkit.facts.message.mutation import Change, Half, Search
from deliverkit.findings import Evidence

_LIST = (
    "A mailing list or gateway that changes a message must sign it anew with its own domain (and put its own address in"
    " From where the author's domain has a DMARC policy), or leave the message as it is"
)
_LAST = "Sign at the last hop that touches the message"
_DISCLAIMER = "Where it is your own disclaimer or banner, sign behind the program that adds it"
_RELAXED = "Sign with c=relaxed/relaxed, which passes over folds, blanks and the case of field names"
_RELAXED_BODY = "Sign with c=relaxed/relaxed, which passes over blanks and empty lines at the ends"
_LEAVE = "Signed fields must be left as they are behind the signer"
_SEVEN = "Send 7bit, quoted-printable or base64, so that no server has a reason to convert the text"
_MIME = "A program that reads and writes MIME anew must not come behind the signer"
_SIGNER = "Correct or replace the signing program; `deliverkit send --dkim-key` shows a signature that verifies"

_FIXES: dict[str, tuple[str, ...]] = {
    "footer-added": (_LIST, _DISCLAIMER),
    "part-added": (_LIST, _DISCLAIMER),
    "banner-added": (_LIST, _DISCLAIMER),
    "lines-added": (_LIST, _DISCLAIMER),
    "subject-tagged": (_LIST, "A tag in Subject is not needed: List-Id says where the message came through"),
    "from-rewritten": (_LIST, "The rewritten From belongs to the list, so this signature cannot count for it"),
    "field-added": (_LAST, "Do not add a field that is named in h=, or leave it out of h="),
    "field-lost": (_LAST, _LEAVE),
    "field-rewritten": (_LAST, _LEAVE),
    "field-reencoded": (
        _LAST,
        "Write headers as servers leave them: encoded words (RFC 2047) of at most 75 octets, no raw 8-bit text without"
        " SMTPUTF8",
    ),
    "field-broken": ("Write header lines of at most 78 octets, folded at blanks, before signing",),
    "field-refolded": (_RELAXED,),
    "names-recased": (_RELAXED,),
    "fields-reordered": ("Send each field once, as RFC 5322 §3.6 has it", _LAST),
    "addresses-respelled": (_LAST, "Write names and addresses as servers do, with quotes only where they are needed"),
    "date-respelled": (_LAST, "Write the Date as RFC 5322 §3.3 has it, with a numeric zone and no comment"),
    "brackets-changed": (_LAST, "Write message identifiers in angle brackets (RFC 5322 §3.6.4)"),
    "content-type-changed": (_SEVEN, _LAST),
    "content-transfer-encoding-changed": (_SEVEN, _LAST),
    "mime-version-changed": (_LAST, "Write MIME-Version: 1.0 without a comment"),
    "encoding-changed": (_SEVEN, _LAST),
    "quoted-printable-anew": (_MIME, "The server that decodes and encodes the text anew must sign it anew"),
    "base64-anew": (_MIME, "Write base64 in lines of 76 octets, as servers do"),
    "charset-converted": ("Send UTF-8 and label it so; what converts text must do so before it is signed",),
    "decoded-text-signed": (_SIGNER,),
    "other-encoding-signed": ("Encode first, then sign what is sent", _SIGNER),
    "other-canonicalization": ("The signer must use the forms that c= names, best c=relaxed/relaxed", _SIGNER),
    "signer-fault": (_SIGNER,),
    "signature-edited": (
        "Nothing may touch a DKIM-Signature field once it is written: take the program that refolds or edits it out of"
        " the way",
    ),
    "lf-line-ends": ("Make the line ends CRLF first, then sign the very octets that are sent",),
    "line-ends-doubled": ("Convert line ends once: writing CRLF to a channel in text mode doubles them",),
    "empty-body-signed": ("The signing program must be given the whole message, header and body",),
    "trailing-lines-signed": (_SIGNER,),
    "last-line-end-not-signed": (_SIGNER,),
    "body-cut": ("Find the server that cuts the message (a limit of size, a filter)", "Sign without l="),
    "from-quoted": (
        "Encode lines that begin with From (quoted-printable =46rom), or keep the message out of mbox files",
    ),
    "from-unquoted": ("Take the > away before signing, or not at all",),
    "dots-doubled": (
        "Undo transparency exactly once (RFC 5321 §4.5.2): the sending library or the receiver doubles dots",
    ),
    "dots-lost": ("Sign the message before its dots are doubled: transparency belongs to SMTP, not to the message",),
    "lines-broken": ("Send lines of at most 998 octets, better 78: quoted-printable and base64 do that",),
    "lines-wrapped": ("Send short lines, or quoted-printable, so that no program has a reason to wrap them",),
    "blanks-added": (_RELAXED_BODY,),
    "blanks-lost": (_RELAXED_BODY,),
    "tabs-changed": (_RELAXED_BODY,),
    "preamble-changed": (_MIME, _LAST),
    "boundaries-respaced": (_MIME, _LAST),
    "first-line-added": (_LAST, "Header and body are parted by exactly one empty line"),
    "first-line-lost": ("Hash the body without the empty line that parts it from the header, and do not strip it",),
    "other-selector": (
        "Set the selector (s=) to the one whose key signs, or publish the public half of the signing key at the"
        " selector that is named",
    ),
}


def fix_for(search: Search | None) -> str | None:
    """What to do about the proven changes; None where the rule's own words must do."""
    if search is None or not search.changes:
        return None
    said = dict.fromkeys(sentence for change in search.changes for sentence in _FIXES[change.kind])
    return ". ".join(said) + "."


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

"""What may have been done to the DKIM-Signature field itself, which the signature covers too (RFC 6376 §3.7).

What this file will not do: prove anything, or change other fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations, product

from deliverkit.facts.message.mutation.fields import LONGEST
from deliverkit.facts.message.mutation.whole import RECASED, SPACINGS, spaced_field
from deliverkit.protocols.dkim.canonical import Field
from deliverkit.protocols.dkim.signature import REQUIRED, Signature

_TAGS = 9  # tags before which a fold may have been


def own_changes(own: Field, signature: Signature) -> Iterator[tuple[str, Field]]:
    """The DKIM-Signature field as it may have been, each with what was done to it."""
    name, value = own
    if len(value) > LONGEST:
        return
    if signature.header_canonicalization == "simple":
        for spaced in SPACINGS:
            yield "the DKIM-Signature field was folded or spaced anew", spaced_field(own, spaced)
        for named_as in RECASED:
            yield "the name of the DKIM-Signature field was written anew", (named_as(name), value)
        for folded in _refolded_tags(value.removesuffix(b"\r\n")):
            yield "the DKIM-Signature field was folded anew", (name, folded)
    yield from ((said, (name, changed)) for said, changed in _own_values(value, signature) if changed != value)


def without_value(own: Field) -> Iterator[Field]:
    """The field without the tag b=, where it stands last, as signers at fault hash it (RFC 6376 §3.7)."""
    found = re.search(rb";\s*(?<![^;\s])b\s*=[^;]*;?\s*\Z", own[1][:LONGEST])
    if found:
        yield own[0], own[1][: found.start()]
        yield own[0], own[1][: found.start() + 1]


def _refolded_tags(text: bytes) -> Iterator[bytes]:
    """The tags with a fold before some of them, as a program that joins lines has taken away."""
    tags = re.split(rb";[ \t]+", text)
    gaps = range(1, min(len(tags), _TAGS))
    for size in range(1, len(gaps) + 1):
        for chosen in combinations(gaps, size):
            for fold in (b"\r\n\t", b"\r\n "):
                yield tags[0] + b"".join(b";" + (fold if n in chosen else b" ") + tags[n] for n in range(1, len(tags)))


def _own_values(value: bytes, signature: Signature) -> Iterator[tuple[str, bytes]]:
    text = value.removesuffix(b"\r\n")
    said = "blanks in the DKIM-Signature field were changed"
    yield said, re.sub(rb"\s+", b"", text)
    yield said, b" " + re.sub(rb";\s*", b"; ", re.sub(rb"\s+", b"", text)).strip()
    yield said, re.sub(rb"[ \t]*:[ \t\r\n]*", b":", text)
    yield said, re.sub(rb":(?=\S)", b": ", text)
    yield "a semicolon was added to the DKIM-Signature field", re.sub(rb";\s*\Z", b"", text)
    yield "a semicolon was taken from the DKIM-Signature field", text + b";"
    for optional in [one.name for one in signature.tags[:20] if one.name not in REQUIRED]:
        raw = re.escape(optional.encode("utf-8", "surrogateescape"))
        for blanks in (rb"\s*", rb""):
            gone = re.sub(blanks + rb"(?<![^;\s])" + raw + rb"\s*=[^;]*(?:;|\Z)", b"", text, count=1)
            yield f"the tag {optional}= was added to the DKIM-Signature field", gone
    for tag, change in product((b"h", b"d", b"i", b"s", b"c", b"a"), (bytes.lower, bytes.title, bytes.upper)):
        said = f"the case of {tag.decode()}= in the DKIM-Signature field was changed"
        found = re.search(rb"(?<![^;\s])" + tag + rb"\s*=([^;]*)", text)
        if found:
            yield said, text[: found.start(1)] + change(found[1]) + text[found.end(1) :]
    found = re.search(rb"(?<![^;\s])c\s*=\s*([^;\s]*)", text)
    for forms in _FORMS if found else ():
        said = "the tag c= of the DKIM-Signature field was changed"
        yield said, text[: found.start(1)] + forms + text[found.end(1) :]  # type: ignore[union-attr]


_FORMS = (b"relaxed/relaxed", b"simple/simple", b"relaxed/simple", b"simple/relaxed", b"relaxed", b"simple")

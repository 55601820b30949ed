"""The search of the header half: which change, undone, gives the header that was signed (RFC 6376 §3.7).

What this file will not do: know the changes one by one; ``fields``, ``whole`` and ``own`` do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from deliverkit.facts.message.mutation.budget import Budget, GaveUp
from deliverkit.facts.message.mutation.change import Change, HalfSearch, State
from deliverkit.facts.message.mutation.fields import Before, combined_changes, single_changes, undone
from deliverkit.facts.message.mutation.own import own_changes, without_value
from deliverkit.facts.message.mutation.proof import HeaderProof
from deliverkit.facts.message.mutation.view import View
from deliverkit.facts.message.mutation.whole import refolded_too, whole_changes
from deliverkit.protocols.dkim.canonical import Field

TRIES, OCTETS = 8_000, 16 << 20
_SINGLES = 4_000  # changes of one field that are kept for combining
_EVERYTHING = 400  # header fields in which a copy of a rewritten one is looked for


def search_header(view: View, proof: HeaderProof, fields: list[Field], budget: Budget) -> HalfSearch:
    """What became of the header. ``fields`` are those the signature can see."""
    found: tuple[Change, ...] = ()
    with suppress(GaveUp):
        if proof.agrees(fields):
            return HalfSearch(State.AGREES)
        found = next(_HeaderSearch(view, proof, fields).changes(), ())
    return HalfSearch(State.EXPLAINED if found else State.UNEXPLAINED, found, budget.tries, budget.gave_up)


class _HeaderSearch:
    """The tries in their order: one field, all fields, a faulty signer, then several changes at once."""

    def __init__(self, view: View, proof: HeaderProof, fields: list[Field]) -> None:
        self.view = view
        self.proof = proof
        self.fields = fields

    def changes(self) -> Iterator[tuple[Change, ...]]:
        """Every explanation that is proven, the first one first."""
        proof, fields = self.proof, self.fields
        singles: list[Before] = []
        everything = [field for field in self.view.fields[:_EVERYTHING] if len(field[1]) < 4096]
        for one in single_changes(fields, everything, self.view.entities.inner_headers()):
            if proof.agrees(undone(fields, [one])):
                yield self._told([one])
            if len(singles) < _SINGLES:
                singles.append(one)
        for whole in whole_changes(fields, proof.signature):
            if proof.agrees(whole.fields):
                yield (self.view.in_header(whole.kind, whole.text, whole.field),)
        yield from self._signer()
        for chosen in combined_changes(singles):
            if proof.agrees(undone(fields, chosen)):
                yield self._told(chosen)
        for one, whole in refolded_too(fields, singles) if proof.form == "simple" else ():
            if proof.agrees(whole.fields):
                yield self.view.in_header(whole.kind, whole.text, whole.field), *self._told([one])

    def _told(self, chosen: Sequence[Before]) -> tuple[Change, ...]:
        return tuple(
            self.view.in_header(one.kind, one.text, one.field, one.evidence, self.fields[one.index]) for one in chosen
        )

    def _signer(self) -> Iterator[tuple[Change, ...]]:
        """The signature field changed, or something else signed than the law says (RFC 6376 §3.4, §3.7)."""
        proof, fields = self.proof, self.fields
        other = "simple" if proof.form == "relaxed" else "relaxed"
        if proof.agrees(fields, form=other):
            text = f"the signature is over the {other} form of the header, but c= says {proof.form}"
            yield (self.view.in_header("other-canonicalization", f"{text}: the signer used the other form"),)
        for ending in (b"\r\n", b"\n"):
            if proof.agrees(fields, ending=ending):
                text = "the signer hashed the line end behind the DKIM-Signature field, which is no part of it"
                yield (self.view.in_header("signer-fault", text, "DKIM-Signature", field=proof.own),)
        for without in without_value(proof.own):
            if proof.agrees(fields, own=without):
                text = "the signer left the tag b= out of what it hashed, where only its value is emptied"
                yield (self.view.in_header("signer-fault", text, "DKIM-Signature", field=proof.own),)
        for said, own in own_changes(proof.own, proof.signature):
            for form in (proof.form, other):
                if proof.agrees(fields, own=own, form=form):
                    text = f"{said} after signing"
                    yield (self.view.in_header("signature-edited", text, "DKIM-Signature", field=proof.own),)

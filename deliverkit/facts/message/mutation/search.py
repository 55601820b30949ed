"""The search: each half of a signature that fails is looked into, change by change, within a bound of work.

The halves are independent, as the header signs ``bh=`` and not the body (RFC 6376 §3.7): a tag in Subject and a footer
are found one by one. What this file will not do: know a change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from deliverkit.facts.message.mutation import of_header
from deliverkit.facts.message.mutation.budget import Budget, GaveUp
from deliverkit.facts.message.mutation.change import EVIDENCE, Change, Half, HalfSearch, Search, State
from deliverkit.facts.message.mutation.fields import kept_fields
from deliverkit.facts.message.mutation.keys import OF_KEY, NamedKey, in_doubt, maker
from deliverkit.facts.message.mutation.of_body import search_body
from deliverkit.facts.message.mutation.of_header import search_header
from deliverkit.facts.message.mutation.proof import HeaderProof
from deliverkit.facts.message.mutation.view import View
from deliverkit.protocols.dkim.canonical import Field
from deliverkit.protocols.dkim.signature import Signature
from deliverkit.protocols.dkim.verdict import Kind, SignatureVerdict
from deliverkit.protocols.dkim.verify import SignedMessage

QUESTIONS = 4  # different failures of one message that are looked into, of each half
_LOOKED_INTO = (Kind.BODY_HASH, Kind.SIGNATURE, *OF_KEY)


def search_changes(
    message: SignedMessage, verdicts: Iterable[SignatureVerdict], keys: Sequence[NamedKey], body_line: int | None
) -> tuple[Search | None, ...]:
    """See `deliverkit.facts.message.mutation.find_changes`."""
    searching = _Searching(View(message, body_line), keys)
    return tuple(searching.search(verdict) for verdict in verdicts)


class _Searching:
    """The searches of one message; equal questions are answered once, and few are.

    Ten signatures that fail must not cost ten times the work.
    """

    def __init__(self, view: View, keys: Sequence[NamedKey]) -> None:
        self.view = view
        self.keys = keys
        self._searches: dict[str, Search | None] = {}
        self._bodies: dict[tuple[object, ...], HalfSearch] = {}

    def search(self, verdict: SignatureVerdict) -> Search | None:
        signature = verdict.signature
        if verdict.kind not in _LOOKED_INTO or not signature.well_formed:
            return None
        if signature.text not in self._searches and len(self._searches) < QUESTIONS:
            self._searches[signature.text] = self._search(verdict)
        return self._searches.get(signature.text)

    def _search(self, verdict: SignatureVerdict) -> Search | None:
        signature = verdict.signature
        own = next((field for field, one in self.view.message.signatures if one is signature), None)
        if own is None:
            return None
        budget = Budget(of_header.TRIES, of_header.OCTETS)
        fields = kept_fields(self.view.fields, signature)
        proof, change, asked = self._proof(verdict, own, fields, budget)
        if proof is None and verdict.kind is not Kind.WRONG_KEY:
            return None  # without a key there is nothing to add to what the verdict says
        header = search_header(self.view, proof, fields, budget) if proof else HalfSearch(State.UNKNOWN)
        body = self._body(signature, header.state)
        return Search(
            header=header.state,
            body=body.state,
            changes=(*((change,) if change else ()), *header.changes, *body.changes),
            tries=header.tries + body.tries,
            gave_up=State.UNEXPLAINED in (header.state, body.state) and (header.gave_up or body.gave_up),
            keys=asked,
        )

    def _proof(
        self, verdict: SignatureVerdict, own: Field, fields: Sequence[Field], budget: Budget
    ) -> tuple[HeaderProof | None, Change | None, int]:
        """The key that made the signature, whether it is another one than was named, and how many others were tried."""
        signature, named = verdict.signature, None
        if verdict.key and verdict.kind not in OF_KEY:
            named = HeaderProof(signature, own, verdict.key, budget)
            named = named if named.possible else None
        with suppress(GaveUp):
            if named is not None and (not in_doubt(verdict) or named.agrees(fields)):
                return named, None, 0
            made = maker(signature, own, fields, self.keys, budget)
            if made is not None:
                return HeaderProof(signature, own, made[1], budget), _other_key(signature, made), 0
        return named, None, sum(1 for name, _ in self.keys if name != signature.key_name)

    def _body(self, signature: Signature, header: State) -> HalfSearch:
        question = (signature.body_hash, signature.body_canonicalization, signature.body_length, header)
        if question not in self._bodies and len(self._bodies) < QUESTIONS:
            self._bodies[question] = search_body(self.view, signature, header)
        return self._bodies.get(question, HalfSearch(State.UNKNOWN))


def _other_key(signature: Signature, made: NamedKey) -> Change:
    name, key = made
    selector, _, domain = name.partition("._domainkey.")
    whose = f"selector {selector}" if domain == signature.domain else f"selector {selector} of {domain}"
    text = f"it was signed with the key of {whose}, but names {signature.selector}"
    return Change("other-selector", Half.KEY, text, "DKIM-Signature", evidence=f"{name}: {key.shown()}"[:EVIDENCE])

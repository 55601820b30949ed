"""The search of the body half: which change, undone, gives the body the hash in ``bh=`` (RFC 6376 §3.7).

What this file will not do: know the changes one by one; ``body``, ``lines`` and ``parts`` do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from deliverkit.facts.message.mime import decoded
from deliverkit.facts.message.mutation.body import Undone, undone_bodies
from deliverkit.facts.message.mutation.budget import Budget, GaveUp
from deliverkit.facts.message.mutation.change import Change, Half, HalfSearch, State
from deliverkit.facts.message.mutation.lines import Added, footer, within
from deliverkit.facts.message.mutation.proof import BodyProof
from deliverkit.facts.message.mutation.view import View, shown, telling_line
from deliverkit.protocols.dkim.canonical import relaxed_body, simple_body
from deliverkit.protocols.dkim.signature import Signature

LARGEST = 8 << 20  # octets of a body that is looked into
TRIES, OCTETS = 6_000, 32 << 20
_COMBINED = 14  # whole-body changes that are combined with footers and with each other
_LARGEST_COMBINED = 1 << 20  # octets of a body that such changes are combined for
_OF_NOTHING = (hashlib.sha256(b"").digest(), hashlib.sha256(b"\r\n").digest())


def search_body(view: View, signature: Signature, header: State) -> HalfSearch:
    """What became of the body. ``header`` says whether ``l=`` can be trusted."""
    whole = view.message.body.canonical(signature.body_canonicalization)
    length = signature.body_length
    if length is not None and length > len(whole):
        if header not in (State.AGREES, State.EXPLAINED):
            return HalfSearch(State.UNEXPLAINED)
        missing = length - len(whole)
        text = f"the body was cut after signing: {length} octets were signed (l=), {missing} of them are missing"
        return HalfSearch(State.EXPLAINED, (Change("body-cut", Half.BODY, text, line=view.body_line),))
    if hashlib.sha256(whole[:length]).digest() == signature.body_hash:
        return HalfSearch(State.AGREES)
    if len(view.body) > LARGEST:
        return HalfSearch(State.UNEXPLAINED, gave_up=True)
    budget = Budget(TRIES, OCTETS)
    found: tuple[Change, ...] = ()
    with suppress(GaveUp):
        found = next(_BodySearch(view, BodyProof(signature, budget), header).changes(), ())
    return HalfSearch(State.EXPLAINED if found else State.UNEXPLAINED, found, budget.tries, budget.gave_up)


class _BodySearch:
    """The tries in their order: what costs one pass and explains most comes first."""

    def __init__(self, view: View, proof: BodyProof, header: State) -> None:
        self.view = view
        self.body = view.body
        self.proof = proof
        self.header = header

    def changes(self) -> Iterator[tuple[Change, ...]]:
        """Every explanation that is proven, the first one first."""
        proof = self.proof
        yield from self._wrong_octets()
        if added := footer(self.body, proof):
            yield (self._added(added, "footer-added"),)
        kept: list[Undone] = []
        for one in undone_bodies(self.body, proof.budget):
            if proof.agrees(one.body):
                yield (self.view.in_body(one),)
            if len(kept) < _COMBINED and len(one.body) <= _LARGEST_COMBINED:
                kept.append(one)
        yield from self._other_forms()
        proof.budget.work(len(self.body))  # its lines are counted, its parts are read
        for one in self.view.entities.whole_parts():
            if proof.agrees(one.body):
                yield (self.view.in_body(one),)
            if len(one.body) <= _LARGEST_COMBINED:
                kept.insert(0, one)
        if added := within(self.body, proof):
            yield (self._added(added, "banner-added" if added.first == 0 else "lines-added"),)
        for one in self.view.entities.undone(proof.budget):
            if proof.agrees(one.body):
                yield (self._of_part(one),)
        yield from self._decoded_text()
        yield from self._combined(kept)

    def _wrong_octets(self) -> Iterator[tuple[Change, ...]]:
        """The signer hashed something else than the body (RFC 6376 §3.4.3, §3.4.4, §3.7)."""
        proof = self.proof
        if proof.wanted in _OF_NOTHING:
            yield _fault("empty-body-signed", "bh= is the hash of an empty body: the signer did not see the body")
        canonical = proof.canonical(self.body)
        for octets in (canonical.replace(b"\r\n", b"\n"), self.body.replace(b"\r\n", b"\n")):
            if b"\r\n" in octets:
                continue  # line ends that were doubled (CR CR LF), which is another cause
            if proof.is_hash_of(octets) or proof.is_hash_of(octets.removesuffix(b"\n")):
                yield _fault("lf-line-ends", "it was signed with LF line ends: sign after the line ends are CRLF")
        for count in range(1, 6):
            if proof.is_hash_of(canonical + b"\r\n" * count):
                many = "lines at the end of the body were" if count > 1 else "line at the end of the body was"
                said = f"{count} empty {many} signed, which both canonical forms leave out"
                yield _fault("trailing-lines-signed", said)
        if proof.is_hash_of(canonical.removesuffix(b"\r\n")):
            yield _fault("last-line-end-not-signed", "the signer hashed the body without its last line end")
        if self.body != simple_body(self.body) and proof.is_hash_of(self.body):
            said = "the signer hashed the body as it stands, with the empty lines that canonical forms leave out"
            yield _fault("trailing-lines-signed", said)

    def _other_forms(self) -> Iterator[tuple[Change, ...]]:
        """The form that ``c=`` does not name."""
        proof = self.proof
        if proof.form == "relaxed" and proof.is_hash_of(simple_body(self.body)):
            said = "bh= is the hash of the simple form of the body, but c= says relaxed: the signer used the other form"
            yield _fault("other-canonicalization", said)
        if proof.form == "simple" and proof.is_hash_of(relaxed_body(self.body)):
            said = (
                "bh= is the hash of the relaxed form of the body, but c= says simple: blanks or empty lines were"
                " changed on the way, or the signer used the other form; relaxed body canonicalization survives it"
            )
            yield _fault("other-canonicalization", said)

    def _decoded_text(self) -> Iterator[tuple[Change, ...]]:
        """The text itself, not what is sent of it."""
        top = self.view.entities.top
        if top is not None and top.encoding in ("base64", "quoted-printable"):
            plain = decoded(self.body, top.encoding)
            for octets in dict.fromkeys((plain, plain.replace(b"\r\n", b"\n"), self.proof.canonical(plain))):
                if self.proof.is_hash_of(octets):
                    yield _fault("decoded-text-signed", _decoded_was_signed(top.encoding))

    def _of_part(self, one: Undone) -> Change:
        """A change of a part; where the header is whole and names the encoding, nobody changed that on the way."""
        top, signed = self.view.entities.top, self.proof.signature.signed_names
        unchanged = self.header is State.AGREES and "content-transfer-encoding" in signed
        if one.kind == "encoding-changed" and top is not None and not top.multipart and unchanged:
            if "8bit to" in one.text or "7bit to" in one.text:
                return _fault("decoded-text-signed", _decoded_was_signed(top.encoding))[0]
            return _fault("other-encoding-signed", f"the body was signed in another encoding than {top.encoding}")[0]
        return self.view.in_body(one)

    def _combined(self, undone: list[Undone]) -> Iterator[tuple[Change, ...]]:
        """Two changes: a faulty signer or another change of the whole body, and a footer or a banner."""
        proof, other = self.proof, "simple" if self.proof.form == "relaxed" else "relaxed"
        if added := footer(self.body, proof, ending=b"\n"):
            yield *_fault("lf-line-ends", "it was signed with LF line ends"), self._added(added, "footer-added")
        if added := footer(self.body, proof, form=other):
            said = f"the body was signed in its {other} form, but c= says {proof.form}"
            yield *_fault("other-canonicalization", said), self._added(added, "footer-added")
        for one in undone:
            if added := footer(one.body, proof):
                yield self.view.in_body(one), replace(self._added(added, "footer-added"), line=None)
            if added := within(one.body, proof, deep=False):
                yield self.view.in_body(one), replace(self._added(added, "banner-added"), line=None)
        for one in undone:
            for second in undone_bodies(one.body, proof.budget):
                if proof.agrees(second.body):
                    yield self.view.in_body(one), replace(self.view.in_body(second), line=None)

    def _added(self, added: Added, kind: str) -> Change:
        count = sum(1 for line in added.lines if line.strip())
        lines = f"{count} {'line' if count == 1 else 'lines'}"
        text = {
            "footer-added": f"a footer of {lines} was added at the end of the body after signing",
            "banner-added": f"a banner of {lines} was added at the beginning of the body after signing",
            "lines-added": f"{lines} {'was' if count == 1 else 'were'} added within the body after signing",
        }[kind]
        return Change(
            kind,
            Half.BODY,
            text,
            line=self.view.body_line + added.first,
            evidence=shown(telling_line(b"\n".join(added.lines))),
        )


def _decoded_was_signed(encoding: str) -> str:
    return f"the decoded text was signed, not the {encoding} that is sent"


def _fault(kind: str, text: str) -> tuple[Change]:
    """What the signer itself did wrong."""
    return (Change(kind, Half.BODY, text),)

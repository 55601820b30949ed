"""Opinions about the private key: whether its file can be used, and whether its public half is the one published."""

from __future__ import annotations

from collections.abc import Iterable

from deliverkit.facts.base import needs
from deliverkit.facts.dkim import SelectorFacts
from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import Draft, Evidence, RecordText, Severity, evidence_of, finding
from deliverkit.rules.dkim.reading import each
from deliverkit.rules.registry import Findings, rule


@rule("DKIM023", Severity.ERROR, "RFC 6376 §3.1")
def private_key_unusable(facts: DomainFacts) -> Findings:
    """A private key file cannot be used.

    Why: The mail that should be signed with it goes out unsigned, or not at all.
    Fix: Give a file with an unencrypted RSA or Ed25519 private key in PEM form that this user may read.
    """
    files = [one for one in facts.dkim.given if one.key_file]
    needs(files or None)
    for one in files:
        file = one.key_file
        if file and file.problem:
            yield finding(f"{one.selector}: {file.path}: {file.problem}", at=Evidence("file", str(file.path)))


@rule("DKIM024", Severity.ERROR, "RFC 6376 §3.1")
def private_key_mismatch(facts: DomainFacts) -> Findings:
    """The private key does not belong to the published public key.

    Why: What is signed with one key cannot be verified with another; every signature fails.
    Fix: Publish the public half of the private key that signs, or sign with the key that is published.
    """

    def judge(one: SelectorFacts) -> Iterable[Draft]:
        private = one.key_file.key if one.key_file else None
        if private is None or one.private_matches is not False:
            return
        published = " and ".join(f"{r.material or 'unknown'} {r.bits or ''}".strip() for _, r in one.records)
        yield finding(
            f"{one.name} publishes another key ({published}) than the private key has ({private.type} {private.bits})",
            at=evidence_of(one.answer),
            records=(RecordText(one.name, "TXT", private.record),),
        )

    yield from each((one for one in facts.dkim.given if one.key_file and one.key_file.key), judge)

"""Opinions about key records: whether verifiers can read them, and whether the key in them is strong enough."""

from __future__ import annotations

from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import Severity, finding
from deliverkit.protocols.fault import Fault
from deliverkit.rules.dkim.reading import Key, at, each_key, faulty
from deliverkit.rules.registry import Findings, rule

_WAY_OUT = {
    "zone-line": "Paste only what stands between the quotation marks of the zone line.",
    "quoted": "Remove the quotation marks around the value; the DNS editor adds its own.",
    "quote": "Remove the quotation mark from the value.",
    "typographic-quote": "Replace the typographic quotation marks: a word processor put them there.",
    "escaped-semicolon": "Write plain semicolons; the backslash belongs in a zone file only, not in this editor.",
    "string-joint": "Join the strings without anything between them, or enter them as separate strings.",
    "pem-armour": "Publish only the base64 between the BEGIN and END lines, in one piece.",
    "missing-semicolon": "Put a semicolon between the tags.",
}


@rule("DKIM010", Severity.ERROR, "RFC 6376 §8.3")
def private_key_published(facts: DomainFacts) -> Findings:
    """A private key is published in DNS.

    Why: Everybody can now sign mail as this domain, and such mail passes DKIM and DMARC.
    Fix: Remove the record at once, make a new key pair, publish its public half at a new selector, and let the old
    selector say "v=DKIM1; p=" so that signatures made with the leaked key fail.
    """
    yield from faulty(facts, ["private-key"], repair=False)


@rule("DKIM011", Severity.ERROR, "RFC 6376 §3.6.1")
def editor_artefacts(facts: DomainFacts) -> Findings:
    """A key record holds what a DNS editor or copying left in it.

    Why: Verifiers read the record as it stands; quotation marks, backslashes or PEM lines inside it make it unreadable,
    and every signature made with this selector fails.
    Fix: Enter the record as one plain line: v=DKIM1; k=rsa; p= and the base64 of the key.
    """

    def way_out(_: Key, fault: Fault) -> str:
        return _WAY_OUT[fault.kind]

    yield from faulty(facts, _WAY_OUT, fix=way_out)


@rule("DKIM012", Severity.ERROR, "RFC 6376 §6.1.2")
def malformed_key_record(facts: DomainFacts) -> Findings:
    """A key record does not have the form of one.

    Why: Verifiers must ignore a key record whose version, tags or required p= are wrong, so every signature made with
    this selector fails.
    Fix: Write the record as v=DKIM1; k=rsa; p= and the base64 of the key, each tag once.
    """
    kinds = ("bad-version", "no-public-key", "no-equals", "bad-tag-name", "duplicate-tag")
    yield from faulty(facts, kinds)


@rule("DKIM013", Severity.ERROR, "RFC 6376 §3.6.1")
def damaged_key(facts: DomainFacts) -> Findings:
    """The key in a key record is damaged.

    Why: The base64 of p= does not decode to a whole public key, mostly because it was cut at 255 characters or lost a
    piece in copying; every signature made with this selector fails.
    Fix: Publish the whole key again. A record over 255 characters is split into several strings of one TXT record.
    """
    yield from faulty(facts, ("bad-base64", "truncated-base64", "truncated-key", "bad-key"), repair=False)


@rule("DKIM014", Severity.ERROR, "RFC 8463 §4")
def wrong_key_type(facts: DomainFacts) -> Findings:
    """A key record names another type of key than it holds.

    Why: k= (rsa when absent) says how p= is read: an RSA key is a DER structure, an Ed25519 key its bare 32 octets.
    With the wrong one, no verifier can use the key.
    Fix: Make k= and p= agree: k=rsa with the base64 of the DER public key, k=ed25519 with that of the 32 raw octets.
    """
    yield from faulty(facts, ("wrong-key-material", "unknown-key-type"))


@rule("DKIM015", Severity.ERROR, "RFC 8301 §3.2")
def key_too_short(facts: DomainFacts) -> Findings:
    """An RSA key has fewer than 1024 bits.

    Why: Verifiers must not accept it, and such keys have been factored: whoever does can sign as this domain.
    Fix: Make a key of 2048 bits, publish it at a new selector, sign with it, then revoke this one with an empty p=.
    """
    yield from faulty(facts, ["too-short"], repair=False)


@rule("DKIM016", Severity.WARNING, "RFC 8301 §3.2")
def weak_key(facts: DomainFacts) -> Findings:
    """An RSA key has fewer than 2048 bits.

    Why: Signers should use 2048 bits at least; 1024 are still accepted, but within reach of well-equipped attackers.
    Fix: Make a key of 2048 bits, publish it at a new selector, sign with it, then revoke this one with an empty p=.
    """
    yield from faulty(facts, ["weak"], repair=False)


@rule("DKIM017", Severity.WARNING, "RFC 8301 §3.2")
def key_too_long(facts: DomainFacts) -> Findings:
    """An RSA key has more than 4096 bits.

    Why: Verifiers need not take more than 4096 bits, and some do not; the record may not fit into a UDP answer either.
    Fix: Use a key of 2048 bits.
    """
    yield from faulty(facts, ["too-long"], repair=False)


@rule("DKIM018", Severity.ERROR, "RFC 8301 §3.1")
def sha256_not_admitted(facts: DomainFacts) -> Findings:
    """A key record does not admit SHA-256.

    Why: h= limits the key to hashes that are no longer allowed (SHA-1), so no signature made with it can be accepted.
    Fix: Remove the h= tag, or set it to sha256.
    """
    yield from faulty(facts, ["no-sha256"])


@rule("DKIM019", Severity.ERROR, "RFC 6376 §3.6.1")
def not_for_email(facts: DomainFacts) -> Findings:
    """A key record is not meant for mail.

    Why: s= lists the services the key may be used for; without email or * a verifier must not use it for mail.
    Fix: Remove the s= tag, or set it to email. A key for TLS reports (s=tlsrpt) needs a selector of its own.
    """

    def for_reports(key: Key) -> bool:
        one, _, record = key
        return not one.given and record.services == ("tlsrpt",)  # RFC 8460 §3: right where mail is not signed with it

    yield from faulty(facts, ["not-for-email"], unless=for_reports)


@rule("DKIM020", Severity.WARNING, "RFC 6376 §3.6.1")
def testing_mode(facts: DomainFacts) -> Findings:
    """A key record says that the domain is testing DKIM.

    Why: With t=y a verifier must treat signed mail like unsigned mail, so a signature earns nothing.
    Fix: Remove y from the t= tag when signing works.
    """

    def judge(key: Key) -> Findings:
        one, _, record = key
        if record.testing and not record.revoked:
            flag = next(tag for tag in record.tags if tag.name == "t")
            yield finding(f"{one.name} says t={flag.value}", at=at(key, flag.span))

    yield from each_key(facts, judge)


@rule("DKIM021", Severity.WARNING, "RFC 6376 §3.6.1")
def blank_in_key(facts: DomainFacts) -> Findings:
    """White space stands inside a published key.

    Why: The grammar allows it, but some verifiers and most providers' checks do not remove it and find no valid key;
    it mostly comes from joining two strings with a space.
    Fix: Publish the base64 of the key without white space; strings of one TXT record are joined without any.
    """
    yield from faulty(facts, ["blank-in-key"])


@rule("DKIM022", Severity.WARNING, "RFC 6376 §3.6.1")
def loosely_written(facts: DomainFacts) -> Findings:
    """A key record bends the grammar, and verifiers disagree about it.

    Why: v= must be the first tag and two semicolons in a row are no tag; some verifiers read such a record, others
    discard it, so the same mail passes here and fails there.
    Fix: Write v=DKIM1 first, and one semicolon between tags.
    """
    yield from faulty(facts, ("v-not-first", "empty-tag"))

"""Rules about the certificate a port shows: strict where clients verify it, mild where they do not."""

from __future__ import annotations

from deliverkit.facts.base import needs
from deliverkit.facts.host import PortFacts, TlsFacts
from deliverkit.findings import Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.seen import session, shown

SOON_DAYS = 14
_DATES = ("expired", "not-yet-valid")
_WEAK = ("weak-key", "weak-signature")
_SUBMISSION = ("submission", "submissions")


@rule("TLS010", Severity.ERROR, "RFC 5280 §4.1.2.5; RFC 8314 §3")
def certificate_expired(facts: PortFacts) -> Findings:
    """The certificate of a submission port has expired.

    Why: mail programs refuse to log in, or ask their users to ignore the warning.
    Fix: renew the certificate, let the mail server reload it, and let a timer do both from now on.
    """
    tls = session(facts, *_SUBMISSION)
    if tls.trust_problem == "expired" or (tls.days_left is not None and tls.days_left < 0):
        yield finding(_ended(tls), at=shown(facts))


@rule("TLS011", Severity.ERROR, "RFC 5280 §4.1.2.5; RFC 8314 §3")
def certificate_not_yet_valid(facts: PortFacts) -> Findings:
    """The certificate of a submission port is not valid yet.

    Why: mail programs refuse it until its first day.
    Fix: install the certificate that is valid now; if its dates are right, set the clock of the machine that issued it.
    """
    yield from _problem(facts, session(facts, *_SUBMISSION), "not-yet-valid")


@rule("TLS012", Severity.ERROR, "RFC 5280 §6.1; RFC 8314 §3")
def certificate_self_signed(facts: PortFacts) -> Findings:
    """The certificate of a submission port signed itself.

    Why: nobody vouches for it, so mail programs refuse it: it could be anybody's.
    Fix: get a certificate from a public authority (ACME does it by itself), or give the clients this one to trust
    (here: `--ca-file`).
    """
    yield from _problem(facts, session(facts, *_SUBMISSION), "self-signed")


@rule("TLS013", Severity.ERROR, "RFC 8446 §4.4.2")
def certificate_chain_incomplete(facts: PortFacts) -> Findings:
    """The server leaves out an intermediate certificate.

    Why: clients that do not know the intermediate by chance cannot find the way to the root: "works on my machine".
    Fix: install the full chain: the server's certificate followed by the intermediates (`fullchain.pem`), without the
    root.
    """
    yield from _problem(facts, session(facts, *_SUBMISSION), "incomplete-chain")


@rule("TLS014", Severity.ERROR, "RFC 5280 §6.1; RFC 8314 §3")
def certificate_authority_unknown(facts: PortFacts) -> Findings:
    """The certificate of a submission port does not lead to a trusted authority.

    Why: mail programs refuse it.
    Fix: get a certificate from a public authority, or give the clients the root of yours to trust (here: `--ca-file`).
    """
    yield from _problem(facts, session(facts, *_SUBMISSION), "unknown-ca", "bad-signature", "not-a-ca", "wrong-purpose")


@rule("TLS015", Severity.ERROR, "RFC 9525 §6; RFC 8314 §3")
def certificate_for_another_name(facts: PortFacts) -> Findings:
    """The certificate of a submission port is for another name.

    Why: mail programs verify the name they were configured with, and refuse the connection.
    Fix: add this name to the certificate's subjectAltName, or let clients use a name that is in it.
    """
    yield from _other_name(facts, session(facts, *_SUBMISSION))


@rule("TLS016", Severity.ERROR, "CA/Browser Forum BR §6.1.5; RFC 8314 §3")
def certificate_key_too_short(facts: PortFacts) -> Findings:
    """A certificate of a submission port has an RSA key of less than 2048 bits.

    Why: OpenSSL at its usual security level refuses it ("ee key too small"), as do phones.
    Fix: make a new key, RSA 2048 or P-256, and have it certified.
    """
    if weak := _short_key(session(facts, *_SUBMISSION)):
        yield finding(weak, at=shown(facts))


@rule("TLS017", Severity.ERROR, "RFC 9155 §2; RFC 8314 §3")
def certificate_signature_weak(facts: PortFacts) -> Findings:
    """A certificate of a submission port is signed with SHA-1 or MD5.

    Why: such signatures can be forged, and clients refuse them.
    Fix: have the certificate issued anew; every authority signs with SHA-256 today.
    """
    if weak := _weak_signature(session(facts, *_SUBMISSION)):
        yield finding(weak, at=shown(facts))


@rule("TLS020", Severity.NOTE, "RFC 7672 §1.3.1; RFC 8461 §4.2")
def mx_certificate_untrusted(facts: PortFacts) -> Findings:
    """The MX shows a certificate that nobody vouches for.

    Why: senders encrypt all the same (opportunistic TLS verifies nothing), but MTA-STS cannot be used with it.
    Fix: nothing has to be done; for MTA-STS get a certificate from a public authority, or pin this one with DANE.
    """
    tls = session(facts, "mx")
    if tls.trusted is False and tls.trust_problem not in (*_DATES, *_WEAK):
        yield finding(f"{tls.trust_problem}: {tls.trust_detail}".rstrip(": "), at=shown(facts))


@rule("TLS021", Severity.WARNING, "RFC 5280 §4.1.2.5; RFC 8461 §4.2")
def mx_certificate_out_of_date(facts: PortFacts) -> Findings:
    """The certificate of the MX is out of date.

    Why: most senders do not look, but those that honour MTA-STS keep the mail; and a renewal has failed somewhere.
    Fix: renew the certificate and let the mail server reload it.
    """
    tls = session(facts, "mx")
    if tls.trust_problem == "not-yet-valid":
        yield finding(tls.trust_detail or "not valid yet", at=shown(facts))
    elif tls.trust_problem == "expired" or (tls.days_left is not None and tls.days_left < 0):
        yield finding(_ended(tls), at=shown(facts))


@rule("TLS022", Severity.NOTE, "RFC 7672 §1.3.1; RFC 8461 §4.2")
def mx_certificate_for_another_name(facts: PortFacts) -> Findings:
    """The certificate of the MX is for another name.

    Why: senders encrypt all the same, but MTA-STS wants the MX host's name in the certificate.
    Fix: nothing has to be done; for MTA-STS add the MX host's name to the certificate's subjectAltName.
    """
    yield from _other_name(facts, session(facts, "mx"))


@rule("TLS023", Severity.WARNING, "CA/Browser Forum BR §6.1.5; RFC 9155 §2")
def mx_certificate_weak(facts: PortFacts) -> Findings:
    """The certificate of the MX has a short RSA key or a SHA-1 signature.

    Why: senders with a current OpenSSL break the handshake off, and some then keep the mail.
    Fix: make a new key, RSA 2048 or P-256, and have it certified with SHA-256.
    """
    tls = session(facts, "mx")
    if weak := _short_key(tls) or _weak_signature(tls):
        yield finding(weak, at=shown(facts))


@rule("TLS030", Severity.WARNING, "RFC 5280 §4.1.2.5")
def certificate_expires_soon(facts: PortFacts) -> Findings:
    """The certificate expires within fourteen days.

    Why: renewal runs a month before the end; one that is this late has failed, or the mail server was not told to
    reload.
    Fix: renew the certificate now, and let the mail server reload it.
    """
    days = needs(session(facts).days_left)
    if 0 <= days <= SOON_DAYS:
        leaf = needs(session(facts).certificate)
        yield finding(f"{days:.0f} days are left: it ends on {leaf.not_after}", at=shown(facts))


def _problem(facts: PortFacts, tls: TlsFacts, *problems: str) -> Findings:
    if tls.trust_problem in problems:
        yield finding(tls.trust_detail or str(tls.trust_problem), at=shown(facts))


def _short_key(tls: TlsFacts) -> str | None:
    """The chain's short RSA key in words; the leaf's also where the chain has other problems."""
    leaf = needs(tls.certificate)
    if tls.trust_problem == "weak-key" and tls.trust_detail:
        return tls.trust_detail
    return f"an RSA key of {leaf.key_bits} bits" if leaf.key_type == "rsa" and leaf.key_bits < 2048 else None


def _weak_signature(tls: TlsFacts) -> str | None:
    """The chain's forgeable signature in words; the one a certificate puts on itself says nothing anyway."""
    leaf = needs(tls.certificate)
    if tls.trust_problem == "weak-signature" and tls.trust_detail:
        return tls.trust_detail
    weak = leaf.signature_hash in ("sha1", "md5") and not leaf.self_signed
    return f"signed with {leaf.signature_hash.upper()}" if weak else None


def _ended(tls: TlsFacts) -> str:
    leaf = tls.certificate
    if tls.days_left is not None and tls.days_left < 0 and leaf is not None:
        return f"it ended on {leaf.not_after}, {-tls.days_left:.0f} days ago"
    return tls.trust_detail or "a certificate of the chain has expired"


def _other_name(facts: PortFacts, tls: TlsFacts) -> Findings:
    if tls.name_matches is not False or tls.certificate is None:
        return
    names = ", ".join(tls.certificate.names) or "no name at all"
    if not tls.certificate.has_alternative_names:
        names = f"the commonName {names} only, which does not count (RFC 9525 §2): it has no subjectAltName"
    yield finding(f"{tls.name} was asked for; the certificate is for {names}", at=shown(facts))

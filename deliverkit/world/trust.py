"""Judging a certificate chain apart from the handshake: whether it is trusted, and if not, for which one reason.

The handshake accepts every chain, so that a bad one can be looked at; here a path is searched from the leaf through
the certificates the server sent (and no others: nothing is fetched) to one of the trust store (RFC 5280 §6, the parts
that SMTP clients apply: signatures, dates, CA flag, path length, purpose, strength).
What this file will not do: check revocation, certificate transparency, name constraints or policies, or open a socket.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import ssl
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deliverkit.smtp.dialogue import Certificate, TrustProblem

E = TypeVar("E", bound=x509.ExtensionType)

_MOST_CERTIFICATES = 16  # of a chain; a server may send what it likes
_MOST_SIGNATURES = 64  # checked for one chain
LARGEST_KEPT = 64 * 1024  # octets of a chain whose judgement is kept
_WEAK_HASHES = ("md5", "sha1")
_SMALLEST_RSA = 2048  # CA/Browser Forum BR §6.1.5; what OpenSSL demands at security level 2


@dataclass(frozen=True, slots=True)
class Trust:
    """The judgement: trusted, or the first problem and a sentence about it."""

    trusted: bool
    problem: TrustProblem | None = None
    detail: str = ""


class TrustStore:
    """The certificates that are trusted: those of the system, or those of one file."""

    def __init__(self, certificates: Iterable[x509.Certificate], *, chosen: bool) -> None:
        self.chosen = chosen  # by the user: a file with the CA of the very server that is tested
        self._by_subject: dict[bytes, list[x509.Certificate]] = {}
        for certificate in certificates:
            self._by_subject.setdefault(_encoded(certificate.subject), []).append(certificate)

    def named(self, subject: x509.Name) -> list[x509.Certificate]:
        """Trusted certificates of this subject."""
        return self._by_subject.get(_encoded(subject), [])

    def __contains__(self, certificate: x509.Certificate) -> bool:
        return certificate in self.named(certificate.subject)

    @classmethod
    def system(cls) -> TrustStore:
        """The store that OpenSSL would use here (SSL_CERT_FILE and SSL_CERT_DIR count)."""
        context = ssl.create_default_context()
        found = context.get_ca_certs(binary_form=True)
        paths = ssl.get_default_verify_paths()
        if not found and paths.capath:  # a folder is read on demand, so OpenSSL cannot list it
            return cls(_in_folder(Path(paths.capath)), chosen=False)
        return cls(_loaded(found), chosen=False)

    @classmethod
    def of_file(cls, path: str) -> TrustStore:
        """The certificates of a PEM file. Raises OSError, or ValueError when it holds none."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return cls(x509.load_pem_x509_certificates(Path(path).read_bytes()), chosen=True)


def store(ca_file: str | None) -> TrustStore:
    """The store of a file, or the system's; read once while it does not change. Raises OSError or ValueError."""
    if ca_file is None:
        return _system()
    state = os.stat(ca_file)  # noqa: PTH116 - at every handshake; a Path costs more than the answer
    return _of_file(ca_file, state.st_mtime_ns, state.st_size)


@functools.cache
def _system() -> TrustStore:
    return TrustStore.system()


@functools.lru_cache(maxsize=16)
def _of_file(path: str, changed: int, size: int) -> TrustStore:  # noqa: ARG001 - they are the cache's key
    return TrustStore.of_file(path)


def _in_folder(folder: Path) -> Iterator[x509.Certificate]:
    for file in sorted(folder.glob("*.pem")):
        try:
            yield from x509.load_pem_x509_certificates(file.read_bytes())
        except (OSError, ValueError):
            continue


def _loaded(encoded: Iterable[bytes]) -> Iterator[x509.Certificate]:
    """The certificates that can be read; the others are skipped."""
    for one in encoded:
        try:
            yield _certificate.__wrapped__(one)
        except ValueError:
            continue


@functools.lru_cache(maxsize=512)  # many hosts show the same intermediates
def _certificate(encoded: bytes) -> x509.Certificate:
    """One certificate. What is odd in it (a serial number of 0) is no reason to warn the user of this program."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return x509.load_der_x509_certificate(encoded)


def parsed(chain: Iterable[bytes]) -> tuple[x509.Certificate, ...]:
    """The certificates of a chain; it ends where one cannot be read."""
    found = []
    for encoded in list(chain)[:_MOST_CERTIFICATES]:
        try:
            found.append(_certificate(encoded))
        except ValueError:
            break
    return tuple(found)


# -- the judgement ----------------------------------------------------------------------------------------


def judge(chain: tuple[x509.Certificate, ...], store: TrustStore, now: datetime) -> Trust:
    """Whether the chain leads to the store, in date, with sound keys and signatures."""
    if not chain:
        return Trust(False, TrustProblem.UNKNOWN_CA, "the server showed no certificate that can be read")
    leaf = chain[0]
    path, broken = _Search(chain, store, now).path()
    if broken is not None:
        return broken
    for certificate in path:
        if out_of_date := _dates(certificate, now):
            return out_of_date
    if not _serves(leaf):
        return Trust(False, TrustProblem.WRONG_PURPOSE, "its extended key usage does not allow TLS servers")
    return next((weak for c in path if (weak := _weakness(c, anchor=c in store))), Trust(True))


def dates_of(chain: tuple[x509.Certificate, ...], store: TrustStore) -> set[datetime]:
    """The dates on which a judgement can change: of the chain, and of all that may have issued one of it."""
    every = [*chain, *(issuer for one in chain for issuer in store.named(one.issuer))]
    return {date for one in every for date in _validity(one)}


class _Search:
    """Looks for a path from the leaf to the store; remembers the farthest dead end, which is the cause."""

    def __init__(self, chain: tuple[x509.Certificate, ...], store: TrustStore, now: datetime) -> None:
        self.leaf = chain[0]
        self.sent = chain[1:]
        self.store = store
        self.now = now
        self.signatures = 0
        self.dead_end: tuple[int, Trust] | None = None

    def path(self) -> tuple[tuple[x509.Certificate, ...], Trust | None]:
        """The path, leaf first, anchor last; or nothing and why there is none."""
        found = self._from((self.leaf,))
        if found is not None:
            return found, None
        assert self.dead_end is not None
        return (), self.dead_end[1]

    def _from(self, path: tuple[x509.Certificate, ...]) -> tuple[x509.Certificate, ...] | None:
        last = path[-1]
        if last in self.store:
            return path
        if last.subject == last.issuer:  # a root of its own
            self._dead(path, self._own_root(path))
            return None
        candidates = self._issuers(path)
        if not candidates:
            self._dead(path, self._no_issuer(path))
        stale: tuple[x509.Certificate, ...] | None = None
        for issuer in candidates:
            if refused := self._refusal(issuer, path):
                self._dead(path, refused)
                continue
            found = self._from((*path, issuer))
            if found is not None:
                if all(_dates(c, self.now) is None for c in found[1:]):
                    return found
                stale = stale or found  # an expired intermediate: perhaps another way leads to a root in date
        return stale

    def _issuers(self, path: tuple[x509.Certificate, ...]) -> list[x509.Certificate]:
        """Certificates that bear the issuer's name: trusted ones first, then those that were sent."""
        name = path[-1].issuer
        every = [*self.store.named(name), *(c for c in self.sent if c.subject == name)]
        return [c for c in dict.fromkeys(every) if c not in path]

    def _refusal(self, issuer: x509.Certificate, path: tuple[x509.Certificate, ...]) -> Trust | None:
        """Why this certificate cannot have issued the last of the path (RFC 5280 §4.2.1.9, §6.1.4)."""
        who = _name(issuer.subject)
        constraints = _extension(issuer, x509.BasicConstraints)
        if not (constraints.ca if constraints is not None else issuer in self.store):  # old roots lack the extension
            return Trust(False, TrustProblem.NOT_A_CA, f"{who} is no certificate authority, yet it issued one")
        if constraints is not None and constraints.path_length is not None:
            between = sum(c.subject != c.issuer for c in path[1:])
            if between > constraints.path_length:
                return Trust(False, TrustProblem.NOT_A_CA, f"{who} allows {constraints.path_length} CAs below itself")
        usage = _extension(issuer, x509.KeyUsage)
        if usage is not None and not usage.key_cert_sign:
            return Trust(False, TrustProblem.NOT_A_CA, f"{who} may not sign certificates (key usage)")
        if _signature_hash(path[-1]) in _WEAK_HASHES:  # which `cryptography` does not even verify
            return _weakness(path[-1], anchor=False)
        self.signatures += 1
        if self.signatures > _MOST_SIGNATURES or not _signed_by(path[-1], issuer):
            return Trust(False, TrustProblem.BAD_SIGNATURE, f"{who} did not sign {_name(path[-1].subject)}")
        return None

    def _own_root(self, path: tuple[x509.Certificate, ...]) -> Trust:
        who = _name(path[-1].subject)
        if len(path) == 1:
            return Trust(False, TrustProblem.SELF_SIGNED, f"{who} signed itself")
        return Trust(False, TrustProblem.UNKNOWN_CA, f"the chain ends at {who}, a root that is not trusted here")

    def _no_issuer(self, path: tuple[x509.Certificate, ...]) -> Trust:
        """Nobody sent or knows the issuer: an intermediate was left out, or the CA is a private one.

        Public CAs say in each leaf where their own certificate is (RFC 5280 §4.2.2.1); and when the user named the CA
        of this very server, only what lies between can be missing.
        """
        issuer = _name(path[-1].issuer)
        forgotten = self.store.chosen or _extension(path[-1], x509.AuthorityInformationAccess) is not None
        if len(path) == 1 and forgotten:
            what = f"the server did not send the certificate of {issuer}, which issued its own"
            return Trust(False, TrustProblem.INCOMPLETE_CHAIN, what)
        return Trust(False, TrustProblem.UNKNOWN_CA, f"{issuer} is not trusted here")

    def _dead(self, path: tuple[x509.Certificate, ...], why: Trust) -> None:
        if self.dead_end is None or len(path) > self.dead_end[0]:
            self.dead_end = (len(path), why)


@functools.lru_cache(maxsize=512)
def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _dates(certificate: x509.Certificate, now: datetime) -> Trust | None:
    begins, ends = _validity(certificate)
    if now > ends:
        return Trust(False, TrustProblem.EXPIRED, f"{_name(certificate.subject)} expired on {iso(ends)}")
    if now < begins:
        what = f"{_name(certificate.subject)} is valid from {iso(begins)} only"
        return Trust(False, TrustProblem.NOT_YET_VALID, what)
    return None


@functools.lru_cache(maxsize=1024)  # asked at every step of the search, and each asking makes two times anew
def _validity(certificate: x509.Certificate) -> tuple[datetime, datetime]:
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def _serves(leaf: x509.Certificate) -> bool:
    usages = _extension(leaf, x509.ExtendedKeyUsage)
    allowed = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    return usages is None or not allowed.isdisjoint(usages)


def _weakness(certificate: x509.Certificate, *, anchor: bool) -> Trust | None:
    """A key or signature that clients of today refuse. An anchor is trusted by itself: its signature says nothing."""
    shown = certificate_facts(certificate)
    if not anchor and shown.signature_hash in _WEAK_HASHES:
        what = f"{shown.subject} is signed with {shown.signature_hash.upper()}"
        return Trust(False, TrustProblem.WEAK_SIGNATURE, what)
    if shown.key_type == "rsa" and shown.key_bits < _SMALLEST_RSA:
        return Trust(False, TrustProblem.WEAK_KEY, f"{shown.subject} has an RSA key of {shown.key_bits} bits")
    return None


# -- names ------------------------------------------------------------------------------------------------


def bears(certificate: Certificate, name: str) -> bool:
    """Whether the certificate is for this host name or IP address (RFC 9525 §6).

    Only subjectAltName counts (§2): commonName does not. A wildcard is the whole leftmost label and stands for exactly
    one label (§6.3).
    """
    if not certificate.has_alternative_names:
        return False
    address = _address(name)
    if address is not None:
        return any(_address(one) == address for one in certificate.names)
    wanted = name.lower().rstrip(".")
    return any(_presents(one.lower().rstrip("."), wanted) for one in certificate.names if _address(one) is None)


def _presents(presented: str, wanted: str) -> bool:
    if presented.startswith("*."):
        first, _, rest = wanted.partition(".")
        return bool(first) and "*" not in presented[2:] and rest == presented[2:] and "." in rest
    return "*" not in presented and presented == wanted


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


# -- what is worth knowing of a certificate ---------------------------------------------------------------


@functools.lru_cache(maxsize=512)
def certificate_facts(certificate: x509.Certificate) -> Certificate:
    """The plain values of a certificate. Nothing in it can raise, however odd it is."""
    names = _alternative_names(certificate)
    kind, bits = _key(certificate)
    return Certificate(
        subject=_name(certificate.subject),
        issuer=_name(certificate.issuer),
        names=names if names is not None else _common_names(certificate),
        not_before=iso(certificate.not_valid_before_utc),
        not_after=iso(certificate.not_valid_after_utc),
        key_type=kind,
        key_bits=bits,
        signature_hash=_signature_hash(certificate),
        serial=f"{certificate.serial_number:x}",
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        self_signed=certificate.subject == certificate.issuer,
        has_alternative_names=names is not None,
    )


def iso(at: datetime) -> str:
    """A time in UTC as ISO 8601."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _alternative_names(certificate: x509.Certificate) -> tuple[str, ...] | None:
    found = _extension(certificate, x509.SubjectAlternativeName)
    if found is None:
        return None
    names = [str(one) for one in found.get_values_for_type(x509.DNSName)]
    return (*names, *(str(one) for one in found.get_values_for_type(x509.IPAddress)))


def _common_names(certificate: x509.Certificate) -> tuple[str, ...]:
    return tuple(str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME))


@functools.lru_cache(maxsize=1024)
def _encoded(name: x509.Name) -> bytes:
    return name.public_bytes()


@functools.lru_cache(maxsize=1024)
def _name(name: x509.Name) -> str:
    """A distinguished name on one line, most specific part first; "(no name)" when it is empty."""
    return name.rfc4514_string() or "(no name)"


def _key(certificate: x509.Certificate) -> tuple[str, int]:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "unknown", 0
    if isinstance(key, rsa.RSAPublicKey):
        return "rsa", key.key_size
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "ec", key.key_size
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519", 256
    if isinstance(key, ed448.Ed448PublicKey):
        return "ed448", 456
    return ("dsa", key.key_size) if isinstance(key, dsa.DSAPublicKey) else ("unknown", 0)


def _signature_hash(certificate: x509.Certificate) -> str:
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return "unknown"
    return algorithm.name if algorithm is not None else "none"  # Ed25519 and Ed448 hash within


def _extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, ValueError, UnsupportedAlgorithm):
        return None

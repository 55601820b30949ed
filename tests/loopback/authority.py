"""A certificate authority for tests: a root, an intermediate, and leaves of every kind, sound and faulty.

Keys are made once a process; files are written where the caller says.
"""

from __future__ import annotations

import datetime
import functools
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, and the chain a server should send (leaf first, no root)."""

    certificate: x509.Certificate
    key: Key
    chain: tuple[x509.Certificate, ...]

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write ``NAME.pem`` (the chain) and ``NAME.key``, and say where."""
        chain, key = folder / f"{name}.pem", folder / f"{name}.key"
        chain.write_bytes(b"".join(one.public_bytes(serialization.Encoding.PEM) for one in self.chain))
        key.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return chain, key


@functools.cache
def _key(kind: str) -> Key:
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:].split("-")[0]))
    return ec.generate_private_key(ec.SECP256R1())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


class Authority:
    """One root with one intermediate; `issue` makes leaves below the intermediate."""

    def __init__(self, now: datetime.datetime | None = None, name: str = "Test") -> None:
        self.now = now or datetime.datetime.now(datetime.UTC)
        self.name = name
        self.root = self._ca(f"{name} Root", f"{name} Root", _key(f"ec-{name}-root"), _key(f"ec-{name}-root"))
        self.intermediate = self._ca(
            f"{name} Intermediate", f"{name} Root", _key(f"ec-{name}-middle"), _key(f"ec-{name}-root")
        )

    def _ca(self, subject: str, issuer: str, key: Key, signer: Key) -> x509.Certificate:
        return (
            self._draft(subject, issuer, key, -30, 3650)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(signer, hashes.SHA256())
        )

    def _draft(self, subject: str, issuer: str, key: Key, start: float, end: float) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now + start * DAY)
            .not_valid_after(self.now + end * DAY)
        )

    def write_root(self, folder: Path) -> Path:
        """Write the root to ``NAME-root.pem``, and say where."""
        path = folder / f"{self.name.lower()}-root.pem"
        path.write_bytes(self.root.public_bytes(serialization.Encoding.PEM))
        return path

    def issue(
        self,
        *names: str,
        start: float = -10,
        end: float = 60,
        key: str = "ec-leaf",
        digest: hashes.HashAlgorithm | None = None,
        with_intermediate: bool = True,
        alternative_names: bool = True,
        purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    ) -> Issued:
        """A leaf for these names (host names and addresses); ``start`` and ``end`` are days from now."""
        secret = _key(key)
        draft = self._draft(names[0], f"{self.name} Intermediate", secret, start, end)
        draft = draft.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        draft = draft.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if alternative_names:
            draft = draft.add_extension(x509.SubjectAlternativeName([_general(n) for n in names]), critical=False)
        leaf = draft.sign(_key(f"ec-{self.name}-middle"), digest or hashes.SHA256())
        return Issued(leaf, secret, (leaf, self.intermediate) if with_intermediate else (leaf,))

    def self_signed(self, *names: str) -> Issued:
        """A leaf that signed itself."""
        secret = _key("ec-self")
        draft = self._draft(names[0], names[0], secret, -10, 60)
        draft = draft.add_extension(x509.SubjectAlternativeName([_general(n) for n in names]), critical=False)
        leaf = draft.sign(secret, hashes.SHA256())
        return Issued(leaf, secret, (leaf,))


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)

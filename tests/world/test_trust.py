"""Judging chains and names: every problem told from the others, and hostile chains bounded."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from deliverkit.smtp.dialogue import Certificate
from deliverkit.world.trust import Trust, TrustStore, bears, certificate_facts, judge, parsed, store
from tests.loopback.authority import DAY, Authority, Issued

NOW = datetime.datetime(2026, 11, 22, 10, tzinfo=datetime.UTC)
NAME = "mail.example.com"


@pytest.fixture(scope="module")
def authority() -> Authority:
    """The trusted authority."""
    return Authority(NOW)


@pytest.fixture(scope="module")
def trusted(authority: Authority) -> TrustStore:
    """A store with its root alone."""
    return TrustStore([authority.root], chosen=True)


def judged(issued: Issued, trusted: TrustStore, now: datetime.datetime = NOW) -> Trust:
    """The judgement on what a server sends."""
    return judge(issued.chain, trusted, now)


def test_a_sound_chain_is_trusted(authority: Authority, trusted: TrustStore) -> None:
    """Leaf, intermediate, root; also with the root sent and the chain out of order."""
    issued = authority.issue(NAME)
    assert judged(issued, trusted) == Trust(True)
    assert judge((*issued.chain, authority.root), trusted, NOW) == Trust(True)
    assert judge((issued.chain[0], authority.root, authority.intermediate), trusted, NOW) == Trust(True)


@pytest.mark.parametrize(
    ("how", "problem", "words"),
    [
        ({"start": -60, "end": -3}, "expired", "expired on 2026-11-19"),
        ({"start": 3}, "not-yet-valid", "valid from 2026-11-25"),
        ({"with_intermediate": False}, "incomplete-chain", "CN=Test Intermediate"),
        ({"key": "rsa1024"}, "weak-key", "1024 bits"),
        ({"purpose": x509.ExtendedKeyUsageOID.CLIENT_AUTH}, "wrong-purpose", "TLS servers"),
    ],
)
def test_each_problem_has_its_word(
    how: dict[str, object], problem: str, words: str, authority: Authority, trusted: TrustStore
) -> None:
    """And a sentence that names the certificate."""
    verdict = judged(authority.issue(NAME, **how), trusted)  # type: ignore[arg-type]
    assert (verdict.trusted, verdict.problem) == (False, problem)
    assert words in verdict.detail


def test_self_signed_and_unknown_authorities(authority: Authority, trusted: TrustStore) -> None:
    """The leaf that signed itself, a whole chain of a stranger, and a stranger's leaf alone."""
    assert judged(authority.self_signed(NAME), trusted).problem == "self-signed"
    stranger = Authority(NOW, name="Stranger")
    issued = stranger.issue(NAME)
    assert judge((*issued.chain, stranger.root), trusted, NOW).problem == "unknown-ca"
    assert judged(issued, trusted).problem == "unknown-ca"
    public = TrustStore([authority.root], chosen=False)
    assert judged(stranger.issue(NAME, with_intermediate=False), public).problem == "unknown-ca"


def test_a_self_signed_leaf_that_the_user_trusts_is_trusted(authority: Authority) -> None:
    """``--ca-file`` with the certificate itself pins it, in its dates."""
    issued = authority.self_signed(NAME)
    pinned = TrustStore([issued.certificate], chosen=True)
    assert judged(issued, pinned).trusted
    assert judged(issued, pinned, NOW + 90 * DAY).problem == "expired"


def test_a_pinned_leaf_is_no_authority(authority: Authority) -> None:
    """Trust in one server does not let it vouch for others."""
    server = authority.issue("server.example.com")
    forged = _signed_by(server, NAME)
    assert judge((forged, server.certificate), TrustStore([server.certificate], chosen=True), NOW).problem == "not-a-ca"


def _signed_by(issuer: Issued, name: str) -> x509.Certificate:
    builder = x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(issuer.certificate.subject)
    builder = builder.public_key(issuer.key.public_key()).serial_number(7)
    builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
    return builder.sign(issuer.key, hashes.SHA256())


def test_a_chain_that_lies_about_its_issuer(authority: Authority, trusted: TrustStore) -> None:
    """The name fits and the signature does not."""
    forger = Authority(NOW, name="Test2")
    leaf = forger.issue(NAME)
    lying = (
        x509.CertificateBuilder()
        .subject_name(leaf.certificate.subject)
        .issuer_name(authority.intermediate.subject)
        .public_key(leaf.key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .sign(leaf.key, hashes.SHA256())
    )
    assert judge((lying, authority.intermediate), trusted, NOW).problem == "bad-signature"


def test_a_sha1_signature_is_weak_and_not_forged() -> None:
    """The library does not verify SHA-1 any more; the cause is told all the same."""
    secret = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "RSA Root")])
    draft = x509.CertificateBuilder().issuer_name(name).public_key(secret.public_key()).serial_number(1)
    draft = draft.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    root = draft.subject_name(name).add_extension(x509.BasicConstraints(True, None), True).sign(secret, hashes.SHA256())
    leaf = draft.subject_name(x509.Name([])).sign(secret, hashes.SHA256())
    with_sha256, with_sha1 = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    old = x509.load_der_x509_certificate(leaf.public_bytes(Encoding.DER).replace(with_sha256, with_sha1))
    trusted = TrustStore([root], chosen=True)
    assert judge((leaf,), trusted, NOW).trusted
    verdict = judge((old,), trusted, NOW)
    assert (verdict.problem, verdict.detail) == ("weak-signature", "(no name) is signed with SHA1")


def test_an_expired_intermediate_is_walked_around(authority: Authority, trusted: TrustStore) -> None:
    """Of two certificates of the same authority the one in date decides, whatever their order."""
    issued = authority.issue(NAME)
    old = Authority(NOW - 5000 * DAY).intermediate
    assert old.subject == authority.intermediate.subject
    for chain in ((issued.chain[0], old, authority.intermediate), (issued.chain[0], authority.intermediate, old)):
        assert judge(chain, trusted, NOW).trusted
    assert judge((issued.chain[0], old), trusted, NOW).problem == "expired"


def test_many_certificates_of_one_name_are_bounded(authority: Authority, trusted: TrustStore) -> None:
    """A server that sends many issuers of the same name costs a bounded number of signature checks."""
    issued = authority.issue(NAME)
    decoys = tuple(Authority(NOW - n * DAY, name="Test").intermediate for n in range(40))
    verdict = judge((issued.chain[0], *decoys[:15]), trusted, NOW)
    assert verdict.trusted
    encoded = [c.public_bytes(Encoding.DER) for c in (issued.chain[0], *decoys)]
    assert len(parsed(encoded)) == 16


def test_no_certificate_is_no_trust(trusted: TrustStore) -> None:
    """An empty or unreadable chain."""
    assert judge((), trusted, NOW).trusted is False
    assert parsed([b"\x30\x03\x02\x01\x00", b"x"]) == ()


@settings(max_examples=50)
@given(st.binary(max_size=400))
def test_any_octets_may_stand_for_a_chain(octets: bytes) -> None:
    """What a server sends is parsed or not; nothing raises."""
    assert len(parsed([octets])) <= 1


def test_the_facts_of_a_certificate(authority: Authority) -> None:
    """Plain values, names first from subjectAltName."""
    facts = certificate_facts(authority.issue(NAME, "192.0.2.1", key="rsa2048").certificate)
    assert (facts.subject, facts.issuer) == (f"CN={NAME}", "CN=Test Intermediate")
    assert facts.names == (NAME, "192.0.2.1")
    assert (facts.key_type, facts.key_bits, facts.signature_hash) == ("rsa", 2048, "sha256")
    assert (facts.not_before, facts.not_after) == ("2026-11-12T10:00:00Z", "2027-01-21T10:00:00Z")
    assert not facts.self_signed
    bare = certificate_facts(authority.issue(NAME, alternative_names=False).certificate)
    assert (bare.names, bare.has_alternative_names) == ((NAME,), False)


SHOWN = Certificate("CN=x", "CN=y", (), "", "", "ec", 256, "sha256", "1", "", False)


@pytest.mark.parametrize(
    ("presented", "wanted", "fits"),
    [
        ("mail.example.com", "mail.example.com", True),
        ("MAIL.example.COM", "mail.EXAMPLE.com.", True),
        ("*.example.com", "mail.example.com", True),
        ("*.example.com", "a.b.example.com", False),
        ("*.example.com", "example.com", False),
        ("*.com", "example.com", False),
        ("*", "localhost", False),
        ("m*.example.com", "mail.example.com", False),
        ("*il.example.com", "mail.example.com", False),
        ("mail.*.com", "mail.example.com", False),
        ("*.*.com", "mail.example.com", False),
        ("*.example.com", ".example.com", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("2001:db8::1", "2001:DB8:0::1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("*.0.2.1", "192.0.2.1", False),
        ("example.com.evil.example", "example.com", False),
    ],
)
def test_names_are_matched_as_rfc_9525_says(presented: str, wanted: str, fits: bool) -> None:
    """A wildcard is the whole leftmost label and stands for one; addresses match addresses."""
    assert bears(replace(SHOWN, names=(presented,)), wanted) is fits


def test_a_common_name_does_not_count() -> None:
    """RFC 9525 §2."""
    assert not bears(replace(SHOWN, names=("mail.example.com",), has_alternative_names=False), "mail.example.com")


def test_the_system_store_is_read_without_a_warning() -> None:
    """Whatever old roots it holds (warnings are errors here)."""
    assert isinstance(TrustStore.system(), TrustStore)


def test_a_file_that_changed_is_read_again(tmp_path: Path, authority: Authority) -> None:
    """A renewed CA file counts at once; one without certificates is an error with a reason."""
    file = authority.write_root(tmp_path)
    assert authority.root in store(str(file))
    Authority(NOW, name="Other").write_root(tmp_path).rename(file)
    assert authority.root not in store(str(file))
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    with pytest.raises(ValueError):
        store(str(empty))

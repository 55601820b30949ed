"""DKIM key records (RFC 6376 §3.6.1, updated by 8301 and 8463): every value, and every fault with its place.

What this file will not do: ask for a record (the facts do), or verify anything with it.
"""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from deliverkit.protocols.dkim import artefacts
from deliverkit.protocols.dkim.der import BadDer, Ed25519Key, RsaKey, is_private_key, read_public_key
from deliverkit.protocols.fault import Fault
from deliverkit.protocols.taglist import Tag, TagList, parse_taglist

SHORTEST, RECOMMENDED, LONGEST = 1024, 2048, 4096  # bits of an RSA key, RFC 8301 §3.2
ED25519_OCTETS = 32  # RFC 8463 §4
FATAL_SYNTAX = {"no-equals", "bad-tag-name", "duplicate-tag"}  # RFC 6376 §6.1.2 step 3: the record MUST be ignored

MOST_FAULTS, LONGEST_DETAIL = 20, 240

_BLANKS = re.compile(r"[ \t\r\n]+")
_BARE_KEY = re.compile(r"[A-Za-z0-9+/ \t\r\n]{40,}={0,2}\s*")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/= \t\r\n]")


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key record as it was read. ``hashes`` is None when every hash is allowed.

    ``public_key`` holds the octets of ``p=`` when they decode; ``bits`` is the length of an RSA modulus, 256 for
    Ed25519. ``material`` says what ``p=`` turned out to be: "rsa", "ed25519" or None.
    """

    text: str = field(repr=False)
    faults: tuple[Fault, ...]
    tags: tuple[Tag, ...] = field(repr=False, default=())
    key_type: str = "rsa"
    hashes: tuple[str, ...] | None = None
    services: tuple[str, ...] = ("*",)
    flags: tuple[str, ...] = ()
    notes: str | None = None
    public_key: bytes | None = field(repr=False, default=None)
    material: str | None = None
    bits: int | None = None
    revoked: bool = False

    @property
    def testing(self) -> bool:
        """t=y: the domain is testing DKIM; a verifier must treat its mail like unsigned mail (§3.6.1)."""
        return "y" in self.flags

    @property
    def strict(self) -> bool:
        """t=s: the domain of ``i=`` must be that of ``d=``, no subdomain (§3.6.1)."""
        return "s" in self.flags

    @property
    def for_email(self) -> bool:
        """s= admits mail."""
        return bool({"*", "email"} & set(self.services))

    @property
    def usable(self) -> bool:
        """True if a verifier can check mail with this key."""
        return not self.revoked and self.public_key is not None and not any(fault.fatal for fault in self.faults)

    def fault(self, *kinds: str) -> Fault | None:
        """The first fault of one of these kinds."""
        return next((fault for fault in self.faults if fault.kind in kinds), None)

    def shown(self) -> str:
        """The record's text for people; a private key that was published by mistake is not repeated."""
        fault = self.fault("private-key")
        if fault is None:
            return self.text
        return f"{self.text[: fault.span[0]]}(private key withheld){self.text[fault.span[1] :]}"

    def to_json(self) -> dict[str, Any]:
        """The record for reports."""
        return {
            "record": self.shown(),
            "key_type": self.key_type,
            "bits": self.bits,
            "hashes": self.hashes,
            "services": self.services,
            "flags": self.flags,
            "notes": self.notes,
            "revoked": self.revoked,
            "usable": self.usable,
            "faults": self.faults,
        }


def looks_like_key(text: str) -> bool:
    """True if somebody meant this TXT record as a key record, however badly it is written.

    A record that begins with ``v=`` and another protocol's version is no key (§3.6.1 v=).
    """
    version = re.match(r"[\s\"“”]*v\s*=\s*[\"“”]?(\w*)", text, re.IGNORECASE)
    if version:
        return version[1].lower().startswith("dkim")
    if re.search(r"(?:^|;)[\s\"“”\\]*[pk]\s*=", text, re.IGNORECASE):
        return True
    return bool(re.search(r"v\s*=\s*\"?DKIM|-----BEGIN [A-Z0-9 ]*KEY|^[\s\"]*MI[A-Za-z0-9+/]{30}", text))


@functools.lru_cache(maxsize=1024)
def parse_key(text: str) -> KeyRecord:
    """Read a key record; ``text`` is the TXT record with its strings joined (§3.6.2.2). Never raises.

    Records are shared: a sink that takes much mail of one domain reads its key once.
    """
    cleaned, found = artefacts.cleaned(text)
    tags = parse_taglist(cleaned)
    faults = [*found, *_syntax(tags)]
    key_type = _value(tags, "k", "rsa")
    reading = _Reading(text, tags, faults)
    reading.version()
    reading.lists()
    reading.public_key(key_type)
    return KeyRecord(
        text=text,
        faults=first_faults(faults),
        tags=tags.tags,
        key_type=key_type,
        hashes=_listed(tags, "h"),
        services=_listed(tags, "s") or ("*",),
        flags=_listed(tags, "t") or (),
        notes=tags.value("n"),
        public_key=reading.octets,
        material=reading.material,
        bits=reading.bits,
        revoked=reading.revoked,
    )


def _value(tags: TagList, name: str, default: str) -> str:
    return tags.value(name) or default


def _listed(tags: TagList, name: str) -> tuple[str, ...] | None:
    """A colon-separated value, or None where the tag is absent."""
    tag = tags.get(name)
    return None if tag is None else tuple(part.strip() for part in tag.value.split(":") if part.strip())


def _syntax(tags: TagList) -> list[Fault]:
    """Faults of the tag list that matter in a key record."""
    return [Fault(f.kind, f.detail, f.span, f.kind in FATAL_SYNTAX) for f in tags.faults if f.kind != "quoted"]


def first_faults(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """The faults in the order of their places; of a hostile record only the first, the fatal ones before others."""
    kept = sorted(faults, key=lambda fault: (not fault.fatal, fault.span, fault.kind))[:MOST_FAULTS]
    shortened = (replace(fault, detail=fault.detail[:LONGEST_DETAIL]) for fault in kept)
    return tuple(sorted(shortened, key=lambda fault: (fault.span, fault.kind)))


class _Reading:
    """One record being read: what was found so far, and the list that faults are added to."""

    def __init__(self, text: str, tags: TagList, faults: list[Fault]) -> None:
        self.text = text
        self.tags = tags
        self.faults = faults
        self.octets: bytes | None = None
        self.material: str | None = None
        self.bits: int | None = None
        self.revoked = False

    def fault(self, kind: str, detail: str, span: tuple[int, int], *, fatal: bool = True) -> None:
        self.faults.append(Fault(kind, detail, span, fatal))

    def found(self, *kinds: str) -> bool:
        return any(fault.kind in kinds for fault in self.faults)

    def version(self) -> None:
        """§3.6.1 v=: optional; if there it is DKIM1 and stands first."""
        tag = self.tags.get("v")
        if tag is None:
            return
        if tag.value != "DKIM1":
            self.fault("bad-version", f"v={tag.value} where only v=DKIM1 is valid (case matters)", tag.span)
        elif self.tags.tags[0] is not tag:
            self.fault("v-not-first", "v=DKIM1 stands after another tag; it must be the first", tag.span, fatal=False)

    def lists(self) -> None:
        """h= (RFC 8301 §3.1: only sha256 is left), s= (mail must be among the services)."""
        hashes, services = self.tags.get("h"), self.tags.get("s")
        if hashes and "sha256" not in (_listed(self.tags, "h") or ()):
            self.fault("no-sha256", f"h={hashes.value} does not admit sha256, the only hash in use", hashes.span)
        if services and not {"*", "email"} & set(_listed(self.tags, "s") or ("*",)):
            self.fault("not-for-email", f"s={services.value} does not admit email", services.span)

    def public_key(self, key_type: str) -> None:
        """p=: required; empty means revoked; else base64 of what ``k=`` says."""
        tag = self.tags.get("p")
        if tag is None:
            self._no_public_key()
            return
        compact = _BLANKS.sub("", tag.value)
        if not compact:
            self.revoked = not self.found("pem-armour", "private-key")
            return
        self._blanks(tag)
        if self._base64(tag, compact) and self.octets is not None:
            self._material(tag, key_type, self.octets)

    def _no_public_key(self) -> None:
        if self.found("private-key"):
            return
        span = (0, len(self.text))
        other_case = self.tags.get("P")
        if other_case:
            self.fault("no-public-key", "the tag is written P=; tag names are case-sensitive (§3.2)", other_case.span)
        elif _BARE_KEY.fullmatch(self.text):
            self.faults.clear()
            self._bare_key(span)
        else:
            self.fault("no-public-key", "the record has no p= tag, which is required", span)

    def _bare_key(self, span: tuple[int, int]) -> None:
        compact = re.sub(r"[^A-Za-z0-9+/]", "", self.text)
        if is_private_key(base64.b64decode(compact[: len(compact) // 4 * 4])):
            self.fault("private-key", "the record holds a private key", span)
        else:
            self.fault("no-public-key", "the record is a bare key without any tag", span)

    def _blanks(self, tag: Tag) -> None:
        blank = _BLANKS.search(tag.value)
        if blank and not self.found("string-joint", "pem-armour"):
            at = tag.value_span[0] + blank.start()
            detail = "white space stands inside the key; it is legal (§3.6.1), but some verifiers stumble over it"
            self.fault("blank-in-key", detail, (at, at + len(blank[0])), fatal=False)

    def _base64(self, tag: Tag, compact: str) -> bool:
        """Decode; False if it cannot be done."""
        bad = _NOT_BASE64.search(tag.value)
        if bad:
            at = tag.value_span[0] + bad.start()
            hint = " (base64url is not allowed)" if bad[0] in "-_" else ""
            self.fault("bad-base64", f"the character {bad[0]!r} is not base64{hint}", (at, at + 1))
            return False
        bare = compact.rstrip("=")
        if "=" in bare or len(compact) - len(bare) > 2:
            at = tag.value_span[0] + tag.value.index("=")
            self.fault("bad-base64", "'=' stands where only the end of base64 may have it", (at, at + 1))
            return False
        whole = compact[: len(compact) // 4 * 4]
        if is_private_key(base64.b64decode(whole)):
            self.fault("private-key", "the record holds a private key", tag.value_span)
            return False
        if whole != compact:
            detail = f"p= has {len(compact)} base64 characters; a whole key has a multiple of four"
            self.fault("truncated-base64", detail, tag.value_span)
            return False
        self.octets = base64.b64decode(compact)
        return True

    def _material(self, tag: Tag, key_type: str, octets: bytes) -> None:
        if key_type not in ("rsa", "ed25519"):  # §3.6.1 k=: unrecognised types are ignored, and the record with them
            near = key_type.lower() if key_type.lower() in ("rsa", "ed25519") else "rsa or ed25519"
            span = k.span if (k := self.tags.get("k")) else tag.span
            self.fault("unknown-key-type", f"k={key_type} is no key type; {near} was expected (case matters)", span)
            return
        if key_type == "ed25519":
            self._ed25519(tag, octets)
        else:
            self._rsa(tag, octets)

    def _ed25519(self, tag: Tag, octets: bytes) -> None:
        """RFC 8463 §4: the 32 octets of the key, not wrapped in anything."""
        if len(octets) == ED25519_OCTETS:
            self.material, self.bits = "ed25519", 256
            return
        try:
            key = read_public_key(octets)
        except BadDer:
            detail = f"k=ed25519, but p= holds {len(octets)} octets where the raw key has 32"
            self.fault("bad-key", detail, tag.value_span)
            return
        self.material = "rsa" if isinstance(key, RsaKey) else "ed25519"
        in_der = "the DER structure of an Ed25519 key; only its 32 octets belong here"
        what = "an RSA key" if isinstance(key, RsaKey) else in_der
        self.fault("wrong-key-material", f"k=ed25519, but p= holds {what}", tag.value_span)

    def _rsa(self, tag: Tag, octets: bytes) -> None:
        """§3.6.1 p=: an RSAPublicKey, in practice inside a SubjectPublicKeyInfo; both are accepted."""
        if len(octets) == ED25519_OCTETS:
            self.material = "ed25519"
            detail = "p= holds 32 octets, an Ed25519 key, but k=ed25519 is missing (the default is rsa)"
            self.fault("wrong-key-material", detail, tag.value_span)
            return
        try:
            key = read_public_key(octets)
        except BadDer as bad:
            self.fault("truncated-key" if bad.truncated else "bad-key", f"p= is no RSA key: {bad}", tag.value_span)
            return
        if isinstance(key, Ed25519Key):
            self.material = "ed25519"
            self.fault("wrong-key-material", "k=rsa, but p= holds an Ed25519 key", tag.value_span)
            return
        self.material, self.bits = "rsa", key.bits
        self._length(tag, key.bits)

    def _length(self, tag: Tag, bits: int) -> None:
        """RFC 8301 §3.2: at least 1024 bits, 2048 recommended; verifiers need not take more than 4096."""
        if bits < SHORTEST:
            self.fault(
                "too-short", f"the RSA key has {bits} bits; verifiers must refuse less than 1024", tag.value_span
            )
        elif bits < RECOMMENDED:
            self.fault("weak", f"the RSA key has {bits} bits; 2048 are recommended", tag.value_span, fatal=False)
        elif bits > LONGEST:
            detail = f"the RSA key has {bits} bits; verifiers need not take more than 4096"
            self.fault("too-long", detail, tag.value_span, fatal=False)

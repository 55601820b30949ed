"""DKIM-Signature header fields (RFC 6376 §3.5): every value, and every fault with its place in the field.

What this file will not do: look at the message or at the clock; ``verify`` does.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field

from deliverkit.names import BadName, to_ascii, within
from deliverkit.protocols.dkim.key import first_faults
from deliverkit.protocols.fault import Fault
from deliverkit.protocols.taglist import Tag, TagList, parse_taglist

REQUIRED = ("v", "a", "b", "bh", "d", "h", "s")  # §3.5, §6.1.1
ALGORITHMS = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}  # §3.3, RFC 8463 §3
REFUSED = ("rsa-sha1",)  # RFC 8301 §3.1
CANONICALIZATIONS = ("simple", "relaxed")
LONGEST_NAME = 253  # RFC 1035 §2.3.4
LONGEST = 65_536  # characters of one field; more is an attack, not a signature

_BLANK = re.compile(r"[ \t\r\n]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_FIELD_NAME = re.compile(r"[\x21-\x39\x3b-\x7e]+")
_LENGTH = re.compile(r"[0-9]{1,76}")  # §3.5 l=
_TIME = re.compile(r"[0-9]{1,20}")  # §3.5 t=, x=; the grammar has 12 digits, some write milliseconds
_QUOTED = re.compile(r"=([0-9A-F]{2})")


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature as it was read. ``text`` is the field's value with its folds.

    ``domain`` is the SDID (d=) and ``identity`` the AUID (i=, by default "@" and d=); ``signed_names`` is ``h=`` in
    lower case, in order, with its repetitions.
    """

    text: str = field(repr=False)
    faults: tuple[Fault, ...]
    tags: tuple[Tag, ...] = field(repr=False, default=())
    algorithm: str = ""
    domain: str = ""
    selector: str = ""
    identity: str = ""
    signed_names: tuple[str, ...] = ()
    header_canonicalization: str = "simple"
    body_canonicalization: str = "simple"
    body_length: int | None = None
    body_hash: bytes = b""
    value: bytes = field(repr=False, default=b"")
    timestamp: int | None = None
    expires: int | None = None
    copied: tuple[tuple[str, str], ...] = field(repr=False, default=())

    @property
    def well_formed(self) -> bool:
        """No fault that makes a verifier refuse it (§6.1.1)."""
        return not any(fault.fatal for fault in self.faults)

    @property
    def key_name(self) -> str:
        """Where the public key stands (§3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def identity_domain(self) -> str:
        """The domain of the AUID."""
        return self.identity.rpartition("@")[2]

    def fault(self, *kinds: str) -> Fault | None:
        """The first fault of one of these kinds."""
        return next((fault for fault in self.faults if fault.kind in kinds), None)


def parse_signature(value: str | bytes) -> Signature:
    """Read the value of a DKIM-Signature field. Never raises.

    Fault kinds, all fatal but the last two: those of tag lists, ``missing-tag``, ``bad-version``, ``sha1``,
    ``unknown-algorithm``, ``bad-base64``, ``bad-length-of-hash``, ``bad-domain``, ``bad-selector``,
    ``bad-signed-name``, ``from-not-signed``, ``bad-identity``, ``bad-body-length``, ``bad-canonicalization``,
    ``bad-query``, ``bad-time``, ``expires-before-signing``, ``too-long``; ``body-length`` (l= is used),
    ``empty-signed-name``.
    """
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
    if len(text) > LONGEST:
        return Signature(text, (Fault("too-long", f"the field has {len(text)} characters", (0, len(text)), True),))
    return _Reading(text).signature()


class _Reading:
    """One signature field being read."""

    def __init__(self, text: str) -> None:
        self.text = text
        tags: TagList = parse_taglist(text)
        self.tags = tags.tags
        self.first = {tag.name: tag for tag in reversed(tags.tags)}
        # §3.2: any deviation from the grammar, a repeated tag above all, makes the whole list invalid
        self.faults = [Fault(f.kind, f.detail, f.span, f.kind != "typographic-quote") for f in tags.faults]

    def fault(self, kind: str, detail: str, tag: Tag | None, *, fatal: bool = True) -> None:
        self.faults.append(Fault(kind, detail, tag.span if tag else (0, len(self.text)), fatal))

    def signature(self) -> Signature:
        for name in REQUIRED:
            if self.first.get(name) is None:
                self.fault("missing-tag", f"the required tag {name}= is missing", None)
        self._version()
        header_form, body_form = self._canonicalization()
        domain = self._name("d", "bad-domain")
        selector = self._name("s", "bad-selector")
        if len(selector) + len("._domainkey.") + len(domain) > LONGEST_NAME:
            self.fault("bad-selector", "selector and domain make a name of more than 253 octets", self.first.get("s"))
        timestamp, expires = self._times()
        self._query()
        return Signature(
            text=self.text,
            tags=self.tags,
            algorithm=self._algorithm(),
            domain=domain,
            selector=selector,
            identity=self._identity(domain),
            signed_names=self._signed_names(),
            header_canonicalization=header_form,
            body_canonicalization=body_form,
            body_length=self._body_length(),
            body_hash=self._body_hash(),
            value=self._base64("b"),
            timestamp=timestamp,
            expires=expires,
            copied=self._copied(),
            faults=first_faults(self.faults),
        )

    def _version(self) -> None:
        """§3.5 v=: "1", and nothing else is compatible (§6.1.1)."""
        tag = self.first.get("v")
        if tag and tag.value != "1":
            self.fault("bad-version", f"v={tag.value} where 1 is the only version", tag)

    def _algorithm(self) -> str:
        tag = self.first.get("a")
        if tag is None:
            return ""
        if tag.value in REFUSED:
            self.fault("sha1", f"a={tag.value} must not be used any more (RFC 8301 §3.1)", tag)
        elif tag.value not in ALGORITHMS:
            self.fault("unknown-algorithm", f"a={tag.value} is no algorithm of DKIM", tag)
        return tag.value

    def _name(self, name: str, kind: str) -> str:
        """d= or s= as A-labels (RFC 8616 §5 admits U-labels in internationalized messages)."""
        tag = self.first.get(name)
        if tag is None:
            return ""
        try:
            return to_ascii(tag.value)
        except BadName as bad:
            self.fault(kind, f"{name}=: {bad}", tag)
            return tag.value

    def _identity(self, domain: str) -> str:
        """§3.5 i=: its domain is d= or lies below it; without the tag it is "@" and d=."""
        tag = self.first.get("i")
        if tag is None:
            return f"@{domain}"
        compact = _BLANK.sub("", tag.value)
        local, at, given = compact.rpartition("@")
        try:
            host = to_ascii(given) if at else ""
        except BadName as bad:
            self.fault("bad-identity", f"i=: {bad}", tag)
            return compact
        if not at:
            self.fault("bad-identity", f"i={compact} has no '@'", tag)
        elif domain and not within(host, domain):
            self.fault("bad-identity", f"i={compact} is not within d={domain}", tag)
        return f"{local}@{host}"

    def _signed_names(self) -> tuple[str, ...]:
        """§3.5 h=: the names of the signed fields; From must be one of them (§5.4)."""
        tag = self.first.get("h")
        if tag is None:
            return ()
        names = [part.strip(" \t\r\n").lower() for part in tag.value.split(":")]
        if "" in names:
            self.fault("empty-signed-name", "h= has an empty name", tag, fatal=False)
        bad = next((name for name in names if name and not _FIELD_NAME.fullmatch(name)), None)
        if bad is not None:
            self.fault("bad-signed-name", f"h= has {bad!r}, which is no field name", tag)
        if "from" not in names:
            self.fault("from-not-signed", "h= does not contain From, which must be signed", tag)
        return tuple(name for name in names if name)

    def _canonicalization(self) -> tuple[str, str]:
        """§3.5 c=: header and body; "simple/simple" without the tag, simple for the body without a slash."""
        tag = self.first.get("c")
        if tag is None:
            return "simple", "simple"
        header_form, slash, body_form = tag.value.partition("/")
        body_form = body_form if slash else "simple"
        if header_form not in CANONICALIZATIONS or body_form not in CANONICALIZATIONS:
            self.fault("bad-canonicalization", f"c={tag.value} names an unknown form", tag)
        return header_form, body_form

    def _body_length(self) -> int | None:
        """§3.5 l=: how much of the body is signed; what follows is anybody's (§8.2)."""
        tag = self.first.get("l")
        if tag is None:
            return None
        if not _LENGTH.fullmatch(tag.value):
            self.fault("bad-body-length", f"l={tag.value} is no number of octets", tag)
            return None
        self.fault("body-length", f"l={tag.value} leaves what follows in the body unsigned", tag, fatal=False)
        return int(tag.value)

    def _body_hash(self) -> bytes:
        digest = self._base64("bh")
        if digest and len(digest) != 32:
            detail = f"bh= holds {len(digest)} octets; a SHA-256 hash has 32"
            if not self._is_sha1():
                self.fault("bad-length-of-hash", detail, self.first.get("bh"))
        return digest

    def _is_sha1(self) -> bool:
        tag = self.first.get("a")
        return tag is not None and tag.value in REFUSED

    def _base64(self, name: str) -> bytes:
        tag = self.first.get(name)
        if tag is None:
            return b""
        compact = _BLANK.sub("", tag.value)
        if not _BASE64.fullmatch(compact) or len(compact) % 4:
            what = "empty" if not compact else "not base64, or cut short"
            self.fault("bad-base64", f"{name}= is {what}", tag)
            return b""
        return base64.b64decode(compact)

    def _query(self) -> None:
        """§3.5 q=: a list of methods, unknown ones ignored; dns/txt is the only one there is."""
        tag = self.first.get("q")
        if tag and "dns/txt" not in (part.strip(" \t\r\n") for part in tag.value.split(":")):
            self.fault("bad-query", f"q={tag.value} does not offer dns/txt", tag)

    def _times(self) -> tuple[int | None, int | None]:
        """§3.5 t= and x=: seconds since 1970; x= must be greater than t=."""
        signed, expires = self._time("t"), self._time("x")
        if signed is not None and expires is not None and expires <= signed:
            self.fault("expires-before-signing", f"x={expires} is not later than t={signed}", self.first.get("x"))
        return signed, expires

    def _time(self, name: str) -> int | None:
        tag = self.first.get(name)
        if tag is None:
            return None
        if not _TIME.fullmatch(tag.value):
            self.fault("bad-time", f"{name}={tag.value} is no number of seconds", tag)
            return None
        return int(tag.value)

    def _copied(self) -> tuple[tuple[str, str], ...]:
        """§3.5 z=: copies of header fields, for diagnosis only."""
        tag = self.first.get("z")
        if tag is None:
            return ()
        fields = (_unquoted(part).partition(":") for part in tag.value.split("|"))
        return tuple((name.strip().lower(), value) for name, colon, value in fields if colon)


def _unquoted(text: str) -> str:
    """DKIM-Quoted-Printable decoded (§2.11): white space is ignored, =XX is an octet."""
    latin = _QUOTED.sub(_octet, _BLANK.sub("", text))
    return latin.encode("latin-1", "replace").decode("utf-8", "replace")


def _octet(match: re.Match[str]) -> str:
    return chr(int(match[1], 16))

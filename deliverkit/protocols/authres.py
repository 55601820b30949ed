"""The Authentication-Results header field (RFC 8601): read, write, and tell whose word it is.

    authres-header = authserv-id [ CFWS version ] ( ";" "none" / 1*( ";" resinfo ) )
    resinfo        = method [ "/" version ] "=" result [ "reason" "=" value ] *( ptype "." property "=" pvalue )

Reading never raises and returns what could be understood with every fault. Writing never lets a value become syntax:
what a stranger put into an address cannot start a new result, let alone a new header field. Only a field whose
authserv-id is one's own may be believed (§5), and only if one's own border removed forged ones: see `trusted`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deliverkit.protocols.fault import Fault

RESULTS = frozenset(  # RFC 8601 §2.7
    (
        "none",
        "pass",
        "fail",
        "softfail",
        "neutral",
        "policy",
        "temperror",
        "permerror",
        "hardfail",
        "discard",
        "unknown",
    )
)
MAX_RESULTS = 200  # in one field; more is no honest field
WIDTH = 78  # RFC 5322 §2.1.1
_MAX_VALUE = 512  # characters of one written value
_TOKEN = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+")  # RFC 2045 §5.1
_ADDRESS = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]*@[0-9A-Za-z_.-]+")
_KEYWORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")  # RFC 5321 §4.1.2
_PROPERTY = re.compile(r"([A-Za-z0-9-]+)\s*\.\s*([A-Za-z0-9_-]+)")
_BARE = re.compile(r"[^\s;()\"=]+")
_METHOD = re.compile(r"[^\s;()\"=/]+")
_PVALUE = re.compile(r"[^\s;()\"]+")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Property:
    """One ``ptype.property=value``, such as smtp.mailfrom=example.com. Type and name are lower case."""

    ptype: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One method's result. ``method`` and ``result`` are lower case however they were written."""

    method: str
    result: str
    reason: str | None = None
    properties: tuple[Property, ...] = ()
    comments: tuple[str, ...] = ()
    version: int = 1
    span: tuple[int, int] = (0, 0)

    def get(self, ptype: str, name: str) -> str | None:
        """The value of a property, or None."""
        return next((p.value for p in self.properties if (p.ptype, p.name) == (ptype, name)), None)


@dataclass(frozen=True, slots=True)
class AuthenticationResults:
    """One field. ``results`` is empty for "none"; ``version`` is 1 unless it says otherwise."""

    text: str
    authserv_id: str
    version: int
    results: tuple[MethodResult, ...]
    faults: tuple[Fault, ...]

    def of(self, method: str) -> tuple[MethodResult, ...]:
        """The results of one method, in their order (a message may carry several DKIM signatures)."""
        return tuple(one for one in self.results if one.method == method)


class _Reader:
    """A cursor over the field's text; every step moves forward, so reading takes linear time."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.faults: list[Fault] = []
        self.comments: list[str] = []

    def fault(self, kind: str, detail: str, start: int, end: int | None = None) -> None:
        """Note a fault from ``start`` to the cursor."""
        stop = min(max(self.at if end is None else end, start + 1), len(self.text))
        self.faults.append(Fault(kind, detail, (min(start, stop), stop)))

    def skip(self) -> None:
        """Skip blanks, folds and comments (CFWS), keeping the comments."""
        while self.at < len(self.text):
            if self.text[self.at].isspace():
                self.at += 1
            elif self.text[self.at] == "(":
                self._comment()
            else:
                return

    def _comment(self) -> None:
        start, depth = self.at, 0
        while self.at < len(self.text):
            character = self.text[self.at]
            self.at += 2 if character == "\\" else 1
            depth += (character == "(") - (character == ")")
            if depth == 0:
                self.comments.append(self.text[start + 1 : self.at - 1].strip())
                return
        self.at = len(self.text)
        self.comments.append(self.text[start + 1 :].strip())
        self.fault("unclosed-comment", "a comment that is never closed", start)

    def quoted(self) -> str:
        """The quoted string at the cursor, without its quotes and backslashes."""
        start = self.at
        out: list[str] = []
        self.at += 1
        while self.at < len(self.text):
            character = self.text[self.at]
            self.at += 1
            if character == '"':
                return "".join(out)
            if character == "\\" and self.at < len(self.text):
                character = self.text[self.at]
                self.at += 1
            out.append(character)
        self.fault("unclosed-quote", "a quoted string that is never closed", start)
        return "".join(out)

    def take(self, pattern: re.Pattern[str]) -> str:
        """What the pattern matches at the cursor, or nothing."""
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()
            return match[0]
        return ""

    def value(self) -> str:
        """A value: a run of characters in which quoted strings may stand (``"a b"@example.com``)."""
        self.skip()
        parts = []
        while self.at < len(self.text):
            part = self.quoted() if self.text[self.at] == '"' else self.take(_PVALUE)
            if not part and (self.at >= len(self.text) or self.text[self.at] != '"'):
                break
            parts.append(part)
        return "".join(parts)

    def sees(self, character: str) -> bool:
        """True, and past it, if the next character after CFWS is this one."""
        self.skip()
        if self.text.startswith(character, self.at):
            self.at += 1
            return True
        return False

    def to_semicolon(self) -> None:
        """Go on to the next semicolon outside quotes and comments."""
        while self.at < len(self.text) and self.text[self.at] != ";":
            if self.text[self.at] == '"':
                self.quoted()
            elif self.text[self.at] == "(":
                self._comment()
            else:
                self.at += 1


def parse_authres(text: str) -> AuthenticationResults:
    """Read the value of one Authentication-Results field, folded or not.

    Fault kinds: ``no-authserv-id``, ``bad-version``, ``no-results``, ``none-with-results``, ``empty-result``,
    ``no-equals``, ``bad-method``, ``unknown-result``, ``bad-property``, ``unclosed-comment``, ``unclosed-quote``,
    ``stray-text``, ``too-many-results``.
    """
    reader = _Reader(text)
    reader.skip()
    start = reader.at
    authserv_id = reader.quoted() if text.startswith('"', reader.at) else reader.take(_BARE)
    if not authserv_id or text.startswith("=", reader.at):
        reader.fault("no-authserv-id", "the field does not start with an authserv-id", start)
        authserv_id, reader.at = "", start
        results = [_result(reader)] if text[start:].strip() and not text.startswith(";", start) else []
    else:
        results = []
    version = _version(reader) if authserv_id else 1
    found = [one for one in results if one]
    none = False
    while reader.sees(";"):
        if len(found) >= MAX_RESULTS:
            reader.fault("too-many-results", f"more than {MAX_RESULTS} results", reader.at - 1, len(text))
            break
        one = _result(reader)
        if one is None:
            continue
        if one.result:
            found.append(one)
        else:
            none = True
    if none and found:
        reader.fault("none-with-results", '"none" stands beside results', 0, len(text))
    elif not none and not found:
        reader.fault("no-results", 'neither a result nor "none"', 0, len(text))
    faults = tuple(sorted(reader.faults, key=lambda fault: fault.span)) if text else tuple(reader.faults)
    return AuthenticationResults(text, authserv_id, version, tuple(found), faults)


def _version(reader: _Reader) -> int:
    """The field's version after the authserv-id (RFC 8601 §2.2); 1 when there is none."""
    reader.skip()
    start = reader.at
    word = reader.take(_BARE)
    if not word:
        return 1
    if re.fullmatch(r"[0-9]{1,9}", word):
        return int(word)
    reader.to_semicolon()
    reader.fault("bad-version", f"{word[:40]!r} after the authserv-id is no version", start)
    return 1


def _result(reader: _Reader) -> MethodResult | None:
    """One resinfo, up to the next semicolon; a result of "" stands for "none"."""
    reader.comments = []
    reader.skip()
    start = reader.at
    method = reader.take(_METHOD)
    if not method:
        stray = reader.at < len(reader.text) and reader.text[reader.at] != ";"
        reader.to_semicolon()
        if stray:
            reader.fault("stray-text", "text that is no result", start)
        elif reader.at < len(reader.text):
            reader.fault("empty-result", "nothing between two semicolons", start)
        return None
    version = ""
    if reader.sees("/"):
        reader.skip()
        version = reader.take(_METHOD)
    if not reader.sees("="):
        if method.lower() == "none":
            reader.to_semicolon()
            return MethodResult("none", "", span=(start, reader.at))
        reader.to_semicolon()
        reader.fault("no-equals", f"{method[:40]!r} is no result: it has no '='", start)
        return None
    if not _KEYWORD.fullmatch(method) or not re.fullmatch(r"[0-9]{0,9}", version):
        reader.fault("bad-method", f"{method[:40]!r} is no method", start, start + len(method))
    reader.skip()
    word_at = reader.at
    word = reader.value().lower()
    if word not in RESULTS:
        reader.fault("unknown-result", f"{word[:40]!r} is no result word (RFC 8601 §2.7)", word_at)
    reason, properties = _rest(reader)
    number = int(version) if re.fullmatch(r"[0-9]{1,9}", version) else 1
    comments = tuple(reader.comments)
    return MethodResult(method.lower(), word or "none", reason, properties, comments, number, (start, reader.at))


def _rest(reader: _Reader) -> tuple[str | None, tuple[Property, ...]]:
    """reason= and the properties, up to the semicolon. Real fields put reason= anywhere."""
    reason: str | None = None
    properties: list[Property] = []
    while True:
        reader.skip()
        start = reader.at
        if start >= len(reader.text) or reader.text[start] == ";":
            return reason, tuple(properties)
        match = _PROPERTY.match(reader.text, start)
        key = match[0] if match else reader.take(_BARE)
        reader.at = start + len(key)
        if not key or not reader.sees("="):
            reader.at = max(reader.at, start + 1)
            if reader.text[start] == '"':
                reader.at = start
                reader.quoted()
            reader.fault("stray-text", "text that is neither a property nor a reason", start)
            continue
        value = reader.value()
        if match:
            properties.append(Property(match[1].lower(), match[2].lower(), value))
        elif key.lower() == "reason":
            reason = value
        else:  # action=none and the like, as some receivers write them
            properties.append(Property("", key.lower(), value))
            reader.fault("bad-property", f"{key[:40]} has no property type", start, start + len(key))


def trusted(fields: Iterable[str], authserv_ids: Iterable[str]) -> tuple[AuthenticationResults, ...]:
    """The fields written by one of these servers, in a version we understand (RFC 8601 §2.2, §5).

    Everything else in a message is the sender's own claim. The border of the trusted servers must have removed
    fields that borrow their id.
    """
    own = {name.strip().lower().rstrip(".") for name in authserv_ids}
    read = (parse_authres(field) for field in fields)
    return tuple(one for one in read if one.version == 1 and one.authserv_id.lower().rstrip(".") in own - {""})


def format_authres(authserv_id: str, results: Sequence[MethodResult], *, width: int = WIDTH) -> str:
    """The value of an Authentication-Results field, folded (CRLF and a tab) to lines of about ``width`` columns."""
    lines = [_written(authserv_id)]
    if not results:
        return f"{lines[0]}; none"
    for one in results:
        lines[-1] += ";"
        line = "\t"
        for part in _parts(one):
            if line.strip() and len(line.expandtabs()) + 1 + len(part) > width:
                lines.append(line)
                line = "\t "
            line += part if not line.strip() else f" {part}"
        lines.append(line)
    return "\r\n".join(lines)


def _parts(one: MethodResult) -> list[str]:
    """One result as the pieces between which the line may be folded."""
    method = _keyword(one.method) + (f"/{one.version}" if one.version != 1 else "")
    parts = [f"{method}={_keyword(one.result)}"]
    parts += [_comment(comment) for comment in one.comments if comment]
    if one.reason:
        parts.append(f"reason={_written(one.reason, quote=True)}")
    for p in one.properties:
        parts.append(f"{_keyword(p.ptype)}.{_keyword(p.name)}={_written(p.value)}")
    return parts


def _keyword(word: str) -> str:
    """A method, result, ptype or property: letters, digits and hyphens, whatever was handed in."""
    return re.sub(r"[^a-z0-9_-]", "", word.lower()) or "x"


def _written(value: str, *, quote: bool = False) -> str:
    """A value as a token or address, else as a quoted string; control characters become one question mark."""
    clean = _CONTROL.sub("?", value)[:_MAX_VALUE]
    if not quote and (_TOKEN.fullmatch(clean) or _ADDRESS.fullmatch(clean)):
        return clean
    escaped = clean.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _comment(text: str) -> str:
    clean = _CONTROL.sub("?", text)[:_MAX_VALUE]
    escaped = re.sub(r"([\\()])", r"\\\1", clean)
    return f"({escaped})"

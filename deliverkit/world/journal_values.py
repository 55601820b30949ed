"""Our values as plain JSON and back: answers, what SMTP flows asked and heard, transcripts, the vantage, a message.

Whatever comes back from a file is checked: a value of the wrong type or a key nobody knows raises `BadValue` that says
which. Octets that are no text keep their values; control characters become JSON escapes, so nothing steers a terminal.
What this file will not do: know lines, files or digests (`journal`).
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import functools
import json
import math
import re
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, TypeVar, cast

from deliverkit.flow import Answer, Page, PageTrouble, Question, Source, Status
from deliverkit.smtp.transcript import Event, Transcript, event_name, without_secret
from deliverkit.world.values import TEXT_TYPES

T = TypeVar("T")
Json: typing.TypeAlias = "dict[str, Any]"

_ESCAPE = re.compile(r"\\([0-9]{3}|\\)")
_LARGEST = 2**63


class BadValue(ValueError):
    """A value that is not what it should be; the text names the key and what was expected."""


def dumped(value: Any) -> str:
    """One line of JSON in plain ASCII; nothing in it acts upon a terminal or is changed by mail."""
    return json.dumps(value, allow_nan=False, separators=(", ", ": ")).replace("\x7f", "\\u007f")


def shown(value: Any) -> str:
    """The beginning of a value for a message about it."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def wrong(key: str, value: Any, expected: str) -> BadValue:
    """The refusal of a value."""
    return BadValue(f"{key!r} is {shown(value)}; expected {expected}")


# -- octets -----------------------------------------------------------------------------------------------


def octets_json(octets: bytes) -> Any:
    r"""Octets as text, odd ones as ``\DDD`` (RFC 1035 §5.1); as base64 where most of them are odd."""
    odd = sum(not 0x20 <= octet <= 0x7E for octet in octets)
    if odd * 4 > len(octets):
        return {"base64": base64.b64encode(octets).decode()}
    return "".join(
        "\\\\" if octet == 0x5C else chr(octet) if 0x20 <= octet <= 0x7E else f"\\{octet:03d}" for octet in octets
    )


def octets_of(value: Any, key: str) -> bytes:
    """The octets again. Raises BadValue."""
    if isinstance(value, str) and value.isascii():
        rest = _ESCAPE.sub("", value)
        if "\\" not in rest and all(int(code) < 256 for code in _ESCAPE.findall(value) if code != "\\"):
            return _ESCAPE.sub(lambda m: "\\" if m[1] == "\\" else chr(int(m[1])), value).encode("latin-1")
    elif isinstance(value, dict) and set(value) == {"base64"} and isinstance(value["base64"], str):
        return _base64(value["base64"], key)
    raise wrong(key, value, 'text with \\DDD for odd octets, or {"base64": …}')


def _base64(text: str, key: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise wrong(key, text, "base64") from None


def message_json(raw: bytes) -> Json:
    """A message: readable where it is text, else base64."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    odd = sum(not (" " <= character <= "~" or character in "\t\r\n") for character in text)
    if "\0" in text or odd * 4 > len(text):
        return {"base64": base64.b64encode(raw).decode()}
    return {"text": text}


def message_of(value: Any) -> bytes:
    """The octets of a message. Raises BadValue."""
    if isinstance(value, dict) and len(value) == 1:
        told = value.get("text", value.get("base64"))
        if isinstance(told, str):
            if "base64" in value:
                return _base64(told, "base64")
            try:
                return told.encode("utf-8")
            except UnicodeEncodeError:
                pass
    raise wrong("message", value, '{"text": …} or {"base64": …}')


# -- dataclasses ------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """A value of ours as JSON: of a dataclass the fields that differ from their defaults."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        return octets_json(value)
    if isinstance(value, (tuple, list)):
        return [plain(one) for one in value]
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    return {
        field.name: plain(getattr(value, field.name))
        for field in dataclasses.fields(value)
        if field.default is dataclasses.MISSING or getattr(value, field.name) != field.default
    }


def made(kind: type[T], value: Any, key: str) -> T:
    """A dataclass from its JSON. Raises BadValue for what does not fit its fields."""
    if not isinstance(value, dict):
        raise wrong(key, value, "an object")
    hints = _hints(cast(Any, kind))
    for name in value:
        if name not in hints:
            raise BadValue(f"{key!r} has the key {shown(name)}, which nobody knows; expected {', '.join(hints)}")
    for field in dataclasses.fields(cast(Any, kind)):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in value:
            raise BadValue(f"{key!r} lacks {field.name!r}")
    return kind(**{name: fitted(hints[name], one, name) for name, one in value.items()})


@functools.cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: hint for name, hint in typing.get_type_hints(kind).items() if name in names}


def fitted(hint: Any, value: Any, key: str) -> Any:
    """A value as the type hint wants it. Raises BadValue."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        (hint,) = [one for one in arguments if one is not type(None)]
        return fitted(hint, value, key)
    if origin is tuple:
        return _tuple(arguments, value, key)
    if origin is typing.Literal:
        if isinstance(value, str) and value in arguments:
            return value
        raise wrong(key, value, f"one of {', '.join(arguments)}")
    if hint is bytes:
        return octets_of(value, key)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return member(hint, value, key)
    if dataclasses.is_dataclass(hint):
        return made(cast(type[Any], hint), value, key)
    return _simple(hint, value, key)


def _tuple(arguments: tuple[Any, ...], value: Any, key: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise wrong(key, value, "a list")
    if arguments[-1] is Ellipsis:
        return tuple(fitted(arguments[0], one, key) for one in value)
    if len(value) != len(arguments):
        raise wrong(key, value, f"a list of {len(arguments)}")
    return tuple(fitted(hint, one, key) for hint, one in zip(arguments, value, strict=True))


def _simple(hint: Any, value: Any, key: str) -> Any:
    if hint is bool and isinstance(value, bool):
        return value
    if hint is str and isinstance(value, str):
        return value
    if hint is int and type(value) is int and abs(value) < _LARGEST:
        return value
    if hint is float and type(value) in (int, float) and math.isfinite(value) and abs(value) < _LARGEST:
        return float(value)
    raise wrong(key, value, {bool: "true or false", str: "text", int: "a whole number"}.get(hint, "a number"))


E = TypeVar("E", bound=Enum)


def member(kind: type[E], value: Any, key: str) -> E:
    """A word as the member of an enumeration. Raises BadValue."""
    try:
        return kind(value)
    except ValueError:
        raise wrong(key, value, f"one of {', '.join(str(one.value) for one in kind)}") from None


# -- answers of DNS ---------------------------------------------------------------------------------------


def answer_json(answer: Answer) -> Json:
    """One line for one answer; what is not there is left out."""
    line: Json = {"dns": answer.question.name, "type": answer.question.type, "status": answer.status.value}
    if answer.records:
        line["records"] = [_record_json(answer.question.type, one) for one in answer.records]
    if answer.ttl is not None:
        line["ttl"] = answer.ttl
    for name, usual in _OPTIONAL.items():
        if (value := getattr(answer, name)) != usual:
            line[name] = plain(value)
    if elapsed := round(answer.elapsed_s, 6):
        line["elapsed_s"] = elapsed
    return line


_OPTIONAL: Final[dict[str, Any]] = {
    "aliases": (), "authentic": False, "server": None, "detail": "", "extended_errors": (), "sources": (),
}  # fmt: skip


def answer_of(line: Json) -> Answer:
    """The answer of a line. Raises BadValue."""
    known = {"dns", "type", "status", "records", "ttl", "elapsed_s", *_OPTIONAL}
    if strange := set(line) - known:
        raise BadValue(f"the key {shown(min(strange))} is unknown here")
    type_ = fitted(str, line.get("type"), "type")
    question = Question(fitted(str, line["dns"], "dns"), type_)
    records = line.get("records", [])
    if not isinstance(records, list):
        raise wrong("records", records, "a list")
    return Answer(
        question,
        member(Status, line.get("status"), "status"),
        tuple(_record_of(type_, one) for one in records),
        fitted(int | None, line.get("ttl"), "ttl"),
        fitted(tuple[str, ...], line.get("aliases", []), "aliases"),
        fitted(bool, line.get("authentic", False), "authentic"),
        fitted(str | None, line.get("server"), "server"),
        fitted(str, line.get("detail", ""), "detail"),
        fitted(tuple[tuple[int, str], ...], line.get("extended_errors", []), "extended_errors"),
        fitted(tuple[Source, ...], line.get("sources", []), "sources"),
        fitted(float, line.get("elapsed_s", 0.0), "elapsed_s"),
    )


_OF_PAGE: Final[dict[str, Any]] = {"media_type": "", "location": "", "detail": ""}


def page_json(page: Page) -> Json:
    """One line for one page; what is not there is left out."""
    line: Json = {"https": page.url}
    if page.status is not None:
        line |= {"status": page.status, "body": message_json(page.octets)}
    if page.trouble is not None:
        line["trouble"] = page.trouble.value
    return line | {name: getattr(page, name) for name, usual in _OF_PAGE.items() if getattr(page, name) != usual}


def page_of(line: Json) -> Page:
    """The page of a line. Raises BadValue."""
    if strange := set(line) - {"https", "status", "body", "trouble", *_OF_PAGE}:
        raise BadValue(f"the key {shown(min(strange))} is unknown here")
    trouble = line.get("trouble")
    return Page(
        fitted(str, line["https"], "https"),
        fitted(int | None, line.get("status"), "status"),
        octets=message_of(line["body"]) if "body" in line else b"",
        trouble=None if trouble is None else member(PageTrouble, trouble, "trouble"),
        **{name: fitted(str, line.get(name, usual), name) for name, usual in _OF_PAGE.items()},
    )


def _record_json(type_: str, value: Any) -> Any:
    """A record as `flow.Answer` documents it: TXT as the list of its character-strings, TLSA data as hex."""
    if type_ in TEXT_TYPES:
        return [octets_json(string) for string in value]
    if type_ == "TLSA":
        return [*value[:3], value[3].hex()]
    return plain(value)


_SHAPES: Final[dict[str, Any]] = {
    "MX": tuple[int, str],
    "SOA": tuple[str, str, int, int, int, int, int],
    "TLSA": tuple[int, int, int, str],
}


def _record_of(type_: str, value: Any) -> Any:
    if type_ in TEXT_TYPES:
        if not isinstance(value, list):
            raise wrong("records", value, "a list of texts")
        return tuple(octets_of(string, "records") for string in value)
    record = fitted(_SHAPES.get(type_, str), value, "records")
    if type_ != "TLSA":
        return record
    try:
        return (*record[:3], bytes.fromhex(record[3]))
    except ValueError:
        raise wrong("records", value, "a TLSA record with its data in hex") from None


# -- what SMTP flows ask and hear -------------------------------------------------------------------------


def ask_json(asked: Any) -> Json:
    """An ask, secrets masked and times left out: {"say": "EHLO mx.example.com"}. Of content the size alone is kept."""
    from deliverkit.smtp.dialogue import Connect, Handshake, Hear, Say, SayAll, SendContent

    match asked:
        case Connect(address=address, port=port):
            return {"connect": address, "port": port}
        case Handshake(server_name=name, verify_name=verified, ca_file=file, min_version=least):
            told = {"server_name": name, "verify_name": verified, "ca_file": file, "min_version": least}
            return {"handshake": {key: value for key, value in told.items() if value is not None}}
        case Hear(waiting_for=awaited):
            return {"hear": awaited}
        case Say(line=line, secret=secret):
            return {"say": without_secret(line, secret=secret)}
        case SayAll(lines=lines):
            return {"say_all": [without_secret(line) for line in lines]}
        case SendContent(content=content):
            return {"content_octets": len(content)}
        case _:
            return {"hangup": True}


def heard_json(heard: Any) -> Any:
    """A heard under the name of its kind: {"reply": {"code": 220, "lines": ["mx.example.com ESMTP"]}}."""
    if heard is None:
        return None
    if isinstance(heard, tuple):
        return [heard_json(one) for one in heard]
    return {event_name(type(heard)): plain(heard)}


def heard_of(value: Any) -> Any:
    """The heard again. Raises BadValue."""
    from deliverkit.smtp.dialogue import Connected, Reply, TlsSession, Trouble

    if value is None:
        return None
    if isinstance(value, list):
        return tuple(heard_of(one) for one in value)
    return _one_of((Connected, Reply, TlsSession, Trouble), value, "heard")


def transcript_json(transcript: Any) -> Json:
    """A transcript with its times."""
    events = [{"event": event_name(type(event)), **plain(event)} for event in transcript.events]
    return {"client": transcript.client, "server": transcript.server, "events": events}


def transcript_of(value: Any) -> Any:
    """The transcript again. Raises BadValue."""

    if not isinstance(value, dict) or set(value) != {"client", "server", "events"}:
        raise wrong("transcript", value, "an object with client, server and events")
    kinds: tuple[type[Any], ...] = typing.get_args(Event)
    events = []
    if not isinstance(value["events"], list):
        raise wrong("events", value["events"], "a list")
    for told in value["events"]:
        if not isinstance(told, dict) or not isinstance(told.get("event"), str):
            raise wrong("events", told, "an object with its kind under 'event'")
        rest = {key: one for key, one in told.items() if key != "event"}
        events.append(_one_of(kinds, {told["event"]: rest}, "events"))
    client, server = (fitted(str, value[side], side) for side in ("client", "server"))
    return Transcript(client, server, events)


def _one_of(kinds: tuple[type[Any], ...], value: Any, key: str) -> Any:
    """The dataclass that the single key names."""
    named = {event_name(kind): kind for kind in kinds}
    if not isinstance(value, dict) or len(value) != 1 or next(iter(value)) not in named:
        raise wrong(key, value, f"an object whose one key is {', '.join(named)}")
    ((name, fields),) = value.items()
    return made(named[name], fields, name)

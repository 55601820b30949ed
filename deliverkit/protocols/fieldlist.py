"""The strict field lists of TLS-RPT (RFC 8460 §3) and MTA-STS (RFC 8461 §3.1) TXT records.

    record      = version 1*(field-delim field) [field-delim]
    field-delim = *WSP ";" *WSP
    field       = name "=" value                 ; no blanks around "=", names are case-sensitive

Whatever does not follow the grammar makes the record unusable, so those faults are fatal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from deliverkit.protocols.fault import Fault

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_VALUE = re.compile(r"[\x21-\x3a\x3c\x3e-\x7e]+")  # no "=", ";", blank or control character
_BLANK = " \t"


@dataclass(frozen=True, slots=True)
class Field:
    """One field; both spans are places in the record."""

    name: str
    value: str
    span: tuple[int, int]
    value_span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class FieldList:
    """The fields after the version, and what is wrong around them."""

    fields: tuple[Field, ...]
    faults: tuple[Fault, ...]

    def all(self, name: str) -> tuple[Field, ...]:
        """The fields of that name, in their order."""
        return tuple(field for field in self.fields if field.name == name)

    def others(self, *names: str) -> tuple[tuple[str, str], ...]:
        """Name and value of every field with another name: the extensions."""
        return tuple((field.name, field.value) for field in self.fields if field.name not in names)


def starts_with_version(text: str, version: str) -> bool:
    """True if a sender takes the text for a record of this kind: "v=TLSRPTv1" and then a semicolon or nothing."""
    return re.match(rf"v={re.escape(version)}[ \t]*(;|$)", text) is not None


def parse_fields(text: str, version: str, own: tuple[str, ...]) -> FieldList:
    """Read a record; the values of the ``own`` fields are left to the caller, all others are extensions.

    Fault kinds, all fatal: ``version``, ``empty-field``, ``no-equals``, ``blank-around-equals``, ``bad-field-name``,
    ``bad-field-value``, ``not-ascii``.
    """
    faults: list[Fault] = []
    fields: list[Field] = []
    start = 0
    pieces = text.split(";")
    for number, piece in enumerate(pieces):
        left = start + len(piece) - len(piece.lstrip(_BLANK))
        body = piece.strip(_BLANK)
        span = (left, left + len(body))
        start += len(piece) + 1
        if number == 0:
            faults.extend(_version_faults(text, body, version, span))
        elif body:
            _field(body, span, own, fields, faults)
        elif number < len(pieces) - 1:
            place = (max(span[0] - 1, 0), min(span[0] + 1, len(text)))
            faults.append(Fault("empty-field", "nothing between two semicolons", place, fatal=True))
    odd = re.search(r"[^\x00-\x7f]", text)
    if odd:
        detail = f"{odd[0]!r} is not ASCII"
        faults.append(Fault("not-ascii", detail, odd.span(), fatal=True))
    return FieldList(tuple(fields), tuple(faults))


def _version_faults(text: str, body: str, version: str, span: tuple[int, int]) -> list[Fault]:
    if starts_with_version(text, version):
        return []
    if body == f"v={version}":  # so there were blanks in front
        detail = f"blanks in front of v={version}"
        return [Fault("version", detail, (0, span[0]), fatal=True)]
    shown = body if len(body) <= 40 else body[:39] + "…"
    squeezed = re.sub(r"\s", "", body).lower()
    if squeezed == f"v={version}".lower():
        detail = f"the version is written {shown!r}; it must be v={version} to the letter"
    elif re.match(rf"v={re.escape(version)}\s", body):
        detail = f"no semicolon after v={version}"
    else:
        detail = f"the record starts with {shown!r}, not with v={version}"
    return [Fault("version", detail, span if body else (0, min(1, len(text))), fatal=True)]


def _field(body: str, span: tuple[int, int], own: tuple[str, ...], fields: list[Field], faults: list[Fault]) -> None:
    """One field between two semicolons, appended to the fields, with its faults appended to the faults."""
    raw_name, equals, raw_value = body.partition("=")
    name, value = raw_name.rstrip(_BLANK), raw_value.lstrip(_BLANK)
    value_span = (span[1] - len(value), span[1])
    shown = body if len(body) <= 40 else body[:39] + "…"
    if not equals:
        faults.append(Fault("no-equals", f"{shown!r} is no field: it has no '='", span, fatal=True))
        return
    if name != raw_name or value != raw_value:
        place = (span[0] + len(name), value_span[0])
        faults.append(Fault("blank-around-equals", f"blanks around the '=' of {name[:32]}", place, fatal=True))
    if not _NAME.fullmatch(name):
        place = (span[0], span[0] + max(len(name), 1))
        faults.append(Fault("bad-field-name", f"{name[:40]!r} is no field name", place, fatal=True))
    if name not in own and not _VALUE.fullmatch(value):
        detail = f"{name[:32]} has no value" if not value else f"the value of {name[:32]} has forbidden characters"
        faults.append(Fault("bad-field-value", detail, value_span if value else span, fatal=True))
    fields.append(Field(name, value, span, value_span))

"""PHP's own rules: what counts as true, how values become text and numbers, what its operators and conversions make.

What this file will not do: look at source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

LONGEST = 65_536  # characters of one text


def truthy(value: Any) -> bool:
    """PHP manual, Booleans: null, false, 0, 0.0, "", "0" and an empty array are false; "false" is true."""
    return not (value is None or value is False or value == "" or value == "0" or value == {} or value == 0)


def text(value: Any) -> str:
    """PHP manual, Strings, Converting to string: true is "1", false and null are ""."""
    if value is None or value is False:
        return ""
    return "1" if value is True else str(value)


_NUMERIC = re.compile(r"[ \t\n\r\v\f]*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)", re.ASCII)


def number(value: Any) -> int:
    """PHP manual, Integers and Numeric strings: the number at the beginning of a text, 0 without any."""
    if isinstance(value, str):
        match = _NUMERIC.match(value[:100])
        value = 0 if match is None else int(match[1]) if re.fullmatch(r"[+-]?\d+", match[1]) else float(match[1])
    if isinstance(value, float):
        return int(value) if abs(value) < 1e18 else 0
    return int(value or 0)


def same(a: Any, b: Any) -> bool:
    """``===``: of one type and equal."""
    return type(a) is type(b) and bool(a == b)


def loosely(a: Any, b: Any) -> bool:
    """PHP 8 manual, Comparison: a bool by truth, null as "" beside a text and by truth beside the rest, numbers and
    numeric texts by number, other texts as they are.
    """
    if isinstance(a, bool) or isinstance(b, bool):
        return truthy(a) == truthy(b)
    if a is None or b is None:
        return text(a) == text(b) if isinstance(a, str) or isinstance(b, str) else truthy(a) == truthy(b)
    x, y = _numeric(a), _numeric(b)
    return x == y if x is not None and y is not None else text(a) == text(b)


def _numeric(value: Any) -> float | int | None:
    """The number that a numeric text is, blanks around it allowed; None for another text."""
    if not isinstance(value, str):
        return value if isinstance(value, (int, float)) else None
    match = _NUMERIC.fullmatch(value.rstrip(" \t\n\r\v\f")[:400])
    if match is None:
        return None
    return int(match[1]) if re.fullmatch(r"[+-]?\d+", match[1]) else float(match[1])


OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    ".": lambda a, b: (text(a) + text(b))[:LONGEST],
    "===": same,
    "!==": lambda a, b: not same(a, b),
    "==": loosely,
    "!=": lambda a, b: not loosely(a, b),
    "<>": lambda a, b: not loosely(a, b),
    "+": lambda a, b: number(a) + number(b),
    "-": lambda a, b: number(a) - number(b),
    "*": lambda a, b: number(a) * number(b),
}
CASTS: Mapping[str, Callable[[Any], Any]] = {
    "int": number, "integer": number, "bool": truthy, "boolean": truthy, "string": text,
}  # fmt: skip
CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "intval": number, "boolval": truthy, "strval": text, "trim": lambda v: text(v).strip(),
    "strtolower": lambda v: text(v).lower(), "strtoupper": lambda v: text(v).upper(),
    "rtrim": lambda v: text(v).rstrip(),
    "empty": lambda v: not truthy(v), "is_null": lambda v: v is None, "is_numeric": lambda v: text(v).strip().isdigit(),
}  # fmt: skip


def laravel_value(written: str) -> Any:
    """What Laravel makes of a variable's text: (true), false, null and empty are words, quotation marks come off."""
    words: Mapping[str, Any] = {"true": True, "false": False, "empty": "", "null": None}
    bare = re.sub(r"^\((\w+)\)$", r"\1", written.lower())
    if bare in words:
        return words[bare]
    quoted = re.fullmatch(r"(['\"])(.*)\1", written, re.DOTALL)
    return quoted[2] if quoted else written


def url_host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None

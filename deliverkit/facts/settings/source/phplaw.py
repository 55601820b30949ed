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


def number(value: Any) -> int:
    """PHP manual, Integers: the digits at the beginning of a text, 0 without any."""
    if isinstance(value, (bool, int)):
        return int(value)
    if isinstance(value, float):
        return int(value) if abs(value) < 1e18 else 0
    match = re.match(r"\s*[+-]?\d{1,18}", text(value))
    return int(match[0]) if match else 0


def same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)


def loosely(a: Any, b: Any) -> bool:
    """PHP 8 manual, Comparison: a bool or null by truth, a number with a numeric text by number, else as texts."""
    if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None:
        return truthy(a) == truthy(b)
    try:
        return float(a) == float(b)
    except ValueError:
        return text(a) == text(b)


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

"""ECMAScript's own rules for values: what is true, what number a text is, when two values are alike.

The values are Python's ``str``, ``int``, ``float``, ``bool``, None (null), `UNDEFINED`, a dict for an object and a
tuple for an array. An operation that is not told here, or that would run code of the program, gives `CANNOT`.

What this file will not do: know a syntax tree.
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

LONGEST = 65_536  # characters of a text
BLANKS = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))
"""ECMA-262 §12.2 and §12.3: what String.prototype.trim takes off."""
_DECIMAL = r"(?:[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)"
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Undefined:
    """JavaScript's undefined."""

    def __repr__(self) -> str:
        return "undefined"


class Cannot:
    """No value: the rules here do not tell, or the program would throw."""


UNDEFINED = Undefined()
CANNOT = Cannot()


def absent(value: Any) -> bool:
    """True for null and undefined."""
    return value is None or value is UNDEFINED


def plain(value: Any) -> bool:
    """True for a primitive value."""
    return absent(value) or isinstance(value, (str, int, float, bool))


def truthy(value: Any) -> bool:
    """ECMA-262 §7.1.2 ToBoolean: false, 0, NaN, "", null and undefined are false; all else, "false" too, is true."""
    if absent(value) or value is False:
        return False
    if isinstance(value, (int, float)):
        return bool(value) and not math.isnan(value)
    return not isinstance(value, str) or bool(value)


def number(value: float) -> int | float:
    """A number, whole ones as int: ports and times then show as they are written."""
    return int(value) if math.isfinite(value) and value == int(value) and abs(value) < 2**53 else float(value)


def to_number(value: Any) -> Any:
    """ECMA-262 §7.1.4 ToNumber."""
    if value is None:
        return 0
    if value is UNDEFINED:
        return math.nan
    if isinstance(value, (bool, int, float)):
        return number(value)
    if not isinstance(value, str):
        return CANNOT
    text = value.strip(BLANKS)
    if not text:
        return 0
    if match := re.fullmatch(r"0(?:[xX]([0-9a-fA-F]+)|[oO]([0-7]+)|[bB]([01]+))", text):
        return _whole(match[match.lastindex or 0], {1: 16, 2: 8, 3: 2}[match.lastindex or 1])
    if match := re.fullmatch(rf"([+-]?)(?:(Infinity)|{_DECIMAL})", text):
        return number(float(text.replace("Infinity", "inf")))
    return math.nan


def _whole(digits: str, base: int) -> int | float:
    """Digits in a base as a number, without Python's limit on their count."""
    digits = digits.lstrip("0")
    if len(digits) > 1100:  # 2 ** 1100 is beyond what a double can hold
        return math.inf
    try:
        return number(float(int(digits or "0", base)))
    except OverflowError:
        return math.inf


def parse_int(value: Any, radix: Any = UNDEFINED) -> Any:
    """ECMA-262 §19.2.5 parseInt: the digits at the beginning, NaN where there are none."""
    text, base = to_text(value), to_number(radix)
    if text is CANNOT or base is CANNOT:
        return CANNOT
    base = int(base) if math.isfinite(base) else 0
    match = re.match(r"([+-]?)(0[xX])?", text.lstrip(BLANKS))
    rest = text.lstrip(BLANKS)[match.end() :] if match else ""
    hexadecimal = match is not None and match[2] is not None
    if base not in (0, 16) and hexadecimal:
        rest = "0"  # the digits end before the x
    base = base or (16 if hexadecimal else 10)
    if not 2 <= base <= 36:
        return math.nan
    known = _DIGITS[:base]
    digits = rest[: next((at for at, c in enumerate(rest) if c.lower() not in known or not c.isascii()), len(rest))]
    if not digits:
        return math.nan
    found = number(float(digits)) if base == 10 else _whole(digits, base)
    return -found if match and match[1] == "-" else found


def parse_float(value: Any) -> Any:
    """ECMA-262 §19.2.4 parseFloat: the decimal literal at the beginning, NaN where there is none."""
    text = to_text(value)
    if text is CANNOT:
        return CANNOT
    match = re.match(rf"[+-]?(?:Infinity|{_DECIMAL})", text.lstrip(BLANKS))
    return number(float(match[0].replace("Infinity", "inf"))) if match else math.nan


def to_text(value: Any) -> Any:
    """ECMA-262 §7.1.17 ToString, of a primitive value."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return _digits(float(value))
    if isinstance(value, str):
        return value
    return "null" if value is None else "undefined" if value is UNDEFINED else CANNOT


def _digits(value: float) -> str:
    """ECMA-262 §6.1.6.1.20 Number::toString: the shortest digits that stand for the number."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, part = mantissa.partition(".")
    digits = (whole + part.rstrip("0") if part != "0" else whole).lstrip("0")
    point = (
        len(whole) + int(exponent or 0) if whole != "0" else int(exponent or 0) - (len(part) - len(part.lstrip("0")))
    )
    digits = digits.rstrip("0") or "0"
    if 0 < point <= 21:
        told = digits.ljust(point, "0")
        return sign + (told if len(digits) <= point else f"{digits[:point]}.{digits[point:]}")
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def same(a: Any, b: Any) -> Any:
    """``===`` (ECMA-262 §7.2.14): of one kind and alike; the identity of objects nobody knows here."""
    if not plain(a) and not plain(b):
        return CANNOT
    if not plain(a) or not plain(b):
        return False
    numbers = isinstance(a, (int, float)) and isinstance(b, (int, float))
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return a == b if numbers or (isinstance(a, str) and isinstance(b, str)) else a is b


def loosely(a: Any, b: Any) -> Any:
    """``==`` (ECMA-262 §7.2.13): null and undefined are alike, other kinds by their number."""
    if absent(a) or absent(b):
        return absent(a) and absent(b)
    if not plain(a) or not plain(b):
        return CANNOT
    alike = isinstance(a, str) and isinstance(b, str)
    return a == b if alike else bool(to_number(a) == to_number(b))


def _opposite(test: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def opposite(a: Any, b: Any) -> Any:
        found = test(a, b)
        return found if found is CANNOT else not found

    return opposite


def added(a: Any, b: Any) -> Any:
    """``+``: texts are joined as soon as one side is a text."""
    if not plain(a) or not plain(b):
        return CANNOT
    if isinstance(a, str) or isinstance(b, str):
        return (to_text(a) + to_text(b))[:LONGEST]
    return _arithmetic(operator.add)(a, b)


def _arithmetic(made: Callable[[float, float], float]) -> Callable[[Any, Any], Any]:
    def of_numbers(a: Any, b: Any) -> Any:
        left, right = to_number(a), to_number(b)
        if left is CANNOT or right is CANNOT:
            return CANNOT
        return number(made(float(left), float(right)))

    return of_numbers


def _divided(a: float, b: float) -> float:
    if b == 0:
        return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1, b)
    return a / b


def _remainder(a: float, b: float) -> float:
    return math.nan if b == 0 or math.isinf(a) or math.isnan(a) or math.isnan(b) else math.fmod(a, b)


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
    """``<`` and its like (ECMA-262 §7.2.12): two texts by their code units, all else by number; NaN is in no order."""

    def compare(a: Any, b: Any) -> Any:
        if isinstance(a, str) and isinstance(b, str):
            return test(_units(a), _units(b))
        left, right = to_number(a), to_number(b)
        return CANNOT if left is CANNOT or right is CANNOT else test(left, right)

    return compare


def _units(text: str) -> list[int]:
    octets = text.encode("utf-16-be", "surrogatepass")
    return [octets[at] << 8 | octets[at + 1] for at in range(0, len(octets), 2)]


def from_json(value: Any) -> Any:
    """``JSON.parse``; what is no JSON makes the program throw."""
    text = to_text(value)
    if text is CANNOT or len(text) > LONGEST:
        return CANNOT
    try:
        return members(json.loads(text.strip(" \t\n\r"), parse_constant=_no_constant, parse_int=float))
    except (ValueError, RecursionError):
        return CANNOT


def _no_constant(word: str) -> Any:
    raise ValueError(word)


def members(read: Any) -> Any:
    """What was read of JSON: arrays as tuples, whole numbers as int."""
    if isinstance(read, list):
        return tuple(members(one) for one in read)
    if isinstance(read, dict):
        return {name: members(one) for name, one in read.items()}
    return number(read) if isinstance(read, float) else read


def length(text: str) -> int:
    """The number of UTF-16 code units."""
    return len(text.encode("utf-16-be", "surrogatepass")) // 2


def _split(text: str, by: Any = UNDEFINED, *rest: Any) -> Any:
    if by is UNDEFINED and not rest:
        return (text,)
    if not isinstance(by, str) or rest:
        return CANNOT
    return tuple(text.split(by)) if by else CANNOT


def _replaced(count: int) -> Callable[..., Any]:
    def replaced(text: str, old: Any = UNDEFINED, new: Any = UNDEFINED) -> Any:
        if not isinstance(old, str) or not isinstance(new, str) or "$" in new or (not old and count < 0):
            return CANNOT  # a pattern, a function, or $& and its like
        return text.replace(old, new, count)[:LONGEST]

    return replaced


def _found(test: Callable[[str, str], bool]) -> Callable[..., Any]:
    def found(text: str, what: Any = UNDEFINED, *rest: Any) -> Any:
        told = to_text(what)
        return CANNOT if told is CANNOT or rest else test(text, told)

    return found


def _trimmed(how: Callable[[str, str], str]) -> Callable[..., Any]:
    return lambda text, *_: how(text, BLANKS)


OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "===": same,
    "!==": _opposite(same),
    "==": loosely,
    "!=": _opposite(loosely),
    "+": added,
    "-": _arithmetic(operator.sub),
    "*": _arithmetic(operator.mul),
    "/": _arithmetic(_divided),
    "%": _arithmetic(_remainder),
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
}
UNARY: Mapping[str, Callable[[Any], Any]] = {
    "!": lambda value: not truthy(value),
    "+": to_number,
    "-": lambda value: CANNOT if (found := to_number(value)) is CANNOT else number(-float(found)),
    "void": lambda _: UNDEFINED,
    "typeof": lambda value: (
        "undefined" if value is UNDEFINED else "boolean" if isinstance(value, bool) else "string"
        if isinstance(value, str) else "number" if isinstance(value, (int, float)) else "object"
    ),
}  # fmt: skip
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "Number": lambda value=0, *_: to_number(value),
    "parseInt": lambda value=UNDEFINED, radix=UNDEFINED, *_: parse_int(value, radix),
    "Number.parseInt": lambda value=UNDEFINED, radix=UNDEFINED, *_: parse_int(value, radix),
    "parseFloat": lambda value=UNDEFINED, *_: parse_float(value),
    "Number.parseFloat": lambda value=UNDEFINED, *_: parse_float(value),
    "String": lambda value="", *_: to_text(value),
    "Boolean": lambda value=UNDEFINED, *_: truthy(value),
    "JSON.parse": lambda value=UNDEFINED, *rest: CANNOT if rest else from_json(value),
    "isNaN": lambda value=UNDEFINED, *_: CANNOT if (n := to_number(value)) is CANNOT else math.isnan(n),
    "Number.isNaN": lambda value=UNDEFINED, *_: isinstance(value, float) and math.isnan(value),
}
"""Functions that every program knows; each is given the values of its arguments."""
METHODS: Mapping[str, Callable[..., Any]] = {
    "trim": _trimmed(str.strip),
    "trimStart": _trimmed(str.lstrip),
    "trimEnd": _trimmed(str.rstrip),
    "toLowerCase": lambda text, *_: text.lower(),
    "toUpperCase": lambda text, *_: text.upper(),
    "toString": lambda text, *_: text,
    "includes": _found(lambda text, part: part in text),
    "startsWith": _found(str.startswith),
    "endsWith": _found(str.endswith),
    "split": _split,
    "replace": _replaced(1),
    "replaceAll": _replaced(-1),
}
"""Methods of a text."""

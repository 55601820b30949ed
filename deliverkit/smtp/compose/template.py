"""Bodies from Jinja2 templates: in the sandbox, every variable defined, HTML escaped, every error with its place.

A template whose name ends in .html, .htm or .xml (a final .j2, .jinja or .jinja2 aside) is escaped.
``{% set subject = … %}`` at its top level sets the subject. An undefined variable is an error, not an empty string in
somebody's inbox: it names the file, the line and the variable. Includes and extends stay inside the template's own
folder, and a template ends: its rounds of loops and macros are counted, and what it computes and writes is bounded.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.filters import do_center
from jinja2.runtime import Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import generate_lorem_ipsum

_SUFFIXES = (".j2", ".jinja", ".jinja2")
_HTML = (".html", ".htm", ".xhtml", ".xml")
_LARGEST = 16 * 1024 * 1024  # octets of a template, and characters of what it renders to
_MOST_ROUNDS = 250_000  # of loops, macros and includes together: a second or two
_MOST_LOREM = 1000  # paragraphs of lipsum()
_LONGEST_NUMBER = 4096  # bits
_WIDE = re.compile(r"\d{6}|\*")  # a width in a format: "%9999999999d" would fill the memory


class TemplateFault(ValueError):
    """A template that cannot be rendered: ``file``, ``line`` (from 1) and, where one is undefined, the ``variable``."""

    def __init__(self, problem: str, *, file: str, line: int | None = None, variable: str | None = None) -> None:
        super().__init__(f"{file}:{line}: {problem}" if line else f"{file}: {problem}")
        self.problem, self.file, self.line, self.variable = problem, file, line, variable


class BadData(ValueError):
    """A data file or a --set that cannot be read; the text says which and where."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a template made; ``subject`` only if it set one."""

    text: str
    html: bool
    subject: str | None = None


def is_html(name: str) -> bool:
    """True if a template of that name makes HTML."""
    path = Path(name)
    if path.suffix.lower() in _SUFFIXES:
        path = path.with_suffix("")
    return path.suffix.lower() in _HTML


def render_file(path: Path, data: Mapping[str, Any]) -> Rendered:
    """Render a template file."""
    environment = _environment(path.parent)
    return _rendered(path.name, data, lambda: environment.get_template(path.name), label=str(path))


def render_text(name: str, source: str, data: Mapping[str, Any], *, html: bool = False) -> str:
    """Render a template given as text; ``name`` is how errors call it ("--subject")."""
    environment = _environment(None, html=html)
    environment.loader = jinja2.DictLoader({name: source})
    return _rendered(name, data, lambda: environment.get_template(name), label=name).text


def _environment(folder: Path | None, *, html: bool | None = None) -> ImmutableSandboxedEnvironment:
    return _Bounded(
        loader=_Folder(folder) if folder is not None else None,
        undefined=jinja2.StrictUndefined,
        autoescape=(lambda name: is_html(name or "")) if html is None else html,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


class _TooMuch(Exception):
    """A template computes more than any message needs."""


class _Bounded(ImmutableSandboxedEnvironment):
    """The sandbox guards attributes only; this one also bounds what a template computes, in time and in memory.

    A look at `one_round` is put at the head of every loop, macro and template, so that whatever repeats is counted.
    """

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._rounds = 0
        self.globals["lipsum"] = _lorem
        self.filters["center"] = _centered

    @property
    def one_round(self) -> None:
        """Counts one more round of anything; a property, because a template looks at it faster than it calls."""
        self._rounds += 1
        if self._rounds > _MOST_ROUNDS:
            raise _TooMuch(f"more than {_MOST_ROUNDS:,} rounds of loops and macros")

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        template = super()._parse(source, name, filename)
        repeated: tuple[type[Any], ...] = (nodes.For, nodes.Macro, nodes.CallBlock)
        node: Any
        for node in (template, *template.find_all(repeated)):
            first = nodes.ExprStmt(nodes.EnvironmentAttribute("one_round")).set_lineno(node.lineno)
            leading = sum(isinstance(one, nodes.Extends) for one in node.body[:1])
            node.body.insert(leading, first)
        return template

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Products, powers and formats of a sensible size."""
        if operator == "*" and max(_length(left, right), _length(right, left)) > _LARGEST:
            raise _TooMuch(f"a repetition of more than {_LARGEST // 2**20} million items")
        whole = isinstance(left, int) and isinstance(right, int)
        if operator == "**" and whole and left.bit_length() * right > _LONGEST_NUMBER:
            raise _TooMuch(f"a power of more than {_LONGEST_NUMBER} bits")
        if operator == "%" and isinstance(left, str) and _WIDE.search(left):
            raise _TooMuch("a format of more than 99999 characters")
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Methods such as ``"x".ljust(width)`` with widths of a sensible size."""
        if any(isinstance(one, int) and one > _LARGEST for one in args) and not isinstance(obj, Macro):
            raise _TooMuch(f"a size of more than {_LARGEST // 2**20} million")
        return super().call(context, obj, *args, **kwargs)


def _centered(value: str, width: int = 80) -> str:
    """Jinja2's filter, in sensible widths."""
    if width > _LARGEST:
        raise _TooMuch(f"a width of more than {_LARGEST // 2**20} million characters")
    return do_center(value, width)


def _lorem(n: int = 5, html: bool = True, min: int = 20, max: int = 100) -> str:  # noqa: A002 - Jinja2's names
    """Jinja2's filler text, in sensible amounts."""
    if not (0 <= n <= _MOST_LOREM and 0 <= min <= max <= _MOST_LOREM):
        raise _TooMuch(f"more than {_MOST_LOREM} paragraphs or words of lipsum()")
    return generate_lorem_ipsum(n, html, min, max)


def _length(repeated: Any, times: Any) -> int:
    """How many items ``repeated * times`` has."""
    if isinstance(times, int) and isinstance(repeated, (str, bytes, list, tuple)):
        return len(repeated) * times
    return 0


class _Folder(jinja2.BaseLoader):
    """Templates of one folder; neither ``..`` nor a link leads out of it."""

    def __init__(self, folder: Path) -> None:
        self._root = folder.resolve()

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, None]:  # noqa: ARG002
        path = (self._root / template).resolve()
        if not path.is_relative_to(self._root):
            raise TemplateFault(f"{template!r} lies outside the folder of the template", file=template)
        try:
            if path.stat().st_size > _LARGEST:
                raise TemplateFault(f"larger than {_LARGEST // 2**20} MB", file=template)
            return path.read_text("utf-8-sig"), template, None
        except UnicodeDecodeError as bad:
            raise TemplateFault(f"not UTF-8 text (octet {bad.start})", file=template) from None
        except OSError:
            raise jinja2.TemplateNotFound(template) from None


def _rendered(name: str, data: Mapping[str, Any], load: Any, *, label: str) -> Rendered:
    """Load and render, every failure turned into a TemplateFault that says where."""
    try:
        template = load()
        context = template.new_context(dict(data))
        pieces, length = list[str](), 0
        for piece in template.root_render_func(context):
            length += len(piece)
            if length > _LARGEST:
                raise TemplateFault(f"renders to more than {_LARGEST // 2**20} million characters", file=label)
            pieces.append(piece)
        subject = context.exported_vars and context.vars.get("subject") if "subject" in context.exported_vars else None
    except TemplateFault as fault:
        raise TemplateFault(fault.problem, file=_label(fault.file, name, label), line=fault.line) from None
    except jinja2.TemplateSyntaxError as bad:
        raise TemplateFault(
            bad.message or "syntax error", file=_label(bad.name, name, label), line=bad.lineno
        ) from None
    except jinja2.TemplateNotFound as bad:
        where = _place(bad)
        file, line = where if where else (name, None)
        raise TemplateFault(f"there is no template {bad.name!r}", file=_label(file, name, label), line=line) from None
    except Exception as bad:  # whatever a template computes: a type error, a division by zero, what the sandbox forbids
        where = _place(bad)
        file, line = where if where else (name, None)
        variable = _undefined(bad)
        problem = (
            f"{bad}{_suggestion(variable, data)}"
            if isinstance(bad, jinja2.UndefinedError)
            else str(bad)
            if isinstance(bad, _TooMuch)
            else f"{type(bad).__name__}: {bad}"
        )
        raise TemplateFault(problem, file=_label(file, name, label), line=line, variable=variable) from None
    return Rendered("".join(pieces), is_html(name), None if subject is None else str(subject))


def _label(file: str | None, name: str, label: str) -> str:
    """The path the user gave for the main template; that of an included one beside it."""
    if file is None or file == name:
        return label
    return str(Path(label).parent / file)


def _place(bad: BaseException) -> tuple[str, int] | None:
    """File and line of the innermost template frame of an error's traceback."""
    place = None
    for frame, line in traceback.walk_tb(bad.__traceback__):
        template = frame.f_globals.get("__jinja_template__")
        if template is not None and frame.f_code.co_filename in (template.filename, template.name, "<template>"):
            place = (template.name or "", template.get_corresponding_lineno(line))
    return place


def _undefined(bad: BaseException) -> str | None:
    """The variable or attribute that an UndefinedError names."""
    match = (
        re.search(r"attribute '([^']+)'|'([^']+)' is undefined", str(bad))
        if isinstance(bad, jinja2.UndefinedError)
        else None
    )
    return (match[1] or match[2]) if match else None


def _suggestion(variable: str | None, data: Mapping[str, Any]) -> str:
    if variable is None:
        return ""
    close = difflib.get_close_matches(variable, _names(data), n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return (
        "; the data has " + ", ".join(sorted(data)[:8])
        if data
        else "; no data was given (--data FILE, --set name=value)"
    )


def _names(data: Any, depth: int = 0) -> Iterable[str]:
    if isinstance(data, Mapping) and depth < 5:
        for key, value in data.items():
            yield str(key)
            yield from _names(value, depth + 1)


# -- data -------------------------------------------------------------------------------------------------


def load_data(path: Path) -> dict[str, Any]:
    """Data for templates from a JSON or TOML file; its top level must be a table."""
    try:
        with path.open("rb") as file:
            octets = file.read(_LARGEST + 1)
        if len(octets) > _LARGEST:
            raise BadData(f"{path}: larger than {_LARGEST // 2**20} MB")
        text = octets.decode("utf-8-sig")
        data = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except BadData:
        raise
    except OSError as bad:
        raise BadData(f"{path}: {bad.strerror or bad}") from None
    except UnicodeDecodeError as bad:
        raise BadData(f"{path}: not UTF-8 text (octet {bad.start})") from None
    except json.JSONDecodeError as bad:
        raise BadData(f"{path}:{bad.lineno}: {bad.msg} (column {bad.colno})") from None
    except tomllib.TOMLDecodeError as bad:
        raise BadData(f"{path}: {bad}") from None
    except RecursionError:
        raise BadData(f"{path}: nested too deeply") from None
    except ValueError as bad:  # a number of thousands of digits
        raise BadData(f"{path}: {bad}") from None
    if not isinstance(data, dict):
        raise BadData(f"{path}: expected a table of names and values, found {type(data).__name__}")
    return data


def with_settings(data: Mapping[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """Data with each ``name=value`` laid over it; ``user.name=Ann`` sets a value inside a table. Values are text."""
    result = dict(data)
    for setting in settings:
        name, equals, value = setting.partition("=")
        path = name.strip().split(".")
        if not equals or not all(re.fullmatch(r"[^\W\d]\w*", part) for part in path):
            raise BadData(f"--set {setting!r}: expected name=value")
        table = result
        for part in path[:-1]:
            inner = table.get(part, {})
            if not isinstance(inner, Mapping):
                raise BadData(f"--set {setting!r}: {part} is a value, not a table")
            table[part] = dict(inner)
            table = table[part]
        table[path[-1]] = value
    return result

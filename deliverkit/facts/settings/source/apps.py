"""The application a JavaScript file belongs to: its folder, how it loads its variables, where it runs.

What this file will not do: read a transport.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.source import javascript as js
from deliverkit.facts.settings.source.syntax import short_text
from deliverkit.facts.settings.values import PROCESS, Place, Setting, Unread

_VITE = ("vite", "nuxt", "astro", "@sveltejs/kit", "vinxi")
_STOPPED = (
    "next", "@netlify/functions", "@vercel/node", "@types/aws-lambda", "serverless", "serverless-http", "aws-lambda",
    "@sveltejs/adapter-vercel", "@sveltejs/adapter-netlify", "@google-cloud/functions-framework",
)  # fmt: skip
_STOPPED_FILES = ("vercel.json", "netlify.toml", "serverless.yml", "serverless.yaml", "serverless.ts", "firebase.json")
_ENV_FILE = re.compile(r"(?:--env-file(?:-if-exists)?[= ]|env-cmd\s+-f\s+|dotenv\s+-e\s+)([^\s\"']+)")


@dataclass(frozen=True, slots=True)
class App:
    """A folder with a package.json. ``serverless``: the program may be stopped once it has answered."""

    folder: str
    convention: str
    serverless: bool = False
    nodemailer: bool = False
    version: str | None = None
    script_files: tuple[str, ...] = ()


def app_of(look: Look, path: str) -> App:
    """The application of a file: the nearest folder above it with a package.json, else the root."""
    folder = posixpath.dirname(path)
    paths = look.present
    while folder and f"{folder}/package.json" not in paths:
        folder = posixpath.dirname(folder)
    if folder not in look.apps:
        look.apps[folder] = _app(look, folder)
    found: App = look.apps[folder]
    return found


def _app(look: Look, folder: str) -> App:
    package = look.tree.text(_join(folder, "package.json")) if _join(folder, "package.json") in look.present else None
    text = package or ""
    known = {name for name in (*_STOPPED, *_VITE) if f'"{name}"' in text}
    names = [posixpath.basename(p) for p in look.present if posixpath.dirname(p) == folder]
    special = [n for n in names if n.startswith(".env.") and not re.search("example|sample|template|local$", n)]
    convention = "next" if "next" in known else "vite" if known & set(_VITE) else "flow" if special else "node"
    version = re.search(r'"nodemailer"\s*:\s*"[^"\d]*([\d.]+)', text)
    stopped = bool(known & set(_STOPPED)) or any(_join(folder, name) in look.present for name in _STOPPED_FILES)
    files = tuple(posixpath.normpath(posixpath.join(folder, m)) for m in _ENV_FILE.findall(text))
    return App(folder, convention, stopped, '"nodemailer"' in text, version[1] if version else None, files)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}".lstrip("/")


def lookup_of(look: Look, app: App, environment: str, program: js.Program) -> js.Reasoned:
    """The variables of an environment, as the program will find them. Where no file sets any, nobody can tell what the
    place it runs in sets.
    """
    files = _named_files(look, app, environment, program)
    variables = look.variables(environment, convention=app.convention, folder=app.folder, files=files)
    told = any(one.place is None or one.place.file != PROCESS for one in variables.values.values())

    def lookup(name: str) -> Setting | str | None:
        found = variables.get(name)
        if found is not None:
            return found
        if name == "NODE_ENV":
            return (
                Setting(name, environment, None, app.convention) if environment else "it is set where the program runs"
            )
        return None if told else "no file of variables is here: it is set where the program runs (see --env-file)"

    return lookup


def _named_files(look: Look, app: App, environment: str, program: js.Program) -> tuple[str, ...] | None:
    """The files that ``dotenv.config({ path })`` or a script of package.json names, the strongest first."""
    key = f"{app.folder}:{environment}"
    if key not in look.named:
        look.named[key] = _configured(look, app, environment, program) or app.script_files or None
    return look.named[key]


def _configured(look: Look, app: App, environment: str, program: js.Program) -> tuple[str, ...]:
    """What the calls of dotenv name. A path is below the folder the program starts in, which is taken for its own."""
    found: list[str] = []
    one = program.with_lookup(
        lambda name: Setting(name, environment, None, "") if name == "NODE_ENV" and environment else "not read yet"
    )
    for path in look.loaders:
        module = one.module(path) if app_of(look, path).folder == app.folder else None
        for call in module.calls if module is not None else ():
            if not re.fullmatch(r"(?:\w+\.)?(?:config|configDotenv)|require\(['\"]dotenv['\"]\)\.config",
                                short_text(call.child_by_field_name("function"))):  # fmt: skip
                continue
            arguments = call.child_by_field_name("arguments").named_children
            if arguments and module is not None and "dotenv" in str(sorted(module.packages)):
                told = one.part(one.value(arguments[0], module), "path", arguments[0], module)
                found += _paths(look, app, told, path, short_text(arguments[0], 300))
    return tuple(dict.fromkeys(found))


def _paths(look: Look, app: App, told: js.Value, module: str, source: str) -> list[str]:
    if isinstance(told, js.Known):
        values = (
            [v.value for v in told.value if isinstance(v, js.Known)] if isinstance(told.value, tuple) else [told.value]
        )
        return [posixpath.normpath(posixpath.join(app.folder, v)) for v in values if isinstance(v, str)]
    beside = re.search(
        r"(?:resolve|join)\((__dirname|import\.meta\.dirname|process\.cwd\(\))((?:,['\"][^'\"]*['\"])+)\)", source
    )
    if beside:
        base = app.folder if beside[1].startswith("process") else posixpath.dirname(module)
        return [posixpath.normpath(posixpath.join(base, *re.findall(r"['\"]([^'\"]*)['\"]", beside[2])))]
    look.unread.append(Unread(Place(module, told.line), told.expression, f"dotenv's path: {told.why}"))
    return []

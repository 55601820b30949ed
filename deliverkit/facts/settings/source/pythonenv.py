"""Which files of variables a Python program loads, and what its values become as settings.

python-dotenv (``load_dotenv``), django-environ and environs (``read_env``) fill ``os.environ``; python-decouple reads
its own file, the nearest above the module that asks. A ``.env`` that no line of source loads is read as python-dotenv
would, and that is said: a process manager or a container may load it.

What this file will not do: know a setting's meaning.
"""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from deliverkit.facts.settings.environment import variables
from deliverkit.facts.settings.model import SECRET_ROLES
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.source.javascript import Known, Lookup, Unknown, Value
from deliverkit.facts.settings.source.python import PLAIN, parsed
from deliverkit.facts.settings.url import masked_url
from deliverkit.facts.settings.values import Place, Secret, Setting, Unread

_LOADERS = {"load_dotenv": "python-dotenv", "dotenv_values": "python-dotenv", "read_env": "environ"}
_NOBODY = "no line of source was found that loads this file; it is read as python-dotenv would read it"


@dataclass(frozen=True, slots=True)
class Loader:
    """A call that loads a file of variables into ``os.environ``. ``name`` is the file as far as it is written there."""

    path: str
    convention: str
    name: str


def python_files(look: Look, *words: str) -> list[str]:
    """The files of Python that hold one of these words."""
    found = []
    for path in look.tree.paths:
        if path.endswith(".py") and (text := look.tree.text(path)) is not None and any(word in text for word in words):
            found.append(path)
    return found


def loaders(look: Look) -> list[Loader]:
    """Every call of the tree that loads a file of variables."""
    found = []
    for path in python_files(look, "load_dotenv", "read_env"):
        module = parsed(look.tree.text(path) or "", path)
        if isinstance(module, str):
            continue
        theirs = any(
            (isinstance(n, ast.ImportFrom) and n.module == "environs")
            or (isinstance(n, ast.Import) and n.names[0].name == "environs")
            for n in ast.walk(module.tree)
        )
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call):
                continue
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name in _LOADERS:
                convention = "python-dotenv" if theirs else _LOADERS[name]
                found.append(Loader(path, convention, _file_named(node)))
    return found


def _file_named(node: ast.Call) -> str:
    """The path in a call's arguments, as far as it is literal: ``BASE_DIR / "envs" / ".env"`` is "envs/.env"."""
    whole = ast.Tuple([*node.args, *(k.value for k in node.keywords if k.arg in ("dotenv_path", "env_file", "path"))])
    texts = [n.value for n in ast.walk(whole) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    texts.sort(key=lambda text: "env" in posixpath.basename(text))  # ast.walk goes by breadth: the file name is last
    return "/".join(text.strip("/") for text in texts if text.strip("./") or text == ".env") or ".env"


def _above(folder: str) -> Iterator[str]:
    """A folder and those around it, "" last."""
    while folder:
        yield folder
        folder = posixpath.dirname(folder)
    yield ""


def lookups(look: Look, path: str, environment: str, known: list[Loader]) -> tuple[Lookup, Lookup]:
    """What ``os.environ`` and python-decouple's ``config`` know in a module, in one environment."""
    return _environ(look, path, environment, known), _decoupled(look, path, environment)


def _environ(look: Look, path: str, environment: str, known: list[Loader]) -> Lookup:
    near = sorted(known, key=lambda one: -len(posixpath.commonprefix([one.path, path])))
    for loader in near:
        file = _found(look, loader)
        if file is not None:
            return _of_file(look, file, loader.convention, environment)
    here = frozenset(look.tree.paths)
    for folder in _above(posixpath.dirname(path)):
        file = posixpath.join(folder, ".env")
        if file in here:
            told = Unread(Place(file), "", _NOBODY)
            if not near and told not in look.unread and "decouple" not in (look.tree.text(path) or ""):
                look.unread.append(told)
            return look.variables(environment, convention="python-dotenv", folder=folder).get
    return look.variables(environment, convention="python-dotenv").get


def _found(look: Look, loader: Loader) -> str | None:
    here = frozenset(look.tree.paths)
    names = [loader.name, posixpath.basename(loader.name)]
    for name in names:
        for folder in _above(posixpath.dirname(loader.path)):
            if (path := posixpath.join(folder, name)) in here:
                return path
    return None


def _of_file(look: Look, file: str, convention: str, environment: str) -> Lookup:
    folder, name = posixpath.split(file)
    if name == ".env":
        return look.variables(environment, convention=convention, folder=folder).get
    key = f"{convention}:{file}:{environment}"
    if key not in look.seen:
        own = look.process if environment in (look.asked, "") else None
        given = {**look.given, file: look.tree.text(file) or ""}
        look.seen[key] = variables(look.tree, environment, convention=convention, folder="\0", process=own, given=given)
        look.unread.extend(look.seen[key].unread)
    return look.seen[key].get


def _decoupled(look: Look, path: str, environment: str) -> Lookup:
    """AutoConfig: ``settings.ini`` or ``.env`` in the module's folder, or in the nearest above it."""
    here = frozenset(look.tree.paths)
    for folder in _above(posixpath.dirname(path)):
        if any(posixpath.join(folder, name) in here for name in ("settings.ini", ".env")):
            return look.variables(environment, convention="decouple", folder=folder).get
    return look.variables(environment, convention="decouple").get


# -- values as settings -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Roles:
    """What is known of a transport's values. ``lost`` are roles only a run could tell, with the reason."""

    settings: Mapping[str, Setting]
    lost: Mapping[str, str]
    unread: tuple[Unread, ...]

    def value(self, role: str) -> object:
        """A plain value; None where there is none. A password is not to be had here."""
        found = self.settings.get(role)
        return None if found is None or isinstance(found.value, Secret) else found.value

    def given(self, role: str) -> bool:
        """True if the value is there and not empty: what counts for a login."""
        found = self.settings.get(role)
        return found is not None and bool(len(found.value) if isinstance(found.value, Secret) else found.value)


def roles_of(values: Mapping[str, tuple[str, Value]], file: str) -> Roles:
    """The settings in each role: ``values`` maps a role to the setting's name and what it is."""
    settings: dict[str, Setting] = {}
    lost: dict[str, str] = {}
    unread: list[Unread] = []
    for role, (name, value) in values.items():
        if isinstance(value, Unknown) or not isinstance(value.value, PLAIN):
            told = value if isinstance(value, Unknown) else Unknown(name, "only a run could tell", value.line)
            lost[role] = told.why
            unread.append(
                Unread(Place(value.file if isinstance(value, Known) else file, told.line), told.expression, told.why)
            )
            continue
        settings[role] = _setting(name, value, role)
        if value.value is None and value.setting is not None and value.setting.value is None:
            lost[role] = f"nothing sets {value.setting.name}"
    return Roles(settings, lost, tuple(unread))


def _setting(name: str, value: Known, role: str) -> Setting:
    secret = role in SECRET_ROLES and value.value is not None
    via = value.setting
    if via is not None:
        via = _kept(via, secret)
    shown = Secret(str(value.value)) if secret else value.value
    return Setting(
        name, shown, Place(value.file, value.line), value.file, via=via, faults=via.faults if via is not None else ()
    )


def _kept(setting: Setting, secret: bool) -> Setting:
    """A variable without what is secret: whole where it is a password, its password where it is a URL."""
    value = setting.value
    if isinstance(value, str):
        value = Secret(value) if secret else masked_url(value) if "://" in value else value
    return replace(setting, value=value, shadowed=tuple(_kept(one, secret) for one in setting.shadowed))


def seconds(value: object) -> float | None:
    """A timeout in seconds; None: for ever."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def port_of(value: object, default: int) -> int:
    """A port as the socket takes it: a number, or a text of digits; 0 and what is missing are the default."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 6 else default
    return int(value) if isinstance(value, (int, float)) and value else default

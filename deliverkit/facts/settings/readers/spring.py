"""Spring Boot: ``spring.mail.*`` of application.properties and application.yml, profile by profile.

Precedence as documented ("Externalized Configuration"): variables of the process over files; files of a profile over
those of none, wherever they stand; ``config/`` beside the program over the program's own resources; of one place
.properties over YAML. Names are bound relaxed (``SPRING_MAIL_HOST``, ``default-encoding``, ``defaultEncoding``). What
becomes of the values is MailProperties' and JavaMailSenderImpl's law, then JavaMail's (`jakartamail`).

What this file will not do: follow spring.config.import, a config server, or beans made in code (`javamail` does).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from deliverkit.facts.base import missing
from deliverkit.facts.settings.blocks import alike
from deliverkit.facts.settings.environment import Variables
from deliverkit.facts.settings.jakartamail import Session, never_read, plan_of
from deliverkit.facts.settings.javaproperties import read_properties, resolve
from deliverkit.facts.settings.model import MailSettings, Plan, SourceMark
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.values import Place, Setting, Unread, ValueFault
from deliverkit.facts.settings.yamlnodes import flat, line_of, read_yaml, scalar

_FILE = re.compile(r"(application|bootstrap)(?:-([\w.@-]+))?\.(properties|ya?ml)")
_RESOURCES = re.compile(r"(?:^|/)src/(main|test)/resources(?=/|$)")
_DEFAULT = "default"  # the profile that is active when none is named
_WORDS = {"true": "true", "on": "true", "yes": "true", "1": "true", "false": "false", "off": "false", "no": "false",
          "0": "false"}  # fmt: skip


@dataclass
class _Document:
    """One document of a file: its properties by canonical name, the profile that the file is for, its condition."""

    file: str
    profile: str
    values: dict[str, Setting] = field(default_factory=dict)
    condition: str | None = None


def read(look: Look) -> Iterator[MailSettings]:
    """The sender of each application with Spring's configuration, in each profile."""
    apps: dict[str, list[_Document]] = {}
    for path in look.tree.paths:
        match = _FILE.fullmatch(posixpath.basename(path))
        if match is not None and (home := _home(path)) is not None:
            apps.setdefault(home, []).extend(_documents(look, path, match[2] or "", match[3]))
    for folder, documents in apps.items():
        if any(name.startswith("spring.mail.") for one in documents for name in one.values):
            documents.sort(key=_strength)
            for profile in _profiles(look, documents):
                found = _sender(look, folder, documents, profile)
                if found is not None:
                    yield found


def _home(path: str) -> str | None:
    """The application's folder; None for what only its tests read."""
    folder = posixpath.dirname(path)
    match = _RESOURCES.search(folder)
    if match is not None:
        return None if match[1] == "test" else folder[: match.start()]
    parts = folder.split("/") if folder else []
    if "config" in parts:
        parts = parts[: parts.index("config")]
    return "/".join(parts)


def _strength(one: _Document) -> tuple[bool, bool, bool, bool, str]:
    """The weakest first: bootstrap, no profile, resources, YAML."""
    name = posixpath.basename(one.file)
    return (
        not name.startswith("bootstrap"), bool(one.profile), _RESOURCES.search(one.file) is None, "/config" in one.file,
        f"{name.endswith('.properties')}",
    )  # fmt: skip


def _documents(look: Look, path: str, profile: str, kind: str) -> Iterator[_Document]:
    text = look.tree.text(path)
    if text is None:
        return
    if kind == "properties":
        parts = [list(one.items()) for one in read_properties(text, path)]
    else:
        told = read_yaml(text, path)
        look.unread.extend(told.unread)
        parts = [
            [
                (name, Setting(name, scalar(node) or "", Place(path, line_of(node)), path))
                for name, node in flat(document)
            ]
            for document in told.documents
        ]
    for part in parts:
        values = {canonical(name): setting for name, setting in part}
        conditions = [
            s.text or ""
            for name, s in values.items()
            if re.fullmatch(r"spring\.(?:config\.activate\.onprofile|profiles)(?:\[\d+\])?", name)
        ]
        cloud = values.get("spring.config.activate.oncloudplatform")
        if cloud is not None and cloud.place is not None:
            look.unread.append(Unread(cloud.place, cloud.name, "counts on one platform only; it is not read"))
            continue
        for name, setting in values.items():
            if name.startswith("spring.config.import") and setting.place is not None:
                look.unread.append(Unread(setting.place, f"{setting.name}={setting.text}"[:80], "it is not followed"))
        yield _Document(path, profile, values, ",".join(conditions) if conditions else None)


def canonical(name: str) -> str:
    """The name under which relaxed binding finds a property: lower case, no dashes; what is a key of a map as it is."""
    name = re.sub(r"\[([A-Za-z_][^\]]*)\]", r".\1", name)
    head, mark, key = name.partition("spring.mail.properties.")
    if mark and not head:
        return mark + key.lstrip(".").replace("..", ".")
    return re.sub(r"[-_]", "", name).lower() if name.lower().startswith("spring.") else name


# -- profiles ----------------------------------------------------------------------------------------------


def _profiles(look: Look, documents: list[_Document]) -> list[str]:
    """The environments to judge: the profiles that files and conditions name; "" where there are none."""
    named = {one.profile for one in documents if one.profile}
    for one in documents:
        named |= {word for word in re.findall(r"!?[\w.@-]+", one.condition or "") if not word.startswith("!")}
    named -= {"test", _DEFAULT}
    if look.asked:
        return [next((name for name in sorted(named) if name == look.asked), look.asked)]
    return [*sorted(named, key=lambda name: (not alike(name, "production"), name)), _DEFAULT] if named else [""]


def _active(documents: list[_Document], profile: str) -> tuple[str, ...]:
    """The profiles that are active together, the weakest first: includes, groups, then the one named."""
    base = {
        n: s.text or "" for one in documents if not one.profile and one.condition is None for n, s in one.values.items()
    }
    if profile in ("", _DEFAULT):
        told = _listed(base, "spring.profiles.active") or _listed(base, "spring.profiles.default")
        return (*_listed(base, "spring.profiles.include"), *(told or (_DEFAULT,)))
    known = next((one.profile for one in documents if one.profile == profile), None) or next(
        (one.profile for one in documents if one.profile and alike(one.profile, profile)), profile
    )
    group = _listed(base, f"spring.profiles.group.{known}")
    return (*_listed(base, "spring.profiles.include"), known, *group)


def _listed(values: Mapping[str, str], name: str) -> tuple[str, ...]:
    """A list, written with commas or as a sequence."""
    parts = [text for key, text in values.items() if key == name or key.startswith(f"{name}[")]
    return tuple(word for part in parts for word in re.split(r"[,\s]+", part) if word and "$" not in word)


def holds(condition: str, active: tuple[str, ...]) -> bool:
    """A condition on profiles: ``a & !b``, ``a | b``, ``(a | b) & c``; several with commas: one of them suffices."""
    return any(_holds(re.findall(r"[()&|!]|[\w.@-]+", part)[:100], active) for part in condition.split(","))


def _holds(words: list[str], active: tuple[str, ...]) -> bool:
    """Either all | or all & on one level: Spring refuses a mixture without parentheses."""
    results: list[bool] = []
    either = False
    negate = False
    while words:
        word = words.pop(0)
        if word == ")":
            break
        if word in "&|":
            either = either or word == "|"
        elif word == "!":
            negate = not negate
        else:
            told = _holds(words, active) if word == "(" else any(alike(word, one) for one in active)
            results.append(told != negate)
            negate = False
    return bool(results) and (any(results) if either else all(results))


# -- the sender --------------------------------------------------------------------------------------------


def _sender(look: Look, folder: str, documents: list[_Document], profile: str) -> MailSettings | None:
    active = _active(documents, profile)
    environment = "" if profile == "" else profile
    named = "" if profile == _DEFAULT else environment  # with no profile named, whatever the process has counts
    variables = look.variables(named, convention="java", folder=folder)
    merged: dict[str, Setting] = {}
    for one in documents:
        if one.profile and one.profile not in active:
            continue
        if one.condition is not None and not holds(one.condition, active):
            continue
        for name, setting in one.values.items():
            earlier = merged.get(name)
            losers = () if earlier is None else (earlier, *earlier.shadowed)
            merged[name] = replace(setting, shadowed=losers)
    _overlay(merged, variables)
    told = {n: _resolved(look, s, merged, variables) for n, s in merged.items() if n.startswith("spring.mail.")}
    if not told:
        return None
    place = next(iter(told.values())).place or Place(documents[0].file)
    return _settings(look, environment, place, told)


def _overlay(merged: dict[str, Setting], variables: Variables) -> None:
    """Variables win over files: ``SPRING_MAIL_HOST`` is spring.mail.host."""
    for name, setting in variables.values.items():
        lower = name.lower()
        if not re.match(r"spring[_.]mail[_.]", lower) or setting.value is None:
            continue
        bound = lower.replace("_", ".")
        if not bound.startswith(("spring.mail.properties.", "spring.mail.ssl.")):
            bound = "spring.mail." + re.sub(r"[._-]", "", bound.removeprefix("spring.mail."))
        bound = next((one for one in merged if one.lower() == bound), bound)  # a map's key keeps the case of the file
        losers = (merged[bound], *merged[bound].shadowed) if bound in merged else ()
        merged[bound] = replace(setting, shadowed=(*setting.shadowed, *losers))


def _resolved(look: Look, setting: Setting, merged: Mapping[str, Setting], variables: Variables) -> Setting:
    """A property with its placeholders replaced by variables and other properties."""
    text = setting.text
    if text is None or "${" not in text:
        return setting

    def lookup(name: str) -> Setting | None:
        found = variables.get(name) or variables.get(re.sub(r"[.]", "_", name.replace("-", "")).upper())
        return found or merged.get(canonical(name))

    for name in re.findall(r"\$\{([A-Z][A-Z0-9_]*)[:}]", text):
        if setting.place is not None:
            look.uses(name, setting.place)
    told = resolve(text, lookup)
    if told.unset and setting.place is not None:
        look.unread.append(
            Unread(setting.place, setting.name, f"{', '.join(told.unset)}: nothing in this tree sets it")
        )
    return replace(setting, value=told.text, via=told.via, faults=(*setting.faults, *told.faults))


def _settings(look: Look, environment: str, place: Place, told: Mapping[str, Setting]) -> MailSettings:
    def own(name: str) -> Setting | None:
        return told.get(f"spring.mail.{name}")

    protocol = own("protocol")
    properties = {
        name.removeprefix("spring.mail.properties."): setting
        for name, setting in told.items()
        if name.startswith("spring.mail.properties.")
    }
    session = Session(properties, protocol, own("host"), _whole(own("port")), own("username"), own("password"))
    for name in ("enabled", "bundle"):  # MailSenderPropertiesConfiguration: mail.PROTOCOL.ssl.enable
        ssl = own(f"ssl.{name}")
        if ssl is not None and (name == "bundle" or _truth(ssl)):
            session.properties[f"mail.{session.word}.ssl.enable"] = replace(ssl, value="true")
    for setting, why in never_read(properties, session.word):
        mark = SourceMark("property-never-read", setting.place or place, f"{setting.name}: {why}")
        if mark not in look.marks:
            look.marks.append(mark)
    jndi = own("jndiname")
    if jndi is not None:
        unread = (Unread(jndi.place or place, jndi.name, "the session is the application server's own"),)
        why = missing(f"{place}: the session comes from the application server")
        return MailSettings("spring", environment, place, {}, Plan("smtp", why, why, why, "", why, why), unread=unread)
    plan = plan_of(session, place, prefix="spring.mail.properties.")
    roles = session.roles()
    if _stops(own("port")):
        why = "spring.mail.port is no number: the application does not start"
        plan = Plan("refused", "", 0, "clear", why, True, False)
    return MailSettings("spring", environment, place, roles, plan)


def _stops(port: Setting | None) -> bool:
    """True for a port that cannot be bound to an Integer."""
    return port is not None and port.text is not None and not re.fullmatch(r"\s*-?[0-9]+\s*|", port.text)


def _whole(port: Setting | None) -> Setting | None:
    """The port as Spring converts it: blanks around a number do not matter; an empty text is none."""
    if port is None or port.text is None:
        return port
    if not port.text.strip():
        return None
    faults = tuple(f for f in port.faults if f.kind != "trailing-blank")
    if _stops(port):
        faults = (*faults, ValueFault("not-bound", "no number"))
    return replace(port, value=port.text.strip(), faults=faults)


def _truth(setting: Setting) -> bool:
    return _WORDS.get((setting.text or "").strip().lower()) == "true"

"""Variables: one that is missing where its like is set, one that browsers get to see, one that is no variable at all.

What this file will not do: take a variable that no file sets for an error by itself; most platforms set secrets
elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from deliverkit.facts.base import NotApplicable, needs
from deliverkit.facts.settings.model import AppFacts, MailSettings
from deliverkit.facts.settings.values import PROCESS, Place, Setting
from deliverkit.findings import Evidence, Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.settings.placeholders import placeholder
from deliverkit.rules.settings.reading import SECRET_ROLES, at, evidence, named, seen, text_of
from deliverkit.rules.settings.spelling import distance

_NEEDED = ("host", "user", "password", "service", "url")
_SAME = {
    word: group[0]
    for group in (
        ("password", "pass", "passwd", "pwd", "passwort"),
        ("user", "username", "login", "account"),
        ("mail", "email", "smtp", "mailer", "e"),
        ("host", "server", "hostname"),
        ("from", "sender"),
        ("address", "addr"),
    )
    for word in group
}
_PUBLIC = re.compile(
    r"(?:NEXT_PUBLIC|VITE|REACT_APP|NUXT_PUBLIC|EXPO_PUBLIC|GATSBY|VUE_APP|STORYBOOK|PUBLIC)_(\w+)", re.ASCII
)
_ABOUT_MAIL = re.compile(r"(?:^|_)(?:E?MAIL\w*|SMTP\w*|SENDGRID|RESEND|MAILGUN|POSTMARK|BREVO|SES|NODEMAILER)(?:_|$)")
_SECRET = re.compile(r"(?:^|_)(?:PASS|PASSWORD|PASSWD|PWD|SECRET|TOKEN|API_?KEY|SECRET_?KEY|PRIVATE_?KEY|AUTH_?CODE)$")
_SOURCE = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".py", ".php", ".java", ".kt", ".rb", ".go")


def _unset(app: AppFacts) -> Iterator[tuple[MailSettings, str, Setting]]:
    """The variables that a transport reads and nothing sets, each once in an environment, with its role."""
    told: set[tuple[str, str]] = set()
    for one in needs(app.settings or None):
        for role, setting in one.roles.items():
            origin = setting.origin
            unset = setting.via is not None and setting.value is None and origin.value is None
            if unset and (origin.name, one.environment) not in told:
                told.add((origin.name, one.environment))
                yield one, role, setting


def _alike(name: str, known: Mapping[str, Setting], read: frozenset[str]) -> Setting | None:
    """A variable that is set, that nothing reads, and whose name is nearly this one."""
    others = [other for other in known if other not in read and other != name and known[other].value not in (None, "")]
    same = [other for other in others if _words(other) == _words(name)]
    near = [
        other for other in others if len(name) > 5 and distance(other.upper(), name.upper()) <= 2 and _one(other, name)
    ]
    return known[min(same or near, key=lambda other: distance(other, name))] if same or near else None


def _words(name: str) -> tuple[str, ...]:
    """The words of a name in their usual form: SMTP_PASS and EMAIL_PASSWORD are the same."""
    bare = _PUBLIC.sub(r"\1", name)
    return tuple(sorted({_SAME.get(word, word) for word in bare.lower().split("_") if word}))


def _one(other: str, name: str) -> bool:
    """True if two names differ in one word only, and that by a slip: SMTP_USER and SMTP_PORT do not."""
    ours, theirs = other.upper().split("_"), name.upper().split("_")
    if len(ours) != len(theirs):
        return "".join(ours) == "".join(theirs)
    unlike = [(a, b) for a, b in zip(ours, theirs, strict=True) if a != b]
    return len(unlike) == 1 and min(map(len, unlike[0])) >= 4 and sorted(unlike[0][0])[:3] == sorted(unlike[0][1])[:3]


def _known(app: AppFacts, environment: str) -> Mapping[str, Setting]:
    return app.variables.get(environment, {})


def _read(app: AppFacts) -> frozenset[str]:
    """The variables that something reads: those of the transports, and what source names."""
    return frozenset((*app.used, *(s.origin.name for one in app.settings for s in one.roles.values())))


@rule("SET034", Severity.ERROR, "good practice: a name is read as it is written")
def variable_under_another_name(facts: AppFacts) -> Findings:
    """A variable that the program reads is not set, and one with nearly the same name is.

    Why: the program gets nothing: it logs in without a password, or connects to localhost.
    Fix: give the variable the name that the program reads, or read the one that is set.
    """
    read = _read(facts)
    for one, role, setting in _unset(facts):
        name = setting.origin.name
        other = _alike(name, _known(facts, one.environment), read)
        if other is not None:
            place = f" ({other.place})" if other.place else ""
            yield finding(
                f"{name} is read at {setting.place}, and {other.name}{place} is what is set",
                at=(*_uses(setting), evidence(other, secret=role in SECRET_ROLES)),
                fix=f"rename {named(other)} to {name}",
                subject=one.subject,
            )


def _uses(setting: Setting) -> tuple[Evidence, ...]:
    return (seen(setting.place, setting.origin.name),) if setting.place is not None else ()


@rule("SET035", Severity.WARNING, "good practice: each environment has its own settings")
def variable_of_development_only(facts: AppFacts) -> Findings:
    """A variable about the mail server is set for development, and not for the environment that is judged.

    Why: mail works where it was tried, and not where it runs: the program connects to its default, localhost.
    Fix: set the variable for this environment too.
    """
    read = _read(facts)
    for one, role, setting in _unset(facts):
        name = setting.origin.name
        if _alike(name, _known(facts, one.environment), read) is not None or role not in ("host", "service", "url"):
            continue
        for other, values in facts.variables.items():
            if other != one.environment and text_of(values.get(name)):
                here = one.environment or "this environment"
                yield finding(
                    f"{name} is set for {other} ({values[name].place}), not for {here}",
                    at=(*_uses(setting), evidence(values[name])),
                    fix=f"set {name} for {here} too",
                    subject=one.subject,
                )
                break


@rule("SET036", Severity.NOTE, "good practice: secrets are set where the program runs")
def variables_that_no_file_sets(facts: AppFacts) -> Findings:
    """Variables about mail are read, and no file here sets them.

    Why: they must then be set where the program runs (the hosting platform's form, a secret of the container): if they
    are not, the program connects to localhost or logs in without a password.
    Fix: see that the variables are set where the program runs.
    """
    read = _read(facts)
    found: dict[str, list[Setting]] = {}
    for one, role, setting in _unset(facts):
        name = setting.origin.name
        elsewhere = any(text_of(values.get(name)) for values in facts.variables.values())
        elsewhere = elsewhere and role not in ("user", "password")  # SET035 says so of the others
        if role in _NEEDED and not elsewhere and _alike(name, _known(facts, one.environment), read) is None:
            found.setdefault(one.subject, []).append(setting)
    for subject, settings in found.items():
        names = ", ".join(setting.origin.name for setting in settings)
        marks = tuple(mark for setting in settings for mark in _uses(setting))
        yield finding(f"{names}: nothing here sets {'them' if len(settings) > 1 else 'it'}", at=marks, subject=subject)


@rule("SET037", Severity.ERROR, "good practice: Next.js, Vite and Create React App documentation, public variables")
def secret_in_a_public_variable(facts: AppFacts) -> Findings:
    """A secret of the mail server stands in a variable that is built into what browsers load.

    Why: whoever opens the site reads it and sends mail as you.
    Fix: make a new secret, put it into a variable without the public prefix, and read that on the server only.
    """
    used = {
        s.origin.name
        for one in facts.settings
        for role, s in one.roles.items()
        if role == "password" and s.via is not None
    }
    told: set[tuple[str, Place | None]] = set()
    everything = [s for values in facts.variables.values() for s in values.values()]
    everything += [s.origin for one in facts.settings for s in one.roles.values() if s.via is not None]
    needs(everything or None)
    for setting in everything:
        match = _PUBLIC.fullmatch(setting.name)
        if match is None or (setting.name, setting.place) in told:
            continue
        exposed = setting.name in used or (_ABOUT_MAIL.search(match[1]) and _SECRET.search(match[1]))
        if exposed and "EMAILJS" not in match[1] and setting.value not in (None, "") and _is_file(setting):
            told.add((setting.name, setting.place))
            yield finding(
                f"{named(setting)} is built into what browsers load",
                at=evidence(setting, secret=True),
                fix=f"make a new secret, and put it into {match[1]}, read on the server only",
            )


def _is_file(setting: Setting) -> bool:
    return setting.place is not None and setting.place.file != PROCESS


@rule("SET038", Severity.WARNING, "good practice: secrets stand in the environment, not in source")
def secret_in_source(facts: MailSettings) -> Findings:
    """The password of the mail server stands in the source.

    Why: whoever reads the repository, now or in its history, sends mail as you; providers that find such a key lock it.
    Fix: make a new password, set it in the environment, and read it from there.
    """
    setting = needs(facts.setting("password"))
    if setting.via is not None or setting.place is None:
        raise NotApplicable
    text = text_of(setting)
    if text and setting.place.file.endswith(_SOURCE) and not placeholder(text):
        yield finding(f"{setting.name} at {setting.place} is written into the source", at=at(facts, "password"))

"""How values were written: blanks, quotation marks, comments, variables and URLs that change what the program sees.

What this file will not do: read a file of variables (`deliverkit.facts.settings.dotenv` keeps what its loader changed),
or show a secret. Only settings about mail are judged, each at the place where it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from deliverkit.facts.base import needs
from deliverkit.facts.settings.model import AppFacts, MailSettings
from deliverkit.facts.settings.url import is_mail_url, read_mail_url
from deliverkit.facts.settings.values import Setting, ValueFault
from deliverkit.findings import Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.settings.reading import (
    SECRET_ROLES,
    at,
    chain,
    doubtful,
    evidence,
    faults_of,
    named,
    origins,
    seen,
    short,
    smtp,
    text_of,
)

_NAMES = ("user", "password", "host", "service", "url", "from", "backend")


def _faults(facts: MailSettings, *kinds: str) -> Iterator[tuple[str, Setting, ValueFault]]:
    """The faults of these kinds among the settings about mail, each once, at its origin."""
    needs(facts.roles or None)
    for role, origin in origins(facts):
        told = [fault for one in chain(facts.roles[role]) for fault in one.faults]
        url = read_mail_url(text_of(origin)) if is_mail_url(text_of(origin)) else None
        for fault in dict.fromkeys((*told, *(() if url is None else url.faults))):
            if fault.kind in kinds:
                yield role, origin, fault


def _about(role: str, origin: Setting, said: str, detail: str = "") -> str:
    told = f"{named(origin)}: {said}"
    return f"{told} ({detail})" if detail and role not in SECRET_ROLES else told


@rule("SET003", Severity.ERROR, "good practice: values are compared octet by octet")
def blank_at_the_end_of_a_value(facts: MailSettings) -> Findings:
    """A value begins or ends with a blank that the program keeps.

    Why: the blank becomes part of the host, the user or the password: the name is not found, or the login is refused.
    Fix: take the blank out.
    """
    needs(facts.roles or None)
    for role, origin in origins(facts):
        text = text_of(origin)
        if role in _NAMES and text.strip() and text.strip(" \t") != text and not text.endswith("\r"):
            where = "begins" if text[0] in " \t" else "ends"
            fix = f"take the blank out of {named(origin)}"
            yield finding(
                f"{named(origin)} {where} with a blank",
                at=evidence(origin, secret=role in SECRET_ROLES),
                fix=fix,
            )


@rule("SET004", Severity.ERROR, "good practice: the documentation of the loaders")
def quotation_marks_in_a_value(facts: MailSettings) -> Findings:
    """Quotation marks stand around a value and are part of it.

    Why: this loader, or the way the value got into the environment (docker --env-file, a form of the hosting platform),
    does not take them off: the server is asked for a user, password or host with quotation marks.
    Fix: write the value without quotation marks.
    """
    needs(facts.roles or None)
    for role, origin in origins(facts):
        text = text_of(origin).strip()
        kept = len(text) > 2 and text[0] == text[-1] and text[0] in "'\"`"
        if role in _NAMES and role != "from" and (kept or any(f.kind == "quotes-kept" for f in origin.faults)):
            yield finding(
                f"{named(origin)}: the quotation marks are part of the value",
                at=evidence(origin, secret=role in SECRET_ROLES),
                fix=f"write the value of {named(origin)} without quotation marks",
            )


@rule("SET005", Severity.ERROR, "good practice: RFC 5321 §2.3.8, a CR alone is no line end")
def carriage_return_in_a_value(facts: MailSettings) -> Findings:
    """A value ends with a carriage return: the file has the line ends of Windows, and this loader keeps the CR.

    Why: the host is not found and the password is refused, while both look right wherever they are shown.
    Fix: save the file with LF line ends (dos2unix), and keep it so (.gitattributes: *.env text eol=lf).
    """
    needs(facts.roles or None)
    for role, origin in origins(facts):
        if text_of(origin).endswith("\r") or any(f.kind == "carriage-return" for f in origin.faults):
            yield finding(
                f"{named(origin)} ends with a carriage return", at=evidence(origin, secret=role in SECRET_ROLES)
            )


@rule("SET006", Severity.ERROR, "good practice: the documentation of the loaders, comments")
def value_cut_at_a_number_sign(facts: MailSettings) -> Findings:
    """A # in a value without quotation marks began a comment.

    Why: the program sees only what stands before the #: the login is refused (535), although the password in the file
    is right.
    Fix: put the value into quotation marks; single ones keep $ too.
    """
    for role, origin, fault in _faults(facts, "comment-cut"):
        if role in ("user", "password", "url", "from") or "://" in text_of(origin):
            url = " and write %23 for a # in its password" if "://" in text_of(origin) else ""
            yield finding(
                f"{named(origin)} is cut at its #: {fault.detail}",
                at=evidence(origin, secret=role in SECRET_ROLES),
                fix=f"put the value of {named(origin)} into single quotation marks{url}",
            )


@rule("SET007", Severity.ERROR, "good practice: the documentation of the loaders, variable expansion")
def dollar_taken_for_a_variable(facts: MailSettings) -> Findings:
    """A $ in a value was taken for a variable that nothing sets.

    Why: the loader replaced it, and the letters behind it, by nothing: what reaches the server is not what the file
    shows.
    Fix: write \\$ for a $ that is meant, or set the variable that is meant.
    """
    for role, origin, fault in _faults(facts, "expanded"):
        if fault.detail.endswith("not set"):
            said = "a $ was taken for a variable that nothing sets"
            yield finding(
                _about(role, origin, said, fault.detail),
                at=evidence(origin, secret=role in SECRET_ROLES),
                fix=f"write \\$ for each $ that is meant in {named(origin)}",
            )


@rule("SET008", Severity.ERROR, "RFC 3986 §2.1")
def url_part_not_encoded(facts: MailSettings) -> Findings:
    """A character in the URL of the mail server is not percent-encoded and ends a part of it.

    Why: host, user or password become something else than was meant.
    Fix: write the user and the password percent-encoded: %40 for @, %23 for #, %2F for /, %3A for :, %25 for %.
    """
    told: set[tuple[str, str]] = set()
    for _role, origin, fault in _faults(facts, "url-part-not-encoded"):
        cut = "comment-cut" in faults_of(origin)  # SET006 says so: what is left of the URL is not judged
        if (origin.name, fault.detail) not in told and not cut:
            told.add((origin.name, fault.detail))
            yield finding(f"{named(origin)}: {fault.detail}", at=evidence(origin))


@rule("SET009", Severity.ERROR, "good practice: the documentation of the loaders, quotation marks")
def quotation_mark_without_its_end(facts: MailSettings) -> Findings:
    """A value begins with a quotation mark that has no end.

    Why: the mark becomes part of the value, or the lines that follow do.
    Fix: write the quotation mark at the end of the value too, or leave out both.
    """
    for role, origin, _fault in _faults(facts, "unclosed-quote"):
        yield finding(
            f"{named(origin)} begins with a quotation mark that has no end",
            at=evidence(origin, secret=role in SECRET_ROLES),
        )


@rule("SET010", Severity.WARNING, "good practice: the documentation of the loaders, the last one wins")
def set_twice_in_one_file(facts: MailSettings) -> Findings:
    """A variable about mail is set twice in one file.

    Why: only one of the two counts, in most loaders the last: a change of the other has no effect.
    Fix: delete one of the two lines.
    """
    for role, origin, fault in _faults(facts, "duplicate"):
        yield finding(f"{named(origin)} counts; it is {fault.detail}", at=evidence(origin, secret=role in SECRET_ROLES))


@rule("SET011", Severity.ERROR, "good practice: the documentation of the loaders, variable expansion")
def variables_in_a_circle(facts: MailSettings) -> Findings:
    """Variables stand for each other in a circle.

    Why: none of them has a value; what the loader makes of it is empty.
    Fix: give one of them its value.
    """
    for role, origin, fault in _faults(facts, "circle"):
        yield finding(f"{named(origin)}: {fault.detail}", at=evidence(origin, secret=role in SECRET_ROLES))


@rule("SET012", Severity.ERROR, "good practice: the documentation of phpdotenv and Symfony Dotenv")
def blank_without_quotation_marks(facts: MailSettings) -> Findings:
    """A value holds a blank and stands without quotation marks, which this loader refuses.

    Why: the program does not start ("Encountered unexpected whitespace"), or keeps running with old settings.
    Fix: put the value into quotation marks.
    """
    for role, origin, _fault in _faults(facts, "blank-unquoted"):
        yield finding(
            f"{named(origin)} holds a blank and no quotation marks",
            at=evidence(origin, secret=role in SECRET_ROLES),
            fix=f"put the value of {named(origin)} into quotation marks",
        )


@rule("SET013", Severity.ERROR, "good practice: RFC 3629 §6, byte order marks where UTF-8 is certain")
def byte_order_mark_before_the_first_variable(facts: AppFacts) -> Findings:
    """The file of variables begins with a byte order mark, and its loader makes it part of the first name.

    Why: the first variable of the file is not set, although it stands there.
    Fix: save the file as UTF-8 without a byte order mark.
    """
    needs(facts.settings or facts.unread or None)
    for one in facts.unread:
        if "byte order mark" in one.why:
            name = one.expression or "the first variable"
            yield finding(f"{one.place}: {name} is lost: {one.why}", at=seen(one.place, name))


@rule("SET014", Severity.ERROR, "RFC 5321 §2.3.5; good practice: a host name holds no scheme, port, path or blank")
def host_is_no_host_name(facts: MailSettings) -> Findings:
    """What stands where the host belongs is no host name.

    Why: a scheme, a port, a path or an address in it is looked up as part of the name (getaddrinfo ENOTFOUND).
    Fix: write the host name alone; the port and TLS have settings of their own.
    """
    host = smtp(facts).host.strip()
    if doubtful(needs(facts.setting("host"))) or (host.count(":") > 1 and "/" not in host):
        return  # said elsewhere, or an IPv6 address
    wrong = next((told for mark, told in _NO_HOST if mark in host), None)
    if wrong is not None:
        bare = _bare(host)
        fix = f'write the host name alone: "{bare}"' if bare else None
        yield finding(f'"{short(host)}" holds {wrong}', at=at(facts, "host"), fix=fix)


_NO_HOST = (("://", "a scheme"), ("@", "an @"), ("/", "a path"), (" ", "a blank"), (":", "a port"), (",", "a comma"))


def _bare(text: str) -> str:
    """The host name in a text that holds more than it."""
    return re.split(r"[/:,?\s]", text.partition("://")[2] or text)[0].rpartition("@")[2]

"""Spring Boot's mail settings, and what JavaMail makes of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.facts.base import Missing
from deliverkit.facts.settings.javaproperties import read_properties, resolve
from deliverkit.facts.settings.model import MailSettings
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.readers.spring import canonical, holds, read
from deliverkit.facts.settings.tree import ToldTree
from deliverkit.facts.settings.values import Secret, Setting

FILE = "src/main/resources/application.properties"


def look(files: dict[str, str], **options: object) -> Look:
    """A look at a tree that is told."""
    return Look(ToldTree(files), **options)  # type: ignore[arg-type]


def one(files: dict[str, str], **options: object) -> MailSettings:
    """The only sender of a tree."""
    (found,) = read(look(files, **options))
    return found


def mail(*lines: str) -> dict[str, str]:
    """A file of properties with a host and these lines below spring.mail."""
    return {FILE: "".join(f"spring.mail.{line}\n" for line in ("host=mail.shop.example", *lines))}


@pytest.mark.parametrize(
    ("lines", "port", "mode"),
    [
        ((), 25, "clear"),
        (("port=587", "properties.mail.smtp.starttls.enable=true"), 587, "opportunistic"),
        (("port=587", "properties.mail.smtp.starttls.required=TRUE"), 587, "starttls"),
        (("port=587", "properties.mail.smtp.starttls.enable=yes"), 587, "clear"),  # PropUtil knows "true" alone
        (("properties.mail.smtp.ssl.enable=true",), 465, "implicit"),
        (("port=587", "properties.mail.smtp.ssl.enable=true"), 587, "implicit"),
        (("protocol=smtps",), 465, "implicit"),
        (("port=465", "protocol=smtps", "properties.mail.smtp.starttls.enable=true"), 465, "implicit"),
        (("port=465", "properties.mail.smtps.ssl.enable=true"), 465, "clear"),
        (("port=465", "ssl.enabled=on"), 465, "implicit"),
        (("port=465", "ssl.bundle=mail"), 465, "implicit"),
        (("properties.mail.smtp.port=2525",), 2525, "clear"),
        (("port=465", "properties.mail.smtp.socketFactory.class=javax.net.ssl.SSLSocketFactory"), 465, "implicit"),
    ],
)
def test_how_tls_begins(lines: tuple[str, ...], port: int, mode: str) -> None:
    """JavaMail's law: port 25 without TLS by default, smtps with its own properties."""
    plan = one(mail(*lines)).plan
    assert (plan.host, plan.port, plan.mode) == ("mail.shop.example", port, mode)


def test_times_login_and_the_rest() -> None:
    """Milliseconds, for ever without; a password is held apart; the roles keep their lines."""
    plan = one(mail()).plan
    assert (plan.connect_s, plan.greeting_s, plan.socket_s, plan.login, plan.verify) == (None, None, None, False, True)
    found = one(
        mail(
            "username=ann", "password=s3cret", "properties.mail.smtp.connectiontimeout=5000",
            "properties.mail.smtp.timeout=2500", "properties.mail.smtp.ssl.trust=*",
            "properties.mail.smtp.localhost=app.shop.example", "properties.mail.smtp.from=bounce@shop.example",
            "properties.mail.smtp.auth.mechanisms=LOGIN PLAIN",
        )
    )  # fmt: skip
    plan = found.plan
    assert (plan.connect_s, plan.greeting_s, plan.login, plan.verify) == (5.0, 2.5, True, False)
    assert (plan.helo, plan.mechanism) == ("app.shop.example", "LOGIN")
    assert found.password == Secret("s3cret")
    assert {role: str(s.place) for role, s in found.roles.items() if role in ("host", "password", "from")} == {
        "host": f"{FILE}:1", "password": f"{FILE}:3", "from": f"{FILE}:8",
    }  # fmt: skip


def test_precedence_of_files() -> None:
    """Variables, then files of the profile, then config/ beside the program, then properties over YAML of one place."""
    files = {
        "src/main/resources/application.yml": "spring.mail: {host: a, port: 1, username: u, protocol: smtp}",
        FILE: "spring.mail.host=b\nspring.mail.port=2\nspring.mail.username=v\n",
        "config/application.yml": "spring:\n  mail:\n    host: c\n    port: 3\n",
        "src/main/resources/application-prod.yml": "spring:\n  mail:\n    host: d\n",
    }
    found = {s.environment: s for s in read(look(files))}
    assert list(found) == ["prod", "default"]
    assert [found["prod"].plan.host, found["prod"].plan.port, found["default"].plan.host] == ["d", 3, "c"]
    host = found["prod"].roles["host"]
    assert [s.value for s in (host, *host.shadowed)] == ["d", "c", "b", "a"]
    assert found["prod"].roles["user"].value == "v"
    (asked,) = read(look(files, asked="production", process={"SPRING_MAIL_HOST": "e"}))
    assert (asked.plan.host, asked.roles["host"].name, asked.roles["host"].shadowed[0].value) == (
        "e", "SPRING_MAIL_HOST", "d",
    )  # fmt: skip


def test_relaxed_names_of_variables() -> None:
    """SPRING_MAIL_PROPERTIES_MAIL_SMTP_STARTTLS_ENABLE is the property of that name."""
    plan = one(
        mail("properties.mail.smtp.starttls.enable=false"),
        process={"SPRING_MAIL_PROPERTIES_MAIL_SMTP_STARTTLS_ENABLE": "true", "SPRING_MAIL_PORT": "587"},
    ).plan
    assert (plan.port, plan.mode) == (587, "opportunistic")
    assert {canonical(n) for n in ("spring.mail.default-encoding", "spring.mail.defaultEncoding")} == {
        "spring.mail.defaultencoding"
    }
    assert canonical("spring.mail.properties[mail.smtp.auth]") == "spring.mail.properties.mail.smtp.auth"


def test_placeholders_are_followed_or_said_to_be_unread() -> None:
    """A default, a variable of .env, another property; what nothing sets leaves the fact open."""
    files = mail("port=${MAIL_PORT:587}", "username=${app.sender}", "password=${MAIL_PASSWORD}")
    files[FILE] += "app.sender=${SENDER:ann}@shop.example\n"
    seen = look(files | {".env": "SENDER=bob\n"})
    (found,) = read(seen)
    assert (found.plan.port, found.roles["user"].value) == (587, "bob@shop.example")
    assert found.roles["password"].value is None and found.roles["password"].origin.name == "MAIL_PASSWORD"
    assert [(str(u.place), u.why) for u in seen.unread] == [
        (f"{FILE}:4", "MAIL_PASSWORD: nothing in this tree sets it")
    ]
    assert set(seen.used) == {"MAIL_PORT", "MAIL_PASSWORD"}
    found = one(mail("port=${MAIL_PORT}"))
    assert isinstance(found.plan.raw("port"), Missing)


def test_profiles_of_documents_groups_and_tests() -> None:
    """Conditions, groups and includes hold; what only tests read does not count."""
    text = (
        "spring.profiles.group.prod=mail\nspring.mail.host=base\n#---\nspring.config.activate.on-profile=mail\n"
        "spring.mail.port=587\n#---\nspring.config.activate.on-profile=!prod\nspring.mail.host=dev\n"
    )
    found = {
        s.environment: s for s in read(look({FILE: text, "src/test/resources/application.yml": "spring.mail.host: t"}))
    }
    assert {name: (s.plan.host, s.plan.port) for name, s in found.items()} == {
        "mail": ("dev", 587), "default": ("dev", 25),
    }  # fmt: skip
    assert one({FILE: text}, asked="prod").plan.port == 587
    assert one({FILE: text}, asked="production").plan.host == "base"


@pytest.mark.parametrize(
    ("condition", "active", "told"),
    [
        ("prod", ("prod",), True), ("prod", ("production",), True), ("!prod", ("prod",), False), ("a,b", ("b",), True),
        ("a & b", ("b",), False), ("a & b", ("a", "b"), True), ("a | b", ("b",), True),
        ("(a | b) & !c", ("a",), True), ("(a | b) & !c", ("a", "c"), False), ("", ("a",), False), ("((", (), False),
    ],
)  # fmt: skip
def test_conditions_on_profiles(condition: str, active: tuple[str, ...], told: bool) -> None:
    """The expressions of spring.config.activate.on-profile."""
    assert holds(condition, active) is told


def test_bad_yaml_bombs_and_other_sources_are_said() -> None:
    """No traceback, no guess: what was not read is told with file and line."""
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(12)
    )
    chain = "a0: &a0 [x]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}]\n" for i in range(5000))
    for text, why in (
        ("spring: [", "no valid YAML"),
        ("a: " + "[" * 5000, "n"),  # libyaml has a bound of its own
        ("- " * 5000, "nested too deep"),
        (f"{bomb}spring.mail.host: mail.shop.example\n", "aliases make it grow"),
        (chain, "aliases make it grow"),
        ("a: &a [*a]", "aliases make it grow"),
        ("a: &a {<<: *a}", "aliases make it grow"),
        ("x: 1\n" * 200_000, "larger than"),
        ("a: \x01", "no valid YAML"),
    ):
        seen = look({"application.yml": text})
        assert list(read(seen)) == []
        assert [u.why.startswith(why) for u in seen.unread] == [True], (text[:20], seen.unread)
    seen = look(mail() | {"application.yml": "spring.config.import: 'configserver:'\n"})
    (_,) = read(seen)
    assert [u.why for u in seen.unread] == ["it is not followed"]


def test_the_file_of_properties_is_read_as_java_reads_it() -> None:
    """Separators, escapes, continued lines, comments, blanks at the end, names set twice, documents."""
    text = "# note\r\n! note\r\na=1\r\nb : 2\r\nc 3\r\nd\\ e = x\\\r\n   y\\u0041\\n\r\nf = g # h \r\n"
    text += "a=4\r\n#---\r\ni=\\\\\r\nj"
    first, second = read_properties(text, "p")
    assert {n: s.value for n, s in first.items()} == {"a": "4", "b": "2", "c": "3", "d e": "xyA\n", "f": "g # h "}
    assert {n: [f.kind for f in s.faults] for n, s in first.items() if s.faults} == {
        "a": ["duplicate"], "d e": ["trailing-blank"], "f": ["trailing-blank"],
    }  # fmt: skip
    assert {n: (s.value, s.place and s.place.line) for n, s in second.items()} == {"i": ("\\", 11), "j": ("", 12)}


@given(st.text(st.sampled_from("ab=: \\\n\r#!-u0041\t$"), max_size=60))
def test_no_file_of_properties_raises(text: str) -> None:
    """Every line is within the file, and no name is lost to another document."""
    lines = len(re.split(r"\r\n|\r|\n", text))
    for document in read_properties(text, "p"):
        assert all(
            s.place is not None and s.place.line is not None and 1 <= s.place.line <= lines for s in document.values()
        )


@given(st.dictionaries(st.text("abc.", min_size=1), st.text("xyz =:#!\\\t", max_size=10), max_size=5))
def test_what_is_escaped_comes_back(values: dict[str, str]) -> None:
    """Properties written as Properties.store writes them are read as they were."""

    def stored(text: str) -> str:
        return "".join(f"\\{c}" if c in "\\ =:#!" else "\\t" if c == "\t" else c for c in text)

    text = "".join(f"{stored(n)}={stored(v)}\n" for n, v in values.items())
    (read_back,) = read_properties(text, "p")
    assert {n: s.value for n, s in read_back.items()} == values


@given(st.text("${}:ab", max_size=40), st.dictionaries(st.sampled_from("ab"), st.text("${}:ab", max_size=12)))
def test_placeholders_end(text: str, values: dict[str, str]) -> None:
    """Circles and depth are bounded; a text without a placeholder stands for itself."""
    told = resolve(text, lambda name: Setting(name, values[name], None, "") if name in values else None)
    assert told.text is None or len(told.text) <= 65_536
    assert "${" in text or told.text == text

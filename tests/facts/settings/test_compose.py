"""The environments of Compose services: for the readers of applications, and by well-known names alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.engine.doctor import DoctorOptions, examined
from deliverkit.facts.base import Missing
from deliverkit.facts.settings.model import MailSettings
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.readers.compose import blocks, interpolated
from deliverkit.facts.settings.tree import ToldTree
from deliverkit.facts.settings.values import Place, Setting

KNOWN = {"A": Setting("A", "1", None, ".env"), "EMPTY": Setting("EMPTY", "", None, ".env")}


def settings(files: dict[str, str], **options: object) -> tuple[MailSettings, ...]:
    """What every reader finds in a tree."""
    return examined(ToldTree(files), "shop", DoctorOptions(**options), lambda _: None).settings  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "told", "faults"),
    [
        ("plain", "plain", 0), ("a$$b", "a$b", 0), ("$A", "1", 1), ("${A}x", "1x", 1), ("pa$word", "pa", 1),
        ("${NO:-d}", "d", 0), ("${NO-d}", "d", 0), ("${EMPTY:-d}", "d", 0), ("${EMPTY-d}", "", 0), ("${A:-d}", "1", 0),
        ("${NO:-${A}}", "1", 1), ("${A:+x}", "x", 0), ("${NO:+x}", "", 0), ("${NO:?say}", "", 1), ("$5", "$5", 0),
        ("$$$$", "$$", 0), ("cost: $", "cost: $", 0),
    ],
)  # fmt: skip
def test_interpolation(text: str, told: str, faults: int) -> None:
    """As Compose's documentation has it; a dollar that was taken for a variable is kept as a fault."""
    value, found = interpolated(text, KNOWN)
    assert (value, len(found)) == (told, faults)


@given(st.text("ab $${}:-?+A", max_size=60))
def test_interpolation_ends_and_dollars_can_be_written(text: str) -> None:
    """Never an error; what doubles every dollar comes back as it was."""
    assert isinstance(interpolated(text, KNOWN)[0], str)
    assert interpolated(text.replace("$", "$$"), KNOWN) == (text, ())


def test_both_forms_files_of_variables_and_what_wins() -> None:
    """environment over env_file, the later file over the earlier; names without a value come from the shell."""
    tree = ToldTree(
        {
            "app/compose.yml": """
services:
  web:
    build: {context: ./web}
    env_file: [a.env, {path: b.env, required: false}, {path: none.env, required: false}, gone.env]
    environment:
      - B=3
      - FROM_SHELL
      - 'C="x"'
      - NOWHERE
  job:
    image: job:1
    environment: {A: 1, P: "pa$ss"}
""",
            "app/a.env": "A=1\nB=1\n",
            "app/b.env": "A=2\n",
            "app/.env": "FROM_SHELL=s\n",
        }
    )
    look = Look(tree)
    web, job = blocks(look)
    assert (web.folder, job.folder, job.image, str(web.place)) == ("app/web", None, "job:1", "app/compose.yml:4")
    assert {n: s.value for n, s in web.values.items()} == {
        "A": "2", "B": "3", "FROM_SHELL": "s", "C": '"x"', "NOWHERE": None,
    }  # fmt: skip
    assert [(str(s.place), s.value) for s in web.values["A"].shadowed] == [("app/a.env:1", "1")]
    assert str(web.values["B"].place) == "app/compose.yml:7"
    assert [f.kind for f in web.values["C"].faults] == ["quotes-kept"]
    assert [(f.kind, f.detail) for f in job.values["P"].faults] == [("expanded", "$ss is not set")]
    assert [u.expression for u in look.unread] == ["env_file: gone.env"]


def test_files_of_environments_lie_over_the_first() -> None:
    """compose.override belongs to the first file, compose.prod is the environment prod."""
    files = {
        "compose.yaml": "services: {web: {build: ., environment: {A: 1, B: 1}}}",
        "compose.override.yaml": "services: {web: {environment: {A: 2}}}",
        "docker-compose.prod.yml": "services: {web: {environment: {A: 3}}}",
    }
    here, prod = blocks(Look(ToldTree(files)))
    assert (here.environment, here.values["A"].value, here.folder) == (None, "2", "")
    assert (prod.environment, prod.values["A"].value, prod.values["B"].value) == ("prod", "3", "1")


def test_a_service_is_the_process_environment_of_what_it_builds() -> None:
    """A Laravel application takes its variables from the service, before its own .env; nothing is told twice."""
    files = {
        "compose.yaml": "services:\n  web:\n    build: ./web\n    environment:\n      MAIL_HOST: mail.shop.example\n"
        "      MAIL_MAILER: smtp\n      MAIL_PASSWORD: hidden-one\n",
        "web/artisan": "#!",
        "web/.env": "MAIL_HOST=localhost\nMAIL_PORT=587\n",
    }
    (one,) = settings(files)
    host = one.roles["host"].origin
    assert (one.framework, host.value, host.place) == ("laravel", "mail.shop.example", Place("compose.yaml", 5))
    assert [str(s.place) for s in host.shadowed] == ["web/.env:1"]
    assert one.plan.port == 587


def test_files_of_production_win_over_a_service_that_names_no_environment() -> None:
    """Compose is taken for development, unless a variable in it says otherwise."""
    files = {
        "pom.xml": "<project/>",
        "application-prod.properties": "spring.mail.host=${MAIL_SERVER}\n",
        ".env": "MAIL_SERVER=mail.shop.example\n",
        "compose.yaml": "services: {web: {build: ., environment: {MAIL_SERVER: mailpit}}}",
    }
    (one,) = settings(files)
    assert (one.environment, one.plan.host) == ("prod", "mail.shop.example")
    files["compose.yaml"] = (
        "services: {web: {build: ., environment: {MAIL_SERVER: mx.shop.example, SPRING_PROFILES_ACTIVE: prod}}}"
    )
    (one,) = settings(files)
    assert one.plan.host == "mx.shop.example"


def test_names_alone_say_no_more_than_they_say() -> None:
    """Mode, verification and times are open where only the program could tell them."""
    names = "APP_SMTP_HOST: mail.shop.example, APP_SMTP_PORT: 587, APP_SMTP_SECURE: 'true'"
    text = f"services: {{x: {{image: x, environment: {{{names}}}}}}}"
    (one,) = settings({"compose.yaml": text})
    assert (one.framework, one.plan.host, one.plan.port, one.plan.login) == ("env", "mail.shop.example", 587, False)
    assert all(isinstance(one.plan.raw(name), Missing) for name in ("mode", "verify", "connect_s"))
    (one,) = settings(
        {"compose.yaml": "services: {x: {image: x, environment: {SMTP_HOST: '${HOST}', SMTP_PASSWORD: pw}}}"}
    )
    assert isinstance(one.plan.raw("host"), Missing) and "pw" not in repr(one)
    url = "services: {x: {image: x, environment: {MAILER_URL: 'smtps://a:secret-one@mail.shop.example'}}}"
    (one,) = settings({"compose.yaml": url})
    assert (one.plan.mode, one.plan.host, one.plan.login) == ("implicit", "mail.shop.example", True)
    assert "secret-one" not in repr(one)


@given(
    st.recursive(
        st.text("a$ {}:", max_size=5) | st.none(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["services", "web", "environment", "env_file", "build", "image", "extends", "include"]),
                inner,
            )
        ),
    )
)
def test_no_compose_file_raises(tree: object) -> None:
    """Whatever shape the file has."""
    import json

    assert isinstance(list(blocks(Look(ToldTree({"compose.yaml": json.dumps(tree)})))), list)


def test_without_the_extra_what_was_not_read_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML is missing: the file is named, with the way to read it."""
    from deliverkit.facts.settings import yamlnodes

    monkeypatch.setattr(yamlnodes, "_loader", lambda: None)
    look = Look(ToldTree({"compose.yaml": "services: {}"}))
    assert list(blocks(look)) == []
    assert [(str(u.place), u.why) for u in look.unread] == [("compose.yaml", yamlnodes.LACKING)]

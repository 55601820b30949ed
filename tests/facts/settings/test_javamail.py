"""JavaMail in Java and Kotlin source, and beside the real JavaMail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.facts.base import Missing
from deliverkit.facts.settings.model import MailSettings
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.readers.javamail import read
from deliverkit.facts.settings.source.javatokens import arguments, tokens
from deliverkit.facts.settings.tree import ToldTree


def found(source: str, name: str = "Mailer.java", **files: str) -> list[MailSettings]:
    """The sessions of one source."""
    return list(read(Look(ToldTree({f"src/main/java/{name}": source, **files}))))


def test_constants_variables_and_defaults_are_followed() -> None:
    """Each value keeps its line and the variable it came from."""
    source = """class M {
      static final String HOST = "mail.shop.example"; // not "that"
      static final int PORT = 465;
      void m() {
        Properties p = new Properties(); /* p.put("mail.smtp.host", "no") */
        p.put("mail.smtp.host", HOST);
        p.put("mail.smtp.port", String.valueOf(PORT));
        p.setProperty("mail.smtp.ssl.enable", Boolean.TRUE);
        p.put("mail.smtp.timeout", System.getenv().getOrDefault("SMTP_TIMEOUT", "9000"));
        t.connect(HOST, System.getenv("SMTP_USER"), System.getenv("SMTP_PASS"));
        message.setFrom(new InternetAddress("shop@shop.example"));
      }
    }"""
    (one,) = found(source, **{".env": "SMTP_PASS=s3cret\n"})
    plan = one.plan
    assert (plan.host, plan.port, plan.mode, plan.socket_s) == ("mail.shop.example", 465, "implicit", 9.0)
    assert str(one.place) == "src/main/java/Mailer.java:5"
    assert one.roles["from"].value == "shop@shop.example"
    assert one.password is not None and one.password.reveal() == "s3cret"
    assert str(one.roles["password"].origin.place) == ".env:1"
    assert [(u.place.line, u.expression) for u in one.unread] == [(10, "connect(…) = System.getenv(…)")]


def test_what_is_not_followed_is_open() -> None:
    """A call of the program's own: the host is not known, the rest is."""
    (one,) = found('p.put("mail.smtp.host", config.host()); p.put("mail.smtp.port", "587");')
    assert isinstance(one.plan.raw("host"), Missing) and one.plan.port == 587
    assert [u.expression for u in one.unread] == ["mail.smtp.host = config.host()"]


def test_senders_of_spring_made_in_code() -> None:
    """JavaMailSenderImpl with its own properties is one transport."""
    (one,) = found("""
      JavaMailSenderImpl sender = new JavaMailSenderImpl();
      sender.setHost("mail.shop.example"); sender.setPort(587);
      Properties props = sender.getJavaMailProperties();
      props.put("mail.smtp.starttls.required", "true");
    """)
    assert (one.framework, one.plan.host, one.plan.port, one.plan.mode) == (
        "spring",
        "mail.shop.example",
        587,
        "starttls",
    )


def test_kotlin() -> None:
    """Index assignments, elvis defaults, templates that are not followed."""
    (one,) = found(
        """val host: String = System.getenv("H") ?: "mail.shop.example"
        val props = Properties()
        props["mail.smtp.host"] = host
        props["mail.smtp.port"] = "$port"
        props["mail.smtp.starttls.enable"] = "true"
        """,
        "M.kt",
    )
    assert one.plan.host == "mail.shop.example" and one.plan.mode == "opportunistic"
    assert isinstance(one.plan.raw("port"), Missing)


def test_two_sessions_of_one_source() -> None:
    """Each new Properties begins one."""
    source = 'a = new Properties(); a.put("mail.smtp.host", "a"); b = new Properties(); b.put("mail.smtp.host", "b");'
    assert [one.plan.host for one in found(source)] == ["a", "b"]


@pytest.mark.parametrize(
    "source", ['"mail.smtp', 'put("mail.smtp.host"', '"""mail.smtp', "/* mail.smtp", 'x = = "mail.smtp";(']
)
def test_broken_source_is_no_traceback(source: str) -> None:
    """Nothing is found, and nothing raised."""
    assert all(one.plan is not None for one in found(source))


@given(st.text(st.sampled_from("\"'\\/*(),;=.ab1$ \n?:[]{}"), max_size=80), st.booleans())
def test_tokens_keep_their_lines(text: str, kotlin: bool) -> None:
    """Never an error; lines do not go back; every bracket is left."""
    stream = tokens(text, kotlin=kotlin)
    assert [t.line for t in stream] == sorted(t.line for t in stream)
    assert all(1 <= t.line <= text.count("\n") + 1 for t in stream)
    for at, token in enumerate(stream):
        if token.word == "(" and token.kind == "mark":
            _, after = arguments(stream, at)
            assert at < after <= len(stream)


@given(st.text(st.sampled_from('mail.smtp"(),;=put new Properties System getenv connect []?:\n'), max_size=120))
def test_the_reader_never_raises(text: str) -> None:
    """Whatever stands in a file."""
    assert isinstance(found(f"{text} mail.smtp"), list)

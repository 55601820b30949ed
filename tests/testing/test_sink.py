"""The sink of the plugin: real clients, waiting that ends with the arrival, and what a wait in vain says."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from deliverkit.sink import ListenError
from deliverkit.testing.dns import ToldDns
from deliverkit.testing.running import RunningSink, SinkOptions
from tests.testing.letters import letter, send

APPLICATION = """\
import os, smtplib
from email.message import EmailMessage
mail = EmailMessage()
mail["From"], mail["To"], mail["Subject"] = "app@example.com", "bob@example.org", "from the application"
mail.set_content("Hello")
with smtplib.SMTP(os.environ["SMTP_HOST"], int(os.environ["SMTP_PORT"]), timeout=20) as client:
    client.send_message(mail)
"""


def with_subject(subject: str) -> bytes:
    """An unsigned message."""
    return f"From: a@example.com\r\nTo: b@example.org\r\nSubject: {subject}\r\n\r\nHello\r\n".encode()


def test_a_message_offers_its_parts_and_envelope(sink: RunningSink) -> None:
    """What came, decoded and untouched."""
    raw = letter()
    send(sink, raw)
    mail = sink.wait_for()
    assert mail.raw == raw
    assert (mail.mail_from, mail.rcpt_tos) == ("bounce@example.com", ("bob@example.org",))
    assert mail.subject == mail.header("subject") == "Grüße"
    assert mail.header("X-None") is None
    assert dict(mail.headers)["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail.text == "Hello"
    assert mail.html is not None
    assert "shop</a>" in mail.html
    assert [(a.name, a.type, a.octets, a.text) for a in mail.attachments] == [
        ("prices.csv", "text/csv", b"a;b\n1;2\n", "a;b\n1;2\n")
    ]
    assert mail.links == ("https://www.example.com/",)
    assert "Grüße" in repr(mail)


def test_an_application_in_its_own_process(sink: RunningSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of `env` are all it needs."""
    for name, value in sink.env().items():
        monkeypatch.setenv(name, value)
    subprocess.run([sys.executable, "-c", APPLICATION], check=True, timeout=60)
    mail = sink.wait_for(lambda mail: mail.mail_from == "app@example.com")
    assert mail.subject == "from the application"
    assert sink.env()["MAIL_URL"] == f"smtp://127.0.0.1:{sink.port}"
    assert sink.env()["EMAIL_PORT"] == str(sink.port)


def test_waiting_ends_with_the_arrival(sink: RunningSink) -> None:
    """A wait that began first is woken by the message, and looks at each message once."""
    looked: list[str] = []
    waiting = threading.Event()

    def wanted(mail: object) -> bool:
        looked.append(mail.subject)  # type: ignore[attr-defined]
        waiting.set()
        return looked[-1] == "second"

    send(sink, with_subject("first"))
    sink.wait_for()
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(sink.wait_for, wanted, 30)
        assert waiting.wait(20)
        send(sink, with_subject("second"))
        assert found.result(30).subject == "second"
    assert looked == ["first", "second"]


def test_a_number_waits_for_so_many(sink: RunningSink) -> None:
    """The list is in the order of arrival."""
    for number in range(3):
        send(sink, with_subject(str(number)))
    assert [mail.subject for mail in sink.wait_for(3)] == ["0", "1", "2"]
    assert len(sink.messages) == 3
    sink.clear()
    assert sink.messages == []
    send(sink, with_subject("afresh"))
    assert sink.wait_for().subject == "afresh"


def test_a_wait_in_vain_says_what_came(sink: RunningSink) -> None:
    """Messages and sessions that ended without one."""
    with pytest.raises(AssertionError, match=r"^no message within 0\.01 s; 0 messages arrived$"):
        sink.wait_for(timeout=0.01)
    send(sink, with_subject("another"))
    sink.wait_for()
    with pytest.raises(AssertionError) as late:
        sink.wait_for(lambda mail: mail.subject == "welcome", timeout=0.01)
    assert str(late.value) == (
        "no such message within 0.01 s; 1 message arrived:\n  <bounce@example.com> to <bob@example.org>: another"
    )
    with pytest.raises(AssertionError, match="fewer than 2 messages within"):
        sink.wait_for(2, timeout=0.01)


def test_a_session_without_a_message_is_told(sink: RunningSink) -> None:
    """An application that connects and breaks off."""
    client = smtplib.SMTP(*sink.address, timeout=20)
    client.ehlo("client.example.com")
    client.mail("a@example.com")
    client.rcpt("b@example.org")
    client.docmd("DATA")
    client.close()
    with sink._came:
        assert sink._came.wait_for(lambda: sink._failed, 20)
    with pytest.raises(AssertionError, match="0 messages arrived\nsessions that ended without a message:\n  the conn"):
        sink.wait_for(timeout=0.01)


def test_what_a_predicate_raises_is_raised_in_the_test(sink: RunningSink) -> None:
    """The test's own mistake has its own traceback."""
    send(sink, with_subject("any"))
    with pytest.raises(ZeroDivisionError):
        sink.wait_for(lambda mail: 1 / 0)


def test_in_an_event_loop_others_go_on(sink: RunningSink) -> None:
    """The mail is sent by the loop that waits; the blocking wait says why it waits in vain."""

    async def application(subject: str) -> None:
        reader, writer = await asyncio.open_connection(*sink.address)
        wire = [b"EHLO a", b"MAIL FROM:<a@example.com>", b"RCPT TO:<b@example.org>", b"DATA", with_subject(subject)]
        await reader.readline()
        for line in (*wire[:4], wire[4] + b".", b"QUIT"):
            writer.write(line + b"\r\n")
            while (await reader.readline())[3:4] == b"-":
                pass
        writer.close()
        await writer.wait_closed()

    async def test() -> None:
        sending = asyncio.create_task(application("welcome"))
        mail = await sink.wait_for_async(lambda mail: mail.subject == "welcome", timeout=30)
        assert mail.verification.authentication.dkim == ()  # verified where a loop runs already
        await sending
        assert len(await sink.wait_for_async(1)) == 1
        with pytest.raises(AssertionError, match=r"no such message within 0\.01 s; 1 message arrived"):
            await sink.wait_for_async(lambda mail: False, timeout=0.01)
        with pytest.raises(AssertionError, match=r"await sink\.wait_for_async"):
            sink.wait_for(2, timeout=0.01)

    asyncio.run(test())


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_tls_and_a_login(dns: ToldDns, tls: str) -> None:
    """The client trusts the sink's own authority; a wrong password is refused."""
    with RunningSink(dns, SinkOptions(tls=tls, auth="app:secret")) as sink:  # type: ignore[arg-type]
        context = ssl.create_default_context(cafile=sink.ca_file)
        secured = smtplib.SMTP_SSL if tls == "implicit" else smtplib.SMTP
        more = {"context": context} if tls == "implicit" else {}
        with secured(*sink.address, timeout=20, **more) as client:  # type: ignore[arg-type]
            if tls == "starttls":
                client.starttls(context=context)
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("app", "wrong")
            client.login("app", "secret")
            client.sendmail("a@example.com", ["b@example.org"], with_subject("sealed"))
        mail = sink.wait_for()
        assert mail.captured.authenticated_as == "app"
        assert mail.captured.tls is not None
        scheme = "smtps" if tls == "implicit" else "smtp"
        assert sink.env()["MAIL_URL"] == f"{scheme}://app:secret@127.0.0.1:{sink.port}"
        assert sink.env()["SMTP_CA_FILE"] == str(sink.ca_file)


def test_several_sinks_side_by_side(dns: ToldDns) -> None:
    """Each has its own port and its own messages."""
    with RunningSink(dns) as one, RunningSink(dns, SinkOptions(auth="any", auth_required=False)) as other:
        assert one.port != other.port
        send(one, with_subject("to one"))
        assert one.wait_for().subject == "to one"
        assert other.messages == []


def test_nothing_is_left_behind(dns: ToldDns) -> None:
    """Threads end, sockets are closed, no warning is made, also where a client is still connected."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = threading.active_count()
        with RunningSink(dns) as sink:
            client = smtplib.SMTP(*sink.address, timeout=20)
            client.ehlo("client.example.com")
        client.close()
        assert threading.active_count() == before
        sink.stop()  # twice does no harm
        with pytest.raises(OSError, match="refused"):
            smtplib.SMTP(*sink.address, timeout=5)


def test_options_that_are_none() -> None:
    """Bad options are told before anything is opened."""
    with pytest.raises(ValueError, match='expected None, "starttls" or "implicit"'):
        SinkOptions(tls="ssl")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="USER:PASSWORD"):
        RunningSink(ToldDns(), SinkOptions(auth="nobody")).start()
    running = RunningSink(ToldDns())
    running.host = "192.0.2.1"
    with pytest.raises(ListenError, match="can be reached from other machines"):
        running.start()


def test_an_address_that_is_none_is_refused_at_once() -> None:
    """Not at the first assertion about SPF, when the test is nearly over."""
    with pytest.raises(ValueError, match="'nope' does not appear to be an IPv4 or IPv6 address"):
        SinkOptions(client_ip="nope")

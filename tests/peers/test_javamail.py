"""What the real JavaMail does on the wire with a session's properties, beside what `jakartamail` says it will do."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from deliverkit.facts.settings.jakartamail import Session, plan_of
from deliverkit.facts.settings.values import Place, Setting

PROGRAM = Path(__file__).with_name("JavaMailConnect.java")
FACTORY = "mail.smtp.socketFactory.class=javax.net.ssl.SSLSocketFactory"
TABLE = (
    ("mail.smtp.auth=false",),
    ("mail.smtp.starttls.enable=true",),
    ("mail.smtp.starttls.enable=TRUE",),
    ("mail.smtp.starttls.enable=yes",),
    ("mail.smtp.starttls.enable=1",),
    ("mail.smtp.starttls=true",),
    ("mail.smtp.starttls.required=true",),
    ("mail.smtp.starttls.enable=true", "mail.smtp.starttls.required=true"),
    ("mail.smtp.starttls.enable=true", "mail.smtp.starttls.required=false"),
    ("mail.smtp.ssl.enable=true",),
    ("mail.smtp.ssl.enable=true", "mail.smtp.starttls.enable=true"),
    ("mail.smtps.ssl.enable=true",),
    ("mail.smtps.starttls.required=true",),
    ("mail.transport.protocol=smtps",),
    ("mail.transport.protocol=smtps", "mail.smtps.ssl.enable=false"),
    (FACTORY,),
    (FACTORY, "mail.smtp.socketFactory.fallback=true", "mail.smtp.starttls.enable=true"),
    (FACTORY, "mail.smtp.socketFactory.fallback=false"),
)


class Server:
    """An SMTP server that offers STARTTLS or not, and notes how each client begins and whether it asks for TLS."""

    def __init__(self, offers: bool) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.offers = offers
        self.begun: list[str] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                client.settimeout(20)
                try:
                    self._talk(client)
                except OSError:
                    continue

    def _talk(self, client: socket.socket) -> None:
        client.sendall(b"220 mail.shop.example ESMTP\r\n")
        while said := client.recv(4096):
            if said[0] == 0x16:  # a TLS record of a handshake
                self.begun.append("implicit")
                return
            if said.upper().startswith(b"EHLO"):
                self.begun.append("clear")
                client.sendall(
                    b"250-mail.shop.example\r\n250 STARTTLS\r\n" if self.offers else b"250 mail.shop.example\r\n"
                )
            elif said.upper().startswith(b"STARTTLS"):
                self.begun[-1] = "starttls"
                client.sendall(b"454 not now\r\n")
            else:
                client.sendall(b"221 bye\r\n")

    def close(self) -> None:
        """Stop listening, and wait for the thread."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(30)


@pytest.mark.peer("javamail")
def test_tls_begins_as_javamail_begins_it() -> None:
    """Each row is connected to a server with STARTTLS and to one without; both together show the mode."""
    jars = Path("/usr/share/java")
    path = os.pathsep.join(str(jars / name) for name in ("jakarta-mail.jar", "jakarta-activation.jar"))
    command = ["java", "-cp", path, str(PROGRAM)]
    wire: list[str] = []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as java:
        assert java.stdin is not None and java.stdout is not None
        for row in TABLE:
            seen: list[tuple[str, str]] = []
            for offers in (True, False):
                server = Server(offers)
                java.stdin.write(" ".join((str(server.port), *row)) + "\n")
                java.stdin.flush()
                told = java.stdout.readline().strip()
                server.close()
                assert server.begun, (row, told)
                seen.append((server.begun[-1], told))
            wire.append(_mode(*seen))
        java.stdin.close()
        java.wait(30)
    assert dict(zip(TABLE, wire, strict=True)) == {row: _planned(row) for row in TABLE}


def _mode(with_offer: tuple[str, str], without: tuple[str, str]) -> str:
    if with_offer[0] == "implicit":
        return "implicit"
    if without[1] == "refused":
        return "starttls"
    return "opportunistic" if with_offer[0] == "starttls" else "clear"


def _planned(row: tuple[str, ...]) -> str:
    pairs = [word.partition("=") for word in (*row, "mail.smtp.port=587")]
    return plan_of(Session({n: Setting(n, v, None, "") for n, _, v in pairs}), Place("Mailer.java")).mode

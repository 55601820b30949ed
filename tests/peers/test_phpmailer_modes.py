"""PHPMailer itself begins TLS as the reader says it will: one source, read by us and run by PHP.

The server greets, offers STARTTLS or does not, takes no message, and notes what the client said.
"""

from __future__ import annotations

import re
import socket
import threading
from pathlib import Path

import pytest

from tests.facts.settings.told import read_one
from tests.peers.run import run

SOURCE = """<?php
use PHPMailer\\PHPMailer\\PHPMailer;
require 'libphp-phpmailer/autoload.php';
$mail = new PHPMailer(true);
$mail->isSMTP();
$mail->Port = {port};
$mail->Timeout = 5;
{lines}
$mail->setFrom('ann@example.com');
$mail->addAddress('bob@example.org');
$mail->Body = 'hello';
try {{ $mail->send(); }} catch (Exception $e) {{ exit(0); }}
"""
SETTINGS = [
    "$mail->Host = '127.0.0.1';",
    "$mail->Host = '127.0.0.1'; $mail->SMTPSecure = 'ssl';",
    "$mail->Host = '127.0.0.1'; $mail->SMTPSecure = 'tls';",
    "$mail->Host = '127.0.0.1'; $mail->SMTPSecure = PHPMailer::ENCRYPTION_SMTPS; $mail->SMTPAutoTLS = false;",
    "$mail->Host = '127.0.0.1'; $mail->SMTPSecure = PHPMailer::ENCRYPTION_STARTTLS; $mail->SMTPAutoTLS = false;",
    "$mail->Host = '127.0.0.1'; $mail->SMTPAutoTLS = false;",
    "$mail->Host = '127.0.0.1'; $mail->SMTPSecure = 'SSL';",
    "$mail->Host = '127.0.0.1'; $mail->SMTPSecure = 'TLS'; $mail->SMTPAutoTLS = false;",
    "$mail->Host = '127.0.0.1'; $mail->SMTPSecure = true;",
    "$mail->Host = 'ssl://127.0.0.1';",
    "$mail->Host = 'tls://127.0.0.1'; $mail->SMTPSecure = 'ssl';",
]


class Listener:
    """A server for one connection. ``said`` are the client's verbs, or "TLS" where it began with a TLS record."""

    def __init__(self, offers: bool) -> None:
        self.offers = offers
        self.said: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(20)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with self._socket, self._socket.accept()[0] as client:
            client.settimeout(20)
            client.sendall(b"220 mx.example.com ESMTP\r\n")
            if client.recv(1, socket.MSG_PEEK) == b"\x16":  # a TLS record of the type handshake (RFC 8446 §5.1)
                self.said.append("TLS")
                return
            for line in client.makefile("rb"):
                verb = re.split(rb"[\s:]", line)[0].decode().upper()
                self.said.append(verb)
                offer = b"250-mx.example.com\r\n250 STARTTLS\r\n" if self.offers else b"250 mx.example.com\r\n"
                answers = {"EHLO": offer, "QUIT": b"221 bye\r\n", "MAIL": b"450 not today\r\n"}
                client.sendall(answers.get(verb, b"502 no\r\n"))
                if verb == "QUIT":
                    return

    def close(self) -> None:
        """Wait until the client is gone."""
        self._thread.join(30)


def observed(tmp_path: Path, lines: str) -> str:
    """How PHPMailer begins TLS, told by what it says to a server with and one without STARTTLS."""
    said = []
    for offers in (True, False):
        listener = Listener(offers)
        file = tmp_path / "mail.php"
        file.write_text(SOURCE.format(port=listener.port, lines=lines))
        run(["php", str(file)])
        listener.close()
        said.append(listener.said)
    offered, without = said
    if "TLS" in offered:
        return "implicit"
    if "STARTTLS" in without:
        return "starttls"
    return "opportunistic" if "STARTTLS" in offered else "clear"


@pytest.mark.peer("phpmailer")
@pytest.mark.parametrize("lines", SETTINGS)
def test_phpmailer_begins_tls_as_planned(tmp_path: Path, lines: str) -> None:
    """Plan.mode is what is seen on the wire."""
    plan = read_one("phpmailer", {"mail.php": SOURCE.format(port=2525, lines=lines)}).plan
    assert (plan.host, plan.mode) == ("127.0.0.1", observed(tmp_path, lines))

"""The authentication side of Dovecot, played for Postfix: its protocol on a Unix socket, and one account.

Postfix hands every AUTH to it (``smtpd_sasl_type = dovecot``), so that logins can be tested without a password store.
What this file will not do: know any mechanism but PLAIN, LOGIN and CRAM-MD5.
"""

from __future__ import annotations

import base64
import hmac
import socketserver
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5")
_CHALLENGE = b"<1896.697170952@mx.example.test>"


class LoginServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Use it as a context manager; ``path`` is what ``smtpd_sasl_path`` takes. ``logins`` are those that were right."""

    daemon_threads = True

    def __init__(self, path: Path, user: str, password: str) -> None:
        self.path, self.user, self.password = path, user, password
        self.logins: list[str] = []
        super().__init__(str(path), _Connection)
        path.chmod(0o666)  # Postfix's own user must reach it

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()


class _Connection(socketserver.StreamRequestHandler):
    """One smtpd: it is told the mechanisms, then asks about one login after another."""

    server: LoginServer

    def handle(self) -> None:
        offers = [f"MECH\t{name}" for name in MECHANISMS]
        self._say("VERSION\t1\t1", *offers, "SPID\t1", "CUID\t1", "COOKIE\t00", "DONE")
        for line in self.rfile:
            command, *rest = line.decode().rstrip("\n").split("\t")
            if command == "AUTH":
                self._login(rest[0], rest[1], _response(rest))

    def _login(self, ident: str, mechanism: str, response: bytes | None) -> None:
        if mechanism == "PLAIN":
            told = response if response is not None else self._ask(ident, b"")
            _, user, password = told.split(b"\0")
            right = (user.decode(), password.decode()) == (self.server.user, self.server.password)
        elif mechanism == "LOGIN":
            user = response if response is not None else self._ask(ident, b"Username:")
            password = self._ask(ident, b"Password:")
            right = (user.decode(), password.decode()) == (self.server.user, self.server.password)
        else:
            user, _, digest = self._ask(ident, _CHALLENGE).rpartition(b" ")
            wanted = hmac.new(self.server.password.encode(), _CHALLENGE, "md5").hexdigest()
            right = (user.decode(), digest.decode()) == (self.server.user, wanted)
        if right:
            self.server.logins.append(mechanism)
        self._say(f"{'OK' if right else 'FAIL'}\t{ident}\tuser={user.decode()}")

    def _ask(self, ident: str, challenge: bytes) -> bytes:
        """Go on with a challenge; the client's response."""
        self._say(f"CONT\t{ident}\t{base64.b64encode(challenge).decode()}")
        return base64.b64decode(self.rfile.readline().decode().rstrip("\n").split("\t")[2])

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\n" for line in lines).encode())


def _response(fields: list[str]) -> bytes | None:
    """The initial response, if the client sent one."""
    found = next((field for field in fields if field.startswith("resp=")), None)
    return None if found is None else base64.b64decode(found.removeprefix("resp="))

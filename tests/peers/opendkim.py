"""A private OpenDKIM as Postfix's milter, signing with one key; ended by process id."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers.programs import find
from tests.peers.signing import DOMAIN, KeyPair


class SigningMilter:
    """Use it as a context manager; ``milter`` is what ``smtpd_milters`` takes."""

    def __init__(self, folder: Path, address: str, pair: KeyPair, canonicalization: str) -> None:
        self.folder = folder
        self.address, self.port = address, 8891
        self.settings = {
            "RequireSafeKeys": "no",
            "Mode": "s",
            "Syslog": "no",
            "Background": "no",
            "Domain": DOMAIN,
            "Selector": pair.selector,
            "KeyFile": folder / "key.pem",
            "SignatureAlgorithm": pair.private.algorithm,
            "Canonicalization": canonicalization,
            "OversignHeaders": "From",
            "InternalHosts": "127.0.0.0/8",
            "Socket": f"inet:{self.port}@{address}",
        }
        self._pem = pair.pem
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def milter(self) -> str:
        """Where Postfix finds it."""
        return f"inet:{self.address}:{self.port}"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        (self.folder / "key.pem").write_text(self._pem)
        configuration = self.folder / "opendkim.conf"
        configuration.write_text("".join(f"{name} {value}\n" for name, value in self.settings.items()))
        command = [str(find("opendkim")), "-f", "-x", str(configuration)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 20
        while not self._listens():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self._process.kill()
                raise RuntimeError(f"opendkim does not answer: {self._process.communicate()[0].decode()}")
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()  # told to end, it would wait five seconds
            self._process.communicate(timeout=20)

    def _listens(self) -> bool:
        try:
            with socket.create_connection((self.address, self.port), timeout=1):
                return True
        except OSError:
            return False

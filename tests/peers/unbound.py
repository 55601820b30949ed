"""A private Unbound for tests: a validating resolver on loopback, with stub zones and trust anchors of ours."""

from __future__ import annotations

import socket
import struct
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.peers.programs import find


class Unbound:
    """Resolve the ``stubs`` (name to authoritative server), validating with ``anchors`` (DS records as text)."""

    def __init__(
        self,
        folder: Path,
        stubs: Mapping[str, tuple[str, int]],
        *,
        host: str = "127.0.0.1",
        port: int = 5353,
        anchors: Iterable[str] = (),
    ) -> None:
        self.folder = folder
        self.stubs = dict(stubs)
        self.host = host
        self.port = port
        self.anchors = tuple(anchors)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """What ``--nameserver`` takes."""
        return f"{self.host}:{self.port}"

    def start(self) -> None:
        """Write the configuration, start, and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        stubs = "".join(f"stub-zone:\n  name: {name}\n  stub-addr: {h}@{p}\n" for name, (h, p) in self.stubs.items())
        ours = "".join(f"  local-zone: {name} nodefault\n" for name in self.stubs)  # Unbound denies reserved names
        anchors = "".join(f'  trust-anchor: "{anchor}"\n' for anchor in self.anchors)
        (self.folder / "unbound.conf").write_text(
            f"server:\n  interface: {self.host}\n  port: {self.port}\n  access-control: 127.0.0.0/8 allow\n"
            f'  chroot: ""\n  username: ""\n  directory: {self.folder}\n  pidfile: "{self.folder}/unbound.pid"\n'
            "  use-syslog: no\n  do-daemonize: no\n  do-not-query-localhost: no\n"
            '  module-config: "validator iterator"\n'
            f'  ede: yes\n  val-log-level: 2\n  root-hints: ""\n{ours}{anchors}'
            "remote-control:\n  control-enable: no\n" + stubs
        )
        command = [str(find("unbound")), "-d", "-c", str(self.folder / "unbound.conf")]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 20
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self._process.kill()
                out = self._process.communicate()[0].decode(errors="replace")
                raise RuntimeError(f"unbound does not answer: {out}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it."""
        if self._process:
            self._process.terminate()
            self._process.communicate(timeout=20)

    def _answers(self) -> bool:
        query = struct.pack("!6H", 4711, 0x0100, 1, 0, 0, 0) + b"\x09localhost\0" + struct.pack("!2H", 1, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.2)
            try:
                client.sendto(query, (self.host, self.port))
                return len(client.recv(512)) > 12
            except OSError:
                return False

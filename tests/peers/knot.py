"""A private Knot DNS for tests and benchmarks: its zones in a temporary folder, on one loopback address."""

from __future__ import annotations

import socket
import struct
import subprocess
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from tests.peers.programs import find


class Knot:
    """Serve zones (origin to master-file text) at ``address``, those in ``signed`` with DNSSEC; ends by process id."""

    def __init__(
        self,
        folder: Path,
        zones: Mapping[str, str],
        address: str = "127.0.0.1",
        port: int = 5300,
        *,
        signed: Collection[str] = (),
    ) -> None:
        self.folder = folder
        self.zones = zones
        self.address = address
        self.port = port
        self.signed = frozenset(signed)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Write zones and configuration, start, and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        entries = []
        for number, (origin, text) in enumerate(self.zones.items()):
            (self.folder / f"{number}.zone").write_text(text)
            signing = "    dnssec-signing: on\n    dnssec-policy: single\n" if origin in self.signed else ""
            entries.append(f"  - domain: {origin}\n    file: {self.folder}/{number}.zone\n{signing}")
        (self.folder / "knot.conf").write_text(
            f"server:\n  rundir: {self.folder}\n  listen: {self.address}@{self.port}\n"
            f"database:\n  storage: {self.folder}\n"
            "log:\n  - target: stderr\n    any: warning\n"
            "policy:\n  - id: single\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n"
            f"template:\n  - id: default\n    storage: {self.folder}\n"
            "    zonefile-sync: -1\n    journal-content: none\n"
            "zone:\n" + "".join(entries)
        )
        self._process = subprocess.Popen(
            [str(find("knotd")), "-c", str(self.folder / "knot.conf")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        deadline = time.monotonic() + 20
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self._process.kill()
                out = self._process.communicate()[0].decode(errors="replace")
                raise RuntimeError(f"knotd does not answer: {out}")
            time.sleep(0.05)

    def reload(self, origin: str, text: str) -> None:
        """Serve another text for a zone, and return once it is served. Raises RuntimeError where Knot refuses it."""
        (self.folder / f"{[*self.zones].index(origin)}.zone").write_text(text)
        command = [str(find("knotc")), "-c", str(self.folder / "knot.conf"), "-b", "-f", "zone-reload", origin]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode:
            raise RuntimeError(f"knotc zone-reload {origin}: {done.stdout}{done.stderr}")

    def stop(self) -> None:
        """End it."""
        if self._process:
            self._process.terminate()
            self._process.communicate(timeout=20)

    def _answers(self) -> bool:
        origin = next(iter(self.zones)).rstrip(".")
        name = b"".join(bytes([len(label)]) + label.encode() for label in origin.split(".") if label) + b"\0"
        query = struct.pack("!6H", 4711, 0, 1, 0, 0, 0) + name + struct.pack("!2H", 6, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.2)
            try:
                client.sendto(query, (self.address, self.port))
                return client.recv(512)[3] & 0x0F == 0
            except OSError:
                return False

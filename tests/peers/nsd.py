"""A private NSD for benchmarks: an authoritative server that answers faster than anybody here can ask."""

from __future__ import annotations

import socket
import struct
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.peers.programs import find


class Nsd:
    """Serve zones (origin to master-file text) at ``address`` with one process; ends by process id."""

    def __init__(self, folder: Path, zones: Mapping[str, str], address: str = "127.0.0.1", port: int = 5300) -> None:
        self.folder = folder
        self.zones = zones
        self.address = address
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Write zones and configuration, start, and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        entries = []
        for number, (origin, text) in enumerate(self.zones.items()):
            (self.folder / f"{number}.zone").write_text(text)
            entries.append(f"zone:\n  name: {origin}\n  zonefile: {number}.zone\n")
        (self.folder / "nsd.conf").write_text(
            f'server:\n  ip-address: {self.address}@{self.port}\n  server-count: 1\n  username: ""\n  chroot: ""\n'
            f'  zonesdir: "{self.folder}"\n  pidfile: "{self.folder}/nsd.pid"\n  database: ""\n'
            f'  zonelistfile: "{self.folder}/zone.list"\n  xfrdfile: "{self.folder}/xfrd.state"\n'
            f'  xfrdir: "{self.folder}"\n  rrl-ratelimit: 0\n  minimal-responses: yes\n'
            "remote-control:\n  control-enable: no\n" + "".join(entries)
        )
        self._process = subprocess.Popen(
            [str(find("nsd")), "-d", "-c", str(self.folder / "nsd.conf")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + 20
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self._process.kill()
                out = self._process.communicate()[0].decode(errors="replace")
                raise RuntimeError(f"nsd does not answer: {out}")
            time.sleep(0.05)

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

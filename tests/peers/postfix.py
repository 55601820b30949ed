"""A private Postfix for tests: its own configuration, queue and endpoints on loopback, ended by process id.

What it will not do: touch the machine's own Postfix, or listen anywhere but on 127.0.0.0/8.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.peers.programs import find


@dataclass(frozen=True)
class Endpoint:
    """One listener: address, port, and main.cf settings that hold for it alone."""

    address: str
    port: int
    settings: Mapping[str, str]


class Postfix:
    """Start with `start`, end with `stop`; ``folder`` is its whole world."""

    def __init__(self, folder: Path, endpoints: list[Endpoint]) -> None:
        self.folder = folder
        self.endpoints = endpoints
        self.config = folder / "etc"

    def start(self) -> None:
        """Write the configuration, start master, and wait until every endpoint answers."""
        for name in ("etc", "queue", "data"):
            (self.folder / name).mkdir(parents=True)
        owner = pwd.getpwnam("postfix")
        os.chown(self.folder / "data", owner.pw_uid, owner.pw_gid)
        for parent in [self.folder, *self.folder.parents]:  # postfix's own user must reach its queue
            if parent.stat().st_uid == os.getuid() and parent.stat().st_mode & 0o5 != 0o5 and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o5)
        (self.config / "main.cf").write_text(self._main())
        (self.config / "master.cf").write_text(self._master())
        command = [str(find("postfix")), "-c", str(self.config), "start"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"postfix did not start: {done.stdout}{done.stderr}{self.log()}")
        deadline = time.monotonic() + 30
        for endpoint in self.endpoints:
            while not _answers(endpoint):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"postfix does not answer on {endpoint.address}:{endpoint.port}: {self.log()}")
                time.sleep(0.05)

    def stop(self) -> None:
        """End master by its process id, with everything it started."""
        pid_file = self.folder / "queue" / "pid" / "master.pid"
        if pid_file.exists():
            pid = int(pid_file.read_text().split()[0])
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline and Path(f"/proc/{pid}").exists():
                time.sleep(0.05)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """What Postfix wrote about itself."""
        path = self.folder / "data" / "postfix.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _main(self) -> str:
        settings = {
            "compatibility_level": "3.6",
            "queue_directory": self.folder / "queue",
            "data_directory": self.folder / "data",
            "maillog_file": self.folder / "data" / "postfix.log",
            "maillog_file_prefixes": f"{self.folder}/data",
            "mail_owner": "postfix",
            "myhostname": "mx.example.test",
            "mydestination": "example.test",
            "mynetworks": "",
            "inet_interfaces": "all",
            "inet_protocols": "ipv4",
            "alias_maps": "",
            "local_recipient_maps": "",
            "local_transport": "discard:",
            "default_transport": "discard:",
            "smtpd_relay_restrictions": "reject_unauth_destination",
            "smtp_tls_security_level": "may",
            "smtpd_tls_loglevel": "1",
            "smtpd_client_connection_rate_limit": "0",
        }
        return "".join(f"{name} = {value}\n" for name, value in settings.items())

    def _master(self) -> str:
        lines = []
        for endpoint in self.endpoints:
            options = "".join(f" -o {{{name}={value}}}" for name, value in endpoint.settings.items())
            lines.append(f"{endpoint.address}:{endpoint.port} inet n - n - - smtpd{options}")
        services = {
            "postlog": "unix-dgram n - n - 1 postlogd",
            "cleanup": "unix n - n - 0 cleanup",
            "qmgr": "unix n - n 300 1 qmgr",
            "tlsmgr": "unix - - n 1000? 1 tlsmgr",
            "rewrite": "unix - - n - - trivial-rewrite",
            "bounce": "unix - - n - 0 bounce",
            "defer": "unix - - n - 0 bounce",
            "trace": "unix - - n - 0 bounce",
            "verify": "unix - - n - 1 verify",
            "flush": "unix n - n 1000? 0 flush",
            "proxymap": "unix - - n - - proxymap",
            "error": "unix - - n - - error",
            "retry": "unix - - n - - error",
            "discard": "unix - - n - - discard",
            "smtp": "unix - - n - - smtp",
            "local": "unix - n n - - local",
            "anvil": "unix - - n - 1 anvil",
            "scache": "unix - - n - 1 scache",
        }
        lines += [f"{name} {service}" for name, service in services.items()]
        return "\n".join(lines) + "\n"


def _answers(endpoint: Endpoint) -> bool:
    try:
        with socket.create_connection((endpoint.address, endpoint.port), timeout=1):
            return True
    except OSError:
        return False

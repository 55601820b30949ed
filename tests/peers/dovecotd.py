"""A real Dovecot for Postfix to ask about logins: its auth service alone, one account, ended by process id.

What it will not do: serve mail, or touch the machine's own Dovecot.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.peers.programs import find

CONFIG = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
instance_name = deliverkit-test
protocols =
ssl = no
auth_mechanisms = plain login cram-md5
auth_failure_delay = 0
disable_plaintext_auth = no
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/users
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}}
service auth {{
  unix_listener {folder}/login {{
    mode = 0666
  }}
}}
"""


class Dovecot:
    """Start with `start`, end with `stop`; ``socket`` is what ``smtpd_sasl_path`` takes."""

    def __init__(self, folder: Path, user: str, password: str) -> None:
        self.folder = folder
        self.socket = folder / "login"
        self._account = f"{user}:{{PLAIN}}{password}\n"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Write the configuration, start Dovecot in the foreground of its own process, wait for its socket."""
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o755)
        (self.folder / "users").write_text(self._account)
        config = self.folder / "dovecot.conf"
        config.write_text(CONFIG.format(folder=self.folder))
        self._process = subprocess.Popen(
            [str(find("dovecot")), "-F", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while not self.socket.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"dovecot did not start: {self.log()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End Dovecot and what it started."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    def log(self) -> str:
        """What Dovecot wrote about itself."""
        path = self.folder / "dovecot.log"
        return path.read_text(errors="replace") if path.exists() else ""

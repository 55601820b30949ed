"""What one (host, address, port) showed when it was probed, and what the ports of one host show together.

The fields of `PortFacts` are the keys of a report's ``ports``. It is light on purpose: an audit that probes
nothing imports it too. What this file will not do: connect, read what was heard (`inspected`), or hold an opinion.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from deliverkit.facts.base import Facts, Missing, missing

if TYPE_CHECKING:
    from deliverkit.smtp.dialogue import Certificate, Trouble
    from deliverkit.smtp.inspect import Role
    from deliverkit.smtp.transcript import Transcript

AFTER_TCP = (
    "mode", "greeting", "greeting_code", "ehlo_name", "ehlo", "ehlo_tls", "extended", "starttls", "starttls_reply",
    "tls", "tls_error", "auth", "auth_in_clear", "injected", "mail_in_clear", "mail_without_login", "relay", "faults",
)  # fmt: skip
"""The facts of a port that only a connection can tell."""

MODES: dict[str, str] = {"mx": "starttls", "submission": "starttls", "submissions": "implicit"}


@dataclass(frozen=True)
class TlsFacts:
    """A TLS session. That it came about, that the chain is trusted and that the name matches are three facts.

    ``name`` is the name that was verified. ``days_left`` counts from the world's clock to the leaf's end.
    ``issuers`` are the certificates sent above the leaf.
    """

    version: str
    cipher: str
    trusted: bool | None
    trust_problem: str | None
    trust_detail: str
    name: str | None
    name_matches: bool | None
    certificate: Certificate | None
    issuers: tuple[Certificate, ...]
    days_left: float | None


def _silence() -> Transcript:
    """The transcript of a connection that was never made."""
    from deliverkit.smtp.transcript import Transcript

    return Transcript("-", "-")


@dataclass(frozen=True, repr=False)
class PortFacts(Facts):
    """One port of one address of one host.

    ``reachable``: TCP came about; ``reason`` says why not ("refused", "timeout", "unreachable", "blocked", …).
    ``mode`` is what was found: "implicit", "starttls" (offered), "clear" (not offered) or "unknown" (TLS was tried at
    once and came to nothing); ``mode_expected`` what the role wants. ``greeting`` is the first reply; the facts after
    it are missing when it was no 220. ``ehlo`` and ``ehlo_tls`` are keywords before and after TLS (None: there was no
    such EHLO); ``extended``: EHLO was understood, not only HELO. ``starttls``: offered (None under implicit TLS);
    ``starttls_reply`` what the command got; ``tls_error`` why the handshake failed. ``auth`` are the mechanisms where
    a client would log in, ``auth_in_clear`` those before TLS. ``trouble`` is what broke the conversation after TCP
    stood. ``named``: this very port was asked for.
    """

    host: str
    address: str
    port: int
    role: Role
    reachable: bool
    reason: str | None
    mode: str
    mode_expected: str
    greeting: str
    greeting_code: int
    ehlo_name: str
    ehlo: tuple[str, ...] | None
    ehlo_tls: tuple[str, ...] | None
    extended: bool
    starttls: bool | None
    starttls_reply: str | None
    tls: TlsFacts | None
    tls_error: str | None
    auth: tuple[str, ...]
    auth_in_clear: tuple[str, ...]
    injected: str | None
    mail_in_clear: str
    mail_without_login: str
    relay: str
    faults: tuple[str, ...]
    trouble: Trouble | None
    named: bool
    transcript: Transcript = field(default_factory=_silence)

    @property
    def subject(self) -> str:
        return f"{self.host}:{self.port}"

    def to_json(self) -> dict[str, Any]:
        """The fields as a report shows them."""
        shown = {f.name: self.raw(f.name) for f in fields(self)}
        if isinstance(shown["mode"], Missing):
            shown["mode"] = "unknown"
        return shown

    def but(self, **changes: Any) -> PortFacts:
        """This row with some facts changed; facts that are missing stay so."""
        return PortFacts(**{**{f.name: self.raw(f.name) for f in fields(self)}, **changes})

    @property
    def endpoint(self) -> str:
        """ "192.0.2.1:25" or "[2001:db8::1]:25"."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, repr=False)
class HostFacts(Facts):
    """The ports of one host, for what only shows when they are seen together.

    ``spare``: another MX host of the same domain was reached, so mail can still arrive. None: no domain is in question,
    or the host is none of its MX hosts.
    """

    host: str
    ports: tuple[PortFacts, ...]
    spare: bool | None = None

    @property
    def subject(self) -> str:
        return self.host

    def on(self, port: int) -> tuple[PortFacts, ...]:
        """The rows of one port, one an address."""
        return tuple(row for row in self.ports if row.port == port)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The ports that were probed, in order."""
        return tuple(dict.fromkeys(row.port for row in self.ports))


def hosts_of(ports: Iterable[PortFacts], *, of_domain: bool) -> tuple[HostFacts, ...]:
    """Group rows by host. ``of_domain``: the MX hosts among them serve one domain and stand in for each other."""
    rows: dict[str, list[PortFacts]] = {}
    for row in ports:
        rows.setdefault(row.host, []).append(row)
    reached = {host for host, every in rows.items() if any(r.raw("reachable") is True for r in every if r.role == "mx")}
    return tuple(
        HostFacts(host, tuple(every), bool(reached - {host}) if of_domain and _serves_mail(every) else None)
        for host, every in rows.items()
    )


def _serves_mail(rows: list[PortFacts]) -> bool:
    return any(row.role == "mx" for row in rows)


def unprobed(
    host: str, address: str, port: int, role: Role, reachable: Any, reason: str | None, *, named: bool
) -> PortFacts:
    """The row of a port nobody connected to; ``reachable`` is False, or why it cannot be told."""
    why: Any = reachable if isinstance(reachable, Missing) else missing(f"{host}:{port}: {reason}")
    later: dict[str, Any] = dict.fromkeys(AFTER_TCP, why)
    return PortFacts(
        host=host,
        address=address,
        port=port,
        role=role,
        reachable=reachable,
        reason=reason,
        mode_expected=MODES[role],
        trouble=None,
        named=named,
        **later,
    )

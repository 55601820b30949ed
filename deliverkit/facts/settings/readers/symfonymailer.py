"""What Symfony Mailer does with an SMTP transport: the law that Symfony and Laravel (since 9) share.

Source: symfony/mailer, Transport/Smtp/EsmtpTransportFactory.php, EsmtpTransport.php and Stream/SocketStream.php.
What this file will not do: read.
"""

from __future__ import annotations

from collections.abc import Mapping

from deliverkit.facts.settings.model import Mode

SOCKET_S = 60.0
"""Seconds: PHP's default_socket_timeout, which SocketStream takes where no timeout is set."""
SCHEMES = ("smtp", "smtps")


def mode_of(scheme: str, host: str, port: int, options: Mapping[str, str]) -> tuple[int, Mode, str]:
    """The port that is used (``port`` 0: none is set), how TLS begins, and the law that says so.

    ``options`` are ``auto_tls`` and ``require_tls`` as they are written.
    """
    auto = "auto_tls" not in options or options["auto_tls"] == "" or boolean(options["auto_tls"])
    if scheme == "smtps":
        return port or 465, "implicit", "the scheme is smtps: TLS from the first byte"
    if auto and port == 465:
        return port, "implicit", "Symfony Mailer starts TLS at once on port 465, whatever the scheme"
    if auto and port == 0 and host != "localhost":
        return 465, "implicit", "without a port, Symfony Mailer takes 465 and starts TLS at once"
    if boolean(options.get("require_tls", "")):
        return port or 25, "starttls", "require_tls: no mail without STARTTLS"
    if not auto:
        return port or 25, "clear", "auto_tls is off: TLS is not used although it is offered"
    return port or 25, "opportunistic", "Symfony Mailer uses STARTTLS where the server offers it"


def boolean(text: str) -> bool:
    """PHP's filter_var with FILTER_VALIDATE_BOOL."""
    return text.strip().lower() in ("1", "true", "on", "yes")


def verifies(options: Mapping[str, str]) -> bool:
    """False where ``verify_peer`` is off."""
    return options.get("verify_peer", "") == "" or boolean(options["verify_peer"])

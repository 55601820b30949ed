"""Logging in: the SASL exchanges of SMTP AUTH (RFC 4954) as flows, one function a mechanism.

What this file will not do: decide whether the connection is safe enough for a secret; `client` does.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Sequence

from deliverkit.smtp.dialogue import Say, SmtpFlow, Trouble
from deliverkit.smtp.reply import Reply, shown
from deliverkit.smtp.submission import MECHANISMS, Auth, Refusal

COMMAND_OCTETS = 512  # RFC 5321 §4.5.3.1.4, CRLF included; AUTH is no exception (RFC 4954 §4)
UNDER_TLS = ("PLAIN", "LOGIN", "CRAM-MD5")
IN_CLEAR = ("CRAM-MD5", "PLAIN", "LOGIN")  # the one that does not show the password first


def choose(auth: Auth, offered: Sequence[str], *, under_tls: bool) -> str | Refusal:
    """The mechanism to log in with: the one that was named, if offered, else the best that needs a password."""
    if not offered:
        return Refusal("the server offers no AUTH" + ("" if under_tls else " in the clear; it may under TLS"))
    if auth.mechanism is not None:
        wanted = auth.mechanism.upper()
        if wanted not in MECHANISMS:
            return Refusal(f"the mechanism {wanted} is none of {', '.join(MECHANISMS)}")
        if wanted in offered:
            return wanted
        return Refusal(f"the server offers {', '.join(offered)}, not {wanted}")
    preferred = UNDER_TLS if under_tls else IN_CLEAR
    best = next((mechanism for mechanism in preferred if mechanism in offered), None)
    return best or Refusal(f"the server offers {', '.join(offered)}; none of {', '.join(preferred)}")


def log_in(auth: Auth, mechanism: str, timeout_s: float) -> SmtpFlow[Reply | Trouble | Refusal]:
    """Run one exchange; 235 is success (RFC 4954 §6)."""
    for what, text in (("the user name", auth.username), ("the secret", auth.secret)):
        if reason := _unfit(text):
            return Refusal(f"{reason} in {what}")
    return (yield from _EXCHANGES[mechanism](auth, timeout_s))


def _unfit(text: str) -> str | None:
    """Why a text cannot be part of a response: RFC 4616 §2 wants UTF-8 without NUL, XOAUTH2 parts its fields by ^A."""
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        return "a control character"
    return "an octet that is no UTF-8" if any(0xD800 <= ord(character) <= 0xDFFF for character in text) else None


def _plain(auth: Auth, timeout_s: float) -> SmtpFlow[Reply | Trouble]:
    """RFC 4616: authorization identity, user name and password, apart by NUL."""
    return (yield from _initial(auth, "PLAIN", f"\0{auth.username}\0{auth.secret}", timeout_s))


def _initial(auth: Auth, mechanism: str, response: str, timeout_s: float) -> SmtpFlow[Reply | Trouble]:
    """A response that goes with the AUTH command if the line holds it, else after the server's empty challenge.

    RFC 4954 §4 forbids the longer line, and access tokens are long. A server that asks in spite of the initial response
    did not read it, and gets it again.
    """
    encoded = _base64(response)
    command = f"AUTH {mechanism} {encoded}"
    fits = len(command) + len("\r\n") <= COMMAND_OCTETS
    first = _secret(auth, command, encoded, timeout_s) if fits else Say(f"AUTH {mechanism}", timeout_s=timeout_s)
    heard: Reply | Trouble = yield first
    if isinstance(heard, Reply) and heard.code == 334 and not (fits and _decoded(heard)):
        heard = yield _secret(auth, encoded, encoded, timeout_s)
    return heard


def _secret(auth: Auth, line: str, response: str, timeout_s: float) -> Say:
    """A line that bears the secret, which the server is not to be quoted with."""
    return Say(line, secret=True, timeout_s=timeout_s, hides=_forms(auth, response))


def _forms(auth: Auth, *responses: str) -> tuple[str, ...]:
    return (auth.secret, _base64(auth.secret), *responses)


def _login(auth: Auth, timeout_s: float) -> SmtpFlow[Reply | Trouble]:
    """The undocumented LOGIN: two prompts whose wording differs, so their order is what counts."""
    heard: Reply | Trouble = yield Say("AUTH LOGIN", timeout_s=timeout_s)
    for answer in (auth.username, auth.secret):
        if not (isinstance(heard, Reply) and heard.code == 334):
            return heard
        heard = yield Say(_base64(answer), secret=True, timeout_s=timeout_s, hides=_forms(auth))
    return heard


def _cram_md5(auth: Auth, timeout_s: float) -> SmtpFlow[Reply | Trouble]:
    """RFC 2195: the user name and the HMAC-MD5 of the server's challenge keyed with the password."""
    heard: Reply | Trouble = yield Say("AUTH CRAM-MD5", timeout_s=timeout_s)
    if not (isinstance(heard, Reply) and heard.code == 334):
        return heard
    challenge = _decoded(heard)
    if challenge is None:  # RFC 4954 §4: a client that cannot go on sends "*"
        heard = yield Say("*", timeout_s=timeout_s)
        return heard
    digest = hmac.new(auth.secret.encode(), challenge, "md5").hexdigest()
    response = _base64(f"{auth.username} {digest}")
    heard = yield Say(response, secret=True, timeout_s=timeout_s, hides=(*_forms(auth, response), digest))
    return heard


def _xoauth2(auth: Auth, timeout_s: float) -> SmtpFlow[Reply | Trouble]:
    """Google's and Microsoft's bearer token; a refusal comes as a 334 with JSON, answered by an empty line."""
    heard = yield from _initial(
        auth, "XOAUTH2", f"user={auth.username}\x01auth=Bearer {auth.secret}\x01\x01", timeout_s
    )
    if not (isinstance(heard, Reply) and heard.code == 334):
        return heard
    reason = _decoded(heard)
    final: Reply | Trouble = yield Say("", timeout_s=timeout_s)
    if isinstance(final, Reply) and reason:
        return Reply(final.code, (*final.lines, shown(reason, _forms(auth))), final.faults)
    return final


_EXCHANGES: dict[str, Callable[[Auth, float], SmtpFlow[Reply | Trouble]]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
    "XOAUTH2": _xoauth2,
}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _decoded(challenge: Reply) -> bytes | None:
    try:
        return base64.b64decode(challenge.lines[0], validate=True)
    except (ValueError, IndexError):
        return None

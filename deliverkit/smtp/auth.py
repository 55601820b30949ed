"""Logging in: the SASL exchanges of SMTP AUTH (RFC 4954) as flows, one function a mechanism.

What this file will not do: decide whether the connection is safe enough for a secret; `client` does.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Sequence

from deliverkit.smtp.dialogue import Say, SmtpFlow, Trouble
from deliverkit.smtp.reply import Reply
from deliverkit.smtp.submission import MECHANISMS, Auth, Refusal

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
    if "\0" in auth.username + auth.secret:
        return Refusal("a NUL in the user name or the secret (RFC 4616 §2)")
    return (yield from _EXCHANGES[mechanism](auth, timeout_s))


def _plain(auth: Auth, timeout_s: float) -> SmtpFlow[Reply | Trouble]:
    """RFC 4616: authorization identity, user name and password, apart by NUL, in the initial response."""
    response = _base64(f"\0{auth.username}\0{auth.secret}")
    heard: Reply | Trouble = yield Say(f"AUTH PLAIN {response}", secret=True, timeout_s=timeout_s)
    if isinstance(heard, Reply) and heard.code == 334:  # a server that does not read initial responses
        heard = yield Say(response, secret=True, timeout_s=timeout_s)
    return heard


def _login(auth: Auth, timeout_s: float) -> SmtpFlow[Reply | Trouble]:
    """The undocumented LOGIN: two prompts whose wording differs, so their order is what counts."""
    heard: Reply | Trouble = yield Say("AUTH LOGIN", timeout_s=timeout_s)
    for answer in (auth.username, auth.secret):
        if not (isinstance(heard, Reply) and heard.code == 334):
            return heard
        heard = yield Say(_base64(answer), secret=True, timeout_s=timeout_s)
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
    heard = yield Say(_base64(f"{auth.username} {digest}"), secret=True, timeout_s=timeout_s)
    return heard


def _xoauth2(auth: Auth, timeout_s: float) -> SmtpFlow[Reply | Trouble]:
    """Google's and Microsoft's bearer token; a refusal comes as a 334 with JSON, answered by an empty line."""
    response = _base64(f"user={auth.username}\x01auth=Bearer {auth.secret}\x01\x01")
    heard: Reply | Trouble = yield Say(f"AUTH XOAUTH2 {response}", secret=True, timeout_s=timeout_s)
    if not (isinstance(heard, Reply) and heard.code == 334):
        return heard
    reason = _decoded(heard)
    heard = yield Say("", timeout_s=timeout_s)
    if isinstance(heard, Reply) and reason:
        return Reply(heard.code, (*heard.lines, reason.decode("utf-8", "replace")), heard.faults)
    return heard


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

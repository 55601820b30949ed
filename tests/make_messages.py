"""Write the signed messages of ``fixtures/messages``: ``python -m tests.make_messages``.

The signatures are made by a signer of this file, which shares no code with the project's: canonical forms, hashes and
tags are written out from RFC 6376 §3.4 to §3.7, so that the verifier is held against a second reading of the law. Keys
are those of ``fixtures/keys``, times are fixed, RSASSA-PKCS1-v1_5 and Ed25519 are deterministic: running this again
writes the same octets, and a test says so.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from tests.good_messages import good_messages
from tests.mutated_messages import mutated_messages

FIXTURES = Path(__file__).parent.parent / "fixtures"
MESSAGES = FIXTURES / "messages"
SIGNED_AT = 1795341570  # 2026-11-22T09:59:30Z, half a minute before the stories' now

HEADER = {
    "From": "Shop <orders@example.com>",
    "To": "Ann <ann@example.net>",
    "Subject": "Your order 1001",
    "Date": "Sun, 22 Nov 2026 09:59:00 +0000",
    "Message-ID": "<order.1001@example.com>",
}
TEXT = "Hello Ann,\r\n\r\nyour order 1001 is on its way.\r\n\r\n-- \r\nShop\r\n"
USUAL: tuple[str, ...] = (
    "from",
    "from",
    "to",
    "subject",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
)
LASTING = ("from", "to", "subject", "date", "message-id")  # what a careful list leaves alone
THREAD = ("in-reply-to", "references")
USUAL += ("content-transfer-encoding", "list-unsubscribe", "list-unsubscribe-post", "list-id", "reply-to", "cc")


def message(body: str = TEXT, **more: str) -> bytes:
    """A message of the shop; ``more`` adds or replaces fields, ``_`` in a name stands for ``-``."""
    fields = {**HEADER, **{name.replace("_", "-"): value for name, value in more.items()}}
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode() + b"\r\n" + body.encode()


def sign(
    raw: bytes,
    *,
    domain: str = "example.com",
    selector: str = "s1",
    key: str = "test-only-rsa2048.pem",
    names: tuple[str, ...] = USUAL,
    algorithm: str = "rsa-sha256",
    canonicalization: str = "relaxed/relaxed",
    at: int = SIGNED_AT,
    length: int | None = None,
    more: str = "",
    declared: str | None = None,
    hashed_body: bytes | None = None,
) -> bytes:
    """The message with one more DKIM-Signature on top (RFC 6376 §3.5, §3.7).

    Signers that are at fault: ``declared`` is what c= says where it is not the form used, ``hashed_body`` the octets
    whose hash is in bh= where they are not the canonical body.
    """
    head, _, body = raw.partition(b"\r\n\r\n")
    fields = re.findall(rb"([^:\r\n]+):((?:[^\r\n]|\r\n[ \t])*)(?:\r\n|\Z)", head)
    header_form, body_form = canonicalization.split("/")
    whole = _body(body, body_form) if hashed_body is None else hashed_body
    hashed = base64.b64encode(hashlib.sha256(whole[:length]).digest()).decode()
    tags = [f"v=1; a={algorithm}; c={declared or canonicalization}; d={domain}; s={selector}; t={at};{more}"]
    tags += [f"l={length};"] if length is not None else []
    tags += [f"h={':'.join(names)};", f"bh={hashed};", "b="]
    value = " " + "\r\n\t".join(tags)
    data = b"".join(_chosen(fields, names, header_form)) + _field(b"DKIM-Signature", value.encode(), header_form)
    signature = base64.b64encode(_signed(data.removesuffix(b"\r\n"), key, algorithm)).decode()
    folded = "\r\n\t ".join(re.findall(".{1,70}", signature))
    return f"DKIM-Signature:{value}{folded}\r\n".encode() + raw


def _body(body: bytes, form: str) -> bytes:
    """RFC 6376 §3.4.3 and §3.4.4."""
    lines = body.split(b"\r\n")
    if form == "relaxed":
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        return b"" if form == "relaxed" else b"\r\n"
    return b"\r\n".join(lines) + b"\r\n"


def _field(name: bytes, value: bytes, form: str) -> bytes:
    """RFC 6376 §3.4.1 and §3.4.2."""
    if form == "simple":
        return name + b":" + value + b"\r\n"
    unfolded = re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip()
    return name.lower() + b":" + unfolded + b"\r\n"


def _chosen(fields: list[tuple[bytes, bytes]], names: tuple[str, ...], form: str) -> list[bytes]:
    """RFC 6376 §5.4.2: from the bottom up, one instance a mention."""
    left = list(fields)
    chosen = []
    for name in names:
        found = next((f for f in reversed(left) if f[0].lower() == name.encode()), None)
        if found is not None:
            left.reverse()
            left.remove(found)
            left.reverse()
            chosen.append(_field(*found, form))
    return chosen


@functools.cache
def _key(name: str) -> object:
    return serialization.load_pem_private_key((FIXTURES / "keys" / name).read_bytes(), None)


def _signed(data: bytes, key: str, algorithm: str) -> bytes:
    loaded = _key(key)
    if isinstance(loaded, Ed25519PrivateKey):
        return loaded.sign(hashlib.sha256(data).digest())  # RFC 8463 §3
    assert isinstance(loaded, RSAPrivateKey)
    digest = hashes.SHA1() if algorithm == "rsa-sha1" else hashes.SHA256()
    return loaded.sign(data, padding.PKCS1v15(), digest)


def _alternative(**more: str) -> bytes:
    """A newsletter in text and HTML that does everything right."""
    plain = "Hello Ann,\r\n\r\nour winter catalogue is here: https://www.example.com/winter\r\n\r\nShop\r\n"
    html = (
        '<!DOCTYPE html><html lang="en"><head><title>Winter</title></head><body>\r\n'
        '<p>Hello Ann,</p>\r\n<p>our <a href="https://www.example.com/winter">winter catalogue</a> is here:'
        ' <a href="https://www.example.com/winter">www.example.com/winter</a></p>\r\n'
        '<p><img src="https://www.example.com/logo.png" alt="Shop"></p>\r\n'
        '<p>Questions? <a href="mailto:help@example.com">help@example.com</a></p>\r\n</body></html>\r\n'
    )
    body = (
        "--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + plain + "\r\n"
        "--b1\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + html + "\r\n--b1--\r\n"
    )
    told = {
        "Subject": "Our winter catalogue",
        "Message_ID": "<winter.2026@example.com>",
        "MIME_Version": "1.0",
        "Content_Type": 'multipart/alternative; boundary="b1"',
        **more,
    }
    return message(body, **told)


ONE_CLICK = {
    "List_Unsubscribe": "<https://www.example.com/u/8f3ac1>, <mailto:leave@example.com>",
    "List_Unsubscribe_Post": "List-Unsubscribe=One-Click",
}


@functools.cache
def messages() -> dict[str, bytes]:
    """Every signed message by the name of its file."""
    plain, news = message(), _alternative(**ONE_CLICK)
    without_post = tuple(name for name in USUAL if name != "list-unsubscribe-post")
    sound = sign(plain)
    long = message("A line of 1200 octets follows.\r\n" + "x" * 1200 + "\r\n")
    return {
        **{f"mutated-{name}.eml": octets for name, octets in mutated_messages(sign, message).items()},
        "signed.eml": sound,
        "signed-newsletter.eml": sign(news),
        "signed-twice.eml": sign(sign(plain), selector="ed1", key="test-only-ed25519.pem", algorithm="ed25519-sha256"),
        "signed-ed25519-only.eml": sign(plain, selector="ed1", key="test-only-ed25519.pem", algorithm="ed25519-sha256"),
        "signed-post-left-out.eml": sign(news, names=without_post),
        "signed-by-relay-only.eml": sign(plain, domain="mailer.example.net", selector="m1"),
        "signed-by-subdomain.eml": sign(plain, domain="news.example.com"),
        "signed-partly.eml": sign(plain, names=("from", "date")),
        "signed-beginning-only.eml": sign(plain, length=12) + b"Visit https://evil.example/ as well.\r\n",
        "signed-simple.eml": sign(plain, canonicalization="simple/simple"),
        "signed-expired.eml": sign(plain, more=f" x={SIGNED_AT - 10};", at=SIGNED_AT - 3600),
        "signed-expired-since.eml": b"Received: by mx.example.net; Sun, 22 Nov 2026 09:59:35 +0000\r\n"
        + sign(plain, more=f" x={SIGNED_AT + 10};"),
        "signed-in-future.eml": sign(plain, at=SIGNED_AT + 10 * 86400),
        "signed-sha1.eml": sign(plain, algorithm="rsa-sha1"),
        "signed-malformed.eml": sign(plain).replace(b" d=example.com;", b"", 1),
        "signed-identity-below.eml": sign(plain, more=" i=@mail.example.com;"),
        "signed-footer-added.eml": sound + b"\r\n____________\r\nThis mail was scanned.\r\n",
        "signed-from-quoted.eml": sign(message("Hello Ann,\r\nFrom now on we ship daily.\r\n")).replace(
            b"\r\nFrom now", b"\r\n>From now"
        ),
        "signed-with-lf.eml": sign(plain, hashed_body=_body(TEXT.encode(), "relaxed").replace(b"\r\n", b"\n")),
        "signed-quoted-printable-anew.eml": sign(
            message(
                "Gr=c3=bc=c3=9fe, Ann\r\n",
                MIME_Version="1.0",
                Content_Type="text/plain; charset=utf-8",
                Content_Transfer_Encoding="quoted-printable",
            )
        ).replace(b"Gr=c3=bc=c3=9fe", b"Gr=C3=BC=C3=9Fe"),
        "signed-line-broken.eml": sign(long).replace(b"x" * 998, b"x" * 998 + b"\r\n ", 1),
        "signed-long-line.eml": sign(long),
        "signed-blanks-changed.eml": sign(
            message("No blank at the end.\r\n"), canonicalization="simple/simple"
        ).replace(b"at the end.", b"at the end. "),
        "signed-subject-changed.eml": sound.replace(b"Subject: Your", b"Subject: [external] Your"),
        "signed-reply-to-added.eml": sound.replace(b"To: Ann", b"Reply-To: desk@example.net\r\nTo: Ann", 1),
        "signed-refolded.eml": sign(
            message(Subject="Your order 1001\r\n\tis on its way"), canonicalization="simple/simple"
        ).replace(b"1001\r\n\tis", b"1001\r\n is"),
        "signed-own-broken-relay-sound.eml": sign(
            sound.replace(b"1001 is", b"1002 is"), domain="mailer.example.net", selector="m1"
        ),
        "signed-second-from.eml": b"From: Boss <boss@example.com>\r\n" + sign(plain, names=USUAL[1:]),
        "signed-weak.eml": sign(plain, selector="w1", key="test-only-rsa1024.pem"),
        "signed-newsletter-by-relay.eml": sign(news, domain="mailer.example.net", selector="m1"),
        "signed-twelve-times.eml": _many(plain, 12),
        "signed-one-of-two.eml": sign(sound, selector="s2"),
        "forwarded-by-a-list.eml": _forwarded(
            sign(plain, names=("from", "from", "to", "subject", "date", "message-id"))
        ),
        **{f"good-{name}.eml": sign(message(**one), names=USUAL + THREAD) for name, one in good_messages().items()},
    }


def _forwarded(raw: bytes) -> bytes:
    """A mailing list that leaves the author's signature whole and signs itself."""
    listed = (
        b"List-Id: Orders <orders.lists.example.org>\r\nList-Post: <mailto:orders@lists.example.org>\r\n"
        b"List-Help: <mailto:orders-request@lists.example.org> (Instructions)\r\nPrecedence: list\r\n"
        b"Sender: orders-bounces@lists.example.org\r\n"
    )
    names = (*LASTING, "list-id", "list-post", "sender")
    return sign(listed + raw, domain="lists.example.org", selector="l1", names=names)


def _many(raw: bytes, number: int) -> bytes:
    """The message with the same signature many times."""
    head = sign(raw).removesuffix(raw)
    return head * number + raw


def main() -> None:
    """Write them."""
    MESSAGES.mkdir(exist_ok=True)
    for name, octets in messages().items():
        (MESSAGES / name).write_bytes(octets)


if __name__ == "__main__":
    main()

"""Messages that were changed after they were signed, or were signed wrongly, each with the cause that must be named.

``make_messages`` writes them into ``fixtures/messages/mutated-*.eml``; the stories of the same names judge them, and
``tests/facts/test_twelve_mutations.py`` holds the causes against them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

TEXT = "Hello Ann,\r\n\r\nyour order 1001 is on its way.\r\n\r\n-- \r\nShop\r\n"
FOOTER = "____________\r\norders mailing list\r\nhttps://lists.example.org/orders\r\n"
UMLAUTS = {"Subject": "=?utf-8?q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?="}

CAUSES: dict[str, tuple[str, ...]] = {
    "lf-line-ends": ("lf-line-ends",),
    "trailing-lines": ("trailing-lines-signed",),
    "list-tag": ("subject-tagged",),
    "footer": ("footer-added",),
    "refolded": ("field-refolded",),
    "reencoded": ("field-reencoded",),
    "other-header-form": ("other-canonicalization",),
    "other-body-form": ("other-canonicalization",),
    "other-selector": ("other-selector",),
    "footer-in-two-parts": ("footer-added",),
    "by-a-list": ("from-rewritten", "subject-tagged", "field-added", "footer-added"),
    "eight-bit-encoded": ("content-transfer-encoding-changed", "encoding-changed"),
    "body-unknown": (),
    "header-unknown": (),
}
"""The kinds of the changes in each message; () where nobody can tell, and nothing may be said."""


def mutated_messages(sign: Callable[..., bytes], message: Callable[..., bytes]) -> dict[str, bytes]:
    """Each message by the name of its cause."""
    plain = message()
    signed = sign(plain)
    tagged = _put(signed, b"Subject: ", b"Subject: [orders] ")
    list_from = b"From: Shop via Orders <orders@lists.example.org>\r\nReply-To: Shop <orders@example.com>"
    eight_bit = {"MIME_Version": "1.0", "Content_Type": "text/plain; charset=utf-8"}
    umlauts = sign(message("Grüße, Ann\r\n", **eight_bit, Content_Transfer_Encoding="8bit"))
    encoded = _put(umlauts, "Grüße".encode(), b"Gr=C3=BC=C3=9Fe")
    return {
        "lf-line-ends": sign(plain, hashed_body=TEXT.replace("\r\n", "\n").encode()),
        "trailing-lines": sign(plain, hashed_body=TEXT.encode() + b"\r\n\r\n", canonicalization="relaxed/simple"),
        "list-tag": tagged,
        "footer": signed + FOOTER.encode(),
        "refolded": _put(
            sign(message(Subject="Your order 1001,\r\n 2 parcels"), canonicalization="simple/relaxed"),
            b"1001,\r\n 2",
            b"1001, 2",
        ),
        "reencoded": _put(
            sign(message(**UMLAUTS)), UMLAUTS["Subject"].encode(), b"=?UTF-8?B?R3LDvMOfZSBhdXMgS8O2bG4=?="
        ),
        "other-header-form": sign(plain, canonicalization="simple/relaxed", declared="relaxed/relaxed"),
        "other-body-form": sign(
            message("Item      Price\r\nBook      12.00 EUR\r\n"),
            canonicalization="relaxed/simple",
            declared="relaxed/relaxed",
        ),
        "other-selector": sign(plain, selector="s1", key="test-only-rsa2048-b.pem"),
        "footer-in-two-parts": _replaced(sign(_two_parts(message, "", "")), _two_parts(message, FOOTER, FOOTER)),
        "by-a-list": _put(tagged, b"From: Shop <orders@example.com>", list_from) + FOOTER.encode(),
        "eight-bit-encoded": _put(encoded, b"Encoding: 8bit", b"Encoding: quoted-printable"),
        "body-unknown": _put(signed, b"order 1001 is", b"order 1002 is"),
        "header-unknown": _put(signed, b"Your order 1001", b"Your invoice 1001"),
    }


def _put(raw: bytes, old: bytes, new: bytes) -> bytes:
    assert raw.count(old) == 1
    return raw.replace(old, new)


def _replaced(signed: bytes, changed: bytes) -> bytes:
    """The signature of one message in front of another."""
    return signed[: signed.index(b"From: ")] + changed


def _two_parts(message: Callable[..., bytes], text_footer: str, html_footer: str) -> bytes:
    """Text in base64 and HTML, each with its footer."""
    text = base64.encodebytes(("Hello Ann,\r\nyour order is on its way.\r\n" + text_footer).encode())
    lines = "".join(f"<br>{line}" for line in html_footer.split("\r\n") if line)
    html = f"<html><body><p>Hello Ann,</p><p>your order is on its way.</p>{lines}</body></html>"
    body = (
        "--b1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + text.decode().replace("\n", "\r\n")
        + "--b1\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
        + f"{html}\r\n--b1--\r\n"
    )
    return message(body, MIME_Version="1.0", Content_Type='multipart/alternative; boundary="b1"')

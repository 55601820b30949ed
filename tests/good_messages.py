"""Honest mail of many kinds, as programs people use write it: every rule must stay silent about it once it is signed.

``make_messages`` signs them into ``fixtures/messages/good-*.eml``; the stories of the same names judge them.
"""

from __future__ import annotations

import base64
import quopri

ONE_CLICK = {
    "List_Id": "Shop news <news.example.com>",
    "List_Unsubscribe": "<https://www.example.com/u/8f3ac1>, <mailto:leave@example.com>",
    "List_Unsubscribe_Post": "List-Unsubscribe=One-Click",
}
UTF8 = "text/plain; charset=utf-8"
PDF = b"%PDF-1.4\n" + bytes(range(256)) * 2
INVITE = (
    "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nVERSION:2.0\r\nPRODID:-//Shop//EN\r\nBEGIN:VEVENT\r\nUID:1@example.com\r\n"
    "DTSTAMP:20261122T090000Z\r\nDTSTART:20261201T090000Z\r\nSUMMARY:Delivery\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


def base64_of(octets: bytes) -> str:
    """base64 in lines of 76 characters."""
    text = base64.b64encode(octets).decode()
    return "".join(f"{text[at : at + 76]}\r\n" for at in range(0, len(text), 76))


def quoted(text: str) -> str:
    """Quoted-printable of text with CRLF."""
    return quopri.encodestring(text.replace("\r\n", "\n").encode()).decode().replace("\n", "\r\n")


def words(text: str, charset: str = "utf-8", size: int = 30) -> str:
    """Encoded words of at most ``size`` octets each, no character split."""
    pieces, piece = [], ""
    for char in text:
        if len((piece + char).encode(charset)) > size:
            pieces.append(piece)
            piece = ""
        piece += char
    said = (base64.b64encode(one.encode(charset)).decode() for one in [*pieces, piece])
    return "\r\n ".join(f"=?{charset}?B?{one}?=" for one in said)


def part(type_: str, body: str, **fields: str) -> str:
    """One part of a multipart."""
    head = {"Content-Type": type_, **{name.replace("_", "-"): value for name, value in fields.items()}}
    return "".join(f"{name}: {value}\r\n" for name, value in head.items()) + f"\r\n{body}"


def multipart(kind: str, *parts: str, boundary: str = "=_b1", preamble: str = "") -> dict[str, str]:
    """Content-Type and body of a multipart."""
    body = "".join(f"--{boundary}\r\n{one}\r\n" for one in parts)
    return {
        "MIME_Version": "1.0",
        "Content_Type": f'multipart/{kind};\r\n boundary="{boundary}"',
        "body": f"{preamble}{body}--{boundary}--\r\n",
    }


def nested(kind: str, *parts: str, boundary: str) -> str:
    """A multipart as a part of another."""
    whole = multipart(kind, *parts, boundary=boundary)
    return part(whole["Content_Type"], whole["body"])


def attached(type_: str, name: str, octets: bytes) -> str:
    """An attachment in base64."""
    named = f'attachment; filename="{name}"'
    return part(type_, base64_of(octets), Content_Transfer_Encoding="base64", Content_Disposition=named)


def text_in(charset: str, text: str) -> dict[str, str]:
    """A text in base64."""
    return {
        "MIME_Version": "1.0",
        "Content_Type": f"text/plain; charset={charset}",
        "Content_Transfer_Encoding": "base64",
        "body": base64_of(text.encode("gb18030" if charset == "gb2312" else charset)),
    }


def named(name: str, subject: str) -> dict[str, str]:
    """A message whose Subject and display names are not ASCII."""
    both = {"From": f"{words(name)} <orders@example.com>", "To": f"{words(name)} <ann@example.net>"}
    return {**text_in("utf-8", f"{subject}\r\n"), **both, "Subject": words(subject)}


NEWSLETTER_TEXT = (
    "Hello Ann,\r\n\r\nour winter sale starts: 20% off, 100% cotton.\r\nShop now: http://www.example.com/winter\r\n\r\n"
    "Leave this list: https://www.example.com/u/8f3ac1\r\n"
)
NEWSLETTER_HTML = (
    '<!DOCTYPE html>\r\n<html lang="en"><head><meta charset="utf-8"><title>Winter</title>\r\n'
    "<style>p { color: #333 } @media (max-width: 600px) { .x { width: 100% !important } }</style></head><body>\r\n"
    "<p>Hello Ann,</p><p>our winter sale starts: 20% off, 100% cotton.</p>\r\n"
    '<p><a href="https://links.example.com/c?u=https%3A%2F%2Fwww.example.com%2Fwinter&amp;id=1">Shop now</a> or see\r\n'
    '<a href="https://links.example.com/c/2">www.example.com</a>, <a href="tel:+4930123456">call us</a>,\r\n'
    '<a href="mailto:help@example.com">help@example.com</a>, <a href="#top">to the top</a></p>\r\n'
    '<p><img src="https://www.example.com/logo.png" alt="Shop"><img src="https://links.example.com/o.gif?id=1"\r\n'
    ' width="1" height="1" alt=""></p>\r\n'
    '<p><a href="https://www.example.com/u/8f3ac1">Leave this list</a></p></body></html>\r\n'
)
CODE_TEXT = (
    "Hello Ann,\r\n\r\nthis week: what templates leave behind. In Jinja one writes {{ user.name }}, in a script\r\n"
    "${user.name}; a value that is missing shows as None in Python and as undefined in JavaScript:\r\n\r\n"
    "    undefined\r\n\r\nNone of this is new, and nothing is undefined about it.\r\n"
)
CODE_HTML = (
    "<p>Hello Ann,</p>\r\n<p>this week: what templates leave behind. In Jinja one writes"
    " <code>{{ user.name }}</code>,\r\nin a script <code>${user.name}</code>; a value that is missing shows as"
    " <code>None</code> in Python\r\nand as <code>undefined</code> in JavaScript:</p>\r\n<pre>undefined\r\n</pre>\r\n"
    "<p>None of this is new, and nothing is undefined about it.</p>\r\n"
)
RETURNED = "From: ann@example.net\r\nTo: nobody@example.org\r\nSubject: Hi\r\n\r\nHello {{ name }}, undefined\r\n"
DELIVERY_STATUS = (
    "Reporting-MTA: dns; mx.example.com\r\nArrival-Date: Sun, 22 Nov 2026 09:58:00 +0000\r\n\r\n"
    "Final-Recipient: rfc822; nobody@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n"
)


def _texts() -> dict[str, dict[str, str]]:
    thread = "\r\n ".join(f"<CAF{number:04d}x9A8b7c6d5e4f@mail.example.com>" for number in range(40))
    return {
        "flowed": {
            "MIME_Version": "1.0",
            "Content_Type": "text/plain; charset=us-ascii; format=flowed; delsp=no",
            "body": "A long paragraph that flows \r\nover several lines \r\nand ends here.\r\n\r\n-- \r\nShop\r\n",
        },
        "eight-bit": {
            "MIME_Version": "1.0",
            "Content_Type": UTF8,
            "Content_Transfer_Encoding": "8bit",
            "body": "Grüße aus Köln, Ann — 你好 🎉\r\n",
        },
        "quoted-printable": {
            "MIME_Version": "1.0",
            "Content_Type": UTF8,
            "Content_Transfer_Encoding": "quoted-printable",
            "body": quoted("Grüße aus Köln, Ann: " + "ein langer Satz, der nicht in eine Zeile passt = " * 4 + "\r\n"),
        },
        "chinese": named("商店客服", "您的订单已经发货,预计三天之内送达,感谢您的惠顾"),
        "japanese": named("お店", "ご注文ありがとうございます。発送のお知らせ"),
        "arabic": named("متجر", "طلبك في الطريق إليك"),
        "emoji": named("Shop 🛒", "Your order 📦 is on its way 🎉"),
        "gbk-as-gb2312": {
            **text_in("gb2312", "朱镕基先生,您好\r\n"),
            "Subject": f"=?gb2312?B?{base64.b64encode('朱镕基的订单'.encode('gbk')).decode()}?=",
        },
        "iso-2022-jp": {
            "MIME_Version": "1.0",
            "Content_Type": "text/plain; charset=ISO-2022-JP",
            "Subject": words("ご注文", "iso-2022-jp"),
            "body": "ご注文\r\n".encode("iso-2022-jp").decode("ascii"),
        },
        "long-references": {
            "Subject": "Re: Your order 1001",
            "References": thread,
            "In_Reply_To": "<CAF0039x9A8b7c6d5e4f@mail.example.com>",
        },
        "comments-and-quotes": {
            "From": "orders@example.com (Shop)",
            "To": 'Ann (her office) <ann@example.net>, "O\'Neil, Bob" <bob@example.org>',
            "Date": "Sun, 22 Nov 2026 09:59:00 +0000 (UTC)",
        },
        "lines-with-dots": {"body": "...\r\n.\r\n..x\r\nFrom now on\r\n>From before\r\n"},
    }


def _compound() -> dict[str, dict[str, str]]:
    plain, page = part(UTF8, NEWSLETTER_TEXT), part("text/html; charset=utf-8", NEWSLETTER_HTML)
    invite = part("text/calendar; charset=utf-8; method=REQUEST", INVITE)
    logo = part(
        "image/png; name=logo.png",
        base64_of(b"\x89PNG\r\n\x1a\n" + bytes(100)),
        Content_ID="<logo@example.com>",
        Content_Disposition="inline; filename=logo.png",
        Content_Transfer_Encoding="base64",
    )
    told, shown = part(UTF8, "Delivery on 1 December.\r\n"), part("text/html", "<p>Delivery on 1 December.</p>\r\n")
    with_logo = part("text/html", '<p>Delivery on 1 December.</p><img src="cid:logo@example.com" alt="Shop">\r\n')
    signed = part(UTF8, "Hello Ann\r\n")
    pgp = "-----BEGIN PGP SIGNATURE-----\r\n\r\nwsB5BAABCAAjFiEE\r\n=abcd\r\n-----END PGP SIGNATURE-----\r\n"
    return {
        "newsletter": {**multipart("alternative", plain, page), **ONE_CLICK, "Subject": "Our winter sale"},
        "developer-newsletter": {
            **multipart("alternative", part(UTF8, CODE_TEXT), part("text/html; charset=utf-8", CODE_HTML)),
            **ONE_CLICK,
            "Subject": "What templates leave behind",
        },
        "invoice": multipart(
            "mixed",
            part(UTF8, "Your invoice is attached.\r\n"),
            part(
                "application/pdf",
                base64_of(PDF),
                Content_Disposition="attachment;\r\n filename*0*=UTF-8''Rechnung%20M%C3%A4;\r\n filename*1*=rz.pdf",
                Content_Transfer_Encoding="base64",
            ),
        ),
        "enclosed-image": multipart("related", nested("alternative", told, with_logo, boundary="a"), logo),
        "invitation": multipart(
            "mixed",
            nested("alternative", told, shown, invite, boundary="a"),
            attached("application/ics", "invite.ics", INVITE.encode()),
        ),
        "invitation-alone": {
            "MIME_Version": "1.0",
            "Content_Type": "text/calendar; charset=utf-8; method=REQUEST",
            "body": INVITE,
        },
        "bounce": {
            **multipart(
                "report; report-type=delivery-status",
                part("text/plain; charset=us-ascii", "Your message could not be delivered.\r\n"),
                part("message/delivery-status", DELIVERY_STATUS),
                part("message/rfc822", RETURNED),
                preamble="This is a MIME-encapsulated message.\r\n\r\n",
            ),
            "From": "MAILER-DAEMON@example.com (Mail Delivery System)",
            "Auto_Submitted": "auto-replied",
            "Subject": "Undelivered Mail Returned to Sender",
        },
        "smime": multipart(
            'signed; protocol="application/pkcs7-signature"; micalg=sha-256',
            signed,
            attached("application/pkcs7-signature", "smime.p7s", b"\x30\x82" + bytes(300)),
            preamble="This is an S/MIME signed message\r\n\r\n",
        ),
        "pgp-mime": multipart(
            'signed; protocol="application/pgp-signature"; micalg=pgp-sha512',
            nested("mixed", signed, boundary="i"),
            part('application/pgp-signature; name="OpenPGP_signature.asc"', pgp),
        ),
        "pgp-encrypted": multipart(
            'encrypted; protocol="application/pgp-encrypted"',
            part("application/pgp-encrypted", "Version: 1\r\n"),
            part(
                "application/octet-stream; name=encrypted.asc",
                "-----BEGIN PGP MESSAGE-----\r\n\r\nwsB5\r\n-----END PGP MESSAGE-----\r\n",
            ),
        ),
        "message-attached": multipart(
            "mixed",
            part(UTF8, "See what I was sent.\r\n"),
            part(
                "message/rfc822",
                "From: x@example.org\r\nContent-Type: multipart/mixed; boundary=z\r\n\r\n--z\r\n"
                "Content-Type: application/x-msdownload; name=a.exe\r\n\r\nMZ ${broken}\r\n",
            ),
        ),
        "winmail-dat": multipart(
            "mixed", signed, attached("application/ms-tnef", "winmail.dat", b'x\x9f>"' + bytes(60))
        ),
    }


def good_messages() -> dict[str, dict[str, str]]:
    """Header fields and body of each message by its name, for ``make_messages.message``."""
    return {**_texts(), **_compound()}

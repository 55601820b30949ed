"""Messages as they go on the wire: what any receiver must be able to read back, whatever was typed."""

from __future__ import annotations

import email
import email.header
import email.policy
import re
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deliverkit.smtp.compose import (
    Address,
    Attachment,
    BadValue,
    Composed,
    Content,
    compose,
    existing,
    media_type,
    parse_address,
    parse_addresses,
    recipients,
)
from deliverkit.smtp.compose.headers import address_field, encoded_words, text_field, verbatim_field

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
ANN = Address("", "ann", "example.com")
BOB = Address("", "bob", "example.net")
WORD = re.compile(rb"=\?([^?]*)\?([bq])\?([^?]*)\?=")

lines = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=300)
names = lines.map(str.strip).filter(bool)


def written(content: Content | None = None, **fields: object) -> Composed:
    """A message from Ann to Bob with the given fields."""
    return compose(content or Content(ANN, (BOB,), **fields), now=NOW, nonce="0123456789abcdef")  # type: ignore[arg-type]


def read(raw: bytes) -> EmailMessage:
    """The message as Python's parser understands it."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def decoded(field: bytes) -> str:
    """The value as a receiver shows it: unfolded (RFC 5322 §2.2.3), encoded words decoded (RFC 2047 §6.2)."""
    value = re.sub(rb"\r\n(?=[ \t])", b"", field).removesuffix(b"\r\n").partition(b":")[2].removeprefix(b" ")
    joined = re.sub(rb"(\?=)[ \t]+(?==\?)", rb"\1", value)
    return WORD.sub(
        lambda m: str(email.header.make_header(email.header.decode_header(m[0].decode()))).encode(), joined
    ).decode()


def assert_wire_form(raw: bytes) -> None:
    """CRLF alone ends lines, none is over 998 octets, no field folds after its name, encoded words are whole."""
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", raw)
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    header = raw.partition(b"\r\n\r\n")[0]
    assert not re.search(rb"^[^ \t:]+:[ \t]*\r\n[ \t]", header, re.MULTILINE)
    assert not re.search(rb"^[ \t]+\r?$", header, re.MULTILINE)
    for line in header.split(b"\r\n"):
        for word in WORD.finditer(line):
            assert len(word[0]) <= 75
            assert len(line) <= 76
            email.header.decode_header(word[0].decode())[0][0].decode("utf-8")


@given(lines)
def test_any_subject_is_read_back(subject: str) -> None:
    """A subject in any script comes out as it went in, in whole encoded words on lines of at most 76."""
    field = text_field("Subject", subject)
    assert field.isascii()
    assert_wire_form(field)
    assert decoded(field) == subject


@given(lines)
def test_any_subject_survives_pythons_parser(subject: str) -> None:
    """The whole message is in wire form and the standard parser reads the same subject."""
    message = written(subject=subject)
    assert_wire_form(message.raw)
    assert str(read(message.raw)["Subject"] or "").split() == subject.split()


@given(names)
def test_any_display_name_is_read_back(name: str) -> None:
    """A display name in any script comes out as it went in, and the address beside it is never encoded."""
    field = address_field("From", [Address(name, "ann", "example.com")])
    assert_wire_form(field)
    assert field.rstrip().endswith(b"<ann@example.com>")
    shown = decoded(field).removesuffix("<ann@example.com>").removesuffix(" ")
    if field.startswith(b'From: "'):
        shown = re.sub(r"\\(.)", r"\1", shown[1:-1])
    assert shown == name


@given(names)
def test_any_file_name_is_read_back(name: str) -> None:
    """A file name in any script is read by RFC 2231 receivers from Content-Disposition."""
    name = name.replace("/", "_")[:80]
    if name in (".", ".."):
        return
    message = written(text="x", attachments=(Attachment(name, b"\0\xff" * 9),))
    assert_wire_form(message.raw)
    part = next(iter(read(message.raw).iter_attachments()))
    assert part.get_content() == b"\0\xff" * 9 if part.get_content_type().startswith("application") else True
    assert part.get_filename() == name


@settings(max_examples=60)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=2000))
def test_any_text_is_read_back(text: str) -> None:
    """A body of any text goes as 7-bit lines and comes out the same, its line ends made CRLF."""
    message = written(text=text, html=f"<p>{text}</p>")
    assert_wire_form(message.raw)
    assert message.raw.isascii()
    body = read(message.raw).get_body(("plain",))
    assert body is not None
    sent = text.replace("\r\n", "\n").replace("\r", "\n")
    received = body.get_payload(decode=True)
    assert isinstance(received, bytes)
    assert received.decode().replace("\r\n", "\n").removesuffix("\n") == sent.removesuffix("\n")


def test_encoded_words_are_cut_between_characters() -> None:
    """No encoded word ends inside a character: each decodes on its own (RFC 2047 §5)."""
    words = encoded_words("测试邮件的主题很长" * 20)
    assert len(words) > 4
    assert "".join(str(email.header.make_header(email.header.decode_header(w))) for w in words) == (
        "测试邮件的主题很长" * 20
    )
    assert all(len(word) <= 75 for word in words)


def test_ascii_words_beside_others_stay_readable() -> None:
    """Only the words that need it are encoded."""
    assert text_field("Subject", "Your invoice für März is ready") == (
        b"Subject: Your invoice =?utf-8?q?f=C3=BCr_M=C3=A4rz?= is ready\r\n"
    )


def test_text_that_looks_like_an_encoded_word_is_encoded() -> None:
    """A literal =?…?= in a subject is shown as typed, not decoded by the receiver."""
    field = text_field("Subject", "How =?utf-8?q?x?= works")
    assert decoded(field) == "How =?utf-8?q?x?= works"
    assert b"=?utf-8?q?x?=" not in field


def test_the_long_list_unsubscribe_url_is_not_encoded() -> None:
    """Python's own folding makes =?utf-8?q?…?= of a long List-Unsubscribe URL; here it stays one long line."""
    url = "https://example.com/unsubscribe/" + "a" * 300
    message = written(text="x", unsubscribe=url, unsubscribe_mailto="unsubscribe@example.com")
    assert f"List-Unsubscribe: <{url}>,\r\n <mailto:unsubscribe@example.com>\r\n".encode() in message.raw
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in message.raw
    assert_wire_form(message.raw)


def test_references_fold_between_message_ids() -> None:
    """Forty References fold at their blanks, never inside an id, never as encoded words."""
    ids = " ".join(f"<{n:040d}@mail.example.com>" for n in range(40))
    field = verbatim_field("References", ids)
    assert b"=?" not in field
    assert_wire_form(field)
    assert decoded(field) == ids


def test_a_long_first_word_stays_on_the_line_of_the_name() -> None:
    """A fold directly after the header name breaks DKIM at some verifiers: the long word stays beside the name."""
    assert text_field("Subject", "a" * 200) == b"Subject: " + b"a" * 200 + b"\r\n"
    assert_wire_form(text_field("Subject", "a" * 3000))
    assert decoded(text_field("Subject", "a" * 3000)) == "a" * 3000


def test_a_value_that_cannot_be_folded_is_refused_over_998_octets() -> None:
    """An unsubscribe URL of 1000 octets has no place to fold: an error that names the field, not a broken line."""
    with pytest.raises(BadValue, match=r"List-Unsubscribe: a line of 10\d\d octets"):
        written(text="x", unsubscribe="https://example.com/" + "a" * 1000)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"subject": "Hi\r\nBcc: eve@example.org"}, "subject"),
        ({"subject": "Hi\x00"}, "subject"),
        ({"subject": "Hi\u2028there"}, "subject"),
        ({"unsubscribe": "https://example.com/\nX: y"}, "--unsubscribe"),
        ({"unsubscribe_mailto": "a@example.com\r\nX: y"}, "--unsubscribe-mailto"),
        ({"headers": (("X-Tag", "a\nb"),)}, "X-Tag"),
        ({"headers": (("X-Tag\r\nBcc", "a"),)}, "header name"),
        ({"attachments": (Attachment("a\r\nb.txt", b""),)}, "attachment name"),
    ],
)
def test_a_line_break_in_any_value_is_refused_by_name(fields: dict[str, object], named: str) -> None:
    """CR, LF and control characters in a subject, header, URL or file name are refused, and the value is named."""
    with pytest.raises(BadValue, match=named):
        written(None, **{"text": "x", **fields})


@pytest.mark.parametrize(
    "text", ["a@example.com\r\nRCPT TO:<b@example.com>", "Ann\n <a@example.com>", "a\x7f@example.com"]
)
def test_a_line_break_in_an_address_is_refused(text: str) -> None:
    """CR, LF and control characters in an address or a display name are refused, and the option is named."""
    with pytest.raises(BadValue, match="--to holds"):
        parse_addresses("--to", text)


@pytest.mark.parametrize(
    ("text", "name", "spec"),
    [
        ("ann@example.com", "", "ann@example.com"),
        ("<ann@example.com>", "", "ann@example.com"),
        ("Ann Lee <ann@EXAMPLE.com>", "Ann Lee", "ann@example.com"),
        ('"Lee, Ann \\"A\\"" <ann@example.com>', 'Lee, Ann "A"', "ann@example.com"),
        ("王小明 <wang@例子.测试>", "王小明", "wang@xn--fsqu00a.xn--0zwm56d"),
        ('"john smith"@example.com', "", '"john smith"@example.com'),
        ("用户@例子.测试", "", "用户@xn--fsqu00a.xn--0zwm56d"),
        ("ann@[192.0.2.1]", "", "ann@[192.0.2.1]"),
        ("ann@[IPv6:2001:DB8::1]", "", "ann@[IPv6:2001:db8::1]"),
    ],
)
def test_addresses_are_read_as_typed(text: str, name: str, spec: str) -> None:
    """Names in quotes, IDN domains (as A-labels), quoted local parts and address literals."""
    address = parse_address("--to", text)
    assert (address.name, address.spec) == (name, spec)


def test_a_list_is_cut_at_commas_outside_quotes() -> None:
    """A comma inside a quoted name does not cut the list."""
    specs = [a.spec for a in parse_addresses("--to", '"Lee, Ann" <ann@example.com>, bob@example.net')]
    assert specs == ["ann@example.com", "bob@example.net"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ann", "is no address"),
        ("Lee, Ann <ann@example.com>", "quotes"),
        ("ann@", "is no address"),
        ("ann smith@example.com", "quotation marks"),
        ("a" * 65 + "@example.com", "64 octets"),
        ("a" * 64 + "@" + ".".join(["b" * 60] * 4), "254 octets"),
        ("ann@exa mple.com", "not a domain name"),
        ("ann@[999.0.2.1]", "address"),
        ('"ann@example.com', "never closed"),
        ("Ann> <ann@example.com", "is no address|never closed"),
    ],
)
def test_a_mistyped_address_says_what_is_wrong(text: str, why: str) -> None:
    """The error names the option and the fault."""
    with pytest.raises(BadValue, match=why) as caught:
        parse_addresses("--to", text)
    assert "--to" in str(caught.value)


@given(st.text(max_size=60))
def test_reading_addresses_never_fails_otherwise(text: str) -> None:
    """Whatever is typed is addresses or a BadValue, and what is read can be written."""
    try:
        addresses = parse_addresses("--to", text)
    except BadValue:
        return
    assert_wire_form(address_field("To", addresses, utf8=True))


def test_a_non_ascii_local_part_makes_an_internationalized_message() -> None:
    """With SMTPUTF8 header text stays UTF-8 (RFC 6532), the domain is A-labels, and the message id is ASCII."""
    user = parse_address("--from", "用户名 <用户@例子.测试>")
    message = written(Content(user, (BOB,), subject="你好 world", text="好"))
    assert message.smtputf8
    assert not message.eight_bit
    header = message.raw.partition(b"\r\n\r\n")[0].decode()
    assert "From: 用户名 <用户@xn--fsqu00a.xn--0zwm56d>\r\n" in header
    assert "Subject: 你好 world\r\n" in header
    assert message.message_id.isascii()


def test_an_idn_domain_alone_needs_no_smtputf8() -> None:
    """A non-ASCII domain travels as A-labels in an ordinary message."""
    message = written(Content(parse_address("--from", "ann@bücher.example"), (BOB,), text="x"))
    assert not message.smtputf8
    assert b"From: ann@xn--bcher-kva.example\r\n" in message.raw


def test_the_head_of_a_message() -> None:
    """Every required field once: From, To, Date, Message-ID of the From domain, MIME-Version, the nonce."""
    parsed = read(written(text="hello", subject="s", cc=(Address("Carl", "carl", "example.org"),)).raw)
    assert parsed["From"] == "ann@example.com"
    assert parsed["To"] == "bob@example.net"
    assert parsed["Cc"] == "Carl <carl@example.org>"
    assert parsed["Date"] == "Sun, 22 Nov 2026 10:00:00 +0000"
    assert parsed["Message-ID"] == "<20261122100000.0123456789abcdef@example.com>"
    assert parsed["MIME-Version"] == "1.0"
    assert parsed["X-Deliverkit-Nonce"] == "0123456789abcdef"
    assert parsed.get_content_type() == "text/plain"
    assert all(len(parsed.get_all(name, [])) == 1 for name in set(parsed.keys()))


def test_text_and_html_are_alternatives_and_files_are_mixed() -> None:
    """mixed(alternative(plain, related(html, inline image)), attachment), the text first."""
    message = written(
        text="hello",
        html='<img src="cid:logo">',
        attachments=(Attachment("logo.png", b"\x89PNG", cid="logo"), Attachment("a.pdf", b"%PDF" * 100)),
    )
    shape = [part.get_content_type() for part in read(message.raw).walk()]
    assert shape == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "application/pdf",
    ]
    pdf = message.sizes[-1]
    assert (pdf.name, pdf.octets, pdf.encoded_octets) == ("a.pdf", 400, 552)
    assert_wire_form(message.raw)


def test_a_boundary_is_never_part_of_the_content() -> None:
    """A text that holds the boundary it would get makes the composer take another."""
    first = written(text="x", html="y")
    boundary = re.search(rb'boundary="([^"]+)"', first.raw)
    assert boundary
    second = written(text=f"--{boundary[1].decode()}--", html="y")
    assert re.search(rb'boundary="([^"]+)"', second.raw) != boundary
    parts = [p.get_content() for p in read(second.raw).iter_parts()]
    assert parts == [f"--{boundary[1].decode()}--\r\n", "y\r\n"]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain and short\n", "7bit"),
        ("From here on\n", "quoted-printable"),
        ("trailing blank \nx", "quoted-printable"),
        ("x" * 79, "quoted-printable"),
        ("größer", "quoted-printable"),
        ("测试" * 40, "base64"),
    ],
)
def test_the_transfer_encoding_leaves_no_server_a_reason_to_rewrite(text: str, encoding: str) -> None:
    """Long lines, 'From ' and trailing blanks are encoded, because servers rewrite them after signing."""
    message = written(text=text)
    assert f"Content-Transfer-Encoding: {encoding}\r\n".encode() in message.raw
    assert b"\r\nFrom " not in message.raw


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.pdf", b"", "application/pdf"),
        ("photo.JPG", b"", "image/jpeg"),
        ("notes.md", b"", "text/markdown"),
        ("a.tar.gz", b"", "application/gzip"),
        ("mail.eml", b"A: b\r\n\r\nx\r\n", "message/rfc822"),
        ("mail.eml", b"A: b\n\n\xff\n", "application/octet-stream"),
        ("unknown.zzz", b"", "application/octet-stream"),
        ("Makefile", b"", "application/octet-stream"),
    ],
)
def test_media_types_by_extension(name: str, content: bytes, kind: str) -> None:
    """The extension tells the type; a message that would need base64 is no message/rfc822 (RFC 2046 §5.2.1)."""
    assert media_type(name, content) == kind


def test_a_file_name_in_chinese_is_written_for_old_and_new_receivers() -> None:
    """RFC 2231 in Content-Disposition, encoded words in the name of Content-Type for those who know nothing else."""
    raw = written(text="x", attachments=(Attachment("季度报告-二〇二六年第四季度-最终版本.pdf", b"x"),)).raw
    assert b"filename*0*=utf-8''%E5%AD%A3" in raw
    assert re.search(rb'name="=\?utf-8\?b\?', raw)
    assert_wire_form(raw)


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ((("Subject", "x"),), "use --subject"),
        ((("Bcc", "x@example.com"),), "seen by everybody"),
        ((("Content-Type", "text/plain"),), "the composer writes"),
        ((("X Y", "x"),), "header name"),
        ((("Références", "x"),), "header name"),
        ((("References", "<a@b>"), ("references", "<c@d>")), "once"),
        ((("Message-ID", "abc"),), "no message id"),
        ((("In-Reply-To", "ü"),), "non-ASCII"),
    ],
)
def test_a_further_header_that_would_break_the_message_is_refused(
    headers: tuple[tuple[str, str], ...], why: str
) -> None:
    """Fields with an option, fields of the composer, twins of single fields and bad names are refused."""
    with pytest.raises(BadValue, match=why):
        written(text="x", headers=headers)


def test_further_headers_are_written_by_their_kind() -> None:
    """Date and Message-ID replace ours, Sender is an address field, others are text."""
    parsed = read(
        written(
            text="x",
            headers=(
                ("Message-ID", "<mine@example.com>"),
                ("Date", "Mon, 01 Jan 2024 00:00:00 +0000"),
                ("Sender", "Zoë <zoe@example.com>"),
                ("X-Campaign", "Frühling"),
            ),
        ).raw
    )
    assert parsed["Message-ID"] == "<mine@example.com>"
    assert parsed["Date"] == "Mon, 01 Jan 2024 00:00:00 +0000"
    assert parsed["Sender"] == "Zoë <zoe@example.com>"
    assert parsed["X-Campaign"] == "Frühling"


@pytest.mark.parametrize(
    "url", ["http://example.com/u", "https://", "example.com", "https://example.com/ü", "https://a b"]
)
def test_one_click_unsubscribe_wants_https(url: str) -> None:
    """RFC 8058 §3.1: the URI is https and ASCII."""
    with pytest.raises(BadValue, match="--unsubscribe"):
        written(text="x", unsubscribe=url)


def test_mailto_alone_gets_no_one_click_header() -> None:
    """List-Unsubscribe-Post without an https URI would promise what cannot be kept."""
    raw = written(text="x", unsubscribe_mailto="mailto:leave@example.com?subject=leave").raw
    assert b"List-Unsubscribe: <mailto:leave@example.com?subject=leave>\r\n" in raw
    assert b"List-Unsubscribe-Post" not in raw


def test_an_existing_message_keeps_its_faults() -> None:
    """An .eml is put into CRLF form and nothing else; long lines and 8-bit text are told, not repaired."""
    raw = (
        b"From Ann Mon\nFrom: Ann <ann@example.com>\nTo: bob@example.net, Bob <bob@example.net>\nSubject: =?x\n\n\xe9"
        + b"a" * 999
    )
    message = existing("old.eml", raw)
    assert message.raw.endswith(b"\r\n\r\n\xe9" + b"a" * 999 + b"\r\n")
    assert (message.header_from, message.eight_bit, message.smtputf8) == ("ann@example.com", True, False)
    assert recipients(message) == ("bob@example.net",)
    assert len(message.remarks) == 3


@pytest.mark.parametrize("raw", [b"", b"  \n", b"hello world", b"\x89PNG\r\n\x1a\n" * 20])
def test_a_file_that_is_no_message_is_refused(raw: bytes) -> None:
    """An empty or binary file is an error that names the file."""
    with pytest.raises(BadValue, match=r"photo\.png"):
        existing("photo.png", raw)


@given(st.binary(max_size=300))
def test_any_file_is_a_message_or_refused(raw: bytes) -> None:
    """No octets make `existing` fail in another way, and what it takes is in CRLF form."""
    try:
        message = existing("x.eml", raw)
    except BadValue:
        return
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", message.raw)

"""Messages out of files, and files that hold none."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.engine import mailfile
from deliverkit.engine.mailfile import NoMessage, read_messages

MAIL = b"From: a@example.com\nSubject: x\n\nHello\n"
POSTMARK = b"From a@example.com Sun Nov 22 10:00:00 2026\n"


def write(folder: Path, octets: bytes, name: str = "mail.eml") -> str:
    """A file with these octets."""
    path = folder / name
    path.write_bytes(octets)
    return str(path)


def test_one_message_keeps_its_octets_and_its_name(tmp_path: Path) -> None:
    """Nothing is converted here."""
    path = write(tmp_path, MAIL + b"bare\rcr\0nul")
    [one] = read_messages(path)
    assert (one.name, one.octets) == (path, MAIL + b"bare\rcr\0nul")


def test_an_mbox_gives_one_message_a_postmark(tmp_path: Path) -> None:
    """Named by number; the empty line before a postmark belongs to the file."""
    path = write(tmp_path, POSTMARK + MAIL + b"\n" + POSTMARK + MAIL + b"\n", "inbox")
    messages = read_messages(path)
    assert [one.name for one in messages] == [f"{path}#1", f"{path}#2"]
    assert [one.octets for one in messages] == [MAIL, MAIL]


def test_an_mbox_with_crlf(tmp_path: Path) -> None:
    """Line ends of the file are those of its messages."""
    both = (POSTMARK + MAIL + b"\n" + POSTMARK + MAIL + b"\n").replace(b"\n", b"\r\n")
    assert [one.octets for one in read_messages(write(tmp_path, both))] == [MAIL.replace(b"\n", b"\r\n")] * 2


def test_an_mbox_of_one_is_named_like_its_file(tmp_path: Path) -> None:
    """No number where there is nothing to count."""
    path = write(tmp_path, POSTMARK + MAIL)
    assert read_messages(path)[0].name == path


def test_from_in_a_body_does_not_split(tmp_path: Path) -> None:
    """Neither in running text nor without a date."""
    body = b"\nFrom now on we ship.\n\nFrom a@b we got nothing.\nFrom x Sun Nov 22 10:00:00 2026\n"
    assert len(read_messages(write(tmp_path, POSTMARK + MAIL + body))) == 1


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "is empty"),
        (b" \r\n\n", "is empty"),
        (b"\x7fELF\x02\x01\x01" + b"\0" * 200, "binary"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)), "binary"),
        (b"Dear Ann,\n\nhello\n", "text without a mail header"),
        ("From: a@example.com\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_files_that_hold_no_mail_are_refused_by_name(tmp_path: Path, octets: bytes, why: str) -> None:
    """The sentence names the file and says what it is."""
    path = write(tmp_path, octets)
    with pytest.raises(NoMessage, match=why) as refused:
        read_messages(path)
    assert path in str(refused.value)


def test_folders_absent_and_unreadable_files(tmp_path: Path) -> None:
    """Each is told apart."""
    with pytest.raises(NoMessage, match="is a directory"):
        read_messages(str(tmp_path))
    with pytest.raises(NoMessage, match="No such file"):
        read_messages(str(tmp_path / "absent.eml"))


def test_a_file_over_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """64 MB; a smaller limit here."""
    monkeypatch.setattr(mailfile, "MOST_OCTETS", 100)
    with pytest.raises(NoMessage, match="larger than"):
        read_messages(write(tmp_path, MAIL * 10))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """``-``."""

    class Input:
        buffer = io.BytesIO(MAIL)

    monkeypatch.setattr("sys.stdin", Input)
    [one] = read_messages("-")
    assert (one.name, one.octets) == ("standard input", MAIL)


@given(st.lists(st.sampled_from([POSTMARK, MAIL, b"\n", b"From ", b"\r\n", b"x"]), max_size=12).map(b"".join))
def test_splitting_loses_nothing_but_postmarks_and_empty_lines(octets: bytes) -> None:
    """Every line of the file that is neither is in some message."""
    joined = b"".join(mailfile._split(POSTMARK + octets))
    for line in (POSTMARK + octets).split(b"\n"):
        assert line.startswith(b"From ") or line.strip() == b"" or line in joined

"""Pages over HTTPS from servers of our own: sound ones, ones with another certificate, and ones that babble."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import deliverkit
from deliverkit.flow import Page, PageTrouble
from deliverkit.world import World
from deliverkit.world.journal import Journal
from deliverkit.world.pages import LARGEST, LivePages, read_response
from tests.loopback.authority import Authority

HOST = "mta-sts.example.com"
URL = f"https://{HOST}/.well-known/mta-sts.txt"
POLICY = b"version: STSv1\r\nmode: enforce\r\nmx: mx.example.com\r\nmax_age: 604800\r\n"
RECORDS: dict[str, Any] = {
    "example.com": {"MX": "10 mx.example.com.", "TXT": "v=spf1 mx -all"},
    "mx.example.com": {"A": "192.0.2.1"},
    "_mta-sts.example.com": {"TXT": "v=STSv1; id=1"},
    "_smtp._tls.example.com": {"TXT": "v=TLSRPTv1; rua=mailto:tls@example.com"},
    HOST: {"A": "127.0.0.1"},
}
Told = bytes | None


def _with(response: Told, certificate: tuple[str, str] | None, work: Callable[[int], Any]) -> Any:
    """Run some work while a server gives this response (None: it never answers); the request is returned beside."""

    async def main() -> tuple[Any, bytes]:
        heard = bytearray()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                if certificate:
                    heard.extend(await reader.readuntil(b"\r\n\r\n"))
                if response is not None:
                    writer.write(response)
                    await writer.drain()
                writer.close()
            except (OSError, asyncio.IncompleteReadError):
                writer.close()

        context = None
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        async with server:
            return await work(server.sockets[0].getsockname()[1]), bytes(heard)

    return asyncio.run(main())


def _world(port: int, *, allow_private: bool = True) -> World:
    told = World.from_records(RECORDS)
    return World(told.dns, told.smtp, told.vantage, pages=LivePages(allow_private, port=port))


def _fetched(response: Told, certificate: tuple[str, str] | None, **more: Any) -> tuple[Page, bytes]:
    page, heard = _with(response, certificate, lambda port: _world(port, **more).fetch(URL))
    assert page is not None
    return page, heard


@pytest.fixture
def trusted(authority: Authority, ca_file: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A certificate for the policy host that the system is made to trust."""
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    return _files(authority, folder, HOST)


def _files(authority: Authority, folder: Path, name: str) -> tuple[str, str]:
    certificate, key = authority.issue(name).write(folder, name)
    return str(certificate), str(key)


def _ok(body: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Type: text/plain", *headers, b"", body])


def test_a_policy_is_fetched(trusted: tuple[str, str]) -> None:
    page, heard = _fetched(_ok(POLICY), trusted)
    assert (page.status, page.media_type, page.octets, page.trouble) == (200, "text/plain", POLICY, None)
    assert heard.startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.example.com\r\n")


def test_a_chunked_body_is_put_together(trusted: tuple[str, str]) -> None:
    page, _ = _fetched(_ok(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"Transfer-Encoding: chunked"), trusted)
    assert page.octets == b"abcde"


def test_a_redirect_is_told_and_not_followed(trusted: tuple[str, str]) -> None:
    page, _ = _fetched(
        b"HTTP/1.1 301 Moved\r\nLocation: https://www.example.com/\r\nContent-Length: 0\r\n\r\n", trusted
    )
    assert (page.status, page.location) == (301, "https://www.example.com/")


def test_a_body_without_end_is_cut(trusted: tuple[str, str]) -> None:
    page, _ = _fetched(_ok(b"x" * (LARGEST * 4)), trusted)
    assert len(page.octets) == LARGEST


@pytest.mark.parametrize("response", [b"220 mx ESMTP\r\n", b"", b"\0" * 100])
def test_what_is_no_http_is_told(response: bytes, trusted: tuple[str, str]) -> None:
    assert _fetched(response, trusted)[0].trouble is PageTrouble.MALFORMED


def test_a_certificate_for_another_name(authority: Authority, ca_file: str, folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    page, _ = _fetched(_ok(POLICY), _files(authority, folder, "www.example.com"))
    assert page.trouble is PageTrouble.CERTIFICATE
    assert "www.example.com" in page.detail or "mismatch" in page.detail


def test_a_certificate_nobody_vouches_for(authority: Authority, folder: Path) -> None:
    page, _ = _fetched(_ok(POLICY), _files(authority, folder, HOST))
    assert page.trouble is PageTrouble.CERTIFICATE


def test_a_server_that_speaks_no_tls() -> None:
    assert _fetched(_ok(POLICY), None)[0].trouble is PageTrouble.TLS


def test_nobody_answers_or_may_be_asked() -> None:
    refused = asyncio.run(_world(9).fetch(URL))
    private = asyncio.run(_world(9, allow_private=False).fetch(URL))
    nowhere = asyncio.run(_world(9).fetch("https://mta-sts.example.net/"))
    assert [page and page.trouble for page in (refused, private, nowhere)] == [
        PageTrouble.REFUSED,
        PageTrouble.NOT_ALLOWED,
        PageTrouble.NO_ADDRESS,
    ]


def test_an_audit_reads_the_policy_and_its_journal_tells_it_again(trusted: tuple[str, str], tmp_path: Path) -> None:
    journal = Journal()

    async def audited(port: int) -> Any:
        return await deliverkit.aio.audit("example.com", world=_world(port).recorded(journal), probe=False)

    body = POLICY.replace(b"mx.example.com", b"other.example.com")
    report, _ = _with(_ok(body), trusted, audited)
    assert "MTASTS007" in [f.rule for f in report.findings]
    assert report.facts["mtasts"].policy.mode == "enforce"
    journal.save(tmp_path / "a.jsonl")
    (again,) = deliverkit.replay(tmp_path / "a.jsonl")
    assert again.findings == report.findings
    assert again.facts["mtasts"].to_json() == report.facts["mtasts"].to_json()


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 999999 x\r\n\r\n",
        b"HTTP/1.1 200\r\n" + b"a" * 70_000,
    ],
    ids=["a negative length", "a status of six digits", "a header without end"],
)
def test_odd_responses_are_pages(octets: bytes) -> None:
    assert read_response(octets, URL).url == URL


def test_a_page_that_was_cut_short_is_none() -> None:
    """The lines that did not come would be judged as lines that are not there."""
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
    assert read_response(whole % (len(POLICY), POLICY), URL).octets == POLICY
    page = read_response(whole % (len(POLICY) + 20, POLICY), URL)
    assert (page.status, page.octets) == (None, b"")
    assert (page.trouble, page.detail) == (PageTrouble.MALFORMED, "the connection ended 20 octets before the page did")

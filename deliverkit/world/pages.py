"""Pages over HTTPS: the one door to the web. A page is fetched once, within bounds, and no redirect is followed.

Names are resolved through the world's own DNS, so zones laid over and budgets count; private addresses are refused as
everywhere. The response is read by the standard library. What this file will not do: know what a page means.
"""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from deliverkit.addresses import is_public, kind
from deliverkit.flow import Answer, Page, PageTrouble, Question

CONNECT_S, WHOLE_S = 10.0, 30.0  # RFC 8461 §3.3 suggests a minute for all of it
LARGEST = 64 * 1024 + 1  # octets of a body, one more than is ever used
_HEADERS = 32 * 1024
_MOST_ADDRESSES = 4

Ask = Callable[[Question], Awaitable[Answer]]


class LivePages:
    """A door that opens connections to port 443 of public addresses."""

    def __init__(self, allow_private: bool = False, *, port: int = 443) -> None:
        self.allow_private = allow_private
        self.port = port

    async def fetch(self, url: str, ask: Ask) -> Page:
        """The page at an https URL. Never raises for what the world does."""
        host = urlsplit(url).hostname or ""
        answers = await asyncio.gather(*(ask(Question(host, type_)) for type_ in ("AAAA", "A")))
        addresses = [address for answer in answers for address in answer.records]
        if not addresses:
            unknown = next((answer for answer in answers if not answer.known), None)
            if unknown is not None:
                return Page(url, trouble=PageTrouble.UNKNOWN, detail=unknown.why())
            return Page(url, trouble=PageTrouble.NO_ADDRESS, detail=f"{host} has no address")
        page = Page(url, trouble=PageTrouble.UNKNOWN, detail="nothing was tried")
        for address in addresses[:_MOST_ADDRESSES]:
            if not self.allow_private and not is_public(address):
                page = Page(url, trouble=PageTrouble.NOT_ALLOWED, detail=f"{address} is a {kind(address)} address")
                continue
            page = await self._from(address, host, url)
            if page.trouble is not PageTrouble.UNKNOWN:
                break
        return page

    async def _from(self, address: str, host: str, url: str) -> Page:
        try:
            async with asyncio.timeout(WHOLE_S):
                return await self._asked(address, host, url)
        except TimeoutError:
            return Page(url, trouble=PageTrouble.UNKNOWN, detail=f"no whole answer from {address} in {WHOLE_S:g} s")

    async def _asked(self, address: str, host: str, url: str) -> Page:
        context = ssl.create_default_context()
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(address, self.port, ssl=context, server_hostname=host)
        except ssl.SSLCertVerificationError as bad:
            return Page(url, trouble=PageTrouble.CERTIFICATE, detail=bad.verify_message or str(bad))
        except ConnectionRefusedError:
            return Page(url, trouble=PageTrouble.REFUSED, detail=f"{address} refuses connections to port {self.port}")
        except ssl.SSLError as bad:
            return Page(url, trouble=PageTrouble.TLS, detail=bad.reason or str(bad))
        except TimeoutError:
            return Page(url, trouble=PageTrouble.UNKNOWN, detail=f"no connection to {address} in {CONNECT_S:g} s")
        except OSError as bad:
            return Page(url, trouble=PageTrouble.UNKNOWN, detail=f"{address}: {bad.strerror or bad}")
        try:
            path = urlsplit(url).path or "/"
            wanted = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: deliverkit\r\nConnection: close\r\n\r\n"
            writer.write(wanted.encode("ascii"))
            octets = await _all_of(reader)
        except (OSError, ssl.SSLError) as bad:
            return Page(url, trouble=PageTrouble.TLS, detail=getattr(bad, "strerror", None) or str(bad))
        finally:
            writer.transport.abort()
        return read_response(octets, url)


async def _all_of(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server hangs up, or enough of it."""
    octets = bytearray()
    while len(octets) < LARGEST + _HEADERS and (more := await reader.read(65_536)):
        octets += more
    return bytes(octets)


class _Heard:
    """Octets that were received, as `http.client` wants them."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._octets)


def read_response(octets: bytes, url: str) -> Page:
    """A response with its headers and its body, made plain by the standard library. Never raises."""
    import http.client

    try:
        response = http.client.HTTPResponse(_Heard(octets), method="GET")  # type: ignore[arg-type]
        response.begin()
        body = response.read(LARGEST)
    except (http.client.HTTPException, ValueError, OSError) as bad:
        return Page(url, trouble=PageTrouble.MALFORMED, detail=f"{type(bad).__name__}: {bad}"[:200])
    if response.length and len(body) < LARGEST:  # RFC 9112 §8: what was cut short says nothing of what is missing
        detail = f"the connection ended {response.length} octets before the page did"
        return Page(url, trouble=PageTrouble.MALFORMED, detail=detail)
    return Page(
        url,
        status=response.status,
        media_type=(response.getheader("Content-Type") or "")[:200],
        location=(response.getheader("Location") or "")[:500],
        octets=body,
    )


class ToldPages:
    """A door that knows a few pages, and what became of others: of a story, or of a world without sockets."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self.pages = pages

    async def fetch(self, url: str, ask: Ask) -> Page:  # noqa: ARG002
        """The page that was told, or that nobody answers there."""
        return self.pages.get(url) or Page(url, trouble=PageTrouble.REFUSED, detail="as the story tells")

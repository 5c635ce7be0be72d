"""One page of an HTTP API, asked for until it is there whole or its time is over.

Nothing here logs, or lets an exception hold, a query, a header, or what the server said.
"""

import asyncio
import contextlib
import hashlib
import random
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from tempfile import SpooledTemporaryFile
from typing import Any

import httpx

from catalog.kinds import Http
from core.alerting.addresses import aside
from core.alerting.webhooks import Answer, judge, reason
from core.errors import SourceFailed, SourceUnreachable

FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 60.0
CONNECT_SECONDS = 10.0
MOST_REDIRECTS = 5
MEMORY_BYTES = 1 << 22  # of a page; what is beyond waits on disk
MARKER_BYTES = 1 << 14  # at a body's end, where its end marker is looked for

_sleep = asyncio.sleep
# What the server sent beyond the end that it had announced; httpx keeps that to itself.
_excess = attrgetter("_httpcore_stream._stream._connection._h11_state.trailing_data")


@dataclass(frozen=True)
class Wanted:
    """A page to be asked for.

    Attributes:
        url: its address.
        name: for messages; without the query.
        most_bytes: that it may have.
        until: when its time is over, by the monotonic clock.
    """

    url: httpx.URL
    name: str
    most_bytes: int
    until: float


@dataclass
class Page:
    """A page that is there whole.

    Attributes:
        name: for messages.
        url: the address that gave it, redirects followed.
        link: its header `Link`.
        body: its bytes, as they came.
        size_bytes: how many.
        sha256: of them.
    """

    name: str
    url: httpx.URL
    link: str
    body: SpooledTemporaryFile[bytes] = field(
        default_factory=lambda: SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115
    )
    size_bytes: int = 0
    sha256: bytes = b""


class Loop(asyncio.SelectorEventLoop):
    """An event loop that no silent name server holds up, not even at its end."""

    async def getaddrinfo(self, host: Any, port: Any, **hints: int) -> Any:
        """Looks up a host's addresses."""
        return await aside(lambda: socket.getaddrinfo(host, port, **hints))


class Api:
    """The connections to a source's server, for one pull.

    They live in an event loop: only there can a request be ended at any moment, whatever it
    is waiting for.
    """

    def __init__(self, source: Http, headers: Mapping[str, str]) -> None:
        self._source, self._headers = source, headers
        tls = httpx.create_ssl_context() if source.url.startswith("https:") else False
        self._transport = httpx.AsyncHTTPTransport(verify=tls)
        # A connection that falls silent leaves time for another one.
        silence = source.deadline_seconds / 3
        timeout = httpx.Timeout(silence, connect=min(CONNECT_SECONDS, silence))
        self._extensions = {"timeout": timeout.as_dict()}

    async def __aenter__(self) -> "Api":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.aclose()

    async def fetch(self, wanted: Wanted) -> Page | None:
        """One page; None where the server says that there is nothing (204).

        Raises:
            SourceUnreachable: it was not to be had in its time.
            SourceFailed: the answer is one that asking again does not mend.
        """
        said, tries = "no whole answer", 0
        while True:
            tries += 1
            got = await self._try(wanted)
            if not isinstance(got, Answer):
                return got
            said = got.detail or said
            wait = min(FIRST_RETRY_SECONDS * 2.0 ** (tries - 1), LAST_RETRY_SECONDS)
            wait = max(wait * random.uniform(0.5, 1.0), got.retry_after or 0)
            if time.monotonic() + wait >= wanted.until:
                asked = f", asking to wait {got.retry_after:.0f} s" if got.retry_after else ""
                raise SourceUnreachable(
                    f"{wanted.name}: not to be had within {self._source.deadline_seconds:g} s "
                    f"(tries: {tries}; the last: {said}{asked})"
                )
            await _sleep(wait)

    async def _try(self, wanted: Wanted) -> Page | Answer | None:
        # No error leaves this as it is: its text, or the request in it, has the whole address.
        try:
            async with asyncio.timeout_at(wanted.until):
                return await self._ask(wanted)
        except TimeoutError:
            return Answer("retry", "")  # what it said before tells more
        except httpx.LocalProtocolError:
            pass
        except (httpx.HTTPError, ssl.SSLError) as error:
            return Answer("retry", reason(error))
        raise SourceFailed(f"{wanted.name}: cannot be asked for; correct source.header")

    async def _ask(self, wanted: Wanted) -> Page | Answer | None:
        url = wanted.url
        for _ in range(MOST_REDIRECTS + 1):
            request = httpx.Request("GET", url, headers=self._headers, extensions=self._extensions)
            response = await self._transport.handle_async_request(request)
            try:
                if not response.has_redirect_location:
                    return await self._take(response, url, wanted)
                url = follow(url, response.headers["location"], f"{wanted.name}: redirects")
            finally:
                await response.aclose()
        raise SourceFailed(f"{wanted.name}: redirects over and over; correct source.url")

    async def _take(
        self, response: httpx.Response, url: httpx.URL, wanted: Wanted
    ) -> Page | Answer | None:
        answer = judge(response.status_code, response.headers)
        if answer.verdict == "retry":
            return answer
        if response.status_code == 204:
            return None
        if why := self._objection(response):
            raise SourceFailed(f"{wanted.name}: {why}")
        page, digest = Page(wanted.name, url, response.headers.get("link", "")), hashlib.sha256()
        async for chunk in response.aiter_raw():
            page.size_bytes += len(chunk)
            if page.size_bytes > wanted.most_bytes:
                raise SourceFailed(
                    f"{wanted.name}: sends more than {self._source.max_bytes:,} bytes in all; ask "
                    "for less at once, or raise source.max_bytes"
                )
            digest.update(chunk)
            page.body.write(chunk)
        page.sha256 = digest.digest()
        if _excess(response.stream)[0]:
            raise SourceFailed(f"{wanted.name}: sends more bytes than it announces; ask upstream")
        return Answer("retry", why) if (why := self._lack(page)) else page

    def _objection(self, response: httpx.Response) -> str:
        """Why an answer cannot be a page, by its status and headers; empty where it can."""
        status, headers = response.status_code, response.headers
        if status not in (200, 203):
            return f"answered {status}; {self._advice(status)}"
        if headers.get("content-encoding", "identity").lower() != "identity":
            return "sends it packed (Content-Encoding), though asked not to; ask upstream"
        framed = "content-length" in headers or "transfer-encoding" in headers
        if not (framed or self._source.end_marker):
            return (
                "says neither how long its answer is nor where it ends, so one cut short would "
                "look whole; ask upstream, or declare source.end_marker"
            )
        return ""

    def _advice(self, status: int) -> str:
        if status in (401, 403):
            token = self._source.token
            return f"check the secret {token}" if token else "name its secret in source.token"
        if status in (404, 410):
            return "correct source.url"
        if status in (400, 422):
            return "correct source.params"
        return "ask upstream, or correct source"

    def _lack(self, page: Page) -> str:
        """What a body lacks to be a page; empty where it is one."""
        if self._source.format == "json" and not page.size_bytes:
            return "answered with nothing, which is not JSON"
        page.body.seek(max(0, page.size_bytes - MARKER_BYTES))
        end = page.body.read().decode(self._source.encoding, "replace")
        marker = self._source.end_marker
        if end.endswith(marker) or end.rstrip().endswith(marker):
            return ""
        return "its answer does not end with source.end_marker"


def follow(url: httpx.URL, target: str, what: str) -> httpx.URL:
    """Where a redirect or a link of the server leads; never to another one.

    Raises:
        SourceFailed: it leads to another server, which would get our token.
    """
    found = None
    with contextlib.suppress(httpx.InvalidURL):
        found = url.join(target)
    if found is None:
        raise SourceFailed(f"{what} to an address that is none; ask upstream")
    here, there = ((each.scheme, each.raw_host, each.port) for each in (url, found))
    if here != there:
        raise SourceFailed(
            f"{what} from {server(url)} to {server(found)}, and no other server than that of "
            "source.url is asked; correct source.url, or ask upstream"
        )
    return found


def server(url: httpx.URL) -> str:
    """An address up to its path, without a login."""
    return f"{url.scheme}://{url.host}" + (f":{url.port}" if url.port else "")

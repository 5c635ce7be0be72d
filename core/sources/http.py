"""HTTP APIs: page after page, each kept as it came.

A page waits in a temporary file until it is whole, so that a try that broke off leaves
nothing behind. It is given out before anything looks at it, save one that may only say that
there are no more.
"""

import re
import time
from collections.abc import Iterable, Iterator
from itertools import chain, count

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from catalog.kinds import Arrival, Http, PageNumber
from core.alerting.addresses import AddressRefused, is_listed
from core.errors import SourceFailed, UsageError
from core.intervals import Interval
from core.reader.pages import SEPARATOR
from core.sources import Secret
from core.sources.fetching import Api, Loop, Page, Wanted
from core.sources.paging import first, following, has_rows

CHUNK_BYTES = 1 << 20


def pull(source: Http, interval: Interval, secret: Secret) -> Iterator[Arrival]:
    """What the API answers for these days; days it has nothing for (204) are left out.

    An arrival's chunks are to be read before the next arrival is asked for.

    Raises:
        SourceUnreachable: a page was not to be had within source.deadline_seconds.
        SourceFailed: it answered what asking again does not mend.
        UsageError: the secret is missing, or cannot stand in a header.
    """
    with (
        start_blocking_portal(backend_options={"loop_factory": Loop}) as portal,
        portal.wrap_async_context_manager(Api(source, _headers(source, secret))) as api,
    ):
        asked = map(Interval.of_day, interval.days()) if source.daily else [interval]
        for each in asked:
            yield from _Pull(source, each, portal, api).arrivals()


def _headers(source: Http, secret: Secret) -> dict[str, str]:
    headers = {"user-agent": "dayloop", "accept-encoding": "identity"}
    if not source.token:
        return headers
    token = secret(source.token).strip()  # a file or a shell adds a line end
    if not re.fullmatch(r"[\x20-\x7e]+", token):
        raise UsageError(f"the secret {source.token} is not one line of ASCII; set it anew")
    bearer = source.header.lower() == "authorization"
    return {**headers, source.header: f"Bearer {token}" if bearer else token}


class _Pull:
    """What is asked for together: a day, or the interval."""

    def __init__(self, source: Http, asked: Interval, portal: BlockingPortal, api: Api) -> None:
        self._source, self._portal, self._api = source, portal, api
        self._day = asked.start if source.daily else None
        self._numbered = isinstance(source.pages, PageNumber)
        self._most = source.max_pages + self._numbered  # their end is a page without rows
        self._url = first(source, _address(source, asked))
        self._name = f"{self._url.netloc.decode()}{self._url.path} {asked}"
        self._until = time.monotonic() + source.deadline_seconds

    def arrivals(self) -> Iterator[Arrival]:
        """All JSON pages as one; pages of another format one by one."""
        source, pages = self._source, self._pages()
        if source.format == "json":
            if page := next(pages, None):
                yield Arrival(f"{self._name}.json", _sequence(chain([page], pages)), self._day)
            return
        for number, page in enumerate(pages):
            if number == 0 or not self._numbered or has_rows(source, page):
                yield Arrival(f"{page.name}.{source.format}", _chunks(page), self._day)

    def _pages(self) -> Iterator[Page]:
        url, seen, left, last = self._url, {self._url}, self._source.max_bytes, b""
        for number in count(1):
            name = f"{self._name} page {number}" if self._source.pages else self._name
            page = self._portal.call(self._api.fetch, Wanted(url, name, left, self._until))
            if page is None:
                return
            with page.body:
                yield page
                found = following(self._source, self._url, page, number)
            if found is None:
                return
            if found in seen or (self._numbered and page.sha256 == last):
                raise SourceFailed(f"{name}: {self._again()}")
            if number == self._most:
                raise SourceFailed(
                    f"{name}: is not the last; ask for less at once, or raise source.max_pages"
                )
            url, left, last = found, left - page.size_bytes, page.sha256
            seen.add(url)

    def _again(self) -> str:
        if self._numbered:
            return "is the same as the page before it; correct source.pages.param"
        return "names as the next page one that was there already; ask upstream"


def _address(source: Http, asked: Interval) -> httpx.URL:
    marks = {"{day}": asked.start, "{start}": asked.start, "{end}": asked.end}

    def filled(text: str) -> str:
        for mark, day in marks.items():
            text = text.replace(mark, str(day))
        return text

    try:
        url = httpx.URL(filled(source.url))
        is_listed(url.host)
    except (httpx.InvalidURL, AddressRefused) as error:
        raise SourceFailed(f"source.url cannot be asked: {error}") from None
    return url.copy_merge_params({name: filled(text) for name, text in source.params.items()})


def _sequence(pages: Iterable[Page]) -> Iterator[bytes]:
    for page in pages:
        yield SEPARATOR
        yield from _chunks(page)
        yield b"\n"


def _chunks(page: Page) -> Iterator[bytes]:
    page.body.seek(0)
    while chunk := page.body.read(CHUNK_BYTES):
        yield chunk

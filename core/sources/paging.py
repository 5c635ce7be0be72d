"""Where the next page of an HTTP API is."""

import re
from codecs import getreader
from contextlib import suppress

import httpx

from catalog.kinds import Cursor, Http, LinkHeader, PageNumber
from core.errors import SourceFailed
from core.reader import pages
from core.sources.fetching import Page, follow

_LINK = re.compile(r'<([^>]*)>((?:[^<"]|"(?:[^"\\]|\\.)*")*)')
_PARAMETER = re.compile(r';\s*([^\s=;,"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))')


def first(source: Http, url: httpx.URL) -> httpx.URL:
    """The address of the first page."""
    if isinstance(source.pages, PageNumber):
        return url.copy_set_param(source.pages.param, source.pages.first)
    return url


def following(source: Http, url: httpx.URL, page: Page, number: int) -> httpx.URL | None:
    """The address of the page after this one; None after the last.

    A page that is not what was declared is the last one: its reader will refuse it.

    Args:
        source: whose pages they are.
        url: of the first page.
        page: this one.
        number: how many pages there are with this one.

    Raises:
        SourceFailed: the next page is named in a way that cannot be followed.
    """
    how = source.pages
    if isinstance(how, PageNumber) and has_rows(source, page):
        return url.copy_set_param(how.param, how.first + number)
    if isinstance(how, Cursor):
        return _at_cursor(how, url, page)
    if isinstance(how, LinkHeader) and (target := next_link(page.link)) is not None:
        return follow(page.url, target, f"{page.name}: its header Link leads")
    return None


def has_rows(source: Http, page: Page) -> bool:
    """Whether a page has any: something in its list, or lines, of CSV after the header."""
    if source.format == "json":
        found = _value(page, source.records)
        return isinstance(found, list) and bool(found)
    page.body.seek(0)
    lines = getreader(source.encoding)(page.body, "replace")
    filled = (line for line in lines if line.strip())
    if source.format == "csv":
        next(filled, None)
    return next(filled, None) is not None


def next_link(header: str) -> str | None:
    """What a header `Link` (RFC 8288) says the next page is; it may be relative."""
    for target, parameters in _LINK.findall(header):
        for name, quoted, plain in _PARAMETER.findall(parameters):
            if name.lower() == "rel":
                if "next" in (quoted or plain).lower().split():
                    return str(target)
                break  # only the first one counts
    return None


def _at_cursor(how: Cursor, url: httpx.URL, page: Page) -> httpx.URL | None:
    found = _value(page, how.path)
    if found is None or found == "":
        return None
    if isinstance(found, str | int) and not isinstance(found, bool):
        with suppress(httpx.InvalidURL, UnicodeEncodeError):
            return url.copy_set_param(how.param, found)
    raise SourceFailed(
        f"{page.name}: what stands at '{how.path}' is no cursor; correct source.pages.path"
    )


def _value(page: Page, path: str) -> object:
    page.body.seek(0)
    try:
        return pages.value(page.body.read(), path)
    except (ValueError, RecursionError):
        return None

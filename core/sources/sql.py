"""Databases: the rows of a query, one JSON object each, landed as they stream.

The query runs in UTC, in a transaction that may only read and is rolled back. The same rows
in the same order make the same bytes, so let the query say ORDER BY.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from catalog.kinds import Arrival, Sql
from core.errors import SourceFailed, SourceUnreachable
from core.intervals import Interval
from core.sources import Secret
from core.sources.databases import find_url, open_engine, prepare, where
from core.sources.jsonl import packed

BATCH_ROWS = 5_000

# SQLSTATE: connection, rollback, resources, operator, system; a lock that was not to be had.
PASSING_STATES = ("08", "40", "53", "57", "58", "55P03")
PASSING_SQLITE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
}
# While it connects, libpq tells the server's answer in words alone.
PASSING_WORDS = re.compile(r"starting up|shutting down|recovery mode|too many|slots|terminating")
REFUSING_WORDS = re.compile(
    r"FATAL: |authentication failed|no password|(?i:access denied|login failed)|Unknown (dat|col)"
)


def pull(source: Sql, interval: Interval, secret: Secret) -> Iterator[Arrival]:
    """What the query answers for these days, as one file.

    Raises:
        SourceUnreachable: there is no connection, or it broke; also while chunks are read.
        SourceFailed: the URL, the driver, a permission or the query is wrong.
    """
    url = find_url(source, secret)
    engine = open_engine(source, url)
    what = f"{url.get_backend_name()} {Path(url.database or '').name}".strip()
    yield Arrival(f"{what} {interval}.jsonl.zst", _chunks(engine, url, source, interval))


def _chunks(engine: Engine, url: URL, source: Sql, interval: Interval) -> Iterator[bytes]:
    bounds: dict[str, Any] = {"start": interval.start, "end": interval.end}
    if engine.dialect.name == "sqlite":  # which has no dates
        bounds = {name: str(day) for name, day in bounds.items()}
    query = text(_literal_colons(source.query)).execution_options(
        stream_results=True, sqlite_raw_colnames=True
    )
    with _asking(url, source), engine.connect() as connection:
        prepare(connection)
        result = connection.execute(query, bounds).yield_per(BATCH_ROWS)
        names = list(result.keys())
        if twice := sorted({name for name in names if names.count(name) > 1}):
            said = f"the query's result has several columns called {', '.join(twice)}"
            raise SourceFailed(f"{said}; give each a name of its own (AS) in source.query")
        partitions = result.partitions()
        yield packed(names, next(partitions, ()))  # of no rows too: a file that says so
        for rows in partitions:
            yield packed(names, rows)


def _literal_colons(query: str) -> str:
    """The query for `text`: only :start and :end are parameters, a cast's :: is not."""
    return re.sub(r"(?<=:):|:(?!(?:start|end)\b)", r"\\:", query)


@contextmanager
def _asking(url: URL, source: Sql) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        said = _words(error, url)
        if _may_pass(error):
            raise SourceUnreachable(said) from None
        raise SourceFailed(f"{said}; correct source.query or {where(source)}") from None


def _words(error: SQLAlchemyError, url: URL) -> str:
    """The first line of what the database said, without what the URL should keep."""
    cause = getattr(error, "orig", None) or error
    words = (str(cause).splitlines() or [type(cause).__name__])[0]
    values = [url.password or "", *url.query.values()]
    for value in values:
        for secret in (value,) if isinstance(value, str) else value:
            words = words.replace(secret, "***") if secret else words
    return words[:300]


def _may_pass(error: SQLAlchemyError) -> bool:
    """Whether asking again may help."""
    if not isinstance(error, DBAPIError):
        return False
    cause, words = error.orig, str(error.orig)
    if code := getattr(cause, "sqlite_errorcode", None):
        return (code & 0xFF) in PASSING_SQLITE
    state: str | None = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if state and state != "HY000":  # MySQL's word for all the others
        return state.startswith(PASSING_STATES)
    if error.connection_invalidated or PASSING_WORDS.search(words):
        return True
    lost = isinstance(error, OperationalError | InterfaceError)
    return lost and not REFUSING_WORDS.search(words)

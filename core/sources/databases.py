"""Databases: from a URL to a connection that reads in UTC and writes nothing."""

import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from catalog.kinds import Sql
from core import home
from core.errors import SourceFailed
from core.sources import Secret

TIMEOUT = {"connect_timeout": "30"}  # seconds
LIBPQ = {
    **TIMEOUT,
    "client_encoding": "utf8",
    "keepalives_idle": "60",  # without these a peer that is gone is missed for hours
    "keepalives_interval": "10",
    "keepalives_count": "6",
}
DEFAULTS = {"psycopg": LIBPQ, "psycopg2": LIBPQ, "pymysql": TIMEOUT, "mysqldb": TIMEOUT}
PACKAGES = {
    "psycopg": "'psycopg[binary]'",
    "psycopg2": "psycopg2-binary",
    "mysqldb": "mysqlclient",
}
MYSQL = ("SET time_zone = '+00:00'", "SET SESSION TRANSACTION READ ONLY")
SESSIONS = {
    "postgresql": (
        "SET TRANSACTION READ ONLY",
        "SET LOCAL TIME ZONE 'UTC'",
        "SET LOCAL DateStyle = 'ISO'",
        "SET LOCAL extra_float_digits = 3",
    ),
    "mysql": MYSQL,
    "mariadb": MYSQL,
}
# As PostgreSQL writes them: Python has no infinity and no year before 1, and JSON need not
# be parsed to be landed.
AS_TEXT = ("date", "time", "timetz", "timestamp", "timestamptz", "interval", "json", "jsonb")


def where(source: Sql) -> str:
    """What a user corrects when the URL is wrong."""
    return "source.database" if "://" in source.database else source.database


def find_url(source: Sql, secret: Secret) -> URL:
    """The URL, its driver named.

    Raises:
        SourceFailed: it is none.
    """
    raw = source.database if "://" in source.database else secret(source.database).strip()
    wrong = SourceFailed(
        f"{where(source)} is no URL such as postgresql://user:password@host/database; correct "
        "it (in user and password, @ is written %40, : %3A and / %2F)"
    )
    if raw.count("@") > 1 and not raw.startswith("sqlite"):  # a part of it would pass for a host
        raise wrong
    try:
        url = make_url(raw)
    except (ArgumentError, ValueError):
        raise wrong from None
    if url.drivername in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg")
    return url


def open_engine(source: Sql, url: URL) -> Engine:
    """What connects; it has not yet.

    Raises:
        SourceFailed: there is no such file or driver.
    """
    if url.get_backend_name() == "sqlite":
        path = home.PROJECT / (url.database or "")
        if not path.is_file():
            said = f"there is no file {path.name} where {where(source)} says"
            raise SourceFailed(f"{said}; put it there, or correct that")
        return create_engine("sqlite://", creator=partial(_open_sqlite, path), poolclass=NullPool)
    try:
        driver = url.get_driver_name()
        full = url.set(query={**DEFAULTS.get(driver, {}), **url.query})
        engine = create_engine(full, poolclass=NullPool)
    except NoSuchModuleError:
        said = f"SQLAlchemy knows no {url.drivername}; install its package"
        raise SourceFailed(f"{said}, or correct {where(source)}") from None
    except ImportError:
        package = PACKAGES.get(driver, driver)
        raise SourceFailed(f"a driver is missing; pip install {package}") from None
    except (ArgumentError, TypeError, ValueError):
        raise SourceFailed(f"{driver} takes no such URL; correct {where(source)}") from None
    if engine.dialect.is_async:
        said = f"{driver} is asynchronous; name another driver in {where(source)}"
        raise SourceFailed(f"{said}, such as postgresql+psycopg://")
    return engine


def _open_sqlite(path: Path) -> sqlite3.Connection:
    opened = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, check_same_thread=False)
    opened.text_factory = lambda data: data.decode(errors="surrogateescape")
    return opened


def prepare(connection: Connection) -> None:
    """Makes the transaction one that reads, in UTC."""
    for statement in SESSIONS.get(connection.dialect.name, ()):
        connection.exec_driver_sql(statement)
    if connection.dialect.driver == "psycopg":
        from psycopg.types.string import TextLoader

        driver: Any = connection.connection.driver_connection
        for kind in AS_TEXT:
            driver.adapters.register_loader(kind, TextLoader)

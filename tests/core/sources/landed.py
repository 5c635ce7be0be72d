"""What the tests of databases share: landing a query's rows, and looking at what came."""

import traceback
from datetime import date
from decimal import Decimal
from json import loads

import pyarrow as pa
import pytest
from pandera.pandas import Column, DataFrameSchema

from catalog.kinds import Dataset, Sql
from core import home
from core.errors import DayloopError
from core.intervals import DAY, Interval
from core.sources import landing

FIRST = date(2026, 1, 30)
WEEK = Interval(FIRST, FIRST + 7 * DAY)
INSTANT = "datetime64[us, UTC]"
SCHEMA = DataFrameSchema({"id": Column(int), "at": Column(INSTANT)})


def dataset(database: str, query: str, schema: DataFrameSchema = SCHEMA, **changes) -> Dataset:
    source = Sql(database=database, query=query)
    return Dataset(name="sales", owner="me", source=source, schema=schema, day="at", **changes)


def between(select: str) -> str:
    return f"SELECT {select} WHERE at >= :start AND at < :end ORDER BY 1"


def land(url: str, query: str, interval: Interval = WEEK, **changes) -> landing.Landed:
    known = {"SHOP_URL": url}
    declared = dataset("SHOP_URL", query, **changes)
    [landed] = landing.land(declared, interval, known.__getitem__)
    return landed


def rows(landed: landing.Landed) -> list[dict]:
    data = pa.CompressedInputStream(home.open_read(landed.path), "zstd").read()
    return [loads(line, parse_float=Decimal) for line in data.decode().splitlines()]


def failure(url: str, query: str = between("id, at FROM sales"), **changes) -> DayloopError:
    with pytest.raises(DayloopError) as caught:
        land(url, query, **changes)
    return caught.value


def nothing_landed() -> bool:
    return home.listing("landing/sales") == ()


def told_nothing(error: BaseException, *secrets: str) -> bool:
    """Whether neither the error nor what a log would print of it holds a secret."""
    told = "".join(traceback.format_exception(error)) + repr(error)
    return not [secret for secret in secrets if secret in told]

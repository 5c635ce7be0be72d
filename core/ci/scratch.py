"""A scratch home: a copy of some of the lake, which the loop's own code may write to."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from operator import and_

from core import home, lake
from core.lake import Where


@contextmanager
def at(address: str) -> Iterator[None]:
    """Has home be another address, for the whole process, so for one thread of it only."""
    before = os.environ.get("DAYLOOP_HOME")
    os.environ["DAYLOOP_HOME"] = address
    try:
        yield
    finally:
        if before is None:
            del os.environ["DAYLOOP_HOME"]
        else:
            os.environ["DAYLOOP_HOME"] = before


def copy_rows(
    table: str, where: Where, to: str, *, version: int | None = None, replacing: Where = ()
) -> None:
    """Copies rows of a table, as a stream; what is not there is not copied.

    Args:
        table: the table's name.
        where: which rows; all where it is empty.
        to: the address of the scratch home.
        version: of the table; None for the newest.
        replacing: which rows of the copy they stand for, where it holds others as well.
    """
    found = lake.open_table(table, version)
    if found is None:
        return
    rows = lake.scan(table, found)
    if where:
        rows = rows.filter(reduce(and_, (condition.expression() for condition in where)))
    with at(to):
        lake.replace(
            table,
            lambda: rows.scanner().to_reader(),
            replacing,
            schema=rows.schema,
            partition_by=found.metadata().partition_columns,
        )


def copy_file(path: str, to: str) -> None:
    """Copies the file at this path below home."""
    with at(to):
        if home.exists(path):
            return
    with home.open_read(path) as source, at(to), home.open_write(path) as target:
        shutil.copyfileobj(source, target)

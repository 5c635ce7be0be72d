"""Dating: to which day each row of a block belongs, the bad and the unreadable included."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.kinds import Dataset
from core.intervals import Interval
from core.load import checks
from core.load.spool import day_of, inside
from core.reader import reading
from core.reader.reading import ROW


class Dated(NamedTuple):
    """Part of a file.

    Attributes:
        rows: the good rows that belong to the interval.
        bad: the bad ones that do.
        days: of each bad row.
    """

    rows: pa.Table
    bad: pa.Table
    days: pa.ChunkedArray


def dated(
    dataset: Dataset, blocks: Iterable[reading.Block], within: Interval, *, daily: bool
) -> Iterator[Dated]:
    """What of a file's blocks belongs to the interval.

    A row without a day is bad. In a file for one day so is a row of another day. In a file of
    many days other days are not this load's business, and a bad row without a readable day
    counts to the day of the row before it, the first rows to that of the row after them:
    whichever interval is loaded, exactly one day sees it.
    """
    last_day: date | None = None
    for block in blocks:
        block = _without_dayless(dataset, block)
        if daily:
            yield _of_one_day(dataset, block, within)
        else:
            yield _of_its_own_days(dataset, block, within, last_day)
            last_day = _last_day(dataset, block) or last_day


def _without_dayless(dataset: Dataset, block: reading.Block) -> reading.Block:
    """The block with its rows that have no day among the bad: no day's filter would see them."""
    dayless = block.rows[dataset.day].is_null()
    if not pc.any(dayless).as_py():
        return block
    found = checks.failed(dataset, block.rows.filter(dayless), "not_nullable", dataset.day)
    rows = block.rows.filter(pc.invert(dayless))
    return reading.Block(rows, pa.concat_tables([block.bad, found]))


def _last_day(dataset: Dataset, block: reading.Block) -> date | None:
    """The day of the last row that has one, be it good or bad."""
    dated_bad = block.bad.filter(block.bad["at"].is_valid())
    last = [
        (rows[ROW][-1].as_py(), day_of(rows[column])[-1].as_py())
        for rows, column in ((block.rows, dataset.day), (dated_bad, "at"))
        if rows.num_rows
    ]
    return max(last)[1] if last else None


def _of_one_day(dataset: Dataset, block: reading.Block, within: Interval) -> Dated:
    rows, bad = block.rows, block.bad
    ours = inside(day_of(rows[dataset.day]), within)
    if not pc.all(ours).as_py():
        strangers = rows.filter(pc.invert(ours))
        found = checks.failed(dataset, strangers, "outside the file's day", dataset.day)
        rows, bad = rows.filter(ours), pa.concat_tables([bad, found])
    days = pa.chunked_array([pa.repeat(pa.scalar(within.start, pa.date32()), bad.num_rows)])
    return Dated(rows, bad, days)


def _of_its_own_days(
    dataset: Dataset, block: reading.Block, within: Interval, last_day: date | None
) -> Dated:
    rows, bad = block.rows, block.bad
    ours, days = inside(day_of(rows[dataset.day]), within), day_of(bad["at"])
    if days.null_count:
        days = _days_before(block, dataset.day, last_day, within.start)
    theirs = inside(days, within)
    rows = rows if pc.all(ours).as_py() else rows.filter(ours)
    return Dated(rows, bad.filter(theirs), days.filter(theirs))


def _days_before(
    block: reading.Block, day_column: str, last_day: date | None, first: date
) -> pa.ChunkedArray:
    """The days of the bad rows, where there is none that of the row before.

    Args:
        block: some rows.
        day_column: of its good rows.
        last_day: of the row before the block; None in a file's first one.
        first: the day of rows in a block without any.
    """
    numbers = np.concatenate([block.rows[ROW].to_numpy(), block.bad[ROW].to_numpy()])
    days = day_of(block.rows[day_column]).chunks + day_of(block.bad["at"]).chunks
    order = np.argsort(numbers, kind="stable")
    place = np.argsort(order)[block.rows.num_rows :]
    known = pc.fill_null_forward(pa.chunked_array(days).take(pa.array(order)))
    if last_day is None:
        known = pc.fill_null_backward(known)
    return pc.fill_null(known, pa.scalar(last_day or first, pa.date32())).take(pa.array(place))

"""Dating: to which day each row of a block belongs, the bad and the unreadable included."""

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from catalog.kinds import Dataset
from core import checks, reading
from core.intervals import Interval
from core.reading import ROW
from core.spool import day_of


def dated(
    dataset: Dataset, block: reading.Block, within: Interval, last_day: date | None, daily: bool
) -> tuple[pa.Table, pa.Table, pa.ChunkedArray]:
    """The block's rows and bad rows that belong to the interval, and the bad rows' days.

    In a file for one day, a row of another day is bad. In a file of many days other days are
    not this load's business, and a bad row without a readable day counts to the day of the
    row before it: whichever interval is loaded, exactly one day sees it.
    """
    rows, bad = block.rows, block.bad
    inside = _inside(day_of(rows[dataset.day]), within)
    if daily:
        outside = rows.filter(pc.invert(inside))
        strangers = checks.failed(dataset, outside, "outside the file's day", dataset.day)
        bad = pa.concat_tables([bad, strangers])
        days = pa.chunked_array([pa.repeat(pa.scalar(within.start, pa.date32()), bad.num_rows)])
        return rows.filter(inside), bad, days
    days = day_of(bad["at"])
    if days.null_count:
        days = _days_before(block, dataset.day, last_day or within.start)
    kept = _inside(days, within)
    return rows.filter(inside), bad.filter(kept), days.filter(kept)


def _days_before(block: reading.Block, day_column: str, first: date) -> pa.ChunkedArray:
    import pandas as pd

    known = pd.Series(day_of(block.rows[day_column]).to_pandas().array, index=block.rows[ROW])
    asked = pd.Series(day_of(block.bad["at"]).to_pandas().array, index=block.bad[ROW])
    merged = pd.concat([known, asked]).sort_index().ffill().fillna(first)
    return pa.chunked_array([pa.array(merged[asked.index], pa.date32())])


def _inside(days: pa.ChunkedArray, interval: Interval) -> pa.ChunkedArray:
    start, end = (pa.scalar(day, pa.date32()) for day in (interval.start, interval.end))
    return pc.and_(pc.greater_equal(days, start), pc.less(days, end))

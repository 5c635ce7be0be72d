"""Profiles: what each day's accepted rows look like, column by column."""

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core import content, lake
from core.intervals import Interval
from core.load.spool import day_of

TABLE = "profiles"
SCHEMA = pa.schema(
    {
        "dataset": pa.string(),
        "day": pa.date32(),
        "column": pa.string(),
        "metric": pa.string(),
        "value": pa.float64(),
    }
)
QUANTILES = {"p05": 0.05, "p50": 0.5, "p95": 0.95}
NUMERIC, CATEGORIES = ("int", "float"), ("string", "bool")
FRESHNESS = "freshness_hours"
SHARE_OF, LEAST_SHARE = "share of ", 0.05  # a value is profiled from this share of the rows up
FEWEST_ROWS = 5  # a value of fewer is no category, and may be a person
LONGEST = 60  # characters of a value that are kept
HOUR, HOURS = 3_600_000_000, 24  # microseconds
Array = npt.NDArray[Any]


def profile(dataset: str, columns: Mapping[str, str], day_column: str, rows: pa.Table) -> pa.Table:
    """One line a day, column and metric.

    Metrics: `rows` (of the day, column empty), `nulls`, `distinct`; for numbers `mean`,
    `stddev`, `min`, `max`, `p05`, `p50`, `p95`; for texts and truth values `share of <value>`
    for each that at least one in twenty rows has; for the day column `freshness_hours`, from
    its last moment to the day's end. They do not depend on the order of the rows: a sum that
    differs in the last digit would look like a change. The rows are all of some days.
    """
    if not rows.num_rows:
        return SCHEMA.empty_table()
    days = day_of(rows[day_column]).cast(pa.int32()).to_numpy()
    since = days - days.min()
    order = np.argsort(since.astype(np.min_scalar_type(since.max())), kind="stable")
    days, starts, counts = np.unique(days[order], return_index=True, return_counts=True)
    found: dict[tuple[str, str], dict[int, float | None]] = {
        ("", "rows"): dict(zip(days, counts.tolist(), strict=True))
    }
    for name, kind in columns.items():
        column = rows[name].combine_chunks()
        values, known = _sortable(column, kind)
        values, known = values[order], known[order]
        named = _Names(column, order, values)
        for day, start, count in zip(days, starts, counts, strict=True):
            part = slice(start, start + count)
            some = np.sort(values[part][known[part]])
            metrics = _metrics(some, count, kind in NUMERIC)
            if kind in CATEGORIES:
                for hashed, share in _shares(some):
                    metrics[SHARE_OF + named(hashed, part)] = share
            if name == day_column:
                metrics[FRESHNESS] = HOURS - int(some[-1]) / HOUR % HOURS
            for metric, value in metrics.items():
                found.setdefault((name, metric), {})[day] = value
    return pa.concat_tables(_lines(dataset, *key, values) for key, values in found.items())


def record(dataset: str, interval: Interval, profiled: pa.Table) -> bool:
    """Replaces the interval's profile; returns whether it changed."""
    where = lake.equal(dataset=dataset) + lake.days("day", interval)
    return lake.replace_small(TABLE, profiled, where, partition_by=["dataset"])


def _sortable(values: pa.Array, kind: str) -> tuple[Array, Array]:
    """Numbers and moments as they are, of all else a hash; and which are there."""
    known = values.is_valid().to_numpy(zero_copy_only=False)
    if kind == "datetime":
        values = values.cast(pa.int64())
    if kind in (*NUMERIC, "datetime"):
        return values.fill_null(0).to_numpy(), known
    return content.row_hashes(pa.table({"": values})), known


def _metrics(ordered: Array, rows: int, numeric: bool) -> dict[str, float | None]:
    present = len(ordered)
    distinct = int(present > 0) + int(np.count_nonzero(ordered[1:] != ordered[:-1]))
    found: dict[str, float | None] = {"nulls": rows - present, "distinct": distinct}
    if numeric and not present:
        return found | dict.fromkeys(["mean", "stddev", "min", "max", *QUANTILES])
    if numeric:
        found |= {"mean": float(ordered.mean()), "stddev": float(ordered.std())}
        found |= {"min": float(ordered[0]), "max": float(ordered[-1])}
        found |= {name: _quantile(ordered, share) for name, share in QUANTILES.items()}
    return found


class _Names:
    """The values that hashes stand for, as text."""

    def __init__(self, column: pa.Array, order: Array, values: Array) -> None:
        self.column, self.order, self.values = column, order, values
        self.known: dict[int, str] = {}

    def __call__(self, value: int, part: slice) -> str:
        if value not in self.known:
            place = part.start + int(np.argmax(self.values[part] == value))
            self.known[value] = str(self.column[int(self.order[place])])[:LONGEST]
        return self.known[value]


def _shares(ordered: Array) -> Iterator[tuple[int, float]]:
    """Of two values that are cut to one name, the more frequent comes last and stays."""
    starts = np.r_[0, np.flatnonzero(ordered[1:] != ordered[:-1]) + 1]
    counts = np.diff(np.r_[starts, len(ordered)])
    frequent = counts >= max(LEAST_SHARE * len(ordered), FEWEST_ROWS)
    for count, value in sorted(zip(counts[frequent], ordered[starts[frequent]], strict=True)):
        yield int(value), float(count / len(ordered))


def _quantile(ordered: Array, share: float) -> float:
    """Between the two nearest values, by their distance."""
    at = share * (len(ordered) - 1)
    low, high = float(ordered[int(at)]), float(ordered[ceil(at)])
    return low + (high - low) * (at - int(at))


def _lines(dataset: str, column: str, metric: str, values: Mapping[int, float | None]) -> pa.Table:
    count = len(values)
    found = {
        "dataset": pa.repeat(dataset, count),
        "day": pa.array([*values], pa.date32()),
        "column": pa.repeat(column, count),
        "metric": pa.repeat(metric, count),
        "value": pa.array([*values.values()], pa.float64()),
    }
    return pa.table(found, schema=SCHEMA)

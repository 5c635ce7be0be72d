"""Profiles: what each day's accepted rows look like, column by column."""

from collections.abc import Mapping, Sequence
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
NUMERIC = ("int", "float")
Array = npt.NDArray[Any]


def profile(dataset: str, columns: Mapping[str, str], day_column: str, rows: pa.Table) -> pa.Table:
    """One line a day, column and metric.

    Metrics: `rows` (of the day, column empty), `nulls`, `distinct`, and for numbers `mean`,
    `stddev`, `min`, `max`, `p05`, `p50`, `p95`. They do not depend on the order of the rows: a
    sum that differs in the last digit would look like a change. The rows are all of some days.
    """
    if not rows.num_rows:
        return SCHEMA.empty_table()
    days = day_of(rows[day_column]).cast(pa.int32()).to_numpy()
    since = days - days.min()
    order = np.argsort(since.astype(np.min_scalar_type(since.max())), kind="stable")
    days, starts, counts = np.unique(days[order], return_index=True, return_counts=True)
    found: dict[tuple[str, str], list[float | None]] = {("", "rows"): counts.tolist()}
    for name, kind in columns.items():
        values, known = _sortable(rows[name].combine_chunks(), kind)
        values, known = values[order], known[order]
        for start, count in zip(starts, counts, strict=True):
            part = slice(start, start + count)
            some = np.sort(values[part][known[part]])
            for metric, value in _metrics(some, count, kind in NUMERIC).items():
                found.setdefault((name, metric), []).append(value)
    parts = [_lines(dataset, days, *key, values) for key, values in found.items()]
    return pa.concat_tables(parts)


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


def _quantile(ordered: Array, share: float) -> float:
    """Between the two nearest values, by their distance."""
    at = share * (len(ordered) - 1)
    low, high = float(ordered[int(at)]), float(ordered[ceil(at)])
    return low + (high - low) * (at - int(at))


def _lines(
    dataset: str, days: Array, column: str, metric: str, values: Sequence[float | None]
) -> pa.Table:
    count = len(days)
    found = {
        "dataset": pa.repeat(dataset, count),
        "day": pa.array(days, pa.date32()),
        "column": pa.repeat(column, count),
        "metric": pa.repeat(metric, count),
        "value": pa.array(values, pa.float64()),
    }
    return pa.table(found, schema=SCHEMA)

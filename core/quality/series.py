"""Series: a dataset's profile as series that can be judged, each with its kind of noise."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.quality.levels import Kind
from core.quality.profiles import FRESHNESS, LEAST_SHARE, SHARE_OF
from core.quality.robust import Array, median, past

COUNT = Kind("count", power=2 / 3, least=1.0)
SHARE = Kind("share", power=2 / 3, least=1.0)
VARIETY = Kind("count", power=2 / 3, factor=0.25, least=1.0)  # the same values come every day
LAG = Kind("lag", power=1 / 3, least=0.1)  # hours
VALUES = {  # with the standard errors of a normal sample's statistics, in those of its mean
    "mean": Kind("value", power=1 / 3),
    "stddev": Kind("value", power=-1 / 3, factor=0.71),
    "p05": Kind("value", power=1 / 3, factor=2.11),
    "p50": Kind("value", power=1 / 3, factor=1.25),
    "p95": Kind("value", power=1 / 3, factor=2.11),
}
QUANTILES = ("p05", "p50", "p95")
INSTANT = 1e-3  # hours; a wait of none has no third root to compare
UNIQUE = 0.5  # above this share of distinct values, the repeated ones are judged
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A metric by day, as it is judged; arrays have a value a day.

    Attributes:
        size: the rows behind each value; 1 for a count.
        spread: the standard deviation of single values, as known the day before.
        offset: the metric itself is `offset + slope * values`.
        judged: the days on which it is.
    """

    column: str
    metric: str
    kind: Kind
    values: Array
    size: Array
    spread: Array | float = 1.0
    offset: Array | float = 0.0
    slope: Array | float = 1.0
    judged: Bools = field(default_factory=lambda: np.array(True))


def lines(profile: pd.DataFrame, window: int) -> tuple[pd.Index, list[Line]]:
    """The days of a profile, in order, and what is judged of it.

    min and max are not: they are single rows, and the contract's business.
    """
    wide = profile.pivot(index="day", columns=["column", "metric"], values="value").sort_index()
    rows = wide["", "rows"].to_numpy()
    found = [Line(column="", metric="rows", kind=COUNT, values=rows, size=np.ones(len(rows)))]
    for column in wide.columns.unique("column").drop(""):
        known = {str(metric): values.to_numpy() for metric, values in wide[column].items()}
        found += _of_column(column, known, rows, window)
    return wide.index, found


def _of_column(column: str, known: dict[str, Array], rows: Array, window: int) -> Iterator[Line]:
    def line(metric: str, kind: Kind, values: Array, size: Array, **more: Any) -> Line:
        return Line(column=column, metric=metric, kind=kind, values=values, size=size, **more)

    nulls, distinct = known["nulls"], known["distinct"]
    rows = np.where(rows > 0, rows, np.nan)
    present = np.where(rows > nulls, rows - nulls, np.nan)
    yield line("nulls", SHARE, nulls / rows, rows, slope=rows)

    # The number of mostly unique values is the volume again; the share of a few depends on it.
    unique = median(past((distinct / present)[:, None], window))[:, 0] > UNIQUE
    yield line("distinct", VARIETY, distinct, np.ones(len(rows)), judged=~unique)
    repeated = 1 - distinct / present
    yield line("distinct", SHARE, repeated, present, offset=present, slope=-present, judged=unique)

    if "mean" in known:
        spread = median(past(known["stddev"][:, None], window // 4))[:, 0]
        for metric, kind in VALUES.items():
            # A quantile that stays the same on most days is a step's: it jumps when it moves.
            judged = _moves(known[metric], window) if metric in QUANTILES else np.array(True)
            yield line(metric, kind, known[metric], present, spread=spread, judged=judged)
    if FRESHNESS in known:
        yield line(FRESHNESS, LAG, np.maximum(known[FRESHNESS], INSTANT), rows)
    for metric in known:
        if metric.startswith(SHARE_OF):
            known_by_now = np.logical_or.accumulate(~np.isnan(known[metric]))
            values = np.fmax(known[metric], LEAST_SHARE)
            yield line(metric, SHARE, values, present, judged=known_by_now)


def _moves(values: Array, window: int) -> Bools:
    steps = np.diff(values, prepend=np.nan)
    changed = np.where(np.isnan(steps), np.nan, steps != 0)
    return median(past(changed[:, None], window))[:, 0] > 0.5

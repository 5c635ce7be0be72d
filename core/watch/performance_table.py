"""The table `performance`: what a day's predictions were expected to be worth, and what they were.

One row a model, day, slice and kind, "estimated" on the day itself and "realised" once the
horizon is over, beside what was promised when the version was trained.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from core import lake
from core.intervals import Interval
from core.models.metrics import Estimate

TABLE = "performance"
ESTIMATED, REALISED = "estimated", "realised"
SCHEMA = pa.schema(
    {
        "model": pa.string(),
        "day": pa.date32(),
        "version": pa.int64(),
        "metric": pa.string(),
        "value": pa.float64(),
        "low": pa.float64(),
        "high": pa.float64(),
        "promised": pa.float64(),
        "promised_low": pa.float64(),
        "promised_high": pa.float64(),
        "rows": pa.int64(),
        "kind": pa.string(),
        "verdict": pa.string(),
        "measured_on": pa.date32(),
        "slice": pa.string(),
        "estimated": pa.float64(),
        "estimated_low": pa.float64(),
        "estimated_high": pa.float64(),
    }
)


@dataclass(frozen=True)
class Performance:
    """The metric of a day's predictions beside what was promised when the version was trained.

    Attributes:
        verdict: "decayed", or of an estimate "drop expected", where the whole interval lies on
            the wrong side of what was promised, else "as promised".
        slice: of the model; empty for all entities.
        estimated: of what is realised, what had been estimated before.
    """

    day: date
    version: int
    metric: str
    estimate: Estimate
    promised: Estimate
    rows: int
    verdict: str
    slice: str = ""
    estimated: Estimate | None = None

    @property
    def name(self) -> str:
        """The metric and, where it is of one, the slice."""
        return f"{self.metric} of {self.slice}" if self.slice else self.metric

    @property
    def against(self) -> str:
        """The metric beside its promise, in words."""
        return f"{self.estimate}, promised {self.promised}"


class Realised(Performance):
    """Now that the labels are known."""


class Estimated(Performance):
    """From calibrated probabilities, before labels are known."""


def measured_on(model: str, day: date) -> list[Realised]:
    """What was realised on a day, of whichever earlier days."""
    where = lake.equal(model=model, kind=REALISED, measured_on=day)
    rows = lake.read(TABLE, where)
    found = map(of_row, rows.to_pylist() if rows else ())
    return [each for each in found if isinstance(each, Realised)]


def estimated(model: str, day: date, version: int) -> dict[str, Estimate]:
    """What a day's metric was expected to be, by slice; the whole's is ''."""
    where = lake.equal(model=model, kind=ESTIMATED, version=version, day=day)
    rows = lake.read(TABLE, where)
    return {row["slice"]: _metric(row, "") for row in (rows.to_pylist() if rows else [])}


def of_row(row: Mapping[str, Any]) -> Realised | Estimated:
    """What a row of the table says."""
    kind = Realised if row["kind"] == REALISED else Estimated
    return kind(
        row["day"],
        row["version"],
        row["metric"],
        _metric(row, ""),
        _metric(row, "promised"),
        row["rows"],
        row["verdict"],
        row.get("slice") or "",
        None if row.get("estimated") is None else _metric(row, "estimated"),
    )


def _metric(row: Mapping[str, Any], prefix: str) -> Estimate:
    return Estimate(*(row[each] for each in _names(prefix)))


def _names(prefix: str) -> tuple[str, ...]:
    if not prefix:
        return ("value", "low", "high")
    return (prefix, f"{prefix}_low", f"{prefix}_high")


def record(
    model: str, day: date, found: "list[Estimated] | list[Realised]", kind: str, on: date
) -> bool:
    """Puts them in the place of the day's of that kind; returns whether they are others."""
    rows = [
        {
            "model": model,
            "day": day,
            "version": each.version,
            "metric": each.metric,
            **_columns("", each.estimate),
            **_columns("promised", each.promised),
            "rows": each.rows,
            "kind": kind,
            "verdict": each.verdict,
            "measured_on": on,
            "slice": each.slice,
            **_columns("estimated", each.estimated),
        }
        for each in found
    ]
    where = lake.equal(model=model, kind=kind) + lake.days("day", Interval.of_day(day))
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    return lake.replace_small(TABLE, table, where, partition_by=["model"])


def _columns(prefix: str, known: Estimate | None) -> dict[str, float]:
    return dict(zip(_names(prefix), astuple(known), strict=True)) if known else {}

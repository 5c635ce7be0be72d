"""What the page shows of a dataset: what became of each day, and its metrics within limits."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import pandas as pd

from catalog.kinds import Dataset
from core import ledger
from core.intervals import DAY, Interval
from core.ledger import Entry
from core.quality import unusual

SHOWN = timedelta(days=365)
FEWEST_CHARTS, MOST_CHARTS = 3, 6  # the fewest of a dataset with nothing unusual
Status = Literal["loaded", "empty", "refused", "skipped", "missing"]


@dataclass(frozen=True, kw_only=True)
class DayOf:
    """A dataset-day; `unusual` says of each metric that broke its limits how."""

    day: date
    status: Status
    rows: int = 0
    bad: int = 0
    reason: str = ""
    unusual: tuple[str, ...] = ()


@dataclass(frozen=True)
class Point:
    """A metric of a day, and its limits where enough days came before it."""

    day: date
    value: float
    low: float | None
    high: float | None
    rule: str


@dataclass(frozen=True)
class Chart:
    """A metric through time; the column is empty for the dataset's rows."""

    column: str
    metric: str
    points: tuple[Point, ...]

    @property
    def name(self) -> str:
        """As people call it."""
        return f"{self.metric} of {self.column}" if self.column else "rows a day"

    @property
    def broken(self) -> tuple[Point, ...]:
        """The points outside of the limits, or in a run that chance does not make."""
        return tuple(point for point in self.points if point.rule)


@dataclass(frozen=True, kw_only=True)
class DatasetPart:
    """A dataset through its last year.

    Attributes:
        earlier: days before those shown.
        charts: the rows, then what was unusual lately; `quiet` more metrics are left out.
        judged: whether limits are declared.
    """

    name: str
    owner: str
    description: str
    earlier: int
    days: tuple[DayOf, ...]
    charts: tuple[Chart, ...]
    quiet: int
    judged: bool

    def count(self, status: Status) -> int:
        """How many of the days shown are so."""
        return sum(each.status == status for each in self.days)

    @property
    def trusted(self) -> int:
        """How many of the days shown a model may see."""
        return len(self.days) - self.count("refused") - self.count("missing")


def dataset_part(dataset: Dataset) -> DatasetPart:
    """Looks at the ledger and the profiles."""
    known = {entry.day: entry for entry in ledger.entries(dataset.name)}
    charts: list[Chart] = []
    shown = None
    if known:
        end = max(known) + DAY
        shown = Interval(max(min(known), end - SHOWN), end)
        charts = sorted(_charts(dataset, shown), key=_interest, reverse=True)
    broken = _words(charts)
    telling = sum(bool(each.broken) or not each.column for each in charts)
    worth = min(max(telling, FEWEST_CHARTS), MOST_CHARTS)
    return DatasetPart(
        name=dataset.name,
        owner=dataset.owner,
        description=dataset.description,
        earlier=sum(day < shown.start for day in known) if shown else 0,
        days=tuple(_day(known, day, broken) for day in shown.days()) if shown else (),
        charts=tuple(charts[:worth]),
        quiet=len(charts[worth:]),
        judged=dataset.limits is not None,
    )


def _day(known: Mapping[date, Entry], day: date, broken: Mapping[date, list[str]]) -> DayOf:
    entry, said = known.get(day), tuple(broken.get(day, ()))
    if entry is None:
        return DayOf(day=day, status="missing", reason="it was never loaded")
    return DayOf(
        day=day,
        status=entry.status,
        rows=entry.rows_good,
        bad=entry.rows_bad,
        reason=entry.reason,
        unusual=said,
    )


def _charts(dataset: Dataset, shown: Interval) -> Iterator[Chart]:
    judged = unusual.judged(dataset, shown)
    if judged.empty:
        return
    judged = judged.sort_values("day")
    limits = judged[["low", "high"]].astype(object).where(judged[["low", "high"]].notna(), None)
    judged = judged.assign(low=limits["low"], high=limits["high"])
    columns = ["day", "value", "low", "high", "rule"]
    for (column, metric), rows in judged.groupby(["column", "metric"], sort=False):
        points = rows[columns].itertuples(index=False, name=None)
        found = tuple(Point(pd.Timestamp(day).date(), *rest) for day, *rest in points)
        yield Chart(str(column), str(metric), found)


def _interest(chart: Chart) -> tuple[bool, date, int, bool, bool]:
    """Rows first, then what broke its limits last, then what numbers are on average."""
    last = max((point.day for point in chart.broken), default=date.min)
    of_rows = not chart.column
    return of_rows, last, len(chart.broken), chart.metric == "mean", chart.metric == "stddev"


def _words(charts: list[Chart]) -> dict[date, list[str]]:
    found: dict[date, list[str]] = {}
    for chart in charts:
        for point in chart.broken:
            said = f"{chart.name}: {point.value:,.4g}, {usual(point)}{point.rule}"
            found.setdefault(point.day, []).append(said)
    return found


def usual(point: Point) -> str:
    """The limits in words, to go before other words."""
    if point.low is None or point.high is None:
        return ""
    return f"usual are {point.low:,.4g} to {point.high:,.4g}, "

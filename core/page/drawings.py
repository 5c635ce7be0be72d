"""Drawings that are no plots: the calendar of a dataset's days, and the lineage of a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from core.page.days import DatasetPart, DayOf
from core.page.models import ModelPart
from core.page.versions import VersionPart

CELL = 12
MOST_VERSIONS = 5


@dataclass(frozen=True)
class Cell:
    """A day in its month: `kind` is its symbol, `words` what it says when pointed at."""

    x: int
    y: int
    kind: str
    words: str


@dataclass(frozen=True)
class Month:
    """A month, weeks from the left, Monday on top."""

    name: str
    weeks: int
    cells: tuple[Cell, ...]


def calendar(dataset: DatasetPart) -> list[Month]:
    """A month each, from the first to the last day."""
    months = groupby(dataset.days, key=lambda each: each.day.replace(day=1))
    return [_month(first, list(days)) for first, days in months]


def _month(first: date, days: Sequence[DayOf]) -> Month:
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    cells = tuple(
        Cell(CELL * _week(each.day), CELL * each.day.weekday(), _kind(each), _words(each))
        for each in days
    )
    name = f"{first:%b %Y}" if first.month == 1 else f"{first:%b}"
    return Month(name, _week(last) + 1, cells)


def _week(day: date) -> int:
    return (day.day - 1 + day.replace(day=1).weekday()) // 7


def _kind(day: DayOf) -> str:
    return "unusual" if day.unusual and day.status == "loaded" else day.status


def _words(day: DayOf) -> str:
    counted = f" {day.rows:,} rows" + (f", {day.bad:,} in quarantine" if day.bad else "")
    said = [f"{day.day} {day.status}{counted if day.status == 'loaded' else ''}"]
    return "\n".join([*said, *filter(None, [day.reason]), *day.unusual])


@dataclass(frozen=True)
class Lineage:
    """Datasets to versions to predictions; edges are SVG paths in squares of 100 by 100."""

    datasets: tuple[str, ...]
    versions: tuple[VersionPart, ...]
    older: int
    into_versions: str
    into_predictions: str


def lineage(model: ModelPart) -> Lineage:
    """The versions that have predicted or may, the newest first."""
    used = [each for each in model.versions if each.scored or each.state == "champion"]
    used = used or list(model.versions)
    shown = used[:MOST_VERSIONS]
    datasets = sorted({name for each in shown for name in each.tables})
    heights = [100 * (n + 0.5) / len(shown) for n in range(len(shown))]
    starts = {name: 100 * (n + 0.5) / len(datasets) for n, name in enumerate(datasets)}
    edges = [
        f"M0 {starts[name]:.1f}C50 {starts[name]:.1f} 50 {height:.1f} 100 {height:.1f}"
        for each, height in zip(shown, heights, strict=True)
        for name in each.tables
    ]
    arrows = [f"M0 {h:.1f}H100" for each, h in zip(shown, heights, strict=True) if each.scored]
    older = len(model.versions) - len(shown)
    return Lineage(tuple(datasets), tuple(shown), older, "".join(edges), "".join(arrows))

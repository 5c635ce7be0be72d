"""Plots as geometry: paths in a square of 100 by 100 that the page stretches to any width.

What must not be stretched, marks and words, is placed over it in percent. All words go through
the template, which escapes them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from math import floor, log10
from statistics import median

from core.page.days import Chart, Point, usual
from core.page.models import Feature, ModelPart, Seen

FAR = 3.0  # limits; a shift is drawn up to here
MOST_BARS = 60
WIDEST = 2.5  # percent; a bar a day, also where there are few
NEAR = 12.0  # percent; words nearer than that would lie on each other on a phone
GAP = 2.5  # usual distances; a wider one breaks a line
BROKEN = ("decayed", "drop expected")
Line = Sequence[tuple[date, float]]
Bands = Sequence[tuple[date, float, float]]


@dataclass(frozen=True)
class Path:
    """`d` of an SVG path; `kind` is its class."""

    kind: str
    d: str


@dataclass(frozen=True)
class Mark:
    """Something to point at; from the left and the top, in percent."""

    x: float
    y: float
    words: str


@dataclass(frozen=True)
class Plot:
    """Paths, marks over them, the ticks of both axes in percent, and upright flags."""

    paths: tuple[Path, ...]
    marks: tuple[Mark, ...] = ()
    x_ticks: tuple[tuple[float, str], ...] = ()
    y_ticks: tuple[tuple[float, str], ...] = ()
    flags: tuple[tuple[float, str], ...] = ()


class Scale:
    """Days and values to percent, with a little room at the top and the bottom."""

    def __init__(self, first: date, last: date, low: float, high: float) -> None:
        self.first, self.days = first, max((last - first).days, 1)
        room = 0.08 * (high - low) or abs(high) * 0.1 or 1.0
        self.low, self.high = low - room, high + room

    def x(self, day: date) -> float:
        """From the left."""
        return round(100 * (day - self.first).days / self.days, 2)

    def y(self, value: float) -> float:
        """From the top."""
        return round(100 * (self.high - value) / (self.high - self.low), 2)

    def line(self, points: Line) -> str:
        """Through the points, broken where days are missing."""
        return "".join(
            f"M{'L'.join(f'{self.x(points[n][0])} {self.y(points[n][1])}' for n in run)}h0"
            for run in _runs([day for day, _ in points])
        )

    def dots(self, points: Line) -> str:
        """A dot each, where the stroke has round ends."""
        return "".join(f"M{self.x(day)} {self.y(value)}h0" for day, value in points)

    def bars(self, bands: Bands) -> str:
        """From low to high, one each."""
        return "".join(f"M{self.x(day)} {self.y(low)}V{self.y(high)}" for day, low, high in bands)

    def band(self, bands: Bands) -> str:
        """The area from low to high, broken where days are missing."""
        areas = []
        for run in _runs([day for day, *_ in bands]):
            upper = [f"{self.x(bands[n][0])} {self.y(bands[n][2])}" for n in run]
            lower = [f"{self.x(bands[n][0])} {self.y(bands[n][1])}" for n in reversed(run)]
            areas.append(f"M{'L'.join(upper + lower)}Z")
        return "".join(areas)

    def x_ticks(self, most: int = 4) -> tuple[tuple[float, str], ...]:
        """Firsts of months, of January the year, or days some steps apart where there are few."""
        days = [self.first + timedelta(days=n) for n in range(self.days + 1)]
        months = [day for day in days if day.day == 1]
        if len(months) < 3:
            chosen = days[:: max(1, -(-self.days // (most - 1)))]
            return tuple((self.x(day), f"{day.day} {day:%b}") for day in chosen)
        step = next((each for each in (1, 2, 3, 6) if len(months) <= most * each), 12)
        chosen = [day for day in months if (day.month - 1) % step == 0]
        return tuple(
            (self.x(day), f"{day:%Y}" if day.month == 1 else f"{day:%b}") for day in chosen
        )

    def y_ticks(self) -> tuple[tuple[float, str], ...]:
        """Two to four round values."""
        span = self.high - self.low
        unit = 10.0 ** floor(log10(span / 2))
        step = next(unit * times for times in (5, 2, 1) if span / (unit * times) >= 2)
        decimals = max(0, -floor(log10(step) + 1e-9))
        steps = range(floor(self.low / step) + 1, floor(self.high / step) + 1)
        return tuple((self.y(n * step), f"{n * step:,.{decimals}f}") for n in steps)


def _runs(days: Sequence[date]) -> list[list[int]]:
    """Places of days that follow each other at the usual distance."""
    gaps = [(later - day).days for day, later in pairwise(days)]
    most = GAP * median(gaps) if gaps else 0
    runs: list[list[int]] = [[0]] if days else []
    for place, gap in enumerate(gaps, 1):
        if gap > most:
            runs.append([])
        runs[-1].append(place)
    return runs


def control_chart(chart: Chart) -> Plot:
    """A metric by day, the band of its limits, and a mark at each point that broke them."""
    values = [(point.day, point.value) for point in chart.points]
    low, high = _range(chart.points)
    scale = Scale(values[0][0], values[-1][0], low, high)
    bands = [
        (point.day, max(point.low, low), min(point.high, high))
        for point in chart.points
        if point.low is not None and point.high is not None
    ]
    return Plot(
        paths=(Path("limits", scale.band(bands)), Path("value", scale.line(values))),
        marks=tuple(
            Mark(
                scale.x(each.day),
                scale.y(each.value),
                f"{each.day}: {each.value:,.4g}, {usual(each)}{each.rule}",
            )
            for each in chart.broken
        ),
        x_ticks=scale.x_ticks(),
        y_ticks=scale.y_ticks(),
    )


def _range(points: Sequence[Point]) -> tuple[float, float]:
    """Of the values, and of their limits as far as these do not dwarf them."""
    values = [point.value for point in points]
    low, high = min(values), max(values)
    room = 0.5 * (high - low) or abs(high) * 0.2 or 1.0
    lows = [max(p.low, low - room) for p in points if p.low is not None]
    highs = [min(p.high, high + room) for p in points if p.high is not None]
    return min([low, *lows]), max([high, *highs])


def metric_plot(model: ModelPart) -> Plot | None:
    """The metric of all entities through time, estimated and realised, and what was promised."""
    whole = [each for each in model.performance if not each.slice]
    if not whole:
        return None
    estimated = [each for each in whole if each.kind == "estimated"]
    realised = [each for each in whole if each.kind == "realised"]
    ends = [v for e in whole for v in (e.estimate.low, e.estimate.high, e.promised.value)]
    first, last = min(each.day for each in whole), max(each.day for each in whole)
    scale = Scale(first, last, min(ends), max(ends))
    promises = {each.day: each.promised.value for each in whole}
    few = len(realised) <= MOST_BARS
    paths = (
        Path("estimated-band", scale.band(_bands(estimated))),
        Path("realised-bars", scale.bars(_bands(realised)))
        if few
        else Path("realised-band", scale.band(_bands(realised))),
        Path("promised", scale.line(sorted(promises.items()))),
        Path("estimated", scale.line(_points(estimated))),
        Path("realised", scale.line(_points(realised))),
        Path("realised-dots", scale.dots(_points(realised)) if few else ""),
    )
    marks = tuple(
        Mark(
            scale.x(each.day),
            scale.y(each.estimate.value),
            f"{each.day}: {each.kind} {each.estimate}, promised {each.promised}: {each.verdict}",
        )
        for each in whole
        if each.verdict in BROKEN
    )
    flags = [(scale.x(day), n) for day, n in model.serving if first <= day <= last]
    return Plot(paths, marks, scale.x_ticks(), scale.y_ticks(), tuple(_flags(flags)))


def _flags(serving: Sequence[tuple[float, int]]) -> Iterator[tuple[float, str]]:
    """The number at each; of some too near to each other, the first and the last."""
    group: list[tuple[float, int]] = []
    for place, number in serving:
        if group and place - group[0][0] > NEAR:
            yield group[-1][0], _span(group)
            group = []
        group.append((place, number))
    if group:
        yield group[-1][0], _span(group)


def _span(group: Sequence[tuple[float, int]]) -> str:
    first, last = group[0][1], group[-1][1]
    return f"v{first}" if first == last else f"v{first}–{last}"


def _points(some: Sequence[Seen]) -> Line:
    return [(each.day, each.estimate.value) for each in some]


def _bands(some: Sequence[Seen]) -> Bands:
    return [(each.day, each.estimate.low, each.estimate.high) for each in some]


def strip(feature: Feature, first: date, last: date) -> Plot:
    """A bar a day as high as the shift; those that count as drift stand apart."""
    room = 100 / ((last - first).days + 1)
    width = min(0.82 * room, WIDEST)
    found = {"still": "", "moved": ""}
    for each in feature.shifts:
        x = ((each.day - first).days + 0.5) * room - width / 2
        height = 100 * min(each.size, FAR) / FAR
        bar = f"M{x:.2f} 100v-{max(height, 2):.1f}h{width:.2f}V100z"
        found["moved" if each.verdict == "drifted" else "still"] += bar
    return Plot(tuple(Path(kind, d) for kind, d in found.items()))

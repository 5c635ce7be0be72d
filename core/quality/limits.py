"""Limits: what a day's profile may be, learned from the trusted days before it.

Statistical process control, metric by metric: the level of the days before, their usual noise,
and the Western Electric rules, so strict that all metrics of a day together are rarely unusual by
chance. `docs/limits.md` has the formulas, and how often this is right and wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from core.quality import run_rules
from core.quality.levels import Series, expect
from core.quality.robust import Array
from core.quality.run_rules import Widths, widths
from core.quality.series import Line, lines

OTHERS = ""
PARTS = {"rows": 0.3, "nulls": 0.3, OTHERS: 0.4}  # of the false alarms, shared by their metrics
AT_ONCE = 64  # series, to bound the memory


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One metric of one day against its limits.

    Attributes:
        centre: what was expected, in the metric's own unit, as are the limits.
        verdict: "learning" says that the days before are too few to say.
        sigmas: how far off the centre, in its usual noise; the worst metric has the most.
        rule: the first one that the day broke; empty where it broke none.
    """

    column: str
    metric: str
    value: float
    centre: float
    low: float
    high: float
    sigmas: float
    verdict: Literal["learning", "usual", "unusual"]
    rule: str


def judge(history: pd.DataFrame, today: pd.DataFrame, **declared: Any) -> list[Judged]:
    """One day's profile against the days before it; arguments as `judge_days` takes them."""
    found = judge_days(pd.concat([history, today], ignore_index=True), **declared)
    found = found[found["day"].isin(today["day"])].drop(columns="day")
    return [
        Judged(**{str(name): each for name, each in row.items()})
        for row in found.to_dict("records")
    ]


def judge_days(
    profile: pd.DataFrame,
    *,
    learn_days: int = 28,
    window_days: int = 56,
    false_alarms: float = 0.01,
) -> pd.DataFrame:
    """Judges every day of a dataset's profile by the days before it, never by a later one.

    Args:
        profile: of the trusted days: day, column, metric, value, as `profiles` has them.
        learn_days: trusted days without which there is no verdict.
        window_days: trusted days that are looked back on; a quarter of them make the level.
        false_alarms: the share of days on which a dataset that stays the same may have
            anything unusual. The more metrics there are, the wider are the limits of each.

    Returns:
        A row a day and judged metric: day, column, metric, value, and the rest of `Judged`.
    """
    days, found = lines(profile, window_days)
    counts = {
        part: sum(line.judged & ~np.isnan(line.values) for line in found if _part(line) == part)
        for part in PARTS
    }
    parts = []
    for kind, part in dict.fromkeys((line.kind, _part(line)) for line in found):
        odds = false_alarms * PARTS[part] / np.maximum(counts[part], 1)
        limits = [widths(float(each)) for each in odds]
        same = [line for line in found if (line.kind, _part(line)) == (kind, part)]
        for start in range(0, len(same), AT_ONCE):
            some = same[start : start + AT_ONCE]
            parts.append(_verdicts(days, some, learn_days, window_days, limits))
    return pd.concat(parts, ignore_index=True)


def _part(line: Line) -> str:
    return line.metric if line.metric in PARTS else OTHERS


def _verdicts(
    days: pd.Index, some: Sequence[Line], learn: int, window: int, limits: Sequence[Widths]
) -> pd.DataFrame:
    """What is said of some lines of one kind, line after line."""
    values = _stack(some, "values")
    series = Series(some[0].kind, values, _stack(some, "size"), _stack(some, "spread"))
    expected = expect(series, pd.DatetimeIndex(days).day_of_week.to_numpy(), window)
    there = ~np.isnan(values)
    learned = np.cumsum(there, axis=0) - there >= learn
    sigmas = np.where(learned, expected.surprise, np.nan)
    learning = np.isnan(sigmas)
    limit = np.array(limits)[:, :1]
    offset, slope = _stack(some, "offset"), _stack(some, "slope")
    low, high = (
        np.where(learning, np.nan, offset + slope * expected.value_at(each))
        for each in (-limit, limit)
    )
    broken = run_rules.broken(sigmas, limits)
    rule = np.full(values.shape, "", object)
    for day, line in zip(*broken.nonzero(), strict=True):
        rule[day, line] = run_rules.rule(broken[day, line], limits[day])
    columns = {
        "day": np.broadcast_to(days.to_numpy()[:, None], values.shape),
        "column": np.broadcast_to([line.column for line in some], values.shape),
        "metric": np.broadcast_to([line.metric for line in some], values.shape),
        "value": offset + slope * values,
        "centre": np.where(learning, np.nan, offset + slope * expected.level),
        "low": np.fmin(low, high),  # of repeats, the high limit is the low one of distinct values
        "high": np.fmax(low, high),
        "sigmas": sigmas,
        "verdict": np.where(learning, "learning", np.where(broken > 0, "unusual", "usual")),
        "rule": rule,
    }
    judged = (there & _stack(some, "judged").astype(bool)).ravel(order="F")
    return pd.DataFrame({name: each.ravel(order="F")[judged] for name, each in columns.items()})


def _stack(some: Sequence[Line], name: str) -> Array:
    """One array of all lines, days by lines."""
    days = len(some[0].values)
    return np.column_stack([np.broadcast_to(getattr(line, name), days) for line in some])

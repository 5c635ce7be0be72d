"""Levels: what each day of many series is expected to be, and how surprising it is.

A day sees only the days before it. Arrays are days by series throughout; windows add a third
axis. `docs/limits.md` has the formulas, where they are from, and how well they do.
"""

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.quality.robust import MAD, Array, Counts, centre, known, mean, median, past, scale

DAILY = 0.1  # from 1 / 0.1 ** 2 rows up, days are taken to differ more than chance makes them
FEWEST_DAYS = 14  # of which anything is learned
PAYS = 0.8  # weekdays, or a trend, pay where they leave no more than this of the misses
FAR = 6.0  # deviations: as much as a single miss counts in that
MOST = 1e6  # where nothing ever varied, any change is infinitely far


@dataclass(frozen=True)
class Kind:
    """How a metric varies where nothing but chance is at work.

    Attributes:
        of: `count` of rows, `share` of `size` rows, `value` estimated from `size` values of a
            known spread, `lag` (a waiting time).
        power: of the metric that is about normal.
        factor: its standard error in units of a count's, a share's or a mean's.
        least: a smaller difference is never noticed; in rows, of counts and shares.
    """

    of: Literal["count", "share", "value", "lag"]
    power: float
    factor: float = 1.0
    least: float = 0.0

    @property
    def is_of_events(self) -> bool:
        """Whether single rows are counted."""
        return self.of in ("count", "share")


@dataclass(frozen=True)
class Series:
    """Series of one kind; NaN where a day has none.

    Attributes:
        size: the rows behind each value; 1 for a count.
        spread: the standard deviation of single values, as known the day before.
    """

    kind: Kind
    values: Array
    size: Array
    spread: Array

    @property
    def positive(self) -> npt.NDArray[np.bool_]:
        """Whether no value before the day was below zero."""
        before = np.concatenate([np.zeros((1, self.values.shape[1])), self.values[:-1]])
        return np.asarray(np.fmin.accumulate(before, axis=0) >= 0)


@dataclass(frozen=True)
class Expected:
    """What the days before say of each day; NaN where they are too few to say.

    Attributes:
        noise: the standard deviation that is usual around the level.
        power: of the values over the level that is about normal.
        least: what it may be off without being noticed.
        surprise: how many noises the value is off, after that power.
    """

    level: Array
    noise: Array
    power: Array
    least: Array
    surprise: Array

    def value_at(self, surprise: Array) -> Array:
        """The value that is so surprising."""
        with np.errstate(all="ignore"):
            step = surprise * self.noise
            bent = np.maximum(1 + self.power * step / self.level, 0) ** (1 / self.power)
            value = np.where(self.power == 1, self.level + step, self.level * bent)
            near = self.level + np.sign(surprise) * self.least
            value = np.where(surprise > 0, np.fmax(value, near), np.fmin(value, near))
            return np.where(self.power == 1, value, np.maximum(value, 0))


def expect(series: Series, weekdays: Counts, window: int) -> Expected:
    """Expects each day from the `window` days before it, its level from a quarter of them.

    Weekdays count where they would have brought the days before clearly nearer, and so does
    the part by which the level has come behind a trend.
    """
    with np.errstate(all="ignore"):
        level = _level(series, series.values, window // 4)
        effect = _weekday_effect(_off(series, series.values, level), weekdays, window)
        base = _level(series, _off(series, series.values, effect), window // 4)
        weekly = _on(series, np.where(np.isnan(base), level, base), effect)
        fit = _nearer(_around(series, level, window), _around(series, weekly, window))
        lag = past(_off(series, series.values, fit.level), window // 2)
        behind = np.where(known(lag) >= FEWEST_DAYS, centre(lag), np.nan)
        trend = _around(series, _on(series, fit.level, behind), window)
        return _nearer(fit, trend).expected


def _off(series: Series, values: Array, level: Array) -> Array:
    """What values are off a level: a ratio, or a difference where there may be signs."""
    off = np.where(series.positive, values / level, values - level)
    return np.where(np.isfinite(off), off, np.nan)


def _on(series: Series, level: Array, off: Array) -> Array:
    return np.where(series.positive, level * off, level + off)


def _level(series: Series, values: Array, days: int) -> Array:
    """The level of the days before; rare events count in it.

    No day is far off by less than chance, or a median of mostly zeros would make an outlier
    of every event.
    """
    windows = past(values, days)
    size = median(past(series.size, days))

    def chance(level: Array) -> Array:
        least = np.maximum(level, 1 / size) if series.kind.is_of_events else level
        return _noise(series, least, size)[0]

    return np.where(known(windows) >= days // 2, centre(windows, chance), np.nan)


def _weekday_effect(off: Array, weekdays: Counts, window: int) -> Array:
    """What a weekday was off its level in the weeks before."""
    effect = np.full(off.shape, np.nan)
    for weekday in range(7):
        days = weekdays == weekday
        windows = past(off[days], window // 7)
        effect[days] = np.where(known(windows) >= 2, centre(windows), np.nan)
    return effect


@dataclass(frozen=True)
class _Fit:
    """A level, what it expects, and by how much it has missed the days before each day."""

    level: Array
    expected: Expected
    missed: Array


def _around(series: Series, level: Array, window: int) -> _Fit:
    """The noise around a level is learned from its misses, and is never less than chance."""
    kind, values = series.kind, series.values
    at = level
    if kind.is_of_events:
        at = np.maximum(level, 1 / (window // 4) / series.size)  # none yet is as good as one
    chance, shape = _noise(series, at, series.size)
    power = _power(series, at, chance, shape)
    off = np.minimum(np.abs(_surprise(values, at, shape, power)), MOST)
    least, telling = np.full(at.shape, kind.least), off
    if kind.is_of_events:
        least = kind.least / series.size
        telling = np.where(at * series.size < 1, np.nan, off)  # days on which none was due
    missed = past(off, window)
    noise = np.maximum(_learned(past(telling, window), known(missed)) * shape, chance)
    surprise = _surprise(values, at, noise, power)
    surprise[np.abs(values - at) < least] = 0
    return _Fit(level, Expected(at, noise, power, least, surprise), missed)


def _learned(missed: Array, days: Counts) -> Array:
    """The scale of the misses, widened for being an estimate (Student's t near 4 sigma).

    As long as weekdays cannot be told, one strange day in seven may be one: not clipped.
    """
    found = np.nan_to_num(scale(missed, clipped=days >= 2 * FEWEST_DAYS))
    return np.where(days >= FEWEST_DAYS, found * (1 + 4 / days), np.nan)


def _nearer(one: _Fit, other: _Fit) -> _Fit:
    """The other where it pays: where it has clearly missed less, on the days that both know.

    A single strange day cannot decide that, a weekday that is always strange can.
    """
    ours = np.where(np.isnan(other.missed), np.nan, one.missed)
    cap = FAR * MAD * median(ours)[..., None]
    pays = mean(np.minimum(other.missed, cap)) < PAYS * mean(np.minimum(ours, cap))
    pays &= known(other.missed) >= FEWEST_DAYS
    names = [field.name for field in fields(Expected)]
    both = [(getattr(other.expected, name), getattr(one.expected, name)) for name in names]
    return _Fit(
        np.where(pays, other.level, one.level),
        Expected(*(np.where(pays, theirs, ours) for theirs, ours in both)),
        np.where(pays[..., None], other.missed, one.missed),
    )


def _power(series: Series, level: Array, chance: Array, shape: Array) -> Array:
    """Few events are Poisson's, of many the ratio counts; values far from zero are gamma's."""
    kind = series.kind
    if kind.is_of_events:
        return kind.power * (chance / shape) ** 2
    if kind.of == "value":
        return np.where(series.positive & (level > 3 * shape), kind.power, 1.0)
    return np.full(level.shape, kind.power)


def _noise(series: Series, level: Array, size: Array) -> tuple[Array, Array]:
    """The noise of chance alone, and the shape that days give it: it grows with the level."""
    kind = series.kind
    if kind.of == "lag":
        return DAILY * level, level
    if kind.of == "value":
        unit = kind.factor * series.spread
        chance = unit / np.sqrt(size)
    else:
        unit = level
        variance = level * np.maximum(1 - level, 0.5 / size) if kind.of == "share" else level
        chance = kind.factor * np.sqrt(variance / size)
    return chance, np.hypot(chance, DAILY * unit)


def _surprise(values: Array, level: Array, noise: Array, power: Array) -> Array:
    off = (np.maximum(values, 0) / level) ** power - 1
    found = np.where(power == 1, (values - level) / noise, level * off / (power * noise))
    return np.where((noise == 0) & (values == level), 0.0, found)

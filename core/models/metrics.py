"""The metrics models are judged by, with bootstrap intervals.

Each metric takes weights, so that a bootstrap sample is a vector of counts and the scores
are sorted only once: a thousand samples of 20,000 rows take about a second.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Weighted = Callable[[Array], float]
ROUNDS, FEWEST_ROUNDS, DRAWS = 1000, 200, 50_000_000
BINS, BIN_ROWS = 10, 100


@dataclass(frozen=True)
class Estimate:
    """A value with its two-sided bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self:}"

    def __format__(self, sign: str) -> str:
        value, low, high = (f"{each:{sign}.3f}" for each in (self.value, self.low, self.high))
        return f"{value} ({low} to {high})"


def less_is_better(metric: str) -> bool:
    """Whether the metric is a loss."""
    return metric == "brier"


def weighted(metric: str, truth: npt.NDArray[np.bool_] | Array, scores: Array) -> Weighted:
    """The metric of these rows as a function of their weights; a truth may be a share of True."""
    if metric == "brier":
        loss = (scores - truth) ** 2
        return lambda weights: float(np.average(loss, weights=weights))
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    group = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])  # ties stand or fall together
    positive = truth[order].astype(np.float64)
    of_groups = {"roc_auc": _roc_auc, "average_precision": _average_precision}[metric]

    def value(weights: Array) -> float:
        counts = weights[order]
        positives = np.add.reduceat(counts * positive, group)
        negatives = np.add.reduceat(counts * (1 - positive), group)
        return of_groups(positives, negatives)

    return value


def _roc_auc(positives: Array, negatives: Array) -> float:
    if not positives.any() or not negatives.any():
        return math.nan  # a bootstrap sample of one class: no opinion, left out of the interval
    above = np.cumsum(positives) - positives / 2
    return float(negatives @ above / (positives.sum() * negatives.sum()))


def _average_precision(positives: Array, negatives: Array) -> float:
    if not positives.any():
        return math.nan
    hits = np.cumsum(positives)
    shown = np.cumsum(positives + negatives)
    precision = np.divide(hits, shown, out=np.zeros_like(hits), where=shown > 0)
    return float(precision @ positives / positives.sum())


def calibration_error(truth: npt.NDArray[np.bool_], scores: Array) -> float:
    """How far the scores are off as probabilities, on average (expected calibration error).

    Rows are binned by score, with as many in each bin (Nixon et al., "Measuring Calibration in
    Deep Learning", 2019): ten bins, or fewer where they would hold so few rows that chance
    alone is an error.
    """
    order = np.argsort(scores, kind="stable")
    parts = np.array_split(order, min(BINS, max(1, len(order) // BIN_ROWS)))
    off = [len(part) * abs(scores[part].mean() - truth[part].mean()) for part in parts]
    return float(np.sum(off) / len(order))


def estimate(
    metric: str, truth: npt.NDArray[np.bool_], scores: Array, *, confidence: float, seed: int
) -> Estimate:
    """The metric with its percentile bootstrap interval (Efron and Tibshirani, 1993)."""
    function = weighted(metric, truth, scores)
    values = [function(counts) for counts in _samples(len(truth), seed)]
    return _interval(function(np.ones(len(truth))), np.array(values), confidence)


def difference(
    metric: str,
    truth: npt.NDArray[np.bool_],
    challenger: Array,
    champion: Array,
    *,
    confidence: float,
    seed: int,
) -> Estimate:
    """How much better the challenger is, paired: both are scored on the same samples.

    Above zero means better, also where less of the metric is better.
    """
    sign = -1 if less_is_better(metric) else 1
    one, other = weighted(metric, truth, challenger), weighted(metric, truth, champion)

    def gain(counts: Array) -> float:
        return sign * (one(counts) - other(counts))

    values = [gain(counts) for counts in _samples(len(truth), seed)]
    return _interval(gain(np.ones(len(truth))), np.array(values), confidence)


def _samples(rows: int, seed: int) -> Iterator[Array]:
    rounds = int(np.clip(DRAWS // max(rows, 1), FEWEST_ROUNDS, ROUNDS))
    random = np.random.default_rng(seed)

    def draw(_: int) -> Array:
        picks = random.integers(0, rows, rows)
        return np.bincount(picks, minlength=rows).astype(np.float64)

    return map(draw, range(rounds))


def _interval(value: float, values: Array, confidence: float) -> Estimate:
    if np.isnan(values).all():
        return Estimate(float(value), math.nan, math.nan)
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return Estimate(float(value), float(low), float(high))

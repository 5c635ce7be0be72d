"""The metrics models are judged by, with bootstrap intervals.

The scores are sorted only once, and a bootstrap sample is counted by score and truth: a
thousand samples of 20,000 rows take about half a second.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Picks = npt.NDArray[np.int64]
Weighted = Callable[[Array], float]
Sampled = Callable[[Picks], float]
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
    group, positive = _groups(scores), truth.astype(np.float64)
    count = int(group.max(initial=0)) + 1

    def value(weights: Array) -> float:
        positives: Array = np.bincount(group, weights * positive, count).astype(np.float64)
        negatives: Array = np.bincount(group, weights * (1 - positive), count).astype(np.float64)
        return _OF_GROUPS[metric](positives, negatives)

    return value


def sampled(metric: str, truth: npt.NDArray[np.bool_], scores: Array) -> Sampled:
    """The metric of some of these rows as a function of their positions, one again and again."""
    if metric == "brier":
        loss = (scores - truth) ** 2
        return lambda picks: float(loss[picks].mean())
    group = _groups(scores)
    group = _runs(group, truth) if metric == "roc_auc" else group
    count = int(group.max(initial=0)) + 1
    cell = np.where(truth, group, group + count)

    def value(picks: Picks) -> float:
        rows = np.bincount(cell.take(picks), minlength=2 * count)
        return _OF_GROUPS[metric](rows[:count], rows[count:])

    return value


def of_counts(metric: str, scores: Array, true: Array, false: Array) -> float:
    """The metric of distinct scores, the best first, from how many of each are True and False."""
    if metric == "brier":
        loss = true @ (1 - scores) ** 2 + false @ scores**2
        return float(loss / (true.sum() + false.sum()))
    return _OF_GROUPS[metric](true, false)


def _groups(scores: Array) -> Picks:
    """Each row's place among the scores, the best is 0; ties stand or fall together."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    place = np.empty(len(scores), np.int64)
    place[order] = np.cumsum(np.r_[False, ranked[1:] != ranked[:-1]][: len(scores)])
    return place


def _runs(group: Picks, truth: npt.NDArray[np.bool_]) -> Picks:
    """Neighbouring scores with rows of the same one class taken as one: the ROC AUC stays it."""
    kinds = (np.bincount(group, truth) > 0) + 2 * (np.bincount(group, ~truth) > 0)
    begins = (kinds[1:] != kinds[:-1]) | (kinds[1:] == 3)
    found: Picks = np.r_[0, np.cumsum(begins)][group]
    return found


def _roc_auc(positives: Array | Picks, negatives: Array | Picks) -> float:
    hits, false = positives.cumsum(), negatives.sum()
    if not hits[-1] or not false:
        return math.nan  # a bootstrap sample of one class: no opinion, left out of the interval
    # Counts stay whole numbers: NumPy adds those up several times quicker than floats.
    return float((2 * (negatives @ hits) - negatives @ positives) / (2 * hits[-1] * false))


def _average_precision(positives: Array | Picks, negatives: Array | Picks) -> float:
    hits = positives.cumsum()
    if not hits[-1]:
        return math.nan
    shown = (positives + negatives).cumsum()
    precision = np.divide(hits, shown, out=np.zeros(len(hits)), where=shown > 0)
    return float((precision * positives).sum() / hits[-1])


_OF_GROUPS = {"roc_auc": _roc_auc, "average_precision": _average_precision}


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
    function = sampled(metric, truth, scores)
    values = [function(picks) for picks in _samples(len(truth), seed)]
    return _interval(function(np.arange(len(truth))), np.array(values), confidence)


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
    one, other = sampled(metric, truth, challenger), sampled(metric, truth, champion)

    def gain(picks: Picks) -> float:
        return sign * (one(picks) - other(picks))

    values = [gain(picks) for picks in _samples(len(truth), seed)]
    return _interval(gain(np.arange(len(truth))), np.array(values), confidence)


def _samples(rows: int, seed: int) -> Iterator[Picks]:
    rounds = int(np.clip(DRAWS // max(rows, 1), FEWEST_ROUNDS, ROUNDS))
    random = np.random.default_rng(seed)
    return (random.integers(0, rows, rows) for _ in range(rounds))


def _interval(value: float, values: Array, confidence: float) -> Estimate:
    if np.isnan(values).all():
        return Estimate(float(value), math.nan, math.nan)
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return Estimate(float(value), float(low), float(high))

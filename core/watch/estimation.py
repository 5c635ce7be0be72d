"""The metric a model must be at before labels are known, from its probabilities alone.

Confidence-based performance estimation (CBPE), as NannyML defines it: a calibrated probability p
stands for p of a True and 1 - p of a False, and the metric is that of these shares: for the ROC
AUC the area under the expected true and false positive rates. It holds while the features alone
have moved; that their relation to the label has changed, it cannot see.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from core.models.metrics import Estimate, calibration_error, of_counts
from core.watch.sample import Array, Places

ROUNDS, GROUPS = 500, 250
SPLITS, FEWEST, MOST = 10, 20, 50_000


@dataclass(frozen=True)
class Calibrator:
    """Makes probabilities of scores: isotonic regression on the holdout.

    B. Zadrozny and C. Elkan, "Transforming classifier scores into accurate multiclass
    probability estimates", KDD 2002.

    Attributes:
        scores: ascending knots.
        probabilities: at the knots; a straight line between two.
        rows: of the holdout that have a knot's probability.
        needed: False where scores are as good without: then they are used as they are.
    """

    scores: Array
    probabilities: Array
    rows: Array
    needed: bool
    _ARRAYS: ClassVar = ("scores", "probabilities", "rows")

    @classmethod
    def fit(cls, truth: npt.NDArray[np.bool_], scores: Array, seed: int) -> "Calibrator":
        """Fitted on rows that the model has not seen, and tried on parts held back of them."""
        knots, probabilities = _isotonic(truth, scores)
        values, counts = np.unique(np.interp(scores, knots, probabilities), return_counts=True)
        rows = counts[np.searchsorted(values, probabilities).clip(0, len(values) - 1)]
        return cls(knots, probabilities, rows.astype(np.float64), _is_needed(truth, scores, seed))

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Calibrator":
        """Back from `to_json`."""
        arrays = {name: np.array(found[name], float) for name in cls._ARRAYS}
        return cls(**arrays, needed=found["needed"])

    def to_json(self) -> dict[str, Any]:
        """As plain lists, for a manifest."""
        arrays = {name: getattr(self, name).tolist() for name in self._ARRAYS}
        return {**arrays, "needed": self.needed}

    def __call__(self, scores: Array) -> Array:
        """The probability of True for each score."""
        return np.interp(scores, self.scores, self.probabilities) if self.needed else scores

    def uncertain(self, random: np.random.Generator) -> Array:
        """How far off the probability at each knot may be, for so few rows were known of it.

        Drawn from the posterior (of the prior of Jeffreys) of each step's share of True.
        """
        positive, negative, place = self._steps
        off: Array = random.beta(positive, negative) - positive / (positive + negative)
        return off[place]

    @cached_property
    def _steps(self) -> tuple[Array, Array, Places]:
        """How many of each step are True and False, half a row more of either; of each knot."""
        values, place = np.unique(self.probabilities, return_inverse=True)
        rows = np.zeros(len(values))
        rows[place] = self.rows
        return values * rows + 0.5, (1 - values) * rows + 0.5, place


def _isotonic(truth: npt.NDArray[np.bool_], scores: Array) -> tuple[Array, Array]:
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(out_of_bounds="clip").fit(scores, truth.astype(np.float64))
    return fitted.X_thresholds_, fitted.y_thresholds_


def _is_needed(truth: npt.NDArray[np.bool_], scores: Array, seed: int) -> bool:
    """Whether calibration makes probabilities better on rows that it was not fitted on."""
    from sklearn.model_selection import StratifiedShuffleSplit

    every = -(-len(truth) // MOST)  # ten fits: more rows would cost more than the model's own
    truth, scores = truth[::every], scores[::every]
    if min(truth.sum(), (~truth).sum()) < FEWEST:
        return False
    said, made, known = [], [], []
    splits = StratifiedShuffleSplit(SPLITS, test_size=0.1, random_state=seed)
    for fit, held in splits.split(scores[:, None], truth):
        said.append(scores[held])
        made.append(np.interp(scores[held], *_isotonic(truth[fit], scores[fit])))
        known.append(truth[held])
    before, after = (calibration_error(np.r_[*known], np.r_[*each]) for each in (said, made))
    return before > after


def estimate(
    metric: str, scores: Array, calibrator: Calibrator, *, confidence: float, seed: int
) -> Estimate:
    """The expected metric of these scores, and where the realised one will lie.

    The interval is of simulated labels, drawn from probabilities that are themselves drawn
    from what the holdout leaves open. Rows are taken together in 250 groups of neighbouring
    scores for it, so that a million cost what few do.
    """
    ascending, random = np.sort(scores), np.random.default_rng(seed)
    scores, likely = ascending[::-1], calibrator(ascending)[::-1]
    value = _of_shares(metric, scores)(likely, 1 - likely)
    begins = np.linspace(0, len(scores), min(GROUPS, len(scores)), endpoint=False).astype(int)
    rows = np.diff(np.r_[begins, len(scores)])
    middle, share = (np.add.reduceat(each, begins) / rows for each in (scores, likely))
    of_groups = _of_shares(metric, middle)
    rough, drawn = of_groups(share * rows, (1 - share) * rows), []
    for _ in range(ROUNDS):
        off = np.interp(middle, calibrator.scores, calibrator.uncertain(random))
        positives = random.binomial(rows, np.clip(share + off, 0, 1))
        drawn.append(of_groups(positives, rows - positives))
    if np.isnan(value) or np.isnan(drawn).all():
        return Estimate(value, np.nan, np.nan)
    tail = (1 - confidence) / 2
    low, high = value + np.nanquantile(drawn, [tail, 1 - tail]) - rough
    return Estimate(value, max(float(low), 0.0), min(float(high), 1.0))


def _of_shares(metric: str, scores: Array) -> Callable[[Array, Array], float]:
    """The metric of descending scores as a function of how much of each is True and False."""
    begins = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])
    distinct = scores[begins]

    def value(true: Array, false: Array) -> float:
        alike = (np.add.reduceat(each, begins) for each in (true, false))
        return of_counts(metric, distinct, *alike)

    return value

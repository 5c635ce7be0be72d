"""What features are worth: to a fitted model, and alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from core.models.metrics import less_is_better, weighted

ROWS, REPEATS = 10_000, 3


def importance(
    metric: str,
    estimator: Any,
    rows: pd.DataFrame,
    labels: "pd.Series[bool]",
    predict: Callable[[Any, pd.DataFrame], Any],
    *,
    seed: int,
) -> dict[str, float]:
    """How much of the metric goes when a feature is shuffled (Breiman, 2001), the mean of a few.

    On at most so many rows: it asks for a prediction of each feature and repeat.
    """
    rows, truth = rows.iloc[:ROWS], labels.iloc[:ROWS].to_numpy()
    sign = -1 if less_is_better(metric) else 1
    ones = np.ones(len(rows))
    whole = weighted(metric, truth, predict(estimator, rows))(ones)
    random = np.random.default_rng(seed)
    found = {}
    for name in rows.columns:
        losses = []
        for _ in range(REPEATS):
            shuffled = rows.assign(**{name: rows[name].to_numpy()[random.permutation(len(rows))]})
            value = weighted(metric, truth, predict(estimator, shuffled))(ones)
            losses.append(sign * (whole - value))
        found[name] = float(np.mean(losses))
    return found


def alone(rows: pd.DataFrame, labels: "pd.Series[bool]") -> dict[str, float]:
    """The ROC AUC of each feature by itself, in whichever direction; nulls rank lowest."""
    truth, ones = labels.to_numpy(), np.ones(len(rows))
    found = {}
    for name in rows.columns:
        values = rows[name].to_numpy(dtype="float64")
        ranked = np.where(np.isnan(values), -np.inf, values)
        auc = weighted("roc_auc", truth, ranked)(ones)
        found[name] = max(auc, 1 - auc)
    return found

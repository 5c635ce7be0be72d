"""Drift: how far a day's features and scores have moved from the training reference."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from catalog.kinds import Drift
from core.sketch import Sketch

BINS = 10
SMALLEST_SHARE = 1e-4
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One distribution compared with its reference.

    Attributes:
        psi: population stability index over the reference's deciles.
        ks: the largest gap between the two distribution functions.
        ks_p_value: of the two-sample Kolmogorov-Smirnov test, asymptotic.
        verdict: "too few rows" says nothing either way.
    """

    feature: str
    psi: float
    ks: float
    ks_p_value: float
    rows: int
    reference_rows: int
    verdict: Literal["stable", "drifted", "too few rows"]


def measure(feature: str, reference: Sketch, data: Array, limits: Drift) -> Measured:
    """Compares a day's numbers with the reference.

    It has drifted when the PSI is above its limit and the KS test agrees: the one says that
    the shift is large, the other that it is not chance.
    """
    present = data[~np.isnan(data)]
    few = min(len(present), reference.rows) < limits.min_rows
    if few or not len(reference.values):
        return Measured(
            feature=feature,
            psi=0.0,
            ks=0.0,
            ks_p_value=1.0,
            rows=len(present),
            reference_rows=reference.rows,
            verdict="too few rows",
        )
    index = population_stability_index(reference, data)
    gap = kolmogorov_smirnov(reference, present)
    p_value = ks_p_value(gap, reference.rows, len(present))
    drifted = index > limits.psi and p_value < limits.alpha
    return Measured(
        feature=feature,
        psi=index,
        ks=gap,
        ks_p_value=p_value,
        rows=len(present),
        reference_rows=reference.rows,
        verdict="drifted" if drifted else "stable",
    )


def population_stability_index(reference: Sketch, data: Array) -> float:
    """Sum of (share - reference share) * ln(share / reference share) over deciles and nulls.

    Siddiqi, Credit Risk Scorecards, 2006. An empty bin counts as one in ten thousand.
    """
    present = np.sort(data[~np.isnan(data)])
    wanted = np.linspace(0, 1, BINS + 1)[1:-1]
    edges = np.unique(reference.values[np.searchsorted(reference.below, wanted)])
    of_reference = np.diff(np.r_[0.0, reference.share_at_or_below(edges), 1.0])
    at_edges = np.searchsorted(present, edges, side="right") / max(len(present), 1)
    of_data = np.diff(np.r_[0.0, at_edges, 1.0])
    nulls = 1 - len(present) / max(len(data), 1)
    expected = np.r_[of_reference * (1 - reference.null_share), reference.null_share]
    found = np.r_[of_data * (1 - nulls), nulls]
    both_empty = (expected == 0) & (found == 0)
    expected, found = (np.maximum(shares, SMALLEST_SHARE) for shares in (expected, found))
    return float(((found - expected) * np.log(found / expected))[~both_empty].sum())


def kolmogorov_smirnov(reference: Sketch, present: Array) -> float:
    """The largest gap between the distribution functions; within 1/512 for a thinned sketch."""
    ordered = np.sort(present)
    of_data = np.searchsorted(ordered, reference.values, side="right") / len(ordered)
    gaps = np.abs(of_data - reference.below)
    if reference.exact:  # else what lies just below a point of the sketch is not known
        before = np.searchsorted(ordered, reference.values, side="left") / len(ordered)
        gaps = np.maximum(gaps, np.abs(before - np.r_[0.0, reference.below[:-1]]))
    return float(gaps.max())


def ks_p_value(gap: float, rows: int, other_rows: int) -> float:
    """The asymptotic two-sided p-value (Smirnov, 1939)."""
    from scipy.special import kolmogorov

    return float(kolmogorov(np.sqrt(rows * other_rows / (rows + other_rows)) * gap))

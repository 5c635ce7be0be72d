"""Drift: how far a day's features and scores have moved from the training reference."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from catalog.kinds import Drift
from core.watch.sketch import Sketch

BINS = 10
SMALLEST_SHARE = 1e-4
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One distribution compared with its reference.

    Attributes:
        psi: population stability index over the reference's deciles and the nulls.
        ks: the largest gap between the two distribution functions, nulls first.
        ks_p_value: of the two-sample Kolmogorov-Smirnov test, asymptotic.
        rows: of the day, nulls and all; so with the reference's.
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
    few = min(len(data), reference.rows) < limits.min_rows
    index = 0.0 if few else population_stability_index(reference, data)
    gap = 0.0 if few else kolmogorov_smirnov(reference, data)
    p_value = 1.0 if few else ks_p_value(gap, reference.rows, len(data))
    moved = index > limits.psi and p_value < limits.alpha
    return Measured(
        feature=feature,
        psi=index,
        ks=gap,
        ks_p_value=p_value,
        rows=len(data),
        reference_rows=reference.rows,
        verdict="too few rows" if few else "drifted" if moved else "stable",
    )


def population_stability_index(reference: Sketch, data: Array) -> float:
    """Sum of (share - reference share) * ln(share / reference share) over deciles and nulls.

    Siddiqi, Credit Risk Scorecards, 2006. A value that fills a decile gets a bin of its own,
    else a flag that was nearly always 1 and is now 0 would stay in its bin. An empty bin counts
    as one in ten thousand.
    """
    present = np.sort(data[~np.isnan(data)])
    edges = _edges(reference)
    of_reference = np.diff(np.r_[0.0, reference.share_at_or_below(edges), 1.0])
    at_edges = np.searchsorted(present, edges, side="right") / max(len(present), 1)
    of_data = np.diff(np.r_[0.0, at_edges, 1.0])
    nulls = 1 - len(present) / len(data)
    expected = np.r_[of_reference * (1 - reference.null_share), reference.null_share]
    found = np.r_[of_data * (1 - nulls), nulls]
    both_empty = (expected == 0) & (found == 0)
    expected, found = (np.maximum(shares, SMALLEST_SHARE) for shares in (expected, found))
    return float(((found - expected) * np.log(found / expected))[~both_empty].sum())


def _edges(reference: Sketch) -> Array:
    """The upper ends of the bins; the last bin has none."""
    wanted = np.arange(1, BINS) / BINS
    positions = np.unique(np.searchsorted(reference.below, wanted))
    if not len(reference.values):
        return reference.values
    filling = np.diff(np.r_[0.0, reference.below])[positions] >= 1 / BINS
    just_below = np.nextafter(reference.values[positions[filling]], -np.inf)
    return np.unique(np.r_[reference.values[positions], just_below])


def kolmogorov_smirnov(reference: Sketch, data: Array) -> float:
    """The largest gap between the distribution functions; within 1/512 for a thinned sketch.

    Nulls count as the smallest value: a column that goes missing is the largest shift of all.
    """
    ordered = np.sort(data[~np.isnan(data)])
    nulls = len(data) - len(ordered)
    of_data = (nulls + np.searchsorted(ordered, reference.values, side="right")) / len(data)
    before = (nulls + np.searchsorted(ordered, reference.values, side="left")) / len(data)
    known = reference.null_share + (1 - reference.null_share) * np.r_[0.0, reference.below]
    gaps = np.r_[
        abs(nulls / len(data) - reference.null_share),
        np.abs(of_data - known[1:]),
        np.abs(before - known[:-1]),
    ]
    return float(gaps.max())


def ks_p_value(gap: float, rows: int, other_rows: int) -> float:
    """The asymptotic two-sided p-value (Smirnov, 1939)."""
    from scipy.special import kolmogorov  # a fifth of a second that an ETL run should not pay

    return float(kolmogorov(np.sqrt(rows * other_rows / (rows + other_rows)) * gap))

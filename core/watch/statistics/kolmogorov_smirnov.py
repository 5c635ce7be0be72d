"""The two-sample Kolmogorov-Smirnov test: the largest gap between two distribution functions.

N. V. Smirnov, "On the estimation of the discrepancy between empirical curves of distribution for
two independent samples", Bull. Math. Univ. Moscow 2, 1939. Its p-value is that of one sample of
n m / (n + m) rows (R. Simard and P. L'Ecuyer, "Computing the two-sided Kolmogorov-Smirnov
distribution", J. Stat. Softw. 39, 2011), and larger than the true one where values repeat. Of many
rows it is A. N. Kolmogorov's limit with the correction of J. Vrbik, "Small-sample corrections to
Kolmogorov-Smirnov test statistic", Pioneer J. Theor. Appl. Stat. 15, 2018, within five millionths.
"""

import numpy as np

from core.watch.sample import Sample
from core.watch.sketch import Sketch

MANY = 5_000


def kolmogorov_smirnov(reference: Sketch, sample: Sample) -> tuple[float, float]:
    """The gap, within 1/512 for a thinned sketch, and its p-value.

    Nulls count as the smallest value: a column that goes missing is the largest shift of all.
    """
    nulls = sample.rows - sample.count
    upto = (nulls + sample.at_or_below(reference.values)) / sample.rows
    before = (nulls + sample.below(reference.values)) / sample.rows
    known = reference.null_share + (1 - reference.null_share) * np.r_[0.0, reference.below]
    gaps = np.r_[
        abs(sample.null_share - reference.null_share),
        np.abs(upto - known[1:]),
        np.abs(before - known[:-1]),
    ]
    rows = reference.rows * sample.rows / (reference.rows + sample.rows)
    return float(gaps.max()), _p_value(float(gaps.max()), max(round(rows), 1))


def _p_value(gap: float, rows: int) -> float:
    from scipy.special import kolmogorov
    from scipy.stats import kstwo  # a second that an ETL run should not pay

    if rows < MANY:
        return float(kstwo.sf(gap, rows))
    scaled = gap * np.sqrt(rows)
    return float(kolmogorov(scaled + 1 / (6 * np.sqrt(rows)) + (scaled - 1) / (4 * rows)))

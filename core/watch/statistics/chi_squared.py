"""The chi-squared test: do two samples have the same shares?

K. Pearson, "On the criterion that a given system of deviations ...", Philos. Mag. 50, 1900; for
two bins with the correction of F. Yates, "Contingency tables involving small numbers and the
chi-squared test", J. R. Statist. Soc. Suppl. 1, 1934. Its p-value holds where about 5 rows are
expected in each bin: W. G. Cochran, "Some methods for strengthening the common chi-squared
tests", Biometrics 10, 1954.
"""

import numpy as np

from core.watch.sample import Array

FEWEST = 5  # rows expected


def chi_squared(reference: Array, counts: Array, *, pooled: bool = False) -> tuple[float, float]:
    """The statistic of the two rows of counts, and its p-value.

    Where `pooled`, bins with too few rows expected on either side are taken together first.
    """
    from scipy.special import chdtrc

    table = np.stack([reference, counts])
    if pooled:
        smaller = table.sum(axis=1).min() / table.sum()
        rare = table.sum(axis=0) * smaller < FEWEST
        table = np.c_[table[:, ~rare], table[:, rare].sum(axis=1)]
    table = table[:, table.sum(axis=0) > 0]
    degrees = table.shape[1] - 1
    if not degrees:
        return 0.0, 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    off = np.abs(table - expected)
    off -= np.minimum(0.5, off) if degrees == 1 else 0.0
    statistic = float((off**2 / expected).sum())
    return statistic, float(chdtrc(degrees, statistic))

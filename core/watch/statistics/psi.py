"""The population stability index: how far shares have moved.

N. Siddiqi, *Credit Risk Scorecards*, 2006; it is the divergence of H. Jeffreys, "An invariant form
for the prior probability in estimation problems", Proc. R. Soc. A 186, 1946. Below 0.1 is
usually called stable, above 0.25 a major shift.
"""

import numpy as np

from core.watch.sample import Array

SMALLEST_SHARE = 1e-4


def psi(expected: Array, found: Array) -> float:
    """Sum of (found - expected) * ln(found / expected) over the bins.

    An empty bin counts as one in ten thousand, and not at all where both are empty.
    """
    there = (expected > 0) | (found > 0)
    expected, found = (np.maximum(shares[there], SMALLEST_SHARE) for shares in (expected, found))
    return float(((found - expected) * np.log(found / expected)).sum())

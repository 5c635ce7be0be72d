"""The Jensen-Shannon distance: how far two histograms are apart, from 0 to 1.

J. Lin, "Divergence measures based on the Shannon entropy", IEEE Trans. Inf. Theory 37, 1991; its
root is a metric: D. M. Endres and J. E. Schindelin, "A new metric for probability
distributions", IEEE Trans. Inf. Theory 49, 2003. 0.1 is a usual limit.
"""

import numpy as np

from core.watch.sample import Array


def jensen_shannon(expected: Array, found: Array) -> float:
    """The square root of the divergence in bits, over the bins."""
    from scipy.special import rel_entr

    middle = (expected + found) / 2
    divergence = (rel_entr(expected, middle).sum() + rel_entr(found, middle).sum()) / 2
    return float(np.sqrt(max(divergence, 0.0) / np.log(2)))

"""Drift of all features together: can a classifier tell the day's rows from the reference's?

J. H. Friedman, "On multivariate goodness-of-fit and two-sample testing", 2004; D. Lopez-Paz and M.
Oquab, "Revisiting classifier two-sample tests", ICLR 2017. The p-value of its ROC AUC is that of H.
B. Mann and D. R. Whitney, "On a test of whether one of two random variables is stochastically
larger than the other", Ann. Math. Statist. 18, 1947. 0.65 is a usual limit.
"""

import numpy as np
import numpy.typing as npt

ROWS = 1_000  # of either side, at most
FOLDS, TREES, LEAVES = 5, 30, 8
BINS = 32  # of so few rows as good as 255, and quicker
Rows = npt.NDArray[np.float32]


def domain_classifier(reference: Rows, rows: Rows, seed: int) -> tuple[float, float]:
    """The ROC AUC of boosted trees on rows that they were not fitted on, and its p-value.

    Args:
        reference: rows by features, NaN is null; two folds' worth at least.
        rows: of the day, the same features.
        seed: of the folds.
    """
    from scipy.special import ndtr
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    trees = HistGradientBoostingClassifier(
        max_iter=TREES,
        max_leaf_nodes=LEAVES,
        max_bins=BINS,
        early_stopping=False,
        random_state=seed,
    )
    is_new = np.r_[np.zeros(len(reference)), np.ones(len(rows))]
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    data = np.concatenate([reference, rows])
    said = cross_val_predict(trees, data, is_new, cv=folds, method="predict_proba")[:, 1]
    auc = float(roc_auc_score(is_new, said))
    spread = np.sqrt((len(data) + 1) / (12 * len(reference) * len(rows)))
    return auc, float(ndtr((0.5 - auc) / spread))

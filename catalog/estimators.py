"""Estimators that suit most tables: what a model's candidates start with."""

from typing import Any


def logistic(seed: int) -> Any:
    """Logistic regression on a logarithm that knows signs: sums and counts are heavily skewed."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    return make_pipeline(
        FunctionTransformer(np.arcsinh, feature_names_out="one-to-one"),
        StandardScaler(),
        LogisticRegression(random_state=seed),
    )


def boosting(seed: int) -> Any:
    """Histogram gradient boosting."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.05, max_leaf_nodes=15, random_state=seed
    )


def forest(seed: int) -> Any:
    """A random forest of 100 trees, depth 10."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=100, max_depth=10, random_state=seed)

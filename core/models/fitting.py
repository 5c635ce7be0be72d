"""Fitting: one candidate on the training rows: sampled, searched and pruned as declared."""

import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from threadpoolctl import threadpool_limits

from catalog.kinds import Candidate, Model
from core import content
from core.errors import DeclarationError, NotTrained
from core.models.importance import importance

# Candidates are fitted side by side: with OpenMP's threads on top, three fits on two busy cores
# took 32 CPU seconds instead of 4. And one thread gives the same bits on every machine.
THREADS = 1
FOLDS = 3
SCORING = {"roc_auc": "roc_auc", "average_precision": "average_precision"}
SCORING |= {"brier": "neg_brier_score"}

Scores = npt.NDArray[np.float64]
Labels: TypeAlias = "pd.Series[bool]"


@dataclass(frozen=True)
class Fit:
    """A fitted estimator, and what was decided on the way.

    Attributes:
        features: that it was fitted on, in order.
        dropped: features that were pruned, the least important first.
        rows: it was fitted on, of all that there were.
        searched: combinations that the search tried; 0 where nothing was searched.
    """

    estimator: Any
    features: tuple[str, ...]
    dropped: tuple[str, ...]
    rows: int
    of_rows: int
    searched: int


def fit(
    model: Model, candidate: Candidate, estimator: Any, rows: pd.DataFrame, labels: Labels
) -> Fit:
    """Fits an estimator as the model and the candidate declare.

    Raises:
        NotTrained: the estimator does not take these rows.
        DeclarationError: it gives no probabilities, or the search names no parameter of it.
    """
    if not hasattr(estimator, "predict_proba"):
        raise DeclarationError(
            f"catalog/models/{model.name}.py: candidates: {candidate.name} gives no probabilities "
            "(it has no predict_proba)"
        )
    unknown = set(candidate.search) - set(estimator.get_params())
    if unknown:
        raise DeclarationError(
            f"catalog/models/{model.name}.py: candidates: {candidate.name}: search: no parameter "
            f"'{sorted(unknown)[0]}'"
        )
    threadpool_limits(THREADS)
    of_rows = len(rows)
    rows, labels = sample(rows, labels, model.max_entities)
    try:
        dropped = _least_important(model, estimator, rows, labels)
        rows = rows.drop(columns=list(dropped))
        fitted, searched = _searched(model, candidate, estimator, rows, labels)
    except ValueError as error:  # such as nulls, which few estimators take
        reason = str(error).strip().splitlines()[0]
        raise NotTrained(f"{model.name}: {candidate.name} cannot be fitted: {reason}") from error
    return Fit(fitted, tuple(rows.columns), dropped, len(rows), of_rows, searched)


def predict(estimator: Any, rows: pd.DataFrame) -> Scores:
    """The probability of True for each row."""
    threadpool_limits(THREADS)  # for good: two threads that put it back would undo each other's
    return probabilities(estimator, rows)


def probabilities(estimator: Any, rows: pd.DataFrame) -> Scores:
    """As `predict`, where the threads are limited already: looking for them takes 4 ms."""
    scores = estimator.predict_proba(rows)[:, list(estimator.classes_).index(True)]
    return np.asarray(scores, dtype=np.float64)


def sharing() -> AbstractContextManager[object]:
    """Has scikit-learn's joblib share its work with the Dask cluster that a task runs on."""
    state: Any = getattr(sys.modules.get("distributed.utils"), "thread_state", None)
    if not hasattr(state, "execution_state"):  # of a worker, while it runs a task
        return nullcontext()
    from joblib import parallel_config

    return cast(AbstractContextManager[object], parallel_config(backend="dask"))


def sample(rows: pd.DataFrame, labels: Labels, most: int) -> tuple[pd.DataFrame, Labels]:
    """So many of the entities, chosen by their hash: the same ones in every run and order."""
    if not most or len(rows) <= most:
        return rows, labels
    hashes = content.row_hashes(pa.table({"": pa.array(rows.index)}))
    chosen = np.sort(np.argsort(hashes, kind="stable")[:most])
    return rows.iloc[chosen], labels.iloc[chosen]


def _least_important(
    model: Model, estimator: Any, rows: pd.DataFrame, labels: Labels
) -> tuple[str, ...]:
    """The features to leave out, judged within the training rows: the holdout stays unseen."""
    if not model.max_features or len(rows.columns) <= model.max_features:
        return ()
    from sklearn.base import clone

    held = content.row_hashes(pa.table({"": pa.array(rows.index)})) % np.uint64(3) == 0
    fitted = clone(estimator).fit(rows[~held], labels[~held])
    found = importance(model.metric, fitted, rows[held], labels[held], predict, seed=model.seed)
    ranked = sorted(found, key=lambda name: (found[name], name))
    return tuple(ranked[: len(ranked) - model.max_features])


def _searched(
    model: Model, candidate: Candidate, estimator: Any, rows: pd.DataFrame, labels: Labels
) -> tuple[Any, int]:
    if not candidate.search:
        return estimator.fit(rows, labels), 0
    from sklearn.base import clone
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingRandomSearchCV, StratifiedKFold

    search = HalvingRandomSearchCV(
        estimator,
        dict(candidate.search),
        n_candidates=candidate.tries,
        scoring=partial(_scored, SCORING[model.metric]),
        cv=StratifiedKFold(FOLDS, shuffle=True, random_state=model.seed),
        random_state=model.seed,
        n_jobs=1,
        refit=False,  # done here: a forest whose trees come from elsewhere has other bytes
    )
    with sharing():
        search.fit(rows, labels)
    best = clone(estimator).set_params(**search.best_params_).fit(rows, labels)
    return best, len(search.cv_results_["params"])


def _scored(metric: str, estimator: Any, rows: pd.DataFrame, labels: Labels) -> float:
    from joblib import parallel_config
    from sklearn.metrics import get_scorer

    with parallel_config(backend="sequential"):  # threads add a forest's trees up in any order
        return float(get_scorer(metric)(estimator, rows, labels))

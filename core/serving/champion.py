"""The champion that answers requests: verified, tried, and changed while it serves."""

import copy
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from timeit import repeat
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from core import lake
from core.models import artifacts, golden, registry
from core.models.artifacts import Artifact
from core.models.versions import CLOSED
from core.serving.metrics import Metrics
from core.serving.rows import Matrix, Refused
from core.watch.sketch import Sketch

TRIALS = 64
log = logging.getLogger("dayloop")

Score = Callable[[Matrix], Matrix]


@dataclass(frozen=True)
class Champion:
    """A version that can answer.

    Attributes:
        features: what a row must have, in this order.
        nullable: of these, what was null in some row of the training.
        typical: the median of each feature in training, for the documentation.
        way: how it scores: by `trees`, `line`, `array` or `frame`, the same bits each.
        seconds: that one row takes.
    """

    model: str
    version: int
    artifact: Artifact
    features: tuple[str, ...]
    nullable: frozenset[str]
    typical: dict[str, float]
    way: str
    seconds: float
    score: Score

    def scores(self, numbers: Matrix) -> Matrix:
        """The probability of True for each row.

        Raises:
            Refused: the model has no score for such numbers.
        """
        try:
            scores = self.score(numbers)
        except ValueError:
            scores = np.array([np.nan])
        if not np.isfinite(scores).all():
            said = "the model has no score for such numbers; are they what it was trained on?"
            raise Refused(422, said)
        return scores


def load(model: str, version: int, artifact: Artifact) -> Champion:
    """Reads a version, verifies it, and tries it.

    Raises:
        ArtifactRefused: a file is not what the registry vouches for.
        ModelRefused: it scores its golden rows otherwise than when it was trained.
    """
    estimator, manifest = artifacts.load(artifact)
    one_thread_each()
    golden.require(estimator, manifest)
    for part in _parts(estimator, set()):
        if hasattr(part, "n_jobs"):
            part.n_jobs = 1  # one row is done before a second thread has begun
    reference = {
        name: Sketch.from_json(manifest["reference"][name]) for name in manifest["features"]
    }
    rows = _trial_rows(reference)
    way, score = _quickest(estimator, rows)
    return Champion(
        model=model,
        version=version,
        artifact=artifact,
        features=tuple(reference),
        nullable=frozenset(name for name, known in reference.items() if known.null_share),
        typical={name: _median(known) for name, known in reference.items()},
        way=way,
        seconds=min(repeat(lambda: score(rows.to_numpy()[:1]), number=1, repeat=TRIALS)),
        score=score,
    )


def one_thread_each() -> None:
    """Has linear algebra and OpenMP use one thread for whatever the calling thread predicts."""
    import sklearn  # noqa: F401  brings OpenMP, which must be there to be limited

    threadpool_limits(1)


def _median(known: Sketch) -> float:
    return float(known.values[np.searchsorted(known.below, 0.5)]) if len(known.values) else 0.0


def _trial_rows(reference: dict[str, Sketch]) -> pd.DataFrame:
    """Rows of numbers that each feature had in training, in every mixture."""
    random = np.random.default_rng(0)
    columns = {}
    for name, known in reference.items():
        values = known.values if len(known.values) else np.array([np.nan])
        columns[name] = random.choice(values, TRIALS)
        columns[name][random.random(TRIALS) < known.null_share] = np.nan
    return pd.DataFrame(columns)


def _quickest(estimator: Any, rows: pd.DataFrame) -> tuple[str, Score]:
    """The quickest way to the very scores that the estimator gives for a frame."""
    column = list(estimator.classes_).index(True)
    names, numbers = list(rows), rows.to_numpy()

    def by_frame(numbers: Matrix) -> Matrix:
        frame = pd.DataFrame(numbers, columns=names)
        return np.asarray(estimator.predict_proba(frame)[:, column], np.float64)

    for name, make in (("trees", _by_trees), ("line", _by_line), ("array", _by_array)):
        try:
            score = make(estimator, column)
            shapes = (numbers[:1], numbers)  # one row may be added up in another order than many
            if all(np.array_equal(score(some), by_frame(some)) for some in shapes):
                return name, score
        except Exception as error:  # such as an estimator that looks for its columns' names
            log.debug("%s: not by %s: %s", type(estimator).__name__, name, type(error).__name__)
    return "frame", by_frame


def _by_array(estimator: Any, column: int) -> Score:
    """Without a frame: with names to compare, scikit-learn would warn of an array each time."""
    nameless = copy.deepcopy(estimator)
    for part in _parts(nameless, set()):
        vars(part).pop("feature_names_in_", None)
    return lambda numbers: np.asarray(nameless.predict_proba(numbers)[:, column], np.float64)


def _by_trees(estimator: Any, column: int) -> Score:
    """A forest tree by tree: what its `predict_proba` does, without a job queue around each."""
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    if type(estimator) not in (ExtraTreesClassifier, RandomForestClassifier):
        raise TypeError("no forest")
    trees, whole = [each.tree_ for each in estimator.estimators_], _by_array(estimator, column)

    def score(numbers: Matrix) -> Matrix:
        with np.errstate(over="ignore"):
            narrow = numbers.astype(np.float32)
        if np.isinf(narrow).any():
            return whole(numbers)  # which refuses it
        total = np.zeros((len(numbers), len(estimator.classes_)))
        for tree in trees:
            total += tree.predict(narrow)
        total /= len(trees)
        return total[:, column]

    return score


def _by_line(estimator: Any, column: int) -> Score:
    """A logistic regression behind its scaling as the few operations that it is.

    What each step's checks of its input cost is forty times what the arithmetic does.
    """
    from scipy.special import expit
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    *before, last = [step for _, step in getattr(estimator, "steps", [("", estimator)])]
    known = {type(step) for step in before} <= {FunctionTransformer, StandardScaler}
    if type(last) is not LogisticRegression or not known or column != 1:
        raise TypeError("no logistic regression, or behind something else")

    def score(numbers: Matrix) -> Matrix:
        for step in before:
            is_scaler = isinstance(step, StandardScaler)
            numbers = (numbers - step.mean_) / step.scale_ if is_scaler else step.func(numbers)
        if not np.isfinite(numbers).all():
            raise ValueError("what scikit-learn refuses, too")
        return np.asarray(expit(numbers @ last.coef_.T + last.intercept_)[:, 0], np.float64)

    return score


def _parts(value: Any, seen: set[int]) -> Iterator[Any]:
    """An estimator and those inside of it."""
    from sklearn.base import BaseEstimator

    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, BaseEstimator):
        yield value
        value = list(vars(value).values())
    elif isinstance(value, dict):
        value = list(value.values())
    elif isinstance(value, np.ndarray) and value.dtype == object:
        value = value.ravel().tolist()
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _parts(each, seen)


class Serving:
    """The champion that answers now. It follows the registry.

    A new one takes over once it is verified and tried; where that fails the old one goes on,
    unless it was rejected or retired itself.
    """

    def __init__(self, model: str, metrics: Metrics) -> None:
        self.model = model
        self.champion: Champion | None = None
        self._metrics, self._seen, self._said = metrics, -1, ""

    def follow(self) -> None:
        """One look at the registry."""
        try:
            self._look()
            self._said = ""
            self._metrics.looked.set_to_current_time()
        except Exception as error:  # whatever a stored model raises: the one that serves must go on
            self._metrics.failures.inc()
            said = f"{type(error).__name__}: {error}"
            if said != self._said:
                serves = self.champion.version if self.champion else "none"
                log.error("%s: %s; version %s serves", self.model, said, serves)
            self._said = said

    def _look(self) -> None:
        seen = lake.version(registry.TABLE)
        if seen is None or seen == self._seen:
            return
        versions = registry.versions(self.model)
        chosen = next((each for each in versions if each.state == "champion"), None)
        vouched = {each.artifact for each in versions if each.state not in CLOSED}
        now = self.champion
        if chosen is None or (now and now.artifact not in vouched):
            self._serve(None)  # before the new one is loaded, which may fail
        if chosen and (now is None or now.artifact != chosen.artifact):
            self._serve(load(self.model, chosen.number, chosen.artifact))
        self._seen = seen

    def _serve(self, champion: Champion | None) -> None:
        if champion is None and self.champion is None:
            return
        before, self.champion = self.champion, champion
        self._metrics.serves(self.model, champion.version if champion else None)
        log.info(
            "%s: %s serves now, before it %s",
            self.model,
            f"version {champion.version}" if champion else "none",
            f"version {before.version}" if before else "none",
        )

"""One candidate fitted: sampled, searched and pruned as declared, and what features are worth."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from catalog.kinds import Candidate, DeclarationError
from core.errors import NotTrained
from core.models import metrics
from core.models.fitting import fit, predict, sample
from core.models.importance import alone, importance
from tests.core import synthetic


def people(rows: int = 2_000, seed: int = 0) -> tuple[pd.DataFrame, "pd.Series[bool]"]:
    """Three features: one that tells much, one a little, one nothing."""
    random = np.random.default_rng(seed)
    index = pd.Index([f"{n:05}" for n in range(rows)], name="customer")
    frame = pd.DataFrame(random.normal(size=(rows, 3)), index, ["much", "little", "nothing"])
    truth = 2 * frame["much"] + 0.5 * frame["little"] + random.normal(size=rows) > 0
    return frame, truth


def logistic(seed: int) -> Any:
    return LogisticRegression(random_state=seed)


def tree(seed: int) -> Any:
    return DecisionTreeClassifier(random_state=seed)


def one(estimator: Any = logistic, **changes: Any) -> Candidate:
    return Candidate(name="one", estimator=estimator, **changes)


def test_a_sample_is_of_the_same_entities_in_whatever_order_they_come() -> None:
    rows, labels = people()
    some, truth = sample(rows, labels, 500)
    assert len(some) == 500
    assert truth.index.equals(some.index)
    shuffled = rows.sample(frac=1, random_state=1)
    again, _ = sample(shuffled, labels.loc[shuffled.index], 500)
    assert set(again.index) == set(some.index)
    assert sample(rows, labels, 0)[0] is rows
    more, _ = sample(rows, labels, 600)
    assert set(some.index) < set(more.index)


def test_more_entities_than_declared_are_sampled_and_that_is_said() -> None:
    model = synthetic.model(candidates=(one(),), max_entities=300)
    made = fit(model, one(), logistic(0), *people())
    assert (made.rows, made.of_rows) == (300, 2_000)


def test_features_are_pruned_by_their_importance_and_always_the_same() -> None:
    model = synthetic.model(candidates=(one(),), max_features=1)
    found = [fit(model, one(), logistic(0), *people()) for _ in range(2)]
    assert found[0].features == ("much",)
    assert found[0].dropped == ("nothing", "little")
    assert found[0].estimator.n_features_in_ == 1
    assert (found[0].estimator.coef_ == found[1].estimator.coef_).all()


def test_a_search_finds_a_better_tree_and_the_same_one_again() -> None:
    rows, labels = people(4_000)
    unseen, truth = people(4_000, seed=1)
    searched = one(tree, search={"max_depth": [1, 2, 4, 6, None]}, tries=5)
    model = synthetic.model(candidates=(searched,))
    found = [fit(model, searched, tree(0), rows, labels) for _ in range(2)]
    assert found[0].searched >= 5
    assert found[0].estimator.max_depth in (2, 4, 6)
    assert found[0].estimator.max_depth == found[1].estimator.max_depth
    plain = fit(model, one(tree), tree(0), rows, labels)

    def auc(estimator: Any) -> float:
        scores = predict(estimator, unseen)
        return metrics.weighted("roc_auc", truth.to_numpy(), scores)(np.ones(len(unseen)))

    assert auc(found[0].estimator) > auc(plain.estimator) + 0.02
    assert plain.searched == 0


def test_a_search_of_an_unknown_parameter_is_said() -> None:
    searched = one(search={"depth": [1, 2]})
    with pytest.raises(DeclarationError, match="one: search: no parameter 'depth'"):
        fit(synthetic.model(candidates=(searched,)), searched, logistic(0), *people())


@pytest.mark.parametrize("search", [{"C": []}, {"C": 1.0}])
def test_a_search_must_have_something_to_choose_from(search: Any) -> None:
    with pytest.raises(DeclarationError, match="'C' must be values or a distribution"):
        one(search=search)


def test_rows_that_an_estimator_does_not_take_are_said_in_one_line() -> None:
    rows, labels = people()
    rows.iloc[0, 0] = np.nan
    with pytest.raises(NotTrained, match="one cannot be fitted: Input X contains NaN"):
        fit(synthetic.model(candidates=(one(),)), one(), logistic(0), rows, labels)


def test_importance_ranks_what_the_model_uses() -> None:
    rows, labels = people()
    fitted = logistic(0).fit(rows, labels)
    found = importance("roc_auc", fitted, rows, labels, predict, seed=0)
    assert found["much"] > 10 * found["little"] > 0
    assert abs(found["nothing"]) < 0.005
    assert found == importance("roc_auc", fitted, rows, labels, predict, seed=0)
    assert importance("brier", fitted, rows, labels, predict, seed=0)["much"] > 0.05


def test_a_feature_that_knows_the_answer_stands_out_alone_in_either_direction() -> None:
    rows, labels = people()
    rows["answer"] = -labels.astype(float)
    rows["absent"] = np.where(labels, np.nan, 1.0)
    found = alone(rows, labels)
    assert found["answer"] == found["absent"] == 1.0
    assert 0.5 <= found["nothing"] < 0.55
    assert found["much"] < 0.98


def test_calibration_error_is_how_far_probabilities_are_off() -> None:
    random = np.random.default_rng(0)
    scores = random.random(50_000)
    truth = random.random(50_000) < scores
    assert metrics.calibration_error(truth, scores) < 0.01
    assert metrics.calibration_error(truth, scores**3) == pytest.approx(0.25, abs=0.02)
    assert metrics.calibration_error(truth[:300], scores[:300]) < 0.08
    assert metrics.calibration_error(truth[:5], scores[:5]) <= 1

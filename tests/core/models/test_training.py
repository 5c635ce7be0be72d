import textwrap
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.svm import LinearSVC

from catalog.kinds import DeclarationError, Model
from core import lake
from core.errors import NotTrained
from core.models import artifacts, fitting, registry, runs, training
from tests.core import synthetic

AS_OF = synthetic.START + timedelta(days=45)


@pytest.fixture
def shop(home: Path, tmp_path: Path) -> Any:
    declared = synthetic.dataset(tmp_path, synthetic.buys())
    synthetic.load(declared)
    return declared


def fit(model: Model, shop: Any, as_of: date = AS_OF) -> training.Fitted:
    planned = training.plan(model, {"buys": shop}, as_of)
    training.prepare(model, {"buys": shop}, planned)
    return training.fit(model, model.candidates[0], planned)


def test_the_two_cut_offs_lie_a_horizon_apart_and_nothing_reaches_over(shop: Any) -> None:
    model = synthetic.model()
    planned = training.plan(model, {"buys": shop}, AS_OF)
    training.prepare(model, {"buys": shop}, planned)
    assert planned.holdout_day == AS_OF - timedelta(days=10)
    assert planned.train_day == AS_OF - timedelta(days=20)
    rows = synthetic.buys()
    rows["at"], rows["customer"] = pd.to_datetime(rows["at"]), rows["customer"].astype("str")
    for (features, labels), cut in (
        (training.training_set(planned), planned.train_day),
        (training.holdout(planned), planned.holdout_day),
    ):
        start, end = (pd.Timestamp(cut + timedelta(days=days), tz="UTC") for days in (0, 10))
        assert len(features) == rows[rows["at"] < start]["customer"].nunique()
        window = rows[(rows["at"] >= start) & (rows["at"] < end)]
        assert (labels == labels.index.isin(window["customer"])).all()


def test_a_candidate_is_fitted_judged_and_stored(shop: Any) -> None:
    found = fit(synthetic.model(), shop)
    estimator, manifest = artifacts.load(found.artifact)
    planned = training.plan(synthetic.model(), {"buys": shop}, AS_OF)
    rows, truth = training.holdout(planned)
    scores = fitting.predict(estimator, rows)
    assert found.metric.value == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
    assert found.metric.value > 0.6
    assert manifest["features"] == list(rows.columns)
    assert manifest["rows"]["holdout"] == len(rows)
    [run] = lake.read(runs.TABLE).to_pylist()
    assert (run["fingerprint"], run["as_of"], run["seed"]) == (found.fingerprint, AS_OF, 0)
    assert (run["value"], run["low"]) == (found.metric.value, found.metric.low)


def test_the_same_is_never_fitted_twice(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = []
    fit_one = fitting.fit
    monkeypatch.setattr(fitting, "fit", lambda *given: fits.append(given) or fit_one(*given))
    first, second = fit(synthetic.model(), shop), fit(synthetic.model(), shop)
    assert len(fits) == 1
    assert (first.reused, second.reused) == (False, True)
    assert first.artifact == second.artifact and first.metric == second.metric
    assert lake.read(runs.TABLE).num_rows == 1


def test_a_run_killed_before_its_row_gets_it_from_the_next(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*given: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(runs, "record", killed)
        fit(synthetic.model(), shop)
    assert lake.read(runs.TABLE) is None
    assert fit(synthetic.model(), shop).reused
    assert lake.read(runs.TABLE).num_rows == 1


def test_a_training_counts_as_done_once_it_was_judged(shop: Any) -> None:
    assert runs.trained_as_of("returns") == []
    found = fit(synthetic.model(), shop)
    assert runs.trained_as_of("returns") == []
    registry.register("returns", found.artifact, by="gate", reason="keep: worse")
    assert runs.trained_as_of("returns") == [AS_OF]
    fit(synthetic.model(), shop, AS_OF + timedelta(days=1))
    assert runs.trained_as_of("returns") == [AS_OF]


FEATURES = """
    import pandas as pd

    def features(as_of, buys):
        return pd.DataFrame({"count": buys.groupby("customer").size() * 2.0})
"""


def written(text: str) -> Any:
    space: dict[str, Any] = {"__name__": "catalog.models.returns"}
    exec(textwrap.dedent(text), space)
    return space["features"]


def test_the_fingerprint_changes_with_what_makes_another_model(shop: Any) -> None:
    def strong(seed: int) -> Any:
        return LogisticRegression(C=0.01, random_state=seed)

    def weak(seed: int) -> Any:
        return LogisticRegression(C=1.0, random_state=seed)

    def label(entities: pd.Index, buys: pd.DataFrame) -> "pd.Series[bool]":
        return ~synthetic.label(entities, buys)

    models = [
        synthetic.model(),
        synthetic.model(seed=1),
        synthetic.model(metric="brier"),
        synthetic.model(horizon_days=9),
        synthetic.model(label=label),
        synthetic.model(inputs={"buys": ("customer", "amount", "at")}),
        synthetic.model(candidates=(synthetic.candidate(strong),)),
        synthetic.model(candidates=(synthetic.candidate(weak),)),
        synthetic.model(features=written(FEATURES)),
        synthetic.model(features=written(FEATURES.replace("2.0", "3.0"))),
    ]
    prints = [fit(model, shop).fingerprint for model in models]
    assert len(set(prints)) == len(models)
    assert fit(synthetic.model(), shop, AS_OF + timedelta(days=1)).fingerprint not in prints


def test_the_fingerprint_ignores_comments_and_later_days(home: Path, tmp_path: Path) -> None:
    rows = synthetic.buys()
    model = synthetic.model(features=written(FEATURES))
    declared = synthetic.dataset(tmp_path, rows)
    synthetic.load(declared, days=45)
    first = fit(model, declared)
    synthetic.load(declared, days=5, start=AS_OF)
    commented = FEATURES.replace("    return", "    # twice\n            return")
    later = fit(synthetic.model(features=written(commented)), declared)
    assert (later.fingerprint, later.reused) == (first.fingerprint, True)


def test_the_fingerprint_changes_when_a_day_before_is_put_right(home: Path, tmp_path: Path) -> None:
    rows = synthetic.buys()
    declared = synthetic.dataset(tmp_path, rows)
    synthetic.load(declared)
    first = fit(synthetic.model(), declared)
    rows.loc[0, "amount"] += 1
    declared = synthetic.dataset(tmp_path, rows)
    synthetic.load(declared)
    assert fit(synthetic.model(), declared).fingerprint != first.fingerprint


def test_a_missing_day_stops_training_with_the_reason(home: Path, tmp_path: Path) -> None:
    declared = synthetic.dataset(tmp_path, synthetic.buys())
    synthetic.load(declared, days=20)
    synthetic.load(declared, days=29, start=synthetic.START + timedelta(days=21))
    with pytest.raises(NotTrained, match="buys 2024-01-21 has not been loaded"):
        fit(synthetic.model(), declared)
    with pytest.raises(NotTrained, match="buys 2024-02-20 has not been loaded"):
        synthetic.load(declared, days=21)
        fit(synthetic.model(), declared, synthetic.START + timedelta(days=60))


def test_a_refused_day_stops_training_with_the_reason(home: Path, tmp_path: Path) -> None:
    rows = synthetic.buys()
    rows.loc[rows["at"].str.startswith("2024-01-11"), "amount"] = -1.0
    declared = synthetic.dataset(tmp_path, rows)
    assert synthetic.load(declared).refused
    with pytest.raises(NotTrained, match="buys 2024-01-11 was refused: .* rows are bad"):
        fit(synthetic.model(), declared)
    with pytest.raises(NotTrained, match="never been loaded"):
        other = synthetic.model(
            inputs={"other": ("customer",)},
            features=lambda as_of, other: 0,
            label=lambda entities, other: 0,
        )
        fit(other, declared)


def test_too_short_a_history_names_the_first_possible_day(shop: Any) -> None:
    first = synthetic.START + timedelta(days=21)
    for as_of in (first - timedelta(days=1), first - timedelta(days=9)):
        with pytest.raises(NotTrained, match=f"as of {first}, the first possible day"):
            training.plan(synthetic.model(), {"buys": shop}, as_of)
    assert fit(synthetic.model(), shop, first).metric.value > 0


def test_one_class_alone_is_nothing_to_learn(shop: Any) -> None:
    def always(entities: pd.Index, buys: pd.DataFrame) -> "pd.Series[bool]":
        return pd.Series(True, index=entities)

    with pytest.raises(NotTrained, match="every label at .* is True"):
        fit(synthetic.model(label=always), shop)


def test_what_cannot_be_fitted_is_one_line(shop: Any) -> None:
    def gaps(as_of: pd.Timestamp, buys: pd.DataFrame) -> pd.DataFrame:
        return synthetic.features(as_of, buys).replace({"count": {1: np.nan}})

    with pytest.raises(NotTrained, match="logistic cannot be fitted: Input X contains NaN") as nan:
        fit(synthetic.model(features=gaps), shop)
    assert "\n" not in str(nan.value)
    candidates = (synthetic.candidate(lambda seed: LinearSVC(), name="svc"),)
    with pytest.raises(DeclarationError, match="returns.py: candidates: svc gives no prob"):
        fit(synthetic.model(candidates=candidates), shop)


def test_a_score_is_the_probability_of_true_whatever_the_order_of_classes() -> None:
    rows = pd.DataFrame({"a": [0.0, 1.0]})
    always = DummyClassifier(strategy="constant", constant=True).fit(rows, [True, False])
    assert fitting.predict(always, rows).tolist() == [1, 1]

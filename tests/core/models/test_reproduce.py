import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from catalog.kinds import Candidate, Model
from core import care, lake
from core.models import artifacts, golden, registry, training
from core.models import reproduce as reproducing
from core.models.reproduce import Reproduced
from tests.core import synthetic

AS_OF = synthetic.START + timedelta(days=45)
CANDIDATES = (
    Candidate(name="logistic", estimator=synthetic.logistic),
    Candidate(
        name="boosting",
        estimator=lambda seed: HistGradientBoostingClassifier(max_iter=20, random_state=seed),
    ),
    Candidate(
        name="forest",
        estimator=lambda seed: RandomForestClassifier(n_estimators=20, random_state=seed),
    ),
    Candidate(
        name="searched",
        estimator=lambda seed: LogisticRegression(random_state=seed),
        search={"C": [0.01, 0.1, 1.0, 10.0]},
        tries=4,
    ),
)


@pytest.fixture
def shop(home: Path, tmp_path: Path) -> Any:
    declared = synthetic.dataset(tmp_path, synthetic.buys())
    synthetic.load(declared)
    return declared


def train(model: Model, shop: Any) -> None:
    """Every candidate becomes a version."""
    planned = training.plan(model, {"buys": shop}, AS_OF)
    training.prepare(model, {"buys": shop}, planned)
    for candidate in model.candidates:
        fitted = training.fit(model, candidate, planned)
        registry.register(model.name, fitted.artifact, by="test", reason="a test")


def again(model: Model, shop: Any, number: int = 1) -> Reproduced:
    return reproducing.reproduce(model, {"buys": shop}, registry.get(model.name, number))


def different(found: Reproduced) -> list[str]:
    return [check.what for check in found.checks if not check.same]


@pytest.mark.filterwarnings("ignore")  # a search on so few rows
def test_every_version_is_made_again_to_the_last_bit(shop: Any) -> None:
    model = synthetic.model(candidates=CANDIDATES, seed=7)
    train(model, shop)
    for version in registry.versions("returns"):
        found = again(model, shop, version.number)
        assert (found.outcome, different(found)) == ("bit for bit", [])
        assert found.candidate == CANDIDATES[version.number - 1].name
        assert found.differences == ()


def test_sampled_and_pruned_versions_are_made_again_too(shop: Any) -> None:
    model = synthetic.model(max_entities=100, max_features=2)
    train(model, shop)
    for declared in (model, replace(model, max_entities=50, max_features=0)):
        found = again(declared, shop)
        assert (found.outcome, different(found)) == ("bit for bit", [])


def test_neither_later_days_nor_corrections_nor_care_change_what_is_made(
    shop: Any, tmp_path: Path
) -> None:
    model = synthetic.model()
    train(model, shop)
    assert synthetic.load(synthetic.dataset(tmp_path, synthetic.buys(seed=9))).changed
    care.maintain()
    found = again(model, shop)
    assert (found.outcome, different(found)) == ("bit for bit", [])


@pytest.mark.parametrize("live", [True, False])
def test_a_live_versions_rows_survive_care_and_a_retired_ones_need_not(
    shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, live: bool
) -> None:
    """As after the week for which everything is kept."""
    train(synthetic.model(), shop)
    if not live:
        registry.close("returns", 1, "retired", by="test", reason="a test")
    synthetic.load(synthetic.dataset(tmp_path, synthetic.buys(seed=9)))
    for name in care.tables():
        table = lake.open_table(name)
        assert table is not None
        table.alter.set_table_properties({"delta.deletedFileRetentionDuration": "interval 0 hours"})
    monkeypatch.setattr(care, "KEEP_HOURS", 0)
    [buys] = [done for done in care.maintain(keep_hours=0) if done.table == "buys"]
    found = again(synthetic.model(), shop)
    if live:
        assert (buys.files_removed, found.outcome) == (0, "bit for bit")
    else:
        assert buys.files_removed
        assert (found.outcome, found.checks[-1].what) == ("not reproduced", "made again")


def test_nothing_is_written(shop: Any, home: Path) -> None:
    model = synthetic.model()
    train(model, shop)
    before = sorted(path for path in home.rglob("*"))
    again(model, shop)
    assert sorted(path for path in home.rglob("*")) == before


def test_the_recorded_seed_and_horizon_count_not_todays(shop: Any) -> None:
    model = synthetic.model(candidates=CANDIDATES[2:3], seed=3)
    train(model, shop)
    assert again(replace(model, seed=4, horizon_days=5), shop).outcome == "bit for bit"


def test_without_the_kept_snapshots_it_is_made_from_the_tables_alone(shop: Any, home: Path) -> None:
    model = synthetic.model()
    train(model, shop)
    shutil.rmtree(home / "models" / "returns" / "snapshots")
    found = again(model, shop)
    assert found.outcome == "bit for bit"
    assert any("nothing to compare with" in check.detail for check in found.checks)


def test_other_parameters_are_named(shop: Any) -> None:
    def strong(seed: int) -> Any:
        return LogisticRegression(C=0.01, random_state=seed)

    def weak(seed: int) -> Any:
        return LogisticRegression(C=1.0, random_state=seed)

    train(synthetic.model(candidates=(synthetic.candidate(strong),)), shop)
    found = again(synthetic.model(candidates=(synthetic.candidate(weak),)), shop)
    assert found.outcome == "not reproduced"
    assert different(found) == ["parameters", "estimator", "predictions"]
    [said] = [check.detail for check in found.checks if check.what == "parameters"]
    assert said == "C was 0.01, is 1.0"


def test_other_features_of_other_code_are_named(shop: Any) -> None:
    def features(as_of: pd.Timestamp, buys: pd.DataFrame) -> pd.DataFrame:
        return synthetic.features(as_of, buys).assign(count=lambda rows: rows["count"] * 2)

    train(synthetic.model(), shop)
    found = again(synthetic.model(features=features), shop)
    assert found.outcome == "not reproduced"
    assert "code of the features" in different(found)
    assert "features and labels at 2024-01-26" in different(found)


def test_other_code_that_comes_to_the_same_reproduces(shop: Any) -> None:
    def features(as_of: pd.Timestamp, buys: pd.DataFrame) -> pd.DataFrame:
        columns = ["recency", "count", "spent"]
        return synthetic.features(as_of, buys)[columns]

    train(synthetic.model(), shop)
    found = again(synthetic.model(features=features), shop)
    assert (found.outcome, different(found)) == ("bit for bit", ["code of the features"])


def test_a_candidate_or_an_input_that_is_gone_is_named(shop: Any) -> None:
    train(synthetic.model(), shop)
    others = synthetic.model(candidates=(synthetic.candidate(synthetic.stump),))
    assert different(again(others, shop)) == ["candidate"]
    wider = synthetic.model(inputs={"buys": ("customer", "at", "amount", "shop")})
    found = again(wider, shop)
    assert different(found) == ["inputs"]
    assert found.checks[-1].detail == "buys had no column 'shop' in version 1"


def test_a_table_version_that_is_gone_is_no_traceback(shop: Any, home: Path) -> None:
    train(synthetic.model(), shop)
    for path in (home / "tables" / "buys").glob("*/*.parquet"):
        path.unlink()
    found = again(synthetic.model(), shop)
    assert found.outcome == "not reproduced"
    assert "table buys is damaged" in found.checks[-1].detail


def test_a_damaged_artifact_is_not_reproduced(shop: Any, home: Path) -> None:
    train(synthetic.model(), shop)
    path = home / registry.get("returns", 1).artifact.path
    (path / artifacts.MODEL_FILE).write_bytes(b"x")
    assert "has been changed" in again(synthetic.model(), shop).checks[-1].detail
    (path / artifacts.MANIFEST_FILE).write_bytes(b"x")
    found = again(synthetic.model(), shop)
    assert different(found) == ["artifact"]
    assert found.outcome == "not reproduced"


def made_with(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if these libraries were of another version than those the model was fitted with."""
    really = artifacts.installed

    def installed(name: str) -> str:
        return version if name == "scikit-learn" else really(name)

    monkeypatch.setattr(artifacts, "installed", installed)


def test_under_other_libraries_it_is_said_which_and_compared_within_tolerance(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(synthetic.model(), shop)
    here = artifacts.libraries()["scikit-learn"]
    made_with(there := f"{here}.post1", monkeypatch)
    monkeypatch.setattr(artifacts, "ZLIB_LEVEL", 1)  # so are its bytes
    found = again(synthetic.model(), shop)
    assert found.outcome == "within tolerance"
    assert found.differences == (f"scikit-learn was {here}, is {there}",)
    assert different(found) == ["estimator"]


def test_of_a_release_that_cannot_be_unpickled_the_golden_rows_speak(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(synthetic.model(), shop)
    estimator, manifest = artifacts.load(registry.get("returns", 1).artifact)
    rows = pd.DataFrame({name: [1.0, 2.0, 3.0] for name in manifest["features"]})
    known = {**manifest, "golden": golden.of(estimator, rows)}
    monkeypatch.setattr(artifacts, "manifest", lambda artifact: known)
    made_with("9.9.9", monkeypatch)
    monkeypatch.setattr(artifacts, "ZLIB_LEVEL", 1)
    found = again(synthetic.model(), shop)
    assert found.outcome == "within tolerance"
    assert found.checks[-1].detail == "3 golden rows, every bit of each score"
    known["golden"]["scores"][0] += 0.001
    assert again(synthetic.model(), shop).outcome == "not reproduced"
    del known["golden"]
    assert "was made with scikit-learn" in again(synthetic.model(), shop).checks[-1].detail

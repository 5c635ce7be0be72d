import sys
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from core import lake
from core.errors import ArtifactRefused, ModelRefused, NotTrained
from core.models import artifacts, features, registry, scoring, training
from core.serving.champion import load
from core.serving.log import Answered, RequestLog
from core.serving.metrics import Metrics
from core.serving.rows import Rows
from core.watch import drift, monitoring, performance, performance_table, reference
from core.watch.drift import Measured
from core.watch.monitoring import Watched
from tests.core import synthetic

WHO = {"by": "ann", "reason": "test"}
MODEL = synthetic.model(horizon_days=8)


def on(days: int) -> date:
    return synthetic.START + timedelta(days=days)


def serve(folder: Path, rows: pd.DataFrame | None = None, kind: type = str) -> Any:
    """A shop of 50 days with a champion as of day 30, and days 30 and 31 scored."""
    found = synthetic.buys() if rows is None else rows
    shop = synthetic.dataset(folder, found, kind=kind)
    synthetic.load(shop)
    planned = training.plan(MODEL, {"buys": shop}, on(30))
    training.prepare(MODEL, {"buys": shop}, planned)
    fitted = training.fit(MODEL, MODEL.candidates[0], planned)
    registry.promote("returns", registry.register("returns", fitted.artifact, **WHO), **WHO)
    for days in (30, 31):
        scoring.score(MODEL, {"buys": shop}, on(days))
    return shop


@pytest.fixture
def shop(home: Path, tmp_path: Path) -> Any:
    return serve(tmp_path)


def monitor(shop: Any, days: int) -> Watched:
    if days > 31:
        scoring.score(MODEL, {"buys": shop}, on(days))
    return monitoring.monitor(MODEL, {"buys": shop}, on(days))


ALL = ["count", "recency", "spent", "score", "all features"]


def test_every_feature_and_the_score_are_compared_with_training(shop: Any) -> None:
    watched = monitor(shop, 30)
    assert [each.feature for each in watched.drift] == ALL
    rows = lake.read(monitoring.DRIFT_TABLE).to_pylist()
    assert [row["feature"] for row in rows] == ALL
    assert {(row["model"], row["day"], row["version"]) for row in rows} == {("returns", on(30), 1)}
    assert rows[0]["psi"] == watched.drift[0].psi and rows[0]["psi_limit"] == 0.1
    assert watched.realised == ()


def test_monitoring_again_changes_nothing_and_says_the_same(shop: Any) -> None:
    first = monitor(shop, 39)
    versions = [lake.version(name) for name in ("drift", "performance")]
    again = monitor(shop, 39)
    assert (first.changed, again.changed) == (True, False)
    assert [lake.version(name) for name in ("drift", "performance")] == versions
    assert again.drift == first.drift
    assert again.realised == first.realised and len(again.realised) == 2


@pytest.mark.parametrize("kind", [str, int])
def test_the_metric_is_realised_on_the_day_the_horizon_is_over(
    home: Path, tmp_path: Path, kind: type
) -> None:
    shop = serve(tmp_path, kind=kind)
    assert monitor(shop, 37).realised == ()
    [found] = monitor(shop, 38).realised
    assert (found.day, found.version, found.metric) == (on(30), 1, "roc_auc")
    rows = lake.read("returns_predictions", lake.equal(day=on(30))).to_pandas()
    buys = synthetic.buys()
    later = buys[(buys["at"] >= str(on(30))) & (buys["at"] < str(on(38)))]["customer"]
    truth = rows["entity"].isin(later.astype("str"))
    assert found.estimate.value == pytest.approx(roc_auc_score(truth, rows["score"]), abs=1e-12)
    assert found.rows == len(rows) and found.verdict == "as promised"
    assert [each.day for each in monitor(shop, 39).realised] == [on(31)]
    assert lake.read(monitoring.PERFORMANCE_TABLE, lake.equal(kind="realised")).num_rows == 2


def test_no_label_is_taken_from_a_horizon_with_a_refused_day(home: Path, tmp_path: Path) -> None:
    shop = serve(tmp_path)
    rows = synthetic.buys()
    broken = rows.assign(amount=rows["amount"].mask(rows["at"].str.startswith(str(on(36))), -1.0))
    synthetic.load(synthetic.dataset(tmp_path, broken))
    assert monitor(shop, 40).realised == ()
    synthetic.load(synthetic.dataset(tmp_path, rows))
    assert [each.day for each in monitor(shop, 41).realised] == [on(30), on(31)]


def test_no_label_is_taken_from_days_that_are_not_loaded(home: Path, tmp_path: Path) -> None:
    early = synthetic.buys()
    shop = synthetic.dataset(tmp_path, early)
    synthetic.load(shop, days=30)
    planned = training.plan(MODEL, {"buys": shop}, on(30))
    training.prepare(MODEL, {"buys": shop}, planned)
    fitted = training.fit(MODEL, MODEL.candidates[0], planned)
    registry.promote("returns", registry.register("returns", fitted.artifact, **WHO), **WHO)
    scoring.score(MODEL, {"buys": shop}, on(30))
    synthetic.load(shop, days=12, start=on(31))  # all but the first day of the horizon
    assert monitor(shop, 43).realised == ()


def overwrite(days: int, change: Any) -> None:
    where = lake.equal(day=on(days))
    rows = lake.read("returns_predictions", where)
    scores = pa.array(change(rows["score"].to_numpy()), pa.float64())
    changed = rows.set_column(rows.schema.get_field_index("score"), "score", scores)
    lake.replace("returns_predictions", changed.to_reader, where, schema=rows.schema)


def test_a_model_that_no_longer_holds_its_promise_has_decayed(shop: Any) -> None:
    overwrite(30, lambda scores: 1 - scores)
    first, second = monitor(shop, 39).realised
    assert (first.verdict, second.verdict) == ("decayed", "as promised")
    assert first.estimate.high < first.promised.low
    rows = lake.read(monitoring.PERFORMANCE_TABLE, lake.equal(verdict="decayed")).to_pylist()
    assert [(row["day"], row["kind"], row["measured_on"]) for row in rows] == [
        (on(30), "realised", on(39))
    ]


def test_scores_that_move_are_drift(shop: Any) -> None:
    overwrite(30, lambda scores: np.clip(scores + 0.5, 0, 1))
    assert "score" in monitor(shop, 30).drifted


def test_a_shop_whose_customers_spend_ten_times_more_has_drifted(
    home: Path, tmp_path: Path
) -> None:
    shop = serve(tmp_path)
    before = {each.feature: each for each in monitor(shop, 30).drift}
    rows = synthetic.buys()
    rows["amount"] *= 10
    synthetic.load(synthetic.dataset(tmp_path, rows))
    watched = monitor(shop, 30)
    after = {each.feature: each for each in watched.drift}
    assert "spent" in watched.drifted
    assert after["spent"].psi > 3 * before["spent"].psi
    assert after["count"] == before["count"]


def test_a_day_without_predictions_is_one_line(shop: Any) -> None:
    with pytest.raises(NotTrained, match="returns 2024-02-02: nothing was scored; python -m"):
        monitoring.monitor(MODEL, {"buys": shop}, on(32))


def test_predictions_of_a_version_nobody_knows_are_one_line(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "versions", lambda model: [])
    with pytest.raises(ModelRefused, match="predictions name version 1"):
        monitor(shop, 30)


def test_a_look_back_at_an_earlier_day_or_a_former_champion_is_no_news(shop: Any) -> None:
    earlier, later = monitor(shop, 30), monitor(shop, 31)
    assert (monitoring.is_news(earlier), monitoring.is_news(later)) == (False, True)
    registry.close("returns", 1, "retired", **WHO)
    assert not monitoring.is_news(later)


def slices_of(names: tuple[str, ...]) -> dict[str, Any]:
    """The first half of the customers, and the rest."""
    known = {
        "early": lambda rows: rows["recency"] <= rows["recency"].median(),
        "late": lambda rows: rows["recency"] > rows["recency"].median(),
    }
    return {name: known[name] for name in names}


@pytest.fixture
def sliced(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The model with two slices."""
    found = synthetic.model(horizon_days=8, slices=slices_of(("early", "late")))
    monkeypatch.setattr(sys.modules[__name__], "MODEL", found)
    return found


def test_slices_are_compared_with_their_own_reference(
    home: Path, tmp_path: Path, sliced: Any
) -> None:
    watched = monitor(serve(tmp_path), 30)
    of_slices = [(each.feature, each.slice) for each in watched.drift if each.slice]
    assert of_slices == [(name, of) for of in ("early", "late") for name in sorted(ALL[:4])]
    rows = {each.slice: each.rows for each in watched.drift if each.feature == "score"}
    assert rows["early"] + rows["late"] == rows[""]


def test_a_slice_that_decays_is_found_where_the_whole_keeps_its_promise(
    home: Path, tmp_path: Path, sliced: Any
) -> None:
    shop = serve(tmp_path)
    rows = lake.read("returns_predictions", lake.equal(day=on(30))).to_pandas()
    versions = {"buys": lake.version("buys")}
    known = features.snapshot(MODEL, {"buys": shop}, versions, on(30)).features
    late = rows["entity"].isin(known.index[MODEL.slices["late"](known)]).to_numpy()
    overwrite(30, lambda scores: np.where(late, -scores, scores))
    realised = {each.slice: each for each in monitor(shop, 38).realised}
    assert {name: each.verdict for name, each in realised.items()} == {
        "": "as promised",
        "early": "as promised",
        "late": "decayed",
    }
    assert realised["early"].rows + realised["late"].rows == realised[""].rows


def test_a_slice_declared_since_the_training_has_no_reference_yet(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = serve(tmp_path)
    found = synthetic.model(horizon_days=8, slices=slices_of(("early",)))
    monkeypatch.setattr(sys.modules[__name__], "MODEL", found)
    assert {each.slice for each in monitor(shop, 38).drift} == {""}
    assert {each.slice for each in monitor(shop, 38).realised} == {""}


def test_the_metric_is_estimated_on_the_day_and_stands_beside_the_realised_one(shop: Any) -> None:
    [estimated] = monitor(shop, 30).estimated
    assert estimated.verdict == "as promised"
    assert estimated.estimate.low < estimated.estimate.value < estimated.estimate.high
    [realised] = monitor(shop, 38).realised
    assert realised.estimated == estimated.estimate
    assert estimated.estimate.low < realised.estimate.value < estimated.estimate.high
    rows = lake.read(monitoring.PERFORMANCE_TABLE, lake.equal(day=on(30))).to_pylist()
    assert {(row["kind"], row["estimated"]) for row in rows} == {
        ("estimated", None),
        ("realised", estimated.estimate.value),
    }


def test_scores_that_no_longer_tell_apart_are_a_drop_before_any_label(
    home: Path, tmp_path: Path
) -> None:
    shop = serve(tmp_path, synthetic.buys(customers=2_000))
    overwrite(30, lambda scores: np.full(len(scores), scores.mean()) + 1e-9 * scores)
    watched = monitor(shop, 30)
    assert [each.verdict for each in watched.dropping] == ["drop expected"]
    assert watched.realised == ()


def test_what_the_api_was_asked_is_compared_with_the_same_reference(shop: Any) -> None:
    assert not of_requests(monitor(shop, 30))
    champion = load("returns", 1, registry.champion("returns").artifact)
    random, log = np.random.default_rng(0), RequestLog("returns", Metrics())
    numbers = Rows(random.gamma(2, 1_000, (150, len(champion.features))), [None] * 150)
    moment = datetime.combine(on(30), time(12), UTC)
    log.add(Answered(champion, numbers, champion.scores(numbers.numbers), moment))
    log.flush()

    found = of_requests(monitor(shop, 30))

    assert list(found) == [f"requests.{name}" for name in ALL[:4]]
    assert {each.rows for each in found.values()} == {150}
    assert found["requests.spent"].verdict == "drifted"
    assert not of_requests(monitor(shop, 31))


def of_requests(watched: Watched) -> dict[str, Measured]:
    return {e.feature: e for e in watched.drift if e.feature.startswith("requests.")}


def test_a_model_of_before_there_were_samples_and_calibrators_is_still_watched(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, manifest = performance.version_of("returns", 1)
    newer = ("calibrator", "promised_slices", "reference_slices")
    older = {name: value for name, value in manifest.items() if name not in newer}
    older["files"] = {artifacts.MODEL_FILE: manifest["files"][artifacts.MODEL_FILE]}
    monkeypatch.setattr(performance, "version_of", lambda *_: (version, older))
    watched = monitor(shop, 38)
    assert [each.feature for each in watched.drift] == ALL[:4]
    assert watched.estimated == () and [each.slice for each in watched.realised] == [""]


def test_features_that_move_only_together_are_seen_by_the_classifier(shop: Any) -> None:
    version, manifest = performance.version_of("returns", 1)
    sample = reference.sample_of(version.artifact, manifest)
    assert sample is not None and sample.shape == (len(sample), 3)
    rows = np.random.default_rng(0).permuted(sample, axis=0)
    found = drift.measure_jointly(np.tile(sample, (4, 1)), np.tile(rows, (4, 1)), MODEL.drift, 0)
    assert found.verdict == "drifted"
    assert monitor(shop, 30).drift[-1].reference_rows == len(sample)


def test_a_changed_sample_is_refused(shop: Any, home: Path) -> None:
    place = registry.champion("returns").artifact.path
    (home / place / reference.FILE).write_bytes(b"other")
    with pytest.raises(ArtifactRefused, match=r"reference\.npy has been changed"):
        monitor(shop, 30)


def test_tables_of_before_the_new_columns_are_read_and_widened(shop: Any) -> None:
    newer = {"slice", "chi2", "chi2_p_value", "jensen_shannon", "wasserstein", "auc", "p_value"}
    newer |= {"estimated", "estimated_low", "estimated_high"}
    known = {"model": "returns", "day": on(30), "version": 1, "kind": "realised"}
    known |= {"value": 0.7, "low": 0.6, "high": 0.8, "verdict": "as promised"}
    known |= {"promised": 0.7, "promised_low": 0.6, "promised_high": 0.8, "measured_on": on(38)}
    for name, whole in (
        ("drift", monitoring.DRIFT_SCHEMA),
        ("performance", performance_table.SCHEMA),
    ):
        older = pa.schema([field for field in whole if field.name not in newer])
        lake.append(name, pa.Table.from_pylist([known], schema=older), partition_by=["model"])
    [realised] = monitor(shop, 38).realised
    assert (realised.day, realised.slice, realised.estimated) == (on(30), "", None)
    assert not monitor(shop, 38).changed

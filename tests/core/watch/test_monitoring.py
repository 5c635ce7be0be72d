from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from core import lake
from core.errors import ModelRefused, NotTrained
from core.models import registry, scoring, training
from core.watch import monitoring
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


def test_every_feature_and_the_score_are_compared_with_training(shop: Any) -> None:
    watched = monitor(shop, 30)
    assert [each.feature for each in watched.drift] == ["count", "recency", "spent", "score"]
    rows = lake.read(monitoring.DRIFT_TABLE).to_pylist()
    assert [row["feature"] for row in rows] == ["count", "recency", "spent", "score"]
    assert {(row["model"], row["day"], row["version"]) for row in rows} == {("returns", on(30), 1)}
    assert rows[0]["psi"] == watched.drift[0].psi and rows[0]["psi_limit"] == 0.25
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
    assert lake.read(monitoring.PERFORMANCE_TABLE).num_rows == 2


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

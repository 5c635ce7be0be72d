from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest

from catalog.kinds import Dataset, Model
from core import care, lake
from core.errors import UsageError
from core.intervals import DAY
from core.models import artifacts, lineage, registry, scoring, training
from core.models.lineage import Lineage
from tests.core import synthetic

AS_OF = synthetic.START + timedelta(days=40)
DAY_SCORED = AS_OF + DAY
MODEL = synthetic.model()


@pytest.fixture
def shop(home: Path, tmp_path: Path) -> Dataset:
    declared = synthetic.dataset(tmp_path, synthetic.buys())
    synthetic.load(declared, days=41)
    train(MODEL, declared)
    scoring.score(MODEL, {"buys": declared}, DAY_SCORED)
    return declared


def train(model: Model, shop: Dataset, as_of: date = AS_OF) -> None:
    planned = training.plan(model, {"buys": shop}, as_of)
    training.prepare(model, {"buys": shop}, planned)
    fitted = training.fit(model, model.candidates[0], planned)
    number = registry.register(model.name, fitted.artifact, by="gate", reason="it is better")
    registry.promote(model.name, number, by="ann", reason="the shop asked")


def why(shop: Dataset, entity: str = "7", model: Model = MODEL, day: date = DAY_SCORED) -> Lineage:
    return lineage.why(model, {"buys": shop}, entity, day)


def bought(entity: int, rows: pd.DataFrame | None = None) -> pd.DataFrame:
    rows = synthetic.buys() if rows is None else rows
    mine = rows[rows["customer"] == entity].assign(at=lambda f: pd.to_datetime(f["at"]))
    return mine[mine["at"] < pd.Timestamp(DAY_SCORED, tz="UTC")]


def test_a_prediction_leads_to_its_features_and_its_model(shop: Dataset) -> None:
    found, mine = why(shop), bought(7)
    [recorded] = lake.read("returns_predictions", lake.equal(entity="7")).to_pylist()
    assert (found.score, found.data_version) == (recorded["score"], recorded["data_version"])
    assert found.features == {
        "recency": (pd.Timestamp(DAY_SCORED, tz="UTC") - mine["at"].max()).days,
        "count": len(mine),
        "spent": pytest.approx(mine["amount"].sum()),
    }
    assert found.again == pytest.approx(found.score, abs=1e-12)
    assert (found.table_versions, found.note) == ({"buys": lake.version("buys")}, "")
    trained = found.trained
    assert (trained.version, trained.state, trained.candidate) == (1, "champion", "logistic")
    assert trained.sha256 == registry.get("returns", 1).artifact.sha256
    assert (trained.first_day, trained.as_of) == (synthetic.START, AS_OF)
    assert trained.train_day == AS_OF - timedelta(days=20)
    assert trained.holdout_day == AS_OF - timedelta(days=10)
    assert trained.unchanged
    assert [each[:3] for each in trained.decisions] == [
        ("registered", "gate", "it is better"),
        ("promoted", "ann", "the shop asked"),
    ]


def test_it_leads_to_the_landed_file_and_the_checks_its_rows_passed(
    shop: Dataset, home: Path
) -> None:
    [source] = why(shop).sources
    assert sha256((home / source.path).read_bytes()).hexdigest() == source.sha256
    days = bought(7)["at"].dt.date
    assert (source.rows, source.days) == (len(days), days.nunique())
    assert (source.first_day, source.last_day) == (days.min(), days.max())
    rows = synthetic.buys()
    of_all = pd.to_datetime(rows["at"]).dt.date.isin(set(days)).sum()
    assert (source.rows_good, source.rows_bad, source.contract) == (of_all, 0, 1)
    assert source.checks == (
        "customer string, never null",
        "at datetime, never null",
        "amount float, never null",
        "amount greater_than_or_equal_to(min_value=0)",
    )
    assert why(shop).trained.files == {"buys": (source.sha256,)}


def test_a_file_that_is_gone_is_still_named(shop: Dataset, home: Path) -> None:
    [source] = why(shop).sources
    (home / source.path).unlink()
    assert why(shop).sources == (replace(source, path=""),)


def test_the_label_is_there_when_its_days_are(shop: Dataset) -> None:
    found = why(shop)
    assert (found.label, found.label_day) == (None, DAY_SCORED + timedelta(days=10))
    assert found.label_note == f"buys {DAY_SCORED} has not been loaded"
    synthetic.load(shop, days=9, start=DAY_SCORED)
    assert why(shop).label_note == f"buys {DAY_SCORED + timedelta(days=9)} has not been loaded"
    rows = synthetic.buys(days=60)
    shop = synthetic.dataset(Path(shop.source.path).parent, rows)
    synthetic.load(shop, days=60)
    at = pd.to_datetime(rows["at"]).dt.date
    horizon = rows[(at >= DAY_SCORED) & (at < found.label_day)]
    entities = lake.read("returns_predictions")["entity"].to_pylist()[:8]
    for entity in entities:
        found = why(shop, entity)
        assert found.label is (int(entity) in set(horizon["customer"]))
        assert found.label_note == ""
    assert 0 < sum(int(entity) in set(horizon["customer"]) for entity in entities) < 8


def test_after_a_correction_the_features_are_those_of_then(shop: Dataset, tmp_path: Path) -> None:
    before, rows = why(shop), synthetic.buys()
    rows.loc[rows["customer"] == 7, "amount"] += 100
    corrected = synthetic.dataset(tmp_path, rows)
    synthetic.load(corrected, days=41)
    care.maintain()
    now = why(corrected)
    assert now.features == before.features and now.again == before.again
    assert (now.table_versions, now.sources) == (before.table_versions, before.sources)
    assert not now.trained.unchanged
    scoring.score(MODEL, {"buys": corrected}, DAY_SCORED)
    assert why(corrected).features["spent"] > before.features["spent"] + 99


def test_later_days_change_nothing(shop: Dataset) -> None:
    before = why(shop)
    synthetic.load(shop, days=5, start=DAY_SCORED)
    after = why(shop)
    assert replace(after, table_versions={}, label_note="") == replace(
        before, table_versions={}, label_note=""
    )


def test_where_the_rows_of_then_are_not_kept_it_says_so(
    shop: Dataset, tmp_path: Path, home: Path
) -> None:
    before = why(shop)
    kept, entered = (list((home / "tables" / t).glob("*/*.parquet")) for t in ("buys", "ledger"))
    synthetic.load(synthetic.dataset(tmp_path, synthetic.buys(seed=9)), days=41)
    for path in kept:
        path.unlink()
    found = why(shop)
    assert (found.features, found.again, found.score) == ({}, None, before.score)
    assert "is kept for a week only, or while a model needs it" in found.note
    for path in entered:
        path.unlink()
    assert "what they were is not known any more" in why(shop).note


def test_a_version_that_may_not_serve_any_more_is_traced_too(shop: Dataset, home: Path) -> None:
    registry.close("returns", 1, "retired", by="ann", reason="too old")
    found = why(shop)
    assert found.trained.state == "retired" and found.again == pytest.approx(found.score)
    (home / registry.get("returns", 1).artifact.path / artifacts.MODEL_FILE).write_bytes(b"x")
    found = why(shop)
    assert found.again is None and "has been changed since it was stored" in found.note


def test_features_of_other_code_are_told_from_those_of_then(shop: Dataset) -> None:
    def features(as_of: pd.Timestamp, buys: pd.DataFrame) -> pd.DataFrame:
        return synthetic.features(as_of, buys).rename(columns={"spent": "money"})

    other = synthetic.model(features=features)
    assert "today's code computes no 'spent'; then it was" in why(shop, model=other).note
    same = synthetic.model(features=lambda as_of, buys: synthetic.features(as_of, buys))
    found = why(shop, model=same)
    assert found.again == pytest.approx(found.score) and "by today's code" in found.note


def test_an_unknown_prediction_is_a_usage_mistake_with_a_hint(shop: Dataset) -> None:
    with pytest.raises(UsageError, match="has no prediction of customer 'nobody'.*such as 1, 10"):
        why(shop, "nobody")
    with pytest.raises(UsageError, match="python -m flows score returns --day 2024-03-01"):
        why(shop, day=date(2024, 3, 1))


def padded(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(customer=[f"{number:05}" for number in rows["customer"]])


@pytest.mark.parametrize("kind", [str, int])
def test_zeros_in_front_may_be_left_out(home: Path, tmp_path: Path, kind: type) -> None:
    rows = padded(synthetic.buys()) if kind is str else synthetic.buys()
    declared = synthetic.dataset(tmp_path, rows, kind=kind)
    synthetic.load(declared, days=41)
    train(MODEL, declared)
    scoring.score(MODEL, {"buys": declared}, DAY_SCORED)
    expected = "00007" if kind is str else "7"
    for name in ("7", "0007", expected):
        found = why(declared, name)
        assert (found.entity, found.features["count"]) == (expected, len(bought(7)))


def test_a_rule_that_only_warns_is_no_check_that_was_passed(home: Path, tmp_path: Path) -> None:
    from catalog.kinds import Tolerance

    lenient = {"amount greater_than_or_equal_to": Tolerance(blocking=False)}
    declared = replace(synthetic.dataset(tmp_path, synthetic.buys()), rules=lenient)
    synthetic.load(declared, days=41)
    train(MODEL, declared)
    scoring.score(MODEL, {"buys": declared}, DAY_SCORED)
    [source] = why(declared).sources
    assert not any("greater_than" in check for check in source.checks)

import os
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from catalog.kinds import Dataset, Reference
from core import lake
from core.models import registry, scoring, training
from core.watch import diagnosis, monitoring
from core.watch.diagnosis import Diagnosis
from tests.core import synthetic

WHO = {"by": "ann", "reason": "test"}
MODEL = synthetic.model(horizon_days=8)
DAYS, TRAINED = 60, 45


def on(days: int) -> date:
    return synthetic.START + timedelta(days=days)


def buys() -> pd.DataFrame:
    return synthetic.buys(days=DAYS)


def loaded(folder: Path, rows: pd.DataFrame) -> dict[str, Dataset]:
    shop = synthetic.dataset(folder, rows)
    synthetic.load(shop, days=DAYS)
    return {"buys": shop}


@pytest.fixture
def shop(home: Path, tmp_path: Path) -> dict[str, Dataset]:
    """60 trusted days of a shop, and a model that was trained as of the 45th and not promoted."""
    found = loaded(tmp_path, buys())
    planned = training.plan(MODEL, found, on(TRAINED))
    training.prepare(MODEL, found, planned)
    fitted = training.fit(MODEL, MODEL.candidates[0], planned)
    registry.register("returns", fitted.artifact, **WHO)
    return found


def serve(shop: dict[str, Dataset], *days: int, watched: bool = True) -> None:
    registry.promote("returns", 1, **WHO)
    for day in days or (DAYS - 1, DAYS):
        scoring.score(MODEL, shop, on(day))
        if watched:
            monitoring.monitor(MODEL, shop, on(day))


def diagnose(shop: dict[str, Dataset], *models: Any) -> Diagnosis:
    """The diagnosis; it only reads."""
    home = Path(os.environ["DAYLOOP_HOME"])
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    found = diagnosis.diagnose(shop, models or [MODEL])
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before
    return found


def test_a_loop_that_does_all_it_should_is_healthy(shop: dict[str, Dataset]) -> None:
    serve(shop)
    found = diagnose(shop)
    assert (found.verdict, found.besides) == ("healthy", ())
    of_data, of_model = found.evidence
    assert "60 days from 2024-01-01 to 2024-02-29, every one trusted" in of_data.evidence
    assert (of_model.version, of_model.day) == (1, on(DAYS))
    assert found.command == "python -m flows daily --day 2024-03-01"


def test_drift_that_has_hurt_nothing_is_no_verdict_and_said_all_the_same(
    shop: dict[str, Dataset],
) -> None:
    serve(shop)
    rows = lake.read(monitoring.DRIFT_TABLE)
    place = rows.schema.get_field_index("verdict")
    moved = rows.set_column(place, "verdict", pa.array(["drifted"] * rows.num_rows))
    where = lake.equal(model="returns")
    lake.replace(monitoring.DRIFT_TABLE, moved.to_reader, where, schema=moved.schema)

    found = diagnose(shop)

    assert found.verdict == "healthy"
    assert found.words == (
        "nothing is broken: what returns is fed has drifted, and the promised metric holds so far"
    )


def test_a_refused_day_is_the_datas(shop: dict[str, Dataset], tmp_path: Path) -> None:
    serve(shop)
    rows = buys()
    bad = rows.assign(amount=rows["amount"].mask(rows["at"].str.startswith(str(on(20))), -1.0))
    shop = loaded(tmp_path, bad)
    found = diagnose(shop)
    assert found.verdict == "data"
    [refused] = found.evidence
    assert (refused.day, refused.column) == (on(20), "buys.amount")
    count = int(rows["at"].str.startswith(str(on(20))).sum())
    assert f"{count} of {count} rows are bad" in refused.evidence
    assert found.command == f"python -m flows quarantine buys --day {on(20)}"


def test_a_missing_day_is_the_datas(home: Path, tmp_path: Path) -> None:
    shop = synthetic.dataset(tmp_path, buys())
    synthetic.load(shop, days=10)
    synthetic.load(shop, days=10, start=on(13))
    found = diagnose({"buys": shop})
    assert found.verdict == "data"
    assert found.evidence[0].evidence == f"buys {on(10)} through {on(12)} has not been loaded"
    assert found.command == f"python -m flows backfill buys --start {on(10)} --end {on(13)}"


def test_data_that_never_came_are_the_datas(home: Path, tmp_path: Path) -> None:
    found = diagnose({"buys": synthetic.dataset(tmp_path, buys())})
    assert (found.verdict, found.command) == ("data", "python -m flows etl buys")
    assert found.besides == ()


def test_data_that_are_too_young_to_train_on_are_no_problem(home: Path, tmp_path: Path) -> None:
    shop = synthetic.dataset(tmp_path, buys())
    synthetic.load(shop, days=10)
    assert diagnose({"buys": shop}).verdict == "healthy"


def test_a_model_that_was_never_trained_is_deployments(home: Path, tmp_path: Path) -> None:
    found = diagnose(loaded(tmp_path, buys()))
    assert found.verdict == "deployment"
    assert found.command == f"python -m flows retrain returns --as-of {on(DAYS)}"


def test_versions_of_which_none_was_promoted_are_deployments(shop: dict[str, Dataset]) -> None:
    found = diagnose(shop)
    assert found.verdict == "deployment"
    assert "a version is trained, none serves; 1 is registered" in found.evidence[0].evidence
    assert found.command == 'python -m flows promote returns 1 --by NAME --reason "..."'


def test_a_champion_that_never_scored_is_deployments(shop: dict[str, Dataset]) -> None:
    registry.promote("returns", 1, **WHO)
    found = diagnose(shop)
    assert found.verdict == "deployment"
    assert "has scored nothing lately" in found.evidence[0].evidence
    assert found.command == f"python -m flows score returns --day {on(DAYS)}"


def test_scores_that_ended_while_data_went_on_are_deployments(shop: dict[str, Dataset]) -> None:
    serve(shop, 50, 51)
    found = diagnose(shop)
    assert found.verdict == "deployment"
    said = f"scores end on {on(51)}, data go on to {on(DAYS - 1)}"
    assert found.evidence[0].evidence == said


@pytest.fixture
def dearer(shop: dict[str, Dataset], tmp_path: Path) -> dict[str, Dataset]:
    """In the last five days every amount is a hundred times what it was: cents, not dollars."""
    rows = buys()
    late = pd.to_datetime(rows["at"]) >= pd.Timestamp(on(DAYS - 5), tz="UTC")
    return loaded(tmp_path, rows.assign(amount=rows["amount"] * np.where(late, 100, 1)))


def test_features_that_move_with_a_column_they_are_made_of_point_upstream(
    dearer: dict[str, Dataset],
) -> None:
    serve(dearer)
    found = diagnose(dearer)
    assert found.verdict == "upstream"
    [traced] = found.evidence
    assert (traced.about, traced.column) == ("returns", "buys.amount")
    assert traced.day == on(DAYS - 5)
    assert traced.evidence.startswith("spent moved and come from buys.amount: 5 unusual days")
    assert found.command == "python -m flows history buys"


def test_bad_rows_that_another_dataset_lacks_point_upstream(home: Path, tmp_path: Path) -> None:
    customers = synthetic.dataset(tmp_path, synthetic.buys(days=DAYS, customers=150), "customers")
    shop = synthetic.dataset(tmp_path, buys())
    known = Reference(column="customer", dataset="customers")
    shop = Dataset(**{**vars_of(shop), "references": (known,), "max_bad_share": 0.9})
    for each in (customers, shop):
        synthetic.load(each, days=DAYS)
    found = diagnosis.diagnose({"customers": customers, "buys": shop}, [])
    assert found.verdict == "upstream"
    [traced] = found.evidence
    assert (traced.about, traced.column) == ("buys", "customers.customer")
    assert found.command == "python -m flows history customers"


def vars_of(dataset: Dataset) -> dict[str, Any]:
    return {name: getattr(dataset, name) for name in dataset.__dataclass_fields__}


def overwrite(days: int) -> None:
    """Has a day's predictions say the opposite."""
    where = lake.equal(day=on(days))
    rows = lake.read("returns_predictions", where)
    scores = pa.array(1 - rows["score"].to_numpy(), pa.float64())
    changed = rows.set_column(rows.schema.get_field_index("score"), "score", scores)
    lake.replace("returns_predictions", changed.to_reader, where, schema=rows.schema)


def test_predictions_that_go_wrong_and_that_nobody_measures_lack_monitoring(
    shop: dict[str, Dataset],
) -> None:
    serve(shop, 51, 59, 60, watched=False)
    overwrite(51)
    found = diagnose(shop)
    assert found.verdict == "monitoring"
    said = found.evidence[0].evidence
    assert f"3 scored days from {on(51)} on were not monitored" in said
    assert f"on {on(51)}, and nobody looked" in said and "promised" in said
    assert found.command == f"python -m flows monitor returns --day {on(60)}"


def test_a_promise_that_is_broken_where_all_else_is_well_is_the_worlds(
    shop: dict[str, Dataset],
) -> None:
    serve(shop, 50, 51)
    overwrite(51)
    serve(shop, 59, 60)
    found = diagnose(shop)
    assert found.verdict == "model"
    assert (found.evidence[0].day, found.evidence[0].version) == (on(51), 1)
    assert found.command == f"python -m flows retrain returns --as-of {on(60)}"


def test_where_several_rules_apply_the_data_come_first(
    dearer: dict[str, Dataset], tmp_path: Path
) -> None:
    serve(dearer, watched=False)
    rows = buys()
    late = pd.to_datetime(rows["at"]) >= pd.Timestamp(on(DAYS - 5), tz="UTC")
    rows = rows.assign(amount=rows["amount"] * np.where(late, 100, 1))
    bad = rows.assign(amount=rows["amount"].mask(rows["at"].str.startswith(str(on(20))), -1.0))
    found = diagnose(loaded(tmp_path, bad))
    assert found.verdict == "data"
    assert {each.rule for each in found.evidence} == {"data"}
    assert [each.rule for each in found.besides] == ["monitoring"]

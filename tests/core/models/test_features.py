from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from catalog.kinds import DeclarationError, Model
from core import lake
from core.errors import LakeDamaged, NotTrained
from core.models import features
from core.models.features import Snapshot
from tests.core import synthetic

AS_OF = synthetic.START + timedelta(days=30)


@pytest.fixture
def shop(home: Path, tmp_path: Path) -> Any:
    declared = synthetic.dataset(tmp_path, synthetic.buys())
    synthetic.load(declared)
    return declared


def take(model: Model, *datasets: Any, with_labels: bool = True) -> Snapshot:
    named = {each.name: each for each in datasets}
    versions = {name: lake.version(name) or 0 for name in named}
    return features.snapshot(model, named, versions, AS_OF, with_labels=with_labels)


def same(one: Snapshot, other: Snapshot) -> None:
    pd.testing.assert_frame_equal(one.features, other.features, check_exact=True)
    assert one.labels is not None and other.labels is not None
    pd.testing.assert_series_equal(one.labels, other.labels)


def test_a_feature_that_looks_ahead_finds_nothing_there(shop: Any) -> None:
    seen: list[tuple[str, pd.Timestamp, pd.Timestamp]] = []

    def peek(as_of: pd.Timestamp, buys: pd.DataFrame) -> pd.DataFrame:
        seen.append(("features", buys["at"].min(), buys["at"].max()))
        future = buys[buys["at"] >= as_of].groupby("customer").size()
        known = pd.Index(buys["customer"].unique(), name="customer")
        buys["at"] = buys["at"] + pd.Timedelta(days=99)  # tampering reaches nobody
        return pd.DataFrame({"ahead": future.reindex(known, fill_value=0)})

    def label(entities: pd.Index, buys: pd.DataFrame) -> "pd.Series[bool]":
        seen.append(("label", buys["at"].min(), buys["at"].max()))
        return synthetic.label(entities, buys)

    found = take(synthetic.model(features=peek, label=label), shop)
    cut, end = (pd.Timestamp(day, tz="UTC") for day in (AS_OF, AS_OF + timedelta(days=10)))
    assert (found.features["ahead"] == 0).all()
    assert [name for name, *_ in seen] == ["features", "label"]
    assert seen[0][2] < cut
    assert cut <= seen[1][1] and seen[1][2] < end


def test_features_and_labels_are_what_plain_pandas_gives(shop: Any) -> None:
    rows = synthetic.buys()
    rows["at"], rows["customer"] = pd.to_datetime(rows["at"]), rows["customer"].astype("str")
    cut, end = (pd.Timestamp(day, tz="UTC") for day in (AS_OF, AS_OF + timedelta(days=10)))
    past, future = rows[rows["at"] < cut], rows[(rows["at"] >= cut) & (rows["at"] < end)]
    found = take(synthetic.model(), shop)
    expected = synthetic.features(cut, past).sort_index().astype("float64")
    pd.testing.assert_frame_equal(found.features, expected, check_exact=False, rtol=1e-12)
    assert found.labels is not None
    assert (found.labels == expected.index.isin(future["customer"])).all()
    assert 0 < found.labels.mean() < 1


@pytest.mark.parametrize("kind", [str, int])
def test_buckets_files_and_the_order_of_rows_change_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type
) -> None:
    rows = synthetic.buys()
    declared = synthetic.dataset(tmp_path, rows, kind=kind)
    synthetic.load(declared)
    one = take(synthetic.model(), declared)
    monkeypatch.setattr(features, "BUCKET_ROWS", 100)
    same(one, take(synthetic.model(), declared))
    monkeypatch.setenv("DAYLOOP_HOME", str(tmp_path / "other"))
    mixed = synthetic.dataset(tmp_path, rows.sample(frac=1, random_state=1), kind=kind)
    for part in range(5):  # five commits: other files
        synthetic.load(mixed, days=10, start=synthetic.START + timedelta(days=10 * (4 - part)))
    assert lake.version("buys") >= 5
    same(one, take(synthetic.model(), mixed))


def both(as_of: pd.Timestamp, buys: pd.DataFrame, visits: pd.DataFrame) -> pd.DataFrame:
    known = pd.Index(sorted({*buys["customer"], *visits["customer"]}), name="customer")
    counts = {
        name: rows.groupby("customer").size().reindex(known, fill_value=0)
        for name, rows in (("buys", buys), ("visits", visits))
    }
    return pd.DataFrame(counts)


def either(entities: pd.Index, buys: pd.DataFrame, visits: pd.DataFrame) -> "pd.Series[bool]":
    return pd.Series(entities.isin(buys["customer"]), index=entities)


@pytest.mark.parametrize("kind", [str, int])
def test_a_model_of_two_datasets_works_where_one_has_no_rows_of_an_entity(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type
) -> None:
    buys = synthetic.dataset(tmp_path, synthetic.buys(customers=60), kind=kind)
    few = synthetic.buys(customers=3, seed=2, first=1_000)
    visits = synthetic.dataset(tmp_path, few, name="visits", kind=kind)
    synthetic.load(buys)
    synthetic.load(visits)
    columns = ("customer", "at")
    inputs = {"buys": columns, "visits": columns}
    model = synthetic.model(inputs=inputs, features=both, label=either)
    one = take(model, buys, visits)
    assert (one.features["visits"] == 0).sum() > 20 and (one.features["buys"] == 0).any()
    monkeypatch.setattr(features, "BUCKET_ROWS", 20)
    same(one, take(model, buys, visits))


def test_rows_without_an_entity_are_nobodys(home: Path, tmp_path: Path) -> None:
    rows = synthetic.buys(customers=20)
    declared = synthetic.dataset(tmp_path, rows)
    synthetic.load(declared)
    with_null = lake.read("buys").to_pandas()
    with_null.loc[0, "customer"] = None
    schema = lake.read("buys").schema
    table = pa.Table.from_pandas(with_null, schema=schema, preserve_index=False)
    lake.replace("buys", table.to_reader, (), schema=schema)
    found = take(synthetic.model(), declared)
    assert found.features.index.notna().all()


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns, index=pd.Index(["1", "2"], name="customer"))


WRONG_FEATURES = [
    ([1, 2], "must return a DataFrame"),
    (frame(), "must return a DataFrame"),
    (frame(a=[1, 2]).reset_index(drop=True), "must be indexed by customer"),
    (frame(a=[1, 2]).set_axis(pd.Index(["1", "1"], name="customer")), "each once"),
    (frame(a=[1, 2]).set_axis(pd.Index(["1", "nobody"], name="customer")), "no rows of"),
    (frame(a=["x", "y"]), "numbers only"),
    (frame(a=pd.to_datetime(["2024", "2025"])), "numbers only"),
    (frame(a=[1j, 2j]), "numbers only"),
    (frame(a=[1.0, np.inf]), "infinity"),
    (frame(score=[1, 2]), "'score' is a name that the loop uses"),
    (frame(customer=[1, 2]), "'customer' is a name that the loop uses"),
    (frame(a=[1, 2]).rename(columns={"a": 7}), "name each column"),
    (pd.concat([frame(a=[1, 2])] * 2, axis=1), "name each column"),
]


@pytest.mark.parametrize(("value", "problem"), WRONG_FEATURES)
def test_a_wrong_feature_frame_is_one_line_naming_the_file(
    shop: Any, value: Any, problem: str
) -> None:
    model = synthetic.model(features=lambda as_of, buys: value)
    with pytest.raises(DeclarationError, match=problem) as error:
        take(model, shop)
    assert str(error.value).startswith("catalog/models/returns.py: features: ")
    assert "\n" not in str(error.value)


WRONG_LABELS = [
    lambda entities, buys: np.zeros(len(entities), dtype=bool),
    lambda entities, buys: pd.Series(True, index=entities[::-1]),
    lambda entities, buys: pd.Series(True, index=entities[:-1]),
    lambda entities, buys: pd.Series("False", index=entities),
    lambda entities, buys: pd.Series(0.5, index=entities),
    lambda entities, buys: pd.Series([None, *[True] * (len(entities) - 1)], index=entities),
]


@pytest.mark.parametrize("label", WRONG_LABELS)
def test_a_wrong_label_is_one_line_naming_the_file(shop: Any, label: Any) -> None:
    with pytest.raises(DeclarationError) as error:
        take(synthetic.model(label=label), shop)
    assert str(error.value).startswith("catalog/models/returns.py: label: must return")
    assert "\n" not in str(error.value)


def test_columns_that_depend_on_the_entities_are_refused(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def moody(as_of: pd.Timestamp, buys: pd.DataFrame) -> pd.DataFrame:
        found = synthetic.features(as_of, buys)
        return found.rename(columns={"count": f"count{len(buys)}"})

    monkeypatch.setattr(features, "BUCKET_ROWS", 100)
    with pytest.raises(DeclarationError, match="other columns for other entities"):
        take(synthetic.model(features=moody), shop)


def test_entities_without_features_are_left_out(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def only_one(as_of: pd.Timestamp, buys: pd.DataFrame) -> pd.DataFrame:
        return synthetic.features(as_of, buys[buys["customer"] == "1"])

    monkeypatch.setattr(features, "BUCKET_ROWS", 100)
    found = take(synthetic.model(features=only_one), shop)
    assert found.features.index.tolist() == ["1"]
    nobody = synthetic.model(features=lambda as_of, buys: synthetic.features(as_of, buys[:0]))
    with pytest.raises(NotTrained, match="no customer has features before"):
        take(nobody, shop)


def test_nullable_numbers_become_floats_with_nan(shop: Any) -> None:
    def gaps(as_of: pd.Timestamp, buys: pd.DataFrame) -> pd.DataFrame:
        counts = buys.groupby("customer").size().astype("Int64")
        return pd.DataFrame({"gap": counts.where(counts > 1), "flag": counts > 1})

    found = take(synthetic.model(features=gaps), shop).features
    assert found.dtypes.astype(str).tolist() == ["float64", "float64"]
    assert found["gap"].isna().any() and set(found["flag"]) == {0, 1}


@pytest.mark.parametrize("kind", [str, int])
@pytest.mark.parametrize("bucket_rows", [2_000_000, 100])
def test_labels_found_later_are_those_of_training(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type, bucket_rows: int
) -> None:
    declared = synthetic.dataset(tmp_path, synthetic.buys(), kind=kind)
    synthetic.load(declared)
    monkeypatch.setattr(features, "BUCKET_ROWS", bucket_rows)
    snapshot = take(synthetic.model(), declared)
    names = pd.Series(snapshot.features.index.astype("str")).sample(frac=1, random_state=1)
    versions = {"buys": lake.version("buys") or 0}
    found = features.labels_of(synthetic.model(), {"buys": declared}, versions, names, AS_OF)
    assert found.index.astype("str").tolist() == names.tolist()
    assert snapshot.labels is not None
    assert (found.sort_index() == snapshot.labels).all()


def test_no_rows_before_the_day_and_no_table_say_so(home: Path, tmp_path: Path) -> None:
    declared = synthetic.dataset(tmp_path, synthetic.buys())
    with pytest.raises(NotTrained, match="buys has never been loaded"):
        features.snapshot(synthetic.model(), {"buys": declared}, {"buys": 0}, AS_OF)
    synthetic.load(declared)
    versions = {"buys": lake.version("buys") or 0}
    with pytest.raises(NotTrained, match="before 2024-01-01"):
        features.snapshot(synthetic.model(), {"buys": declared}, versions, synthetic.START)


def test_a_missing_data_file_is_one_line(
    shop: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in (home / "tables" / "buys").rglob("*.parquet"):
        file.unlink()
    for bucket_rows in (2_000_000, 100):
        monkeypatch.setattr(features, "BUCKET_ROWS", bucket_rows)
        with pytest.raises(LakeDamaged, match="table buys is damaged"):
            take(synthetic.model(), shop)

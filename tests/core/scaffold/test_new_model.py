"""What the scaffold makes of a dataset for a model: whose rows, how far ahead, which features."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from catalog.kinds import Dataset
from core import home as places
from core.errors import UsageError
from core.intervals import Interval
from core.load import loading
from core.models import features
from core.scaffold import proving
from core.scaffold.making import new_dataset
from core.scaffold.making_model import new_model
from core.sources import landing
from tests.conftest import ROOT

FIRST = date(2026, 1, 1)


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> Dataset:
    """A dataset that the scaffold made, in a project of its own; not loaded."""
    root = tmp_path / "project"
    root.mkdir()
    shutil.copy(ROOT / "prefect.yaml", root)
    monkeypatch.setattr(places, "PROJECT", root)
    monkeypatch.chdir(root)
    lines = ["order_id,customer,at,total,items,gift,note"]
    for n in range(400):
        day = FIRST + timedelta(days=n // 4)
        lines.append(f"{n},c{n * 7 % 60},{day}T10:00:00Z,{n % 9}.5,{n % 3},{n % 2 == 0},hi {n}")
    Path("orders.csv").write_text("\n".join([*lines, ""]).replace("True", "true"))
    made = new_dataset("orders", "orders.csv", key=["order_id"])
    assert made.interval.end == date(2026, 4, 11)
    found = proving.declared(Path("catalog/datasets/orders.py").read_text(), "dataset", "orders")
    assert isinstance(found, Dataset)
    return found


def test_what_comes_again_is_scored_and_the_horizon_fits_the_history(orders: Dataset):
    interval = new_dataset("again", "orders.csv").interval
    loading.load(orders, interval, landing.land(orders, interval))

    made = new_model("quiet", orders)

    assert (made.entity, made.horizon_days, made.as_of) == ("customer", 14, date(2026, 4, 11))
    assert made.features[:3] == ("recency_days", "tenure_days", "count")
    assert {"total_sum", "total_mean", "items_max"} <= {*made.features}
    assert not any("order_id" in name for name in made.features)


def test_its_features_are_taken_by_the_framework(orders: Dataset):
    interval = new_dataset("again", "orders.csv").interval
    loaded = loading.load(orders, interval, landing.land(orders, interval))
    new_model("quiet", orders)
    model = proving.declared(Path("catalog/models/quiet.py").read_text(), "model", "quiet")

    found = features.snapshot(
        model, {"orders": orders}, {"orders": loaded.table_version}, date(2026, 3, 1),
        with_labels=True,
    )  # fmt: skip

    assert len(found.features) == 60
    assert found.labels is not None and 0 < found.labels.sum() < 60


def test_without_a_loaded_row_the_names_tell_and_otherwise_a_person(orders: Dataset):
    assert new_model("quiet", orders).entity == "customer"
    nameless = proving.declared(
        Path("catalog/datasets/orders.py").read_text().replace('"customer"', '"whose"'),
        "dataset",
        "orders",
    )
    with pytest.raises(UsageError, match="name it with --entity: one of order_id, whose, items"):
        new_model("still", nameless)
    with pytest.raises(UsageError, match="'total' is no column of text or integers of orders"):
        new_model("still", nameless, entity="total")
    assert new_model("still", nameless, entity="whose", horizon_days=7).horizon_days == 7


def test_where_no_name_tells_the_loaded_rows_do_once_there_are_some_days(orders: Dataset):
    interval = new_dataset("again", "orders.csv").interval
    text = Path("catalog/datasets/orders.py").read_text().replace('"customer"', '"whose"')
    nameless = proving.declared(text, "dataset", "orders")
    Path("orders.csv").write_text(Path("orders.csv").read_text().replace("customer", "whose"))

    first = Interval(interval.start, interval.start + timedelta(days=1))
    loading.load(nameless, first, landing.land(nameless, first))
    with pytest.raises(UsageError, match="name it with --entity"):
        new_model("quiet", nameless)

    loading.load(nameless, interval, landing.land(nameless, interval))
    assert new_model("quiet", nameless).entity == "whose"


def test_a_model_is_not_overwritten(orders: Dataset):
    new_model("quiet", orders)
    with pytest.raises(UsageError, match="catalog/models/quiet.py is there already"):
        new_model("quiet", orders)

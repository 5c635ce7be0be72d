"""What a changed declaration would do to the lake's last days, which are only read."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandera.pandas import Check, Column, DataFrameSchema
from pyarrow import fs

from catalog.kinds import Dataset, File, Reference
from core import home as lake_home
from core.ci import preview, rescoring
from core.ci.replaying import DatasetPreview, RuleChange
from core.ci.rescoring import ModelPreview
from core.ci.tolerances import Tolerances
from core.errors import UsageError
from core.intervals import DAY, Interval
from core.load import loading
from core.models import registry, scoring, training
from core.sources import landing
from tests.core import synthetic
from tests.core.test_object_store import bucket, settings  # noqa: F401  are fixtures

FIRST = date(2026, 1, 29)
AS_OF = synthetic.START + 40 * DAY


def declare(folder: Path, name: str = "orders", timezone: str = "UTC", **changes: Any) -> Dataset:
    columns = {
        "id": Column(str),
        "at": Column("datetime64[us, UTC]"),
        "amount": Column(float, Check.ge(0)),
        **changes.pop("columns", {}),
    }
    source = File(path=str(folder / f"{name}-{{day}}.csv"), timezone=timezone)
    schema = DataFrameSchema({each: kind for each, kind in columns.items() if kind})
    given = {"source": source, "schema": schema, "day": "at", "max_bad_share": 0.2, **changes}
    return Dataset(name=name, owner="me", **given)


def send(folder: Path, name: str = "orders", days: int = 4, *extra: str) -> None:
    """Ten rows a day, of 0.5 to 9.5, and what is extra."""
    for day in Interval(FIRST, FIRST + days * DAY).days():
        lines = [f"{day:%d}-{n},{day}T0{n % 8 + 1}:00:00,{n}.5,text" for n in range(10)]
        lines += [line.replace("@", str(day)) for line in extra]
        text = "\n".join(["id,at,amount,note", *lines]) + "\n"
        (folder / f"{name}-{day}.csv").write_text(text)


def load(declared: Dataset, days: int = 4, start: date = FIRST) -> None:
    interval = Interval(start, start + days * DAY)
    loading.load(declared, interval, landing.land(declared, interval))


@pytest.fixture
def folder(home: Path, tmp_path: Path) -> Path:
    """Four days of orders in the lake."""
    send(tmp_path)
    load(declare(tmp_path))
    return tmp_path


def files() -> dict[str, str]:
    """Every file of the lake and what is in it."""
    system, root = lake_home.store("")
    found = system.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True))
    return {
        each.path: sha256(system.open_input_file(each.path).read()).hexdigest()
        for each in found
        if each.type == fs.FileType.File
    }


def look(
    *datasets: Dataset, days: int = 7, models: Sequence[Any] = (), **tolerances: Any
) -> preview.Preview:
    """A preview, which must leave each byte of the lake as it was."""
    before, known = files(), {each.name: each for each in datasets}
    seen = preview.preview(datasets, models, known, days=days, tolerances=Tolerances(**tolerances))
    assert files() == before
    return seen


def only(seen: preview.Preview) -> DatasetPreview:
    [dataset] = seen.datasets
    return dataset


def test_where_nothing_changed_nothing_differs(folder: Path) -> None:
    seen = look(declare(folder))
    assert only(seen) == DatasetPreview(
        dataset="orders",
        interval=Interval(FIRST, FIRST + 4 * DAY),
        days=4,
        rows_before=40,
        rows_after=40,
    )
    assert not seen.failed


def test_a_stricter_rule_shows_the_rows_it_holds_back(folder: Path) -> None:
    seen = look(declare(folder, columns={"amount": Column(float, Check.in_range(1, 99))}))
    found = only(seen)
    assert (found.contract, found.what) == ("rules", ("column amount changed",))
    assert (found.added, found.removed, found.changed, found.rows_after) == (0, 4, 0, 36)
    assert found.rules == (RuleChange("amount in_range", 0, 4, "0.5"),)
    assert ("amount", "min", 0.5, 1.5) in [
        (each.column, each.metric, each.before, each.after) for each in found.figures
    ]
    assert seen.exceeded == (
        "orders: 4 of 40 rows differ (10.00%), 1.00% are tolerated (--max-changed)",
    )
    assert not look(declare(folder), max_changed=0.1).failed


def test_a_day_that_would_be_refused_is_named_and_keeps_its_rows(folder: Path) -> None:
    strict = declare(folder, columns={"amount": Column(float, Check.ge(5))})
    seen = look(strict, days=2)
    assert [day for day, _ in only(seen).refused] == [FIRST + 2 * DAY, FIRST + 3 * DAY]
    assert "5 of 10 rows are bad" in only(seen).refused[0][1]
    assert (only(seen).rows_after, only(seen).removed) == (20, 0)
    assert seen.exceeded == (
        "orders: 2 of 2 days would be refused, 0 are tolerated (--max-refused)",
    )
    assert not look(strict, days=2, max_refused=2).failed


def test_a_refused_day_that_would_be_let_in_is_counted(home: Path, tmp_path: Path) -> None:
    send(tmp_path, "orders", 2, *["x,@,-1,text"] * 5)
    load(declare(tmp_path), days=2)
    seen = only(look(declare(tmp_path, columns={"amount": Column(float)})))
    assert (seen.refused, seen.released, seen.added) == ((), 2, 30)
    assert seen.rules == (RuleChange("amount greater_than_or_equal_to", 10, 0, ""),)


def test_by_a_key_a_row_that_reads_otherwise_is_a_changed_one(folder: Path) -> None:
    found = only(look(declare(folder, timezone="Africa/Lagos", key=("id",))))
    assert (found.added, found.removed, found.changed) == (0, 0, 40)
    without = only(look(declare(folder, timezone="Africa/Lagos")))
    assert (without.added, without.removed, without.changed) == (40, 40, 0)


def test_a_new_key_is_looked_up_in_days_that_are_not_replayed(home: Path, tmp_path: Path) -> None:
    send(tmp_path, "orders", 4, "same,@,1,text")
    load(declare(tmp_path))
    found = only(look(declare(tmp_path, key=("id",)), days=1))
    assert found.rules == (RuleChange("key", 0, 1, "same"),)


def test_a_column_that_comes_is_told_and_makes_no_row_differ(folder: Path) -> None:
    seen = look(declare(folder, columns={"note": Column(str, nullable=True)}))
    assert only(seen).contract == "additive"
    assert only(seen).what == ("column note came, string",)
    assert not seen.failed


def test_a_breaking_change_fails_until_it_is_said_to_be_meant(folder: Path) -> None:
    broken = declare(folder, columns={"amount": None})
    seen = look(broken)
    assert only(seen).what == ("column amount went",)
    assert seen.exceeded == ("orders: its declaration breaks its table (--allow-breaking)",)
    assert not look(broken, allow_breaking=True).failed


def test_a_break_that_old_rows_cannot_take_fails_though_it_is_meant(folder: Path) -> None:
    seen = look(declare(folder, columns={"amount": Column(int)}), days=1, allow_breaking=True)
    assert seen.failed
    assert "column amount cannot be brought to its new declaration" in only(seen).problem


def test_what_a_dataset_is_checked_against_is_replayed_before_it(folder: Path) -> None:
    send(folder, "customers")
    load(declare(folder, "customers"))
    refers = {"references": (Reference(column="id", dataset="customers"),)}
    load(declare(folder, **refers))
    stricter = declare(folder, "customers", columns={"amount": Column(float, Check.ge(1))})
    customers, orders = look(stricter, declare(folder, **refers), days=2).datasets
    assert customers.removed == 2
    assert orders.contract == "unchanged"
    assert orders.rules == (RuleChange("id in customers", 0, 2, "31-0"),)


def test_only_the_last_days_are_read(home: Path, folder: Path) -> None:
    load(declare(folder), days=2)
    landed = home / "landing" / "orders"
    oldest = (folder / f"orders-{FIRST}.csv").read_bytes()
    (landed / f"{sha256(oldest).hexdigest()}.csv").unlink()
    assert not look(declare(folder), days=3).failed
    seen = look(declare(folder), days=4)
    assert seen.failed
    assert "the landed file" in only(seen).problem


def test_what_was_never_loaded_has_nothing_to_differ_from(home: Path, tmp_path: Path) -> None:
    seen = look(declare(tmp_path))
    assert only(seen).note == "not in the lake yet"
    assert not seen.failed


def test_no_day_at_all_is_a_mistake(folder: Path) -> None:
    with pytest.raises(UsageError, match="--days must be 1 or more, not 0"):
        look(declare(folder), days=0)


@pytest.fixture
def shop(home: Path, tmp_path: Path) -> Dataset:
    return trained(tmp_path)


def trained(folder: Path) -> Dataset:
    """A shop whose champion scored once."""
    declared = synthetic.dataset(folder, synthetic.buys())
    datasets, model = {"buys": declared}, synthetic.model()
    synthetic.load(declared)
    planned = training.plan(model, datasets, AS_OF)
    training.prepare(model, datasets, planned)
    fitted = training.fit(model, model.candidates[0], planned)
    registry.register("returns", fitted.artifact, by="me", reason="test", promote_over=0)
    scoring.score(model, datasets, AS_OF)
    return declared


def rescored(shop: Dataset, **changes: Any) -> tuple[ModelPreview, preview.Preview]:
    seen = look(shop, models=[synthetic.model(**changes)], days=1)
    return seen.models[0], seen


def test_the_same_features_move_no_score(shop: Dataset) -> None:
    found, seen = rescored(shop)
    assert found == ModelPreview(
        model="returns", champion=1, day=AS_OF, entities=found.entities, rank_correlation=1.0
    )
    assert found.entities > 200
    assert not seen.failed


def doubled(as_of: pd.Timestamp, buys: pd.DataFrame) -> pd.DataFrame:
    found = synthetic.features(as_of, buys)
    return found.assign(spent=found["spent"] * 2)


def tidied(as_of: pd.Timestamp, buys: pd.DataFrame) -> pd.DataFrame:
    return synthetic.features(as_of, buys).copy()


def shorter(as_of: pd.Timestamp, buys: pd.DataFrame) -> pd.DataFrame:
    return synthetic.features(as_of, buys).drop(columns="spent").assign(paid=1)


def raising(as_of: pd.Timestamp, buys: pd.DataFrame) -> pd.DataFrame:
    return buys[["nope"]]


def test_other_features_show_how_far_the_champions_scores_move(shop: Dataset) -> None:
    found, seen = rescored(shop, features=doubled)
    assert found.features == ("their code changed",)
    assert found.moved == found.entities
    assert found.largest > 0.01
    assert found.rank_correlation is not None and 0 < found.rank_correlation < 1
    [words] = seen.exceeded
    assert "entities get another score (100.00%), 1.00% are tolerated (--max-moved)" in words


def test_features_that_only_read_otherwise_move_no_score_but_train_anew(shop: Dataset) -> None:
    found, seen = rescored(shop, features=tidied)
    assert (found.moved, found.features) == (0, ("their code changed",))
    assert found.refits == ("logistic",)
    assert not seen.failed


def test_without_one_of_its_features_the_champion_cannot_score(shop: Dataset) -> None:
    found, seen = rescored(shop, features=shorter)
    assert found.features == ("spent went", "paid came", "their code changed")
    assert found.moved is None
    assert "entities cannot be scored" in seen.exceeded[0]


def test_features_that_raise_are_one_line(shop: Dataset) -> None:
    found, seen = rescored(shop, features=raising)
    assert found.problem.startswith("catalog/models/returns.py: features: KeyError: ")
    assert seen.exceeded == (found.problem,)


def test_another_label_or_candidate_is_told_by_what_would_be_fitted_anew(shop: Dataset) -> None:
    def never(entities: pd.Index, buys: pd.DataFrame) -> "pd.Series[bool]":
        return ~synthetic.label(entities, buys)

    assert rescored(shop, label=never)[0].refits == ("logistic",)
    both = (*synthetic.model().candidates, synthetic.candidate(synthetic.stump, "stump"))
    found, seen = rescored(shop, candidates=both)
    assert found.refits == ("stump",)
    assert not seen.failed


def test_a_sample_of_entities_is_the_same_each_time(
    shop: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescoring, "ENTITIES", 50)
    first, again = (rescored(shop, features=doubled)[0] for _ in range(2))
    assert first == again
    assert (first.entities, first.moved) == (50, 50)


def test_data_that_changed_since_it_scored_are_told_apart(shop: Dataset, tmp_path: Path) -> None:
    rows = synthetic.buys()
    rows.loc[rows["at"].str.startswith("2024-01-05"), "amount"] += 500
    declared = synthetic.dataset(tmp_path, rows)
    synthetic.load(declared)
    found, _ = rescored(declared)
    assert not found.same_data
    assert found.moved
    assert found.refits is None


def test_a_column_that_the_lake_has_not_yet_is_said(shop: Dataset, tmp_path: Path) -> None:
    columns = {**shop.schema.columns, "note": Column(str, nullable=True)}
    wider = replace(shop, schema=DataFrameSchema(columns))
    inputs = {"buys": ("customer", "at", "amount", "note")}
    found, _ = rescored(wider, inputs=inputs)
    assert found.problem.startswith("returns: buys in the lake has no column note yet")


def test_a_model_without_a_champion_or_without_scores_has_nothing_to_move(
    shop: Dataset,
) -> None:
    assert rescored(shop, name="other")[0].note == "no champion"
    registry.close("returns", 1, "retired", by="me", reason="test")
    found, seen = rescored(shop)
    assert found.note == "no champion"
    assert not seen.failed


def test_a_lake_on_an_object_store_is_only_read_too(bucket: str, tmp_path: Path) -> None:  # noqa: F811
    shop = trained(tmp_path)
    found, seen = rescored(shop, features=doubled)
    assert found.moved == found.entities
    assert (only(seen).rows_before, only(seen).removed) == (only(seen).rows_after, 0)

"""A day that keeps its contract and is unusual all the same: loaded, and told."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandera.pandas import Column, DataFrameSchema

from catalog.kinds import Dataset, File, Limits
from core import lake, landing, loading, profiles
from core.intervals import DAY, Interval

FIRST, DAYS, ROWS = date(2026, 1, 1), 70, 400
SCHEMA = DataFrameSchema(
    {
        "at": Column("datetime64[us, UTC]"),
        "amount": Column(float),
        "coupon": Column(str, nullable=True),
    }
)


def day_of_sales(number: int, rows: int, nulls: float, times: float) -> pd.DataFrame:
    random = np.random.default_rng(number)
    count = random.poisson(rows)
    coupon = np.where(random.random(count) < nulls, "", "X")
    amount = (random.gamma(2, 10, count) * times).round(2)
    return pd.DataFrame({"at": f"{FIRST + number * DAY}", "amount": amount, "coupon": coupon})


def load(folder: Path, *last: tuple[int, float, float], **changes: object) -> loading.Loaded:
    """The history in one go, then each of the last days, of so many rows, nulls and amounts."""
    file = folder / "sales.csv"
    declared = Dataset(
        name="sales",
        owner="me",
        source=File(path=str(file)),
        schema=SCHEMA,
        day="at",
        **changes,  # type: ignore[arg-type]
    )
    days = [day_of_sales(number, ROWS, 0.02, 1.0) for number in range(DAYS)]
    days += [day_of_sales(DAYS + n, *each) for n, each in enumerate(last)]
    pd.concat(days).to_csv(file, index=False)
    intervals = [Interval(FIRST, FIRST + DAYS * DAY)]
    intervals += [Interval.of_day(FIRST + (DAYS + n) * DAY) for n in range(len(last))]
    for interval in intervals:
        loaded = loading.load(declared, interval, landing.land(declared, interval))
    return loaded


@pytest.mark.parametrize(
    ("day", "rule"),
    [
        ((ROWS // 2, 0.02, 1.0), "unusual rows"),
        ((ROWS, 0.06, 1.0), "unusual coupon nulls"),
        ((ROWS, 0.02, 2.0), "unusual amount mean"),
    ],
)
def test_half_the_rows_or_three_times_the_nulls_are_told_on_the_first_day(
    home: Path, tmp_path: Path, day: tuple[int, float, float], rule: str
) -> None:
    loaded = load(tmp_path, day)
    assert loaded.refused == ()
    assert rule in [name for _, name, _ in loaded.warnings]
    told = {day for day, _, _ in loaded.warnings}
    assert told == {FIRST + DAYS * DAY}


def test_it_says_what_was_and_what_is_usual(home: Path, tmp_path: Path) -> None:
    words = {name: words for _, name, words in load(tmp_path, (ROWS // 2, 0.02, 1.0)).warnings}
    assert words["unusual rows"].startswith("unusual rows: 195, usual are ")
    assert "sigma" in words["unusual rows"]


def test_a_usual_day_has_limits_and_no_news(home: Path, tmp_path: Path) -> None:
    assert load(tmp_path, (ROWS, 0.02, 1.0)).warnings == ()
    where = lake.equal(dataset="sales", day=FIRST + DAYS * DAY, column="", metric="rows")
    (row,) = lake.read(profiles.TABLE, where).to_pylist()  # type: ignore[union-attr]
    assert row["verdict"] == "usual"
    assert row["low"] < row["value"] < row["high"]
    assert 350 < row["centre"] < 450


def test_too_little_history_says_learning_and_not_usual(home: Path, tmp_path: Path) -> None:
    load(tmp_path, limits=Limits(learn_days=28))
    rows = lake.read(profiles.TABLE, lake.equal(dataset="sales", column="", metric="rows"))
    assert rows is not None
    verdicts = rows.sort_by("day")["verdict"].to_pylist()
    assert verdicts[:28] == ["learning"] * 28
    assert set(verdicts[28:]) <= {"usual", "unusual"}


def test_a_dataset_may_do_without(home: Path, tmp_path: Path) -> None:
    assert load(tmp_path, (ROWS // 2, 0.02, 1.0), limits=None).warnings == ()

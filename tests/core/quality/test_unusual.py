"""A day that keeps its contract and is unusual all the same: loaded, and told."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandera.pandas import Column, DataFrameSchema

from catalog.kinds import Dataset, File, Limits
from core.intervals import DAY, Interval
from core.load import loading
from core.quality import unusual
from core.sources import landing

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


def load(folder: Path, *last: tuple[int, float, float], **changes: object) -> Dataset:
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
        loading.load(declared, interval, landing.land(declared, interval))
    return declared


def news(declared: Dataset) -> list[tuple[date, str, str]]:
    return unusual.news(declared, Interval.of_day(FIRST + DAYS * DAY))


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
    told = news(load(tmp_path, day))
    assert rule in [name for _, name, _ in told]
    assert {day for day, _, _ in told} == {FIRST + DAYS * DAY}


def test_it_says_what_was_and_what_is_usual(home: Path, tmp_path: Path) -> None:
    words = {name: words for _, name, words in news(load(tmp_path, (ROWS // 2, 0.02, 1.0)))}
    assert words["unusual rows"].startswith("unusual rows: 195, usual are ")
    assert "sigma" in words["unusual rows"]


def volume(declared: Dataset, interval: Interval) -> pd.DataFrame:
    found = unusual.judged(declared, interval)
    return found[(found["column"] == "") & (found["metric"] == "rows")].sort_values("day")


def test_a_usual_day_has_limits_and_no_news(home: Path, tmp_path: Path) -> None:
    declared = load(tmp_path, (ROWS, 0.02, 1.0))
    assert news(declared) == []
    (row,) = volume(declared, Interval.of_day(FIRST + DAYS * DAY)).to_dict("records")
    assert row["verdict"] == "usual"
    assert row["low"] < row["value"] < row["high"]
    assert 350 < row["centre"] < 450


def test_a_change_that_lasts_is_news_on_its_first_day(home: Path, tmp_path: Path) -> None:
    half = (ROWS // 2, 0.02, 1.0)
    declared = load(tmp_path, half, half, half)
    whole = Interval(FIRST + DAYS * DAY, FIRST + (DAYS + 3) * DAY)
    told = [day for day, name, _ in unusual.news(declared, whole) if name == "unusual rows"]
    assert told == [whole.start]
    later = Interval.of_day(whole.end - DAY)
    assert "unusual rows" not in [name for _, name, _ in unusual.news(declared, later)]


def test_too_little_history_says_learning_and_not_usual(home: Path, tmp_path: Path) -> None:
    declared = load(tmp_path, limits=Limits(learn_days=28))
    verdicts = volume(declared, Interval(FIRST, FIRST + DAYS * DAY))["verdict"].tolist()
    assert verdicts[:28] == ["learning"] * 28
    assert set(verdicts[28:]) <= {"usual", "unusual"}


def test_a_dataset_may_do_without(home: Path, tmp_path: Path) -> None:
    assert news(load(tmp_path, (ROWS // 2, 0.02, 1.0), limits=None)) == []

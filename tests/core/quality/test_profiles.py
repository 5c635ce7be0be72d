from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa

from core import lake
from core.intervals import DAY
from core.quality.profiles import profile
from tests.core import synthetic


def test_a_profile_says_what_pandas_says_of_the_day(home: Path, tmp_path: Path):
    frame = synthetic.buys(days=5)
    synthetic.load(synthetic.dataset(tmp_path, frame), days=5)
    rows = lake.read("profiles")
    assert rows is not None
    found = rows.to_pandas().set_index(["day", "column", "metric"])["value"]
    frame["day"] = pd.to_datetime(frame["at"]).dt.date
    for day, group in frame.groupby("day"):
        amount = group["amount"]
        assert found[day, "", "rows"] == len(group)
        assert found[day, "customer", "distinct"] == group["customer"].nunique()
        assert found[day, "amount", "nulls"] == 0
        assert abs(found[day, "amount", "mean"] - amount.mean()) < 1e-9
        assert abs(found[day, "amount", "stddev"] - amount.std(ddof=0)) < 1e-9
        assert found[day, "amount", "max"] == amount.max()
        assert abs(found[day, "amount", "p50"] - amount.median()) < amount.std() / 5


def test_every_loaded_day_has_its_profile_and_a_second_load_adds_none(home: Path, tmp_path: Path):
    declared = synthetic.dataset(tmp_path, synthetic.buys(days=5))
    synthetic.load(declared, days=5)
    before = lake.version("profiles")
    synthetic.load(declared, days=5)
    rows = lake.read("profiles")
    assert rows is not None
    assert set(rows["day"].to_pylist()) == {date(2024, 1, 1) + n * DAY for n in range(5)}
    assert lake.version("profiles") == before


MIDNIGHT = pd.Timestamp("2024-03-01", tz="UTC")


def metrics(values: pa.Array, kind: str, hours: float = 6.0) -> dict[str, float]:
    """A day's profile of one column."""
    at = pa.array([MIDNIGHT + pd.Timedelta(hours=hours)] * len(values), pa.timestamp("us", "UTC"))
    rows = pa.table({"at": at, "x": values})
    found = profile("t", {"at": "datetime", "x": kind}, "at", rows).to_pandas()
    return found[found["column"] == "x"].set_index("metric")["value"].to_dict()


def shares(values: pa.Array, kind: str = "string") -> dict[str, float]:
    found = metrics(values, kind)
    return {name: value for name, value in found.items() if name.startswith("share of ")}


def test_frequent_values_are_named_with_their_share_of_what_is_there() -> None:
    values = pa.array(["a"] * 60 + ["b"] * 35 + ["c"] * 5 + [None] * 100)
    assert shares(values) == {"share of a": 0.6, "share of b": 0.35, "share of c": 0.05}


def test_rare_values_are_not_named_and_neither_are_values_of_a_few_rows() -> None:
    assert shares(pa.array(["a"] * 97 + ["b"] * 3)) == {"share of a": 0.97}
    assert shares(pa.array([f"person {number}" for number in range(10)] * 4)) == {}


def test_truth_values_have_shares_too() -> None:
    values = pa.array([True] * 90 + [False] * 10)
    assert shares(values, "bool") == {"share of True": 0.9, "share of False": 0.1}


def test_a_column_of_nulls_has_no_shares_and_a_long_value_is_cut() -> None:
    assert shares(pa.array([None, None], pa.string())) == {}
    assert shares(pa.array(["x" * 1_000] * 9)) == {"share of " + "x" * 60: 1.0}


def test_freshness_is_from_the_last_moment_to_the_days_end() -> None:
    at = [MIDNIGHT + pd.Timedelta(hours=hours) for hours in (3, 21.5, 30)]
    rows = pa.table({"at": pa.array(at, pa.timestamp("us", "UTC"))})
    found = profile("t", {"at": "datetime"}, "at", rows).to_pandas()
    fresh = found[found["metric"] == "freshness_hours"]
    assert fresh["value"].tolist() == [2.5, 18.0]


def test_a_value_that_comes_on_some_days_only_is_a_line_on_those_days() -> None:
    at = [MIDNIGHT] * 10 + [MIDNIGHT + DAY] * 10
    rows = pa.table({"at": pa.array(at, pa.timestamp("us", "UTC")), "x": ["a"] * 10 + ["b"] * 10})
    found = profile("t", {"at": "datetime", "x": "string"}, "at", rows).to_pandas()
    found = found[found["metric"].str.startswith("share")]
    assert found[["day", "metric"]].to_numpy().tolist() == [
        [date(2024, 3, 1), "share of a"],
        [date(2024, 3, 2), "share of b"],
    ]

from datetime import date
from pathlib import Path

import pandas as pd

from core import lake
from core.intervals import DAY
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

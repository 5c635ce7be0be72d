"""Unusual days: each metric of a day's profile against limits learned from the days before it.

Verdicts are made from the profiles whenever they are asked for and kept nowhere: so they are
the same in whatever order the days were loaded.
"""

from datetime import date, timedelta

import pandas as pd

from catalog.kinds import Dataset
from core import lake
from core.intervals import DAY, Interval
from core.quality import limits, profiles

LOOKED_BACK = 2  # windows, for the days that are missing or were refused
NEWS_DAYS = 7  # of an interval; what was unusual before that is history
MOST = 5  # metrics of a day that are named, the most unusual first


def judged(dataset: Dataset, interval: Interval) -> pd.DataFrame:
    """A row a day and metric of the interval, as `limits.judge_days` returns them."""
    declared = dataset.limits
    if declared is None:
        return pd.DataFrame(columns=["day", "verdict"])
    back = timedelta(days=LOOKED_BACK * declared.window_days)
    within = Interval(max(interval.start, date.min + back) - back, interval.end)
    where = lake.equal(dataset=dataset.name) + lake.days("day", within)
    rows = lake.read(profiles.TABLE, where, columns=["day", "column", "metric", "value"])
    if rows is None or not rows.num_rows:
        return pd.DataFrame(columns=["day", "verdict"])
    found = limits.judge_days(
        rows.to_pandas().dropna(),
        learn_days=declared.learn_days,
        window_days=declared.window_days,
        false_alarms=declared.false_alarms,
    )
    return found[found["day"] >= interval.start]


def news(dataset: Dataset, interval: Interval) -> list[tuple[date, str, str]]:
    """Day, rule and words of what is unusual on an interval's last days and was not just before."""
    lately = Interval(max(interval.start, interval.end - NEWS_DAYS * DAY), interval.end)
    known = judged(dataset, Interval(lately.start - DAY, lately.end))
    unusual = known[known["verdict"] == "unusual"].to_dict("records")
    before = {(row["day"] + DAY, row["column"], row["metric"]) for row in unusual}
    found = []
    for day in lately.days():
        new = [row for row in unusual if row["day"] == day]
        new = [row for row in new if (day, row["column"], row["metric"]) not in before]
        for row in sorted(new, key=lambda row: -abs(row["sigmas"]))[:MOST]:
            name = f"{row['column']} {row['metric']}".strip()
            usual = f"usual are {row['low']:,.4g} to {row['high']:,.4g}"
            words = f"unusual {name}: {row['value']:,.4g}, {usual}, {row['rule']}"
            found.append((day, f"unusual {name}", words))
    return found

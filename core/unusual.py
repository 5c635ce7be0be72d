"""Unusual days: each metric of a day's profile against limits learned from the days before it."""

from collections.abc import Sequence
from datetime import date, timedelta

import pandas as pd
import pyarrow as pa

from catalog.kinds import Dataset
from core import lake, limits, profiles
from core.intervals import DAY, Interval

LOOKED_BACK = 2  # windows, for the days that are missing or were refused
NEWS_DAYS = 7  # of a load; what was unusual before that is history
MOST = 5  # metrics of a day that are named, the most unusual first
KEY = ["day", "column", "metric"]


def judged(dataset: Dataset, run: Interval, profiled: pa.Table) -> pa.Table:
    """The profile of some days with limits and verdicts, as `profiles.JUDGED`."""
    found = None
    if dataset.limits is not None and profiled.num_rows:
        back = timedelta(days=LOOKED_BACK * dataset.limits.window_days)
        where = lake.equal(dataset=dataset.name) + lake.days(
            "day", Interval(run.start - back, run.start)
        )
        before = lake.read(profiles.TABLE, where, columns=profiles.SCHEMA.names)
        known = profiled if before is None else pa.concat_tables([before, profiled])
        found = limits.judge_days(
            known.to_pandas()[[*KEY, "value"]].dropna(),
            learn_days=dataset.limits.learn_days,
            window_days=dataset.limits.window_days,
            false_alarms=dataset.limits.false_alarms,
        )
    frame = profiled.to_pandas()
    names = [name for name in profiles.JUDGED.names if name not in frame]
    if found is None:
        found = pd.DataFrame(columns=[*KEY, *names])
    frame = frame.merge(found[[*KEY, *names]], how="left", on=KEY)
    return pa.Table.from_pandas(frame, profiles.JUDGED, preserve_index=False)


def news(dataset: Dataset, days: Sequence[date]) -> list[tuple[date, str, str]]:
    """Day, rule and words of what is unusual on the last of these days and was not just before."""
    last = max(days)
    where = lake.equal(dataset=dataset.name, verdict="unusual")
    where += lake.days("day", Interval(last - NEWS_DAYS * DAY, last + DAY))
    rows = lake.read(profiles.TABLE, where)
    known = [] if rows is None else rows.to_pylist()
    before = {(row["day"] + DAY, row["column"], row["metric"]) for row in known}
    of_day: dict[date, list[dict[str, object]]] = {}
    for row in known:
        if (row["day"], row["column"], row["metric"]) not in before:
            of_day.setdefault(row["day"], []).append(row)
    found = []
    lately = {day for day in days if last - day < NEWS_DAYS * DAY}
    for day in sorted(set(of_day) & lately):
        worst = sorted(of_day[day], key=lambda row: -abs(row["sigmas"]))  # type: ignore[arg-type]
        for row in worst[:MOST]:
            name = f"{row['column']} {row['metric']}".strip()
            usual = f"usual are {row['low']:,.4g} to {row['high']:,.4g}"
            words = f"unusual {name}: {row['value']:,.4g}, {usual}, {row['rule']}"
            found.append((day, f"unusual {name}", words))
    return found

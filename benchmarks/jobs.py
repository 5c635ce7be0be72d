"""What is measured, each in a process of its own: python -m benchmarks.jobs <job> <arguments>."""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from itertools import count, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc
from pandera.pandas import Check, Column, DataFrameSchema

from benchmarks import data
from catalog.kinds import Dataset, File
from core import lake
from core.intervals import DAY, Interval
from core.lake.conditions import all_of
from core.load import loading
from core.sources import landing

HISTORY = Interval(date(1997, 1, 1), date(1998, 7, 1))
RULES = DataFrameSchema(
    {
        "customer_id": Column(str, Check.str_matches(r"^\d{8}$")),
        "date": Column("datetime64[us, UTC]"),
        "cds": Column(int, Check.in_range(1, 200)),
        "amount": Column(float, Check.in_range(0, 5_000)),
    },
    checks=Check(lambda rows: rows["amount"] <= 500 * rows["cds"], name="price_of_a_disc"),
)
Cost = tuple[float, float]  # wall and CPU seconds
GRAINS = {"day": "%Y-%m-%d", "month": "%Y-%m", "none": ""}


def dataset(path: Path) -> Dataset:
    """The dataset whose rows lie in this file."""
    return Dataset(
        name="sales",
        owner="bench@example.com",
        source=File(path=str(path), max_bytes=1 << 40),
        schema=RULES,
        day="date",
        max_bad_share=0.5,
        min_rows=0,
    )


def load(path: str, home: str) -> None:
    """Read, check, quarantine, load: all of a file that has landed."""
    os.environ["DAYLOOP_HOME"] = home
    landed = Path(home, "landing/sales/history.csv")
    landed.parent.mkdir(parents=True)
    landed.hardlink_to(path)
    file = landing.Landed("landing/sales/history.csv", "bench", 0, path)
    loading.load(dataset(Path(path)), HISTORY, [file])


def days(*homes: str) -> dict[str, list[Cost]]:
    """What one day after another costs, by turns: in an empty home, in one of such days, in these.

    Those of such days alone have as many commits behind them: what differs is the history.
    """
    *homes, rows, times = homes
    found: dict[str, list[Cost]] = {home: [] for home in ("", "such days", *homes)}
    with TemporaryDirectory() as folder:
        copies = {home: Path(folder, f"of-{number}") for number, home in enumerate(homes)}
        for home, copy in copies.items():
            shutil.copytree(home, copy)
        loads = {home: _daily(copy, int(rows)) for home, copy in copies.items()}
        loads["such days"] = _daily(Path(folder, "such days"), int(rows))
        next(loads["such days"])
        for number in range(int(times)):
            found[""].append(next(_daily(Path(folder, str(number)), int(rows))))
            for home, load in loads.items():
                found[home].append(next(load))
    return found


def year(rows: str) -> list[Cost]:
    """What each of 365 days costs, one after the other."""
    with TemporaryDirectory() as folder:
        return list(islice(_daily(Path(folder), int(rows)), 365))


def _daily(home: Path, rows: int) -> Iterator[Cost]:
    """Lands and loads one day after another; what each costs, the making of its file aside."""
    home.mkdir(exist_ok=True)
    declared = dataset(home / "{day}.csv")
    for number in count():
        day = Interval.of_day(HISTORY.end + number * DAY)
        data.one_day(home / f"{day}.csv", day.start, rows)
        os.environ["DAYLOOP_HOME"] = str(home)
        before = time.perf_counter(), time.process_time()
        loaded = loading.load(declared, day, landing.land(declared, day))
        yield time.perf_counter() - before[0], time.process_time() - before[1]
        assert loaded.rows_good == rows, loaded


def grain(home: str, name: str) -> dict[str, float]:
    """What a table costs that is partitioned by day, by month or not at all, in seconds."""
    os.environ["DAYLOOP_HOME"] = home
    rows = lake.read("sales", columns=[*RULES.columns])
    assert rows is not None
    if GRAINS[name]:
        rows = rows.append_column("part", pc.strftime(rows["date"], GRAINS[name]))
    with TemporaryDirectory() as folder:
        os.environ["DAYLOOP_HOME"] = folder
        return dict(_grain(rows, ["part"] if GRAINS[name] else []))


def _grain(rows: pa.Table, partition_by: list[str]) -> Iterator[tuple[str, float]]:
    def replace(days: Interval) -> None:
        where = lake.moments("date", days)
        some = rows if days == HISTORY else rows.filter(all_of(where))
        lake.replace("t", some.to_reader, where, schema=rows.schema, partition_by=partition_by)

    def seconds(job: Callable[[], object], times: int = 5) -> float:
        costs = []
        for _ in range(times):
            before = time.perf_counter()
            job()
            costs.append(time.perf_counter() - before)
        return median(costs)

    a_day = Interval.of_day(date(1997, 3, 12))
    yield "write all", seconds(lambda: replace(HISTORY), 1)
    yield "replace a day", seconds(lambda: replace(a_day))
    yield "read a day", seconds(lambda: lake.read("t", lake.moments("date", a_day)))
    yield "read a customer", seconds(lambda: lake.read("t", lake.equal(customer_id="00000042")))
    yield "read two columns", seconds(lambda: lake.read("t", columns=["customer_id", "amount"]), 3)
    found = lake.open_table("t")
    yield "files", len(found.file_uris()) if found else 0


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))

from pathlib import Path

import pytest
from pandera.pandas import Check, Column, DataFrameSchema

from core import lake
from core.errors import LakeDamaged, UsageError
from core.intervals import DAY, Interval
from core.load import requeue
from tests.core.load.test_loading import FIRST, SCHEMA, day_lines, load, orders, write

DAYS = Interval(FIRST, FIRST + 2 * DAY)
LENIENT = DataFrameSchema({**SCHEMA.columns, "amount": Column(float, Check.ge(-5))})


@pytest.fixture
def source(home: Path, tmp_path: Path) -> Path:
    """Two loaded days: one has a bad row, the other was refused for three."""
    path = tmp_path / "in" / "orders.csv"
    bad = [f"x{n},{FIRST + DAY},-1" for n in range(3)]
    write(path, [*day_lines(FIRST), f"x,{FIRST},-1", *day_lines(FIRST + DAY, 7), *bad])
    load(orders(path), days=2)
    return path


def test_a_corrected_rule_releases_the_rows_without_asking_upstream_again(source: Path):
    source.unlink()
    done = requeue.requeue(orders(source, schema=LENIENT), DAYS)
    assert (done.released, done.held) == (11, 0)  # one bad row, and the refused day's ten
    rows = lake.read("orders")
    assert rows is not None
    assert rows.num_rows == 21
    assert len(done.loads) == 1


def test_a_dry_run_says_the_same_and_changes_nothing(source: Path):
    version = lake.version("orders")
    done = requeue.requeue(orders(source, schema=LENIENT), DAYS, dry_run=True)
    assert done.released == 11
    assert lake.version("orders") == version


def test_under_the_same_rules_nothing_is_released(source: Path):
    done = requeue.requeue(orders(source), DAYS)
    assert (done.released, done.held) == (0, 0)
    assert [day for load in done.loads for day, _ in load.refused] == [FIRST + DAY]


def test_a_stricter_rule_holds_rows_back(source: Path):
    strict = DataFrameSchema({**SCHEMA.columns, "amount": Column(float, Check.in_range(1, 9.6))})
    done = requeue.requeue(orders(source, schema=strict), Interval.of_day(FIRST))
    assert (done.released, done.held) == (0, 1)


def test_daily_files_are_replayed_day_by_day(home: Path, tmp_path: Path):
    for day in DAYS.days():
        write(tmp_path / "in" / f"{day}.csv", [*day_lines(day), f"x,{day},-1"])
    path = tmp_path / "in" / "{day}.csv"
    load(orders(path), days=2)
    done = requeue.requeue(orders(path, schema=LENIENT), DAYS)
    assert done.released == 2


def test_what_was_never_landed_cannot_be_requeued(source: Path):
    with pytest.raises(UsageError, match="nothing was landed"):
        requeue.requeue(orders(source), Interval.of_day(FIRST + 99 * DAY))


def test_a_lost_landed_file_is_named(source: Path, home: Path):
    [file] = (home / "landing" / "orders").iterdir()
    file.unlink()
    with pytest.raises(LakeDamaged, match=f"the landed file {file.stem[:12]} is gone"):
        requeue.requeue(orders(source), DAYS)

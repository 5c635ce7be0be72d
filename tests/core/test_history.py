from pathlib import Path

import pytest

from core import history
from core.errors import UsageError
from core.intervals import DAY
from tests.core.load.test_loading import FIRST, day_lines, load, orders, write


@pytest.fixture
def source(home: Path, tmp_path: Path) -> Path:
    path = tmp_path / "in" / "orders.csv"
    write(path, day_lines(FIRST) + day_lines(FIRST + DAY))
    load(orders(path), days=2)
    return path


def test_each_load_is_a_version_with_its_days_and_its_source(source: Path):
    newest, created = history.versions("orders")
    assert newest.version == 1
    assert newest.what == f"load {FIRST} through {FIRST + DAY}"
    assert newest.rows_written == 20
    assert len(newest.sources) == 1
    assert created.version == 0


def test_rows_that_only_moved_to_another_file_are_no_difference(source: Path):
    lines = [*day_lines(FIRST), *day_lines(FIRST + DAY), f"new,{FIRST + DAY},1"]
    write(source, lines)
    load(orders(source), days=2)
    found = history.difference(orders(source), 1, 2)
    assert (found.added, found.removed) == (1, 0)
    assert found.added_samples[0]["id"] == "new"
    assert (found.rows_before, found.rows_after) == (20, 21)


def test_a_changed_row_of_a_table_without_a_key_is_a_removal_and_an_addition(source: Path):
    write(
        source, [*day_lines(FIRST)[:-1], f"00009,{FIRST}T09:00:00Z,1000", *day_lines(FIRST + DAY)]
    )
    load(orders(source), days=2)
    found = history.difference(orders(source), 1, 2)
    assert (found.added, found.removed) == (1, 1)
    assert ("amount", "max", 9.5, 1000.0) in [
        (each.column, each.metric, each.before, each.after) for each in found.profile
    ]


def test_equal_rows_are_counted_as_often_as_they_are_there(source: Path):
    write(source, day_lines(FIRST) + day_lines(FIRST)[:1] * 2 + day_lines(FIRST + DAY))
    load(orders(source), days=2)
    found = history.difference(orders(source), 1, 2)
    assert (found.added, found.removed) == (2, 0)


def test_an_unknown_version_or_table_is_named(source: Path):
    with pytest.raises(UsageError, match="orders has no version 9; it has 0 to 1"):
        history.difference(orders(source), 1, 9)
    with pytest.raises(UsageError, match="never has never been loaded"):
        history.versions("never")

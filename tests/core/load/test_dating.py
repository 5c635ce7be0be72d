"""To which day a row belongs: of every row of a file exactly one day knows."""

from pathlib import Path

import pytest

from core import lake
from core.intervals import DAY
from core.load import loading
from tests.core.load.test_loading import FIRST, day_lines, load, orders, write

NEXT = FIRST + DAY


@pytest.fixture
def source(home: Path, tmp_path: Path) -> Path:
    return tmp_path / "in" / "orders.csv"


def bad(source: Path, **how: object) -> list[tuple[object, ...]]:
    """Loads two days one by one; the bad rows that came of it."""
    for day in (FIRST, NEXT):
        load(orders(source, **how), day)
    rows = lake.read(loading.quarantine("orders"))
    found = (
        []
        if rows is None
        else rows.sort_by([("day", "ascending"), ("row", "ascending")]).to_pylist()
    )
    return [(row["day"], row["row"], row["column"], row["rule"]) for row in found]


def test_a_row_without_a_day_is_bad_on_the_day_of_the_row_before_it(source: Path) -> None:
    write(source, [*day_lines(FIRST), "x,,1", *day_lines(NEXT)])
    assert bad(source) == [(FIRST, 11, "at", "not_nullable")]


def test_in_a_file_for_one_day_a_row_without_a_day_is_bad(source: Path) -> None:
    for day in (FIRST, NEXT):
        write(source.with_name(f"{day}.csv"), [*day_lines(day), "x,,1"])
    found = bad(source.with_name("{day}.csv"))
    assert found == [(day, 11, "at", "not_nullable") for day in (FIRST, NEXT)]


def test_the_first_rows_without_a_day_count_to_the_day_of_the_row_after_them(
    source: Path,
) -> None:
    write(source, ["x,nope,1", "x,,1", *day_lines(NEXT)])
    found = bad(source, min_rows=0)
    assert found == [(NEXT, 1, "at", "not a date"), (NEXT, 2, "at", "not_nullable")]


def test_a_bad_row_whose_day_can_be_read_says_the_day_of_those_after_it(source: Path) -> None:
    write(source, [*day_lines(FIRST), f"x,{NEXT},oops", "x,nope,1", *day_lines(NEXT)])
    assert [(day, row) for day, row, *_ in bad(source)] == [(NEXT, 11), (NEXT, 12)]

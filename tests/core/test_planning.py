from datetime import date
from pathlib import Path

import pytest

from core import ledger, planning
from core.errors import DataRefused
from core.intervals import DAY, Interval
from core.load import recording
from tests.core import synthetic
from tests.core.load.test_loading import FIRST, SCHEMA, day_lines, load, orders, write


@pytest.fixture
def source(home: Path, tmp_path: Path) -> Path:
    """Ten days of rows, of which the first two are loaded."""
    path = tmp_path / "in" / "orders.csv"
    write(path, [line for n in range(10) for line in day_lines(FIRST + n * DAY)])
    load(orders(path), days=2)
    return path


def days(*numbers: int) -> list[date]:
    return [FIRST + number * DAY for number in numbers]


def test_the_daily_loop_loads_the_days_it_has_missed(source: Path):
    assert planning.days_to_load(orders(source), FIRST + 5 * DAY) == days(2, 3, 4, 5)


def test_a_day_that_was_done_is_looked_at_again_and_nothing_else(source: Path):
    assert planning.days_to_load(orders(source), FIRST + DAY) == days(1)


def test_the_first_load_of_a_dataset_is_the_day_itself(home: Path, source: Path):
    other = orders(source, lookback_days=3)
    assert planning.days_to_load(orders(source), FIRST - 9 * DAY) == days(-9)
    assert planning.days_to_load(other, FIRST + DAY) == days(0, 1)


def test_the_lookback_loads_earlier_days_again(source: Path):
    load(orders(source), start=FIRST + 2 * DAY, days=4)
    assert planning.days_to_load(orders(source, lookback_days=2), FIRST + 6 * DAY) == days(4, 5, 6)


def test_of_a_dataset_where_the_latest_counts_missed_days_are_skipped_and_trusted(source: Path):
    declared = orders(source, catch_up="latest")
    day = FIRST + 5 * DAY
    assert planning.days_to_load(declared, day) == days(5)
    assert planning.days_to_skip(declared, day) == days(2, 3, 4)
    recording.skip(declared, planning.days_to_skip(declared, day))
    load(declared, start=day)
    assert ledger.trust("orders", Interval(FIRST, day + DAY)).trusted


def test_skipped_days_are_left_to_a_person_where_that_is_declared(source: Path):
    declared = orders(source, catch_up="skip")
    assert planning.days_to_load(declared, FIRST + 5 * DAY) == days(5)
    assert planning.days_to_skip(declared, FIRST + 5 * DAY) == []


def test_a_skipped_day_can_be_loaded_after_all(source: Path):
    declared = orders(source, catch_up="latest")
    recording.skip(declared, days(2))
    loaded = load(declared, start=FIRST + 2 * DAY)
    assert (loaded.changed, loaded.rows_good) == (True, 10)


def test_too_many_missed_days_are_for_a_person(source: Path):
    with pytest.raises(DataRefused, match=f"orders: 98 days from {FIRST + 2 * DAY} on are missing"):
        planning.days_to_load(orders(source), FIRST + 100 * DAY)


def test_a_plan_sorts_days_by_what_would_happen_to_them(source: Path):
    write(source, [f"x,{FIRST + DAY},-1"] * 3 + day_lines(FIRST))
    load(orders(source), start=FIRST + DAY)
    found = planning.plan_dataset(orders(source), Interval(FIRST, FIRST + 4 * DAY))
    assert (found.missing, found.refused, found.outdated) == (
        tuple(days(2, 3)),
        tuple(days(1)),
        (),
    )
    assert (found.unchanged, found.expected_rows) == (1, 30)
    strict = orders(source, max_bad_share=0.0, schema=SCHEMA)
    assert planning.plan_dataset(strict, Interval.of_day(FIRST)).outdated == tuple(days(0))


def test_a_model_plan_says_what_would_be_fitted_or_why_not(home: Path, tmp_path: Path):
    declared = synthetic.dataset(tmp_path, synthetic.buys())
    synthetic.load(declared)
    model, end = synthetic.model(), date(2024, 2, 19)
    found = planning.plan_model(model, {"buys": declared}, Interval(end - 2 * DAY, end))
    assert (found.due, found.fits, found.blocked) == (True, 1, "")
    assert len(found.unscored) == 2
    early = planning.plan_model(model, {"buys": declared}, Interval.of_day(date(2024, 1, 5)))
    assert "need rows before" in early.blocked

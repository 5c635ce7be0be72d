from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from pandera.pandas import Check, Column, DataFrameSchema

from catalog.kinds import Dataset, File
from core import lake, ledger
from core.errors import SourceUnreachable
from core.intervals import DAY, Interval
from core.load import loading, recording
from core.sources import landing

FIRST = date(2026, 1, 30)
SCHEMA = DataFrameSchema(
    {
        "id": Column(str),
        "at": Column("datetime64[us, UTC]"),
        "amount": Column(float, Check.ge(0), nullable=True),
    }
)


def orders(path: Path, **changes: object) -> Dataset:
    given = {"source": File(path=str(path)), "schema": SCHEMA, "day": "at", "max_bad_share": 0.2}
    return Dataset(name="orders", owner="me", **{**given, **changes})


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("\n".join(["id,at,amount", *lines]) + "\n")


def day_lines(day: date, count: int = 10, start: int = 0) -> list[str]:
    return [f"{start + n:05},{day}T0{n % 10}:00:00Z,{n}.5" for n in range(count)]


def load(
    declared: Dataset, start: date = FIRST, days: int = 1, **kwargs: object
) -> recording.Loaded:
    interval = Interval(start, start + days * DAY)
    return loading.load(declared, interval, landing.land(declared, interval), **kwargs)


def table(where: lake.Where = ()) -> list[dict]:
    rows = lake.read("orders", where)
    return [] if rows is None else rows.sort_by([("at", "ascending")]).to_pylist()


def bad_rows() -> list[dict]:
    rows = lake.read("orders_quarantine")
    return [] if rows is None else rows.to_pylist()


@pytest.fixture
def source(home: Path, tmp_path: Path) -> Path:
    return tmp_path / "in" / "orders.csv"


def test_an_interval_of_one_file_is_loaded_in_one_commit_with_a_ledger_row_a_day(source: Path):
    write(source, day_lines(FIRST) + day_lines(FIRST + DAY, 7) + day_lines(FIRST + 9 * DAY))
    loaded = load(orders(source), days=3)
    assert (loaded.rows_read, loaded.rows_good, loaded.days_loaded) == (17, 17, 2)
    assert [(entry.day, entry.status, entry.rows_good) for entry in ledger.entries("orders")] == [
        (FIRST, "loaded", 10),
        (FIRST + DAY, "loaded", 7),
        (FIRST + 2 * DAY, "refused", 0),  # no rows, and one is the least by default
    ]
    assert len(table()) == 17
    assert lake.version("orders") == 1


def test_loading_again_changes_nothing(source: Path):
    write(source, day_lines(FIRST))
    first, again = load(orders(source)), load(orders(source))
    assert first.changed
    assert not again.changed
    assert again.rows_good == 10
    assert lake.version("orders") == 1


def test_a_day_that_comes_again_is_replaced_and_the_others_stay(source: Path):
    write(source, day_lines(FIRST) + day_lines(FIRST + DAY))
    load(orders(source), days=2)
    write(source, day_lines(FIRST, 3, start=500))
    load(orders(source))
    assert [row["id"] for row in table()][:3] == ["00500", "00501", "00502"]
    assert len(table()) == 13


def test_a_bad_row_goes_to_quarantine_with_all_that_tells_what_it_was(source: Path):
    write(source, [*day_lines(FIRST), f"00077,{FIRST},-1"])
    loaded = load(orders(source))
    assert (loaded.rows_read, loaded.rows_good, loaded.rows_bad) == (11, 10, 1)
    [bad] = bad_rows()
    assert (bad["day"], bad["row"], bad["column"], bad["value"]) == (FIRST, 11, "amount", "-1")
    assert bad["rule"] == "greater_than_or_equal_to"
    assert bad["file"].startswith("landing/orders/")
    assert '"id":"00077"' in bad["raw"]


def test_a_day_over_its_tolerance_is_refused_and_the_table_keeps_what_it_had(source: Path):
    write(source, day_lines(FIRST))
    load(orders(source))
    before = table()
    write(source, day_lines(FIRST, 7) + [f"x,{FIRST},-1"] * 3)
    loaded = load(orders(source))
    why = "3 by amount greater_than_or_equal_to, such as '-1'"
    assert loaded.refused == ((FIRST, f"3 of 10 rows are bad (30.0%, 20.0% are tolerated); {why}"),)
    assert table() == before
    assert len(bad_rows()) == 3
    assert ledger.entries("orders")[0].status == "refused"
    assert not ledger.trust("orders", Interval.of_day(FIRST)).trusted


def test_a_refused_day_does_not_keep_its_neighbours_out(source: Path):
    bad = [f"x,{FIRST + DAY},oops"] * 5
    write(source, day_lines(FIRST) + bad + day_lines(FIRST + 2 * DAY))
    loaded = load(orders(source), days=3)
    assert [day for day, _ in loaded.refused] == [FIRST + DAY]
    assert {row["at"].date() for row in table()} == {FIRST, FIRST + 2 * DAY}


def test_a_day_with_too_few_rows_is_refused_and_with_none_declared_it_is_empty(source: Path):
    write(source, day_lines(FIRST, 4))
    assert load(orders(source, min_rows=5)).refused == ((FIRST, "4 rows, at least 5 are expected"),)
    loaded = load(orders(source, min_rows=0), start=FIRST + DAY)
    assert (loaded.days_empty, loaded.refused) == (1, ())
    assert ledger.trust("orders", Interval.of_day(FIRST + DAY)).trusted


def test_a_bad_row_without_a_day_counts_to_the_day_of_the_row_before_it(source: Path):
    write(source, [*day_lines(FIRST), "x,not a day,1", *day_lines(FIRST + DAY)])
    assert load(orders(source)).rows_bad == 1
    assert load(orders(source), start=FIRST + DAY).rows_bad == 0
    write(source, ["x,not a day,1", *day_lines(FIRST)])
    assert load(orders(source)).rows_bad == 1


def test_in_daily_files_a_row_of_another_day_is_bad(source: Path):
    declared = orders(source.parent / "{day}.csv")
    write(source.parent / f"{FIRST}.csv", day_lines(FIRST) + day_lines(FIRST + DAY, 1))
    loaded = load(declared)
    assert (loaded.rows_good, loaded.rows_bad) == (10, 1)
    assert bad_rows()[0]["rule"] == "outside the file's day"


def test_daily_files_that_have_not_come_leave_their_days_undone(source: Path):
    declared = orders(source.parent / "{day}.csv")
    write(source.parent / f"{FIRST}.csv", day_lines(FIRST))
    write(source.parent / f"{FIRST + 2 * DAY}.csv", day_lines(FIRST + 2 * DAY))
    loaded = load(declared, days=3)
    assert loaded.days_loaded == 2
    trust = ledger.trust("orders", Interval(FIRST, FIRST + 3 * DAY))
    assert trust.reason == f"orders {FIRST + DAY} has not been loaded"


def test_a_source_that_is_not_there_is_worth_another_try(source: Path):
    with pytest.raises(SourceUnreachable, match="orders 2026-01-30: there is no file"):
        load(orders(source))


def test_a_broken_daily_file_refuses_its_own_day_only(source: Path):
    declared = orders(source.parent / "{day}.csv")
    write(source.parent / f"{FIRST}.csv", day_lines(FIRST))
    (source.parent / f"{FIRST + DAY}.csv").write_text("<html>down for maintenance</html>\n")
    loaded = load(declared, days=2)
    assert loaded.days_loaded == 1
    [(day, reason)] = loaded.refused
    assert day == FIRST + DAY
    assert "HTML" in reason


def test_a_dry_run_says_what_would_be_and_writes_nothing(source: Path):
    write(source, [*day_lines(FIRST), f"x,{FIRST},-1"])
    loaded = load(orders(source), dry_run=True)
    assert (loaded.rows_good, loaded.rows_bad) == (10, 1)
    assert ledger.entries("orders") == []
    assert table() == bad_rows() == []


@pytest.mark.parametrize("step", ["_replace_quarantine", "profiles.record", "ledger.record"])
def test_a_load_that_died_at_any_step_is_made_whole_by_the_next(
    source: Path, monkeypatch: pytest.MonkeyPatch, step: str
):
    write(source, [*day_lines(FIRST), f"x,{FIRST},-1", *day_lines(FIRST + DAY)])

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(f"core.load.loading.{step}", die)
        with pytest.raises(KeyboardInterrupt):
            load(orders(source), days=2)
    assert not ledger.trust("orders", Interval.of_day(FIRST)).trusted
    loaded = load(orders(source), days=2)
    assert loaded.changed
    assert (len(table()), len(bad_rows())) == (20, 1)


def test_a_changed_contract_loads_the_same_bytes_again(source: Path):
    write(source, [*day_lines(FIRST), f"x,{FIRST},-1"])
    load(orders(source))
    lenient = DataFrameSchema({**SCHEMA.columns, "amount": Column(float, Check.ge(-5))})
    loaded = load(orders(source, schema=lenient))
    assert loaded.changed
    assert (loaded.rows_good, loaded.rows_bad) == (11, 0)
    assert bad_rows() == []


def test_days_are_utc_and_months_are_the_partitions(source: Path):
    write(source, ["a,2026-01-31T23:30:00-02:00,1", "b,2026-01-31T23:30:00Z,2"])
    load(orders(source), start=date(2026, 1, 31), days=2)
    months = {row["id"]: row["_month"] for row in table()}
    assert months == {"a": "2026-02", "b": "2026-01"}


def test_what_was_landed_are_the_bytes_that_came(source: Path, home: Path):
    write(source, day_lines(FIRST))
    load(orders(source))
    [file] = (home / "landing" / "orders").iterdir()
    assert file.read_bytes() == source.read_bytes()


def test_text_comes_through_as_it_was(source: Path):
    write(source, [f"00007,{FIRST},", f"NA,{FIRST},1"])
    load(orders(source))
    rows = lake.read("orders")
    assert isinstance(rows, pa.Table)
    assert rows["id"].to_pylist() == ["00007", "NA"]
    assert rows["amount"].to_pylist() == [None, 1.0]

"""Schemas change: upstream's without asking, ours with a class and, where it breaks, a word."""

from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandera.pandas import Check, Column, DataFrameSchema

from catalog.kinds import Dataset, File
from core import history, lake, ledger
from core.errors import ContractBroken
from core.intervals import DAY, Interval
from core.load import contracts, loading, recording
from core.sources import landing

FIRST = date(2026, 1, 30)
NEXT = FIRST + DAY
COLUMNS = {"id": Column(str), "at": Column("datetime64[us, UTC]"), "n": Column(int)}


@pytest.fixture
def folder(home: Path, tmp_path: Path) -> Path:
    return tmp_path


def declare(folder: Path, columns: dict[str, Column] = COLUMNS, **changes: Any) -> Dataset:
    given = {"source": File(path=str(folder / "orders-{day}.csv")), "day": "at"}
    schema = DataFrameSchema(dict(columns))
    return Dataset(name="orders", owner="me", schema=schema, **{**given, **changes})


def send(folder: Path, day: date, header: str, *rows: str) -> None:
    text = "\n".join([header, *(row.replace("@", str(day)) for row in rows)])
    (folder / f"orders-{day}.csv").write_text(text + "\n")


def load(declared: Dataset, start: date = FIRST, days: int = 1, **kwargs: Any) -> recording.Loaded:
    interval = Interval(start, start + days * DAY)
    return loading.load(declared, interval, landing.land(declared, interval), **kwargs)


def table() -> list[dict[str, Any]]:
    rows = lake.read("orders")
    assert rows is not None
    return rows.sort_by([("at", "ascending"), ("id", "ascending")]).drop(["_month"]).to_pylist()


def test_an_additional_column_is_ignored_where_nothing_is_said(folder: Path) -> None:
    send(folder, FIRST, "id,at,n,new", "a,@,1,x")
    load(declare(folder))
    assert list(table()[0]) == ["id", "at", "n"]


def test_an_additional_column_is_added_and_filled_from_then_on(folder: Path) -> None:
    orders = declare(folder, extra_columns="add")
    send(folder, FIRST, "id,at,n", "a,@,1")
    send(folder, NEXT, "new,id,at,n", "x,b,@,2", ",c,@,3")
    load(orders)
    load(orders, NEXT)
    assert [row["new"] for row in table()] == [None, "x", None]
    send(folder, NEXT + DAY, "id,at,n", "d,@,4")
    load(orders, NEXT + DAY)
    assert [row.get("new") for row in table()] == [None, "x", None, None]
    assert history.difference(orders, 1, 2).schema == ("new came, string",)


def test_an_additional_column_refuses_the_day_where_that_is_declared(folder: Path) -> None:
    send(folder, FIRST, "id,at,n,new", "a,@,1,x")
    (refused,) = load(declare(folder, extra_columns="refuse")).refused
    assert "column 'new': expected none of that name" in refused[1]


def test_a_missing_optional_column_is_null(folder: Path) -> None:
    note = Column(str, nullable=True, required=False)
    send(folder, FIRST, "id,at,n", "a,@,1")
    load(declare(folder, {**COLUMNS, "note": note}))
    assert table()[0]["note"] is None


def test_a_missing_required_column_refuses_the_day_and_names_it(folder: Path) -> None:
    send(folder, FIRST, "id,at", "a,@")
    (refused,) = load(declare(folder)).refused
    assert "'n'" in refused[1]
    assert lake.version("orders") is None


def test_a_changed_type_refuses_the_day_and_says_what_was_expected_and_found(folder: Path) -> None:
    send(folder, FIRST, "id,at,n", "a,@,one", "b,@,two")
    (refused,) = load(declare(folder)).refused
    assert "2 of 2 rows are bad" in refused[1]
    assert "2 by n not an integer, such as 'one'" in refused[1]


def test_every_declaration_that_was_loaded_by_is_kept_in_readable_form(folder: Path) -> None:
    send(folder, FIRST, "id,at,n", "a,@,1")
    load(declare(folder))
    load(declare(folder))
    strict = {**COLUMNS, "n": Column(int, Check.ge(0))}
    load(declare(folder, strict))
    first, second = contracts.versions("orders")
    assert (first["version"], first["change"]) == (1, "first")
    assert (second["version"], second["change"], second["what"]) == (2, "rules", "column n changed")
    assert '"greater_than_or_equal_to(min_value=0)"' in second["declared"]
    assert ledger.entries("orders")[0].contract == second["contract"]


def test_a_new_nullable_column_is_additive(folder: Path) -> None:
    send(folder, FIRST, "id,at,n,note", "a,@,1,x")
    load(declare(folder))
    load(declare(folder, {**COLUMNS, "note": Column(str, nullable=True)}))
    assert contracts.versions("orders")[-1]["change"] == "additive"
    assert table()[0]["note"] == "x"


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"n": Column(float)}, "column n was int, is float"),
        ({"n": None}, "column n went"),
        ({"m": Column(int)}, "column m came, and old rows have none: declare it nullable"),
    ],
)
def test_a_breaking_declaration_waits_for_a_word(
    folder: Path, columns: dict[str, Any], says: str
) -> None:
    send(folder, FIRST, "id,at,n,m", "a,@,1,1")
    load(declare(folder))
    before = lake.version("orders"), table()
    changed = {name: each for name, each in {**COLUMNS, **columns}.items() if each}
    with pytest.raises(ContractBroken, match=says):
        load(declare(folder, changed))
    assert (lake.version("orders"), table()) == before


def test_an_allowed_break_converts_the_rows_there_are_exactly(folder: Path) -> None:
    for day in (FIRST, NEXT):
        send(folder, day, "id,at,n", "1,@,1", "2,@,2")
    load(declare(folder))
    changed = {"id": Column(int), "at": COLUMNS["at"], "n": Column(float)}
    load(declare(folder, changed), NEXT, allow_breaking=True)
    assert [(row["id"], row["n"]) for row in table()] == [(1, 1.0), (2, 2.0)] * 2
    assert ledger.trust("orders", Interval(FIRST, NEXT + DAY)).trusted
    assert contracts.versions("orders")[-1]["change"] == "breaking"
    again = loading.load(
        declare(folder, changed),
        Interval.of_day(FIRST),
        landing.land(declare(folder, changed), Interval.of_day(FIRST)),
    )
    assert again.rows_good == 2  # the day's contract was another, so it is loaded again
    assert [entry.content for entry in ledger.entries("orders")][0] != ""


def test_a_dropped_column_goes_and_the_earlier_version_keeps_it(folder: Path) -> None:
    send(folder, FIRST, "id,at,n", "a,@,1")
    load(declare(folder))
    version = lake.version("orders")
    kept = {name: COLUMNS[name] for name in ("id", "at")}
    load(declare(folder, kept), allow_breaking=True)
    assert list(table()[0]) == ["id", "at"]
    old = lake.read("orders", at=version)
    assert old is not None
    assert old["n"].to_pylist() == [1]


def test_what_cannot_be_converted_exactly_leaves_the_table_as_it_was(folder: Path) -> None:
    columns = {**COLUMNS, "n": Column(str)}
    send(folder, FIRST, "id,at,n", "a,@,1.5", "b,@,x")
    load(declare(folder, columns))
    before = lake.version("orders")
    for kind, says in ((float, "'x' is no float"), (pd.Int64Dtype(), "'1.5' is no int")):
        send(folder, NEXT, "id,at,n", "a,@,1")
        with pytest.raises(ContractBroken, match=says):
            load(declare(folder, {**COLUMNS, "n": Column(kind)}), NEXT, allow_breaking=True)
    assert lake.version("orders") == before

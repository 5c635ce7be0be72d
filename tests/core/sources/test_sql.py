import sqlite3
import sys
from datetime import date
from functools import partial
from pathlib import Path

import pytest
from pandera.pandas import Column, DataFrameSchema

from core import home as homes
from core import lake
from core.errors import SourceFailed, SourceUnreachable
from core.intervals import DAY, Interval
from core.load import loading
from core.sources import landing
from tests.core.sources.landed import (
    FIRST,
    SCHEMA,
    WEEK,
    between,
    dataset,
    failure,
    land,
    nothing_landed,
    rows,
    told_nothing,
)


@pytest.fixture
def shop(tmp_path: Path, home: Path) -> Path:
    """A SQLite database with a row a day."""
    path = tmp_path / "shop #1, 100%.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE sales (id INTEGER, at TEXT, note TEXT)")
        days = [(n, f"{FIRST + n * DAY} 10:00:00", f"note {n}") for n in range(10)]
        connection.executemany("INSERT INTO sales VALUES (?, ?, ?)", days)
    connection.close()
    return path


def test_the_rows_of_half_open_days_are_landed_one_object_a_line(shop: Path):
    landed = land(f"sqlite:///{shop}", between("id, note FROM sales"), Interval.of_day(FIRST + DAY))
    assert rows(landed) == [{"id": 1, "note": "note 1"}]
    assert landed.day is None
    assert landed.path.endswith(f"{landed.sha256}.jsonl.zst")


def test_a_sqlite_path_is_relative_to_the_project(
    shop: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(homes, "PROJECT", tmp_path)
    shop.rename(tmp_path / "shop.db")
    declared = dataset("sqlite:///shop.db", between("id, at FROM sales"))
    [landed] = landing.land(declared, WEEK)
    assert landed.origin == "sqlite shop.db 2026-01-30 through 2026-02-05.jsonl.zst"
    loaded = loading.load(declared, WEEK, [landed])
    assert (loaded.rows_good, loaded.rows_bad) == (7, 0)


def test_days_without_rows_are_landed_as_such(shop: Path):
    later = Interval.of_day(date(2030, 1, 1))
    declared = dataset("SHOP_URL", between("id, at FROM sales"), min_rows=0)
    landed = land(f"sqlite:///{shop}", declared.source.query, later)
    assert rows(landed) == []
    assert loading.load(declared, later, [landed]).days_empty == 1


def test_a_sqlite_file_that_is_not_there_is_not_made(tmp_path: Path, home: Path):
    error = failure(f"sqlite:///{tmp_path}/none.db")
    assert isinstance(error, SourceFailed)
    assert "there is no file none.db where SHOP_URL says; put it there" in str(error)
    assert not (tmp_path / "none.db").exists()


def test_a_sqlite_database_cannot_be_written_to(shop: Path):
    query = "DELETE FROM sales WHERE at >= :start AND at < :end RETURNING id"
    error = failure(f"sqlite:///{shop}", query)
    assert isinstance(error, SourceFailed)
    assert "attempt to write a readonly database" in str(error)
    assert len(rows(land(f"sqlite:///{shop}", between("id FROM sales")))) == 7


def test_a_sqlite_database_that_is_being_written_to_is_worth_another_try(
    shop: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, timeout=0))  # not 5 seconds
    with sqlite3.connect(shop, isolation_level=None) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        error = failure(f"sqlite:///{shop}")
    writer.close()
    assert isinstance(error, SourceUnreachable)
    assert "database is locked" in str(error)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (between("id FROM nowhere"), "no such table: nowhere"),
        (between("other FROM sales"), "no such column: other"),
        ("SELECT :start :end FROM", "syntax error"),
        ("CREATE TABLE a AS SELECT :start, :end", "attempt to write a readonly database"),
        ("PRAGMA user_version = 0 -- :start :end", "Incorrect number of bindings"),
    ],
)
def test_a_query_that_is_wrong_is_not_asked_again(shop: Path, query: str, said: str):
    error = failure(f"sqlite:///{shop}", query)
    assert isinstance(error, SourceFailed)
    assert said in str(error)
    assert "correct source.query or SHOP_URL" in str(error)
    assert "\n" not in str(error)
    assert nothing_landed()


def test_two_columns_of_one_name_are_refused(shop: Path):
    error = failure(f"sqlite:///{shop}", between("id, at, id, at AS id FROM sales"))
    assert isinstance(error, SourceFailed)
    assert "several columns called id; give each a name of its own (AS)" in str(error)


def test_a_colon_is_a_parameter_only_before_start_and_end(shop: Path):
    query = between("id, 'at :time, 10:30, 100%' AS text, note AS \"a.b\" FROM sales")
    assert rows(land(f"sqlite:///{shop}", query))[0] == {
        "id": 0,
        "text": "at :time, 10:30, 100%",
        "a.b": "note 0",
    }


def test_text_that_is_no_text_goes_to_quarantine_and_the_rest_is_loaded(shop: Path):
    with sqlite3.connect(shop) as connection:
        connection.execute("UPDATE sales SET note = CAST(x'ff61' AS TEXT) WHERE id = 1")
        connection.execute("UPDATE sales SET note = CAST(x'610062' AS TEXT) WHERE id = 2")
        connection.execute("UPDATE sales SET note = 'Zoë ☃ \U0001f600 \"\\' WHERE id = 3")
    connection.close()
    schema = DataFrameSchema({**SCHEMA.columns, "note": Column(str)})
    declared = dataset("SHOP_URL", between("* FROM sales"), schema, max_bad_share=0.9)
    landed = land(f"sqlite:///{shop}", declared.source.query)
    loading.load(declared, WEEK, [landed])
    bad = lake.read("sales_quarantine").sort_by("row").to_pylist()
    assert [(row["row"], row["rule"]) for row in bad] == [(2, "not text"), (3, "NUL character")]
    good = {row["id"]: row["note"] for row in lake.read("sales").to_pylist()}
    assert good[3] == 'Zoë ☃ \U0001f600 "\\'
    assert len(good) == 5


def test_a_wide_table_of_nulls_is_not_taken_for_a_bomb(shop: Path):
    many = ", ".join(f"NULL AS a_column_with_a_long_name_{n}" for n in range(80))
    query = f"""
        WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 25000)
        SELECT id, :start AS at, {many} FROM n WHERE :end > :start
    """
    declared = dataset("SHOP_URL", query)
    landed = land(f"sqlite:///{shop}", query)
    assert landed.size_bytes < 25_000 * 3_000 / 200
    assert loading.load(declared, Interval.of_day(FIRST), [landed]).rows_good == 25_000


# URLs and drivers.


@pytest.mark.parametrize(
    "url",
    [
        "t0p-s3cret",
        "postgresql//u:t0p-s3cret@host/db",
        "postgresql://u:p@t0p-s3cret@host/db",
        "postgresql://u:p@t0p-s3cret/x@host/db",
        "postgresql://u:t0p-s3cret@host:t0p-s3cret/db",
        "postgresql://u:t0p-s3cret@host/db?connect_timeout=soon",
        "mysql+pymysql://u:t0p-s3cret@host/db",
        "mysql://u:t0p-s3cret@host/db",
        "nosuch://u:t0p-s3cret@host/db",
        "postgresql+asyncpg://u:t0p-s3cret@host/db",
        "sqlite:////t0p-s3cret/shop.db",
        "sqlite://",
    ],
)
def test_a_url_that_cannot_work_says_what_to_do_and_nothing_of_itself(home: Path, url: str):
    error = failure(url)
    assert isinstance(error, SourceFailed)
    assert any(word in str(error) for word in ("SHOP_URL", "pip install"))
    assert told_nothing(error, "t0p-s3cret", url)


@pytest.mark.parametrize(
    ("url", "module", "package"),
    [
        ("postgres://u:t0p-s3cret@host/db", "psycopg", "'psycopg[binary]'"),
        ("mysql+pymysql://u:t0p-s3cret@host/db", "pymysql", "pymysql"),
        ("mysql://u:t0p-s3cret@host/db", "MySQLdb", "mysqlclient"),
    ],
)
def test_a_missing_driver_is_named_by_its_package(
    home: Path, monkeypatch: pytest.MonkeyPatch, url: str, module: str, package: str
):
    monkeypatch.setitem(sys.modules, module, None)
    error = failure(url)
    assert isinstance(error, SourceFailed)
    assert f"pip install {package}" in str(error)
    assert told_nothing(error, "t0p-s3cret")

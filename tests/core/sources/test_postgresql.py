from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from urllib.parse import quote

import psycopg
import pytest
from pandera.pandas import Column, DataFrameSchema

from catalog.kinds import Dataset, Sql
from core import home as homes
from core import lake, sources
from core.errors import SourceFailed, SourceUnreachable
from core.intervals import Interval
from core.load import loading
from core.sources import landing
from core.sources.sql import BATCH_ROWS
from tests.core.sources import postgres
from tests.core.sources.landed import (
    FIRST,
    INSTANT,
    WEEK,
    between,
    dataset,
    failure,
    land,
    nothing_landed,
    rows,
    told_nothing,
)
from tests.core.sources.postgres import PASSWORD, Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with postgres.serve() as running:
        running.execute("CREATE ROLE reader LOGIN PASSWORD 'r3aders-own'")
        yield running


TYPES = """
    CREATE TABLE typed (
        id bigint, at timestamptz, wall timestamp, day date,
        price numeric(10,2), whole numeric(10,0), exact float8,
        flag bool, text text, code char(5), tags int[], doc jsonb, key uuid, raw bytea
    )
"""
VALUES = """
    INSERT INTO typed VALUES
    (9007199254740993, '2026-01-30 23:30:00.123456-02', '2026-01-30 12:00', '2026-01-30',
     1234567.89, 5, 0.1::float8 + 0.2, true, 'NA', '00042', '{1,2}', '{"a": 1.10}',
     '00000000-0000-0000-0000-000000000001', '\\x00ff'),
    (-9223372036854775808, '2026-02-01 00:00:00+00', '2026-02-01 00:00', '2026-02-01', -0.01,
     9999999999, 1e300, false, '', '     ', '{}', 'null', NULL, ''),
    (3, '2026-02-02Z', NULL, NULL, NULL, 0, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL)
"""
TYPED = DataFrameSchema(
    {
        "id": Column(int),
        "at": Column(INSTANT),
        "wall": Column(INSTANT, nullable=True),
        "day": Column(INSTANT, nullable=True),
        "price": Column(float, nullable=True),
        "whole": Column(int),
        "exact": Column(float, nullable=True),
        "flag": Column(bool),
        "text": Column(str, nullable=True),
        "code": Column(str, nullable=True),
        "tags": Column(str, nullable=True),
        "doc": Column(str, nullable=True),
        "key": Column(str, nullable=True),
        "raw": Column(str, nullable=True),
    }
)


def test_the_file_says_what_and_when_and_nothing_of_the_connection(server: Server, home: Path):
    landed = land(server.url(), "SELECT 1 AS id WHERE :start < :end")
    assert landed.origin == "postgresql postgres 2026-01-30 through 2026-02-05.jsonl.zst"


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


@pytest.fixture
def typed(server: Server, home: Path) -> Iterator[Server]:
    server.execute(TYPES)
    server.execute(VALUES)
    yield server
    server.execute("DROP TABLE typed")


def test_types_come_through_postgresql_and_the_load_exactly(typed: Server):
    source = Sql(
        database="SHOP_URL",
        query="SELECT * FROM typed WHERE at >= :start::timestamptz AND at < :end ORDER BY at",
        timezone="America/New_York",
    )
    declared = Dataset(name="sales", owner="me", source=source, schema=TYPED, day="at")
    landed = landing.land(declared, WEEK, lambda _: typed.url())
    loaded = loading.load(declared, WEEK, landed)
    assert (loaded.rows_good, loaded.rows_bad) == (3, 0)
    first, second, third = lake.read("sales").sort_by("at").drop_columns("_month").to_pylist()
    assert first == {
        "id": 9007199254740993,
        "at": utc(2026, 1, 31, 1, 30, 0, 123456),
        "wall": utc(2026, 1, 30, 17),  # noon in New York
        "day": utc(2026, 1, 30),
        "price": 1234567.89,
        "whole": 5,
        "exact": 0.1 + 0.2,
        "flag": True,
        "text": "NA",
        "code": "00042",
        "tags": "[1, 2]",
        "doc": '{"a": 1.10}',
        "key": "00000000-0000-0000-0000-000000000001",
        "raw": "00ff",
    }
    assert (second["id"], second["price"], second["whole"]) == (-(2**63), -0.01, 9999999999)
    assert (second["text"], second["code"], second["tags"]) == ("", "     ", "[]")
    assert third == {
        **dict.fromkeys(third),
        "id": 3,
        "at": utc(2026, 2, 2),
        "whole": 0,
        "flag": False,
    }


def test_what_python_cannot_hold_does_not_stop_the_night(server: Server, home: Path):
    query = """
        SELECT 1 AS id, at, 'NaN'::numeric AS number, 'infinity'::float8 AS float,
            '0044-03-15 BC'::date AS ides
        FROM (VALUES ('infinity'::timestamptz), ('12026-01-01'), ('2026-01-30 10:00')) v (at)
        WHERE at >= :start OR at < :end
    """
    landed = land(server.url(), query)
    assert [row["at"] for row in rows(landed)] == [
        "infinity",
        "12026-01-01 00:00:00+00",
        "2026-01-30 10:00:00+00",
    ]
    assert rows(landed)[0] | {"at": ""} == {
        "id": 1,
        "at": "",
        "number": "NaN",
        "float": "inf",
        "ides": "0044-03-15 BC",
    }
    declared = dataset("SHOP_URL", query, max_bad_share=0.9)
    loaded = loading.load(declared, Interval.of_day(FIRST), [landed])
    assert loaded.rows_good == 1


def test_the_session_is_in_utc_whatever_the_server_is_in(server: Server, home: Path):
    assert server.execute("SHOW timezone") == [("Asia/Kolkata",)]
    [row] = rows(
        land(
            server.url(),
            """
            SELECT current_setting('timezone') AS zone, :start::timestamptz AS midnight,
                '2026-01-30 00:00+05:30'::timestamptz AS at
            WHERE :end > :start
            """,
        )
    )
    assert row == {
        "zone": "UTC",
        "midnight": "2026-01-30 00:00:00+00",
        "at": "2026-01-29 18:30:00+00",
    }


def test_days_are_half_open_at_midnight_utc(server: Server, home: Path):
    query = """
        SELECT at FROM (VALUES ('2026-01-29 23:59:59.999999Z'::timestamptz), ('2026-01-30 00:00Z'),
            ('2026-01-30 23:59:59.999999Z'), ('2026-01-31 00:00Z')) v (at)
        WHERE at >= :start AND at < :end ORDER BY at
    """
    landed = land(server.url(), query, Interval.of_day(FIRST))
    times = [row["at"] for row in rows(landed)]
    assert times == ["2026-01-30 00:00:00+00", "2026-01-30 23:59:59.999999+00"]


MANY = """
    SELECT n AS id, '2026-01-30'::date AS at, n * 0.01 AS amount, 'customer ' || n % 97 AS who
    FROM generate_series(1, {count}) n WHERE :start < :end ORDER BY n
"""


def test_many_rows_stream_in_batches_and_are_the_same_bytes_again(server: Server, home: Path):
    count = 100_001
    source = Sql(database="SHOP_URL", query=MANY.format(count=count))
    [arrival] = sources.pull(source, WEEK, lambda _: server.url())
    chunks = iter(arrival.chunks)
    next(chunks)
    waiting = "SELECT query FROM pg_stat_activity WHERE state = 'idle in transaction'"
    [(query,)] = server.execute(waiting)
    assert query.startswith("FETCH FORWARD ")  # the server holds the rest back
    assert 1 + sum(1 for _ in chunks) == -(-count // BATCH_ROWS)
    first = land(server.url(), source.query)
    again = land(server.url(), source.query)
    assert first.sha256 == again.sha256
    assert len(homes.listing("landing/sales")) == 1
    loaded = loading.load(dataset("SHOP_URL", source.query), Interval.of_day(FIRST), [first])
    assert loaded.rows_good == count


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (between("id FROM nowhere"), 'relation "nowhere" does not exist'),
        (between("other FROM pg_class"), 'column "other" does not exist'),
        (
            between("rolpassword FROM (SELECT *, now() AS at FROM pg_authid) x"),
            "permission denied for table pg_auth",
        ),
        ("SELECT 1 / 0 AS id WHERE :start < :end", "division by zero"),
        ("DELETE FROM sales WHERE at >= :start AND at < :end", "syntax error"),
        (
            "SELECT set_config('transaction_read_only', 'off', true), :start, :end",
            "read-write mode",
        ),
        ("SELECT 1 AS id WHERE :start < :end; SELECT 2", "multiple commands"),
    ],
)
def test_a_query_that_postgresql_refuses_is_not_asked_again(
    server: Server, home: Path, query: str, said: str
):
    error = failure(server.url("reader", "r3aders-own"), query)
    assert isinstance(error, SourceFailed)
    assert said in str(error)
    assert "\n" not in str(error)
    assert nothing_landed()


@pytest.mark.parametrize(
    "query",
    [
        """
        WITH x AS (DELETE FROM typed RETURNING *)
        SELECT * FROM x WHERE at >= :start AND at < :end
        """,
        "SELECT nextval('counter'), :start, :end",
        "SELECT lo_create(0), :start, :end",
    ],
)
def test_a_query_that_writes_is_refused_and_writes_nothing(typed: Server, query: str):
    typed.execute("CREATE SEQUENCE IF NOT EXISTS counter")
    error = failure(typed.url(), query)
    assert isinstance(error, SourceFailed)
    assert typed.execute("SELECT count(*) FROM typed") == [(3,)]
    assert typed.execute("SELECT is_called FROM counter") == [(False,)]


def test_the_database_is_left_without_an_open_session(typed: Server):
    land(typed.url(), "SELECT * FROM typed WHERE at >= :start AND at < :end")
    others = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%FROM typed%%' AND pid <> %s"
    with psycopg.connect(typed.url()) as connection:
        while connection.execute(others, [connection.info.backend_pid]).fetchone() != (0,):
            sleep(0.01)  # the server ends a session after its client has gone


def test_a_server_that_breaks_off_amid_the_rows_leaves_nothing_landed(server: Server, home: Path):
    stop = 3 * BATCH_ROWS  # by then rows have arrived
    query = f"""
        SELECT n AS id, CASE WHEN n = {stop} THEN pg_advisory_xact_lock_shared(42)::text END AS held
        FROM generate_series(1, {2 * stop}) n WHERE :start < :end
    """
    with psycopg.connect(server.url(), autocommit=True) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("SELECT pg_advisory_lock(42)")
        landing_ = pool.submit(failure, server.url(), query)
        kill = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE objid = 42 AND NOT granted"
        while not holder.execute(kill).fetchall():
            assert not landing_.done(), landing_.result()
            sleep(0.01)
        error = landing_.result()
    assert isinstance(error, SourceUnreachable)
    assert "terminating connection due to administrator command" in str(error)
    assert nothing_landed()


def test_a_statement_that_took_too_long_is_worth_another_try(server: Server, home: Path):
    url = f"{server.url()}&options=-cstatement_timeout%3D50"
    error = failure(url, "SELECT pg_sleep(60), :start, :end")
    assert isinstance(error, SourceUnreachable)
    assert "canceling statement due to statement timeout" in str(error)


def test_a_lock_that_is_not_to_be_had_is_worth_another_try(typed: Server):
    with psycopg.connect(typed.url()) as writer:
        writer.execute("LOCK TABLE typed")
        error = failure(f"{typed.url()}&options=-clock_timeout%3D50", between("id, at FROM typed"))
    assert isinstance(error, SourceUnreachable)


def test_no_server_is_worth_another_try(server: Server, home: Path, tmp_path: Path):
    for url in ("postgresql://u:s3cret-pw@127.0.0.1:1/db", f"postgres:///db?host={tmp_path}"):
        error = failure(url)
        assert isinstance(error, SourceUnreachable)
        assert "connection" in str(error)
        assert told_nothing(error, "s3cret-pw", url)


def test_a_server_with_no_place_left_is_worth_another_try(server: Server, home: Path):
    server.execute("ALTER ROLE reader CONNECTION LIMIT 0")
    try:
        error = failure(server.url("reader", "r3aders-own"))
    finally:
        server.execute("ALTER ROLE reader CONNECTION LIMIT -1")
    assert isinstance(error, SourceUnreachable)
    assert "too many connections" in str(error)


@pytest.mark.parametrize(
    ("make_url", "said"),
    [
        (lambda s: s.url("reader", "wr0ng-one"), "password authentication failed"),
        (lambda s: s.url("stranger", "wr0ng-one"), "password authentication failed"),
        (lambda s: s.url("reader", "r3aders-own", "nowhere"), 'database "nowhere" does not exist'),
        (lambda s: f"postgresql://reader@/db?host={s.folder}", "no password supplied"),
        (lambda s: s.url("reader", "r3aders-own") + "&colour=blue", "colour"),
    ],
)
def test_a_connection_that_is_refused_is_not_asked_for_again(
    server: Server, home: Path, make_url: Callable[[Server], str], said: str
):
    url = make_url(server)
    error = failure(url)
    assert isinstance(error, SourceFailed)
    assert said in str(error)
    assert told_nothing(error, "wr0ng-one", "r3aders-own", str(server.folder), url)


def test_a_password_of_any_characters_connects_and_is_not_told(server: Server, home: Path):
    hard = "p@ss:w/rd?#%41 é"
    server.execute("CREATE ROLE hard LOGIN PASSWORD 'p@ss:w/rd?#%41 é'")
    try:
        url = server.url("hard", quote(hard, safe=""))
        assert rows(land(url + "\n", "SELECT 1 AS id WHERE :start < :end")) == [{"id": 1}]
        error = failure(url, f"SELECT '{hard}'::int, :start, :end")
        assert isinstance(error, SourceFailed)
        assert told_nothing(error, hard)
    finally:
        server.execute("DROP ROLE hard")


def test_the_owners_password_is_in_no_file_that_was_landed(typed: Server, home: Path):
    land(typed.url(), "SELECT * FROM typed WHERE at >= :start AND at < :end")
    files = [path for path in home.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if PASSWORD.encode() in path.read_bytes()]

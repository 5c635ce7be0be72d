import os
import random
import resource
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake.exceptions import CommitFailedError

from core import lake
from core.errors import DayloopError, LakeBusy, LakeDamaged
from core.intervals import Interval
from core.lake import commits
from tests.core import workers

SCHEMA = pa.schema({"key": pa.string(), "value": pa.int64(), "day": pa.date32()})
DAY = date(2024, 3, 1)


def rows(*keys: str, value: int = 1) -> pa.Table:
    found = [{"key": key, "value": value, "day": DAY} for key in keys]
    return pa.Table.from_pylist(found, schema=SCHEMA)


def replace(found: pa.Table, where: lake.Where, schema: pa.Schema = SCHEMA) -> int:
    return lake.replace("t", found.to_reader, where, schema=schema)


def keys(where: lake.Where = ()) -> list[str]:
    found = lake.read("t", where)
    assert found is not None
    return sorted(found["key"].to_pylist())


EVIL = ["a' OR 1=1", "a' OR '1'='1", "' OR 1=1 --", "a''", "a\\' OR 1=1 --", '"', "\0", "é\n", "%"]


@pytest.mark.parametrize("evil", EVIL)
def test_no_value_widens_a_condition(home: Path, evil: str) -> None:
    lake.append("t", rows("a", "b"))
    replace(rows(evil), lake.equal(key=evil))
    assert keys() == sorted(["a", "b", evil])
    assert keys(lake.equal(key=evil)) == [evil]
    replace(rows(evil, value=2), (lake.Condition("key", "in", [evil, "none"]),))
    assert keys() == sorted(["a", "b", evil])


def test_no_column_name_widens_a_condition(home: Path) -> None:
    name = 'k" = 1 OR "v'
    schema = pa.schema({name: pa.int64()})
    for value in (1, 2):
        found = pa.table({name: [value]}, schema=schema)
        replace(found, lake.equal(**{name: value}), schema)
    assert lake.read("t").num_rows == 2


@pytest.mark.parametrize("value", [True, 1.5, None, b"x", datetime(2024, 1, 1)])
def test_only_values_of_known_types_make_a_condition(value: object) -> None:
    with pytest.raises(TypeError, match="no literal"):
        lake.Condition("key", "=", value).sql()  # type: ignore[arg-type]


def test_a_list_of_no_values_is_no_condition() -> None:
    with pytest.raises(ValueError, match="no values"):
        lake.Condition("key", "in", [])


def test_days_and_moments_of_any_year_and_zone_can_be_replaced(home: Path) -> None:
    schema = pa.schema({"day": pa.date32(), "at": pa.timestamp("us", tz="UTC")})
    early = (date(1, 1, 2), datetime(1, 1, 2, tzinfo=UTC))
    late = (DAY, datetime(2024, 3, 1, 23, 30, 0, 1, tzinfo=UTC))
    found = [dict(zip(schema.names, row, strict=True)) for row in (early, late)]
    lake.append("t", pa.Table.from_pylist(found, schema=schema))
    elsewhere = late[1].astimezone(timezone(timedelta(hours=5)))
    conditions = [lake.equal(day=early[0]), lake.equal(at=early[1]), lake.equal(at=elsewhere)]
    conditions += [lake.days("day", Interval.of_day(DAY)), lake.moments("at", Interval.of_day(DAY))]
    for where in conditions:
        matching = lake.read("t", where)
        assert matching.num_rows == 1
        replace(matching, where, schema)
        assert lake.read("t").num_rows == 2


def test_a_fraction_never_lands_in_a_column_of_whole_numbers(home: Path) -> None:
    lake.append("t", rows("a"))
    wrong = pa.table({"key": ["b"], "value": [1.7], "day": [DAY]})
    before = lake.version("t")
    for schema in (SCHEMA, wrong.schema):
        with pytest.raises(LakeDamaged, match="column value is int64 in the table, not double"):
            replace(wrong, lake.equal(key="b"), schema)
    with pytest.raises(LakeDamaged, match="column value"):
        lake.append("t", wrong)
    assert lake.version("t") == before


def test_a_new_column_is_added_and_old_rows_are_null_there(home: Path) -> None:
    lake.append("t", rows("a"))
    wide = rows("b").append_column("more", pa.array([1.5]))
    replace(wide, lake.equal(key="b"), wide.schema)
    found = lake.read("t", columns=["key", "more", "unknown"])
    assert sorted(found.to_pylist(), key=lambda row: row["key"]) == [
        {"key": "a", "more": None},
        {"key": "b", "more": 1.5},
    ]


def test_rows_outside_the_condition_are_refused(home: Path) -> None:
    lake.append("t", rows("a"))
    with pytest.raises(DayloopError) as refusal:
        replace(rows("b"), lake.equal(key="a"))
    assert "\n" not in str(refusal.value)
    assert keys() == ["a"]


def test_a_table_that_is_not_there_reads_as_none(home: Path) -> None:
    assert lake.read("t") is None
    assert lake.version("t") is None
    lake.append("t", rows("a"))
    assert lake.read("t", lake.equal(other="x")).num_rows == 0


def test_a_table_holds_a_day_where_a_row_of_it_is_there_and_not_for_its_files_sake(
    home: Path,
) -> None:
    def held() -> list[int]:
        days = (date(2024, 3, number) for number in range(1, 6))
        return [day.day for day in days if lake.holds("t", lake.days("day", Interval.of_day(day)))]

    assert held() == []
    two = [{"key": "a", "day": date(2024, 3, 2)}, {"key": "b", "day": date(2024, 3, 4)}]
    lake.append("t", pa.Table.from_pylist(two, schema=SCHEMA))  # one file, the 3rd between them
    assert held() == [2, 4]
    lake.append("t", pa.Table.from_pylist([{"key": "c"}], schema=SCHEMA))
    assert held() == [2, 4]
    lake.replace("t", SCHEMA.empty_table().to_reader, lake.equal(key="a"), schema=SCHEMA)
    assert held() == [4]


def test_an_older_version_can_be_read_and_an_unknown_one_is_one_line(home: Path) -> None:
    first = lake.append("t", rows("a"))
    lake.append("t", rows("b"))
    assert lake.read("t", at=first)["key"].to_pylist() == ["a"]
    with pytest.raises(LakeDamaged, match="table t has no version 7 any more"):
        lake.read("t", at=7)


def test_the_same_rows_again_commit_nothing(home: Path) -> None:
    where = lake.equal(key="a")
    assert lake.replace_small("t", rows("a", "a"), where)
    lake.append("t", rows("b"))
    before = lake.version("t")
    assert not lake.replace_small("t", rows("a", "a"), where)
    assert lake.version("t") == before
    assert lake.replace_small("t", rows("a"), where)
    assert lake.replace_small("t", rows("a", value=2), where)
    assert lake.replace_small("t", rows(), where)
    assert keys() == ["b"]


def test_a_change_that_changes_nothing_commits_nothing(home: Path) -> None:
    lake.append("t", rows("a"))
    before = lake.version("t")
    lake.change("t", lake.equal(key="a"), lambda found: found, schema=SCHEMA)
    assert lake.version("t") == before


def test_a_table_of_many_commits_lies_in_few_files_and_its_versions_stay(home: Path) -> None:
    names = [f"{number:03}" for number in range(2 * commits.TIDY_EVERY + 3)]
    versions = [lake.append("t", rows(name)) for name in names]
    found = lake.open_table("t")
    assert found is not None and len(found.file_uris()) < commits.TIDY_EVERY
    assert sorted(keys()) == names
    for number in (5, 40, len(names)):
        old = lake.read("t", at=versions[number - 1])
        assert old is not None and sorted(old["key"].to_pylist()) == names[:number]
    assert list((home / "tables" / "t" / "_delta_log").glob("*.checkpoint.parquet"))


def test_processes_that_count_together_lose_nothing(home: Path) -> None:
    codes = workers.together(workers.count_up, [("all", 6)] * 8)
    assert codes == [0] * 8
    assert lake.read("counts").to_pylist() == [{"key": "all", "value": 48}]


def test_two_makers_of_a_table_at_once_both_have_it(home: Path) -> None:
    numbers = [(number,) for number in range(6) for _ in range(2)]
    assert workers.together(workers.create, numbers) == [0] * 12
    assert all(lake.version(f"new{number}") == 0 for number in range(6))


def test_replace_is_whole_or_not_at_all_wherever_it_is_killed(home: Path) -> None:
    others = pa.table({"key": ["other"] * 5, "value": [7] * 5}, schema=workers.COUNTS)
    lake.append("killed", others)
    dice, kills, last = random.Random(1), 40, -1
    for number in range(kills):
        begun = workers.context.Event()
        process = workers.start(workers.replace_for_ever, begun, number * 10_000, 100)
        assert begun.wait(60)
        time.sleep(dice.uniform(0, 0.06))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        found = (
            lake.read("killed")
            .group_by("key")
            .aggregate([("value", "count"), ("value", "min"), ("value", "max")])
        )
        state = {row["key"]: row for row in found.to_pylist()}
        assert (state["other"]["value_count"], state["other"]["value_min"]) == (5, 7)
        if mine := state.get("mine"):
            assert mine["value_count"] == 100
            assert mine["value_min"] == mine["value_max"] >= last
            last = mine["value_max"]
    assert last > 0


READS = """
import os, sys
from core import lake

children = []
for _ in range(20):
    if child := os.fork():
        children.append(child)
        continue
    assert lake.read("t").num_rows == 1_000
    lake.scan("t", lake.open_table("t")).head(1)
    break  # and so to the interpreter's own end
else:
    statuses = [os.waitpid(child, 0)[1] for child in children]
    sys.exit(f"children ended with {statuses}" if any(statuses) else 0)
"""


def test_the_interpreter_ends_cleanly_after_reading(home: Path) -> None:
    lake.append("t", pa.concat_tables([rows("a")] * 1_000))
    done = subprocess.run([sys.executable, "-c", READS], cwd=Path(lake.__file__).parents[2])
    assert done.returncode == 0


def test_a_busy_table_says_so_at_last(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.append("t", rows("a"))
    tries = []

    def conflict(*given: object) -> None:
        tries.append(given)
        raise CommitFailedError("a concurrent transaction deleted data")

    monkeypatch.setattr(commits, "_write", conflict)
    monkeypatch.setattr(commits, "_pause", lambda attempt: None)
    with pytest.raises(LakeBusy, match="table t"):
        lake.append("t", rows("b"))
    assert len(tries) == commits.ATTEMPTS


def test_a_commit_that_cannot_succeed_is_tried_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.append("t", rows("a"))

    def refuse(*given: object) -> None:
        raise CommitFailedError("Table metadata is invalid")

    monkeypatch.setattr(commits, "_write", refuse)
    with pytest.raises(DayloopError, match="table t: Table metadata is invalid"):
        lake.append("t", rows("b"))


def one_line(error: BaseException) -> str:
    assert "\n" not in str(error) and "\x1b" not in str(error)
    return str(error)


def test_a_full_disk_is_one_line_and_the_table_is_as_it_was(home: Path) -> None:
    lake.append("t", rows("a"))
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, kept[1]))
    try:
        with pytest.raises(DayloopError) as append:
            lake.append("t", rows("b"))
        with pytest.raises(DayloopError) as create:
            lake.append("new", rows("b"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
        signal.signal(signal.SIGXFSZ, handler)
    assert one_line(append.value) == "table t: File too large; put that right and run it again"
    assert one_line(create.value).startswith("table new: File too large")
    assert keys() == ["a"]


def test_a_home_that_cannot_be_a_folder_is_one_line_at_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write_text("a file stands here")
    begun = time.monotonic()
    with pytest.raises(DayloopError, match="table t: Not a directory"):
        lake.append("t", rows("a"))
    assert time.monotonic() - begun < 2


@pytest.mark.skipif(os.getuid() != 0, reason="gives up root's rights to lack one")
@pytest.mark.parametrize("where", ["", "tables/t/_delta_log", "tables/t"])
def test_a_missing_permission_is_one_line(home: Path, where: str) -> None:
    lake.append("t", rows("a"))
    (home / where).chmod(0o700)
    program = """
import os, sys
from core import lake
from core.errors import DayloopError
import pyarrow as pa
os.setuid(65534)
for what in (lambda: lake.read("t"), lambda: lake.append("t", pa.table({"a": [1]}))):
    try:
        what()
    except DayloopError as error:
        print(str(error))
"""
    for folder in [home, *home.parents]:  # pytest's are for their owner only
        if folder.stat().st_uid == os.getuid() and folder != home / where:
            folder.chmod(folder.stat().st_mode | 0o055)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(lake.__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines and all("Permission denied" in line for line in lines)


def test_a_torn_or_missing_file_is_one_line(home: Path) -> None:
    lake.append("t", rows("a"))
    [file] = (home / "tables" / "t").glob("*.parquet")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LakeDamaged, match=f"table t is damaged: {file.name} is torn"):
        lake.read("t")
    file.unlink()
    with pytest.raises(LakeDamaged, match=f"table t is damaged: {file.name} is missing") as missing:
        lake.read("t")
    one_line(missing.value)
    [log] = (home / "tables" / "t" / "_delta_log").glob("*1.json")
    log.write_text(log.read_text()[:50])
    with pytest.raises(LakeDamaged, match="table t cannot be opened") as torn:
        lake.read("t")
    one_line(torn.value)


def test_text_with_line_ends_of_other_alphabets_is_written_and_read(home: Path) -> None:
    odd = "a\u2028b\x85c\x0bd\r\n"
    lake.append("t", rows(odd))
    assert keys() == [odd]


def test_every_file_of_a_commit_is_synced_also_with_odd_names(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("core.home.sync", synced.append)
    lake.replace("t", rows("a b/c", "é").to_reader, (), schema=SCHEMA, partition_by=["key"])
    folder = home / "tables" / "t"
    written = {*folder.rglob("*.parquet"), *folder.glob("_delta_log/*.json")}
    assert written <= set(synced)
    assert {folder, folder / "_delta_log"} <= set(synced)

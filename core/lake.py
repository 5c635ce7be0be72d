"""The tables of the loop: Delta tables below home, read and replaced by typed conditions.

Every write is one atomic commit and, on a local disk, synced before it is reported done
(delta-rs leaves that to the file system: with the newest commit file emptied by a power cut
a table opened short without an error).
"""

import fcntl
import json
import os
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from pyarrow import fs

from core import content, home
from core.errors import DayloopError, LakeBusy, LakeDamaged
from core.intervals import Interval, at_midnight

TIDY_EVERY = 32  # commits: reads grow slower with each file, and a daily loop adds some a day
SMALL_BYTES = 32 << 20  # what is larger is not written again
ATTEMPTS = 30  # 4 writers of one partition needed 6 at most in a trial; 8 need more
Value = str | int | date | datetime


@dataclass(frozen=True)
class Condition:
    """One comparison; a tuple of them means all must hold."""

    column: str
    op: Literal["=", "!=", ">=", "<", "in", "not in"]
    value: Value | Sequence[Value]

    def __post_init__(self) -> None:
        if self.op in ("in", "not in") and not self.value:
            raise ValueError(f"{self.column} {self.op}: no values")

    def sql(self) -> str:
        """As a Delta predicate, made of typed values only, so that no value can widen it."""
        name = '"' + self.column.replace('"', '""') + '"'
        if isinstance(self.value, (list, tuple)):
            values = ", ".join(_literal(value) for value in self.value)
            return f"{name} {self.op.upper()} ({values})"
        return f"{name} {self.op} {_literal(self.value)}"

    def expression(self) -> ds.Expression:
        """As a pyarrow filter."""
        field = ds.field(self.column)
        match self.op:
            case "=":
                return field == self.value
            case "!=":
                return field != self.value
            case ">=":
                return field >= self.value
            case "<":
                return field < self.value
            case "in":
                return field.isin(list(self.value))  # type: ignore[arg-type]
            case "not in":
                return ~field.isin(list(self.value))  # type: ignore[arg-type]


Where = tuple[Condition, ...]


def _literal(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, date)):
        raise TypeError(f"no literal for {type(value).__name__}")
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError("no literal for a time without a zone")
        # Text, not a TIMESTAMP literal: that is in nanoseconds, which delta-rs refuses.
        return f"'{value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z'"
    if isinstance(value, date):
        return f"CAST('{value.isoformat()}' AS DATE)"
    return str(value)


def equal(**values: Value) -> Where:
    """Each column equals its value."""
    return tuple(Condition(column, "=", value) for column, value in values.items())


def days(column: str, interval: Interval) -> Where:
    """A DATE column lies in the interval."""
    return (Condition(column, ">=", interval.start), Condition(column, "<", interval.end))


def moments(column: str, interval: Interval) -> Where:
    """A TIMESTAMP column lies in the interval."""
    return (
        Condition(column, ">=", at_midnight(interval.start)),
        Condition(column, "<", at_midnight(interval.end)),
    )


def _address(table: str) -> str:
    return f"{home.address()}/tables/{table}"


def _folder(table: str) -> Path:
    return Path(home.address(), "tables", table)


@contextmanager
def in_words(table: str) -> Iterator[None]:
    """Says in one line what the storage says no to: a full disk, a permission, a torn file.

    Raises:
        LakeDamaged: a file of the table is missing or torn.
        DayloopError: it cannot be read or written here.
    """
    try:
        yield
    except CommitFailedError:
        raise
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        file = re.search(r"[^/'\" ]+\.(parquet|json)", str(error))
        how = "missing" if isinstance(error, FileNotFoundError) else "torn"
        raise LakeDamaged(
            f"table {table} is damaged: {file.group() if file else 'a file'} is {how}; restore it "
            "from a backup"
        ) from error
    except (DeltaError, OSError) as error:
        said = _reason(error)
        raise DayloopError(f"table {table}: {said}; put that right and run it again") from error


def _reason(error: Exception) -> str:
    """What the operating system said, out of the many words around it, else the first line."""
    text = re.sub(r"\x1b\[\d*m", "", str(error))  # colours
    found = re.search(r'message: "([^"]+)"|([^:↳\n]+) \(os error \d+\)', text)
    said = next(filter(None, found.groups()), "") if found else getattr(error, "strerror", "")
    return _first_line(str(said or text).rpartition("Detail: ")[2].strip())


def open_table(table: str, version: int | None = None) -> DeltaTable | None:
    """The table, at a version or the newest; None where there is none yet.

    Raises:
        LakeDamaged: it is there but cannot be opened.
    """
    with in_words(table):
        return _open(table, version)


def _open(table: str, version: int | None) -> DeltaTable | None:
    try:
        found = DeltaTable(_address(table), version=version)
        if home.is_local():
            _require_commit(table, found.version())
        return found
    except TableNotFoundError:
        if home.is_local():
            _folder(table).exists()  # raises where it may not be looked at: that is not "none yet"
        return None
    except DeltaError as error:
        if "version" in str(error).lower() and version is not None:
            raise LakeDamaged(f"table {table} has no version {version} any more") from error
        raise LakeDamaged(f"table {table} cannot be opened: {_first_line(error)}") from error


def _require_commit(table: str, number: int) -> None:
    # After a power cut delta-rs takes an emptied commit file for one that did nothing.
    log = _folder(table) / "_delta_log" / f"{number:020}.json"
    if log.exists() and log.stat().st_size == 0:
        raise LakeDamaged(
            f"table {table} is damaged: its last commit {log.name} is empty; restore it from a "
            "backup, or remove that file and load the days again"
        )


def version(table: str) -> int | None:
    """The newest version, None where there is no table yet."""
    found = open_table(table)
    return None if found is None else found.version()


def read(
    table: str, where: Where = (), *, columns: Sequence[str] | None = None, at: int | None = None
) -> pa.Table | None:
    """Rows of a table (at a version), None where there is no table yet."""
    found = open_table(table, at)
    return None if found is None else _rows(table, found, where, columns)


def _rows(
    table: str, found: DeltaTable, where: Where, columns: Sequence[str] | None = None
) -> pa.Table:
    dataset = scan(table, found)
    known = set(dataset.schema.names)
    if any(condition.column not in known for condition in where):
        return dataset.schema.empty_table()
    wanted = None if columns is None else [name for name in columns if name in known]
    with in_words(table):
        return dataset.to_table(columns=wanted, filter=_all(where))


def scan(table: str, found: DeltaTable) -> ds.Dataset:
    """A table's rows as a pyarrow dataset, to be filtered and streamed.

    It reads through Arrow's own file system: delta-rs's is called back in Python, and a
    read-ahead thread that is still at it when the interpreter ends aborts the process.
    """
    store, root = home.store(f"tables/{table}")
    with in_words(table):
        return found.to_pyarrow_dataset(filesystem=fs.SubTreeFileSystem(root, store))


def _all(where: Where) -> ds.Expression | None:
    expression = None
    for condition in where:
        part = condition.expression()
        expression = part if expression is None else expression & part
    return expression


def create(table: str, schema: pa.Schema, partition_by: Sequence[str] = ()) -> DeltaTable:
    """The table, made first where it is not there; two makers at once is fine."""
    for attempt in range(ATTEMPTS):
        if found := open_table(table):
            return found
        try:
            with in_words(table), _one_maker():
                return open_table(table) or DeltaTable.create(
                    _address(table),
                    schema,
                    mode="ignore",
                    partition_by=list(partition_by),
                    configuration={"delta.logRetentionDuration": "interval 3650 days"},
                )
        except (CommitFailedError, DayloopError) as error:
            # Another maker was faster. Whatever else it is does not go away by waiting.
            if "already exists" not in str(error.__cause__ or error):
                raise
        _pause(attempt)
    raise LakeBusy(f"table {table}: other writers kept making it; try again")


@contextmanager
def _one_maker() -> Iterator[None]:
    """Has makers on one machine wait for each other.

    Of two at once delta-rs lets the slower commit its schema over the faster's, as version 1.
    """
    if not home.is_local():
        yield
        return
    folder = Path(home.address(), "tables")
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _pause(attempt: int) -> None:
    time.sleep(random.uniform(0.01, 0.05) * (attempt + 1))


def replace(
    table: str,
    make_rows: Callable[[], pa.RecordBatchReader],
    where: Where,
    *,
    schema: pa.Schema,
    partition_by: Sequence[str] = (),
    note: str = "",
) -> int:
    """Puts these rows in the place of those the condition matches, in one commit.

    Raises:
        LakeBusy: others changed the same rows each time it tried.

    Returns:
        The version the commit made.
    """

    def commit(found: DeltaTable) -> None:
        _write(found, make_rows(), schema, where, note)

    return _commit(table, schema, partition_by, commit)


def rewrite(
    table: str,
    convert: Callable[[DeltaTable], pa.RecordBatchReader],
    *,
    schema: pa.Schema,
    partition_by: Sequence[str] = (),
    note: str = "",
) -> int:
    """Puts what `convert` makes of a table, of another schema perhaps, in its place, in one commit.

    Raises:
        LakeBusy: others changed the table each time it tried.

    Returns:
        The version the commit made.
    """

    def commit(found: DeltaTable) -> None:
        write_deltalake(
            found,
            convert(found),
            mode="overwrite",
            schema_mode="overwrite",
            partition_by=list(partition_by),
            commit_properties=CommitProperties(custom_metadata={"note": note}),
        )

    return _commit(table, schema, partition_by, commit)


def replace_small(
    table: str, rows: pa.Table, where: Where, *, partition_by: Sequence[str] = (), note: str = ""
) -> bool:
    """As `replace`, but commits nothing where the table holds exactly these rows already.

    Returns:
        Whether anything changed.
    """
    found = open_table(table)
    if found is not None:
        before = _rows(table, found, where)
        if before.schema.names == rows.schema.names and content.equal(before, rows):
            return False
    replace(
        table,
        rows.to_reader,
        where,
        schema=rows.schema,
        partition_by=partition_by,
        note=note,
    )
    return True


def change(
    table: str,
    where: Where,
    decide: Callable[[pa.Table], pa.Table],
    *,
    schema: pa.Schema,
    partition_by: Sequence[str] = (),
    note: str = "",
) -> int:
    """Compare-and-set: `decide` sees the matching rows and returns what shall stand there.

    It is asked again when another writer was faster, so it must have no other effect. When
    it returns the very table it got, nothing is written.
    """

    def commit(found: DeltaTable) -> None:
        before = _rows(table, found, where)
        for field in schema:  # that came since
            if field.name not in before.schema.names:
                before = before.append_column(field, pa.nulls(len(before), field.type))
        before = before.select(schema.names).cast(schema)
        after = decide(before)
        if after is not before:
            _write(found, after.to_reader(), schema, where, note)

    return _commit(table, schema, partition_by, commit)


def append(table: str, rows: pa.Table, *, partition_by: Sequence[str] = ()) -> int:
    """Adds rows, in one commit."""

    def commit(found: DeltaTable) -> None:
        _write(found, rows.to_reader(), rows.schema, None, "")

    return _commit(table, rows.schema, partition_by, commit)


def _commit(
    table: str,
    schema: pa.Schema,
    partition_by: Sequence[str],
    commit: Callable[[DeltaTable], None],
) -> int:
    for attempt in range(ATTEMPTS):
        found = create(table, schema, partition_by)
        before = found.version()
        try:
            with in_words(table):
                commit(found)
                done = found.version()
                if before < done and done % TIDY_EVERY == 0:
                    _tidy(found)
                if home.is_local():
                    _sync(_folder(table), range(before, found.version() + 1))
        except CommitFailedError as error:
            # One class for conflicts and for permanent errors: only the words tell.
            if not _is_conflict(error):
                raise DayloopError(f"table {table}: {_reason(error)}") from error
            _pause(attempt)
            continue
        return done
    raise LakeBusy(f"table {table}: other writers kept changing the same rows; try again")


def _tidy(found: DeltaTable) -> None:
    """Writes small files of a partition as one and the log as one; rows and versions stay."""
    try:
        found.optimize.compact(target_size=SMALL_BYTES)
        found.create_checkpoint()
    except CommitFailedError as error:
        if not _is_conflict(error):
            raise
        # Somebody is writing to these files: they are tidied the next time.


def _is_conflict(error: Exception) -> bool:
    text = str(error).lower()
    words = ("concurrent", "conflict", "changed since last commit", "failed to commit transaction")
    return any(word in text for word in words)


def _write(
    found: DeltaTable, rows: pa.RecordBatchReader, schema: pa.Schema, where: Where | None, note: str
) -> None:
    _check_types(found, schema)
    _check_types(found, rows.schema)
    said = CommitProperties(custom_metadata={"note": note})
    if where is None:
        write_deltalake(found, rows, mode="append", schema_mode="merge", commit_properties=said)
        return
    write_deltalake(
        found,
        rows,
        mode="overwrite",
        predicate=" AND ".join(condition.sql() for condition in where) or None,
        schema_mode="merge",
        commit_properties=said,
    )


def _check_types(found: DeltaTable, schema: pa.Schema) -> None:
    # delta-rs writes 1.7 into an integer column as 1, without a word.
    have = {field.name: field.type for field in pa.schema(found.schema().to_arrow())}
    for field in schema:
        old = have.get(field.name, field.type)
        if _plain(old) != _plain(field.type):
            raise LakeDamaged(
                f"{_name(found)}: column {field.name} is {old} in the table, not {field.type}"
            )


def _plain(kind: pa.DataType) -> str:
    return str(kind).replace("large_", "").replace("_view", "")


def _name(found: DeltaTable) -> str:
    return "table " + found.table_uri.rstrip("/").rsplit("/", 1)[-1]


def _sync(folder: Path, versions: range) -> None:
    logs = folder / "_delta_log"
    touched = {folder, logs}
    for number in versions:
        log, checkpoint = logs / f"{number:020}.json", logs / f"{number:020}.checkpoint.parquet"
        if checkpoint.exists():
            home.sync(checkpoint)
            home.sync(logs / "_last_checkpoint")
        if not log.exists():  # cleaned up since: a checkpoint stands for it
            continue
        home.sync(log)
        for line in log.read_bytes().splitlines():  # text has other line ends in it
            if added := json.loads(line).get("add"):
                file = folder / unquote(added["path"])
                if file.exists():
                    home.sync(file)
                    touched.add(file.parent)
    for each in touched:
        home.sync(each)


def _first_line(error: object) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]

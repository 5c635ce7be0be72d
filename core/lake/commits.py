"""Writing: every change is one atomic commit, synced, tried again where another was faster."""

import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from core import content, faults, home
from core.errors import DayloopError, LakeBusy, LakeDamaged
from core.lake.conditions import Where
from core.lake.tables import address, folder_of, in_words, open_table, reason, rows_of

TIDY_EVERY = 32  # commits: reads grow slower with each file, and a daily loop adds some a day
SMALL_BYTES = 32 << 20  # what is larger is not written again
ATTEMPTS = 30  # 4 writers of one partition needed 6 at most in a trial; 8 need more


def create(table: str, schema: pa.Schema, partition_by: Sequence[str] = ()) -> DeltaTable:
    """The table, made first where it is not there; two makers at once is fine."""
    for attempt in range(ATTEMPTS):
        if found := open_table(table):
            return found
        try:
            # Of two makers at once delta-rs lets the slower commit its schema as version 1.
            with in_words(table), home.in_turn("tables"):
                faults.reached(f"before creating {table}")
                made = open_table(table) or DeltaTable.create(
                    address(table),
                    schema,
                    mode="ignore",
                    partition_by=list(partition_by),
                    configuration={"delta.logRetentionDuration": "interval 3650 days"},
                )
                faults.reached(f"created {table}")
                return made
        except (CommitFailedError, DayloopError) as error:
            # Another maker was faster. Whatever else it is does not go away by waiting.
            if "already exists" not in str(error.__cause__ or error):
                raise
        _pause(attempt)
    raise LakeBusy(f"table {table}: other writers kept making it; try again")


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
    changed = False

    def decide(before: pa.Table) -> pa.Table:
        nonlocal changed
        changed = not content.equal(before, rows)
        return rows if changed else before

    change(table, where, decide, schema=rows.schema, partition_by=partition_by, note=note)
    return changed


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
        before = rows_of(table, found, where)
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
                faults.reached(f"before committing {table}")
                commit(found)
                faults.reached(f"committed unsynced {table}")
                done = found.version()
                if before < done and done % TIDY_EVERY == 0:
                    _tidy(table, found)
                if home.is_local():
                    _sync(folder_of(table), range(before, found.version() + 1))
                faults.reached(f"committed {table}")
        except CommitFailedError as error:
            # One class for conflicts and for permanent errors: only the words tell.
            if not _is_conflict(error):
                raise DayloopError(f"table {table}: {reason(error)}") from error
            _pause(attempt)
            continue
        return done
    raise LakeBusy(f"table {table}: other writers kept changing the same rows; try again")


def _tidy(table: str, found: DeltaTable) -> None:
    """Writes small files of a partition as one and the log as one; rows and versions stay."""
    try:
        found.optimize.compact(target_size=SMALL_BYTES)
        faults.reached(f"compacted {table}")
        found.create_checkpoint()
        faults.reached(f"checkpointed {table}")
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

"""Opening and reading tables, and what storage says no to in one line."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from pyarrow import fs

from core import home
from core.errors import DayloopError, LakeDamaged
from core.lake.conditions import Condition, Where, all_of

COMMIT = re.compile(r"[0-9]{20}\.json")


def address(table: str) -> str:
    """Where a table lies, for delta-rs."""
    return f"{home.address()}/tables/{table}"


def folder_of(table: str) -> Path:
    """Where a table lies on a local disk."""
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
        said = reason(error)
        raise DayloopError(f"table {table}: {said}; put that right and run it again") from error


def reason(error: Exception) -> str:
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
        found = DeltaTable(address(table), version=version)
        if home.is_local():
            _require_commit(table, found.version())
        return found
    except TableNotFoundError:
        if home.is_local():
            folder_of(
                table
            ).exists()  # raises where it may not be looked at: that is not "none yet"
        return None
    except DeltaError as error:
        if "version" in str(error).lower() and version is not None:
            raise LakeDamaged(f"table {table} has no version {version} any more") from error
        raise LakeDamaged(f"table {table} cannot be opened: {_first_line(error)}") from error


def _require_commit(table: str, number: int) -> None:
    # After a power cut delta-rs takes an emptied commit file for one that did nothing.
    log = folder_of(table) / "_delta_log" / f"{number:020}.json"
    if log.exists() and log.stat().st_size == 0:
        raise LakeDamaged(
            f"table {table} is damaged: its last commit {log.name} is empty; restore it from a "
            "backup, or remove that file and load the days again"
        )


def version(table: str) -> int | None:
    """The newest version, None where there is no table yet."""
    if home.is_local():  # a look into the folder is a hundred times quicker
        with in_words(table), suppress(FileNotFoundError):
            names = [file.name for file in (folder_of(table) / "_delta_log").iterdir()]
            commits = [int(name[:20]) for name in names if COMMIT.fullmatch(name)]
            if commits:
                _require_commit(table, max(commits))
                return max(commits)
    found = open_table(table)
    return None if found is None else found.version()


def read(
    table: str, where: Where = (), *, columns: Sequence[str] | None = None, at: int | None = None
) -> pa.Table | None:
    """Rows of a table (at a version), None where there is no table yet."""
    found = open_table(table, at)
    return None if found is None else rows_of(table, found, where, columns)


def holds(table: str, days: Where) -> bool:
    """Whether there is any row of these days; no file is read that by the log has none."""
    found = open_table(table)
    if found is None:
        return False
    files = pa.table(found.get_add_actions(flatten=True))
    for each in days:
        bound = f"{'max' if each.op == '>=' else 'min'}.{each.column}"
        if bound in files.schema.names:
            known = Condition(bound, each.op, each.value).expression()
            files = files.filter(known | ds.field(bound).is_null())
    return bool(files.num_rows and rows_of(table, found, days).num_rows)


def rows_of(
    table: str, found: DeltaTable, where: Where, columns: Sequence[str] | None = None
) -> pa.Table:
    """The rows of an opened table; none where it lacks a column of the condition."""
    dataset = scan(table, found)
    known = set(dataset.schema.names)
    if any(condition.column not in known for condition in where):
        return dataset.schema.empty_table()
    wanted = None if columns is None else [name for name in columns if name in known]
    with in_words(table):
        return dataset.to_table(columns=wanted, filter=all_of(where))


def scan(table: str, found: DeltaTable) -> ds.Dataset:
    """A table's rows as a pyarrow dataset, to be filtered and streamed.

    It reads through Arrow's own file system: delta-rs's is called back in Python, and a
    read-ahead thread that is still at it when the interpreter ends aborts the process.
    """
    store, root = home.store(f"tables/{table}")
    with in_words(table):
        return found.to_pyarrow_dataset(filesystem=fs.SubTreeFileSystem(root, store))


def _first_line(error: object) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]

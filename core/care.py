"""Care of the lake: what keeps it small and quick, and what finds damage."""

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

from core import faults, home, lake, ledger, progress
from core.errors import ArtifactRefused, LakeDamaged
from core.models import artifacts, registry

KEEP_HOURS = 168  # younger files may belong to a reader or a commit that is under way
LEFT_SECONDS = 7 * 86_400  # what is so old is nobody's work any more
TEMPORARY = "dayloop-" + "[a-z0-9_]" * 8  # as tempfile names them
SMALL_FILES = 8  # fewer in one partition are not worth writing again


@dataclass(frozen=True)
class Maintained:
    """What was done for one table."""

    table: str
    files_before: int
    files_after: int
    files_removed: int


@dataclass(frozen=True)
class Problem:
    """Damage: where it is, what it is, what to do."""

    where: str
    what: str
    todo: str


def tables() -> tuple[str, ...]:
    """The names of all tables of the lake."""
    return tuple(name for name in home.listing("tables") if not name.startswith("."))


def maintain(*, keep_hours: int = KEEP_HOURS) -> list[Maintained]:
    """Compacts partitions of many small files, checkpoints, and removes files nobody needs.

    Table versions that a registered, not retired, model was trained on stay readable, and
    nothing younger than a week is removed. What killed processes left behind goes too.
    """
    needed = _needed_versions()
    hours = max(keep_hours, KEEP_HOURS)
    _sweep(time.time() - LEFT_SECONDS)
    names = progress.each(tables(), "tables")
    done = [_maintain(name, needed.get(name, set()), hours) for name in names]
    return [each for each in done if each]


def _sweep(before: float) -> None:
    """Removes what killed processes left half-written, there or in temporary folders."""
    left = [*Path(tempfile.gettempdir()).glob(TEMPORARY)]
    if home.is_local():
        root = Path(home.address())
        asides = [*root.glob(".*"), *root.glob("landing/*/.*"), *root.glob("models/**/.*")]
        left += [path for path in asides if re.fullmatch(r"\..*[0-9a-f]{32}", path.name)]
    for path in left:
        with contextlib.suppress(OSError):  # another's, or gone meanwhile
            if path.lstat().st_mtime < before and path.lstat().st_uid == os.getuid():
                faults.reached("before sweeping")
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                faults.reached("swept")


def _maintain(name: str, needed: set[int], keep_hours: int) -> Maintained | None:
    table = lake.open_table(name)
    if table is None:  # whoever made it was cut off; the next one makes it
        return None
    before = len(table.file_uris())
    for partition in _crowded(table):
        faults.reached(f"before compacting {name}")
        table.optimize.compact(partition_filters=partition)
        faults.reached(f"compacted {name}")
    table.create_checkpoint()
    faults.reached(f"checkpointed {name}")
    removed = table.vacuum(
        retention_hours=keep_hours, dry_run=False, keep_versions=sorted(needed) or None
    )
    faults.reached(f"vacuumed {name}")
    after = lake.open_table(name)
    assert after is not None
    return Maintained(name, before, len(after.file_uris()), len(removed))


def _crowded(table: DeltaTable) -> list[list[tuple[str, str, str]] | None]:
    columns = table.metadata().partition_columns
    if not columns:
        return [None] if len(table.file_uris()) >= SMALL_FILES else []
    paths = pa.table(table.get_add_actions(flatten=True))["path"].to_pylist()
    folders = [path.rsplit("/", 1)[0] for path in paths]
    crowded = {folder for folder in folders if folders.count(folder) >= SMALL_FILES}
    return [
        [(part.split("=", 1)[0], "=", part.split("=", 1)[1]) for part in folder.split("/")]
        for folder in sorted(crowded)
    ]


def _needed_versions() -> dict[str, set[int]]:
    needed: dict[str, set[int]] = {}
    for model in home.listing("models"):
        for version in registry.versions(model):
            if version.state in ("retired", "rejected"):
                continue
            plan = artifacts.manifest(version.artifact)["plan"]
            for dataset, number in plan["table_versions"].items():
                needed.setdefault(dataset, set()).add(number)
    return needed


def verify() -> list[Problem]:
    """Reads every live file of every table, every registered artifact and every landed file."""
    return [*_bad_tables(), *_bad_ledger(), *_bad_artifacts(), *_bad_landing()]


def _bad_tables() -> Iterator[Problem]:
    for name in progress.each(tables(), "tables read"):
        restore = f"restore tables/{name} from a backup, or load its days again from landing/"
        try:
            table = lake.open_table(name)
        except LakeDamaged as damage:
            yield Problem(f"tables/{name}", str(damage), restore)
            continue
        actions = pa.table(table.get_add_actions(flatten=True)) if table else pa.table({})
        for action in actions.to_pylist():
            if found := _bad_file(f"tables/{name}/{action['path']}", action["num_records"]):
                yield Problem(f"tables/{name}/{action['path']}", found, restore)


def _bad_file(path: str, rows: int | None) -> str:
    try:
        with home.open_read(path) as file:
            read = pq.read_table(file).num_rows
    except FileNotFoundError:
        return "the file is missing"
    except (OSError, pa.ArrowException) as error:
        return f"cannot be read: {str(error).splitlines()[0][:120]}"
    return "" if rows is None or rows == read else f"holds {read} rows, the log says {rows}"


def _bad_ledger() -> Iterator[Problem]:
    rows = lake.read(ledger.TABLE)
    for name in [] if rows is None else pc.unique(rows["dataset"]).to_pylist():
        entries = ledger.entries(name)
        said = sum(entry.rows_good for entry in entries if entry.status == "loaded")
        refused = any(entry.status == "refused" for entry in entries)
        try:
            table = lake.open_table(name)
        except LakeDamaged:
            continue  # told already
        have = table.count() if table else 0
        if have != said and not (refused and have > said):  # a refused day keeps its old rows
            yield Problem(
                f"tables/{name}",
                f"holds {have:,} rows, the ledger says {said:,}",
                f"python -m flows backfill {name} over its days; it heals an interrupted load",
            )


def _bad_artifacts() -> Iterator[Problem]:
    for model in home.listing("models"):
        for version in registry.versions(model):
            try:
                manifest = artifacts.manifest(version.artifact)
            except ArtifactRefused as refusal:
                todo = f"python -m flows retire {model} {version.number}"
                yield Problem(version.artifact.path, str(refusal), todo)
                continue
            for file, known in manifest["files"].items():
                path = f"{version.artifact.path}/{file}"
                if not home.exists(path) or _sha256(path) != known["sha256"]:
                    todo = f"restore it from a backup, or python -m flows rollback {model}"
                    yield Problem(path, "is missing or changed", todo)


def _bad_landing() -> Iterator[Problem]:
    for dataset in home.listing("landing"):
        for file in progress.each(home.listing(f"landing/{dataset}"), f"{dataset}: landed files"):
            path = f"landing/{dataset}/{file}"
            if not file.startswith(".") and _sha256(path) != file.split(".")[0]:
                yield Problem(path, "is not the bytes that were landed", "restore it from a backup")


def _sha256(path: str) -> str:
    with home.open_read(path) as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()

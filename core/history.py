"""A dataset's versions, and what differs between two of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from catalog.kinds import Dataset
from core import content, lake, ledger
from core.errors import UsageError
from core.load import contracts
from core.load.spool import MONTH

SAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class TableVersion:
    """One commit of a dataset's table.

    Attributes:
        what: the days it replaced, or the care it took.
        sources: sha256 of the landed files of the days whose newest load made this version.
        contract: the version of the declaration that they were judged by, 0 for none.
        code_version: of the code that loaded them.
    """

    version: int
    at: datetime
    what: str
    rows_written: int
    sources: tuple[str, ...]
    contract: int
    code_version: str


@dataclass(frozen=True)
class ColumnChange:
    """A column's figures before and after; None where the column was not there."""

    column: str
    metric: str
    before: float | None
    after: float | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What it takes to get from one version of a table to another.

    Attributes:
        changed: rows whose key stands in both but whose other columns differ; 0 where the
            dataset declares no key, as then a change is a removal and an addition.
        added_samples: some added rows.
        removed_samples: some removed rows.
        schema: columns that came, went or changed type.
        profile: figures of columns that are not the same.
    """

    dataset: str
    before: int
    after: int
    rows_before: int
    rows_after: int
    added: int
    removed: int
    changed: int
    added_samples: tuple[dict[str, object], ...]
    removed_samples: tuple[dict[str, object], ...]
    schema: tuple[str, ...]
    profile: tuple[ColumnChange, ...]


def versions(dataset: str, limit: int = 50) -> list[TableVersion]:
    """The newest versions first.

    Raises:
        UsageError: the dataset has never been loaded.
    """
    table = lake.open_table(dataset)
    if table is None:
        raise UsageError(f"{dataset} has never been loaded; python -m flows backfill {dataset}")
    made: dict[int, list[ledger.Entry]] = {}
    for entry in ledger.entries(dataset):
        if entry.table_version is not None:
            made.setdefault(entry.table_version, []).append(entry)
    numbers = {each["contract"]: each["version"] for each in contracts.versions(dataset)}
    found = []
    for commit in table.history(limit):
        entries = made.get(commit["version"], [])
        sources = {sha for entry in entries for sha in entry.source_sha256.split(",")}
        found.append(
            TableVersion(
                version=commit["version"],
                at=datetime.fromtimestamp(commit["timestamp"] / 1000, UTC),
                what=commit.get("note") or commit["operation"].lower(),
                rows_written=int(commit.get("operationMetrics", {}).get("num_added_rows", 0)),
                sources=tuple(sorted(sources)),
                contract=numbers.get(entries[-1].contract, 0) if entries else 0,
                code_version=entries[-1].code_version if entries else "",
            )
        )
    return found


def difference(dataset: Dataset, before: int, after: int) -> Difference:
    """Compares two versions, reading only the files that they do not share.

    Raises:
        UsageError: there is no such version.
    """
    old, new = (_open(dataset.name, version) for version in (before, after))
    old_files, new_files = set(old.file_uris()), set(new.file_uris())
    removed = _rows(dataset.name, before, old_files - new_files)
    added = _rows(dataset.name, after, new_files - old_files)
    added, removed, changed = row_changes(removed, added, dataset.key)
    return Difference(
        dataset=dataset.name,
        before=before,
        after=after,
        rows_before=old.count(),
        rows_after=new.count(),
        added=added.num_rows,
        removed=removed.num_rows,
        changed=changed,
        added_samples=tuple(added.slice(0, SAMPLES).to_pylist()),
        removed_samples=tuple(removed.slice(0, SAMPLES).to_pylist()),
        schema=_schema_changes(*(pa.schema(each.schema().to_arrow()) for each in (old, new))),
        profile=tuple(_profile_changes(dataset, before, after)),
    )


def _open(dataset: str, version: int) -> DeltaTable:
    newest = lake.version(dataset)
    if newest is None or not 0 <= version <= newest:
        have = "none" if newest is None else f"0 to {newest}"
        raise UsageError(f"{dataset} has no version {version}; it has {have}")
    table = lake.open_table(dataset, version)
    assert table is not None
    return table


def _rows(dataset: str, version: int, files: set[str]) -> pa.Table:
    scanned = lake.scan(dataset, _open(dataset, version))
    names = {file.rsplit("/", 1)[-1] for file in files}
    parts = [
        fragment.to_table(schema=scanned.schema)
        for fragment in scanned.get_fragments()
        if fragment.path.rsplit("/", 1)[-1] in names
    ]
    rows = pa.concat_tables(parts) if parts else scanned.schema.empty_table()
    return rows.drop([MONTH]) if MONTH in rows.schema.names else rows


def row_changes(
    before: pa.Table, after: pa.Table, key: Sequence[str]
) -> tuple[pa.Table, pa.Table, int]:
    """The rows that came, those that went, and how many of them are one row whose key stayed."""
    added, removed = _without_common(after, before)
    if not key or not len(added) or not len(removed):
        return added, removed, 0
    ours, theirs = (content.row_hashes(rows.select(list(key))) for rows in (added, removed))
    return added, removed, len(np.intersect1d(ours, theirs))


def _without_common(added: pa.Table, removed: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Leaves out rows that stand on both sides, as often as they do."""
    if added.schema.names != removed.schema.names or not len(added) or not len(removed):
        return added, removed
    ours, theirs = content.row_hashes(added), content.row_hashes(removed)
    return added.filter(_surplus(ours, theirs)), removed.filter(_surplus(theirs, ours))


def _surplus(ours: content.Hashes, theirs: content.Hashes) -> pa.Array:
    values, position, counts = np.unique(ours, return_inverse=True, return_counts=True)
    known, known_counts = np.unique(theirs, return_counts=True)
    at = np.searchsorted(known, values).clip(0, max(len(known) - 1, 0))
    common = np.where(known[at] == values, known_counts[at], 0)
    # The first `common` of equal rows are matched, the rest are surplus.
    order = np.argsort(position, kind="stable")
    rank = np.empty(len(ours), dtype=np.int64)
    starts = np.r_[0, np.cumsum(counts)[:-1]]
    rank[order] = np.arange(len(ours)) - starts[position[order]]
    return pa.array(rank >= common[position])


def _schema_changes(before: pa.Schema, after: pa.Schema) -> tuple[str, ...]:
    old, new = ({field.name: str(field.type) for field in schema} for schema in (before, after))
    changes = [f"{name} went" for name in old if name not in new]
    changes += [f"{name} came, {kind}" for name, kind in new.items() if name not in old]
    changes += [
        f"{name} was {old[name]}, is {kind}"
        for name, kind in new.items()
        if name in old and old[name] != kind
    ]
    return tuple(changes)


def _profile_changes(dataset: Dataset, before: int, after: int) -> list[ColumnChange]:
    old, new = (_figures(dataset, version) for version in (before, after))
    return [
        ColumnChange(column, metric, old.get((column, metric)), new.get((column, metric)))
        for column, metric in sorted({*old, *new})
        if old.get((column, metric)) != new.get((column, metric))
    ]


def _figures(dataset: Dataset, version: int) -> dict[tuple[str, str], float]:
    scanned = lake.scan(dataset.name, _open(dataset.name, version))
    figures: dict[tuple[str, str], float] = {}
    for name, kind in dataset.columns.items():
        if name not in scanned.schema.names:
            continue
        values = scanned.to_table(columns=[name])[name]
        figures[name, "null_share"] = values.null_count / max(len(values), 1)
        if kind in ("int", "float") and len(values) > values.null_count:
            figures[name, "mean"] = float(pc.mean(values).as_py())
            for metric, value in pc.min_max(values).as_py().items():
                figures[name, metric] = float(value)
    return figures

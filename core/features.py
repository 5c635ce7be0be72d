"""Features and labels as of a day, computed bucket of entities by bucket.

The catalog's functions get rows before the day only (labels: rows of the horizon only), so
leakage through time is impossible. Rows are sorted first, so that the result does not
depend on how the table's files happen to lie.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from catalog.kinds import Dataset, DeclarationError, Model
from core import code, content, lake
from core.errors import NotTrained
from core.intervals import Interval, at_midnight

BUCKET_ROWS = 2_000_000
Datasets = Mapping[str, Dataset]
Versions = Mapping[str, int]


@dataclass(frozen=True)
class Snapshot:
    """Features of every entity known before a day, and labels where they were asked for."""

    features: pd.DataFrame
    labels: "pd.Series[bool] | None"


def features_code(model: Model) -> str:
    """Changes when the model's features do: scores of other features would be nonsense."""
    return code.of_function(model.features)


def snapshot(
    model: Model, datasets: Datasets, versions: Versions, as_of: date, *, with_labels: bool = False
) -> Snapshot:
    """Features as of a day from pinned table versions; one row an entity, sorted by it.

    Raises:
        NotTrained: there is no row before the day.
        DeclarationError: the catalog's function returned something else than it must.
    """
    horizon = timedelta(days=model.horizon_days)
    moment = pd.Timestamp(at_midnight(as_of))
    frames, labels = [], []
    past = _buckets(model, datasets, versions, date.min, as_of)
    future = _buckets(model, datasets, versions, as_of, as_of + horizon)
    for before, after in zip(past, future, strict=True) if with_labels else ((b, {}) for b in past):
        if not any(len(rows) for rows in before.values()):
            continue
        frame = _checked(model, model.features(moment, **before))
        frames.append(frame)
        if with_labels:
            labels.append(_checked_labels(model, frame.index, model.label(frame.index, **after)))
    if not frames:
        raise NotTrained(f"{model.name}: there are no rows before {as_of}; backfill first")
    features = pd.concat(frames).sort_index()
    return Snapshot(features, pd.concat(labels).loc[features.index] if labels else None)


def labels_of(
    model: Model, datasets: Datasets, versions: Versions, names: "pd.Series[str]", as_of: date
) -> "pd.Series[bool]":
    """The labels of these entities, named as in the predictions, once the horizon has passed."""
    kind = next(iter(datasets.values())).columns[model.entity]
    entities = pd.Index(names.astype("int64") if kind == "int" else names, name=model.entity)
    end = as_of + timedelta(days=model.horizon_days)
    rows = {
        name: _read(model, datasets[name], versions[name], as_of, end).to_table()
        for name in model.inputs
    }
    sorted_rows = {name: _sorted(table).to_pandas() for name, table in rows.items()}
    return _checked_labels(model, entities, model.label(entities, **sorted_rows))


def _checked(model: Model, frame: pd.DataFrame) -> pd.DataFrame:
    problem = None
    if not isinstance(frame, pd.DataFrame) or frame.empty:
        problem = "must return a DataFrame with a row an entity"
    elif frame.index.name != model.entity or not frame.index.is_unique:
        problem = f"must be indexed by {model.entity}, each once"
    elif not all(pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes):
        problem = "must return numbers only"
    elif np.isinf(frame.to_numpy(dtype="float64", na_value=np.nan)).any():
        problem = "returned infinity; check its divisions"
    if problem:
        raise DeclarationError(f"catalog/models/{model.name}.py: features: {problem}")
    return frame.astype("float64")


def _checked_labels(
    model: Model, entities: pd.Index, labels: "pd.Series[bool]"
) -> "pd.Series[bool]":
    if not labels.index.equals(entities) or labels.isna().any():
        raise DeclarationError(
            f"catalog/models/{model.name}.py: label: must return True or False for each entity"
        )
    return labels.astype(bool)


def _buckets(
    model: Model, datasets: Datasets, versions: Versions, start: date, end: date
) -> Iterator[dict[str, pd.DataFrame]]:
    """For each bucket of entities, each dataset's rows of the interval."""
    scans = {
        name: _read(model, datasets[name], versions[name], start, end) for name in model.inputs
    }
    # By the rows of the whole tables, so that features and labels get the same buckets.
    count = _bucket_count(versions)
    if count == 1:
        yield {name: _sorted(scan.to_table()).to_pandas() for name, scan in scans.items()}
        return
    with tempfile.TemporaryDirectory(prefix="dayloop-") as folder:
        for name, scan in scans.items():
            _deal(scan, model.entity, count, Path(folder) / name)
        for number in range(count):
            yield {
                name: _sorted(_dealt(Path(folder) / name, number)).to_pandas() for name in scans
            }


def _bucket_count(versions: Versions) -> int:
    rows = 0
    for name, version in versions.items():
        table = lake.open_table(name, version)
        rows += table.count() if table else 0
    return max(1, ceil(rows / BUCKET_ROWS))


def _read(model: Model, dataset: Dataset, version: int, start: date, end: date) -> ds.Scanner:
    table = lake.open_table(dataset.name, version)
    if table is None:
        raise NotTrained(f"{model.name}: {dataset.name} has never been loaded; backfill first")
    first, past = lake.moments(dataset.day, Interval(max(start, date(1, 1, 2)), end))
    return lake.scan(dataset.name, table).scanner(
        columns=list(model.inputs[dataset.name]),
        filter=first.expression() & past.expression(),
    )


def _sorted(rows: pa.Table) -> pa.Table:
    return rows.sort_by([(name, "ascending") for name in rows.schema.names])


def _deal(scan: ds.Scanner, entity: str, count: int, folder: Path) -> None:
    folder.mkdir()
    schema = scan.projected_schema
    with ExitStack() as stack:
        files = [
            stack.enter_context(pa.ipc.new_file(str(folder / f"{number}.arrow"), schema))
            for number in range(count)
        ]
        for batch in scan.to_batches():
            rows = pa.table(batch)
            bucket = content.row_hashes(rows.select([entity])) % np.uint64(count)
            for number in np.unique(bucket):
                files[number].write_table(rows.filter(pa.array(bucket == number)))


def _dealt(folder: Path, number: int) -> pa.Table:
    with pa.memory_map(str(folder / f"{number}.arrow")) as file:
        return pa.ipc.open_file(file).read_all()

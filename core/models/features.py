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
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from catalog.kinds import Dataset, DeclarationError, Model
from core import code, content, lake
from core.errors import NotTrained
from core.intervals import Interval, at_midnight

BUCKET_ROWS = 2_000_000
READ_AHEAD = 4  # batches; of large files Arrow would hold a gigabyte by itself
RESERVED = {"_label", "score"}
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
        frame = _checked(model, model.features(moment, **before), before)
        if not len(frame):
            continue
        frames.append(frame)
        if with_labels:
            labels.append(_checked_labels(model, frame.index, model.label(frame.index, **after)))
    if not frames:
        raise NotTrained(
            f"{model.name}: no {model.entity} has features before {as_of}; backfill first"
        )
    if any(list(frame.columns) != list(frames[0].columns) for frame in frames):
        raise _wrong(model, "features", "returned other columns for other entities")
    features = pd.concat(frames)
    frames.clear()  # with millions of entities they are what takes the memory
    order = pc.sort_indices(_arrow(features.index)).to_numpy()  # quicker with texts than pandas
    return Snapshot(features.iloc[order], pd.concat(labels).iloc[order] if labels else None)


def labels_of(
    model: Model, datasets: Datasets, versions: Versions, names: "pd.Series[str]", as_of: date
) -> "pd.Series[bool]":
    """The labels of these entities, named as in the predictions, once the horizon has passed."""
    kind = next(iter(datasets.values())).columns[model.entity]
    entities = pd.Index(names.astype("int64") if kind == "int" else names, name=model.entity)
    end = as_of + timedelta(days=model.horizon_days)
    count = _bucket_count(versions)
    bucket = _bucket_of(pa.table({"": pa.array(entities)}), count)
    labels = []
    for number, rows in enumerate(_buckets(model, datasets, versions, as_of, end)):
        some = entities[bucket == number]
        if len(some):
            labels.append(_checked_labels(model, some, model.label(some, **rows)))
    return pd.concat(labels).loc[entities]


def _checked(model: Model, frame: pd.DataFrame, before: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    if not isinstance(frame, pd.DataFrame) or not len(frame.columns):
        raise _wrong(model, "features", "must return a DataFrame with a row an entity")
    if problem := _wrong_rows(model, frame, before) or _wrong_columns(model, frame):
        raise _wrong(model, "features", problem)
    return frame.astype("float64")


def _wrong_rows(model: Model, frame: pd.DataFrame, before: Mapping[str, pd.DataFrame]) -> str:
    if frame.index.name != model.entity:
        return f"must be indexed by {model.entity}, each once"
    known = _entities(model, before)
    unknown = f"returned a {model.entity} that it was given no rows of"
    try:
        given = _arrow(frame.index).cast(known.type)
    except pa.ArrowException:
        return unknown
    if given.equals(known):  # nearly always: grouped rows come sorted
        return ""
    if len(pc.unique(given)) < len(given):
        return f"must be indexed by {model.entity}, each once"
    return "" if pc.all(pc.is_in(given, known)).as_py() in (True, None) else unknown


def _entities(model: Model, before: Mapping[str, pd.DataFrame]) -> pa.Array:
    """Each entity that has rows, in order; Arrow's ways with texts are many times pandas'."""
    parts = [pc.run_end_encode(_arrow(rows[model.entity])).values for rows in before.values()]
    if len(parts) == 1:
        return parts[0]  # of sorted rows
    known = pc.unique(pa.concat_arrays(parts))
    return known.take(pc.sort_indices(known))


def _arrow(values: "pd.Index | pd.Series[Any]") -> pa.Array:
    found = pa.array(values)
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _wrong_columns(model: Model, frame: pd.DataFrame) -> str:
    if not all(isinstance(name, str) for name in frame) or not frame.columns.is_unique:
        return "must name each column by a text of its own"
    if taken := {*RESERVED, model.entity} & set(frame.columns):
        return f"'{taken.pop()}' is a name that the loop uses itself; call it something else"
    if len(frame) and not all(_is_number(kind) for kind in frame.dtypes):
        return "must return numbers only"
    values = (column.to_numpy(dtype="float64", na_value=np.nan) for _, column in frame.items())
    if len(frame) and any(np.isinf(some).any() for some in values):
        return "returned infinity; check its divisions"
    return ""


def _is_number(kind: Any) -> bool:
    types = pd.api.types
    return types.is_numeric_dtype(kind) and not types.is_complex_dtype(kind)


def _checked_labels(
    model: Model, entities: pd.Index, labels: "pd.Series[bool]"
) -> "pd.Series[bool]":
    if not isinstance(labels, pd.Series) or not labels.index.equals(entities):
        raise _wrong(model, "label", "must return a Series with the entities it got as its index")
    if labels.isna().any() or not labels.isin([True, False]).all():
        raise _wrong(model, "label", "must return True or False for each entity")
    return labels.astype(bool)


def _wrong(model: Model, function: str, problem: str) -> DeclarationError:
    return DeclarationError(f"catalog/models/{model.name}.py: {function}: {problem}")


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
        yield {
            name: _sorted(_whole(name, scan), model.entity).to_pandas()
            for name, scan in scans.items()
        }
        return
    with tempfile.TemporaryDirectory(prefix="dayloop-") as folder:
        for name, scan in scans.items():
            with lake.in_words(name):
                _deal(scan, model.entity, count, Path(folder) / name)
        for number in range(count):
            dealt = {name: _dealt(Path(folder) / name, number) for name in scans}
            yield {name: _sorted(dealt[name], model.entity).to_pandas() for name in scans}


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
    # A row without an entity is nobody's; and one null would make floats of whole numbers.
    known = ds.field(model.entity).is_valid()
    return lake.scan(dataset.name, table).scanner(
        columns=list(model.inputs[dataset.name]),
        filter=first.expression() & past.expression() & known,
        batch_readahead=READ_AHEAD,
        fragment_readahead=1,
    )


def _whole(name: str, scan: ds.Scanner) -> pa.Table:
    with lake.in_words(name):
        return scan.to_table()


def _sorted(rows: pa.Table, entity: str) -> pa.Table:
    names = [entity, *(name for name in rows.schema.names if name != entity)]
    return rows.sort_by([(name, "ascending") for name in names])


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
            bucket = _bucket_of(rows.select([entity]), count)
            order = np.argsort(bucket.astype(np.min_scalar_type(count)), kind="stable")
            rows = rows.take(pa.array(order))
            ends = np.cumsum(np.bincount(bucket.astype(np.int64), minlength=count)).tolist()
            for file, start, end in zip(files, [0, *ends], ends, strict=False):
                if start < end:
                    file.write_table(rows.slice(start, end - start))


def _bucket_of(entities: pa.Table, count: int) -> content.Hashes:
    return content.row_hashes(entities) % np.uint64(count)


def _dealt(folder: Path, number: int) -> pa.Table:
    with pa.memory_map(str(folder / f"{number}.arrow")) as file:
        return pa.ipc.open_file(file).read_all()

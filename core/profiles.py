"""Profiles: what each day's accepted rows look like, column by column."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyarrow import acero

from core import lake
from core.intervals import Interval

TABLE = "profiles"
SCHEMA = pa.schema(
    {
        "dataset": pa.string(),
        "day": pa.date32(),
        "column": pa.string(),
        "metric": pa.string(),
        "value": pa.float64(),
    }
)
QUANTILES = {"p05": 0.05, "p50": 0.5, "p95": 0.95}
NUMERIC = ("int", "float")


def profile(
    dataset: str,
    columns: Mapping[str, str],
    day_column: str,
    rows: ds.Dataset,
    where: ds.Expression,
) -> pa.Table:
    """One line a day, column and metric.

    Metrics: `rows` (of the day, column empty), `nulls`, `distinct`, and for numbers `mean`,
    `stddev`, `min`, `max`, `p05`, `p50`, `p95`. Rows that `where` holds for are streamed, in one
    thread: sums in another order would differ in the last digit and look like a change.
    """
    wide = _aggregate(columns, day_column, rows, where)
    parts = [_long(dataset, wide, "rows", "", "rows")]
    for name, kind in columns.items():
        metrics = ["nulls", "distinct"]
        if kind in NUMERIC:
            metrics += ["mean", "stddev", "min", "max", *QUANTILES]
        parts += [_long(dataset, wide, f"{name} {metric}", name, metric) for metric in metrics]
    return pa.concat_tables(parts)


def record(dataset: str, interval: Interval, profiled: pa.Table) -> bool:
    """Replaces the interval's profile; returns whether it changed."""
    where = lake.equal(dataset=dataset) + lake.days("day", interval)
    return lake.replace_small(TABLE, profiled, where, partition_by=["dataset"])


def _aggregate(
    columns: Mapping[str, str], day_column: str, rows: ds.Dataset, where: ds.Expression
) -> pa.Table:
    day = pc.floor_temporal(ds.field(day_column), unit="day").cast(pa.date32())
    project = {"_day": day, **{name: ds.field(name) for name in columns}}
    asked: list[tuple[str, str, pc.FunctionOptions | None, str]] = [
        (day_column, "hash_count", pc.CountOptions(mode="all"), "rows")
    ]
    for name, kind in columns.items():
        asked.append((name, "hash_count", pc.CountOptions(mode="only_null"), f"{name} nulls"))
        asked.append((name, "hash_count_distinct", None, f"{name} distinct"))
        if kind in NUMERIC:
            asked += [
                (name, f"hash_{metric}", None, f"{name} {metric}")
                for metric in ("mean", "stddev", "min", "max")
            ]
            asked.append((name, "hash_tdigest", pc.TDigestOptions([*QUANTILES.values()]), name))
    plan = acero.Declaration.from_sequence(
        [
            acero.Declaration("scan", acero.ScanNodeOptions(rows, columns=project, filter=where)),
            # The scan's own filter only leaves out files; a filtered dataset's is ignored here.
            acero.Declaration("filter", acero.FilterNodeOptions(where)),
            acero.Declaration("project", acero.ProjectNodeOptions([*project.values()], [*project])),
            acero.Declaration("aggregate", acero.AggregateNodeOptions(asked, keys=["_day"])),
        ]
    )
    wide = plan.to_table(use_threads=False)
    for name, kind in columns.items():
        if kind in NUMERIC:
            for position, metric in enumerate(QUANTILES):
                values = pc.list_element(wide[name], position)
                wide = wide.append_column(f"{name} {metric}", values)
    return wide.sort_by("_day")


def _long(dataset: str, wide: pa.Table, source: str, column: str, metric: str) -> pa.Table:
    count = wide.num_rows
    values = {
        "dataset": pa.repeat(dataset, count),
        "day": wide["_day"],
        "column": pa.repeat(column, count),
        "metric": pa.repeat(metric, count),
        "value": wide[source].cast(pa.float64(), safe=False),  # above 2**53: the nearest
    }
    return pa.table(values, schema=SCHEMA)

"""Contracts: each declaration a dataset was loaded by, as a version in readable form.

A changed declaration is classed before it touches the table: what old rows cannot keep is
breaking and waits for a person's word.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from catalog.kinds import Dataset
from core import code, lake
from core.intervals import utc_now

if TYPE_CHECKING:
    import pandera.pandas as pandera

TABLE = "contracts"
SCHEMA = pa.schema(
    {
        "dataset": pa.string(),
        "version": pa.int64(),
        "contract": pa.string(),
        "change": pa.string(),
        "what": pa.string(),
        "declared": pa.string(),
        "recorded_at": pa.timestamp("us", tz="UTC"),
    }
)
Kind = Literal["first", "unchanged", "additive", "rules", "breaking"]


@dataclass(frozen=True)
class Change:
    """What a declaration is beside the one before it.

    Attributes:
        kind: `first`; `unchanged`; `additive`: columns came that old rows may lack;
            `rules`: the columns are as they were; `breaking`: old rows do not fit.
        what: each difference in words.
    """

    kind: Kind
    what: tuple[str, ...]


def contract_hash(dataset: Dataset) -> str:
    """Changes with anything that decides which rows are good: types, rules, tolerances."""
    source = dataset.source
    parts: list[object] = [source, dataset.day, dataset.max_bad_share, dataset.min_rows]
    parts += [dataset.key, dataset.references, dataset.totals, dataset.extra_columns]
    parts += [sorted((name, asdict(rule)) for name, rule in dataset.rules.items())]
    numbers = (source.decimal, source.thousands, source.na_values)
    parts += [numbers] if numbers != (".", "", ()) else []  # so that older contracts stay theirs
    for name, column in dataset.checks.columns.items():
        parts += [name, column.dtype, column.nullable, column.required]
        parts += map(_described, column.checks)
    return code.digest(*parts, *map(_described, dataset.checks.checks))


def _described(check: "pandera.Check") -> str:
    return f"{check.name} {check.statistics or code.of_function(check._check_fn)}"


def readable(dataset: Dataset) -> dict[str, Any]:
    """The declaration as people read it, of plain values."""
    columns = {
        name: {
            "type": dataset.columns[name],
            "nullable": column.nullable,
            "required": column.required,
            "checks": [_words(check) for check in column.checks],
        }
        for name, column in dataset.checks.columns.items()
    }
    return {
        "columns": columns,
        "rows": [_words(check) for check in dataset.checks.checks],
        "day": dataset.day,
        "key": list(dataset.key),
        "references": [asdict(each) for each in dataset.references],
        "totals": [asdict(each) for each in dataset.totals],
        "rules": {name: asdict(rule) for name, rule in dataset.rules.items()},
        "extra_columns": dataset.extra_columns,
        "max_bad_share": dataset.max_bad_share,
        "min_rows": dataset.min_rows,
    }


def _words(check: "pandera.Check") -> str:
    values = ", ".join(f"{name}={value!r}" for name, value in (check.statistics or {}).items())
    return f"{check.name}({values})" if values else str(check.name)


def change(dataset: Dataset) -> Change:
    """How the declaration differs from the newest one the dataset was loaded by."""
    known = versions(dataset.name)
    if not known:
        return Change("first", ())
    if known[-1]["contract"] == contract_hash(dataset):
        return Change("unchanged", ())
    return compare(json.loads(known[-1]["declared"]), readable(dataset))


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> Change:
    """The difference between two declarations in readable form."""
    old, new = before["columns"], after["columns"]
    broken = [f"column {name} went" for name in old if name not in new]
    added: list[str] = []
    for name, column in new.items():
        if name not in old and column["nullable"]:
            added.append(f"column {name} came, {column['type']}")
        elif name not in old:
            broken.append(f"column {name} came, and old rows have none: declare it nullable")
        elif old[name]["type"] != column["type"]:
            broken.append(f"column {name} was {old[name]['type']}, is {column['type']}")
    if before["day"] != after["day"]:
        broken.append(f"the day was {before['day']}, is {after['day']}")
    if broken:
        return Change("breaking", (*broken, *added))
    others = [name for name in after if name != "columns" and before.get(name) != after[name]]
    others += [
        f"column {name}" for name, column in new.items() if name in old and old[name] != column
    ]
    said = tuple(f"{name} changed" for name in others)
    return Change("additive", (*added, *said)) if added else Change("rules", said)


def versions(dataset: str) -> list[dict[str, Any]]:
    """The dataset's contracts, oldest first, as rows of the table."""
    rows = lake.read(TABLE, lake.equal(dataset=dataset))
    return [] if rows is None else rows.sort_by("version").to_pylist()


def day_column(dataset: str) -> str:
    """The column that says to which day a row of the dataset belongs."""
    return str(json.loads(versions(dataset)[-1]["declared"])["day"])


def record(dataset: Dataset, changed: Change, *, now: datetime | None = None) -> None:
    """Adds the declaration as the newest version, unless it is that already."""
    if changed.kind == "unchanged":
        return
    contract = contract_hash(dataset)

    def decide(rows: pa.Table) -> pa.Table:
        known: Sequence[dict[str, Any]] = rows.sort_by("version").to_pylist()
        if known and known[-1]["contract"] == contract:
            return rows
        row = {
            "dataset": dataset.name,
            "version": known[-1]["version"] + 1 if known else 1,
            "contract": contract,
            "change": changed.kind,
            "what": "; ".join(changed.what),
            "declared": json.dumps(readable(dataset)),
            "recorded_at": now or utc_now(),
        }
        return pa.concat_tables([rows, pa.Table.from_pylist([row], schema=SCHEMA)])

    where = lake.equal(dataset=dataset.name)
    lake.change(TABLE, where, decide, schema=SCHEMA, partition_by=["dataset"])

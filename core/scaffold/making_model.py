"""Making a model's files on a dataset: whose rows it looks at, how far ahead, and the text."""

import re
from dataclasses import dataclass
from datetime import date
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from catalog.kinds import Dataset
from core import lake, ledger
from core.errors import UsageError
from core.intervals import DAY
from core.scaffold import deploying, model, proving
from core.scaffold.rules import IDENTIFIER
from core.scaffold.targets import Targets

LOOKED_AT = 1_000_000  # rows
HORIZONS = (90, 60, 30, 14, 7)  # the longest that the history holds five times
HORIZON = 30
LEAST_DAYS = 14  # of loaded rows, for them to say whose they are
WHO = re.compile(
    r"(?i)custom|user|client|account|member|patient|device|person|subscri|store|shop|station"
)


@dataclass(frozen=True, kw_only=True)
class NewModel:
    """A model that was written.

    Attributes:
        features: their names.
        others: columns that could have been the entity.
        as_of: the day after the last one that is loaded; None where none is.
        files: written, relative to the project.
    """

    name: str
    dataset: str
    entity: str
    others: tuple[str, ...]
    horizon_days: int
    as_of: date | None
    features: tuple[str, ...]
    files: tuple[str, ...]


def new_model(name: str, dataset: Dataset, *, entity: str = "", horizon_days: int = 0) -> NewModel:
    """Writes a model's declaration, its test and its stanzas.

    Raises:
        UsageError: a file is there already, or no column names what is to be scored.
    """
    targets = Targets.of("model", name)
    rows = _rows(dataset)
    candidates = _candidates(dataset, rows)
    if entity and dataset.columns.get(entity) not in ("string", "int"):
        raise UsageError(f"--entity: '{entity}' is no column of text or integers of {dataset.name}")
    if not entity and not candidates:
        some = [column for column, kind in dataset.columns.items() if kind in ("string", "int")]
        raise UsageError(
            f"no column of {dataset.name} looks like what is to be scored; name it with --entity: "
            f"one of {', '.join(some) or 'none, so it cannot be scored'}"
        )
    chosen = entity or candidates[0]
    made = model.Draft(name, dataset, chosen, horizon_days or _horizon(dataset, rows))
    text = model.code(made)
    proving.declared(text, "model", name).check_inputs({dataset.name: dataset})
    targets.write(text, model.test(made), deploying.with_model)
    return NewModel(
        name=name,
        dataset=dataset.name,
        entity=chosen,
        others=tuple(column for column in candidates if column != chosen),
        horizon_days=made.horizon_days,
        as_of=max((entry.day + DAY for entry in ledger.entries(dataset.name)), default=None),
        features=tuple(made.features),
        files=targets.shown(),
    )


def _rows(dataset: Dataset) -> pa.Table | None:
    """The first rows of the table, where there are enough days to tell something by."""
    table = lake.open_table(dataset.name)
    if table is None:
        return None
    kinds = ("string", "int", "datetime")
    columns = [column for column, kind in dataset.columns.items() if kind in kinds]
    batches = lake.scan(dataset.name, table).scanner(columns=columns).to_batches()
    found = list(islice((batch for batch in batches if batch.num_rows), LOOKED_AT // 100_000))
    rows = pa.Table.from_batches(found) if found else None
    return rows if rows is not None and _days(dataset, rows) >= LEAST_DAYS else None


def _days(dataset: Dataset, rows: pa.Table) -> int:
    ends = pc.min_max(rows[dataset.day]).as_py()
    return int((ends["max"] - ends["min"]).days) + 1


def _candidates(dataset: Dataset, rows: pa.Table | None) -> list[str]:
    """Columns that may name what is scored, the likeliest first.

    Its values come again on other days, and there are many of them. Where no name tells, it is
    a text of which the rows say so.
    """
    declared, kinds = dataset.checks.columns, dataset.columns
    some = [
        column
        for column, kind in kinds.items()
        if kind in ("string", "int")
        and not declared[column].nullable
        and (column,) != dataset.key
        and not any(check.name == "isin" for check in declared[column].checks)
    ]
    if rows is not None:
        different = {column: pc.count_distinct(rows[column]).as_py() for column in some}
        some = [c for c in some if 20 <= different[c] <= rows.num_rows / 1.2]
    named = [column for column in some if WHO.search(column) or IDENTIFIER.search(column)]
    texts = [column for column in some if rows is not None and kinds[column] == "string"]
    return sorted(named, key=lambda column: not WHO.search(column)) or texts


def _horizon(dataset: Dataset, rows: pa.Table | None) -> int:
    if rows is None:
        return HORIZON
    return next((each for each in HORIZONS if 5 * each < _days(dataset, rows)), HORIZONS[-1])

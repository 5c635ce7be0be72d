"""The proof of a declaration: the sample is loaded by it, in a scratch home, and counted by day."""

import importlib.util
import tempfile
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from catalog.kinds import Dataset
from core import lake, ledger
from core.errors import SourceRefused
from core.intervals import Interval
from core.load import loading
from core.scaffold.samples import Sample


@dataclass(frozen=True)
class Proof:
    """What a load of the sample came to.

    Attributes:
        bad: by rule, how many rows fail it.
        first: day with rows; last likewise.
        empty: days between the first and the last without any.
        least: rows of the quietest day that has some.
        shares: of bad rows, of each day with rows.
    """

    bad: dict[str, int]
    first: date
    last: date
    empty: int
    least: int
    shares: tuple[float, ...]


def declared(text: str, kind: str, name: str) -> Any:
    """What a file of the catalog declares, by its text.

    Raises:
        DeclarationError: it cannot be right.
    """
    with tempfile.TemporaryDirectory(prefix="dayloop-") as folder:
        file = Path(folder) / f"{name}.py"
        file.write_text(text, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(f"scaffold_{name}", file)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return getattr(module, kind)


def prove(dataset: Dataset, sample: Sample, interval: Interval) -> Proof:
    """Loads the landed sample into the present home, which should be a scratch one.

    Every day is let through, however bad: the tolerances are found by what is counted here.

    Raises:
        SourceRefused: the file as a whole cannot be what it is declared to be.
    """
    lenient = replace(dataset, max_bad_share=0.999, min_rows=0)
    loading.load(lenient, interval, sample.files)
    entries = ledger.entries(dataset.name, interval)
    full = [entry for entry in entries if entry.rows_read]
    if not any(entry.status == "loaded" for entry in entries):
        raise SourceRefused(f"no day of the sample can be loaded: {entries[0].reason}")
    put_aside = lake.read(loading.quarantine(dataset.name))
    bad: dict[str, int] = {}
    for row in () if put_aside is None else put_aside.select(["column", "rule"]).to_pylist():
        rule = f"{row['column']} {row['rule']}" if row["column"] else row["rule"]
        bad[rule] = bad.get(rule, 0) + 1
    return Proof(
        bad=bad,
        first=full[0].day,
        last=full[-1].day,
        empty=sum(
            full[0].day < entry.day < full[-1].day for entry in entries if not entry.rows_read
        ),
        least=min(entry.rows_read for entry in full),
        shares=tuple(entry.rows_bad / entry.rows_read for entry in full),
    )

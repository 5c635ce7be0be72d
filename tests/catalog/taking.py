"""What the tests of datasets share: how a declaration judges a row as its source would send it."""

import csv
import json
from collections.abc import Mapping
from io import BytesIO, StringIO
from typing import Any

import catalog
from catalog.kinds import File, Http
from catalog.sources import format_of
from core.load import checks
from core.reader import reading


def faults(name: str, row: Mapping[str, Any]) -> list[str]:
    """The column for which the row is put aside, by the reader or by a rule; none where it is good.

    Args:
        name: of the dataset.
        row: its fields as text, or as JSON has them where the source sends JSON or parquet.
    """
    dataset = catalog.dataset(name)
    source = dataset.source
    if isinstance(source, File):
        delimited = format_of(source.path) == "delimited"
    else:
        delimited = isinstance(source, Http) and source.format == "csv"
    text = StringIO(newline="")
    if delimited:
        csv.writer(text, delimiter=source.delimiter).writerows([row, row.values()])
    else:
        text.write(json.dumps(dict(row), ensure_ascii=False) + "\n")
    data = text.getvalue().encode(source.encoding)
    file = "row.csv" if delimited else "row.jsonl"
    found: list[str] = []
    for block in reading.read(source, dataset.columns, dataset.day, lambda: BytesIO(data), file):
        checked = checks.check(dataset, block.rows)
        found += [*block.bad["column"].to_pylist(), *checked.bad["column"].to_pylist()]
    return found

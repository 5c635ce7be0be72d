"""The strict reader beside a plain read of the same file: python -m benchmarks.reading <rows>.

A plain read checks nothing: pyarrow's own reader of the format, streaming where it can.
"""

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import pyarrow.parquet as pq
from pyarrow import csv

from benchmarks import bare, data
from catalog.kinds import File
from core.reader import reading

COLUMNS = {"customer_id": "string", "date": "datetime", "cds": "int", "amount": "float"}
WRONG = {"cds": "1.7", "amount": "n/a", "date": "01/02/1997"}
ROUNDS = 5


def files(folder: Path, rows: int) -> dict[str, Path]:
    """The same rows in each form, and with a tenth of them bad."""
    history = data.history(folder / "history.csv", rows, bad_share=0)
    as_text = csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string()))
    texts = csv.read_csv(history, convert_options=as_text)
    found = {"csv": history, "quoted csv": folder / "quoted.csv"}
    csv.write_csv(texts, found["quoted csv"])
    for name, few in {"one rule": 1, "three rules": 3}.items():
        found[f"csv, 10 % bad by {name}"] = path = folder / f"bad-{few}.csv"
        spoiled = _spoil(texts, dict(list(WRONG.items())[:few]))
        csv.write_csv(spoiled, path, csv.WriteOptions(quoting_style="none"))
    frame = texts.to_pandas().astype({"cds": int, "amount": float})
    found["parquet"] = folder / "typed.parquet"
    frame.astype({"date": "datetime64[us, UTC]"}).to_parquet(found["parquet"], index=False)
    found["jsonl"], found["jsonl, 10 % bad"] = folder / "typed.jsonl", folder / "bad.jsonl"
    frame.to_json(found["jsonl"], orient="records", lines=True)
    frame["cds"] = frame["cds"].astype(object).where(np.arange(rows) % 10 > 0, "x")
    frame.to_json(found["jsonl, 10 % bad"], orient="records", lines=True)
    return found


def _spoil(texts: pa.Table, wrong: dict[str, str]) -> pa.Table:
    which = np.random.default_rng(0).integers(0, 10 * len(wrong), texts.num_rows)
    for number, (column, value) in enumerate(wrong.items()):
        spoiled = pc.if_else(pa.array(which == number), value, texts[column])
        texts = texts.set_column(texts.schema.get_field_index(column), column, spoiled)
    return texts


def strict(path: Path) -> int:
    """Rows, as the loop reads them."""
    source = File(path=path.name, max_bytes=1 << 40)
    blocks = reading.read(source, COLUMNS, "date", lambda: path.open("rb"), path.name)
    return sum(block.rows.num_rows + block.bad.num_rows for block in blocks)


def plain(path: Path) -> int:
    """Rows, as pyarrow reads them."""
    if path.suffix == ".csv":
        options = csv.ConvertOptions(column_types=bare.TYPES)
        blocks = csv.open_csv(path, csv.ReadOptions(block_size=4 << 20), convert_options=options)
        return sum(len(block) for block in blocks)
    if path.suffix == ".jsonl":
        return pyarrow.json.read_json(path).num_rows
    return sum(len(block) for block in pq.ParquetFile(path).iter_batches())


def pandas(path: Path) -> int:
    """Rows, as pandas reads them."""
    if path.suffix == ".csv":
        return len(pd.read_csv(path, dtype={"customer_id": str}, parse_dates=["date"]))
    if path.suffix == ".jsonl":
        return len(pd.read_json(path, lines=True, dtype={"customer_id": str}))
    return len(pd.read_parquet(path))


def measure(rows: int) -> dict[str, dict[str, float]]:
    """CPU seconds by form and reader, the readers by turns."""
    with TemporaryDirectory() as folder:
        return {form: _costs(path) for form, path in files(Path(folder), rows).items()}


def _costs(path: Path) -> dict[str, float]:
    readers: tuple[Callable[[Path], int], ...] = (strict, plain, pandas)
    found: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for reader in readers:
            before = time.process_time()
            with suppress(pa.ArrowInvalid, ValueError):  # a plain read gives up on bad rows
                reader(path)
                found.setdefault(reader.__name__, []).append(time.process_time() - before)
    return {name: median(costs) for name, costs in found.items()}


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))

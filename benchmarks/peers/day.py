"""The day that all of them load, as a bare script: read, check, put bad rows aside, write.

    DAY_FOLDER=<folder> python benchmarks/peers/day.py

Needs pandas, pandera and deltalake, and nothing of this project: it runs in the peers' own
environments, where each of them calls the three functions in its own manner.
"""

import os
from pathlib import Path

import pandas as pd
from deltalake import write_deltalake
from pandera.errors import SchemaErrors
from pandera.pandas import Check, Column, DataFrameSchema

SAMPLE = Path(__file__).parents[2] / "data" / "cdnow.csv.gz"
DAY = "1998-04-01"
SCHEMA = DataFrameSchema(  # as in catalog/datasets/sales.py
    {
        "customer_id": Column(str, Check.str_matches(r"^\d{5}$")),
        "date": Column("datetime64[us, UTC]"),
        "cds": Column(int, Check.in_range(1, 200)),
        "amount": Column(float, Check.in_range(0, 5_000)),
    },
    checks=Check(lambda rows: rows["amount"] <= 500 * rows["cds"], name="price_of_a_disc"),
)


def read() -> pd.DataFrame:
    """The day's rows of the sample."""
    rows = pd.read_csv(SAMPLE, dtype={"customer_id": "str"})
    rows = rows[rows["date"] == DAY].reset_index(drop=True)
    return rows.assign(date=pd.to_datetime(rows["date"], utc=True).astype("datetime64[us, UTC]"))


def check(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Those that pass and those that do not."""
    try:
        return SCHEMA.validate(rows, lazy=True), rows.iloc[:0]
    except SchemaErrors as found:
        bad = rows.index.isin(found.failure_cases["index"].dropna())
        return rows[~bad], rows[bad]


def write(good: pd.DataFrame, bad: pd.DataFrame) -> None:
    """Puts them into two Delta tables."""
    tables = Path(os.environ["DAY_FOLDER"], "tables")
    write_deltalake(tables / "sales", good)
    if len(bad):
        write_deltalake(tables / "sales_quarantine", bad)


if __name__ == "__main__":
    write(*check(read()))

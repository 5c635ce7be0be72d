"""The day as a Dagster job: python dagster_day.py, or dagster job execute -f dagster_day.py."""

import day
import pandas as pd
from dagster import Out, job, op


@op
def read() -> pd.DataFrame:
    """The day's rows."""
    return day.read()


@op(out={"good": Out(), "bad": Out()})
def check(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Good ones and bad ones."""
    return day.check(rows)


@op
def write(good: pd.DataFrame, bad: pd.DataFrame) -> None:
    """Both into their tables."""
    day.write(good, bad)


@job
def load() -> None:
    """Loads the day."""
    write(*check(read()))


if __name__ == "__main__":
    load.execute_in_process()

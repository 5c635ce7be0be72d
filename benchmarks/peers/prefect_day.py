"""The day as a plain Prefect flow: python prefect_day.py."""

import day
from prefect import flow, task

read, check, write = task(day.read), task(day.check), task(day.write)


@flow
def load() -> None:
    """Loads the day."""
    write(*check(read()))


if __name__ == "__main__":
    load()

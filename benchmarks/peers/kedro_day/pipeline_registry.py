"""The day as a Kedro project's only pipeline: kedro run, in the folder above."""

import day
from kedro.pipeline import Pipeline, node


def register_pipelines() -> dict[str, Pipeline]:
    """The pipelines by name."""
    read = node(day.read, None, "rows", name="read")
    check = node(day.check, "rows", ["good", "bad"], name="check")
    write = node(day.write, ["good", "bad"], None, name="write")
    return {"__default__": Pipeline([read, check, write])}

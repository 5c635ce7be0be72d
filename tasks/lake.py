"""Tasks that care for the lake, and show where to look at it."""

import os

from prefect import task
from prefect.artifacts import create_markdown_artifact

from core import care
from core.alerting.formats import PAGE
from core.care import Maintained, Problem
from tasks.patience import ON_LAKE


@task(task_run_name="maintain", **ON_LAKE)
def maintain() -> list[Maintained]:
    """Compacts, checkpoints and vacuums every table."""
    return care.maintain()


@task(task_run_name="verify", **ON_LAKE)
def verify() -> list[Problem]:
    """Reads everything and lists what is damaged."""
    return care.verify()


def show_page(path: str, sentence: str) -> None:
    """The verdict and where the page is, on the flow run's own."""
    where = os.environ.get(PAGE) or f"`{path}`"
    create_markdown_artifact(f"**{sentence}**\n\nThe page: {where}", key="page")

"""Tasks that care for the lake."""

from prefect import task

from core import care
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

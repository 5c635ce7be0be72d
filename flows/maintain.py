"""Maintain and verify: keep the lake small and quick, and find damage.

`maintain` runs weekly, `verify` whenever there is doubt. Neither removes anything that a
model in the registry was trained on, nor anything younger than a week.
"""

import logging
from dataclasses import dataclass

from prefect import flow

from core import care
from core.care import Maintained
from core.errors import LakeDamaged
from flows.parameters import run_name
from tasks import alerting, lake

log = logging.getLogger("dayloop")


@dataclass(frozen=True)
class Verified:
    """How many tables there are, all of them whole, and what else was read."""

    tables: int


@flow(flow_run_name=run_name, **alerting.TELLING)
def maintain() -> list[Maintained]:
    """Compacts partitions of many small files, checkpoints, removes files nobody needs."""
    return lake.maintain()


@flow(flow_run_name=run_name, **alerting.TELLING)
def verify() -> Verified:
    """Reads every live file, registered artifact and landed file, and names any damage."""
    problems = lake.verify()
    for problem in problems:
        log.error("%s: %s; %s", problem.where, problem.what, problem.todo)
    if problems:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise LakeDamaged(f"{first.where} {first.what}{more}; {first.todo}")
    return Verified(tables=len(care.tables()))

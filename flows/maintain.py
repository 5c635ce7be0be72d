"""Maintain and verify: keep the lake small and quick, and find damage.

`maintain` runs weekly, `verify` whenever there is doubt. Neither removes anything that a
model in the registry was trained on, nor anything younger than a week.
"""

import logging

from prefect import flow

from core.care import Maintained
from core.errors import LakeDamaged
from flows.parameters import run_name
from tasks import alerting, lake

log = logging.getLogger("dayloop")


@flow(flow_run_name=run_name, **alerting.TELLING)
def maintain() -> list[Maintained]:
    """Compacts partitions of many small files, checkpoints, removes files nobody needs."""
    return lake.maintain()


@flow(flow_run_name=run_name, **alerting.TELLING)
def verify() -> list[str]:
    """Reads every live file, registered artifact and landed file, and names any damage."""
    problems = lake.verify()
    for problem in problems:
        log.error("%s: %s; %s", problem.where, problem.what, problem.todo)
    if problems:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise LakeDamaged(f"{first.where} {first.what}{more}; {first.todo}")
    return []

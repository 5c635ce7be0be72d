"""How long tasks wait: what is worth another try, and after how many seconds."""

import logging
import os
from typing import Any

from prefect import runtime
from prefect.cache_policies import NO_CACHE

from core.errors import TransientError

log = logging.getLogger("dayloop")
ATTEMPTS = 3
SCHEDULED_SECONDS, AD_HOC_SECONDS = 300.0, 2.0
LAKE_SECONDS = [0.5, 2.0, 10.0]


def transient(task: Any, task_run: Any, state: Any) -> bool:
    """Whether a failure may go away by itself (Prefect takes plain functions only)."""
    again = isinstance(state.data, TransientError)
    if again:
        log.warning("%s; trying again, if tries are left", state.data)
    return again


def source_seconds() -> list[float]:
    """The delays before another look at a source that did not answer.

    `DAYLOOP_RETRY_SECONDS` where it is set; else five minutes in a scheduled run, when
    upstream may only be late, and seconds where a person is waiting.
    """
    scheduled = bool(runtime.deployment.id)
    given = os.environ.get("DAYLOOP_RETRY_SECONDS")
    seconds = float(given) if given else SCHEDULED_SECONDS if scheduled else AD_HOC_SECONDS
    return [seconds] * (ATTEMPTS - 1)


# Tasks take and return small records: nothing worth hashing, keeping or unpickling. What is
# done already the lake's own ledger says.
COMMON: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retry_condition_fn": transient,
}
ON_LAKE: dict[str, Any] = {
    **COMMON,
    "retries": len(LAKE_SECONDS),
    "retry_delay_seconds": LAKE_SECONDS,
    "retry_jitter_factor": 0.5,
}

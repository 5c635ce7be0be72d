"""Requeue: the landed bytes once more through today's rules.

Runs ad hoc, after a rule or a tolerance was corrected: upstream is not asked again.
"""

import logging
from datetime import date

from prefect import flow

from core.intervals import Interval
from core.load.requeue import Requeued
from flows.etl import raise_if_refused, tell_of
from flows.parameters import DatasetName, day_before, run_name
from tasks import alerting, data

log = logging.getLogger("dayloop")


@flow(flow_run_name=run_name, **alerting.TELLING)
def requeue(
    dataset: DatasetName,
    start: date,
    end: date | None = None,
    *,
    dry_run: bool = False,
    allow_breaking: bool = False,
) -> Requeued:
    """Replays the landed bytes of an interval and says how many rows were released.

    Args:
        dataset: a dataset of the catalog.
        start: the first day, UTC.
        end: the day after the last one, UTC; today when left out.
        dry_run: says what would change, and changes nothing.
        allow_breaking: converts the table where the declaration does not fit it any more.
    """
    interval = Interval(start, end or Interval.of_day(day_before()).end)
    requeued = data.requeue(dataset, interval, dry_run, allow_breaking)
    log.info("%s %s: %s rows released", dataset, interval, f"{requeued.released:,}")
    if dry_run:
        return requeued
    for load in requeued.loads:
        tell_of(load)
    alerting.deliver()
    for load in requeued.loads:
        raise_if_refused(load)
    return requeued

"""Backfill: an interval of a dataset's history, in bulk.

Runs ad hoc: the first load, or after a source or a rule was fixed. One task and one commit
for the whole of a file that holds many days. Running it again changes nothing.
"""

from datetime import date

from prefect import flow

from core.intervals import Interval
from core.loading import Loaded
from flows.etl import load_days, raise_if_refused
from flows.parameters import DatasetName, day_before, run_name
from tasks import alerting


@flow(flow_run_name=run_name, **alerting.TELLING)
def backfill(dataset: DatasetName, start: date, end: date | None = None) -> Loaded:
    """Loads the days from start up to, but not including, end.

    Args:
        dataset: a dataset of the catalog.
        start: the first day, UTC.
        end: the day after the last one, UTC; today when left out.
    """
    loaded = load_days(dataset, Interval(start, end or Interval.of_day(day_before()).end))
    alerting.deliver()
    raise_if_refused(loaded)
    return loaded

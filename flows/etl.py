"""ETL: one day of a dataset, from the source to the table.

Runs daily as part of `daily`, and ad hoc when a day is to be loaded again. Needs nothing but
the source. Running it again changes nothing.
"""

import logging
from dataclasses import replace
from datetime import date

from prefect import flow

import catalog
from core.errors import DataRefused
from core.intervals import Interval
from core.load.recording import Loaded
from core.quality import unusual
from flows.parameters import DatasetName, day_before, run_name
from tasks import alerting, data, messages
from tasks.patience import source_seconds

log = logging.getLogger("dayloop")


@flow(
    flow_run_name=run_name,
    **alerting.TELLING,
)
def etl(dataset: DatasetName, day: date | None = None, *, allow_breaking: bool = False) -> Loaded:
    """Loads one day of a dataset: land, check, load, profile, ledger.

    Args:
        dataset: a dataset of the catalog.
        day: the day to load, UTC; yesterday when left out.
        allow_breaking: converts the table where the declaration does not fit it any more.
    """
    loaded = load_days(dataset, Interval.of_day(day or day_before()), allow_breaking)
    alerting.deliver()
    raise_if_refused(loaded)
    return loaded


def load_days(dataset: str, interval: Interval, allow_breaking: bool = False) -> Loaded:
    """Lands and loads an interval, and tells about days that were refused."""
    landing = data.land.with_options(retry_delay_seconds=source_seconds())
    landed = landing(dataset, interval)
    loaded = data.load(dataset, interval, landed, allow_breaking)
    log_loaded(loaded)
    tell_of(loaded)
    return loaded


def log_loaded(loaded: Loaded) -> None:
    """Says what a load did."""
    dataset, interval = loaded.dataset, loaded.interval
    if loaded.changed:
        log.info(
            "%s %s: %s rows read, %s loaded, %s in quarantine",
            dataset,
            interval,
            f"{loaded.rows_read:,}",
            f"{loaded.rows_good:,}",
            f"{loaded.rows_bad:,}",
        )
    else:
        log.info("%s %s: the same bytes are loaded already", dataset, interval)


def tell_of(loaded: Loaded) -> None:
    """Tells about refused and unusual days and warnings, and that what was told before is over."""
    news = unusual.news(catalog.dataset(loaded.dataset), loaded.interval)
    loaded = replace(loaded, warnings=(*loaded.warnings, *news))
    if alerts := [*messages.refused(loaded), *messages.warned(loaded)]:
        alerting.tell(alerts)
    if loaded.changed:
        alerting.settle(loaded.dataset, bool(loaded.warnings) or not loaded.days_loaded)


def raise_if_refused(loaded: Loaded) -> None:
    """Ends the flow as failed where a day was refused; the others are loaded all the same."""
    if not loaded.refused:
        return
    day, reason = loaded.refused[0]
    more = f" and {len(loaded.refused) - 1} more days" if len(loaded.refused) > 1 else ""
    raise DataRefused(
        f"{loaded.dataset} {day} was refused: {reason}{more}; the table keeps what it had. "
        f"Look at {loaded.dataset}_quarantine, fix the source, run it again",
        told=True,
    )

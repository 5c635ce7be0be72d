"""Demo: the loop on the sample data, from nothing to its first days. `make run` runs it.

Not a flow of its own: it runs the flows a team would run, one after the other, and then says
in plain words what happened.
"""

import logging
import time
from dataclasses import dataclass
from datetime import date

from core.alerting import outbox
from core.intervals import DAY, Interval
from core.load.recording import Loaded
from flows.backfill import backfill
from flows.daily import Day, daily
from flows.retrain import retrain
from tasks.models import Trained

HISTORY = Interval(date(1997, 1, 1), date(1998, 4, 1))
FIRST_DAYS = 4
log = logging.getLogger("dayloop")


@dataclass(frozen=True, kw_only=True)
class Demo:
    """What the demo did, step by step.

    Attributes:
        changed: False where an earlier run had done all of it already.
        alerts: titles of the alerts it recorded, each of them new.
    """

    history: Loaded
    trained: Trained
    days: tuple[Day, ...]
    alerts: tuple[str, ...]
    changed: bool
    seconds: float


def demo() -> Demo:
    """Backfills CDNOW to March 1998, trains churn, and runs the first days of April."""
    begun = time.perf_counter()
    log.info("it takes about a minute, the start of Prefect some seconds of that")
    known = {record.id for record in outbox.state()}
    history = backfill("sales", HISTORY.start, HISTORY.end)
    trained = retrain("churn", HISTORY.end)
    days = tuple(daily(HISTORY.end + number * DAY) for number in range(FIRST_DAYS))
    alerts = tuple(record.alert.title for record in outbox.state() if record.id not in known)
    changed = history.changed or not trained.known or any(d.changed for d in days)
    return Demo(
        history=history,
        trained=trained,
        days=days,
        alerts=alerts,
        changed=changed or bool(alerts),
        seconds=time.perf_counter() - begun,
    )

"""Score: the champion's predictions for every entity as of a day.

Runs daily as part of `daily`, and ad hoc. Needs a champion and a trusted day before.
"""

import logging
from datetime import date

from prefect import flow

from core.models.scoring import Scored
from flows.parameters import ModelName, day_before, run_name
from tasks import alerting, models

log = logging.getLogger("dayloop")


@flow(flow_run_name=run_name, **alerting.TELLING)
def score(model: ModelName, day: date | None = None) -> Scored:
    """Scores every entity with the champion, from rows before a day.

    Args:
        model: a model of the catalog.
        day: the day of the predictions, UTC; yesterday when left out.
    """
    scored = models.score(model, day or day_before())
    log_scored(scored)
    alerting.deliver()
    return scored


def log_scored(scored: Scored) -> None:
    """One line for people."""
    known = "" if scored.changed else ", as before"
    log.info(
        "%s %s: version %s scored %s rows, mean %.3f%s",
        scored.model,
        scored.day,
        scored.version,
        f"{scored.rows:,}",
        scored.mean_score,
        known,
    )

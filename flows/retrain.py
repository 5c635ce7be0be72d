"""Retrain: fits the candidates, judges the best on days nobody has seen, promotes or not.

Runs when `daily` finds it due, and ad hoc. Needs two horizons of trusted history before
`as_of`. The same data, code and parameters are never fitted twice.
"""

import logging
from datetime import date

from prefect import flow

import catalog
from core import home, progress
from flows.parameters import ModelName, day_before, run_name
from tasks import alerting, messages, models
from tasks.models import Trained
from tasks.runners import runner

log = logging.getLogger("dayloop")
AT_ONCE = 4  # candidates


@flow(flow_run_name=run_name, task_runner=runner(AT_ONCE), **alerting.TELLING)
def retrain(model: ModelName, as_of: date | None = None) -> Trained:
    """Trains a model on rows before a day and lets the gate decide.

    Args:
        model: a model of the catalog.
        as_of: the day; only rows before it are seen. Yesterday when left out.
    """
    trained = train(model, as_of or day_before())
    alerting.deliver()
    return trained


def train(model: str, as_of: date) -> Trained:
    """Fits all candidates at once, decides, and tells."""
    with home.in_turn(f"models/{model}"):  # the second of two finds all of it known
        return _train(model, as_of)


def _train(model: str, as_of: date) -> Trained:
    planned = models.plan(model, as_of)
    log.info(
        "%s as of %s: features at %s and %s", model, as_of, planned.train_day, planned.holdout_day
    )
    names = [candidate.name for candidate in catalog.model(model).candidates]
    futures = [models.fit.submit(home.address(), model, name, planned) for name in names]
    fitted = [future.result() for future in progress.each(futures, f"{model}: candidates")]
    for each in fitted:
        log.info(
            "%s: %s %s%s", model, each.candidate, each.metric, ", known" if each.reused else ""
        )
    trained = models.decide(model, planned, fitted)
    log.info("%s version %s: %s, %s", model, trained.version, trained.verdict, trained.reason)
    if told := messages.judged(trained):
        alerting.tell(told)
    return trained

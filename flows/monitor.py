"""Monitor: have features or scores drifted, and did matured predictions keep their promise?

Runs daily as part of `daily`, and ad hoc. Needs the day's predictions.
"""

import logging
from datetime import date

from prefect import flow

from core.watch.monitoring import Watched, is_news
from flows.parameters import ModelName, day_before, run_name
from tasks import alerting, decisions, messages, models

log = logging.getLogger("dayloop")


@flow(flow_run_name=run_name, **alerting.TELLING)
def monitor(model: ModelName, day: date | None = None) -> Watched:
    """Measures drift of a day's predictions, and the metric of those that have matured.

    Where the policy asks for it, an event has the server run the retrain deployment.

    Args:
        model: a model of the catalog.
        day: the day of the predictions, UTC; yesterday when left out.
    """
    watched = watch(model, day or day_before())
    if is_news(watched):
        decision = decisions.decide(model, watched)
        if decision.action == "retrain":
            decisions.call_for_retraining(model, watched.day, decision)
    alerting.deliver()
    return watched


def watch(model: str, day: date) -> Watched:
    """Measures, says so, and tells about drift and decay."""
    watched = models.monitor(model, day)
    found = ", ".join(watched.drifted) or "nothing"
    log.info(
        "%s %s: %s of %s drifted: %s", model, day, len(watched.drifted), len(watched.drift), found
    )
    for kind, some in (("estimated", watched.estimated), ("realised", watched.realised)):
        for each in some:
            if each.slice and each.verdict == "as promised":
                continue
            said = (model, each.day, kind, each.name, each.estimate, each.verdict)
            log.info("%s %s: %s %s %s, %s", *said)
    news = is_news(watched)  # a look back at earlier days is none
    if told := [*(messages.drifted(watched) if news else ()), *messages.decayed(watched)]:
        alerting.tell(told)
    if news:
        alerting.settle_model(watched)
    return watched

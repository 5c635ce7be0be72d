"""Daily: the whole loop for one day.

Runs every morning for the day before: load it, score the morning after from all rows up to
and with it, watch, retrain when that is due, tell people, write the page of `report`. Whatever one
dataset or model cannot do does not keep the others from their turn.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

from prefect import flow

import catalog
from core import home, planning
from core.errors import DataRefused, DayloopError, FeaturesChanged, Incomplete, NotTrained
from core.intervals import DAY, runs_of
from core.load.recording import Loaded
from core.models import registry
from core.models.scoring import Scored
from core.watch import policy
from core.watch.diagnosis import Diagnosis
from core.watch.monitoring import Watched
from core.watch.policy import Decision
from flows import report
from flows.etl import load_days, raise_if_refused
from flows.monitor import watch
from flows.parameters import day_before, run_name
from flows.retrain import train
from flows.score import log_scored
from tasks import alerting, data, decisions, lake, models
from tasks.models import Trained

log = logging.getLogger("dayloop")


@dataclass(frozen=True, kw_only=True)
class ModelDay:
    """What the day did for one model; None where it was not that far or not due."""

    model: str
    scored: Scored | None = None
    watched: Watched | None = None
    decision: Decision | None = None
    trained: Trained | None = None


@dataclass(frozen=True, kw_only=True)
class Day:
    """What the loop did for a day.

    Attributes:
        day: the day that was loaded; predictions are for the one after it.
        diagnosis: what is wrong now, if anything, and whose problem it is.
        changed: False where everything had been done before.
    """

    day: date
    loaded: tuple[Loaded, ...]
    models: tuple[ModelDay, ...]
    changed: bool
    diagnosis: Diagnosis


@flow(flow_run_name=run_name, **alerting.TELLING)
def daily(day: date | None = None) -> Day:
    """Loads a day of every dataset, then scores, watches and, when due, retrains every model.

    Args:
        day: the day to load, UTC; yesterday when left out. Predictions are for the day after.
    """
    day = day or day_before()
    problems: list[DayloopError] = []
    refused: set[str] = set()  # datasets; what needs them follows from that, and it is told
    loaded = [
        load for name in catalog.datasets_in_order() for load in _load(name, day, problems, refused)
    ]
    done = [_model_day(name, day + DAY, problems, refused) for name in catalog.model_names()]
    try:
        diagnosis = decisions.diagnose(tells=not problems)  # of problems the run itself tells
    except DayloopError as problem:
        problems.append(problem)
    _write_page(problems)
    alerting.deliver()
    if problems:
        reasons = "; ".join(dict.fromkeys(str(problem) for problem in problems))
        raise Incomplete(f"daily {day}: {reasons}", told=all(each.told for each in problems))
    changed = any(each.changed for each in loaded) or any(map(_changed, done))
    return Day(
        day=day, loaded=tuple(loaded), models=tuple(done), changed=changed, diagnosis=diagnosis
    )


def _write_page(problems: list[DayloopError]) -> None:
    if not home.is_local():
        return
    try:
        made = report.report()
    except DayloopError as problem:
        problems.append(problem)
    else:
        lake.show_page(made.path, made.page.sentence)


def _load(dataset: str, day: date, problems: list[DayloopError], refused: set[str]) -> list[Loaded]:
    declared, loads = catalog.dataset(dataset), []
    if skipped := planning.days_to_skip(declared, day):
        data.skip(dataset, skipped)
        log.info("%s: %s missed days are skipped, only the latest counts", dataset, len(skipped))
    try:
        for run in runs_of(planning.days_to_load(declared, day)):
            loads.append(load_days(dataset, run))
            raise_if_refused(loads[-1])
    except DayloopError as problem:
        follows = isinstance(problem, DataRefused) and refused & {*declared.upstream}
        problem.told = problem.told or bool(follows)
        refused |= {dataset} if problem.told else set()
        problems.append(problem)
    return loads


def _model_day(
    model: str, morning: date, problems: list[DayloopError], refused: set[str]
) -> ModelDay:
    scored = watched = trained = decision = None
    try:
        if registry.champion(model) is None and policy.may_begin(catalog.model(model), morning):
            trained = train(model, morning)
        scored = _score(model, morning)
        watched = watch(model, morning)
        decision = decisions.decide(model, watched)
        if decision.action == "retrain" and trained is None:
            trained = train(model, morning)
    except DayloopError as problem:
        follows = isinstance(problem, NotTrained) and refused & {*catalog.model(model).inputs}
        problem.told = problem.told or bool(follows)
        problems.append(problem)
        decision = Decision("escalate", str(problem))
        with suppress(DayloopError):  # where the lake itself is the problem, which is told
            decisions.record(model, morning, decision)
    return ModelDay(model=model, scored=scored, watched=watched, decision=decision, trained=trained)


def _score(model: str, morning: date) -> Scored:
    try:
        scored = models.score(model, morning, keep=True)
    except FeaturesChanged:
        train(model, morning)
        scored = models.score(model, morning)
    log_scored(scored)
    return scored


def _changed(done: ModelDay) -> bool:
    steps = (done.scored, done.watched)
    if any(step.changed for step in steps if step):
        return True
    return bool(done.trained and not done.trained.known)

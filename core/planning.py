"""Planning: what would be loaded, trained and scored, before anything runs."""

from dataclasses import dataclass
from datetime import date, timedelta
from statistics import mean

from catalog.kinds import Dataset, Model
from core import lake, ledger
from core.errors import DataRefused, DayloopError
from core.intervals import DAY, Interval
from core.load import contracts
from core.models import runs, scoring, training
from core.models.features import Datasets
from core.watch import policy
from core.watch.policy import Signals

MOST_MISSED = 31  # days that the daily loop catches up with by itself


@dataclass(frozen=True, kw_only=True)
class DatasetPlan:
    """Days of an interval by what would happen to them.

    Attributes:
        missing: never loaded; a backfill would load them.
        refused: would be tried again.
        outdated: loaded under another contract; would be loaded again.
        unchanged: would be left alone while the source sends the same bytes.
        expected_rows: of the days to load, by the mean of the days loaded so far.
    """

    dataset: str
    interval: Interval
    missing: tuple[date, ...]
    refused: tuple[date, ...]
    outdated: tuple[date, ...]
    unchanged: int
    expected_rows: int


@dataclass(frozen=True, kw_only=True)
class ModelPlan:
    """What a retraining as of a day would do, and which days have no predictions.

    Attributes:
        fits: how many candidates would be fitted; the others are known already.
        blocked: why training would be refused; empty where it would not.
        unscored: days of the interval without predictions.
    """

    model: str
    interval: Interval
    due: bool
    reason: str
    fits: int
    train_day: date
    holdout_day: date
    blocked: str
    unscored: tuple[date, ...]


def days_to_load(dataset: Dataset, day: date) -> list[date]:
    """The days that the daily loop loads: the day, its lookback, and those it has missed.

    Raises:
        DataRefused: so many are missing that a person should look first.
    """
    known = {entry.day for entry in ledger.entries(dataset.name)}
    days = {day - number * DAY for number in range(dataset.lookback_days + 1)}
    if not known:
        return [day]
    missed = _missed(known, day) if dataset.catch_up == "all" else []
    if len(missed) > MOST_MISSED:
        raise DataRefused(
            f"{dataset.name}: {len(missed):,} days from {missed[0]} on are missing; look first, "
            f"then python -m flows backfill {dataset.name} --start {missed[0]} --end {day}"
        )
    return sorted({each for each in days if each >= min(known) or each == day} | {*missed})


def days_to_skip(dataset: Dataset, day: date) -> list[date]:
    """Missed days that a dataset of which only the latest counts goes without."""
    known = {entry.day for entry in ledger.entries(dataset.name)}
    return _missed(known, day) if known and dataset.catch_up == "latest" else []


def _missed(known: set[date], day: date) -> list[date]:
    if not known or min(known) >= day:
        return []
    return [each for each in Interval(min(known), day).days() if each not in known]


def plan_dataset(dataset: Dataset, interval: Interval) -> DatasetPlan:
    """Compares an interval with the ledger; the source is not asked."""
    entries = {entry.day: entry for entry in ledger.entries(dataset.name)}
    contract = contracts.contract_hash(dataset)
    missing, refused, outdated = [], [], []
    for day in interval.days():
        entry = entries.get(day)
        if entry is None:
            missing.append(day)
        elif entry.status == "refused":
            refused.append(day)
        elif entry.contract != contract:
            outdated.append(day)
    todo = len(missing) + len(refused) + len(outdated)
    loaded = [entry.rows_good for entry in entries.values() if entry.status == "loaded"]
    return DatasetPlan(
        dataset=dataset.name,
        interval=interval,
        missing=tuple(missing),
        refused=tuple(refused),
        outdated=tuple(outdated),
        unchanged=len(interval) - todo,
        expected_rows=round(mean(loaded) * todo) if loaded else 0,
    )


def plan_model(model: Model, datasets: Datasets, interval: Interval) -> ModelPlan:
    """What a retraining as of the interval's end would do."""
    as_of, horizon = interval.end, timedelta(days=model.horizon_days)
    last = max(runs.trained_as_of(model.name), default=None)
    decision = policy.decide(model.retrain, as_of, Signals(last_as_of=last))
    fits, blocked = 0, ""
    try:
        planned = training.plan(model, datasets, as_of)
        fits = sum(training.known(model, each, planned) is None for each in model.candidates)
    except DayloopError as refusal:
        blocked = str(refusal)
    rows = lake.read(scoring.predictions(model.name), lake.days("day", interval), columns=["day"])
    scored = set() if rows is None else set(rows["day"].to_pylist())
    return ModelPlan(
        model=model.name,
        interval=interval,
        due=decision.action == "retrain",
        reason=decision.reason,
        fits=fits,
        train_day=as_of - 2 * horizon,
        holdout_day=as_of - horizon,
        blocked=blocked,
        unscored=tuple(day for day in interval.days() if day not in scored),
    )

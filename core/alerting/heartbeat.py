"""Silence is a failure: what should be in by now and is not, and a sign of life.

Each dataset and model has a time of day, `due`. Once it is over, the day before must be in
the dataset's ledger, and the model's predictions for the day must be there. What is missing
is one alert `late`, over by itself when it arrives. Nothing here needs Prefect, so that cron
can look where Prefect is what died; and a dead-man service notices where cron did.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Literal

from catalog.kinds import Dataset, Model
from core import lake, ledger
from core.alerting import deadman, outbox
from core.alerting.alerts import Alert
from core.alerting.receivers import Receiver
from core.intervals import DAY, Interval, utc_now
from core.models import registry, scoring

LATE = "late"
UNCHECKED = "heartbeat"

Status = Literal["on time", "late", "refused", "waiting", "not begun", "not checked"]


@dataclass(frozen=True, kw_only=True)
class Pulse:
    """How one dataset or model stands.

    Attributes:
        subject: the dataset, or the model and `predictions`.
        day: the last day that is due; None where that could not be found out.
        status: `refused` and `waiting` (for its data) are told by an alert of their own.
        detail: one line for people.
    """

    subject: str
    day: date | None
    status: Status
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """What a look at everything found.

    Attributes:
        pulses: each dataset, then each model.
        told: alerts that were new.
        resolved: alerts that are over now.
        receivers: how many were there to be told.
        ping: what the dead-man service answered; empty where there is none.
    """

    pulses: tuple[Pulse, ...]
    told: int
    resolved: int
    receivers: int = 0
    ping: str = ""

    @property
    def failed(self) -> bool:
        """Whether something is late or could not be looked at."""
        return any(pulse.status in ("late", "not checked") for pulse in self.pulses)


@dataclass(frozen=True)
class _Found:
    pulse: Pulse
    alerts: tuple[Alert, ...] = ()
    days: frozenset[date] = field(default=frozenset())  # that are missing


def last_due(due: str, now: datetime) -> date:
    """The last day on which the time `due` (UTC) is over."""
    at = now.astimezone(UTC)
    return at.date() if f"{at:%H:%M}" >= due else at.date() - DAY


def beat(
    datasets: Sequence[Dataset],
    models: Sequence[Model],
    receivers: Sequence[Receiver] = (),
    *,
    broken: Mapping[str, str] | None = None,
    url: str = "",
    now: datetime | None = None,
) -> Heartbeat:
    """Looks at everything, tells what is late, sends what waits, and gives a sign of life.

    Args:
        datasets: those to look at.
        models: those to look at.
        receivers: who is told.
        broken: for a name whose catalog file cannot be read, why.
        url: of the dead-man service, secret: it is asked for when all is well, and with
            `/fail` behind its path when something is not.
        now: the clock.

    Raises:
        DayloopError: the outbox cannot be read or written. The service was told of trouble.
    """
    try:
        found = check(datasets, models, broken=broken, now=now)
        outbox.deliver(receivers, now=now)
    except Exception:
        deadman.give_sign(url, well=False)
        raise
    return Heartbeat(
        pulses=found.pulses,
        told=found.told,
        resolved=found.resolved,
        receivers=len(receivers),
        ping=deadman.give_sign(url, well=not found.failed),
    )


def check(
    datasets: Sequence[Dataset],
    models: Sequence[Model],
    *,
    broken: Mapping[str, str] | None = None,
    now: datetime | None = None,
) -> Heartbeat:
    """Looks at everything; queues what is late, and resolves what was and is no more."""
    at = now or utc_now()
    subjects = [*(each.name for each in datasets), *(_predictions(each) for each in models)]
    told = outbox.told(LATE, subjects)
    unchecked = outbox.told(UNCHECKED, [*subjects, *(broken or {})])
    found = [_unchecked(name, why, at) for name, why in (broken or {}).items()]
    missing: dict[str, frozenset[date]] = {}
    for dataset in datasets:
        days = {date.fromisoformat(alert.key) for alert in told.get(dataset.name, ())}
        waiting = [model.name for model in models if dataset.name in model.inputs]
        try:
            each = _dataset(dataset, days, waiting, at)
        except Exception as error:  # one torn table must not blind it for the rest
            each = _unchecked(dataset.name, _reason(error), at, dataset.owner)
        missing[dataset.name] = each.days
        found.append(each)
    for model in models:
        try:
            found.append(_model(model, missing, at))
        except Exception as error:
            found.append(_unchecked(_predictions(model), _reason(error), at, model.owner))
    new = outbox.queue([alert for each in found for alert in each.alerts], now=at)
    resolved = 0
    for pulse in (each.pulse for each in found):
        if pulse.subject in told and pulse.status in ("on time", "refused"):
            text = "It came and was refused." if pulse.status == "refused" else "It is in now."
            resolved += outbox.resolve(LATE, pulse.subject, text=text, now=at) is not None
        if pulse.subject in unchecked and pulse.status != "not checked":
            resolved += outbox.resolve(UNCHECKED, pulse.subject, now=at) is not None
    return Heartbeat(pulses=tuple(each.pulse for each in found), told=len(new), resolved=resolved)


def _dataset(dataset: Dataset, told: set[date], waiting: list[str], now: datetime) -> _Found:
    name, today = dataset.name, last_due(dataset.due, now)
    day = today - DAY
    known = {entry.day: entry for entry in ledger.entries(name)}
    begun = min((entry.loaded_at for entry in known.values()), default=None)
    if begun is None or begun > _moment(today, dataset.due) or day < min(known):
        return _Found(Pulse(subject=name, day=day, status="not begun"))
    # A day that was told stays late until it is in: training will ask for it.
    missing = sorted(each for each in {day, *told} if each not in known)
    if missing:
        alerts = tuple(_late_day(dataset, each, known, waiting) for each in missing)
        pulse = Pulse(subject=name, day=day, status="late", detail=alerts[-1].title)
        return _Found(pulse, alerts, frozenset(missing))
    if known[day].status == "refused":
        detail = f"{day} was refused: {known[day].reason}"
        return _Found(Pulse(subject=name, day=day, status="refused", detail=detail))
    return _Found(Pulse(subject=name, day=day, status="on time"))


def _late_day(dataset: Dataset, day: date, known: Iterable[date], waiting: Sequence[str]) -> Alert:
    name = dataset.name
    last = max((each for each in known if each < day), default=day - DAY)
    lines = [f"The last day before it that is in is {last}."]
    if waiting:
        lines.append(f"Waiting for it: {', '.join(waiting)}.")
    todo = f"python -m flows daily --day {day}"
    if day - last > DAY:
        first = f"python -m flows backfill {name} --start {last + DAY} --end {day}"
        todo = f"{first}; {todo}"
    return Alert(
        kind=LATE,
        subject=name,
        title=f"{name} {day} is not in: it was due on {day + DAY} by {dataset.due} UTC",
        text="\n".join(lines),
        severity="page",
        owner=dataset.owner,
        todo=todo,
        key=str(day),
    )


def _model(model: Model, missing: Mapping[str, frozenset[date]], now: datetime) -> _Found:
    subject, day = _predictions(model), last_due(model.due, now)
    begun = min((each.at for each in registry.history(model.name)), default=None)
    if begun is None or begun > _moment(day, model.due):
        return _Found(Pulse(subject=subject, day=day, status="not begun"))
    where = lake.days("day", Interval.of_day(day))
    rows = lake.read(scoring.predictions(model.name), where, columns=["day"])
    if rows is not None and rows.num_rows:
        return _Found(Pulse(subject=subject, day=day, status="on time"))
    for name in model.inputs:
        if why := _told_of(name, day - DAY, missing):
            return _Found(Pulse(subject=subject, day=day, status="waiting", detail=why))
    title = f"{subject} for {day} are not there: they were due by {model.due} UTC"
    alert = Alert(
        kind=LATE,
        subject=subject,
        title=title,
        text="Its data are not what is late. Look at what became of the day's run.",
        severity="page",
        owner=model.owner,
        todo=f"python -m flows daily --day {day - DAY}",
        key=str(day),
    )
    return _Found(Pulse(subject=subject, day=day, status="late", detail=title), (alert,))


def _told_of(dataset: str, day: date, missing: Mapping[str, frozenset[date]]) -> str:
    """Why a model cannot have been scored, where an alert about its data says so."""
    if day in missing.get(dataset, ()):
        return f"{dataset} {day} is late"
    refused = any(e.status == "refused" for e in ledger.entries(dataset, Interval.of_day(day)))
    return f"{dataset} {day} was refused" if refused else ""


def _unchecked(subject: str, why: str, now: datetime, owner: str = "") -> _Found:
    alert = Alert(
        kind=UNCHECKED,
        subject=subject,
        title=f"heartbeat: {subject} cannot be looked at: {why}",
        severity="page",
        owner=owner,
        todo="python -m flows heartbeat",
        key=f"{now:%Y-%m-%d}",
    )
    return _Found(Pulse(subject=subject, day=None, status="not checked", detail=why), (alert,))


def _predictions(model: Model) -> str:
    return f"{model.name} predictions"


def _moment(day: date, due: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(due), UTC)


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

"""Outcomes: what a replayed policy came to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import mean
from typing import Literal

from catalog.kinds import Model
from core.ci import scratch
from core.intervals import Interval
from core.models import registry, runs
from core.models.metrics import Estimate, less_is_better
from core.watch.monitoring import Watched


@dataclass(frozen=True)
class Measured:
    """The metric of a day's predictions, once their labels were known."""

    day: date
    version: int
    value: Estimate
    promised: Estimate
    kept: bool


@dataclass(frozen=True)
class Retrained:
    """A retraining: as of which day, what was promoted (0 for nothing), and what it took."""

    as_of: date
    promoted: int
    seconds: float


@dataclass(frozen=True)
class Alarm:
    """A day on which drift would have been told.

    It mattered where predictions of the horizon after it broke their promise; where they kept
    it, it was false; before their labels are known it is open.
    """

    day: date
    drifted: tuple[str, ...]
    verdict: Literal["mattered", "false", "open"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a policy came to.

    Attributes:
        policy: its name.
        mornings: those that it was replayed over.
        metric: its mean over the days whose labels are known; None where none are.
        worst: the worst day's.
        broken: days whose predictions broke the promise of their version.
        retrained: after the first champion.
        seconds: that their fits took, shared or not.
    """

    policy: str
    mornings: Interval
    metric: float | None
    worst: float | None
    broken: int
    retrained: tuple[Retrained, ...]
    seconds: float
    alarms: tuple[Alarm, ...]
    measured: tuple[Measured, ...]

    def count(self, verdict: str) -> int:
        """How many alarms there are of a verdict."""
        return sum(each.verdict == verdict for each in self.alarms)

    @property
    def promoted(self) -> int:
        """How many retrainings gave a new champion."""
        return sum(each.promoted > 0 for each in self.retrained)


def headline(outcomes: Sequence[Outcome]) -> str:
    """What the other policies bring over the first one, and at what price, in a line."""
    first, *others = outcomes
    if first.metric is None:
        return "no labels are known yet"
    said = [
        f"{each.policy} {each.metric - first.metric:+.3f} for {len(each.retrained)} retraining"
        f"{'' if len(each.retrained) == 1 else 's'}"
        for each in others
        if each.metric is not None
    ]
    return "; ".join([f"{first.policy} {first.metric:.3f}", *said])


def outcome(
    model: Model, policy: str, mornings: Interval, watched: Sequence[Watched], at: str
) -> Outcome:
    """What the mornings of a policy come to, and the trainings that it left in its scratch home."""
    measured = [
        Measured(each.day, each.version, each.estimate, each.promised, each.verdict != "decayed")
        for seen in watched
        for each in seen.realised
        if not each.slice
    ]
    with scratch.at(at):
        retrained = _retrained(model, mornings)
    values = [each.value.value for each in measured]
    worst = max if less_is_better(model.metric) else min
    return Outcome(
        policy=policy,
        mornings=mornings,
        metric=mean(values) if values else None,
        worst=worst(values) if values else None,
        broken=sum(not each.kept for each in measured),
        retrained=retrained,
        seconds=sum(each.seconds for each in retrained),
        alarms=tuple(_alarms(model, watched, measured)),
        measured=tuple(measured),
    )


def _retrained(model: Model, mornings: Interval) -> tuple[Retrained, ...]:
    promoted = {
        event.path: event.version
        for event in registry.history(model.name)
        if event.event == "promoted"
    }
    days: dict[date, tuple[int, float]] = {}
    for each in runs.runs(model.name):
        if each.as_of > mornings.start:
            version, seconds = days.get(each.as_of, (0, 0.0))
            version = version or (each.version if each.version in promoted.values() else 0)
            days[each.as_of] = (version, seconds + each.seconds)
    return tuple(Retrained(day, *days[day]) for day in sorted(days))


def _alarms(
    model: Model, watched: Sequence[Watched], measured: Sequence[Measured]
) -> Iterator[Alarm]:
    """The days of new drift alerts: of other features or another version, or after a quiet day."""
    told = set[tuple[int, tuple[str, ...]]]()
    for seen in watched:
        moved = (each.name for each in seen.drift if each.verdict == "drifted")
        key = (seen.version, tuple(sorted(moved)))
        told = {each for each in told if each[0] == seen.version} if key[1] else set()
        if key[1] and key not in told:
            told.add(key)
            yield Alarm(seen.day, key[1], verdict(model, seen.day, measured))


def verdict(
    model: Model, day: date, measured: Sequence[Measured]
) -> Literal["mattered", "false", "open"]:
    """Whether an alarm of that day mattered, as `Alarm` says."""
    horizon = timedelta(days=model.horizon_days)
    after = [each for each in measured if day <= each.day < day + horizon]
    if not all(each.kept for each in after):
        return "mattered"
    return "false" if len(after) == model.horizon_days else "open"

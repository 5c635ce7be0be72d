"""Replay: the loop over history, morning by morning, as it would have gone by other policies.

It runs the loop's own functions, on a copy of the tables in a scratch home: features of rows
before the morning, fits, gate, scores, drift, and metrics as their labels come. A policy matters
from the first champion on, so until then there is one past; then each policy goes on in a home
of its own, with the tables and the fitted models of all: what one has fitted, none fits again.
"""

import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path

from catalog.kinds import Model, Retrain
from core import home, lake, ledger, progress
from core.ci import scratch
from core.errors import NotTrained, UsageError
from core.intervals import DAY, Interval
from core.models import gate, registry, scoring, training
from core.models.features import Datasets
from core.watch import policy
from core.watch.monitoring import Watched
from core.watch.performance_table import Realised
from core.watch.replay_ahead import Ahead, Submit

log = logging.getLogger("dayloop")
MODELS, TABLES = "models", "tables"
OFF = Retrain(every_days=0, on_drifted=0, on_decay=False, on_estimated_drop=False)


def policies(model: Model, names: Iterable[str]) -> dict[str, Retrain]:
    """The policies of these names, with the model's own cool-down.

    Raises:
        UsageError: there is no policy of that name.
    """
    own = model.retrain
    off = replace(OFF, cooldown_days=own.cooldown_days)
    known = {
        "never": off,
        "weekly": replace(off, every_days=7),
        "monthly": replace(off, every_days=30),
        "quarterly": replace(off, every_days=91),
        "drift": replace(off, on_drifted=max(1, own.on_drifted)),
        "decay": replace(off, on_decay=True),
        "estimate": replace(off, on_estimated_drop=True),
        "declared": own,
    }
    for name in names:
        if name not in known:
            raise UsageError(f"no policy '{name}'; there is {', '.join(known)}")
    return {name: known[name] for name in names}


def span(model: Model, start: date | None, end: date | None) -> Interval:
    """The mornings to replay: those that the lake has the day before of.

    Raises:
        NotTrained: one of the inputs has never been loaded.
        UsageError: there is no such morning.
    """
    days = []
    for name in model.inputs:
        known = ledger.entries(name)
        if not known:
            raise NotTrained(f"{model.name}: {name} has never been loaded; backfill it first")
        days.append((known[0].day, known[-1].day))
    first, last = max(day for day, _ in days) + DAY, min(day for _, day in days) + DAY
    return Interval(max(start or first, first), min(end or last + DAY, last + DAY))


def seed(model: Model, to: str) -> None:
    """Copies what a replay reads: the model's tables and what the ledger says of them."""
    for name in model.inputs:
        scratch.copy_rows(name, (), to)
        ours = lake.equal(dataset=name)
        scratch.copy_rows(ledger.TABLE, ours, to, replacing=ours)


def begin(model: Model, datasets: Datasets, mornings: Interval, to: str) -> Interval:
    """Trains until there is a champion, by the model's cool-down as the loop; what is left then.

    Raises:
        NotTrained: there is none until the end.
    """
    reason = ""
    with scratch.at(to):
        for day in mornings.days():
            if not policy.may_begin(model, day):
                continue
            try:
                reason = _train(model, datasets, day)
            except NotTrained as refusal:
                reason = str(refusal)
            if registry.champion(model.name):
                log.info("%s: the first champion is of %s", model.name, day)
                return Interval(day, mornings.end)
    raise NotTrained(f"{model.name} has no champion by {mornings.end}: {reason}")


def fork(of: str, to: str, inputs: Iterable[str]) -> None:
    """Another home with the same past, which shares tables that are only read, and fits."""
    shared = [f"{TABLES}/{name}" for name in (*inputs, ledger.TABLE)] + [MODELS]
    left_out = {str(Path(of, each)) for each in shared}

    def skipped(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if str(Path(folder, name)) in left_out}

    shutil.copytree(of, to, ignore=skipped)
    for each in shared:
        Path(to, each).symlink_to(Path(of, each))


class Course:
    """How it goes by one policy: what was watched, what serves, which labels are to come."""

    def __init__(self, model: Model, rule: Retrain, at: str) -> None:
        self.watched: list[Watched] = []
        self._model, self._rule, self._at = model, rule, at
        self._waiting: dict[date, tuple[Realised, ...]] = {}
        self._look_up()

    def _look_up(self) -> None:
        with scratch.at(self._at):
            champion = registry.champion(self._model.name)
            assert champion is not None
            self.serving, self._number = champion.artifact, champion.number
            self._past = policy.past(self._model.name, champion.number)

    def morning(self, datasets: Datasets, day: date, found: Watched) -> None:
        """Decides by what is seen, of labels those that are known by then, and trains."""
        self._waiting[day] = tuple(replace(e, version=self._number) for e in found.realised)
        due = [each for each in self._waiting if each <= scoring.matured(self._model, day)]
        realised = tuple(one for each in due for one in self._waiting.pop(each))
        watched = replace(found, version=self._number, realised=realised)
        self.watched.append(watched)
        with scratch.at(self._at):
            known = policy.signals(self._model, watched, day, self._past, self._first_drifted)
            if policy.decide(self._rule, day, known).action != "retrain":
                return
            if day == self._past.champion_as_of:  # on the first one's morning it was
                return
            with suppress(NotTrained):
                _train(self._model, datasets, day)
        self._look_up()

    def _first_drifted(self, version: int, day: date) -> Sequence[str]:
        either = Interval(day, day + 2 * DAY)
        same = (e.drifted for e in self.watched if e.version == version and e.day in either)
        return next(same, ())


def run(
    model: Model,
    datasets: Datasets,
    rules: Mapping[str, Retrain],
    mornings: Interval,
    at: Mapping[str, str],
    submit: Submit,
) -> dict[str, list[Watched]]:
    """Goes on by each of the policies, side by side, to the end; returns what each has watched.

    Args:
        model: that is replayed.
        datasets: its inputs.
        rules: the policies by name.
        mornings: from the first champion's on.
        at: the home of each policy.
        submit: has `look` run, in another process or at once.
    """
    ahead = Ahead(submit, mornings)
    courses = {name: Course(model, rule, at[name]) for name, rule in rules.items()}
    for day in progress.each([*mornings.days()], "mornings"):
        ahead.ask([each.serving for each in courses.values()], day)
        for each in courses.values():
            if found := ahead.seen(each.serving, day):  # else the day before is refused
                each.morning(datasets, day, found)
    return {name: each.watched for name, each in courses.items()}


def _train(model: Model, datasets: Datasets, as_of: date) -> str:
    """Fits, judges, and promotes where the gate says so, without asking anybody; what it says."""
    planned = training.plan(model, datasets, as_of)
    with home.in_turn(planned.snapshots):
        training.prepare(model, datasets, planned)
        fitted = [training.fit(model, each, planned) for each in model.candidates]
    challenger, _ = gate.choose(model, fitted, planned)
    champion = registry.champion(model.name)
    said = gate.judge(model, challenger, champion, planned)
    over = (champion.number if champion else 0) if said.verdict == "promote" else None
    reason = f"{said.verdict}: {said.reason}"
    registry.register(
        model.name, challenger.artifact, by=registry.GATE, reason=reason, promote_over=over
    )
    return reason

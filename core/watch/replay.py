"""Replay: the loop over history, morning by morning, as it would have gone by other policies.

It runs the loop's own functions, on a copy of the tables in a scratch home: features of rows
before the morning, fits, gate, scores, drift, and metrics as their labels come. A policy matters
from the first champion on, so until then there is one past; then each policy goes on in a home
of its own, with the tables and the fitted models of all: what one has fitted, none fits again.
What is seen of a day depends on the model that serves alone: it is looked at once for all
policies, ahead of time and in other processes, its labels too; a morning gets those that have
matured by then.
"""

import logging
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from datetime import date
from functools import lru_cache, partial
from pathlib import Path

import pandas as pd

from catalog.kinds import Model, Retrain
from core import home, lake, ledger, progress
from core.ci import scratch
from core.errors import NotTrained, UsageError
from core.intervals import DAY, Interval
from core.models import artifacts, features, gate, registry, scoring, training
from core.models.artifacts import Artifact
from core.models.features import Datasets
from core.models.slices import masks
from core.watch import monitoring, performance, policy
from core.watch.monitoring import Watched
from core.watch.performance_table import Realised

log = logging.getLogger("dayloop")
MODELS, TABLES = "models", "tables"
AHEAD_DAYS = 10
Looked = Watched | None
Submit = Callable[[Artifact, date], "Future[Looked]"]
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


def look(model: Model, datasets: Datasets, artifact: Artifact, day: date) -> Looked:
    """What would be seen of a day if this model served on it; writes nothing."""
    try:
        versions, _ = scoring.fresh(model, day)
    except NotTrained:
        return None
    estimator, manifest = _loaded(artifact)
    known = features.snapshot(model, datasets, versions, day).features
    found = scoring.predict(model, estimator, manifest, known)
    slices = masks(model, known)
    measured = monitoring.measure(model, artifact, manifest, known, found, slices, {})
    estimated = performance.estimate(model, day, 0, manifest, found, slices)
    scores, realised = pd.Series(found, known.index.astype("str")), []
    if horizon := performance.trusted(model, day):
        given = (horizon, day, 0, manifest, scores, known)
        realised = performance.realise(model, datasets, *given)
    return Watched(model.name, day, 0, tuple(measured), tuple(realised), True, tuple(estimated))


_loaded = lru_cache(maxsize=4)(artifacts.load)


class Ahead:
    """Has mornings looked at before it is their turn, each once, whichever policies ask."""

    def __init__(self, submit: Submit, mornings: Interval) -> None:
        self._submit, self._end = submit, mornings.end
        self._asked: dict[tuple[Artifact, date], Future[Looked]] = {}

    def __call__(self, artifact: Artifact, day: date) -> Looked:
        """What is seen of a day; None of one that cannot be scored."""
        for each in Interval(day, min(day + AHEAD_DAYS * DAY, self._end)).days():
            if (artifact, each) not in self._asked:
                self._asked[artifact, each] = self._submit(artifact, each)
        return self._asked[artifact, day].result()


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
    seen: dict[str, list[Watched]] = {name: [] for name in rules}
    waiting: dict[str, dict[date, list[Realised]]] = {name: {} for name in rules}
    for day in progress.each([*mornings.days()], "mornings"):
        for name, rule in rules.items():
            with scratch.at(at[name]):
                watched = _watched(model, day, ahead, waiting[name])
                if watched is None:  # the day before is refused: such a day nothing happens
                    continue
                seen[name].append(watched)
                first = partial(_first_drifted, seen[name])
                known = policy.signals(model, watched, day, first)
                trains = policy.decide(rule, day, known).action == "retrain"
                if trains and day > mornings.start:  # on the first one's morning it was
                    with suppress(NotTrained):
                        _train(model, datasets, day)
    return seen


def _first_drifted(seen: Sequence[Watched], version: int, day: date) -> Sequence[str]:
    either = Interval(day, day + 2 * DAY)
    return next((e.drifted for e in seen if e.version == version and e.day in either), ())


def _watched(
    model: Model, day: date, ahead: Ahead, waiting: dict[date, list[Realised]]
) -> Watched | None:
    """What is seen on a morning: of labels, those that are known by then."""
    champion = registry.champion(model.name)
    assert champion is not None
    found = ahead(champion.artifact, day)
    if found is None:
        return None
    number = champion.number
    waiting[day] = [replace(each, version=number) for each in found.realised]
    due = [each for each in sorted(waiting) if each <= scoring.matured(model, day)]
    realised = [one for each in due for one in waiting.pop(each)]
    return replace(found, version=number, realised=tuple(realised))


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

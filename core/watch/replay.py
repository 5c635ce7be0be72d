"""Replay: the loop over history, morning by morning, as it would have gone by other policies.

It runs the loop's own functions, on a copy of the tables in a scratch home: features of rows
before the morning, fits, gate, scores, drift, and metrics as their labels come. A policy matters
from the first champion on, so until then there is one past; then each policy goes on in a home
of its own, with the tables and the fitted models of all: what one has fitted, none fits again.
"""

import logging
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path

from catalog.kinds import Model, Retrain
from core import home, lake, ledger
from core.ci import scratch
from core.errors import NotTrained, UsageError
from core.intervals import DAY, Interval
from core.models import gate, registry, scoring, training
from core.models.features import Datasets
from core.watch import monitoring, policy

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


def run(model: Model, datasets: Datasets, rule: Retrain, mornings: Interval, to: str) -> None:
    """Goes on by a policy, to the end."""
    model = replace(model, retrain=rule)
    with scratch.at(to):
        for day in mornings.days():
            with suppress(NotTrained):  # the day before is refused: such a day nothing happens
                _morning(model, datasets, day, trains=day > mornings.start)


def _morning(model: Model, datasets: Datasets, day: date, *, trains: bool) -> None:
    scoring.score(model, datasets, day)
    watched = monitoring.monitor(model, datasets, day)
    decision = policy.decide(model.retrain, day, policy.signals(model, watched, day))
    policy.record(model.name, day, watched.version, decision)
    if decision.action == "retrain" and trains:  # on the first one's morning it was
        _train(model, datasets, day)


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

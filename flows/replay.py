"""Replay: what other retraining policies would have brought. Not a flow; the lake is only read.

The days run without Prefect, in a scratch folder; processes look at those that come next.
"""

import logging
import multiprocessing
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import catalog
from catalog.kinds import Retrain
from core.errors import UsageError
from core.intervals import Interval
from core.models.artifacts import Artifact
from core.watch import replay as replaying
from core.watch import replay_ahead, replay_outcome, replay_plot
from core.watch.replay_ahead import Looked
from core.watch.replay_outcome import Outcome

log = logging.getLogger("dayloop")


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Policies side by side.

    Attributes:
        mornings: from the first champion's on.
        plot: where the picture was written.
        seconds: that all of it took.
    """

    model: str
    metric: str
    mornings: Interval
    outcomes: tuple[Outcome, ...]
    plot: str
    seconds: float


def replay(
    model: str,
    *,
    start: date | None = None,
    end: date | None = None,
    policy: Sequence[str] = ("never", "monthly", "drift"),
    plot: Path | None = None,
) -> Replay:
    """Runs the loop over history as it would have happened, and compares retraining policies.

    Args:
        model: a model of the catalog.
        start: the first morning, UTC; where left out, of all that is loaded.
        end: the day after the last morning, UTC.
        policy: never, weekly, monthly, quarterly, drift, decay, estimate, or declared, which is the
            model's own; may be given several times.
        plot: the picture to write, .svg or .png; `replay-<model>.svg` where left out.
    """
    begun = time.perf_counter()
    to = plot or Path(f"replay-{model}.svg")
    if to.suffix not in (".svg", ".png"):
        raise UsageError(f"--plot must end in .svg or .png, not {to.name}")
    declared = catalog.model(model)
    datasets = {name: catalog.dataset(name) for name in declared.inputs}
    rules = replaying.policies(declared, dict.fromkeys(policy))
    mornings = replaying.span(declared, start, end)
    log.info("%s: the mornings of %s, by %s", model, mornings, ", ".join(rules))
    with tempfile.TemporaryDirectory(prefix="dayloop-") as folder:
        past = f"{folder}/past"
        replaying.seed(declared, past)
        left = replaying.begin(declared, datasets, mornings, past)
        homes = {name: f"{folder}/{name}" for name in rules}
        for each in homes.values():
            replaying.fork(past, each, declared.inputs)
        spawn = multiprocessing.get_context("spawn")  # a fork would share Arrow's threads
        with ProcessPoolExecutor(os.cpu_count(), spawn, _begin, (past,)) as pool:

            def look(served: Sequence[Artifact], day: date) -> Future[list[Looked]]:
                return pool.submit(_look, model, [*rules.values()], served, day)

            watched = replaying.run(declared, datasets, rules, left, homes, look)
            pool.shutdown(cancel_futures=True)
        outcomes = tuple(
            replay_outcome.outcome(declared, name, left, watched[name], homes[name])
            for name in rules
        )
    replay_plot.write(declared, outcomes, to)
    return Replay(
        model=model,
        metric=declared.metric,
        mornings=left,
        outcomes=outcomes,
        plot=str(to.absolute()),
        seconds=time.perf_counter() - begun,
    )


def _begin(past: str) -> None:
    os.environ["DAYLOOP_HOME"] = past


def _look(
    model: str, rules: Sequence[Retrain], served: Sequence[Artifact], day: date
) -> list[Looked]:
    declared = catalog.model(model)
    datasets = {each: catalog.dataset(each) for each in declared.inputs}
    return replay_ahead.look(declared, datasets, rules, served, day)

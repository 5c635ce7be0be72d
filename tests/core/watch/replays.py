"""A replay in this one process."""

from collections.abc import Sequence
from concurrent.futures import Future
from datetime import date
from pathlib import Path

from catalog.kinds import Model
from core.ci import scratch
from core.models.artifacts import Artifact
from core.models.features import Datasets
from core.watch import replay, replay_ahead, replay_outcome
from core.watch.replay_ahead import Looked
from core.watch.replay_outcome import Outcome


def replayed(
    model: Model, datasets: Datasets, folder: Path, names: Sequence[str], start: date, end: date
) -> dict[str, Outcome]:
    """What the policies of these names come to."""
    rules = replay.policies(model, names)
    past, homes = str(folder / "past"), {name: str(folder / name) for name in names}
    replay.seed(model, past)
    left = replay.begin(model, datasets, replay.span(model, start, end), past)
    for to in homes.values():
        replay.fork(past, to, model.inputs)

    def look(served: Sequence[Artifact], day: date) -> "Future[list[Looked]]":
        found: Future[list[Looked]] = Future()
        with scratch.at(past):
            found.set_result(replay_ahead.look(model, datasets, [*rules.values()], served, day))
        return found

    watched = replay.run(model, datasets, rules, left, homes, look)
    return {
        name: replay_outcome.outcome(model, name, left, watched[name], to)
        for name, to in homes.items()
    }

"""What a replay sees of its mornings: each looked at once, for all the models that serve on it.

What is seen of a day depends on the model that serves alone, not on the policy. So it is looked at
ahead of time and in other processes, its labels too; a morning gets those that have matured by
then. What no policy asks about and no outcome tells is not measured.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import date
from functools import lru_cache

import pandas as pd

from catalog.kinds import Model, Retrain
from core.errors import NotTrained
from core.intervals import DAY, Interval
from core.models import artifacts, features, scoring
from core.models.artifacts import Artifact
from core.models.features import Datasets
from core.models.slices import Masks, masks
from core.watch import monitoring, performance
from core.watch.monitoring import Watched

AHEAD_DAYS = 6
Looked = Watched | None
Submit = Callable[[Sequence[Artifact], date], "Future[list[Looked]]"]


def look(
    model: Model,
    datasets: Datasets,
    rules: Sequence[Retrain],
    served: Sequence[Artifact],
    day: date,
) -> list[Looked]:
    """What would be seen of a day if each of these models served on it; writes nothing."""
    try:
        versions, _ = scoring.fresh(model, day)
    except NotTrained:
        return [None for _ in served]
    known = features.snapshot(model, datasets, versions, day).features
    slices, names = masks(model, known), known.index.astype("str")
    order = names.argsort()
    truth = None
    if horizon := performance.trusted(model, day):
        entities = pd.Series(names[order])
        truth = features.labels_of(model, datasets, horizon, entities, day).to_numpy()
    ours: Masks = {}
    if any(rule.on_decay for rule in rules):
        ours = {name: within[order] for name, within in slices.items()}
    found: list[Looked] = []
    for artifact in served:
        estimator, manifest = _loaded(artifact)
        scores = scoring.predict(model, estimator, manifest, known)
        measured = monitoring.measure(model, artifact, manifest, known, scores, slices, {})
        estimated, realised = [], []
        if any(rule.on_estimated_drop for rule in rules):
            estimated = performance.estimate(model, day, 0, manifest, scores, slices)
        if truth is not None:
            realised = performance.realise(model, day, 0, manifest, scores[order], truth, ours)
        seen = (tuple(measured), tuple(realised), True, tuple(estimated))
        found.append(Watched(model.name, day, 0, *seen))
    return found


_loaded = lru_cache(maxsize=8)(artifacts.load)


class Ahead:
    """Has mornings looked at before it is their turn: each once, for all that serve."""

    def __init__(self, submit: Submit, mornings: Interval) -> None:
        self._submit, self._end = submit, mornings.end
        self._asked: dict[tuple[Artifact, date], tuple[Future[list[Looked]], int]] = {}

    def ask(self, served: Iterable[Artifact], day: date) -> None:
        """Asks for a day and those that come after it."""
        for each in Interval(day, min(day + AHEAD_DAYS * DAY, self._end)).days():
            new = [one for one in dict.fromkeys(served) if (one, each) not in self._asked]
            if new:
                found = self._submit(new, each)
                places = enumerate(new)
                self._asked |= {(one, each): (found, place) for place, one in places}

    def seen(self, artifact: Artifact, day: date) -> Looked:
        """What is seen of a day; None of one that cannot be scored."""
        found, place = self._asked[artifact, day]
        return found.result()[place]

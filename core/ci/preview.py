"""Preview: what this checkout would make of the lake's last days, on a sampled copy of it.

The lake is only read: what is needed is copied to a scratch home, and the loop's own code runs
there. The sample of a dataset is its last days, each whole, as a contract judges whole days;
that of a model is some entities, chosen by their hash, so always the same.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from catalog.kinds import Dataset, Model
from core import progress
from core.ci.replaying import DatasetPreview, replay
from core.ci.rescoring import ModelPreview, rescore
from core.ci.tolerances import Tolerances
from core.errors import UsageError
from core.models.features import Datasets


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What would differ; `exceeded` says which tolerances are, and how far."""

    failed: bool
    exceeded: tuple[str, ...]
    tolerances: Tolerances
    datasets: tuple[DatasetPreview, ...]
    models: tuple[ModelPreview, ...]


def preview(
    datasets: Sequence[Dataset],
    models: Sequence[Model],
    inputs: Datasets,
    *,
    days: int,
    tolerances: Tolerances,
) -> Preview:
    """Replays the last days of datasets, and scores a sample with models' champions.

    Args:
        datasets: each after those that it is checked against, which must be among them.
        models: whose champions score.
        inputs: the datasets that the models read.
        days: how many of each dataset's newest days.
        tolerances: what may differ.

    Raises:
        UsageError: it is to be of no day at all.
    """
    if days < 1:
        raise UsageError(f"--days must be 1 or more, not {days}")
    referenced = {name for dataset in datasets for name in dataset.upstream}
    with tempfile.TemporaryDirectory(prefix="dayloop-") as to:
        replayed = tuple(
            replay(each, days, to, referenced=each.name in referenced)
            for each in progress.each(datasets, "datasets")
        )
    rescored = []
    for model in progress.each(models, "models"):
        with tempfile.TemporaryDirectory(prefix="dayloop-") as to:
            rescored.append(rescore(model, inputs, to))
    exceeded = [words for each in replayed for words in _too_different(each, tolerances)]
    exceeded += [words for each in rescored for words in _too_far(each, tolerances)]
    return Preview(
        failed=bool(exceeded),
        exceeded=tuple(exceeded),
        tolerances=tolerances,
        datasets=replayed,
        models=tuple(rescored),
    )


def _too_different(seen: DatasetPreview, tolerances: Tolerances) -> Iterator[str]:
    if seen.problem:
        yield seen.problem
    if seen.contract == "breaking" and not tolerances.allow_breaking:
        yield f"{seen.dataset}: its declaration breaks its table (--allow-breaking)"
    if (refused := len(seen.refused)) > tolerances.max_refused:
        yield (
            f"{seen.dataset}: {refused} of {seen.days} days would be refused, "
            f"{tolerances.max_refused} are tolerated (--max-refused)"
        )
    rows = max(seen.rows_before, seen.rows_after)
    # Without a key a changed row is an addition and a removal: it counts once.
    different = max(seen.added, seen.removed) + seen.changed
    if rows and different / rows > tolerances.max_changed:
        yield (
            f"{seen.dataset}: {different:,} of {rows:,} rows differ ({different / rows:.2%}), "
            f"{tolerances.max_changed:.2%} are tolerated (--max-changed)"
        )


def _too_far(seen: ModelPreview, tolerances: Tolerances) -> Iterator[str]:
    if seen.problem:
        yield seen.problem
    moved = seen.entities if seen.moved is None else seen.moved
    if seen.entities and moved / seen.entities > tolerances.max_moved:
        what = "cannot be scored" if seen.moved is None else "get another score"
        yield (
            f"{seen.model}: {moved:,} of {seen.entities:,} entities {what} "
            f"({moved / seen.entities:.2%}), {tolerances.max_moved:.2%} are tolerated (--max-moved)"
        )

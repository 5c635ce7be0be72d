"""Performance: what a day's predictions are expected to be worth, and what they were."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.compute as pc

from catalog.kinds import Model
from core import lake, ledger
from core.errors import ModelRefused
from core.intervals import DAY, Interval
from core.models import artifacts, features, registry, scoring
from core.models.features import Datasets
from core.models.metrics import Estimate, less_is_better
from core.models.registry import Version
from core.models.slices import Masks, masks
from core.watch import estimation, performance_table, reference
from core.watch.estimation import Calibrator
from core.watch.performance_table import REALISED, Estimated, Realised
from core.watch.sample import Array


def version_of(model: str, number: int) -> tuple[Version, dict[str, Any]]:
    """The version that predictions name, and its manifest.

    Raises:
        ModelRefused: there is none.
    """
    for version in registry.versions(model):
        if version.number == number:
            return version, artifacts.manifest(version.artifact)
    raise ModelRefused(
        f"{model}: predictions name version {number}, and the registry knows none; restore it"
    )


def estimate(
    model: Model,
    day: date,
    number: int,
    manifest: dict[str, Any],
    scores: Array,
    slices: Masks,
) -> list[Estimated]:
    """Estimates a day's metric, overall and by slice.

    None for a version that was trained before calibrators were kept.
    """
    if "calibrator" not in manifest:
        return []
    calibrator, found = Calibrator.from_json(manifest["calibrator"]), []
    for name, promised in _promises(manifest).items():
        some = scores[slices[name]] if name in slices else scores
        if name and name not in slices or not len(some):
            continue
        value = estimation.estimate(
            manifest["metric"]["name"],
            some,
            calibrator,
            confidence=model.gate.confidence,
            seed=model.seed,
        )
        verdict = "drop expected" if _is_worse(model, value, promised) else "as promised"
        found.append(
            Estimated(day, number, model.metric, value, promised, len(some), verdict, name)
        )
    return found


def mature(model: Model, datasets: Datasets, day: date) -> list[Realised]:
    """Realises the metrics of all days that have matured and were not realised yet."""
    until = (lake.Condition("day", "<", scoring.matured(model, day) + DAY),)
    scored = lake.read(scoring.predictions(model.name), until, columns=["day"])
    where = lake.equal(model=model.name, kind=REALISED)
    measured = lake.read(performance_table.TABLE, where + until, columns=["day"])
    known = set() if measured is None else set(measured["day"].to_pylist())
    days = set() if scored is None else set(pc.unique(scored["day"]).to_pylist())
    realised = []
    for each in sorted(days - known):
        found = realised_of(model, datasets, each)
        if found:
            performance_table.record(model.name, each, found, REALISED, day)
        realised += found
    return realised


def masks_of(model: Model, frame: pd.DataFrame, entities: pd.Index) -> Masks:
    """Which of these predicted entities belong to each of the model's slices."""
    names, found = frame.index.astype("str"), masks(model, frame)
    if not found or names.equals(entities):
        return found
    place = names.get_indexer(entities)
    return {name: within[place] & (place >= 0) for name, within in found.items()}


def realised_of(model: Model, datasets: Datasets, day: date) -> list[Realised]:
    """The metrics of a day's predictions as they stand in the lake; records nothing.

    None where the labels are not trusted yet: it is looked at again the next day.
    """
    versions = trusted(model, day)
    rows = lake.read(scoring.predictions(model.name), lake.days("day", Interval.of_day(day)))
    if not versions or rows is None:
        return []
    number = rows["model_version"][0].as_py()
    manifest = version_of(model.name, number)[1]
    scores = rows.select(["entity", "score"]).to_pandas().set_index("entity")["score"].sort_index()
    truth = features.labels_of(model, datasets, versions, pd.Series(scores.index), day).to_numpy()
    slices: Masks = {}
    if model.slices and len(_promises(manifest)) > 1:
        known = features.snapshot(model, datasets, versions, day).features
        slices = masks_of(model, known, scores.index)
    found = realise(model, day, number, manifest, np.asarray(scores, np.float64), truth, slices)
    before = performance_table.estimated(model.name, day, number)
    return [replace(each, estimated=before.get(each.slice)) for each in found]


def trusted(model: Model, day: date) -> dict[str, int]:
    """Table versions to read a day's labels from; none where one of its inputs is not trusted."""
    horizon = Interval(day, day + (day - scoring.matured(model, day)))
    trusts = {name: ledger.trust(name, horizon) for name in model.inputs}
    if not all(found.trusted for found in trusts.values()):
        return {}
    return {name: found.table_version or 0 for name, found in trusts.items()}


def realise(
    model: Model,
    day: date,
    number: int,
    manifest: dict[str, Any],
    scores: Array,
    truth: npt.NDArray[np.bool_],
    slices: Masks,
) -> list[Realised]:
    """The metrics of a day's predictions, overall and by slice.

    Args:
        model: that predicted.
        day: of the predictions.
        number: of the version that predicted.
        manifest: of that version.
        scores: that it gave, the entities in the order of their names.
        truth: their labels.
        slices: which of them belong to each.
    """
    promises, found = _promises(manifest), []
    parts = slices | {"": np.ones(len(scores), bool)}
    for name in sorted(parts.keys() & promises.keys()):
        within, promised = parts[name], promises[name]
        value = reference.metric_of(model, truth[within], scores[within])
        if value is None:
            continue
        verdict = "decayed" if _is_worse(model, value, promised) else "as promised"
        count = int(within.sum())
        found.append(Realised(day, number, model.metric, value, promised, count, verdict, name))
    return found


def _promises(manifest: dict[str, Any]) -> dict[str, Estimate]:
    """By slice; the whole's is ''."""
    known = {"": manifest["metric"], **manifest.get("promised_slices", {})}
    return {
        name: Estimate(each["value"], each["low"], each["high"]) for name, each in known.items()
    }


def _is_worse(model: Model, value: Estimate, promised: Estimate) -> bool:
    less = less_is_better(model.metric)
    return value.low > promised.high if less else value.high < promised.low

"""Monitoring: drift of a day's features and scores, and how good its predictions are."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from catalog.kinds import Model
from core import lake
from core.errors import NotTrained
from core.intervals import DAY, Interval
from core.models import features, registry, scoring
from core.models.artifacts import Artifact
from core.models.features import Datasets
from core.models.slices import Masks, masks
from core.watch import drift, performance, performance_table, reference
from core.watch.drift import Measured
from core.watch.performance_table import Estimated, Realised
from core.watch.sample import Array
from core.watch.sketch import Sketch
from core.watch.statistics.domain_classifier import ROWS

SCORE = reference.SCORE
DRIFT_TABLE, PERFORMANCE_TABLE = "drift", performance_table.TABLE
REQUESTS = "requests."
DRIFT_SCHEMA = pa.schema(
    {
        "model": pa.string(),
        "day": pa.date32(),
        "version": pa.int64(),
        "feature": pa.string(),
        "psi": pa.float64(),
        "psi_limit": pa.float64(),
        "ks": pa.float64(),
        "ks_p_value": pa.float64(),
        "rows": pa.int64(),
        "reference_rows": pa.int64(),
        "verdict": pa.string(),
        "slice": pa.string(),
        "chi2": pa.float64(),
        "chi2_p_value": pa.float64(),
        "jensen_shannon": pa.float64(),
        "wasserstein": pa.float64(),
        "auc": pa.float64(),
        "p_value": pa.float64(),
    }
)


@dataclass(frozen=True)
class Watched:
    """What monitoring saw for a day's predictions.

    `realised` holds what has matured by that day, the same when it is run again: whoever was
    killed before telling of it can still tell. `estimated` is of the day itself.
    """

    model: str
    day: date
    version: int
    drift: tuple[Measured, ...]
    realised: tuple[Realised, ...]
    changed: bool
    estimated: tuple[Estimated, ...] = ()

    @property
    def decayed(self) -> tuple[Realised, ...]:
        """What has matured and broke its promise, overall or in a slice."""
        return tuple(each for each in self.realised if each.verdict == "decayed")

    @property
    def dropping(self) -> tuple[Estimated, ...]:
        """What is expected to break its promise, overall or in a slice."""
        return tuple(each for each in self.estimated if each.verdict == "drop expected")

    @property
    def drifted(self) -> tuple[str, ...]:
        """What has moved: features, the score; and of slices what has not moved as a whole."""
        return _names((e.feature, e.slice) for e in self.drift if e.verdict == "drifted")


def _names(moved: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    found = list(moved)
    whole = {feature for feature, of_slice in found if not of_slice}
    return tuple(
        f"{feature} of {of_slice}" if of_slice else feature
        for feature, of_slice in found
        if not of_slice or feature not in whole
    )


def first_drifted(model: str, version: int, day: date) -> tuple[str, ...]:
    """What of a version had drifted on a day or, where it was not watched on it, the next."""
    either = lake.days("day", Interval(day, day + 2 * DAY))
    found = lake.read(DRIFT_TABLE, lake.equal(model=model, version=version) + either)
    rows = found.to_pylist() if found else []
    first = min((row["day"] for row in rows), default=day)
    moved = (row for row in rows if row["day"] == first and row["verdict"] == "drifted")
    return _names((row["feature"], row.get("slice") or "") for row in moved)


def monitor(model: Model, datasets: Datasets, day: date) -> Watched:
    """Measures drift of a day's features and scores, and what has matured by that day.

    Raises:
        NotTrained: the day has no predictions.
    """
    rows = lake.read(scoring.predictions(model.name), lake.days("day", Interval.of_day(day)))
    if rows is None or not rows.num_rows:
        raise NotTrained(
            f"{model.name} {day}: nothing was scored; python -m flows score {model.name} "
            f"--day {day}"
        )
    number = rows["model_version"][0].as_py()
    version, manifest = performance.version_of(model.name, number)
    versions, _ = scoring.fresh(model, day)
    frame = features.snapshot(model, datasets, versions, day).features
    scores = rows["score"].to_numpy()
    slices: Masks = {}
    if model.slices:
        slices = performance.masks_of(model, frame, pd.Index(rows["entity"].to_pandas()))
    asked = _requested(model.name, day, number)
    measured = measure(model, version.artifact, manifest, frame, scores, slices, asked)
    estimated = performance.estimate(model, day, number, manifest, scores, slices)
    new_estimate = performance_table.record(
        model.name, day, estimated, performance_table.ESTIMATED, day
    )
    new_drift = _record(model, day, number, measured)
    before, new = (
        performance_table.measured_on(model.name, day),
        performance.mature(model, datasets, day),
    )
    return Watched(
        model.name,
        day,
        number,
        tuple(measured),
        tuple(sorted([*before, *new], key=lambda each: (each.day, each.slice))),
        new_drift or new_estimate or bool(new),
        tuple(estimated),
    )


def is_news(watched: Watched) -> bool:
    """Whether it is of what serves now and of the latest day that was watched."""
    champion = registry.champion(watched.model)
    if champion is None or champion.number != watched.version:
        return False
    where = lake.equal(model=watched.model)
    rows = lake.read(DRIFT_TABLE, where, columns=["day"])
    return rows is not None and watched.day >= max(rows["day"].to_pylist(), default=watched.day)


def measure(
    model: Model,
    artifact: Artifact,
    manifest: dict[str, Any],
    frame: pd.DataFrame,
    scores: Array,
    slices: Masks,
    asked: dict[str, Array],
) -> list[Measured]:
    """Drift of a day: each feature and the score, by slice, as requested, and all together.

    `frame` has the features, a row an entity; `slices` says which of the predictions belong to
    each; `asked` are the features and scores of the day's requests. A slice that was declared
    since the training has no reference yet and is left out.
    """
    limits, known = model.drift, _sketches(manifest["reference"])
    data = {name: frame[name].to_numpy() for name in known if name in frame}
    of_scores = Sketch.from_json(manifest["reference_scores"])
    found = drift.measure_all(known | {SCORE: of_scores}, data | {SCORE: scores}, limits)
    of_slices = manifest.get("reference_slices", {})
    for name, within in masks(model, frame).items() if of_slices else ():
        if name in of_slices:
            some = {each: values[within] for each, values in data.items()}
            some[SCORE] = scores[slices[name]]
            found += drift.measure_all(_sketches(of_slices[name]), some, limits, slice=name)
    found += drift.measure_all(known | {SCORE: of_scores}, asked, limits, prefix=REQUESTS)
    sample = reference.sample_of(artifact, manifest)
    if sample is not None:
        random = np.random.default_rng(model.seed)
        chosen = np.sort(random.choice(len(frame), min(len(frame), ROWS), replace=False))
        rows = frame.iloc[chosen].reindex(columns=manifest["features"])
        found.append(drift.measure_jointly(sample, rows.to_numpy(np.float32), limits, model.seed))
    return drift.judge(found, limits)


def _sketches(found: dict[str, Any]) -> dict[str, Sketch]:
    return {name: Sketch.from_json(each) for name, each in found.items()}


def _requested(model: str, day: date, version: int) -> dict[str, Array]:
    from core.serving import log  # what it needs, an ETL run should not pay

    return log.of_day(model, day, version)


def _record(model: Model, day: date, number: int, measured: list[Measured]) -> bool:
    common = {"model": model.name, "day": day, "version": number, "psi_limit": model.drift.psi}
    rows = [{**common, **asdict(each)} for each in measured]
    table = pa.Table.from_pylist(rows, schema=DRIFT_SCHEMA)
    where = lake.equal(model=model.name) + lake.days("day", Interval.of_day(day))
    return lake.replace_small(DRIFT_TABLE, table, where, partition_by=["model"])

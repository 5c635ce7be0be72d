"""Monitoring: drift of features and scores, and the realised metric once labels are known."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.kinds import Model
from core import lake, ledger
from core.errors import ModelRefused, NotTrained
from core.intervals import DAY, Interval
from core.models import artifacts, features, registry, scoring
from core.models.features import Datasets
from core.models.metrics import Estimate, estimate, less_is_better
from core.watch import drift
from core.watch.drift import Measured
from core.watch.sketch import Sketch

SCORE = "score"
DRIFT_TABLE, PERFORMANCE_TABLE = "drift", "performance"
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
    }
)
PERFORMANCE_SCHEMA = pa.schema(
    {
        "model": pa.string(),
        "day": pa.date32(),
        "version": pa.int64(),
        "metric": pa.string(),
        "value": pa.float64(),
        "low": pa.float64(),
        "high": pa.float64(),
        "promised": pa.float64(),
        "promised_low": pa.float64(),
        "promised_high": pa.float64(),
        "rows": pa.int64(),
        "kind": pa.string(),
        "verdict": pa.string(),
        "measured_on": pa.date32(),
    }
)


@dataclass(frozen=True)
class Realised:
    """The metric of a day's predictions now that their labels are known.

    `verdict` is "decayed" where the whole interval lies on the wrong side of what was
    promised when the version was trained.
    """

    day: date
    version: int
    metric: str
    estimate: Estimate
    promised: Estimate
    rows: int
    verdict: str


@dataclass(frozen=True)
class Watched:
    """What monitoring saw for a day's predictions.

    `realised` holds what has matured by that day, the same when it is run again: whoever was
    killed before telling of it can still tell.
    """

    model: str
    day: date
    version: int
    drift: tuple[Measured, ...]
    realised: tuple[Realised, ...]
    changed: bool

    @property
    def decayed(self) -> tuple[Realised, ...]:
        """What has matured and broke its promise."""
        return tuple(each for each in self.realised if each.verdict == "decayed")

    @property
    def drifted(self) -> tuple[str, ...]:
        """The features, or `score`, that have moved."""
        return tuple(each.feature for each in self.drift if each.verdict == "drifted")


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
    manifest = _manifest(model.name, number)
    measured = _measure(model, datasets, day, manifest, rows["score"].to_numpy())
    table = pa.Table.from_pylist(
        [
            {
                "model": model.name,
                "day": day,
                "version": number,
                "psi_limit": model.drift.psi,
                **asdict(each),
            }
            for each in measured
        ],
        schema=DRIFT_SCHEMA,
    )
    where = lake.equal(model=model.name) + lake.days("day", Interval.of_day(day))
    changed = lake.replace_small(DRIFT_TABLE, table, where, partition_by=["model"])
    before, new = _measured_on(model.name, day), _mature(model, datasets, day)
    realised = sorted([*before, *new], key=lambda each: each.day)
    return Watched(model.name, day, number, tuple(measured), tuple(realised), changed or bool(new))


def is_news(watched: Watched) -> bool:
    """Whether it is of what serves now and of the latest day that was watched."""
    champion = registry.champion(watched.model)
    if champion is None or champion.number != watched.version:
        return False
    where = lake.equal(model=watched.model)
    rows = lake.read(DRIFT_TABLE, where, columns=["day"])
    return rows is not None and watched.day >= max(rows["day"].to_pylist(), default=watched.day)


def _manifest(model: str, number: int) -> dict[str, object]:
    for version in registry.versions(model):
        if version.number == number:
            return artifacts.manifest(version.artifact)
    raise ModelRefused(
        f"{model}: predictions name version {number}, and the registry knows none; restore it"
    )


def _measured_on(model: str, day: date) -> list[Realised]:
    rows = lake.read(PERFORMANCE_TABLE, lake.equal(model=model, measured_on=day))
    return [] if rows is None else [_realised(row) for row in rows.to_pylist()]


def _realised(row: dict[str, Any]) -> Realised:
    return Realised(
        row["day"],
        row["version"],
        row["metric"],
        Estimate(row["value"], row["low"], row["high"]),
        Estimate(row["promised"], row["promised_low"], row["promised_high"]),
        row["rows"],
        row["verdict"],
    )


def _measure(
    model: Model,
    datasets: Datasets,
    day: date,
    manifest: dict[str, object],
    scores: "np.ndarray[tuple[int], np.dtype[np.float64]]",
) -> list[Measured]:
    versions, _ = scoring.fresh(model, day)
    frame = features.snapshot(model, datasets, versions, day).features
    reference = manifest["reference"]
    assert isinstance(reference, dict)
    found = [
        drift.measure(name, Sketch.from_json(known), frame[name].to_numpy(), model.drift)
        for name, known in reference.items()
        if name in frame
    ]
    known_scores = Sketch.from_json(manifest["reference_scores"])  # type: ignore[arg-type]
    return [*found, drift.measure(SCORE, known_scores, scores, model.drift)]


def _mature(model: Model, datasets: Datasets, day: date) -> list[Realised]:
    """Realised metrics of all days that have matured and were not measured yet."""
    until = (lake.Condition("day", "<", scoring.matured(model, day) + DAY),)
    scored = lake.read(scoring.predictions(model.name), until, columns=["day"])
    measured = lake.read(PERFORMANCE_TABLE, lake.equal(model=model.name) + until, columns=["day"])
    known = set() if measured is None else set(measured["day"].to_pylist())
    days = set() if scored is None else set(pc.unique(scored["day"]).to_pylist())
    found = (_realise(model, datasets, each, day) for each in sorted(days - known))
    return [each for each in found if each]


def _realise(model: Model, datasets: Datasets, day: date, measured_on: date) -> Realised | None:
    horizon = Interval(day, day + (day - scoring.matured(model, day)))
    trusts = {name: ledger.trust(name, horizon) for name in model.inputs}
    if not all(found.trusted for found in trusts.values()):
        return None  # its labels are not trusted yet: looked at again the next day
    rows = lake.read(scoring.predictions(model.name), lake.days("day", Interval.of_day(day)))
    assert rows is not None
    frame = rows.to_pandas().sort_values("entity")
    versions = {name: found.table_version or 0 for name, found in trusts.items()}
    truth = features.labels_of(model, datasets, versions, frame["entity"], day).to_numpy()
    if truth.all() or not truth.any():
        return None
    number = int(frame["model_version"].iloc[0])
    promise = _manifest(model.name, number)["metric"]
    assert isinstance(promise, dict)
    promised = Estimate(promise["value"], promise["low"], promise["high"])
    value = estimate(
        model.metric,
        truth,
        frame["score"].to_numpy(),
        confidence=model.gate.confidence,
        seed=model.seed,
    )
    less = less_is_better(model.metric)
    worse = value.low > promised.high if less else value.high < promised.low
    verdict = "decayed" if worse else "as promised"
    found = Realised(day, number, model.metric, value, promised, len(frame), verdict)
    _record(model, found, measured_on)
    return found


def _record(model: Model, found: Realised, measured_on: date) -> None:
    row = {
        "model": model.name,
        "day": found.day,
        "version": found.version,
        "metric": found.metric,
        **asdict(found.estimate),
        "promised": found.promised.value,
        "promised_low": found.promised.low,
        "promised_high": found.promised.high,
        "rows": found.rows,
        "kind": "realised",
        "verdict": found.verdict,
        "measured_on": measured_on,
    }
    where = lake.equal(model=model.name) + lake.days("day", Interval.of_day(found.day))
    table = pa.Table.from_pylist([row], schema=PERFORMANCE_SCHEMA)
    lake.replace_small(PERFORMANCE_TABLE, table, where, partition_by=["model"])

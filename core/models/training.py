"""Training: what to fit on, fitting one candidate, and what is remembered of it.

For a model as of day A with a horizon of h days, labels are known for cut-offs up to A - h.
The holdout is that latest cut-off; training uses the one h days before it, so that no label
a candidate has seen reaches into the holdout.
"""

import io
import json
import resource
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from catalog.kinds import Candidate, Model
from core import code, home, ledger
from core.errors import NotTrained
from core.intervals import DAY, Interval, utc_now
from core.models import artifacts, features, fitting, golden, runs
from core.models.artifacts import Artifact
from core.models.features import Datasets
from core.models.fitting import Fit, Scores, predict, probabilities
from core.models.importance import alone
from core.models.metrics import Estimate, calibration_error, estimate
from core.watch import reference

ALGORITHM = 3  # raise it when a change of this module makes other models of the same inputs
FIRST_DAY = date.min
LATENCY_ROWS = 21
# Candidates import scikit-learn where they are fitted, and its modules import each other: two
# threads beginning at once met a half-made one.
_IMPORTING = threading.Lock()


@dataclass(frozen=True)
class Plan:
    """What a training is made of, all pinned.

    Attributes:
        train_day: the cut-off whose features and labels are fitted.
        holdout_day: the cut-off they are judged at.
        table_versions: of each dataset.
        data_version: a hash of the trusted days' contents, up to `as_of`.
        features_code: a hash of the feature function.
        snapshots: where features and labels of both cut-offs lie, below home.
    """

    model: str
    as_of: date
    train_day: date
    holdout_day: date
    table_versions: Mapping[str, int]
    data_version: str
    features_code: str
    snapshots: str


@dataclass(frozen=True)
class Fitted:
    """One candidate fitted: its artifact and its metric on the holdout.

    `reused` says that the same data, code, parameters and libraries had made it before.
    """

    candidate: str
    fingerprint: str
    artifact: Artifact
    metric: Estimate
    seconds: float
    reused: bool


def plan(model: Model, datasets: Datasets, as_of: date) -> Plan:
    """Pins data and cut-offs.

    Raises:
        NotTrained: a day in the window is refused or missing, or the history is too short.
    """
    horizon = timedelta(days=model.horizon_days)
    holdout_day, train_day = as_of - horizon, as_of - 2 * horizon
    versions, hashes, begun = {}, [], {}
    for name in sorted(model.inputs):
        found = ledger.trust(name, Interval(FIRST_DAY, as_of))
        if not found.trusted or found.table_version is None:
            raise NotTrained(
                f"{model.name} as of {as_of}: {found.reason}; fix the data before the model: "
                f"python -m flows backfill {name} over that day"
            )
        begun[name] = ledger.entries(name)[0].day
        versions[name] = found.table_version
        hashes.append(f"{name} {found.data_version}")
    last = max(begun, key=lambda name: begun[name])
    if begun[last] >= train_day:
        raise NotTrained(
            f"{model.name} as of {as_of}: {last} begins on {begun[last]}, and two horizons of "
            f"{model.horizon_days} days need rows before {train_day}; backfill earlier days, "
            f"or train as of {begun[last] + 2 * horizon + DAY}, the first possible day"
        )
    data_version = code.digest(*hashes)
    features_code = features.features_code(model)
    label_code = code.of_function(model.label)
    key = code.digest(
        ALGORITHM,
        data_version,
        features_code,
        label_code,
        as_of,
        model.horizon_days,
        model.entity,
        {name: tuple(columns) for name, columns in sorted(model.inputs.items())},
        {name: datasets[name].day for name in sorted(model.inputs)},
        sorted(artifacts.libraries().items()),
    )
    return Plan(
        model.name,
        as_of,
        train_day,
        holdout_day,
        versions,
        data_version,
        features_code,
        f"models/{model.name}/snapshots/{key}",
    )


def prepare(model: Model, datasets: Datasets, planned: Plan) -> None:
    """Computes features and labels of both cut-offs, once for all candidates.

    Raises:
        NotTrained: one cut-off has only one class.
    """
    for day in (planned.train_day, planned.holdout_day):
        path = _snapshot_path(planned, day)
        if home.exists(path):
            continue
        found = features.snapshot(model, datasets, planned.table_versions, day, with_labels=True)
        assert found.labels is not None
        if found.labels.nunique() < 2:
            raise NotTrained(
                f"{model.name}: every label at {day} is {bool(found.labels.iloc[0])}, so there is "
                "nothing to learn; look at the label, the horizon and the data"
            )
        buffer = io.BytesIO()
        found.features.assign(_label=found.labels).to_parquet(buffer)
        home.write_bytes(path, buffer.getvalue())
    _sketches(model, planned)


def _sketches(model: Model, planned: Plan) -> reference.Sketches:
    """Of the training rows, made once for all candidates."""
    slices = [(name, code.of_function(belongs)) for name, belongs in sorted(model.slices.items())]
    path = f"{planned.snapshots}/sketches-{code.digest(slices)}.json"
    if not home.exists(path):
        made = reference.of_features(model, training_set(planned)[0])
        home.write_bytes(path, json.dumps(made).encode())
    found: reference.Sketches = json.loads(home.read_bytes(path))
    return found


def training_set(planned: Plan) -> tuple[pd.DataFrame, "pd.Series[bool]"]:
    """Features and labels that candidates are fitted on."""
    return _snapshot(planned, planned.train_day)


def holdout(planned: Plan) -> tuple[pd.DataFrame, "pd.Series[bool]"]:
    """Features and labels that nobody was trained on."""
    return _snapshot(planned, planned.holdout_day)


def holdout_scores(planned: Plan, artifact: Artifact) -> Scores:
    """What a candidate says of the holdout; kept since its fit, and computed where it is gone."""
    path = f"{planned.snapshots}/{artifact.path.rpartition('/')[2]}.npy"
    if home.exists(path):
        found: Scores = np.load(io.BytesIO(home.read_bytes(path)))
        return found
    estimator, manifest = artifacts.load(artifact)
    return predict(estimator, holdout(planned)[0][manifest["features"]])


def _keep_scores(planned: Plan, fingerprint: str, scores: Scores) -> None:
    buffer = io.BytesIO()
    np.save(buffer, scores)
    home.write_bytes(f"{planned.snapshots}/{fingerprint}.npy", buffer.getvalue())


def _snapshot_path(planned: Plan, day: date) -> str:
    return f"{planned.snapshots}/{day}.parquet"


def _snapshot(planned: Plan, day: date) -> tuple[pd.DataFrame, "pd.Series[bool]"]:
    frame = pd.read_parquet(io.BytesIO(home.read_bytes(_snapshot_path(planned, day))))
    return frame.drop(columns="_label"), frame["_label"]


def known(model: Model, candidate: Candidate, planned: Plan) -> Artifact | None:
    """The artifact that fitting this candidate would make, where it is there already."""
    return artifacts.find(model.name, _unfitted(model, candidate, planned)[1])


def _unfitted(model: Model, candidate: Candidate, planned: Plan) -> tuple[Any, str]:
    """The estimator, and a hash of everything that decides what fitting it comes to."""
    with _IMPORTING:
        estimator = candidate.estimator(model.seed)
    fingerprint = code.digest(
        planned.snapshots,
        candidate.name,
        code.of_function(candidate.estimator),
        code.text_of(sorted(estimator.get_params().items(), key=lambda item: item[0])),
        code.text_of((sorted(candidate.search), list(candidate.search.values()), candidate.tries)),
        model.max_entities,
        model.max_features,
        sorted(artifacts.libraries().items()),
        model.seed,
        model.metric,
        model.gate.confidence,
        [(name, code.of_function(belongs)) for name, belongs in sorted(model.slices.items())],
    )
    return estimator, fingerprint


def fit(
    model: Model, candidate: Candidate, planned: Plan, *, now: datetime | None = None
) -> Fitted:
    """Fits one candidate, judges it on the holdout and stores it; never the same twice."""
    estimator, fingerprint = _unfitted(model, candidate, planned)
    if found := artifacts.find(model.name, fingerprint):
        manifest = artifacts.manifest(found)
        runs.record(manifest, now or utc_now())
        return _fitted(manifest, found, reused=True)
    rows, labels = training_set(planned)
    begun = time.perf_counter()
    made = fitting.fit(model, candidate, estimator, rows, labels)
    seconds = time.perf_counter() - begun
    manifest = {
        "model": model.name,
        "candidate": candidate.name,
        "plan": asdict(planned),
        "horizon_days": model.horizon_days,
        "seed": model.seed,
        "seconds": seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "code_version": code.version(),
        "owner": model.owner,
        **_examined(model, made, planned, fingerprint, int(labels.sum())),
    }
    beside = {reference.FILE: reference.sample(rows, labels, list(made.features))}
    stored = artifacts.save(model.name, fingerprint, made.estimator, manifest, beside)
    manifest = artifacts.manifest(stored)
    runs.record(manifest, now or utc_now())
    return _fitted(manifest, stored, reused=False)


def _examined(
    model: Model, made: Fit, planned: Plan, fingerprint: str, positives: int
) -> dict[str, Any]:
    """What the manifest says of the fitted estimator and of the rows it has and has not seen."""
    unseen, truth = holdout(planned)
    names = list(made.features)
    scores = predict(made.estimator, unseen[names])
    _keep_scores(planned, fingerprint, scores)
    metric = estimate(
        model.metric, truth.to_numpy(), scores, confidence=model.gate.confidence, seed=model.seed
    )
    parameters = made.estimator.get_params()
    return {
        "features": names,
        "dropped": list(made.dropped),
        "rows": {"train": made.rows, "of": made.of_rows, "holdout": len(unseen)},
        "positives": {"train": positives, "holdout": int(truth.sum())},
        "metric": {"name": model.metric, "confidence": model.gate.confidence, **asdict(metric)},
        "calibration_error": calibration_error(truth.to_numpy(), scores),
        "latency_ms": _latency(made.estimator, unseen[names]),
        "alone": alone(unseen[names], truth),
        "golden": golden.of(made.estimator, unseen[names]),
        "parameters": {name: str(value) for name, value in parameters.items()},
        "searched": made.searched,
        **reference.of(model, _sketches(model, planned), unseen, truth.to_numpy(), scores, names),
    }


def _latency(estimator: Any, rows: pd.DataFrame) -> float:
    """Milliseconds to score one row, the median of a few."""
    seconds = []
    for place in range(min(LATENCY_ROWS, len(rows))):
        begun = time.perf_counter()
        probabilities(estimator, rows.iloc[place : place + 1])
        seconds.append(time.perf_counter() - begun)
    return 1000 * median(seconds)


def _fitted(manifest: dict[str, Any], artifact: Artifact, *, reused: bool) -> Fitted:
    metric = manifest["metric"]
    return Fitted(
        manifest["candidate"],
        manifest["fingerprint"],
        artifact,
        Estimate(metric["value"], metric["low"], metric["high"]),
        manifest["seconds"],
        reused,
    )

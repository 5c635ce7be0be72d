"""Lineage: from a prediction back to all it was made of, and forward to what came true."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa

from catalog.kinds import Model
from core import code, lake, ledger
from core.errors import ArtifactRefused, LakeDamaged, UsageError
from core.intervals import Interval, at_midnight
from core.models import artifacts, features, fitting, provenance, registry, scoring
from core.models.features import Datasets
from core.models.provenance import Past, Source
from core.models.registry import Version


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a version was made of, and who let it serve.

    Attributes:
        first_day: of the data; its features are of rows before `train_day`, its labels of the
            horizon after it, and both of the holdout, up to `as_of`, it was judged by.
        table_versions: of each dataset; they stay readable while the version may serve.
        files: sha256 of the landed files of these days, of each dataset.
        unchanged: whether these days have the content today that the version was trained on.
        decisions: event, by whom, why, when.
    """

    version: int
    state: str
    candidate: str
    path: str
    sha256: str
    first_day: date
    train_day: date
    holdout_day: date
    as_of: date
    rows: int
    data_version: str
    table_versions: Mapping[str, int]
    files: Mapping[str, tuple[str, ...]]
    unchanged: bool
    code_version: str
    decisions: tuple[tuple[str, str, str, datetime], ...]


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """Where a prediction comes from.

    Attributes:
        score: as it was recorded.
        data_version: that it names.
        table_versions: the features are computed from here.
        features: as the model saw them; empty where that is not known any more.
        again: the score the version gives them now; None where one of both is not to be had.
        note: why not.
        sources: the landed files of the entity's rows.
        label: what came true; None while that is not known.
        label_day: from which day on it is.
        label_note: why it is not known.
    """

    model: str
    entity: str
    day: date
    score: float
    data_version: str
    table_versions: Mapping[str, int]
    features: Mapping[str, float]
    again: float | None
    note: str
    trained: Trained
    sources: tuple[Source, ...]
    label: bool | None
    label_day: date
    label_note: str


def why(model: Model, datasets: Datasets, entity: str, day: date) -> Lineage:
    """Traces a prediction.

    Raises:
        UsageError: there is no such prediction.
        ArtifactRefused: the manifest of its version is damaged.
    """
    row = _prediction(model, entity, day)
    version = registry.get(model.name, row["model_version"])
    kind = next(iter(datasets.values())).columns[model.entity]
    key = int(row["entity"]) if kind == "int" else row["entity"]
    contents = dict(each.split(":", 1) for each in row["data_version"].split(","))
    pasts: dict[str, Past] = {}
    rows: dict[str, pa.Table] = {}
    values: dict[str, float] = {}
    again, note = None, ""
    try:
        for name, columns in model.inputs.items():
            pasts[name] = provenance.as_it_was(name, day, contents.get(name, ""))
            number, dataset = pasts[name].version, datasets[name]
            rows[name] = provenance.rows_of(dataset, number, columns, model.entity, key, day)
        values = _features(model, rows, key, day)
        again, note = _again(model, version, values)
    except LakeDamaged as damage:
        note = str(damage)
    label, label_note = _label(model, datasets, row["entity"], day)
    return Lineage(
        model=model.name,
        entity=row["entity"],
        day=day,
        score=row["score"],
        data_version=row["data_version"],
        table_versions={name: past.version for name, past in pasts.items()},
        features=values,
        again=again,
        note=note,
        trained=_trained(model, version),
        sources=tuple(
            source
            for name, found in rows.items()
            for source in provenance.sources(datasets[name], pasts[name], found)
        ),
        label=label,
        label_day=day + timedelta(days=model.horizon_days),
        label_note=label_note,
    )


def _prediction(model: Model, entity: str, day: date) -> dict[str, Any]:
    table, of_day = scoring.predictions(model.name), lake.days("day", Interval.of_day(day))
    found = lake.read(table, of_day + lake.equal(entity=entity))
    if found is None or not found.num_rows:
        names = lake.read(table, of_day, columns=["entity"])
        known = [] if names is None else names["entity"].to_pylist()
        if not known:
            raise UsageError(
                f"{model.name} was not scored for {day}; python -m flows score {model.name} "
                f"--day {day}"
            )
        # Numbers kept as text have zeros in front that people leave out.
        like = [name for name in known if name.lstrip("0") == entity.lstrip("0")]
        if len(like) != 1:
            some = ", ".join(sorted(like or known)[:3])
            raise UsageError(
                f"{model.name} has no prediction of {model.entity} '{entity}' for {day}; it has "
                f"{len(known):,}, such as {some}"
            )
        found = lake.read(table, of_day + lake.equal(entity=like[0]))
        assert found is not None
    row: dict[str, Any] = found.to_pylist()[0]
    return row


def _features(model: Model, rows: Mapping[str, pa.Table], key: Any, day: date) -> dict[str, float]:
    """The model's features of one entity, from its own rows as the framework would give them."""
    given = {}
    for name, found in rows.items():
        columns = list(model.inputs[name])
        in_order = found.sort_by([(column, "ascending") for column in columns])
        given[name] = in_order.select(columns).to_pandas()
    frame = model.features(pd.Timestamp(at_midnight(day)), **given)
    if key not in frame.index:  # as today's code has it
        return {}
    return {str(name): float(value) for name, value in frame.loc[key].items()}


def _again(model: Model, version: Version, values: dict[str, float]) -> tuple[float | None, str]:
    try:
        estimator, known = artifacts.load(version.artifact)
    except ArtifactRefused as refusal:
        return None, str(refusal)
    if missing := [name for name in known["features"] if name not in values]:
        return None, f"today's code computes no '{missing[0]}'; then it was {known['code_version']}"
    one = pd.DataFrame([[values[name] for name in known["features"]]], columns=known["features"])
    score = float(fitting.predict(estimator, one)[0])
    same = known["plan"]["features_code"] == features.features_code(model)
    return score, "" if same else f"by today's code; then it was {known['code_version']}"


def _label(model: Model, datasets: Datasets, entity: str, day: date) -> tuple[bool | None, str]:
    horizon = Interval(day, day + timedelta(days=model.horizon_days))
    trusts = {name: ledger.trust(name, horizon) for name in model.inputs}
    if reason := next((each.reason for each in trusts.values() if not each.trusted), ""):
        return None, reason
    versions = {name: found.table_version or 0 for name, found in trusts.items()}
    names = pd.Series([entity])
    return bool(features.labels_of(model, datasets, versions, names, day).iloc[0]), ""


def _trained(model: Model, version: Version) -> Trained:
    known = artifacts.manifest(version.artifact)
    plan, files, first, hashes = known["plan"], {}, [], []
    as_of = date.fromisoformat(plan["as_of"])
    for name in sorted(plan["table_versions"]):
        entries = [entry for entry in ledger.entries(name) if entry.day < as_of]
        shas = dict.fromkeys(sha for entry in entries for sha in entry.source_sha256.split(","))
        files[name] = tuple(sha for sha in shas if sha)
        first += [entry.day for entry in entries[:1]]
        hashes.append(f"{name} {ledger.trust(name, Interval(date.min, as_of)).data_version}")
    return Trained(
        version=version.number,
        state=version.state,
        candidate=known["candidate"],
        path=version.artifact.path,
        sha256=version.artifact.sha256,
        first_day=min(first, default=as_of),
        train_day=date.fromisoformat(plan["train_day"]),
        holdout_day=date.fromisoformat(plan["holdout_day"]),
        as_of=as_of,
        rows=known["rows"]["train"],
        data_version=plan["data_version"],
        table_versions=plan["table_versions"],
        files=files,
        unchanged=code.digest(*hashes) == plan["data_version"],
        code_version=known["code_version"],
        decisions=tuple((e.event, e.by, e.reason, e.at) for e in version.events),
    )

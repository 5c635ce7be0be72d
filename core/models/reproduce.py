"""Reproducing: a version made again from what is on record, and compared with what is stored."""

import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

import numpy as np
import pandas as pd

from catalog.kinds import Model
from core import home, lake
from core.errors import ArtifactRefused, DayloopError
from core.models import artifacts, features, fitting, golden
from core.models.artifacts import Artifact
from core.models.features import Datasets
from core.models.fitting import Labels
from core.models.registry import Version

TOLERANCE = 1e-6  # of a score, where the libraries are others: solvers end elsewhere
Outcome = Literal["bit for bit", "within tolerance", "not reproduced"]


@dataclass(frozen=True)
class Check:
    """One thing compared: whether it is the same, and what is to be said of it."""

    what: str
    same: bool
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Reproduced:
    """What came of making a version again.

    Attributes:
        outcome: `bit for bit`: the estimator's bytes and every prediction; `within tolerance`:
            the predictions, and libraries or processor are others; else `not reproduced`.
        differences: of libraries and processor, in words.
    """

    model: str
    version: int
    candidate: str
    outcome: Outcome
    checks: tuple[Check, ...]
    differences: tuple[str, ...]


def reproduce(model: Model, datasets: Datasets, version: Version) -> Reproduced:
    """Makes a version again: from its table versions, its parameters and its seed.

    Whatever keeps it from being made is one of the checks, never an error.
    """
    found = Reproduced(
        model=model.name,
        version=version.number,
        candidate="",
        outcome="not reproduced",
        checks=(),
        differences=(),
    )
    checks: list[Check] = []
    try:
        known = artifacts.manifest(version.artifact)
        found = replace(
            found, candidate=known["candidate"], differences=artifacts.differences(known)
        )
        outcome = _remade(model, datasets, version.artifact, known, checks)
        found = replace(found, outcome=outcome)
    except ArtifactRefused as refusal:
        checks.append(Check("artifact", False, str(refusal)))
    except DayloopError as refusal:
        checks.append(Check("made again", False, str(refusal)))
    return replace(found, checks=tuple(checks))


def _remade(
    model: Model,
    datasets: Datasets,
    artifact: Artifact,
    known: dict[str, Any],
    checks: list[Check],
) -> Outcome:
    plan = known["plan"]
    model = _as_declared_then(model, known)
    checks.append(_same_code(model, known))
    candidate = next((c for c in model.candidates if c.name == known["candidate"]), None)
    if candidate is None:
        checks.append(Check("candidate", False, f"catalog has no '{known['candidate']}' any more"))
    if problem := _missing_input(model, plan["table_versions"]):
        checks.append(Check("inputs", False, problem))
    if candidate is None or problem:
        return "not reproduced"
    rows, labels = _frame(model, datasets, plan, plan["train_day"], checks)
    unseen, _ = _frame(model, datasets, plan, plan["holdout_day"], checks)
    made = fitting.fit(model, candidate, candidate.estimator(model.seed), rows, labels)
    checks.append(_same_parameters(made.estimator.get_params(), known["parameters"]))
    if list(made.features) != known["features"]:
        checks.append(Check("features", False, f"{', '.join(made.features)} now"))
        return "not reproduced"
    estimator = _same_estimator(made.estimator, known)
    off, said = _off(artifact, made.estimator, known, unseen[known["features"]])
    checks += [estimator, Check("predictions", off == 0, said)]
    if off == 0 and estimator.same:
        return "bit for bit"
    within = off <= TOLERANCE and bool(artifacts.differences(known))
    return "within tolerance" if within else "not reproduced"


def _as_declared_then(model: Model, known: dict[str, Any]) -> Model:
    """The model as far as the manifest says how it was declared."""
    rows = known["rows"]
    return replace(
        model,
        seed=known["seed"],
        metric=known["metric"]["name"],
        horizon_days=known["horizon_days"],
        max_entities=rows["train"] if rows["train"] < rows["of"] else 0,
        max_features=len(known["features"]) if known["dropped"] else 0,
    )


def _same_code(model: Model, known: dict[str, Any]) -> Check:
    same = known["plan"]["features_code"] == features.features_code(model)
    then = f"changed since; then it was {known['code_version']}"
    return Check("code of the features", same, "" if same else then)


def _missing_input(model: Model, versions: Mapping[str, int]) -> str:
    """What the model reads today and was not there then."""
    for name, columns in model.inputs.items():
        if name not in versions:
            return f"{name} was none of them"
        table = lake.open_table(name, versions[name])
        there = [field.name for field in table.schema().fields] if table else []
        if missing := [column for column in columns if column not in there]:
            return f"{name} had no column '{missing[0]}' in version {versions[name]}"
    return ""


def _frame(
    model: Model, datasets: Datasets, plan: dict[str, Any], day: str, checks: list[Check]
) -> tuple[pd.DataFrame, Labels]:
    """Features and labels of a cut-off, made again as training made them and kept them."""
    as_of = date.fromisoformat(day)
    found = features.snapshot(model, datasets, plan["table_versions"], as_of, with_labels=True)
    assert found.labels is not None
    buffer = io.BytesIO()
    found.features.assign(_label=found.labels).to_parquet(buffer)
    whole = pd.read_parquet(buffer)
    versions = ", ".join(f"{name} {number}" for name, number in plan["table_versions"].items())
    kept = f"{plan['snapshots']}/{day}.parquet"
    same, said = True, "nothing to compare with"
    if home.exists(kept):
        same = whole.equals(pd.read_parquet(io.BytesIO(home.read_bytes(kept))))
        said = "as kept" if same else f"not what {kept} holds"
    what = f"features and labels at {day}"
    checks.append(Check(what, same, f"{len(whole):,} rows of version {versions}, {said}"))
    return whole.drop(columns="_label"), whole["_label"]


def _same_parameters(now: dict[str, Any], then: dict[str, str]) -> Check:
    ours = {name: _without_address(str(value)) for name, value in now.items()}
    theirs = {name: _without_address(value) for name, value in then.items()}
    changed = [name for name in {**theirs, **ours} if ours.get(name) != theirs.get(name)]
    said = [f"{name} was {theirs.get(name)}, is {ours.get(name)}" for name in changed]
    return Check("parameters", not changed, "; ".join(said)[:200] or f"{len(ours)}, all as then")


def _without_address(text: str) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def _same_estimator(estimator: Any, known: dict[str, Any]) -> Check:
    ours = hashlib.sha256(artifacts.dump(estimator)).hexdigest()
    theirs = known["files"][artifacts.MODEL_FILE]["sha256"]
    said = f"sha256 {ours}" if ours == theirs else f"sha256 {ours}, not {theirs}"
    return Check("estimator", ours == theirs, said)


def _off(
    artifact: Artifact, made: Any, known: dict[str, Any], unseen: pd.DataFrame
) -> tuple[float, str]:
    """How far the farthest score is from the stored model's, and of how many rows.

    Where the stored model is of another scikit-learn, its golden rows speak for it.
    """
    if not artifacts.is_of_this_release(known) and known.get("golden"):
        off, of = golden.distance(made, known), f"{len(known['golden']['rows'])} golden rows"
    else:
        stored, _ = artifacts.load(artifact)
        theirs, ours = (fitting.predict(each, unseen) for each in (stored, made))
        off = 0.0 if np.array_equal(theirs, ours) else float(np.abs(theirs - ours).max())
        of = f"{len(unseen):,} rows of the holdout"
    return off, f"{of}, {f'by up to {off:.3g}' if off else 'every bit of each score'}"

"""Rescoring: a champion's last scores beside those by this checkout's features."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from catalog.kinds import Model
from core import content, lake
from core.ci import scratch
from core.errors import DayloopError, DeclarationError, NotTrained
from core.intervals import at_midnight
from core.lake import Condition
from core.models import artifacts, features, fitting, registry, scoring, training
from core.models.features import Datasets

ENTITIES = 2_000
SAME = 1e-9  # scores that differ by less are the same


@dataclass(frozen=True, kw_only=True)
class ModelPreview:
    """A champion's last scores, in the lake and by the features of this checkout.

    Attributes:
        day: as of which it last scored; the features are of the rows before it.
        entities: how many were looked at.
        features: how they differ from those it was trained on. Where they do it cannot score
            any more, and the daily loop trains anew.
        moved: entities whose score moves or is gone; None where a feature is gone.
        largest: by how much a score moves at most.
        rank_correlation: of the scores (Spearman's); None where they are all the same.
        same_data: whether the lake still has the very data that were scored.
        refits: candidates that a training on the champion's data would fit anew, as code,
            parameters or libraries are others; None where those data are others, too.
        problem: why it could not be compared.
        note: why there is nothing to compare.
    """

    model: str
    champion: int = 0
    day: date | None = None
    entities: int = 0
    features: tuple[str, ...] = ()
    moved: int | None = 0
    largest: float = 0.0
    rank_correlation: float | None = None
    same_data: bool = True
    refits: tuple[str, ...] | None = ()
    problem: str = ""
    note: str = ""


def rescore(model: Model, datasets: Datasets, to: str) -> ModelPreview:
    """Scores some entities with the champion, on the lake's pinned tables.

    Args:
        model: as this checkout declares it.
        datasets: its inputs.
        to: the address of an empty scratch home.
    """
    champion = registry.champion(model.name)
    if champion is None:
        return ModelPreview(model=model.name, note="no champion")
    found = ModelPreview(model=model.name, champion=champion.number)
    last = _last_scores(model.name, champion.number)
    if last is None:
        return replace(found, note=f"version {champion.number} has not scored yet")
    day, scored = last
    found = replace(found, day=day, entities=len(scored))
    try:
        estimator, manifest = artifacts.load(champion.artifact)
        versions, data_version = scoring.fresh(model, day)
        found = replace(
            found,
            same_data=scored["data_version"].eq(data_version).all().item(),
            refits=_refits(model, datasets, manifest),
        )
        rows = _features(model, datasets, versions, day, scored["entity"], to)
    except (DayloopError, DeclarationError) as error:
        return replace(found, problem=str(error))
    wanted = manifest["features"]
    gone = [name for name in wanted if name not in rows]
    differ = [f"{name} went" for name in gone]
    known = {*wanted, *manifest.get("dropped", ())}
    differ += [f"{name} came" for name in rows if name not in known]
    if manifest["plan"]["features_code"] != features.features_code(model):
        differ.append("their code changed")
    found = replace(found, features=tuple(differ))
    if gone:
        return replace(found, moved=None)
    now = pd.Series(fitting.predict(estimator, rows[wanted]), index=rows.index.astype("str"))
    return _compared(found, scored.set_index("entity")["score"], now)


def _last_scores(model: str, version: int) -> tuple[date, pd.DataFrame] | None:
    """The last day that a version scored, and some of its scores, the same ones each time."""
    table, ours = scoring.predictions(model), lake.equal(model_version=version)
    days = lake.read(table, ours, columns=["day"])
    if days is None or not days.num_rows:
        return None
    day = pc.max(days["day"]).as_py()
    rows = lake.read(table, ours + lake.equal(day=day), columns=["entity", "score", "data_version"])
    assert rows is not None
    chosen = np.argsort(content.row_hashes(rows.select(["entity"])), kind="stable")[:ENTITIES]
    return day, rows.take(pa.array(chosen)).to_pandas()


def _refits(model: Model, datasets: Datasets, manifest: dict[str, Any]) -> tuple[str, ...] | None:
    trained = manifest["plan"]
    try:
        planned = training.plan(model, datasets, date.fromisoformat(trained["as_of"]))
    except NotTrained:  # a day that it was trained on has been refused since
        return None
    if planned.data_version != trained["data_version"]:
        return None
    candidates = model.candidates
    return tuple(each.name for each in candidates if not training.known(model, each, planned))


def _features(
    model: Model,
    datasets: Datasets,
    versions: features.Versions,
    day: date,
    entities: "pd.Series[str]",
    to: str,
) -> pd.DataFrame:
    """The entities' features, by the real code on a copy that holds their rows only."""
    for name, columns in model.inputs.items():
        dataset = datasets[name]
        found = lake.open_table(name, versions[name])
        there = {} if found is None else {field.name for field in found.schema().fields}
        if missing := [each for each in (dataset.day, *columns) if each not in there]:
            raise NotTrained(
                f"{model.name}: {name} in the lake has no column {missing[0]} yet; load it first: "
                f"python -m flows requeue {name}"
            )
        kind = dataset.columns[model.entity]
        named = entities.astype("int64") if kind == "int" else entities
        chosen = Condition(model.entity, "in", named.tolist())
        past = Condition(dataset.day, "<", at_midnight(day))
        scratch.copy_rows(name, (chosen, past), to, version=versions[name])
    with scratch.at(to):
        copied = {name: lake.version(name) or 0 for name in model.inputs}
        try:
            return features.snapshot(model, datasets, copied, day).features
        except (DayloopError, DeclarationError):
            raise
        except Exception as error:  # the catalog's own code: whatever it raises is the finding
            said = (str(error).strip().splitlines() or [""])[0]
            raise DeclarationError(
                f"catalog/models/{model.name}.py: features: {type(error).__name__}: {said}"
            ) from error


def _compared(
    found: ModelPreview, before: "pd.Series[float]", after: "pd.Series[float]"
) -> ModelPreview:
    after = after.reindex(before.index)
    shift = (after - before).abs()
    correlation = float(before.rank().corr(after.rank()))
    return replace(
        found,
        moved=int((~(shift <= SAME)).sum()),
        largest=float(shift.max()),
        rank_correlation=None if np.isnan(correlation) else round(correlation, 9),
    )

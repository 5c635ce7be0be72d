"""Scoring: the champion's predictions for every entity as of a day."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from catalog.kinds import Model
from core import code, lake, ledger
from core.errors import DeclarationError, FeaturesChanged, ModelRefused, NotTrained
from core.intervals import DAY, Interval
from core.ledger import Entry
from core.load.spool import MONTH
from core.models import artifacts, features, fitting, registry
from core.models.features import Datasets

CHUNK_ROWS = 100_000
SCHEMA = pa.schema(
    {
        "entity": pa.string(),
        "day": pa.date32(),
        "score": pa.float64(),
        "model_version": pa.int64(),
        "data_version": pa.string(),
        MONTH: pa.string(),
    }
)


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What a scoring did; `changed` is False where the same predictions stood there already."""

    model: str
    day: date
    version: int
    rows: int
    mean_score: float
    changed: bool


def predictions(model: str) -> str:
    """The name of a model's table of predictions."""
    return f"{model}_predictions"


def score(model: Model, datasets: Datasets, day: date, *, keep: bool = False) -> Scored:
    """Scores every entity known before the day and replaces the day's predictions.

    Args:
        model: whose champion scores.
        datasets: its inputs.
        day: features are computed from rows before it.
        keep: leaves a day alone that was scored on the same data, whichever version did it.

    Raises:
        ModelRefused: there is no champion.
        FeaturesChanged: it was trained on features of other code.
        ArtifactRefused: its file is not what the registry vouches for.
        NotTrained: the day before is refused or missing, so that features would be stale.
    """
    champion = registry.champion(model.name)
    if champion is None:
        raise ModelRefused(
            f"{model.name} has no champion; python -m flows retrain {model.name}, or promote"
        )
    estimator, manifest = artifacts.load(champion.artifact)
    if manifest["plan"]["features_code"] != features.features_code(model):
        raise FeaturesChanged(
            f"{model.name}: the features have changed since version {champion.number} was "
            f"trained; python -m flows retrain {model.name}"
        )
    versions, data_version = fresh(model, day)
    if keep and (before := _scored(model, day, data_version)):
        return before
    rows = features.snapshot(model, datasets, versions, day).features
    scores = predict(model, estimator, manifest, rows)
    table = pa.table(
        {
            "entity": pa.array(rows.index.astype("str"), pa.string()),
            "day": pa.repeat(pa.scalar(day, pa.date32()), len(rows)),
            "score": scores,
            "model_version": pa.repeat(champion.number, len(rows)),
            "data_version": pa.repeat(data_version, len(rows)),
            MONTH: pa.repeat(f"{day:%Y-%m}", len(rows)),
        },
        schema=SCHEMA,
    )
    where = lake.days("day", Interval.of_day(day))
    changed = lake.replace_small(predictions(model.name), table, where, partition_by=[MONTH])
    return Scored(
        model=model.name,
        day=day,
        version=champion.number,
        rows=len(rows),
        mean_score=float(scores.mean()),
        changed=changed,
    )


def predict(
    model: Model, estimator: Any, manifest: dict[str, Any], rows: pd.DataFrame
) -> npt.NDArray[np.float64]:
    """The scores of these features, chunk by chunk.

    Raises:
        DeclarationError: one that the version was trained on is not among them.
    """
    if missing := [name for name in manifest["features"] if name not in rows]:
        raise DeclarationError(
            f"catalog/models/{model.name}.py: features: returned no '{missing[0]}' for the "
            f"{manifest['candidate']} as of {manifest['plan']['as_of']}, which was trained on it"
        )
    rows = rows[manifest["features"]]
    if hasattr(estimator, "n_jobs"):
        estimator.n_jobs = 1
    chunks = range(0, len(rows), CHUNK_ROWS)
    found = [fitting.predict(estimator, rows.iloc[at : at + CHUNK_ROWS]) for at in chunks]
    return np.concatenate(found)


def _scored(model: Model, day: date, data_version: str) -> Scored | None:
    rows = lake.read(
        predictions(model.name),
        (*lake.days("day", Interval.of_day(day)), *lake.equal(data_version=data_version)),
        columns=["score", "model_version"],
    )
    if rows is None or not rows.num_rows:
        return None
    return Scored(
        model=model.name,
        day=day,
        version=rows["model_version"][0].as_py(),
        rows=rows.num_rows,
        mean_score=float(rows["score"].to_numpy().mean()),
        changed=False,
    )


def fresh(model: Model, day: date) -> tuple[dict[str, int], str]:
    """Table versions to read for a day, and the data version a prediction names.

    Raises:
        NotTrained: the day before it is refused or missing in one of the inputs.
    """
    versions, names = {}, []
    for name in sorted(model.inputs):
        found = ledger.trust(name, Interval(day - DAY, day))
        if not found.trusted or found.table_version is None:
            raise NotTrained(
                f"{model.name} {day}: {found.reason}; features would be stale: fix the data "
                f"first, python -m flows etl {name} --day {day - DAY}"
            )
        versions[name] = found.table_version
        # Of all the days that features are made of: an older day put right is other data.
        past = [each for each in ledger.entries(name) if each.day < day]
        names.append(f"{name}:{content_of(past)}")
    return versions, ",".join(names)


def content_of(entries: Iterable[Entry]) -> str:
    """A hash of what these days hold."""
    return code.digest(*(f"{each.day} {each.status} {each.content}" for each in entries))


def matured(model: Model, day: date) -> date:
    """The latest day whose labels are known on a day."""
    return day - timedelta(days=model.horizon_days)

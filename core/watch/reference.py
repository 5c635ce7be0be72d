"""What a model's manifest keeps for watching it: sketches, promises and a calibrator.

Training rows are not kept, but for a sample of at most a thousand without their entities, in a
file beside the manifest: what the features are together no sketch of each can tell.
"""

import io
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from catalog.kinds import Model
from core.models import artifacts
from core.models.artifacts import Artifact
from core.models.fitting import sample as sampled
from core.models.metrics import Estimate, estimate
from core.models.slices import masks
from core.watch.estimation import Calibrator
from core.watch.sample import Array
from core.watch.sketch import SLICE_POINTS, Sketch
from core.watch.statistics.domain_classifier import ROWS, Rows

FILE = "reference.npy"
Sketches = dict[str, dict[str, dict[str, Any]]]  # by slice and feature
SCORE = "score"


def of_features(model: Model, rows: pd.DataFrame) -> Sketches:
    """Sketches of the features that are trained on, by slice; of all rows under no name."""
    found = {"": {str(each): Sketch.of(rows[each].to_numpy()).to_json() for each in rows}}
    for name, within in masks(model, rows).items():
        some = rows[within]
        found[name] = {
            str(each): Sketch.of(some[each].to_numpy(), SLICE_POINTS).to_json() for each in some
        }
    return found


def of(
    model: Model,
    known: Sketches,
    unseen: pd.DataFrame,
    truth: npt.NDArray[np.bool_],
    scores: Array,
    names: list[str],
) -> dict[str, Any]:
    """The manifest's part.

    Args:
        model: whose slices, metric and seed.
        known: of the features that were trained on.
        unseen: features of the holdout.
        truth: labels of the holdout.
        scores: of the holdout: out of time, as every later score is; an overfit model's scores
            of its training rows differ.
        names: the features that the model uses.
    """
    used = {part: {each: found[each] for each in names} for part, found in known.items()}
    features, slices, promised = used.pop(""), used, {}
    for name, within in masks(model, unseen).items():
        slices[name][SCORE] = Sketch.of(scores[within], SLICE_POINTS).to_json()
        if found := metric_of(model, truth[within], scores[within]):
            promised[name] = asdict(found)
    return {
        "reference": features,
        "reference_scores": Sketch.of(scores).to_json(),
        "reference_slices": slices,
        "promised_slices": promised,
        "calibrator": Calibrator.fit(truth, scores, model.seed).to_json(),
    }


def metric_of(model: Model, truth: npt.NDArray[np.bool_], scores: Array) -> Estimate | None:
    """The model's metric of these rows; None where all labels are alike."""
    if not len(truth) or truth.all() or not truth.any():
        return None
    confidence = model.gate.confidence
    return estimate(model.metric, truth, scores, confidence=confidence, seed=model.seed)


def sample(rows: pd.DataFrame, labels: "pd.Series[bool]", names: list[str]) -> bytes:
    """Rows for the file: the same ones in every run."""
    chosen, _ = sampled(rows, labels, ROWS)
    buffer = io.BytesIO()
    np.save(buffer, chosen[names].to_numpy(dtype=np.float32))
    return buffer.getvalue()


def sample_of(artifact: Artifact, manifest: dict[str, Any]) -> Rows | None:
    """The rows of the file; None of a model that was trained before there was one."""
    if FILE not in manifest["files"]:
        return None
    found: Rows = np.load(io.BytesIO(artifacts.read_file(artifact, manifest, FILE)))
    return found

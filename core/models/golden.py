"""Golden rows: a few rows with their scores, kept in a model's manifest.

The bytes of a model may be what they were and its scores not, under other libraries: before a
version serves it is asked again.
"""

from typing import Any

import numpy as np
import pandas as pd

from core.errors import ModelRefused
from core.models import artifacts
from core.models.fitting import predict

ROWS = 32
TOLERANCE = 1e-9  # another processor may add in another order


def of(estimator: Any, rows: pd.DataFrame) -> dict[str, Any]:
    """Rows from all over the frame and their scores, for `manifest["golden"]`."""
    places = np.unique(np.linspace(0, len(rows) - 1, ROWS).astype(int))
    some = rows.iloc[places].astype("float64")
    values = some.astype(object).where(some.notna(), None).to_numpy().tolist()
    # Asked by themselves: in a larger frame the same row may round otherwise.
    return {"rows": values, "scores": predict(estimator, some).tolist()}


def distance(estimator: Any, manifest: dict[str, Any]) -> float:
    """How far the farthest score is from what it was; 0 where there are no golden rows."""
    if not (known := manifest.get("golden")):
        return 0.0
    rows = pd.DataFrame(known["rows"], columns=manifest["features"], dtype="float64")
    return float(np.abs(predict(estimator, rows) - known["scores"]).max())


def require(estimator: Any, manifest: dict[str, Any]) -> None:
    """Demands the scores of training time.

    Raises:
        ModelRefused: they are others here.
    """
    off = distance(estimator, manifest)
    if not off <= TOLERANCE:
        changed = ", ".join(artifacts.differences(manifest)) or "the libraries are the same"
        raise ModelRefused(
            f"{manifest.get('model', 'the model')} scores its golden rows otherwise here, by up to "
            f"{off:.3g} ({changed}); retrain, or install what it was made with"
        )

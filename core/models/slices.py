"""A model's slices: which of some entities belong to each."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from catalog.kinds import DeclarationError, Model

Masks = dict[str, npt.NDArray[np.bool_]]


def masks(model: Model, rows: pd.DataFrame) -> Masks:
    """For each slice, which of these rows of features belong to it.

    Raises:
        DeclarationError: a slice returned something else than it must.
    """
    found = {}
    for name, belongs in model.slices.items():
        answer = belongs(rows)
        if not isinstance(answer, pd.Series) or not answer.index.equals(rows.index):
            raise DeclarationError(
                f"catalog/models/{model.name}.py: slices: '{name}' must return True or False for "
                "each row of the features that it gets"
            )
        found[name] = answer.to_numpy(dtype=bool)
    return found

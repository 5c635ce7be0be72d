"""Why: where a prediction comes from, and what came true. Reads only; not a flow."""

from datetime import date

import catalog
from core.models import lineage
from core.models.lineage import Lineage


def why(model: str, *, entity: str, day: date) -> Lineage:
    """Traces a prediction to its features, its model, its files, their checks and its label.

    Args:
        model: a model of the catalog.
        entity: who was scored; zeros in front may be left out.
        day: the day of the prediction, UTC.
    """
    declared = catalog.model(model)
    datasets = {name: catalog.dataset(name) for name in declared.inputs}
    return lineage.why(declared, datasets, entity, day)

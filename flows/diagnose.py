"""Diagnose: whose problem is it, the data's, the deployment's or the model's? Not a flow."""

import catalog
from core.watch import diagnosis
from core.watch.diagnosis import Diagnosis


def diagnose() -> Diagnosis:
    """Applies four rules to what the lake knows, and ends in one verdict. Reads only.

    Data that cannot be trusted come first, then versions that do not serve, then causes
    upstream, then monitoring that is missing.
    """
    return diagnosis.diagnose(
        {name: catalog.dataset(name) for name in catalog.datasets_in_order()},
        [catalog.model(name) for name in catalog.model_names()],
    )

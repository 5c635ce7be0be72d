"""New model: a model's files on a dataset. Not a flow: it imports no Prefect."""

import catalog
from core.scaffold import making_model
from core.scaffold.making_model import NewModel


def new_model(name: str, dataset: str, *, entity: str = "", horizon_days: int = 0) -> NewModel:
    """Writes a model's declaration, its test and its stanzas, on a dataset.

    Where the dataset is loaded, entity and horizon are chosen by its rows.

    Args:
        name: of the model.
        dataset: a dataset of the catalog.
        entity: the column that names what is scored; the likeliest when left out.
        horizon_days: how far ahead the label looks; by the length of the history when left out.
    """
    found = catalog.dataset(dataset)
    return making_model.new_model(name, found, entity=entity, horizon_days=horizon_days)

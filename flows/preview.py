"""Preview: what this checkout would make of the lake's last days. Reads only; not a flow."""

import catalog
from core.ci import preview as previewing
from core.ci.preview import Preview
from core.ci.tolerances import Tolerances
from flows import show_preview  # noqa: F401  registers its form


def preview(
    dataset: str | None = None,
    *,
    days: int = 7,
    max_changed: float = Tolerances.max_changed,
    max_refused: int = Tolerances.max_refused,
    max_moved: float = Tolerances.max_moved,
    allow_breaking: bool = Tolerances.allow_breaking,
) -> Preview:
    """Shows what would differ by this checkout; exit status 1 where that is too much.

    Each dataset's last days are replayed from their landed bytes in a scratch folder and
    compared with the lake; each champion scores some entities once more. The lake is only read.

    Args:
        dataset: one dataset, those it is checked against and the models that read it; else all.
        days: how many of each dataset's newest days.
        max_changed: share of a dataset's rows that may differ.
        max_refused: days of a dataset that may be refused anew.
        max_moved: share of a model's entities whose score may move.
        allow_breaking: a declaration may break its table.
    """
    names = catalog.datasets_in_order()
    models = [catalog.model(name) for name in catalog.model_names()]
    if dataset:
        names = tuple(name for name in names if name in _with_upstream(dataset))
        models = [model for model in models if dataset in model.inputs]
    return previewing.preview(
        [catalog.dataset(name) for name in names],
        models,
        {name: catalog.dataset(name) for model in models for name in model.inputs},
        days=days,
        tolerances=Tolerances(
            max_changed=max_changed,
            max_refused=max_refused,
            max_moved=max_moved,
            allow_breaking=allow_breaking,
        ),
    )


def _with_upstream(name: str) -> set[str]:
    return {name}.union(*(_with_upstream(each) for each in catalog.dataset(name).upstream))

"""Runs: the experiments of a model, listed and compared. Reads only; not a flow."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.models import runs as experiments
from core.models.runs import Run


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The runs, the newest first; `differences` has a value a run where they were compared."""

    model: str
    runs: tuple[Run, ...]
    left_out: int = 0
    compared: bool = False
    differences: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def runs(model: str, *names: str, limit: int = 20) -> Runs:
    """Lists every candidate that was fitted, or says in what some of them differ.

    Args:
        model: a model of the catalog.
        names: the runs to compare: numbers of versions, or how ids begin.
        limit: how many to list.
    """
    known = experiments.runs(model)
    if not names:
        return Runs(model=model, runs=tuple(known[:limit]), left_out=len(known[limit:]))
    chosen = experiments.choose(known, names)
    differ = experiments.differences(chosen)
    return Runs(model=model, runs=tuple(chosen), compared=True, differences=differ)

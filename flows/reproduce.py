"""Reproduce: makes versions again from what is on record, and compares. Reads only; not a flow."""

import logging
from dataclasses import dataclass

import catalog
from core import progress
from core.models import registry
from core.models import reproduce as reproducing
from core.models.reproduce import Reproduced

log = logging.getLogger("dayloop")


@dataclass(frozen=True, kw_only=True)
class Reproductions:
    """What came of each version."""

    model: str
    versions: tuple[Reproduced, ...]

    @property
    def failed(self) -> bool:
        """Whether one could not be reproduced."""
        return any(each.outcome == "not reproduced" for each in self.versions)


def reproduce(model: str, version: int | None = None) -> Reproductions:
    """Fits a version again from its recorded data, parameters and seed, and compares every bit.

    Args:
        model: a model of the catalog.
        version: its number; all versions when left out.
    """
    declared = catalog.model(model)
    datasets = {name: catalog.dataset(name) for name in declared.inputs}
    chosen = registry.versions(model) if version is None else [registry.get(model, version)]
    found = []
    for each in progress.each(chosen, f"{model}: versions"):
        found.append(reproducing.reproduce(declared, datasets, each))
        log.info("%s version %s: %s", model, each.number, found[-1].outcome)
    return Reproductions(model=model, versions=tuple(found))

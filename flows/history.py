"""History and diff: a dataset's versions, and what differs between two. Read only; no flows."""

from typing import Annotated

from cyclopts import Parameter

import catalog
from core import history as versions
from core.history import Difference, TableVersion


def history(dataset: str, *, limit: int = 20) -> list[TableVersion]:
    """Shows a dataset's versions, the newest first.

    Args:
        dataset: a dataset of the catalog.
        limit: how many.
    """
    catalog.require_dataset(dataset)
    return versions.versions(dataset, limit)


def diff(
    dataset: str,
    *,
    before: Annotated[int, Parameter(name="--from")],
    after: Annotated[int, Parameter(name="--to")],
) -> Difference:
    """Shows what differs between two versions: rows, columns, figures.

    Args:
        dataset: a dataset of the catalog.
        before: the one version.
        after: the other one.
    """
    return versions.difference(catalog.dataset(dataset), before, after)

"""Lineage as events of Prefect's assets: what was made of what, for a server that keeps them.

The lake knows all of it without Prefect (`python -m flows why`): nothing rests on these.
"""

from collections.abc import Iterable
from typing import Any

from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL

import catalog
from core import faults
from core.load.recording import Loaded
from core.models.scoring import Scored
from core.models.training import Plan


def loaded(done: Loaded) -> None:
    """Days of a table, made of what a source sent."""
    if done.changed:
        what = {"interval": str(done.interval), "rows": done.rows_good, "bad": done.rows_bad}
        _made(_table(done.dataset), (), what)


def trained(planned: Plan, version: int, sha256: str) -> None:
    """A version of a model, made of tables."""
    pinned = {name: str(number) for name, number in planned.table_versions.items()}
    what = {
        "version": version,
        "sha256": sha256,
        "as_of": str(planned.as_of),
        "data_version": planned.data_version,
        "table_versions": pinned,
    }
    _made(_model(planned.model), map(_table, pinned), what)


def scored(done: Scored) -> None:
    """A day's predictions, made of tables by a version of a model."""
    if done.changed:
        what = {"day": str(done.day), "version": done.version, "rows": done.rows}
        tables = map(_table, catalog.model(done.model).inputs)
        _made(f"dayloop://predictions/{done.model}", (_model(done.model), *tables), what)


def _table(name: str) -> str:
    return f"dayloop://tables/{name}"


def _model(name: str) -> str:
    return f"dayloop://models/{name}"


def _made(asset: str, of: Iterable[str], what: dict[str, Any]) -> None:
    """As Prefect's own `@materialize` tells it. It is sent aside and never fails the run."""
    if PREFECT_API_URL.value() is None:
        return  # a temporary server forgets it at once
    sources = list(of)
    faults.reached("before telling lineage")
    for each in sources:
        emit_event("prefect.asset.referenced", resource={"prefect.resource.id": each}, related=[])
    emit_event(
        "prefect.asset.materialization.succeeded",
        resource={"prefect.resource.id": asset},
        related=[{"prefect.resource.id": s, "prefect.resource.role": "asset"} for s in sources],
        payload=what,
    )
    faults.reached("told lineage")

"""Models: a model's versions, their states and metrics, who decided and why. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import catalog
from core.errors import ArtifactRefused
from core.models import artifacts, registry
from core.models.metrics import Estimate
from core.models.registry import Version


@dataclass(frozen=True)
class Decided:
    """One event of a version."""

    event: str
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class VersionNow:
    """A version as it stands; `problem` says why its manifest is refused, and cannot be shown."""

    number: int
    state: str
    candidate: str = ""
    metric: str = ""
    estimate: Estimate | None = None
    as_of: date | None = None
    sha256: str
    decisions: tuple[Decided, ...]
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Models:
    """A model's versions, the newest first; `mode` is its gate's."""

    model: str
    mode: str
    versions: tuple[VersionNow, ...]
    left_out: int = 0


def models(model: str, *, limit: int = 10) -> Models:
    """Shows a model's versions: their states, their metrics, who decided and why.

    Args:
        model: a model of the catalog.
        limit: how many, the newest first.
    """
    known: Sequence[Version] = registry.versions(model)[::-1]
    return Models(
        model=model,
        mode=catalog.declared_model(model).gate.mode,
        versions=tuple(_now(version) for version in known[:limit]),
        left_out=len(known[limit:]),
    )


def _now(version: Version) -> VersionNow:
    decisions = tuple(Decided(e.event, e.by, e.reason, e.at) for e in version.events)
    number, state, sha256 = version.number, version.state, version.artifact.sha256
    try:
        known = artifacts.manifest(version.artifact)
    except ArtifactRefused as refusal:
        return VersionNow(
            number=number, state=state, sha256=sha256, decisions=decisions, problem=str(refusal)
        )
    metric = known["metric"]
    return VersionNow(
        number=number,
        state=state,
        candidate=known["candidate"],
        metric=metric["name"],
        estimate=Estimate(metric["value"], metric["low"], metric["high"]),
        as_of=date.fromisoformat(known["plan"]["as_of"]),
        sha256=sha256,
        decisions=decisions,
    )

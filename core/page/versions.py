"""What the page shows of a version: what it was made of, what it predicted, who decided why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from catalog.kinds import Model
from core import home
from core.errors import ArtifactRefused
from core.models import artifacts
from core.models.card import FILE
from core.models.metrics import Estimate
from core.models.registry import Version


@dataclass(frozen=True)
class Event:
    """What was decided of a version, by whom and why."""

    event: str
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class VersionPart:
    """A version, what it was made of, and the days that it has predicted.

    Attributes:
        metric: as promised when it was trained, with its interval in words.
        tables: of each dataset the version that it was trained on.
        scored: the first and the last day, and how many.
        card: path of its card below a home on this machine; empty where there is none.
        problem: why its manifest cannot be read.
    """

    number: int
    state: str
    candidate: str
    as_of: date | None
    metric: str
    tables: Mapping[str, int]
    events: tuple[Event, ...]
    scored: tuple[date, date, int] | None
    card: str
    problem: str = ""


def version_part(model: Model, version: Version, scored: Mapping[date, int]) -> VersionPart:
    """Looks at its manifest; `scored` has the version that predicted each day."""
    days = [day for day, number in scored.items() if number == version.number]
    known: dict[str, Any] = {}
    card, problem = f"{version.artifact.path}/{FILE}", ""
    try:
        known = artifacts.manifest(version.artifact)
    except ArtifactRefused as refusal:
        problem = str(refusal)
    plan = known.get("plan", {})
    return VersionPart(
        number=version.number,
        state=version.state,
        candidate=known.get("candidate", ""),
        as_of=date.fromisoformat(plan["as_of"]) if plan else None,
        metric=_promised(known["metric"]) if known else "",
        tables=plan.get("table_versions", dict.fromkeys(model.inputs, 0)),
        events=tuple(Event(e.event, e.by, e.reason, e.at) for e in version.events),
        scored=(days[0], days[-1], len(days)) if days else None,
        card=card if home.is_local() and home.exists(card) else "",
        problem=problem,
    )


def _promised(metric: Mapping[str, Any]) -> str:
    return f"{metric['name']} {Estimate(metric['value'], metric['low'], metric['high'])}"

"""What there is: each dataset's rows, last day and trust, each model's champion, alerts."""

from dataclasses import dataclass
from datetime import date

from core import lake, ledger
from core.alerting import outbox
from core.errors import ArtifactRefused
from core.intervals import DAY, Interval
from core.models import artifacts, registry


@dataclass(frozen=True)
class DatasetNow:
    """A dataset: rows of its table, loaded days, and whether all of them can be trusted."""

    name: str
    rows: int
    first_day: date | None
    last_day: date | None
    trusted: bool
    reason: str


@dataclass(frozen=True)
class ModelNow:
    """A model: its champion (0 for none), what that is and scores, and how many versions."""

    name: str
    versions: int
    champion: int
    candidate: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    last_scored: date | None
    problem: str


@dataclass(frozen=True)
class Overview:
    """Everything at a glance."""

    datasets: tuple[DatasetNow, ...]
    models: tuple[ModelNow, ...]
    alerts_waiting: int


def overview(datasets: tuple[str, ...], models: tuple[str, ...]) -> Overview:
    """Looks at the lake; needs no catalog file to be right, only the names."""
    return Overview(
        tuple(_dataset(name) for name in datasets),
        tuple(_model(name) for name in models),
        outbox.waiting(),
    )


def _dataset(name: str) -> DatasetNow:
    known = ledger.entries(name)
    if not known:
        return DatasetNow(name, 0, None, None, False, "never loaded")
    first, last = known[0].day, known[-1].day
    found = ledger.trust(name, Interval(first, last + DAY))
    table = lake.open_table(name)
    return DatasetNow(name, table.count() if table else 0, first, last, found.trusted, found.reason)


def _model(name: str) -> ModelNow:
    versions, champion = registry.versions(name), registry.champion(name)
    scored = lake.read(f"{name}_predictions", columns=["day"])
    last = max(scored["day"].to_pylist(), default=None) if scored is not None else None
    if champion is None:
        problem = "no champion" if versions else "never trained"
        return ModelNow(name, len(versions), 0, "", "", None, None, None, last, problem)
    try:
        manifest = artifacts.manifest(champion.artifact)
    except ArtifactRefused as refusal:
        number = champion.number
        return ModelNow(name, len(versions), number, "", "", None, None, None, last, str(refusal))
    metric = manifest["metric"]
    return ModelNow(
        name,
        len(versions),
        champion.number,
        manifest["candidate"],
        metric["name"],
        metric["value"],
        metric["low"],
        metric["high"],
        last,
        "",
    )

"""What the page is made of: the verdict, datasets, models, alerts, and what to do next."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from catalog.kinds import Dataset, Model
from core import lake
from core.alerting import outbox_table
from core.alerting.alerts import Alert
from core.errors import DayloopError
from core.intervals import utc_now
from core.page.days import DatasetPart, dataset_part
from core.page.models import ModelPart, model_part
from core.watch import diagnosis
from core.watch.finding import Finding

MOST_ALERTS = 12  # that are over
MOST_STEPS = 6


@dataclass(frozen=True, kw_only=True)
class Told:
    """Alerts of one thing, by the latest; `over_at` where it is over, or was news alone.

    Attributes:
        times: how many alerts it stands for.
        since: when the first of them was recorded, UTC.
    """

    kind: str
    severity: str
    title: str
    owner: str
    todo: str
    since: datetime
    times: int = 1
    over_at: datetime | None = None


@dataclass(frozen=True)
class Step:
    """A command to type next, and what for."""

    command: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Everything on the page.

    Attributes:
        made_at: when, UTC.
        verdict: of the diagnosis; "unknown" where it could not be made.
        sentence: the verdict in one.
        evidence: what it rests on; `besides`, what other rules found.
        alerts: those that are open, the worst first; `over`, the latest that are not.
    """

    made_at: datetime
    verdict: str
    sentence: str
    evidence: tuple[Finding, ...]
    besides: tuple[Finding, ...]
    datasets: tuple[DatasetPart, ...]
    models: tuple[ModelPart, ...]
    alerts: tuple[Told, ...]
    over: tuple[Told, ...]
    steps: tuple[Step, ...]


def contents(
    datasets: Mapping[str, Dataset], models: Sequence[Model], *, now: datetime | None = None
) -> Contents:
    """Looks at the lake. Reads only.

    Args:
        datasets: all of the catalog, each after those that it is checked against.
        models: all of the catalog.
        now: the clock.
    """
    verdict, sentence = "unknown", ""
    evidence: tuple[Finding, ...] = ()
    besides: tuple[Finding, ...] = ()
    try:
        found = diagnosis.diagnose(datasets, models)
        verdict, sentence = found.verdict, found.words
        evidence, besides = found.evidence, found.besides
    except DayloopError as problem:  # which is what the page has to say then
        sentence = f"no verdict: {problem}"
    alerts, over = _alerts()
    return Contents(
        made_at=now or utc_now(),
        verdict=verdict,
        sentence=sentence,
        evidence=evidence,
        besides=besides,
        datasets=tuple(dataset_part(each) for each in datasets.values()),
        models=tuple(model_part(each) for each in models),
        alerts=tuple(alerts),
        over=tuple(over[:MOST_ALERTS]),
        steps=tuple(_steps((*evidence, *besides), alerts)),
    )


def _alerts() -> tuple[list[Told], list[Told]]:
    """The things that are open, the worst first, and those that are over, the latest first."""
    still: dict[str, Told] = {}
    over: list[Told] = []
    opened = lake.Condition("event", "in", outbox_table.OPENERS)
    rows = outbox_table.openers(outbox_table.read((opened,))).to_pylist()
    texts = outbox_table.texts([row["alert_id"] for row in rows])
    for row in rows:
        alert, at, thing = Alert.from_json(texts[row["alert_id"]]), row["at"], row["fingerprint"]
        if alert.resolves:
            if thing in still:
                over.append(replace(still.pop(thing), over_at=at))
        elif alert.severity == "info":  # news: there is nothing to be over
            over.append(replace(_told(alert, at), over_at=at))
        elif known := still.get(thing):
            still[thing] = replace(_told(alert, known.since), times=known.times + 1)
        else:
            still[thing] = _told(alert, at)
    newest = sorted(still.values(), key=lambda each: each.since, reverse=True)
    worst = sorted(newest, key=lambda each: each.severity != "page")
    return worst, sorted(over, key=lambda each: each.over_at or each.since, reverse=True)


def _told(alert: Alert, since: datetime) -> Told:
    return Told(
        kind=alert.kind,
        severity=alert.severity,
        title=alert.title or f"{alert.kind} {alert.subject}",
        owner=alert.owner,
        todo=alert.todo,
        since=since,
    )


def _steps(findings: Sequence[Finding], alerts: Sequence[Told]) -> Iterator[Step]:
    known: dict[str, str] = {}
    for finding in findings:
        why = f"{finding.about}: {finding.evidence}"
        healthy = finding.rule == "healthy"
        known.setdefault(finding.command, diagnosis.NEXT_DAY if healthy else why)
    for alert in alerts:
        known.setdefault(alert.todo, alert.title)
    for nothing_new in ("", "python -m flows report"):  # this page
        known.pop(nothing_new, None)
    for command, why in [*known.items()][:MOST_STEPS]:
        yield Step(command, why)

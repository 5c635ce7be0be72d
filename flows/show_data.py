"""How what the loop knows of datasets looks, and the overview."""

from collections.abc import Iterator
from typing import Any

from core.history import Difference
from core.intervals import DAY, runs_of
from core.load.recording import Loaded
from core.overview import Overview
from core.planning import DatasetPlan, ModelPlan
from flows.quarantine import Quarantine
from flows.show import as_text, commands, counted, table


@as_text.register
def _(seen: Overview) -> None:
    table(
        "Datasets",
        ("dataset", "rows#", "first day", "last day", "trust"),
        (
            (each.name, each.rows, each.first_day or "", each.last_day or "", _trust(each))
            for each in seen.datasets
        ),
    )
    table(
        "Models",
        ("model", "versions#", "champion", "metric", "last scored"),
        (
            (each.name, each.versions, _champion(each), _metric(each), each.last_scored or "")
            for each in seen.models
        ),
    )
    print(f"{counted(seen.alerts_waiting, 'alert')} waiting in the outbox")
    commands(_next(seen))


def _next(seen: Overview) -> Iterator[tuple[str, str]]:
    for each in seen.datasets:
        if each.first_day is None:
            yield f"python -m flows backfill {each.name} --start DAY", "load its history"
        elif not each.trusted:
            yield f"python -m flows plan {each.name}", "what is missing or was refused"
    for model in seen.models:
        if not model.versions and all(each.first_day for each in seen.datasets):
            yield f"python -m flows retrain {model.name}", "a first version"
    if seen.alerts_waiting:
        yield "python -m flows alerts", "what waits"
    yield "python -m flows report", "all of it on one page, to look at"


def _trust(each: Any) -> str:
    return "every day trusted" if each.trusted else f"not trusted: {each.reason}"


def _champion(each: Any) -> str:
    if each.problem and not each.champion:
        return str(each.problem)
    return f"version {each.champion}, {each.problem or each.candidate}"


def _metric(each: Any) -> str:
    if each.value is None:
        return ""
    return f"{each.metric} {each.value:.3f} ({each.low:.3f} to {each.high:.3f})"


@as_text.register
def _(done: Loaded) -> None:
    print(loaded(done))
    bad = (f"python -m flows quarantine {done.dataset}", "what was put aside, and why")
    commands([*([bad] if done.rows_bad else []), ("python -m flows", "what there is now")])


def loaded(done: Loaded) -> str:
    """A load in one line."""
    days = counted(done.days_loaded + done.days_empty, "day")
    refused = f", {counted(len(done.refused), 'day')} refused" if done.refused else ""
    known = "" if done.changed else ", as before"
    rows = counted(done.rows_good, "row")
    return f"{rows} in {days}, {done.rows_bad:,} in quarantine{refused}{known}"


@as_text.register
def _(seen: Quarantine) -> None:
    title = f"{seen.dataset}: {counted(seen.rows, 'row')} in quarantine"
    if not seen.rules:
        print(title)
        return
    table(
        title,
        ("rule", "column", "rows#", "first day", "last day", "for example"),
        (
            (each.rule, each.column, each.rows, each.first_day, each.last_day, _sample(each))
            for each in seen.rules
        ),
    )
    first, last = min(e.first_day for e in seen.rules), max(e.last_day for e in seen.rules)
    again = f"python -m flows requeue {seen.dataset} --start {first} --end {last + DAY} --dry-run"
    commands([(again, f"what catalog/datasets/{seen.dataset}.py makes of them today")])


def _sample(rule: Any) -> str:
    first = rule.samples[0]
    return f"row {first['row']:,} of {first['day']}: {first['value'] or first['raw']}"


@as_text.register
def _(seen: Difference) -> None:
    table(
        f"{seen.dataset}: version {seen.before} to {seen.after}",
        ("rows before#", "rows after#", "added#", "removed#", "changed#"),
        [(seen.rows_before, seen.rows_after, seen.added, seen.removed, seen.changed)],
    )
    for change in seen.schema:
        print(f"column {change}")
    if seen.profile:
        table(
            "",
            ("column", "metric", "before#", "after#"),
            ((c.column, c.metric, _number(c.before), _number(c.after)) for c in seen.profile),
        )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}"


@as_text.register
def _(plan: DatasetPlan) -> None:
    todo = (("missing", plan.missing), ("refused", plan.refused), ("outdated", plan.outdated))
    rows = [(what, len(days), ", ".join(map(str, runs_of(days)))) for what, days in todo]
    table(f"{plan.dataset}, {plan.interval}", ("", "days#", ""), rows)
    rows_to_load = counted(plan.expected_rows, "row")
    print(f"{counted(plan.unchanged, 'day')} unchanged; about {rows_to_load} to load\n")
    span = f"{plan.dataset} --start {plan.interval.start} --end {plan.interval.end}"
    load = (f"python -m flows backfill {span}", "load them")
    again = (f"python -m flows requeue {span}", "the landed bytes by today's rules")
    commands([load] * bool(plan.missing or plan.refused) + [again] * bool(plan.outdated))


@as_text.register
def _(plan: ModelPlan) -> None:
    what = f"would fit {plan.fits} candidates on {plan.train_day}, judged on {plan.holdout_day}"
    due = "due" if plan.due else "not due"
    print(f"{plan.model} as of {plan.interval.end}: {due}, {plan.reason}; {plan.blocked or what}")
    print(f"{len(plan.unscored):,} of {len(plan.interval):,} days have no predictions\n")
    fit = f"python -m flows retrain {plan.model} --as-of {plan.interval.end}"
    score = f"python -m flows score {plan.model} --day {plan.interval.end - DAY}"
    commands(
        [(fit, "fit them, and let the gate decide")] * (plan.due and not plan.blocked)
        + [(score, "the champion's predictions")] * bool(plan.unscored and not plan.blocked)
    )

"""How results look: plain tables for people, one JSON document for programs."""

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict, fields, is_dataclass
from datetime import date, datetime
from functools import singledispatch
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core.history import Difference
from core.intervals import runs_of
from core.load.loading import Loaded
from core.overview import Overview
from core.planning import DatasetPlan, ModelPlan
from flows.quarantine import Quarantine

WIDTH_WITHOUT_TERMINAL = 120


def as_json(result: Any) -> str:
    """The result's fields as JSON; days and moments in ISO 8601."""
    plain = asdict(result) if is_dataclass(result) and not isinstance(result, type) else result
    return json.dumps(plain, default=_text, indent=2)


def _text(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)


@singledispatch
def as_text(result: Any) -> None:
    """Prints a result for people; what has no form of its own as JSON."""
    print(as_json(result))


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Prints a table; columns whose name ends in `#` hold numbers."""
    columns = tuple(columns)
    shown = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    shown.show_header = any(columns)
    for column in columns:
        right = column.endswith("#")
        shown.add_column(column.rstrip("#"), justify="right" if right else "left")
    for row in rows:
        # Escaped: a bad row's value may look like markup.
        shown.add_row(*(f"{c:,}" if isinstance(c, int) else escape(str(c)) for c in row))
    console().print(shown)


def commands(pairs: Iterable[tuple[str, str]]) -> None:
    """Prints the next commands to try, each with what it is for."""
    grid = Table.grid(padding=(0, 2))
    for command, purpose in pairs:
        command = command.replace("python ", f"{_python()} ", 1)
        grid.add_row(f"  {command}", f"[dim]{purpose}[/dim]")
    console().print("Next", grid, sep="\n")


def _python() -> str:
    # `python` is the right one only where the environment is active.
    here, python = Path.cwd(), Path(sys.executable)
    if os.environ.get("VIRTUAL_ENV") or not python.is_relative_to(here):
        return "python"
    return str(python.relative_to(here))


def console() -> Console:
    """Standard output; as wide as the terminal, or wide enough for a log."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=WIDTH_WITHOUT_TERMINAL)


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
    waiting = seen.alerts_waiting
    print(f"{waiting} alert{'' if waiting == 1 else 's'} waiting in the outbox")


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


def loaded(done: Loaded) -> str:
    """A load in one line."""
    days = done.days_loaded + done.days_empty
    refused = f", {len(done.refused)} days refused" if done.refused else ""
    known = "" if done.changed else ", as before"
    return (
        f"{done.rows_good:,} rows in {days:,} day{'' if days == 1 else 's'}, "
        f"{done.rows_bad:,} in quarantine{refused}{known}"
    )


@as_text.register
def _(seen: Quarantine) -> None:
    title = f"{seen.dataset}: {seen.rows:,} row{'' if seen.rows == 1 else 's'} in quarantine"
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


def _sample(rule: Any) -> str:
    first = rule.samples[0]
    return f"row {first['row']:,} of {first['day']}: {first['value'] or first['raw']}"


def _plan(plan: DatasetPlan | ModelPlan) -> None:
    if isinstance(plan, DatasetPlan):
        todo = (("missing", plan.missing), ("refused", plan.refused), ("outdated", plan.outdated))
        rows = [(what, len(days), ", ".join(map(str, runs_of(days)))) for what, days in todo]
        table(f"{plan.dataset}, {plan.interval}", ("", "days#", ""), rows)
        print(f"{plan.unchanged:,} days unchanged; about {plan.expected_rows:,} rows to load\n")
        return
    what = f"would fit {plan.fits} candidates on {plan.train_day}, judged on {plan.holdout_day}"
    due = "due" if plan.due else "not due"
    print(f"{plan.model} as of {plan.interval.end}: {due}, {plan.reason}; {plan.blocked or what}")
    print(f"{len(plan.unscored):,} of {len(plan.interval):,} days have no predictions\n")


@as_text.register
def _(seen: list) -> None:  # type: ignore[type-arg]
    if not seen:
        print("nothing")
    elif isinstance(seen[0], (DatasetPlan, ModelPlan)):
        for each in seen:
            _plan(each)
    else:
        names = [field.name for field in fields(seen[0])]
        rows = [[_cell(getattr(each, name)) for name in names] for each in seen]
        numbers = {name for name in names if isinstance(getattr(seen[0], name), int)}
        table("", [f"{n.replace('_', ' ')}#" if n in numbers else n for n in names], rows)


def _cell(value: Any) -> Any:
    if isinstance(value, tuple):
        return " ".join(str(each)[:12] for each in value)
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else value


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
def _(delivered: dict) -> None:  # type: ignore[type-arg]
    if not delivered:
        print("nobody to tell: set DAYLOOP_WEBHOOKS, see deployments/README.md")
        return
    table(
        "",
        ("receiver", "delivered#", "waiting#", "dead#", ""),
        (
            (name, each.delivered, each.waiting, each.dead, each.detail)
            for name, each in delivered.items()
        ),
    )

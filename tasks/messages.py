"""What alerts say: of refused data, of failed and late runs, of drift, decay and the gate."""

from datetime import date
from typing import Any

from prefect import runtime
from prefect.utilities.urls import url_for

import catalog
from core.alerting.alerts import Alert
from core.intervals import DAY, Interval
from core.load.recording import Loaded
from core.watch.monitoring import Watched
from core.watch.performance_table import Realised
from tasks.models import Trained

REFUSED, WARNED, FAILED, LATE_RUN = "refused_data", "data_warning", "failed_flow", "late_run"
DRIFT, DECAY, APPROVAL = "drift", "decay", "approval_needed"
UNNAMED = ("by", "reason", "keep")  # parameters that are no part of what a run is called
SINGLY, LISTED = 3, 20  # of many: refused days with an alert each, names in a title; in a text


def crashed(flow_name: str, flow_run: Any, deployment: str = "") -> Alert:
    """What the state hook says of a crash, said for a process that is dead.

    Where both saw it they say the same, with the same id: it is told once.
    """
    return failed(flow_name, flow_run, "crashed", flow_run.state.message or "")


def late_run(flow_name: str, flow_run: Any, deployment: str) -> Alert:
    """That a run has not begun; late runs of one deployment are one thing."""
    due = f"{flow_run.expected_start_time:%Y-%m-%d %H:%M} UTC"
    return Alert(
        kind=LATE_RUN,
        subject=f"{flow_name} {deployment}".strip(),
        title=f"{flow_name}/{deployment}: the run due at {due} has not begun",
        text="No worker has taken it: none lives, none looks at its queue, or all are busy.",
        severity="page",
        owner=_owner(flow_run.parameters),
        todo=f"prefect worker start --pool {flow_run.work_pool_name or 'dayloop'}",
        run_url=url_for("flow-run", obj_id=flow_run.id) or "",
        key=str(flow_run.id),
    )


def failed(flow_name: str, flow_run: Any, what: str, text: str) -> Alert:
    """That a run failed or crashed, with the command to run it again."""
    # Not the run's own name: a worker's hook has the one from before it was given.
    name = called(flow_name, flow_run.parameters)
    return Alert(
        kind=FAILED,
        subject=name,
        title=f"{name} {what}: {_first_line(text)}",
        severity="page",
        owner=_owner(flow_run.parameters),
        todo=_command(flow_name, flow_run.parameters),
        run_url=url_for("flow-run", obj_id=flow_run.id) or "",
        key=str(flow_run.id),
    )


def refused(loaded: Loaded) -> list[Alert]:
    """One alert for a refused day, and one for all of a load that refused many."""
    if len(loaded.refused) <= SINGLY:
        return [_refusal(loaded, Interval.of_day(day), reason) for day, reason in loaded.refused]
    days = [day for day, _ in loaded.refused]
    listed = [f"{day}: {reason}" for day, reason in loaded.refused[:LISTED]]
    more = len(days) - len(listed)
    text = "\n".join([*listed, *([f"and {more:,} more days"] if more else [])])
    interval = Interval(min(days), max(days) + DAY)
    return [_refusal(loaded, interval, f"{len(days):,} days, the first: {listed[0]}", text)]


def warned(loaded: Loaded) -> list[Alert]:
    """One alert for all that a load warns of: the days are loaded, and someone should look."""
    if not loaded.warnings:
        return []
    name, lines = loaded.dataset, [f"{day}: {words}" for day, _, words in loaded.warnings]
    more = len(lines) - LISTED
    listed = [*lines[:LISTED], *([f"and {more:,} more"] if more > 0 else [])]
    rules = sorted({rule for _, rule, _ in loaded.warnings})
    first = min(day for day, _, _ in loaded.warnings)
    # What is only unusual is all in the table: the page draws it beside its limits.
    only = all(rule.startswith("unusual ") for rule in rules)
    look = "report" if only else f"quarantine {name} --day {first}"
    return [
        Alert(
            kind=WARNED,
            subject=name,
            title=f"{name} {lines[0]}" if len(lines) == 1 else f"{name}: {', '.join(rules)}",
            text="\n".join(["The rows are loaded all the same.", *listed]),
            severity="warn",
            owner=catalog.dataset(name).owner,
            todo=f"python -m flows {look}",
            run_url=_run_url(),
            key=" ".join([str(loaded.interval), *rules]),
        )
    ]


def _refusal(loaded: Loaded, interval: Interval, reason: str, text: str = "") -> Alert:
    name = loaded.dataset
    again = f"etl {name} --day {interval.start}"
    if len(interval) > 1:
        again = f"backfill {name} --start {interval.start} --end {interval.end}"
    kept = "The table keeps what it had. Nothing that reads it sees the refused rows."
    return Alert(
        kind=REFUSED,
        subject=f"{name} {interval}",
        title=f"{name} {interval} was refused: {reason}",
        text=f"{kept}\n{text}".strip(),
        severity="page",
        owner=catalog.dataset(name).owner,
        todo=f"fix the source, then: python -m flows {again}",
        run_url=_run_url(),
        key=reason,
    )


def drifted(watched: Watched) -> list[Alert]:
    """One alert while the same features of the same version drift, however many they are."""
    owner, name = catalog.model(watched.model).owner, watched.model
    if not watched.drifted:
        return []
    limits = catalog.model(name).drift
    moved = sorted(
        (each for each in watched.drift if each.name in watched.drifted),
        key=lambda each: -(each.psi or each.auc or 0),
    )
    lines = [
        f"{each.name}: {each.evidence}, {each.rows:,} rows against {each.reference_rows:,}"
        for each in moved[:LISTED]
    ]
    more = len(moved) - LISTED
    lines += [f"and {more:,} more"] if more > 0 else []
    named = ", ".join(each.name for each in moved[:SINGLY])
    others = f" and {len(moved) - SINGLY:,} more" if len(moved) > SINGLY else ""
    return [
        Alert(
            kind=DRIFT,
            subject=f"{name} version {watched.version}",
            title=f"{name} {watched.day}: {named}{others} drifted since training",
            text="\n".join([f"Limits: PSI {limits.psi:g}, AUC {limits.auc:g}.", *lines]),
            severity="warn",
            owner=owner,
            todo=f"python -m flows monitor {name} --day {watched.day}",
            run_url=_run_url(),
            key=" ".join(sorted(watched.drifted)),
        )
    ]


def decayed(watched: Watched) -> list[Alert]:
    """One alert for each day whose predictions broke what was promised, and in which slices."""
    owner, name = catalog.model(watched.model).owner, watched.model
    of_day: dict[date, list[Realised]] = {}
    for each in watched.decayed:
        of_day.setdefault(each.day, []).append(each)
    return [
        Alert(
            kind=DECAY,
            subject=f"{name} version {broken[0].version}",
            title=f"{name} {day}: {_broken(broken[0])}",
            text="\n".join(_broken(each) for each in broken[1:]),
            severity="page",
            owner=owner,
            todo=f"python -m flows retrain {name} --as-of {watched.day}",
            run_url=_run_url(),
            key=str(day),
        )
        for day, broken in of_day.items()
    ]


def _broken(each: Realised) -> str:
    known = f", estimated {each.estimated} before" if each.estimated else ""
    return f"{each.name} is {each.estimate}, promised {each.promised}{known}"


def judged(trained: Trained) -> list[Alert]:
    """News of a promotion, or the question that only a person can answer.

    Told again when a rerun finds it decided, in case a kill came between: the outbox knows it.
    """
    owner, name = catalog.model(trained.model).owner, trained.model
    mode = catalog.model(name).gate.mode
    subject, key = f"{name} {trained.version}", trained.verdict
    if trained.promoted:
        title = f"{name} {trained.version} ({trained.challenger}) is champion: {trained.reason}"
        return [
            Alert(
                kind="promotion",
                subject=subject,
                title=title,
                severity="info",
                owner=owner,
                todo=f'python -m flows rollback {name} --by NAME --reason "..."',
                run_url=_run_url(),
                key="promote",
            )
        ]
    asks = trained.verdict == "promote" and mode == "manual"
    if asks or trained.verdict == "not enough data to say":
        verb = "approve" if mode == "manual" else "promote"
        return [
            Alert(
                kind=APPROVAL,
                subject=subject,
                title=f"{name} {trained.version} waits for your decision: {trained.reason}",
                severity="warn",
                owner=owner,
                todo=f'python -m flows {verb} {name} {trained.version} --by NAME --reason "..."',
                run_url=_run_url(),
                key=key,
            )
        ]
    return []


def _run_url() -> str:
    identity = runtime.flow_run.id
    return (url_for("flow-run", obj_id=identity) or "") if identity else ""


def _owner(parameters: dict[str, Any]) -> str:
    if name := parameters.get("dataset"):
        return catalog.dataset(name).owner
    if name := parameters.get("model"):
        return catalog.model(name).owner
    return ""


def called(verb: str, parameters: dict[str, Any]) -> str:
    """What a run of these parameters is about: the subject of its alerts."""
    shown = [
        key.replace("_", "-") if value is True else str(value)
        for key, value in parameters.items()
        if key not in UNNAMED and value is not None and value is not False
    ]
    return " ".join([verb, *shown])


def _command(verb: str, parameters: dict[str, Any]) -> str:
    names = [str(parameters[key]) for key in ("dataset", "model") if parameters.get(key)]
    others = [
        f"--{key.replace('_', '-')}" + ("" if value is True else f" {value}")
        for key, value in parameters.items()
        if key not in ("dataset", "model") and value is not None and value is not False
    ]
    return " ".join(["python -m flows", verb, *names, *others])


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[0]

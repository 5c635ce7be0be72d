"""Tasks that tell people: record an alert in the outbox, deliver what waits there."""

import logging
import os
from datetime import date
from typing import Any

from prefect import runtime, task
from prefect.blocks.system import Secret
from prefect.exceptions import MissingResult
from prefect.utilities.urls import url_for

import catalog
from core import deadman, ledger, outbox, receivers
from core.alerts import Alert
from core.errors import DataRefused, DayloopError, Incomplete, UsageError
from core.intervals import DAY, Interval
from core.loading import Loaded
from core.monitoring import Watched
from core.receivers import Receiver
from tasks.models import Trained
from tasks.patience import ON_LAKE

BLOCK, DEADMAN_BLOCK = "dayloop-webhooks", "dayloop-deadman-url"
REFUSED, FAILED, LATE_RUN = "refused_data", "failed_flow", "late_run"
DRIFT, DECAY, APPROVAL = "drift", "decay", "approval_needed"
UNNAMED = ("by", "reason", "keep")  # parameters that are no part of what a run is called
SINGLY, LISTED = 3, 20  # refused days with an alert each; named in one alert for many
log = logging.getLogger("dayloop")


@task(**ON_LAKE)
def tell(alerts: list[Alert]) -> list[Alert]:
    """Records alerts; returns those that were not known yet."""
    new = outbox.queue(alerts)
    for alert in new:
        log.warning("alert (%s): %s", alert.severity, alert.title)
    return new


@task(**ON_LAKE)
def settle(dataset: str) -> int:
    """Resolves the alerts about days that were refused and are not any more."""
    subjects = {record.alert.subject for record in outbox.state() if record.alert.kind == REFUSED}
    over = [
        subject
        for subject in subjects
        if subject.partition(" ")[0] == dataset and not _still_refused(dataset, subject)
    ]
    return sum(outbox.resolve(REFUSED, subject) is not None for subject in over)


@task(**ON_LAKE)
def settle_model(watched: Watched) -> int:
    """Resolves what was told of a model's drift and decay and is over.

    That is so when nothing drifts any more, when predictions keep their promise again, and
    for the drift of versions before the one that serves.
    """
    over = []
    for number in range(1, watched.version + 1):
        of_version = f"{watched.model} version {number}"
        serves = number == watched.version
        if not serves or not watched.drifted:
            over.append((DRIFT, of_version))
        if serves and watched.realised and not watched.decayed:
            over.append((DECAY, of_version))
    told = {(record.alert.kind, record.alert.subject) for record in outbox.state()}
    return sum(outbox.resolve(*each) is not None for each in over if each in told)


def _still_refused(dataset: str, subject: str) -> bool:
    first, _, last = subject.partition(" ")[2].partition(" through ")
    interval = Interval(date.fromisoformat(first), date.fromisoformat(last or first) + DAY)
    return any(entry.status == "refused" for entry in ledger.entries(dataset, interval))


@task(**ON_LAKE)
def deliver() -> dict[str, Any]:
    """Sends what waits in the outbox to every receiver, and says how far it got."""
    return _deliver()


def _deliver() -> dict[str, Any]:
    found = find_receivers()
    if not found:
        return {}
    tallies = outbox.deliver(found)
    for name, tally in tallies.items():
        log.info("alerts to %s: %s", name, tally)
    return dict(tallies)


def find_receivers() -> tuple[Receiver, ...]:
    """Those of `DAYLOOP_WEBHOOKS`; where it is not set, of the Secret block."""
    if os.environ.get(receivers.VARIABLE):
        return receivers.from_environment()
    return receivers.parse(_secret(BLOCK))


def find_deadman() -> str:
    """The dead-man service's address of the environment; where it is not set, of the block."""
    return deadman.from_environment() or _secret(DEADMAN_BLOCK)


def _secret(name: str) -> str:
    try:
        block: Any = Secret.load(name)
    except ValueError:  # there is no such block
        return ""
    return str(block.get())


def on_failure(flow: Any, flow_run: Any, state: Any) -> None:
    """State hook: tells that a flow failed or crashed, unless its reasons are told already."""
    reason = _reason(state)
    if isinstance(reason, (DataRefused, UsageError)):  # told already; the caller's own mistake
        return
    if isinstance(reason, Incomplete) and reason.told:
        return
    text = str(reason) if isinstance(reason, DayloopError) else state.message or ""
    tell.fn([_failed(flow.name, flow_run, state.name.lower(), text)])
    _deliver()


def on_completion(flow: Any, flow_run: Any, state: Any) -> None:
    """State hook: what of this failed before, or had not begun, is over."""
    over = [outbox.resolve(FAILED, _called(flow.name, flow_run.parameters))]
    if name := runtime.deployment.name:
        over.append(outbox.resolve(LATE_RUN, f"{flow.name} {name}"))
    if any(over):
        _deliver()


# For every flow that can fail or be late: `@flow(..., **alerting.TELLING)`.
TELLING: dict[str, Any] = {
    "on_failure": [on_failure],
    "on_crashed": [on_failure],
    "on_completion": [on_completion],
}


def crashed(flow_name: str, flow_run: Any, deployment: str = "") -> Alert:
    """What the state hook says of a crash, said for a process that is dead.

    Where both saw it they say the same, with the same id: it is told once.
    """
    return _failed(flow_name, flow_run, "crashed", flow_run.state.message or "")


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


def _failed(flow_name: str, flow_run: Any, what: str, text: str) -> Alert:
    # Not the run's own name: a worker's hook has the one from before it was given.
    name = _called(flow_name, flow_run.parameters)
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


def _reason(state: Any) -> Any:
    try:
        return state.result(raise_on_failure=False)
    except MissingResult:  # a crash leaves none
        return None


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
    """One alert while the same features of the same version drift."""
    owner, name = catalog.model(watched.model).owner, watched.model
    if not watched.drifted:
        return []
    lines = [
        f"{each.feature}: PSI {each.psi:.2f} (limit {catalog.model(name).drift.psi}), "
        f"KS {each.ks:.2f}, {each.rows:,} rows against {each.reference_rows:,}"
        for each in watched.drift
        if each.feature in watched.drifted
    ]
    return [
        Alert(
            kind=DRIFT,
            subject=f"{name} version {watched.version}",
            title=f"{name} {watched.day}: {', '.join(watched.drifted)} drifted since training",
            text="\n".join(lines),
            severity="warn",
            owner=owner,
            todo=f"python -m flows monitor {name} --day {watched.day}",
            run_url=_run_url(),
            key=" ".join(sorted(watched.drifted)),
        )
    ]


def decayed(watched: Watched) -> list[Alert]:
    """One alert for each day whose predictions broke what was promised at training."""
    owner, name = catalog.model(watched.model).owner, watched.model
    return [
        Alert(
            kind=DECAY,
            subject=f"{name} version {each.version}",
            title=f"{name} {each.day}: {each.metric} is {each.estimate}, promised {each.promised}",
            severity="page",
            owner=owner,
            todo=f"python -m flows retrain {name} --as-of {watched.day}",
            run_url=_run_url(),
            key=str(each.day),
        )
        for each in watched.decayed
    ]


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
        return [
            Alert(
                kind=APPROVAL,
                subject=subject,
                title=f"{name} {trained.version} waits for your decision: {trained.reason}",
                severity="warn",
                owner=owner,
                todo=f'python -m flows promote {name} {trained.version} --by NAME --reason "..."',
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


def _called(verb: str, parameters: dict[str, Any]) -> str:
    shown = (value for key, value in parameters.items() if key not in UNNAMED)
    return " ".join([verb, *(str(value) for value in shown if value is not None)])


def _command(verb: str, parameters: dict[str, Any]) -> str:
    names = [str(parameters[key]) for key in ("dataset", "model") if parameters.get(key)]
    others = [
        f"--{key.replace('_', '-')} {value}"
        for key, value in parameters.items()
        if key not in ("dataset", "model") and value is not None
    ]
    return " ".join(["python -m flows", verb, *names, *others])


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[0]

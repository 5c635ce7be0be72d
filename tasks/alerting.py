"""Tasks that tell people: record an alert in the outbox, deliver what waits there."""

import logging
import os
from typing import Any

from prefect import runtime, task
from prefect.blocks.system import Secret
from prefect.exceptions import MissingResult
from prefect.utilities.urls import url_for

import catalog
from core import outbox, receivers, registry
from core.alerts import Alert
from core.errors import DataRefused, DayloopError, Incomplete, UsageError
from core.loading import Loaded
from core.monitoring import Watched
from core.receivers import Receiver
from tasks.models import Trained
from tasks.patience import ON_LAKE

BLOCK = "dayloop-webhooks"
REFUSED = "refused_data"
log = logging.getLogger("dayloop")


@task(**ON_LAKE)
def tell(alerts: list[Alert]) -> list[Alert]:
    """Records alerts; returns those that were not known yet."""
    new = outbox.queue(alerts)
    for alert in new:
        log.warning("alert (%s): %s", alert.severity, alert.title)
    return new


@task(**ON_LAKE)
def settle(loaded: Loaded) -> int:
    """Resolves the alerts about days that were refused and are loaded now."""
    bad = {day for day, _ in loaded.refused}
    waiting = {record.alert.subject for record in outbox.state() if record.alert.kind == REFUSED}
    over = [f"{loaded.dataset} {day}" for day in loaded.interval.days() if day not in bad]
    return sum(outbox.resolve(REFUSED, subject) is not None for subject in waiting & {*over})


@task(**ON_LAKE)
def deliver() -> dict[str, Any]:
    """Sends what waits in the outbox to every receiver, and says how far it got."""
    return _deliver()


def _deliver() -> dict[str, Any]:
    found = _receivers()
    if not found:
        return {}
    tallies = outbox.deliver(found)
    for name, tally in tallies.items():
        log.info("alerts to %s: %s", name, tally)
    return dict(tallies)


def _receivers() -> tuple[Receiver, ...]:
    if os.environ.get("DAYLOOP_WEBHOOKS"):
        return receivers.from_environment()
    try:
        block: Any = Secret.load(BLOCK)
    except ValueError:  # there is no such block
        return ()
    return receivers.parse(str(block.get()))


def on_failure(flow: Any, flow_run: Any, state: Any) -> None:
    """State hook: tells that a flow failed or crashed, unless its reasons are told already."""
    reason = _reason(state)
    if isinstance(reason, (DataRefused, UsageError)):  # told already; the caller's own mistake
        return
    if isinstance(reason, Incomplete) and reason.told:
        return
    text = str(reason) if isinstance(reason, DayloopError) else state.message or ""
    alert = Alert(
        kind="failed_flow",
        subject=flow_run.name,
        title=f"{flow_run.name} {state.name.lower()}: {_first_line(text)}",
        severity="page",
        owner=_owner(flow_run.parameters),
        todo=_command(flow.name, flow_run.parameters),
        run_url=url_for("flow-run", obj_id=flow_run.id) or "",
        key=str(flow_run.id),
    )
    tell.fn([alert])
    _deliver()


def _reason(state: Any) -> Any:
    try:
        return state.result(raise_on_failure=False)
    except MissingResult:  # a crash leaves none
        return None


def refused(loaded: Loaded) -> list[Alert]:
    """One alert for each refused day."""
    owner, name = catalog.dataset(loaded.dataset).owner, loaded.dataset
    return [
        Alert(
            kind=REFUSED,
            subject=f"{name} {day}",
            title=f"{name} {day} was refused: {reason}",
            text="The table keeps what it had. Nothing that reads it sees the refused rows.",
            severity="page",
            owner=owner,
            todo=f"fix the source, then: python -m flows etl {name} --day {day}",
            run_url=_run_url(),
            key=reason,
        )
        for day, reason in loaded.refused
    ]


def drifted(watched: Watched) -> list[Alert]:
    """One alert while the same features of the same version drift, and one for decay."""
    owner, name = catalog.model(watched.model).owner, watched.model
    alerts = []
    if watched.drifted:
        lines = [
            f"{each.feature}: PSI {each.psi:.2f} (limit {catalog.model(name).drift.psi}), "
            f"KS {each.ks:.2f}, {each.rows:,} rows against {each.reference_rows:,}"
            for each in watched.drift
            if each.feature in watched.drifted
        ]
        alerts.append(
            Alert(
                kind="drift",
                subject=f"{name} version {watched.version}",
                title=f"{name} {watched.day}: {', '.join(watched.drifted)} drifted since training",
                text="\n".join(lines),
                severity="warn",
                owner=owner,
                todo=f"python -m flows monitor {name} --day {watched.day}",
                run_url=_run_url(),
                key=" ".join(sorted(watched.drifted)),
            )
        )
    for each in watched.realised:
        if each.verdict == "decayed":
            alerts.append(
                Alert(
                    kind="decay",
                    subject=f"{name} version {each.version}",
                    title=f"{name} {each.day}: {each.metric} is {each.estimate}, promised "
                    f"{each.promised}",
                    severity="page",
                    owner=owner,
                    todo=f"python -m flows retrain {name} --as-of {watched.day}",
                    run_url=_run_url(),
                    key=str(each.day),
                )
            )
    return alerts


def judged(trained: Trained) -> list[Alert]:
    """News of a promotion, or the question that only a person can answer."""
    owner, name = catalog.model(trained.model).owner, trained.model
    mode = catalog.model(name).gate.mode
    subject, key = f"{name} {trained.version}", trained.verdict
    if why := trained.reason if trained.promoted else _untold(trained):
        title = f"{name} {trained.version} ({trained.challenger}) is champion: {why}"
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
                kind="approval_needed",
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


def _untold(trained: Trained) -> str:
    """Why the gate promoted what serves unchanged: a run killed just then told nobody."""
    champion = registry.champion(trained.model) if trained.verdict == "unchanged" else None
    events = champion.events if champion else ()
    said = (each.reason for each in events if (each.event, each.by) == ("promoted", registry.GATE))
    return next(said, "")


def _run_url() -> str:
    identity = runtime.flow_run.id
    return (url_for("flow-run", obj_id=identity) or "") if identity else ""


def _owner(parameters: dict[str, Any]) -> str:
    if name := parameters.get("dataset"):
        return catalog.dataset(name).owner
    if name := parameters.get("model"):
        return catalog.model(name).owner
    return ""


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

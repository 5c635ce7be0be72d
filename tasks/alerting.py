"""Tasks that tell people: record an alert in the outbox, deliver what waits there."""

import logging
import os
from typing import Any

from prefect import runtime, task
from prefect.exceptions import MissingResult

from core import ledger
from core.alerting import deadman, outbox, receivers
from core.alerting.alerts import Alert
from core.alerting.receivers import Receiver
from core.errors import DayloopError, UsageError
from core.intervals import Interval
from core.watch.monitoring import Watched
from tasks import messages, secrets
from tasks.patience import ON_LAKE

BLOCK, DEADMAN_BLOCK = "dayloop-webhooks", "dayloop-deadman-url"
log = logging.getLogger("dayloop")


@task(task_run_name="record alerts", **ON_LAKE)
def tell(alerts: list[Alert]) -> list[Alert]:
    """Records alerts; returns those that were not known yet."""
    new = outbox.queue(alerts)
    for alert in new:
        log.warning("alert (%s): %s", alert.severity, alert.title)
    return new


@task(task_run_name="settle alerts of {dataset}", **ON_LAKE)
def settle(dataset: str, warned: bool = False) -> int:
    """Resolves what was told of days that were refused, or warned of, and is over."""
    subjects = {
        record.alert.subject for record in outbox.state() if record.alert.kind == messages.REFUSED
    }
    over = [
        subject
        for subject in subjects
        if subject.partition(" ")[0] == dataset and not _still_refused(dataset, subject)
    ]
    resolved = [outbox.resolve(messages.REFUSED, subject) for subject in over]
    resolved += [] if warned else [outbox.resolve(messages.WARNED, dataset)]
    return sum(each is not None for each in resolved)


@task(task_run_name="settle alerts of a model", **ON_LAKE)
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
            over.append((messages.DRIFT, of_version))
        if serves and watched.realised and not watched.decayed:
            over.append((messages.DECAY, of_version))
    told = {(record.alert.kind, record.alert.subject) for record in outbox.state()}
    return sum(outbox.resolve(*each) is not None for each in over if each in told)


def _still_refused(dataset: str, subject: str) -> bool:
    interval = Interval.parse(subject.partition(" ")[2])
    return any(entry.status == "refused" for entry in ledger.entries(dataset, interval))


@task(task_run_name="deliver alerts", **ON_LAKE)
def deliver() -> dict[str, Any]:
    """Sends what waits in the outbox to every receiver, and says how far it got."""
    return _deliver()


def _deliver() -> dict[str, Any]:
    found = find_receivers()
    if not found:
        return {}
    tallies = outbox.deliver(found)
    for name, tally in tallies.items():
        if tally.delivered or tally.waiting or tally.dead:
            counts = (tally.delivered, tally.waiting, tally.dead)
            log.info("alerts to %s: %s delivered, %s waiting, %s dead", name, *counts)
    return dict(tallies)


def find_receivers() -> tuple[Receiver, ...]:
    """Those of `DAYLOOP_WEBHOOKS`; where it is not set, of the Secret block."""
    if os.environ.get(receivers.VARIABLE):
        return receivers.from_environment()
    return receivers.parse(secrets.block(BLOCK))


def find_deadman() -> str:
    """The dead-man service's address of the environment; where it is not set, of the block."""
    return deadman.from_environment() or secrets.block(DEADMAN_BLOCK)


def on_failure(flow: Any, flow_run: Any, state: Any) -> None:
    """State hook: tells that a flow failed or crashed, unless its reasons are told already."""
    reason = _reason(state)
    if isinstance(reason, UsageError):  # the caller's own mistake
        return
    if isinstance(reason, DayloopError) and reason.told:
        return
    text = str(reason) if isinstance(reason, DayloopError) else state.message or ""
    tell.fn([messages.failed(flow.name, flow_run, state.name.lower(), text)])
    _deliver()


def on_completion(flow: Any, flow_run: Any, state: Any) -> None:
    """State hook: what of this failed before, or had not begun, is over."""
    over = [outbox.resolve(messages.FAILED, messages.called(flow.name, flow_run.parameters))]
    if name := runtime.deployment.name:
        over.append(outbox.resolve(messages.LATE_RUN, f"{flow.name} {name}"))
    if any(over):
        _deliver()


# For every flow that can fail or be late: `@flow(..., **alerting.TELLING)`.
TELLING: dict[str, Any] = {
    "on_failure": [on_failure],
    "on_crashed": [on_failure],
    "on_completion": [on_completion],
}


def _reason(state: Any) -> Any:
    try:
        return state.result(raise_on_failure=False)
    except MissingResult:  # a crash leaves none
        return None

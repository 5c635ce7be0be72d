"""Tasks of people's decisions about versions; each is recorded and told."""

from dataclasses import dataclass

from prefect import task

import catalog
from core.alerting import outbox
from core.alerting.alerts import Alert, Severity
from core.models import mlflow_mirror, registry
from tasks import alerting, messages
from tasks.patience import ON_LAKE


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What was decided: the version, who serves now (0 for nobody), whether that is new."""

    model: str
    decision: str
    version: int
    champion: int
    by: str
    reason: str
    changed: bool


@task(task_run_name="promote {model} {version}", **ON_LAKE)
def promote(model: str, version: int, by: str, reason: str) -> Ruling:
    """Makes a version the champion; where the gate is manual, only an approved one."""
    manual = catalog.model(model).gate.mode == "manual"
    changed = registry.promote(model, version, by=by, reason=reason, only_approved=manual)
    return _ruled(model, "promoted", version, by, reason, changed)


@task(task_run_name="approve {model} {version}", **ON_LAKE)
def approve(model: str, version: int, by: str, reason: str) -> Ruling:
    """Records that a person vouches for a version."""
    changed = registry.approve(model, version, by=by, reason=reason)
    return _ruled(model, "approved", version, by, reason, changed)


@task(task_run_name="reject {model} {version}", **ON_LAKE)
def reject(model: str, version: int, by: str, reason: str) -> Ruling:
    """Turns a version down for good."""
    changed = registry.close(model, version, "rejected", by=by, reason=reason)
    return _ruled(model, "rejected", version, by, reason, changed)


@task(task_run_name="roll back {model}", **ON_LAKE)
def rollback(model: str, by: str, reason: str) -> Ruling:
    """Makes the earlier champion serve again; not once more where a rerun finds it done."""
    for last in registry.history(model)[-1:]:
        if (last.event, last.by, last.reason) == ("rolled_back", by, reason):
            return _ruled(model, "rolled back to", last.version, by, reason, False)
    version = registry.rollback(model, by=by, reason=reason)
    return _ruled(model, "rolled back to", version, by, reason, True)


@task(task_run_name="retire {model} {version}", **ON_LAKE)
def retire(model: str, version: int, by: str, reason: str) -> Ruling:
    """Takes a version out of service for good."""
    changed = registry.close(model, version, "retired", by=by, reason=reason)
    return _ruled(model, "retired", version, by, reason, changed)


def _ruled(model: str, decision: str, version: int, by: str, reason: str, changed: bool) -> Ruling:
    champion = registry.champion(model)
    serving = champion.number if champion else 0
    own = [event for event in registry.history(model) if event.version == version]
    # Told again where a rerun finds it done, in case a kill came between: the outbox knows it.
    tell_of(model, decision, version, by, reason, number=own[-1].number, serving=serving)
    mlflow_mirror.mirror(model)
    return Ruling(
        model=model,
        decision=decision,
        version=version,
        champion=serving,
        by=by,
        reason=reason,
        changed=changed,
    )


def tell_of(
    model: str, decision: str, version: int, by: str, reason: str, *, number: int, serving: int
) -> None:
    """Tells what a person decided, and that the question of it is over."""
    severity: Severity = "info"
    todo = f"python -m flows score {model}"
    if decision == "approved":
        todo = f'python -m flows promote {model} {version} --by NAME --reason "..."'
    elif not serving:
        todo, severity = f"python -m flows retrain {model}", "page"
    alert = Alert(
        kind="promotion",
        subject=f"{model} {version}",
        title=f"{model} {version} was {decision} by {by}: {reason}",
        text=f"champion now: {serving or 'none'}",
        severity=severity,
        owner=catalog.model(model).owner,
        todo=todo,
        key=str(number),
    )
    alerting.tell.fn([alert])
    outbox.resolve(messages.APPROVAL, f"{model} {version}")

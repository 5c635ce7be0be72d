"""Tasks of what the day comes to: the decision about each model, and whose problem there is."""

import logging
from datetime import date

from prefect import task
from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL

import catalog
from core import faults
from core.alerting import outbox
from core.alerting.alerts import Alert
from core.models import registry
from core.watch import diagnosis, policy
from core.watch.diagnosis import Diagnosis
from core.watch.finding import Finding
from core.watch.monitoring import Watched
from core.watch.policy import Decision
from tasks import alerting, messages
from tasks.patience import ON_LAKE

DUE = "dayloop.retrain.due"  # the event that prefect.yaml's triggers wait for
DIAGNOSIS = "diagnosis"
# The kinds of alert that speak of what a rule finds.
TOLD_BY = {
    "data": (messages.REFUSED, "late"),
    "deployment": (messages.APPROVAL, "late"),
    "upstream": (messages.WARNED, messages.REFUSED, messages.DRIFT),
    "monitoring": (),
    "model": (messages.DECAY,),
}
log = logging.getLogger("dayloop")


@task(task_run_name="decide about {model}", **ON_LAKE)
def decide(model: str, watched: Watched) -> Decision:
    """Applies the model's policy to what was watched, and records what it comes to."""
    declared = catalog.model(model)
    known = policy.signals(declared, watched, watched.day)
    decision = policy.decide(declared.retrain, watched.day, known)
    _record(model, watched.day, watched.version, decision)
    subject = f"{model} version {watched.version}"
    if decision.action == "escalate":
        alerting.tell.fn([_escalated(subject, watched, decision)])
    else:
        outbox.resolve(messages.APPROVAL, subject)
    return decision


@task(task_run_name="decide about {model}", **ON_LAKE)
def record(model: str, day: date, decision: Decision) -> None:
    """Records what was decided without a look at the policy."""
    champion = registry.champion(model)
    _record(model, day, champion.number if champion else 0, decision)


def _record(model: str, day: date, version: int, decision: Decision) -> None:
    policy.record(model, day, version, decision)
    log.info("%s %s: %s: %s", model, day, decision.action, decision.reason)


@task(task_run_name="diagnose", **ON_LAKE)
def diagnose(tells: bool) -> Diagnosis:
    """Says whose problem it is; tells of it where no other alert that is open has said so."""
    datasets = {name: catalog.dataset(name) for name in catalog.datasets_in_order()}
    found = diagnosis.diagnose(datasets, [catalog.model(name) for name in catalog.model_names()])
    log.info("diagnosis: %s: %s", found.verdict, found.words)
    still_open = _open_alerts()
    wrong = found.evidence if found.verdict != "healthy" else ()
    about = {each.about for each in wrong}
    for alert in still_open:
        if alert.kind == DIAGNOSIS and alert.subject not in about:
            outbox.resolve(DIAGNOSIS, alert.subject)
    said = {(alert.kind, alert.subject.partition(" ")[0]) for alert in still_open}
    untold = [e for e in wrong if not any((kind, e.about) in said for kind in TOLD_BY[e.rule])]
    if tells and untold:
        alerting.tell.fn([_diagnosed(found, each) for each in untold])
    return found


def _open_alerts() -> list[Alert]:
    last = {record.alert.fingerprint: record.alert for record in outbox.state()}
    return [alert for alert in last.values() if not alert.resolves]


def _diagnosed(found: Diagnosis, each: Finding) -> Alert:
    catalogued = catalog.model if each.about in catalog.model_names() else catalog.dataset
    return Alert(
        kind=DIAGNOSIS,
        subject=each.about,
        title=f"{each.about}: {found.words}",
        text=each.evidence,
        owner=catalogued(each.about).owner,
        todo=each.command,
        key=each.rule,
    )


def call_for_retraining(model: str, as_of: date, decision: Decision) -> None:
    """Has a server's automation run the model's retrain deployment. Without one, nothing."""
    if PREFECT_API_URL.value() is None:
        return  # a temporary server forgets it at once
    faults.reached("before calling for retraining")
    emit_event(
        DUE,
        resource={"prefect.resource.id": f"dayloop://models/{model}"},
        payload={"model": model, "as_of": str(as_of), "reason": decision.reason},
    )
    faults.reached("called for retraining")


def _escalated(subject: str, watched: Watched, decision: Decision) -> Alert:
    return Alert(
        kind=messages.APPROVAL,
        subject=subject,
        title=f"{subject} needs a person: {decision.reason}",
        severity="page",
        owner=catalog.model(watched.model).owner,
        todo=f"python -m flows models {watched.model}",
        key=decision.reason,
    )

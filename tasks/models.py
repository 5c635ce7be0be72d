"""Tasks of the model's way: plan, prepare, fit, decide, score and monitor."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import cast

from prefect import task
from prefect.artifacts import create_markdown_artifact

import catalog
from catalog.kinds import Dataset
from core import home
from core.models import card, gate, mlflow_mirror, registry, training
from core.models import scoring as scores
from core.models.gate import Decision, Verdict
from core.models.scoring import Scored
from core.models.training import Fitted, Plan
from core.watch import monitoring as watching
from core.watch.monitoring import Watched
from tasks import lineage, runners
from tasks.patience import ON_LAKE


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a retraining came to.

    Attributes:
        version: the challenger's number in the registry.
        known: whether it had been registered and judged before; then the rest is what was
            said then, and nothing new was decided.
        verdict: `promote`, `keep` or `not enough data to say`.
        card: where its page lies, below home.
        promoted: whether the gate made it the champion.
        champion: who serves now; 0 for nobody.
    """

    model: str
    as_of: date
    candidates: tuple[Fitted, ...]
    challenger: str
    version: int
    known: bool
    verdict: str
    reason: str
    card: str
    promoted: bool
    champion: int


def inputs(model: str) -> dict[str, Dataset]:
    """The datasets that a model reads."""
    return {name: catalog.dataset(name) for name in catalog.model(model).inputs}


@task(task_run_name="plan {model} {as_of}", **ON_LAKE)
def plan(model: str, as_of: date) -> Plan:
    """Pins the data and computes features and labels of both cut-offs."""
    declared, datasets = catalog.model(model), inputs(model)
    planned = training.plan(declared, datasets, as_of)
    training.prepare(declared, datasets, planned)
    return planned


@task(task_run_name="fit {candidate}", **ON_LAKE)
def fit(address: str, model: str, candidate: str, planned: Plan) -> Fitted:
    """Fits one candidate and judges it on the holdout."""
    runners.require_home(address)
    declared = catalog.model(model)
    chosen = next(each for each in declared.candidates if each.name == candidate)
    return training.fit(declared, chosen, planned)


@task(task_run_name="decide {model}", **ON_LAKE)
def decide(model: str, planned: Plan, fitted: Sequence[Fitted]) -> Trained:
    """Registers the challenger and promotes it where the gate says so.

    The same artifact is judged once: what was said then stands, whatever happened since.
    """
    declared = catalog.model(model)
    challenger, choice = gate.choose(declared, fitted, planned)
    known = registry.find(model, challenger.artifact)
    decision = None
    if known is None:
        champion = registry.champion(model)
        decision = gate.judge(declared, challenger, champion, planned)
        promoted = decision.verdict == "promote" and declared.gate.mode == "enabled"
        registry.register(
            model,
            challenger.artifact,
            by=registry.GATE,
            reason=f"{decision.verdict}: {decision.reason}; {choice}",
            promote_over=(champion.number if champion else 0) if promoted else None,
        )
    version, serving = registry.find(model, challenger.artifact), registry.champion(model)
    assert version is not None
    if known is None:
        lineage.trained(planned, version.number, version.artifact.sha256)
    verdict, _, reason = version.events[0].reason.partition(": ")
    said = decision or Decision(cast(Verdict, verdict), reason)
    page = card.write(declared, version.number, challenger.artifact, said, fitted, planned)
    _show(declared.name, version.number, said, challenger, page)
    mlflow_mirror.mirror(model)
    return Trained(
        model=model,
        as_of=planned.as_of,
        candidates=tuple(fitted),
        challenger=challenger.candidate,
        version=version.number,
        known=known is not None,
        verdict=verdict,
        reason=reason,
        card=page,
        promoted=any((e.event, e.by) == ("promoted", registry.GATE) for e in version.events),
        champion=serving.number if serving else 0,
    )


def _show(model: str, version: int, decision: Decision, challenger: Fitted, page: str) -> None:
    """The card's key figures, on the flow run's page."""
    lines = [
        f"# {model} {version}",
        f"**{decision.verdict}**: {decision.reason}",
        f"{challenger.candidate}: {challenger.metric}",
        *(f"- slice {name}: {gain:+}" for name, gain in decision.slices.items()),
        f"The whole card: `{home.address()}/{page}`",
    ]
    create_markdown_artifact("\n\n".join(lines), key=f"card-{model}".replace("_", "-"))


@task(task_run_name="score {model} {day}", **ON_LAKE)
def score(model: str, day: date, keep: bool = False) -> Scored:
    """Writes the champion's predictions for a day."""
    done = scores.score(catalog.model(model), inputs(model), day, keep=keep)
    lineage.scored(done)
    return done


@task(task_run_name="monitor {model} {day}", **ON_LAKE)
def monitor(model: str, day: date) -> Watched:
    """Measures drift, and the realised metric where labels have matured."""
    return watching.monitor(catalog.model(model), inputs(model), day)

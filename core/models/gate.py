"""The gate: which candidate challenges, and whether it may take the champion's place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal

import pandas as pd

from catalog.kinds import Model
from core.models import artifacts, fitting, metrics, training
from core.models.metrics import Estimate
from core.models.registry import Version
from core.models.slices import masks
from core.models.training import Fitted, Plan

Verdict = Literal["promote", "keep", "not enough data to say"]


@dataclass(frozen=True)
class Decision:
    """What the gate says, why, and by how much the challenger gained on the champion.

    `slices` has the gain of each of the model's slices that has rows of both classes.
    """

    verdict: Verdict
    reason: str
    gain: Estimate | None = None
    slices: Mapping[str, Estimate] = field(default_factory=dict)


def choose(model: Model, fitted: Sequence[Fitted], planned: Plan) -> tuple[Fitted, str]:
    """The challenger: the simplest candidate that is no worse than the best, and why."""
    truth = training.holdout(planned)[1].to_numpy()
    scores = {each.candidate: training.holdout_scores(planned, each.artifact) for each in fitted}
    sign = -1 if metrics.less_is_better(model.metric) else 1
    best = max(fitted, key=lambda each: sign * each.metric.value)
    for each in sorted(fitted, key=lambda each: _rank(model, each.candidate)):
        if each.candidate == best.candidate:
            return each, f"{each.candidate} is best with {model.metric} {each.metric}"
        gain = _gain(model, truth, scores[each.candidate], scores[best.candidate])
        if gain.low >= -model.gate.margin:
            reason = f"{each.candidate} is simpler than {best.candidate} and no worse: {gain}"
            return each, reason
    raise AssertionError("unreachable: the best candidate is one of them")


def judge(model: Model, challenger: Fitted, champion: Version | None, planned: Plan) -> Decision:
    """Compares challenger and champion on the same holdout, which neither has trained on."""
    rows, labels = training.holdout(planned)
    gate, truth = model.gate, labels.to_numpy()
    fewest = int(min(truth.sum(), (~truth).sum()))
    if fewest < gate.min_positives:
        return Decision(
            "not enough data to say",
            f"the holdout has {fewest} of one class, {gate.min_positives} are needed",
        )
    if not _reaches_floor(model, challenger.metric):
        return Decision(
            "keep", f"{model.metric} {challenger.metric} does not reach the floor of {gate.floor}"
        )
    if unfit := _unfit(model, challenger):
        return unfit
    if champion is None:
        return Decision("promote", f"the first champion, and it reaches the floor of {gate.floor}")
    estimator, manifest = artifacts.load(champion.artifact)
    if problem := _not_comparable(manifest, planned):
        verdict, why = problem
        return Decision(verdict, f"cannot be compared with champion {champion.number}: {why}")
    theirs = fitting.predict(estimator, rows[manifest["features"]])
    ours = training.holdout_scores(planned, challenger.artifact)
    decision = _weigh(model, _gain(model, truth, ours, theirs), champion.number)
    slices = _by_slice(model, rows, truth, ours, theirs)
    ruined = [name for name, gain in slices.items() if _is_ruined(model, gain)]
    if decision.verdict == "promote" and ruined:
        worst = min(ruined, key=lambda name: slices[name].value)
        why = f"worse in slice '{worst}': {slices[worst]:+}, margin {gate.slice_margin}"
        decision = Decision("keep", f"{why}, though {decision.reason}", decision.gain)
    return replace(decision, slices=slices)


def _unfit(model: Model, challenger: Fitted) -> Decision | None:
    """What keeps a challenger from serving, whoever serves now."""
    gate, found = model.gate, artifacts.manifest(challenger.artifact)
    size_mb = sum(file["size_bytes"] for file in found["files"].values()) / 2**20
    measured = (
        ("its probabilities are off by", found["calibration_error"], gate.max_calibration_error),
        ("milliseconds to score a row:", found["latency_ms"], gate.max_latency_ms),
        ("megabytes on disk:", size_mb, gate.max_size_mb),
    )
    for what, value, limit in measured:
        if value > limit:
            return Decision("keep", f"{what} {value:.3g}, {limit:g} at most")
    known = found["alone"]
    suspect = max(known, key=lambda name: known[name])
    if known[suspect] >= gate.suspicious_auc:
        said = f"{suspect} alone predicts with a ROC AUC of {known[suspect]:.3f}"
        why = f"{said}: does it know the answer? promote by hand if it cannot"
        return Decision("not enough data to say", why)
    return None


def _by_slice(
    model: Model, rows: pd.DataFrame, truth: Any, ours: Any, theirs: Any
) -> dict[str, Estimate]:
    found = {}
    for name, within in masks(model, rows).items():
        if truth[within].any() and not truth[within].all():
            found[name] = _gain(model, truth[within], ours[within], theirs[within])
    return found


def _is_ruined(model: Model, gain: Estimate) -> bool:
    return gain.value < -model.gate.slice_margin and gain.high < 0


def _weigh(model: Model, gain: Estimate, champion: int) -> Decision:
    margin = model.gate.margin
    shown = f"{model.metric} gain over champion {champion} {gain:+}, margin {margin}"
    if gain.low >= -margin:
        return Decision("promote", f"no worse: {shown}", gain)
    if gain.high < -margin:
        return Decision("keep", f"worse: {shown}", gain)
    return Decision("not enough data to say", f"could be worse, could be better: {shown}", gain)


def _not_comparable(manifest: dict[str, Any], planned: Plan) -> tuple[Verdict, str] | None:
    seen_until = date.fromisoformat(manifest["plan"]["holdout_day"])
    if seen_until > planned.holdout_day:
        why = f"it has learnt from labels up to {seen_until}, after this holdout began"
        return "keep", f"{why}; train as of a later day"
    if manifest["plan"]["features_code"] != planned.features_code:
        # It cannot score today either: a person has to be asked.
        why = "its features were computed by other code; promote by hand if you are sure"
        return "not enough data to say", why
    return None


def _reaches_floor(model: Model, metric: Estimate) -> bool:
    if metrics.less_is_better(model.metric):
        return metric.high <= model.gate.floor
    return metric.low >= model.gate.floor


def _gain(model: Model, truth: Any, ours: Any, theirs: Any) -> Estimate:
    return metrics.difference(
        model.metric, truth, ours, theirs, confidence=model.gate.confidence, seed=model.seed
    )


def _rank(model: Model, candidate: str) -> int:
    return [each.name for each in model.candidates].index(candidate)

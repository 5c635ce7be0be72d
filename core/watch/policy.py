"""When the daily loop fits again by itself, and why."""

from dataclasses import dataclass
from datetime import date

from catalog.kinds import Model
from core.intervals import DAY


@dataclass(frozen=True)
class Retraining:
    """Whether a retraining is due, and the reason in words either way."""

    due: bool
    reason: str


def decide(
    model: Model, last_as_of: date | None, as_of: date, drifted: tuple[str, ...]
) -> Retraining:
    """Applies the model's `retrain` policy to what is known on a day.

    Args:
        model: whose policy.
        last_as_of: as of which day it was last trained, whatever the gate said.
        as_of: the day it would be trained as of now.
        drifted: which features, or the score, have drifted.
    """
    rule = model.retrain
    if last_as_of is None:
        return Retraining(True, "it has never been trained")
    age_days = (as_of - last_as_of).days
    if age_days >= rule.every_days:
        return Retraining(True, f"last trained as of {last_as_of}, every {rule.every_days} days")
    what = f"{len(drifted)} drifted"
    if len(drifted) < rule.on_drifted:
        return Retraining(False, f"{what}, {rule.on_drifted} needed")
    if age_days < rule.cooldown_days:
        until = last_as_of + rule.cooldown_days * DAY
        return Retraining(False, f"{what}, cooling down until {until}")
    return Retraining(True, f"{what}: {', '.join(drifted)}")

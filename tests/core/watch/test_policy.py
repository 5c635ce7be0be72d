from datetime import date, timedelta

import pytest

from catalog.kinds import Retrain
from core.watch import policy
from tests.core import synthetic

TODAY = date(2024, 3, 1)
MODEL = synthetic.model(retrain=Retrain(every_days=30, on_drifted=2, cooldown_days=7))


@pytest.mark.parametrize(
    ("age_days", "drifted", "due", "reason"),
    [
        (None, (), True, "never been trained"),
        (30, (), True, "every 30 days"),
        (29, (), False, "0 drifted, 2 needed"),
        (29, ("a",), False, "1 drifted, 2 needed"),
        (29, ("a", "score"), True, "a, score"),
        (7, ("a", "b"), True, "a, b"),
        (6, ("a", "b"), False, "cooling down until"),
        (0, (), False, "0 drifted"),
        (-5, ("a", "b"), False, "cooling down until"),
    ],
)
def test_retraining_is_due_by_age_or_by_drift_after_the_cooldown(
    age_days: int | None, drifted: tuple[str, ...], due: bool, reason: str
) -> None:
    last = None if age_days is None else TODAY - timedelta(days=age_days)
    found = policy.decide(MODEL, last, TODAY, drifted)
    assert found.due is due
    assert reason in found.reason

"""What was told of a model is resolved when it is over."""

from dataclasses import replace
from datetime import date

import pytest

from core.alerting import outbox
from core.alerting.alerts import Alert
from core.models.metrics import Estimate
from core.watch.drift import Measured
from core.watch.monitoring import Realised, Watched
from tasks import alerting, governance, messages

DAY = date(1998, 4, 2)
STEADY = Measured(
    feature="spent",
    psi=0.1,
    ks=0.1,
    ks_p_value=0.5,
    rows=500,
    reference_rows=500,
    verdict="stable",
)
MOVED = replace(STEADY, psi=0.9, ks_p_value=0.0, verdict="drifted")
PROMISED = Estimate(0.8, 0.79, 0.81)


def watched(version: int, *drift: Measured, realised: str = "") -> Watched:
    value = Estimate(0.5, 0.49, 0.51)
    seen = (Realised(DAY, version, "roc_auc", value, PROMISED, 500, realised),)
    return Watched("churn", DAY, version, drift, seen if realised else (), True)


def tell(seen: Watched) -> None:
    outbox.queue([*messages.drifted(seen), *messages.decayed(seen)])
    alerting.settle_model.fn(seen)


def resolved() -> list[tuple[str, str]]:
    return [(r.alert.kind, r.alert.subject) for r in outbox.state() if r.alert.resolves]


@pytest.mark.usefixtures("home")
def test_drift_is_over_when_nothing_drifts_any_more():
    tell(watched(1, MOVED))
    assert resolved() == []
    tell(watched(1, STEADY))
    tell(watched(1, STEADY))
    assert resolved() == [("drift", "churn version 1")]


@pytest.mark.usefixtures("home")
def test_drift_of_a_version_that_no_longer_serves_is_over():
    tell(watched(1, MOVED))
    tell(watched(2, MOVED))
    assert resolved() == [("drift", "churn version 1")]


@pytest.mark.usefixtures("home")
def test_decay_is_over_when_predictions_keep_their_promise_again():
    tell(watched(1, STEADY, realised="decayed"))
    tell(watched(1, STEADY))
    assert resolved() == []
    tell(watched(1, STEADY, realised="as promised"))
    assert resolved() == [("decay", "churn version 1")]


@pytest.mark.usefixtures("home")
def test_a_question_is_over_when_a_person_has_decided():
    question = Alert(kind=messages.APPROVAL, subject="churn 2", title="churn 2 waits for you")
    outbox.queue([question])
    governance.tell_of("churn", "promoted", 2, "Ann", "she looked", number=3, serving=2)
    assert resolved() == [("approval_needed", "churn 2")]


def test_a_day_with_forty_drifting_features_is_one_message():
    moved = [replace(MOVED, feature=f"x{number}", psi=0.5 + number) for number in range(40)]
    [alert] = messages.drifted(watched(1, *moved))
    assert alert.title == "churn 1998-04-02: x39, x38, x37 and 37 more drifted since training"
    assert alert.text.splitlines()[0] == "Limits: PSI 0.1, AUC 0.65."
    assert alert.text.splitlines()[1].startswith("x39: PSI 39.50, KS 0.10, 500 rows against")
    assert alert.text.splitlines()[-1] == "and 20 more"


def test_a_feature_that_moved_in_a_slice_only_is_named_with_it():
    of_slice = replace(MOVED, feature="spent", slice="five orders or more")
    assert watched(1, STEADY, of_slice).drifted == ("spent of five orders or more",)
    assert watched(1, MOVED, of_slice).drifted == (MOVED.feature,)


def test_a_slice_that_decays_is_named_with_what_was_promised_and_estimated():
    value, before = Estimate(0.5, 0.49, 0.51), Estimate(0.79, 0.78, 0.8)
    whole = Realised(DAY, 1, "roc_auc", value, PROMISED, 500, "decayed")
    of_slice = replace(whole, slice="one order", estimated=before)
    seen = replace(watched(1, STEADY), realised=(whole, of_slice))
    [alert] = messages.decayed(seen)
    assert alert.title == (
        "churn 1998-04-02: roc_auc is 0.500 (0.490 to 0.510), promised 0.800 (0.790 to 0.810)"
    )
    assert alert.text == (
        "roc_auc of one order is 0.500 (0.490 to 0.510), promised 0.800 (0.790 to 0.810), "
        "estimated 0.790 (0.780 to 0.800) before"
    )

"""Alert-test: one alert of each kind to each receiver, past the outbox. Not a flow."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import catalog
from core.alerting import outbox, receivers
from core.alerting.alerts import Alert, Severity
from core.alerting.receivers import Receiver
from core.errors import UsageError
from core.intervals import utc_now

# What each kind is about: a dataset, a model or a flow.
KINDS: dict[str, tuple[Severity, str]] = {
    "refused_data": ("page", "dataset"),
    "late": ("page", "dataset"),
    "failed_flow": ("page", "flow"),
    "late_run": ("warn", "flow"),
    "drift": ("warn", "model"),
    "decay": ("page", "model"),
    "approval_needed": ("warn", "model"),
    "diagnosis": ("warn", "model"),
    "promotion": ("info", "model"),
}


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What a receiver said to an alert of one kind."""

    receiver: str
    kind: str
    severity: str
    accepted: bool
    answer: str


@dataclass(frozen=True, kw_only=True)
class Trial:
    """All answers, and the receivers whose rules let nothing through."""

    answers: tuple[Answered, ...]
    not_called: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether one was not accepted."""
        return not all(each.accepted for each in self.answers)


def alert_test(*, receiver: str | None = None) -> Trial:
    """Sends one alert of each kind, and shows what each receiver answered.

    Args:
        receiver: only those whose name has this in it.
    """
    found = _receivers()
    chosen = [each for each in found if (receiver or "").lower() in each.name.lower()]
    if not found:
        raise UsageError(f"there is no receiver: set {receivers.VARIABLE}")
    if not chosen:
        names = ", ".join(each.name for each in found)
        raise UsageError(f"no receiver '{receiver}'; there is {names}")
    with ThreadPoolExecutor(len(chosen)) as threads:
        answers = tuple(each for some in threads.map(_try, chosen) for each in some)
    called = {each.receiver for each in answers}
    return Trial(
        answers=answers,
        not_called=tuple(each.name for each in chosen if each.name not in called),
    )


def _receivers() -> tuple[Receiver, ...]:
    if os.environ.get(receivers.VARIABLE):
        return receivers.from_environment()
    from tasks import alerting  # Prefect has the Secret block

    return alerting.find_receivers()


def _try(receiver: Receiver) -> list[Answered]:
    now = utc_now()
    samples = [_sample(receiver, kind, f"{now:%Y-%m-%d %H:%M:%S}") for kind in KINDS]
    # So that all can be seen to end, and nobody is paged by an open test.
    for_all = receiver.kind == "pagerduty"
    overs = [_over(each) for each in samples if for_all or each.kind == "late"]
    return [
        Answered(
            receiver=name,
            kind=f"{alert.kind}, resolved" if alert.resolves else alert.kind,
            severity=alert.severity,
            accepted=answer.verdict == "ok",
            answer=answer.detail,
        )
        for name, alert, answer in outbox.try_out([receiver], [*samples, *overs], now=now)
    ]


def _sample(receiver: Receiver, kind: str, key: str) -> Alert:
    severity, about = KINDS[kind]
    # About what the receiver's rules ask for, where they ask.
    asked = {rule: sorted(values) for rule, values in receiver.rules.items()}
    names = asked.get(about) or asked.get("dataset") or asked.get("model") or _names(about)
    return Alert(
        kind=kind,
        subject=f"{names[0]} test",
        title=f"Test: what an alert about {kind.replace('_', ' ')} looks like",
        text="Nothing has happened. Somebody ran alert-test to see whether this arrives.",
        severity=severity,
        owner=asked.get("owner", ["whoever it concerns"])[0],
        todo="python -m flows alerts",
        key=key,
    )


def _names(about: str) -> Sequence[str]:
    known = {"dataset": catalog.dataset_names(), "model": catalog.model_names()}
    return known.get(about) or ("daily",)


def _over(alert: Alert) -> Alert:
    title = f"Resolved: {alert.title}"
    return replace(alert, title=title, key=f"resolved {alert.id}", resolves=alert.id)

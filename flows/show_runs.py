"""How the results of flows look that touch models, Prefect's side of `show`."""

from collections.abc import Sequence

from core.intervals import DAY
from core.models.scoring import Scored
from core.watch.monitoring import Watched
from core.watch.performance import Realised
from flows import show_diagnosis  # noqa: F401  registers its form
from flows.daily import Day, ModelDay
from flows.demo import Demo
from flows.show import as_text, commands, table
from flows.show_data import loaded
from tasks.governance import Ruling
from tasks.models import Trained

STATISTICS = {
    "psi": "PSI#",
    "ks": "KS#",
    "chi2": "chi2#",
    "jensen_shannon": "JS#",
    "wasserstein": "W#",
    "auc": "AUC#",
    "p_value": "p#",
}


@as_text.register
def _(done: Trained) -> None:
    table(
        f"{done.model} as of {done.as_of}",
        ("candidate", "metric on the holdout", "seconds#", ""),
        (
            (
                each.candidate,
                each.metric,
                f"{each.seconds:.1f}",
                "known, not fitted again" if each.reused else "fitted",
            )
            for each in done.candidates
        ),
    )
    print(trained(done))


def trained(done: Trained) -> str:
    """A retraining in one line."""
    what = "promoted" if done.promoted else f"not promoted ({done.verdict})"
    known = ", as before (same data, code and parameters)" if done.known else ""
    return f"version {done.version} {what}{known}: {done.reason}"


@as_text.register
def _(done: Scored) -> None:
    known = "" if done.changed else ", as before"
    print(
        f"{done.rows:,} predictions of {done.model} version {done.version} for {done.day}, "
        f"mean {done.mean_score:.3f}{known}"
    )


@as_text.register
def _(seen: Watched) -> None:
    table(
        f"{seen.model} version {seen.version}, {seen.day}",
        ("feature", "slice", *STATISTICS.values(), "rows#", "reference#", "verdict"),
        (
            (
                each.feature,
                each.slice,
                *(_number(getattr(each, name)) for name in STATISTICS),
                each.rows,
                each.reference_rows,
                each.verdict,
            )
            for each in seen.drift
        ),
    )
    for found in (*seen.estimated, *seen.realised):
        kind = "realised" if isinstance(found, Realised) else "estimated"
        print(
            f"{found.day}: {kind} {found.name} {found.estimate}, promised {found.promised}: "
            f"{found.verdict}"
        )
    if not seen.realised:
        print("no predictions have newly matured")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


@as_text.register
def _(ruled: Ruling) -> None:
    known = "" if ruled.changed else " (it was so before)"
    serving = f"version {ruled.champion}" if ruled.champion else "none"
    print(f"{ruled.model}: {ruled.decision} {ruled.version}{known}; champion now: {serving}")


@as_text.register
def _(done: Day) -> None:
    _days([done])


def _days(done: Sequence[Day]) -> None:
    table(
        "Loaded",
        ("day", "dataset", "rows#", "in quarantine#", ""),
        (
            (
                str(each.interval),
                each.dataset,
                each.rows_good,
                each.rows_bad,
                "" if each.changed else "as before",
            )
            for day in done
            for each in day.loaded
        ),
    )
    table(
        "Scored and watched the morning after",
        ("day", "model", "predictions", "drifted", "decision"),
        (
            (str(day.day + DAY), each.model, *_model_cells(each))
            for day in done
            for each in day.models
        ),
    )
    for day in done:
        for each in day.models:
            if each.trained:
                print(f"{each.model}: {trained(each.trained)}")
    for day in done[-1:]:
        as_text(day.diagnosis)
        print()


def _model_cells(each: ModelDay) -> tuple[str, str, str]:
    scored, moved, due = "", "", ""
    if each.scored:
        scored = f"{each.scored.rows:,}, mean {each.scored.mean_score:.3f}"
    if each.watched:
        moved = ", ".join(each.watched.drifted) or "nothing"
    if each.decision:
        due = f"{each.decision.action}: {each.decision.reason}"
    return scored, moved, due


@as_text.register
def _(done: Demo) -> None:
    rows = [
        ("backfill sales", str(done.history.interval), loaded(done.history)),
        ("retrain churn", f"as of {done.trained.as_of}", trained(done.trained)),
    ]
    print()
    table("What happened", ("", "", ""), rows)
    _days(done.days)
    as_text(done.now)
    for title in done.alerts:
        print(f"  {title}")
    if not done.changed:
        print("Nothing has changed: an earlier run had done all of it.")
    print(f"\nThat took {done.seconds:.0f} seconds.\n")
    commands(
        (
            ("python -m flows report", "all of it on one page, to look at"),
            ("python -m flows daily --day 1998-04-05", "the next day of the loop"),
            ("python -m flows monitor churn --day 1998-04-02", "what has drifted, in numbers"),
            ("python -m flows retrain churn --as-of 1998-04-05", "a challenger for the champion"),
            ("DAYLOOP_WEBHOOKS=https://... python -m flows deliver", "send the alerts that wait"),
            ("less catalog/datasets/sales.py", "what a dataset of your own looks like"),
        )
    )

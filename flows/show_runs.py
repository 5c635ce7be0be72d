"""How the results of flows look that touch models, Prefect's side of `show`."""

from collections.abc import Sequence

from core.intervals import DAY
from core.models.scoring import Scored
from core.watch.monitoring import Watched
from core.watch.performance_table import Realised
from flows.daily import Day, ModelDay
from flows.demo import Demo
from flows.maintain import Verified
from flows.show import as_text, commands, counted, table
from flows.show_data import loaded
from flows.show_diagnosis import verdict
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
    commands(
        (
            (f"python -m flows models {done.model}", "its versions, who decided and why"),
            (
                f"python -m flows score {done.model} --day {done.as_of}",
                "the champion's predictions",
            ),
        )
    )


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
    commands([(f"python -m flows monitor {done.model} --day {done.day}", "what has drifted")])


@as_text.register
def _(seen: Watched) -> None:
    drifted = [each for each in seen.drift if each.verdict == "drifted"]
    used = {n: head for n, head in STATISTICS.items() if any(getattr(e, n) for e in drifted)}
    if drifted:
        table(
            f"{seen.model} version {seen.version}, {seen.day}: drifted since training",
            ("feature", *used.values(), "rows#", "reference#"),
            (
                (
                    f"{each.feature}, {each.slice}" if each.slice else each.feature,
                    *(_number(getattr(each, name)) for name in used),
                    each.rows,
                    each.reference_rows,
                )
                for each in drifted
            ),
        )
    print(f"{len(seen.drift) - len(drifted)} of {len(seen.drift)} have not drifted (--json)")
    for found in (*seen.estimated, *seen.realised):
        kind = "realised" if isinstance(found, Realised) else "estimated"
        before = f", estimated {found.estimated} before" if found.estimated else ""
        print(f"{found.day}: {kind} {found.name} {found.against}{before}: {found.verdict}")
    if not seen.realised:
        print("no predictions have newly matured")
    commands(
        (
            ("python -m flows diagnose", "whose problem it is, if it is one"),
            ("python -m flows report", "drift and metric through time, to look at"),
        )
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


@as_text.register
def _(seen: Verified) -> None:
    print(
        f"no damage: {seen.tables} tables, what is landed and every registered artifact were read"
    )


@as_text.register
def _(ruled: Ruling) -> None:
    known = "" if ruled.changed else " (it was so before)"
    serving = f"version {ruled.champion}" if ruled.champion else "none"
    print(f"{ruled.model}: {ruled.decision} {ruled.version}{known}; champion now: {serving}")
    commands([(f"python -m flows models {ruled.model}", "its versions, who decided and why")])


@as_text.register
def _(done: Day) -> None:
    _days([done])
    as_text(done.diagnosis)


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
        ("day", "model", "predictions#", "mean#", "decision"),
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


def _model_cells(each: ModelDay) -> tuple[object, ...]:
    scored = (each.scored.rows, f"{each.scored.mean_score:.3f}") if each.scored else ("", "")
    due = f"{each.decision.action}: {each.decision.reason}" if each.decision else ""
    return (*scored, due)


@as_text.register
def _(done: Demo) -> None:
    rows = [
        ("backfill sales", str(done.history.interval), loaded(done.history)),
        ("retrain churn", f"as of {done.trained.as_of}", trained(done.trained)),
    ]
    print()
    table("What happened", ("", "", ""), rows)
    _days(done.days)
    verdict(done.days[-1].diagnosis)
    if done.alerts:
        print(f"{counted(len(done.alerts), 'alert')}:")
    for title in done.alerts:
        print(f"  {title}")
    if not done.changed:
        print("Nothing has changed: an earlier run had done all of it.")
    print(f"\nThat took {done.seconds:.0f} seconds.\n")
    commands(
        (
            ("python -m flows report", "all of it on one page, to look at"),
            ("python -m flows", "what there is"),
            (f"python -m flows daily --day {done.days[-1].day + DAY}", "the next day of the loop"),
            ("python -m flows monitor churn --day 1998-04-02", "what has drifted, in numbers"),
            ("python -m flows alerts", "what was told, and what waits"),
            ("less catalog/datasets/sales.py", "what a dataset of your own looks like"),
        )
    )

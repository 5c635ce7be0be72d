"""What a diagnosis asks of a model: does it serve, is it fed well, does anybody measure it?"""

from collections.abc import Iterator, Mapping
from datetime import date
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from catalog.kinds import Dataset, Model
from core import lake, ledger
from core.errors import NotTrained
from core.intervals import DAY, Interval
from core.models import registry, scoring, training
from core.models.registry import Version
from core.watch import monitoring, performance, performance_table, tracing
from core.watch.finding import Finding
from core.watch.performance_table import Estimated, Performance

LATELY = 60  # days back that predictions are looked for


def findings(model: Model, datasets: Mapping[str, Dataset]) -> Iterator[Finding]:
    """What is wrong with what serves, or why nothing does; of no model whose data never came."""
    known = [entries for name in model.inputs if (entries := ledger.entries(name))]
    if len(known) < len(model.inputs):
        return  # which the first rule says
    morning = min(entries[-1].day for entries in known) + DAY
    champion = registry.champion(model.name)
    if champion is None:
        yield from _unpromoted(model, datasets, morning)
        return
    scored = _days(scoring.predictions(model.name), (), morning)
    yield from _unserved(model, champion, scored, morning)
    watched = _days(monitoring.DRIFT_TABLE, lake.equal(model=model.name), morning)
    broken = _broken(model, champion)
    symptoms = drifted(model, max(watched)) if watched else set()
    traced = list(_traced(model, datasets, morning, symptoms, broken)) if scored else []
    yield from traced
    if scored and (not watched or max(watched) < max(scored)):
        yield from _unwatched(model, datasets, morning, scored, watched)
    if broken and not traced:
        number = champion.number
        tried = any(each.number > number for each in registry.versions(model.name))
        retrain = f"python -m flows retrain {model.name} --as-of {morning}"
        yield Finding(
            rule="model",
            about=model.name,
            version=number,
            day=broken.day,
            evidence=f"version {number} of {broken.day}: {_words(broken)}",
            command=f"python -m flows models {model.name}" if tried else retrain,
        )


def _unpromoted(model: Model, datasets: Mapping[str, Dataset], morning: date) -> Iterator[Finding]:
    name, versions = model.name, registry.versions(model.name)
    wrong = partial(Finding, rule="deployment", about=name)
    retrain = f"python -m flows retrain {name} --as-of {morning}"
    if versions:
        newest = versions[-1]
        plural = f"{len(versions)} versions are" if versions[1:] else "a version is"
        said = f"{plural} trained, none serves; {newest.number} is {newest.state}, the gate said"
        waits = newest.state not in ("rejected", "retired")
        yield wrong(
            version=newest.number,
            evidence=f"{said} {newest.events[0].reason}",
            command=_by_hand("promote", name, newest.number) if waits else retrain,
        )
        return
    try:
        training.plan(model, {each: datasets[each] for each in model.inputs}, morning)
    except NotTrained:
        return  # its data are too young, or the first rule speaks of them
    said = f"{name} was never trained, and its data would do as of {morning}"
    yield wrong(evidence=said, command=retrain)


def _by_hand(verb: str, model: str, number: int) -> str:
    return f'python -m flows {verb} {model} {number} --by NAME --reason "..."'


def _unserved(
    model: Model, champion: Version, scored: set[date], morning: date
) -> Iterator[Finding]:
    from core.serving.log import requests  # and what serving needs with it

    name, number, said = model.name, champion.number, ""
    wrong = partial(Finding, rule="deployment", about=name)
    asked = lake.open_table(requests(name))
    if scored and (morning - max(scored)).days > 1:
        said = f"scores end on {max(scored)}, data go on to {morning - DAY}"
    elif not scored and not (asked and asked.count()):
        since = f"{champion.events[-1].at:%Y-%m-%d}"
        said = f"version {number} is champion since {since} and has scored nothing lately"
    if said:
        command = f"python -m flows score {name} --day {morning}"
        yield wrong(version=number, evidence=said, command=command)
    for each in registry.versions(name):
        reason = each.events[0].reason
        better = each.number > number and reason.startswith("promote")
        if better and each.state in ("registered", "approved"):
            verb = "promote" if each.state == "approved" else "approve"
            said = f"version {each.number} waits, {number} serves; the gate said {reason}"
            command = _by_hand(verb, name, each.number)
            yield wrong(version=each.number, evidence=said, command=command)


def _traced(
    model: Model,
    datasets: Mapping[str, Dataset],
    morning: date,
    drifted: set[str],
    broken: Performance | None,
) -> Iterator[Finding]:
    """The columns that are unusual and that what has drifted, or broken, is made of."""
    if not drifted and not broken:
        return
    for name in model.inputs:
        for column in tracing.unusual_columns(datasets[name], model.inputs[name], morning):
            made = tracing.made_of(model, name, column.name, morning)
            moved = sorted(made if broken or drifted == {monitoring.SCORE} else made & drifted)
            if not moved:
                continue
            yield Finding(
                rule="upstream",
                about=model.name,
                day=column.first,
                column=f"{name}.{column.name}",
                evidence=f"{', '.join(moved)} moved and come from {name}.{column.name}: "
                f"{column.words}",
                command=f"python -m flows history {name}",
            )


def _unwatched(
    model: Model,
    datasets: Mapping[str, Dataset],
    morning: date,
    scored: set[date],
    watched: set[date],
) -> Iterator[Finding]:
    last = max(watched, default=None)
    days = sorted(day for day in scored if last is None or day > last)
    said = f"{len(days)} scored days from {days[0]} on were not monitored"
    if decay := _unseen(model, datasets, morning):
        said = f"{said}; {_words(decay)} on {decay.day}, and nobody looked"
    yield Finding(
        rule="monitoring",
        about=model.name,
        day=days[0],
        evidence=said,
        command=f"python -m flows monitor {model.name} --day {days[-1]}",
    )


def _unseen(model: Model, datasets: Mapping[str, Dataset], morning: date) -> Performance | None:
    """What monitoring would say of the newest predictions that have matured, where it is bad."""
    matured = scoring.matured(model, morning)
    until = (lake.Condition("day", "<", matured + DAY),)
    days = _days(scoring.predictions(model.name), until, matured)
    inputs = {name: datasets[name] for name in model.inputs}
    found = performance.realised_of(model, inputs, max(days)) if days else []
    return next((each for each in found if each.verdict == "decayed"), None)


def _broken(model: Model, champion: Version) -> Performance | None:
    """The newest metric of what serves, where it breaks its promise.

    What is realised says more than what is expected before labels are known.
    """
    for kind, verdict in (("realised", "decayed"), ("estimated", "drop expected")):
        where = lake.equal(model=model.name, version=champion.number, kind=kind)
        rows = lake.read(monitoring.PERFORMANCE_TABLE, where)
        found = [performance_table.of_row(row) for row in (rows.to_pylist() if rows else ())]
        last = max((each.day for each in found), default=None)
        for each in found:  # of a day's slices, one that broke its promise
            if each.day == last and each.verdict == verdict:
                return each
    return None


def _words(seen: Performance) -> str:
    expected = "expected at " if isinstance(seen, Estimated) else ""
    return f"{seen.name} is {expected}{seen.against}"


def drifted(model: Model, day: date) -> set[str]:
    """The features, or the score, that had moved on a day."""
    where = lake.equal(model=model.name, verdict="drifted") + lake.days("day", Interval.of_day(day))
    rows = lake.read(monitoring.DRIFT_TABLE, where, columns=["feature"])
    names = [] if rows is None else rows["feature"].to_pylist()
    return {name.removeprefix("requests.") for name in names}


def _days(table: str, where: lake.Where, morning: date) -> set[date]:
    """Which of the last days have rows."""
    lately = (*where, lake.Condition("day", ">=", morning - LATELY * DAY))
    rows: pa.Table | None = lake.read(table, lately, columns=["day"])
    return set() if rows is None else set(pc.unique(rows["day"]).to_pylist())

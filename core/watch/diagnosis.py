"""Diagnosis: whose problem is it? Four rules, in this order, on what the lake knows.

Data that are not trusted are put right before the model. Where versions are trained and none
serves, deployment is the problem. Where what a model sees goes wrong together with a column
it is made of, the problem is upstream. Where nobody measures, monitoring is missing. When
all of that is well and the model breaks its promise all the same, the world has moved.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow.compute as pc

from catalog.kinds import Dataset, Model
from core import lake, ledger
from core.intervals import DAY
from core.models import registry
from core.watch import data_rules, model_rules, monitoring
from core.watch.finding import RULES, Finding, Rule

WORDS: Mapping[Rule, str] = {
    "data": "the data cannot be trusted: fix them before the model",
    "deployment": "a model is trained and does not serve: deployment is the problem",
    "upstream": "what a model or a dataset is fed has changed: look upstream",
    "monitoring": "nobody measures what is served: monitoring is missing",
    "model": "data, deployment and monitoring are well: the world has moved, retrain",
    "healthy": "nothing is wrong that the lake knows of",
}
NEXT_DAY = "the next day of the loop"  # what the command is for where nothing is wrong


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One verdict, what it rests on, what other rules found besides, and the next command."""

    verdict: Rule
    words: str
    evidence: tuple[Finding, ...]
    besides: tuple[Finding, ...]
    command: str


def diagnose(datasets: Mapping[str, Dataset], models: Sequence[Model]) -> Diagnosis:
    """Applies the rules. Reads only.

    Args:
        datasets: all of the catalog, each after those that it is checked against.
        models: all of the catalog.
    """
    found = [each for dataset in datasets.values() for each in data_rules.untrusted(dataset)]
    found += [each for dataset in datasets.values() for each in data_rules.fed_wrongly(dataset)]
    found += [each for model in models for each in model_rules.findings(model, datasets)]
    wrong = sorted(found, key=lambda each: RULES.index(each.rule))  # stable: upstream first
    verdict = wrong[0].rule if wrong else "healthy"
    evidence = [each for each in wrong if each.rule == verdict] or [
        *map(_trusted, datasets.values()),
        *(each for model in models for each in _served(model)),
    ]
    return Diagnosis(
        verdict=verdict,
        words=_calm(models) if verdict == "healthy" else WORDS[verdict],
        evidence=tuple(evidence),
        besides=tuple(each for each in wrong if each.rule != verdict),
        command=evidence[0].command if evidence else "",
    )


def _calm(models: Sequence[Model]) -> str:
    moved = [model.name for model in models if _moved(model)[1]]
    if not moved:
        return WORDS["healthy"]
    fed = f"what {' and '.join(moved)} {'is' if len(moved) == 1 else 'are'} fed"
    return f"nothing is broken: {fed} has drifted, and the promised metric holds so far"


def _moved(model: Model) -> tuple[date | None, list[str]]:
    """The last day that was watched, and what had drifted on it."""
    rows = lake.read(monitoring.DRIFT_TABLE, lake.equal(model=model.name), columns=["day"])
    watched = None if rows is None else pc.max(rows["day"]).as_py()
    return watched, sorted(model_rules.drifted(model, watched)) if watched else []


def _trusted(dataset: Dataset) -> Finding:
    known = ledger.entries(dataset.name)
    said = f"{len(known):,} days from {known[0].day} to {known[-1].day}, every one trusted"
    return Finding(
        rule="healthy",
        about=dataset.name,
        day=known[-1].day,
        evidence=said,
        command=f"python -m flows daily --day {known[-1].day + DAY}",
    )


def _served(model: Model) -> Iterator[Finding]:
    champion = registry.champion(model.name)
    if champion is None:
        yield Finding(rule="healthy", about=model.name, evidence="its data are too young to train")
        return
    watched, moved = _moved(model)
    yield Finding(
        rule="healthy",
        about=model.name,
        version=champion.number,
        day=watched,
        evidence=f"version {champion.number} serves and keeps its promise so far; watched "
        f"{watched}, drifted: {', '.join(moved) or 'nothing'}",
    )

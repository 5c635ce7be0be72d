"""The retraining policy: what is decided for a model each day, why, and on the record.

The table `decisions` has a row a model-day: `retrain`; `ignore`, nothing asks for it or it is
too soon; `escalate`, only a person can help.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from typing import Literal

import pyarrow as pa

from catalog.kinds import Model, Retrain
from core import lake, ledger
from core.intervals import DAY, Interval
from core.models import artifacts, registry, runs
from core.models.versions import CLOSED
from core.watch import monitoring
from core.watch.monitoring import Watched

Action = Literal["retrain", "ignore", "escalate"]
FirstDrifted = Callable[[int, date], Sequence[str]]
TABLE = "decisions"
DOUBLINGS = 4  # of the cool-down, at most
SCHEMA = pa.schema(
    {
        "model": pa.string(),
        "day": pa.date32(),
        "version": pa.int64(),
        "action": pa.string(),
        "reason": pa.string(),
    }
)


@dataclass(frozen=True, kw_only=True)
class Signals:
    """What is known on a day of what a policy asks about.

    Attributes:
        last_as_of: as of which day the model was last trained, whatever the gate said.
        champion_as_of: as of which day what serves was trained.
        refused: how many trainings since then have not taken its place.
        drifted: the features, or the score, that have moved.
        answered: those of them that had when it was last trained: what has come of that the
            gate knows, and training again because of it would bring the same.
        decayed: how what serves broke its promise, in words; empty where it did not.
        estimated_drop: the same of the metric estimated before labels are known.
        new_rows: that have come to its inputs since it was last trained, where the model's own
            policy asks.
    """

    last_as_of: date | None
    champion_as_of: date | None = None
    refused: int = 0
    drifted: Sequence[str] = ()
    answered: Sequence[str] = ()
    decayed: str = ""
    estimated_drop: str = ""
    new_rows: int = 0

    @property
    def newly_drifted(self) -> list[str]:
        """What has moved since it was last trained."""
        return [name for name in self.drifted if name not in self.answered]


@dataclass(frozen=True)
class Decision:
    """What is to be done for a model on a day, and the reason in words."""

    action: Action
    reason: str


def decide(rule: Retrain, as_of: date, known: Signals) -> Decision:
    """Applies a policy to what is known on the day that the model would be trained as of."""
    last = known.last_as_of
    if known.champion_as_of == as_of:  # nothing could score before; and so it is said when rerun
        return Decision("retrain", "what serves was trained as of this very day")
    if last is None:
        return Decision("retrain", "it has never been trained")
    age_days = (as_of - last).days
    if age_days < 0:
        return Decision("ignore", f"it has been trained since, as of {last}")
    if rule.every_days and age_days >= rule.every_days:
        return Decision("retrain", f"last trained as of {last}, every {rule.every_days} days")
    anew, still = [*_asks_anew(rule, known)], [*_asks_still(rule, known)]
    if not anew and not still:
        more = "more " if known.answered else ""
        moved = f"{len(known.newly_drifted)} {more}drifted"
        needed = f"{moved}, {rule.on_drifted} needed" if rule.on_drifted else moved
        return Decision("ignore", f"trained as of {last}, {needed}")
    asked = "; ".join([*still, *anew])
    # A training that changed nothing will hardly do so a few days on: wait twice as long each time.
    wait_days = rule.cooldown_days * (1 if anew else 2 ** min(known.refused, DOUBLINGS))
    if age_days >= wait_days:
        return Decision("retrain", asked)
    if known.decayed and known.refused:
        said = f"{known.decayed}; trained again as of {last}, which did not take its place"
        return Decision("escalate", said)
    return Decision("ignore", f"{asked}; cooling down until {last + wait_days * DAY}")


def _asks_anew(rule: Retrain, known: Signals) -> Iterator[str]:
    """What was not there when it was last trained."""
    if rule.on_drifted and len(known.newly_drifted) >= rule.on_drifted:
        yield f"{len(known.newly_drifted)} drifted: {', '.join(known.newly_drifted)}"
    if rule.on_new_rows and known.new_rows >= rule.on_new_rows:
        yield f"{known.new_rows:,} new rows, {rule.on_new_rows:,} needed"


def _asks_still(rule: Retrain, known: Signals) -> Iterator[str]:
    """What goes on asking until something else serves."""
    if rule.on_decay and known.decayed:
        yield known.decayed
    if rule.on_estimated_drop and known.estimated_drop:
        yield known.estimated_drop


@dataclass(frozen=True)
class Past:
    """As of which days a model was trained, in order, and as of which what serves was."""

    trained: Sequence[date]
    champion_as_of: date


def past(model: str, number: int) -> Past:
    """The past of a model of which this version serves."""
    plan = artifacts.manifest(registry.get(model, number).artifact)["plan"]
    return Past(runs.trained_as_of(model), date.fromisoformat(plan["as_of"]))


def signals(
    model: Model,
    watched: Watched,
    as_of: date,
    known: Past | None = None,
    first_drifted: FirstDrifted | None = None,
) -> Signals:
    """What the lake knows on a day, the same when it is asked again after training that day.

    Args:
        model: whose policy asks.
        watched: what was seen on the day.
        as_of: the day that it would be trained as of.
        known: its past; read where left out.
        first_drifted: what of a version had drifted on a day or, where it was not watched on
            it, the next; the table `drift` says it where left out.
    """
    known = known or past(model.name, watched.version)
    first_drifted = first_drifted or partial(monitoring.first_drifted, model.name)
    again = as_of in known.trained
    before = [day for day in known.trained if day < as_of or not again]
    last = before[-1] if before else None
    # What earlier versions predicted says nothing of the one that serves.
    decayed = [each for each in watched.decayed if each.version == watched.version]
    dropping = [f"{each.name} is expected at {each.against}" for each in watched.dropping]
    return Signals(
        last_as_of=last,
        champion_as_of=known.champion_as_of,
        refused=sum(day > known.champion_as_of for day in before),
        drifted=watched.drifted,
        answered=first_drifted(watched.version, last) if last and watched.drifted else (),
        decayed="".join(f"{e.name} on {e.day} was {e.against}" for e in decayed[-1:]),
        estimated_drop="; ".join(dropping),
        new_rows=_new_rows(model, last, as_of) if model.retrain.on_new_rows else 0,
    )


def may_begin(model: Model, as_of: date) -> bool:
    """Whether a model that nothing serves for is trained again.

    Not while one that the gate turned down, and nobody closed, is younger than the cool-down.
    """
    trained, versions = runs.trained_as_of(model.name), registry.versions(model.name)
    if not trained or as_of in trained or versions[-1].state in CLOSED:
        return True
    return not 0 <= (as_of - trained[-1]).days < model.retrain.cooldown_days


def _new_rows(model: Model, last: date | None, as_of: date) -> int:
    if last is None or last >= as_of:
        return 0
    since = Interval(last, as_of)
    return sum(e.rows_good for name in model.inputs for e in ledger.entries(name, since))


def record(model: str, day: date, version: int, decision: Decision) -> bool:
    """Puts the decision in the place of the day's; returns whether it is another one.

    Args:
        model: whose.
        day: that it was decided for.
        version: that served then, 0 for none.
        decision: what was decided.
    """
    row = {"model": model, "day": day, "version": version, **asdict(decision)}
    where = lake.equal(model=model) + lake.days("day", Interval.of_day(day))
    rows = pa.Table.from_pylist([row], schema=SCHEMA)
    return lake.replace_small(TABLE, rows, where, partition_by=["model"])

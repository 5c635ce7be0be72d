"""How a replay looks."""

from core.watch.replay_outcome import Outcome, headline
from flows.replay import Replay
from flows.show import as_text, commands, table


@as_text.register
def _(seen: Replay) -> None:
    table(
        f"{seen.model}: {len(seen.mornings):,} mornings, {seen.mornings}",
        ("policy", f"mean {seen.metric}#", "worst#", "below promise#", "retrained#", "promoted#")
        + ("alarms that mattered#", "false#", "open#", "fit seconds#"),
        (_cells(each) for each in seen.outcomes),
    )
    print(headline(seen.outcomes))
    print(f"written: {seen.plot} ({seen.seconds:.0f} seconds)")
    commands(
        (
            (f"less catalog/models/{seen.model}.py", "retrain=Retrain(...) is where to declare it"),
            (f"python -m flows replay {seen.model} --json", "every day, alarm and retraining"),
        )
    )


def _cells(each: Outcome) -> tuple[object, ...]:
    known = len(each.measured)
    return (
        each.policy,
        "" if each.metric is None else f"{each.metric:.3f}",
        "" if each.worst is None else f"{each.worst:.3f}",
        f"{each.broken:,} of {known:,} days",
        len(each.retrained),
        each.promoted,
        *(each.count(verdict) for verdict in ("mattered", "false", "open")),
        f"{each.seconds:,.0f}",
    )

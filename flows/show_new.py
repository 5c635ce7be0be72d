"""How what a scaffold found and wrote looks."""

from importlib.util import find_spec

from core.scaffold.making import NewDataset
from core.scaffold.making_model import NewModel
from flows.show import as_text, commands, table


@as_text.register
def _(made: NewDataset) -> None:
    rows = f"{made.rows:,} rows" if made.whole else f"its first {made.rows:,} rows"
    table(
        f"{made.origin}: {rows}, {made.interval}",
        ("column", "type", "empty#", "values", "oddities"),
        (
            (c.name, c.kind or "left out", c.nulls, c.seen, "; ".join(c.oddities))
            for c in made.columns
        ),
    )
    others = f" (--day takes {' or '.join(made.other_days)} instead)" if made.other_days else ""
    print(f"A row belongs to the day of {made.day}{others}.")
    if made.unique:
        print(f"No two rows share {' or '.join(made.unique)}: --key makes that a rule.")
    for rule, count in made.bad.items():
        print(f"{count:,} rows would be put aside by: {rule}")
    for note in made.notes:
        print(f"Note: {note}.")
    print(f"Written, and tried by loading the sample: {', '.join(made.files)}\n")
    _next(made)


def _next(made: NewDataset) -> None:
    start, end = made.interval.start, made.interval.end
    commands(
        [
            (f"python -m flows backfill {made.name} --start {start} --end {end}", "load it"),
            (f"python -m flows quarantine {made.name}", "what was put aside, and why"),
            _test(made.files[1]),
            (f"python -m flows new-model NAME {made.name}", "a model on it"),
        ]
    )


def _test(file: str) -> tuple[str, str]:
    known = find_spec("pytest") is not None  # `make run` does not bring it
    return f"{'' if known else 'make dev && '}python -m pytest {file}", "its test"


@as_text.register
def _(made: NewModel) -> None:
    others = f" (--entity takes {' or '.join(made.others)} instead)" if made.others else ""
    print(f"Scored: each {made.entity} of {made.dataset}{others}.")
    print(f"Label: no row within {made.horizon_days} days. Features: {', '.join(made.features)}.")
    print(f"Written: {', '.join(made.files)}\n")
    commands(
        [
            (f"python -m flows plan {made.name}", "whether its data are there"),
            (
                f"python -m flows retrain {made.name} --as-of {made.as_of or 'DAY'}",
                "fit it, and let the gate decide",
            ),
            _test(made.files[1]),
        ]
    )

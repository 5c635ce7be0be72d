"""Which column says to which day a row belongs."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from core.errors import UsageError
from core.scaffold.texts import UNSURE, Found

LATER = re.compile(r"(?i)birth|due|expir|updat|modif|deliver|end|until|clos|cancel")
MOST_DAYS = 100_000


def day(declared: Sequence[Found], wanted: str, origin: str) -> tuple[str, tuple[str, ...]]:
    """The column that says to which day a row belongs, and the others that could.

    Without a word for it: one without nulls, that is no later event's, the first of these.

    Raises:
        UsageError: there is none.
    """
    dates = [each for each in declared if each.kind == "datetime"]
    names = [each.name for each in dates]
    if wanted and wanted not in names:
        said = "; ".join(next(each for each in declared if each.name == wanted).oddities)
        raise UsageError(f"--day: '{wanted}' is not a column of dates{f': {said}' if said else ''}")
    if not dates:
        raise _without(declared, origin)
    ranked = sorted(dates, key=lambda each: (each.nulls > 0, bool(LATER.search(each.name))))
    chosen = wanted or ranked[0].name
    _check_span(next(each for each in dates if each.name == chosen))
    return chosen, tuple(name for name in names if name != chosen)


def _without(declared: Sequence[Found], origin: str) -> UsageError:
    for each in declared:
        if words := next((odd for odd in each.oddities if odd.startswith(UNSURE)), ""):
            return UsageError(f"'{each.name}' holds {words}; nothing is guessed")
    if len(declared) == 1:
        return UsageError(
            f"{origin} has one column, {declared[0].name!r:.60}; is it cut by something else than "
            "a comma, a semicolon, a tab or a bar?"
        )
    return UsageError(
        f"{origin} has no column of dates, and a table is loaded by day; have one added upstream, "
        "or name one of years or months with --day"
    )


def _check_span(found: Found) -> None:
    first, last = found.span
    if (last - first).days > MOST_DAYS:
        raise UsageError(
            f"'{found.name}' goes from {first} to {last}: one of them "
            "stands for no date; have it left empty, or name another column with --day"
        )


def as_day(found: Found) -> Found:
    """The day's column as it is declared: it takes no null, and rows without it are bad."""
    if not found.nulls:
        return replace(found, everywhere=True)
    words = f"empty in {found.nulls:,} rows, which are put aside: a row needs its day"
    odd = (*found.oddities, words)
    return replace(found, values=found.values.drop_null(), everywhere=True, oddities=odd)


def early(found: Found) -> pa.Array:
    """Which rows are of the first half of the days; all where there is but one."""
    ordered = found.values.drop_null().sort()
    first, last, middle = (ordered[place] for place in (0, -1, (len(ordered) - 1) // 2))
    one_day = first.as_py().date() == last.as_py().date()
    return pc.fill_null(pc.less_equal(found.values, last if one_day else middle), False)

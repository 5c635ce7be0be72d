"""The rule that a column's values suggest, as one would write it, and values it takes and refuses.

A rule must hold for tomorrow's rows too. A set of values is taken for closed where each is
frequent and none is new in the second half of the days; a range is ten times what was seen,
which a slip of units breaks and growth does not.
"""

import re
from dataclasses import dataclass
from math import floor, log10
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from core.scaffold.layout import number, quoted
from core.scaffold.texts import Found

MOST_VALUES = 20
MOST_CHARACTERS = 70  # of a set of values: what does not fit on a line is no rule of thumb
LEAST_EACH = 3
LEAST_ROWS = 20
HEADROOM = 10
LARGEST = 2**62
LIKE_NUMBERS = ("1", "1,000", "1" * 20)
RUNS = re.compile(r"(?s)([0-9]+)|([a-z]+)|([A-Z]+)|([-_:/#]+)|.")
KINDS = {1: (r"\d", "0"), 2: ("[a-z]", "a"), 3: ("[A-Z]", "A"), 4: ("", "")}
IDENTIFIER = re.compile(r"(?i)(\A|_| )id\Z|(?-i:[a-z]Id)\Z")
SIGNED = re.compile(r"(?i)temp|dew|delta|change|diff|balance|profit|offset|altitude|margin|return")
KNOWN = {  # what people mean by these names
    "month": (1, 12),
    "day": (1, 31),
    "hour": (0, 23),
    "minute": (0, 59),
    "second": (0, 59),
    "weekday": (0, 7),
    "latitude": (-90, 90),
    "lat": (-90, 90),
    "longitude": (-180, 180),
    "lon": (-180, 180),
}


@dataclass(frozen=True)
class Rule:
    """What is declared of a column besides its type.

    Attributes:
        code: the check as Python; empty for none.
        seen: the values in words, for people.
        good: a value that it takes, made up as far as can be.
        bad: one that it refuses; None where it takes all.
        oddity: what a person should know; empty for nothing.
    """

    code: str = ""
    seen: str = ""
    good: Any = None
    bad: Any = None
    oddity: str = ""


def rule(found: Found, early: pa.Array) -> Rule:
    """The rule for a column.

    Args:
        found: the column.
        early: which of its rows are of the first half of the sample's days.
    """
    known = found.values.drop_null()
    if not len(known):
        return Rule(good="", oddity="empty in all rows, so its type is a guess")
    if found.kind == "datetime":
        first, last = found.span
        return Rule(seen=f"{first} to {last}" if first < last else str(first))
    if found.kind == "bool":
        return Rule(seen=f"{pc.mean(known.cast(pa.int8())).as_py():.0%} true", good=True)
    counts = pc.value_counts(known)
    values = dict(zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True))
    settled = len(pc.unique(found.values.filter(early).drop_null())) == len(values)
    if len(values) == 1 and len(known) >= LEAST_ROWS:
        [value] = values
        good = "text" if isinstance(value, str) else value
        return Rule(seen=f"always {value!r:.40}", good=good, oddity=f"always {value!r:.40}")
    closed = settled and len(values) <= MOST_VALUES and len(known) >= 10 * len(values)
    closed = closed and min(values.values()) >= LEAST_EACH
    if found.kind == "string":
        return _of_text(found, known, values, closed)
    return _of_numbers(found, known, values, closed)


def _of_text(found: Found, known: pa.Array, values: dict[str, int], closed: bool) -> Rule:
    listed = f"[{', '.join(quoted(value) for value in sorted(values))}]"
    if closed and len(listed) <= MOST_CHARACTERS:
        taken = sorted(values)
        seen = ", ".join(taken)
        return Rule(f"Check.isin({listed})", seen, taken[0], "not one of them")
    ends = pc.min_max(pc.utf8_length(known)).as_py()
    span = f"{ends['min']} to {ends['max']}" if ends["min"] < ends["max"] else str(ends["max"])
    seen = f"{len(values):,} different, {span} characters"
    shapes = {_shape(value) for value in values} if ends["min"] == ends["max"] <= 40 else set()
    (shape, good), *others = shapes or {("", "")}
    if shape and not others and len(values) >= 5 and len(known) >= LEAST_ROWS:
        return Rule(f'Check.str_matches(r"^{shape}$")', f"{seen}, {shape}", good, "?")
    if found.pattern and len(known) >= LEAST_ROWS:
        good = next(text for text in LIKE_NUMBERS if re.search(found.pattern, text))
        return Rule(f'Check.str_matches(r"{found.pattern}")', seen, good, "no such form")
    return Rule(seen=seen, good="text")


def _shape(text: str) -> tuple[str, str]:
    """A pattern of the text's kinds of characters, and a made-up text that it takes.

    Both are empty where a character is neither a letter, a digit nor a common mark.
    """
    pattern = like = ""
    for match in RUNS.finditer(text):
        if match.lastindex is None:
            return "", ""
        kind, mark = KINDS[match.lastindex]
        count = len(match[0])
        pattern += f"{kind}{{{count}}}" if kind and count > 1 else kind or match[0]
        like += mark * count or match[0]
    return pattern, like


def _of_numbers(found: Found, known: pa.Array, values: dict[Any, int], closed: bool) -> Rule:
    ends = pc.min_max(known).as_py()
    low, high = ends["min"], ends["max"]
    seen = f"{_shown(low)} to {_shown(high)}"
    span = KNOWN.get(re.split(r"[_ ]", found.name.lower())[-1])
    if span and span[0] <= low and high <= span[1]:
        return _within(*span, seen, found.kind)
    if closed and found.kind == "int":
        often = min(values[low], values[high]) >= 0.02 * len(known)
        if high - low + 1 == len(values) > 2 and often:
            return _within(low, high, seen, found.kind)
        listed = f"[{', '.join(number(value) for value in sorted(values))}]"
        if len(listed) <= MOST_CHARACTERS and high - low + 1 != len(values) or len(values) == 2:
            return Rule(f"Check.isin({listed})", listed[1:-1], low, high + 1)
    most = HEADROOM * max(abs(low), abs(high))
    unique = found.kind == "int" and len(values) == len(found.values) >= LEAST_ROWS
    if low >= 0 and (unique or IDENTIFIER.search(found.name) or most >= LARGEST):
        return Rule("Check.ge(0)", seen, 1, -1)
    if most >= LARGEST:
        return Rule(seen=seen, good=1)
    top = _round_up(most)
    below = low < 0 or SIGNED.search(found.name)
    return _within(-top if below else 0, top, seen, found.kind)


def _shown(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{float(f'{value:.6g}'):,}"


def _within(low: float, high: float, seen: str, kind: str) -> Rule:
    good = max(low, min(1, high))
    code = f"Check.in_range({number(low)}, {number(high)})"
    return Rule(code, seen, good if kind == "int" else float(good), low - 1)


def _round_up(value: float) -> float:
    """The next 1, 2 or 5 with zeros."""
    if not value:
        return 1
    ten = 10.0 ** floor(log10(value))
    best = next(step * ten for step in (1, 2, 5, 10) if step * ten >= value * (1 - 1e-9))
    return int(best) if best >= 1 else float(f"{best:.1g}")

"""A dataset's file in the catalog, as text."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from math import ceil
from textwrap import wrap

from catalog.kinds import Dataset, Http, Source
from core.scaffold.layout import WIDTH, fit, literal, number, quoted
from core.scaffold.proving import Proof
from core.scaffold.rules import Rule
from core.scaffold.texts import Found

MOST_TOLERATED = 0.5
TOKEN = re.compile(r"(?m)^( {8}token=.*,)$")
NULLABLE = {"int": "pd.Int64Dtype()", "bool": "pd.BooleanDtype()"}
TYPES = {"string": "str", "datetime": '"datetime64[us, UTC]"'}


@dataclass(frozen=True, kw_only=True)
class Draft:
    """All that a dataset's file says.

    Attributes:
        columns: those that are declared.
        left_out: those the reader takes for no type.
        rules: of each column by its name.
        rows: that were looked at.
        proof: None while the declaration is still to be proven.
    """

    name: str
    source: Source
    origin: str
    day: str
    key: tuple[str, ...]
    columns: Sequence[Found]
    left_out: Sequence[Found]
    rules: Mapping[str, Rule]
    rows: int
    seen: date
    proof: Proof | None = None


def oddities(draft: Draft) -> dict[str, list[str]]:
    """What is odd, and the columns it is true of."""
    found: dict[str, list[str]] = {}
    for each in (*draft.columns, *draft.left_out):
        rule = draft.rules.get(each.name, Rule())
        somewhere = "" if each.everywhere else "not in every file"
        for words in filter(None, (*each.oddities, rule.oddity, somewhere)):
            found.setdefault(words, []).append(each.name)
    return found


def code(draft: Draft) -> str:
    """The file in `catalog/datasets/`."""
    columns = [_column(each, draft.rules[each.name]) for each in draft.columns]
    schema = fit("{", columns, "}", indent=4, broken=True)
    pandas = "import pandas as pd\n" if "pd." in schema else ""
    checks = "Check, " if "Check." in schema else ""
    return f"""{_docstring(draft)}

{pandas}from pandera.pandas import {checks}Column, DataFrameSchema

from catalog.kinds import Dataset, {type(draft.source).__name__}

schema = DataFrameSchema(
    {schema}
)

{_dataset(draft)}"""


def _column(found: Found, rule: Rule) -> str:
    nullable = bool(found.nulls) or not found.everywhere
    kind = TYPES.get(found.kind, found.kind)
    parts = [NULLABLE.get(found.kind, kind) if nullable else kind, rule.code]
    parts += ["nullable=True" if nullable else "", "" if found.everywhere else "required=False"]
    return fit(f"{quoted(found.name)}: Column(", [*filter(None, parts)], indent=8)


def _docstring(draft: Draft) -> str:
    title = draft.name.replace("_", " ").capitalize()
    firsts = (f"{title}, from {draft.origin}.", f"{title}, from {draft.origin.split('/')[-1]}.")
    first = next((each for each in firsts if len(each) <= WIDTH - 3), f"{title}.")
    proof = draft.proof
    span = f", {proof.first} to {proof.last}" if proof else ""
    what = f"the sample ({draft.rows:,} rows{span}), seen {draft.seen}"
    found = [f"{', '.join(map(_marked, names))}: {odd}." for odd, names in oddities(draft).items()]
    if proof and proof.bad:
        rules = ", ".join(f"{rule} ({count:,})" for rule, count in proof.bad.items())
        found.append(f"Rows that are put aside: {rules}.")
    lines = [first, "", f"Oddities of {what}:" if found else f"Nothing is odd in {what}."]
    for odd in found:
        lines += wrap(
            odd,
            WIDTH - 2,
            initial_indent="- ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    if any("in_range" in rule.code for rule in draft.rules.values()):
        room = "Ranges leave room for ten times what was seen: narrow them where you know better."
        lines += ["", room]
    text = "\n".join(lines).replace('"""', "'''")
    return f'{"r" if chr(92) in text else ""}"""{text}\n"""'


def _marked(name: str) -> str:
    return f"`{name}`" if name.isprintable() else f"`{name!r}`"


def _dataset(draft: Draft) -> str:
    lines = [
        f"name={quoted(draft.name)},",
        'owner="nobody@example.com",  # fill in: who is told when a day is refused',
        f"{_source(draft.source)},",
        "schema=schema,",
        f"day={quoted(draft.day)},",
        f"{literal('key=', draft.key, indent=4)}," if draft.key else "",
        *(_tolerances(draft.proof) if draft.proof else ()),
    ]
    return "".join(["dataset = Dataset(\n", *(f"    {line}\n" for line in lines if line), ")\n"])


def _tolerances(proof: Proof) -> Iterator[str]:
    worst, days = max(proof.shares), len(proof.shares)
    if worst > Dataset.max_bad_share:
        share = number(min(ceil(worst * 100) / 100, MOST_TOLERATED))
        yield f"max_bad_share={share},  # the sample's worst day has {worst:.1%}"
    if proof.empty:
        all_days = days + proof.empty
        yield f"min_rows=0,  # {proof.empty:,} of {all_days:,} days of the sample have no rows"
    elif days >= 7 and proof.least >= 4:
        least = number(proof.least // 2)
        yield f"min_rows={least},  # the sample's quietest day has {proof.least:,}"
    if proof.empty > days:
        yield "limits=None,  # most days have no rows: nothing is usual"


def _source(source: Source) -> str:
    parts = []
    of_all = {field.name for field in fields(Source)}
    for field in sorted(fields(source), key=lambda each: each.name in of_all):
        name, value = field.name, getattr(source, field.name)
        if value and value != field.default:
            parts.append(literal(f"{name}=", value, indent=8))
    named = isinstance(source, Http) and bool(source.token)  # its line takes a comment
    text = fit(f"source={type(source).__name__}(", parts, indent=4, broken=named)
    return TOKEN.sub(r"\1  # noqa: S106  a variable's name, not the secret", text)

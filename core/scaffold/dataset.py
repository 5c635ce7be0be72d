"""A dataset's file in the catalog, as text."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil
from textwrap import wrap
from typing import Any

from catalog.kinds import File, Http, Source
from core.scaffold.layout import WIDTH, Call, lay
from core.scaffold.proving import Proof
from core.scaffold.rules import Rule, number, quoted
from core.scaffold.texts import Found

WORST_SHARE = 0.01  # Dataset's own default
MOST_TOLERATED = 0.5
TOKEN = re.compile(r"(?m)^( {8}token=.*,)$")
WRAPPED: Any = {"break_long_words": False, "break_on_hyphens": False}
NULLABLE = {"int": "pd.Int64Dtype()", "bool": "pd.BooleanDtype()"}
TYPES = {"string": "str", "datetime": '"datetime64[us, UTC]"'}


@dataclass(frozen=True, kw_only=True)
class Draft:
    """All that a dataset's file says.

    Attributes:
        columns: those that are declared.
        left_out: those the reader takes for no type, and why.
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
    left_out: Mapping[str, str]
    rules: Mapping[str, Rule]
    rows: int
    seen: date
    proof: Proof | None = None


def oddities(draft: Draft) -> dict[str, list[str]]:
    """What is odd, and the columns it is true of."""
    found: dict[str, list[str]] = {}
    for each in draft.columns:
        for words in (*each.oddities, draft.rules[each.name].oddity):
            if words:
                found.setdefault(words, []).append(each.name)
        if not each.everywhere:
            found.setdefault("not in every file", []).append(each.name)
    for name, words in draft.left_out.items():
        found.setdefault(words, []).append(name)
    return found


def code(draft: Draft) -> str:
    """The file in `catalog/datasets/`."""
    columns = [_column(each, draft.rules[each.name]) for each in draft.columns]
    schema = Call("schema = DataFrameSchema(", [Call("{", columns, "}", literal=True, broken=True)])
    text = lay(schema)
    checks = "Check, " if "Check." in text else ""
    kind = type(draft.source).__name__
    parts = [
        _docstring(draft),
        "\n\n",
        "import pandas as pd\n" if "pd." in text else "",
        f"from pandera.pandas import {checks}Column, DataFrameSchema\n\n",
        f"from catalog.kinds import Dataset, {kind}\n\n",
        text,
        "\n\n",
        _dataset(draft),
    ]
    return "".join(parts)


def _column(found: Found, rule: Rule) -> Call:
    nullable = bool(found.nulls) or not found.everywhere
    kind = TYPES.get(found.kind, found.kind)
    parts = [NULLABLE.get(found.kind, kind) if nullable else kind]
    parts += [rule.code] if rule.code else []
    parts += ["nullable=True"] if nullable else []
    parts += [] if found.everywhere else ["required=False"]
    return Call(f"{quoted(found.name)}: Column(", parts)


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
        lines += wrap(odd, WIDTH - 2, initial_indent="- ", subsequent_indent="  ", **WRAPPED)
    if any("in_range" in rule.code for rule in draft.rules.values()):
        room = "Ranges leave room for ten times what was seen: narrow them where you know better."
        lines += ["", room]
    text = "\n".join(lines).replace('"""', "'''")
    return f'{"r" if chr(92) in text else ""}"""{text}\n"""'


def _marked(name: str) -> str:
    return f"`{name}`" if name.isprintable() else f"`{name!r}`"


def _dataset(draft: Draft) -> str:
    proof = draft.proof
    fields = [
        (f"name={quoted(draft.name)}", ""),
        ('owner="nobody@example.com"', "fill in: who is told when a day is refused"),
        (lay(_source(draft.source), 4, 4, 1), ""),
        ("schema=schema", ""),
        (f"day={quoted(draft.day)}", ""),
    ]
    if draft.key:
        names = [quoted(name) for name in draft.key]
        many = lay(Call("key=(", names, literal=True), 4, 4, 1)
        fields.append((many if len(names) > 1 else f"key=({names[0]},)", ""))
    if proof:
        fields += _tolerances(proof)
    lines = "".join(f"    {text},{f'  # {why}' if why else ''}\n" for text, why in fields)
    lines = TOKEN.sub(r"\1  # noqa: S106  a variable's name, not the secret", lines)
    return f"dataset = Dataset(\n{lines})\n"


def _tolerances(proof: Proof) -> list[tuple[str, str]]:
    found = []
    worst = max(proof.shares)
    if worst > WORST_SHARE:
        share = min(ceil(worst * 100) / 100, MOST_TOLERATED)
        found.append((f"max_bad_share={number(share)}", f"the sample's worst day has {worst:.1%}"))
    days = proof.days + proof.empty
    if proof.empty:
        found.append(("min_rows=0", f"{proof.empty:,} of {days:,} days of the sample have no rows"))
    elif days >= 7 and proof.least >= 4:
        least = f"the sample's quietest day has {proof.least:,}"
        found.append((f"min_rows={number(proof.least // 2)}", least))
    if proof.empty > proof.days:
        found.append(("limits=None", "most days have no rows: nothing is usual"))
    return found


def _source(source: Source) -> Call:
    parts: list[str | Call] = []
    if isinstance(source, File):
        parts.append(f"path={quoted(source.path)}")
    elif isinstance(source, Http):
        parts.append(f"url={quoted(source.url)}")
        parts += [_pairs("params=", source.params)] if source.params else []
        for name in ("format", "token"):
            value, default = getattr(source, name), getattr(Http, name)
            parts += [f"{name}={quoted(value)}"] if value != default else []
    for name in ("delimiter", "encoding", "records"):
        value = getattr(source, name)
        parts += [f"{name}={quoted(value)}"] if value != getattr(Source, name) else []
    parts += [_pairs("date_formats=", source.date_formats)] if source.date_formats else []
    named = isinstance(source, Http) and bool(source.token)  # its line takes a comment
    return Call(f"source={type(source).__name__}(", parts, broken=named)


def _pairs(head: str, pairs: Mapping[str, str]) -> Call:
    lines = [f"{quoted(name)}: {quoted(value)}" for name, value in pairs.items()]
    return Call(head + "{", lines, "}", literal=True)

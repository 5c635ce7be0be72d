"""A model's file in the catalog, and its test, as text: recency, counts and sums of an entity."""

import re
from dataclasses import dataclass

from catalog.kinds import Dataset
from core.scaffold.layout import fit, quoted
from core.scaffold.rules import IDENTIFIER

MOST_COLUMNS = 6
LONGEST = 27  # of a name: a feature is to stand on one line
NO_AMOUNT = re.compile(
    r"(?i)(\A|_| )(year|month|day|hour|minute|lat|lon|latitude|longitude|code)\Z"
)
HOW = {"float": ("sum", "mean", "max"), "int": ("sum", "mean", "max"), "bool": ("mean",),
       "string": ("nunique",)}  # fmt: skip
WITHOUT_GAPS = ("sum", "nunique")  # of nothing there is no mean, and few estimators take a gap
MADE_UP = {"bool": "[True, False, True]", "string": '["x", "y", "x"]'}


@dataclass(frozen=True)
class Draft:
    """What a model's file says: which of the entities in a dataset will fall silent."""

    name: str
    dataset: Dataset
    entity: str
    horizon_days: int

    @property
    def columns(self) -> dict[str, str]:
        """The columns that features are made of, and their kinds: numbers first."""
        kinds, silent = self.dataset.columns, (self.entity, self.dataset.day, *self.dataset.key)
        some = [
            column
            for column, kind in kinds.items()
            if self._how(column, kind)
            and column not in silent
            and not IDENTIFIER.search(column)
            and not NO_AMOUNT.search(column)
            and len(column) <= LONGEST
        ]
        ranked = sorted(some, key=lambda column: [*HOW].index(kinds[column]))
        return {column: kinds[column] for column in ranked[:MOST_COLUMNS]}

    @property
    def features(self) -> dict[str, str]:
        """Each feature and what computes it."""
        found = {
            "recency_days": "(as_of - last).dt.days",
            "tenure_days": "(as_of - first).dt.days",
            "count": "known.size()",
        }
        for column, kind in self.columns.items():
            word = re.sub(r"\W+", "_", column).strip("_").lower()
            for how in self._how(column, kind):
                found[f"{word}_{how}"] = f"known[{quoted(column)}].{how}()"
        return found

    def _how(self, column: str, kind: str) -> list[str]:
        nullable = self.dataset.checks.columns[column].nullable
        return [how for how in HOW.get(kind, ()) if how in WITHOUT_GAPS or not nullable]


def code(made: Draft) -> str:
    """The file in `catalog/models/`."""
    table, day, entity = made.dataset.name, quoted(made.dataset.day), quoted(made.entity)
    days = f"{made.horizon_days} day{'' if made.horizon_days == 1 else 's'}"
    rows = f"{table}: pd.DataFrame"
    features = [f"{quoted(name)}: {text}" for name, text in made.features.items()]
    columns = map(quoted, (made.entity, made.dataset.day, *made.columns))
    inputs = fit(f"{quoted(table)}: (", [*columns], indent=8)
    silent = [f"~entities.isin({table}[{entity}])", "index=entities"]
    return f'''"""{_title(made)}: of which {made.entity} will there be no row within {days}?

A first idea, to be made yours: the label is that an entity falls silent, the features are its
recency, counts and sums.
"""

import pandas as pd

from catalog.estimators import boosting, forest, logistic
from catalog.kinds import Candidate, Gate, Model


{fit("def features(", ["as_of: pd.Timestamp", rows], ") -> pd.DataFrame:")}
    """What is known of each entity from its rows before `as_of`."""
    known = {table}.groupby({entity})
    first = known[{day}].min()
    last = known[{day}].max()
    return pd.DataFrame(
        {fit("{", features, "}", indent=8, broken=True)}
    )


{fit("def label(", ["entities: pd.Index", rows], ') -> "pd.Series[bool]":')}
    """True for an entity without a row in the horizon."""
    {fit("return pd.Series(", silent, indent=4)}


model = Model(
    name={quoted(made.name)},
    owner="nobody@example.com",  # fill in: who is told about drift, promotions and failures
    entity={entity},
    {fit("inputs={", [inputs], "}", indent=4)},
    features=features,
    label=label,
    horizon_days={made.horizon_days},
    candidates=(
        Candidate(name="logistic_regression", estimator=logistic),
        Candidate(name="gradient_boosting", estimator=boosting),
        Candidate(name="random_forest", estimator=forest),
    ),
    gate=Gate(floor=0.6),  # the ROC AUC below which nothing is worth serving: raise it
)
'''


def _title(made: Draft) -> str:
    return made.name.replace("_", " ").capitalize()


def test(made: Draft) -> str:
    """The test of its functions: on rows made up, of two entities."""
    whole = made.dataset.columns[made.entity] == "int"
    first, second = ("1", "2") if whole else ('"a"', '"b"')
    days = ['["2026-01-01", "2026-01-11", "2026-01-21"]', "utc=True"]
    values = {column: MADE_UP.get(kind, "[1, 2, 3]") for column, kind in made.columns.items()}
    fields = [
        f"{quoted(made.entity)}: [{first}, {first}, {second}]",
        fit(f"{quoted(made.dataset.day)}: pd.to_datetime(", days, indent=8),
        *(f"{quoted(name)}: {some}" for name, some in values.items()),
    ]
    rows, model = f"{made.dataset.name}=ROWS", f"catalog.model({quoted(made.name)})"
    return f'''"""{_title(made)}: its features and its label, on rows of two entities."""

import pandas as pd

import catalog

ROWS = pd.DataFrame(
    {fit("{", fields, "}", indent=4, broken=True)}
)
AS_OF = pd.Timestamp("2026-02-01", tz="UTC")


def test_an_entity_has_its_recency_and_count():
    features = {model}.features(AS_OF, {rows})

    assert features["recency_days"].to_dict() == {{{first}: 21, {second}: 11}}
    assert features["count"].to_dict() == {{{first}: 2, {second}: 1}}


def test_an_entity_without_rows_in_the_horizon_is_what_it_looks_for():
    entities = pd.Index([{first}, {second}], name={quoted(made.entity)})

    label = {model}.label(entities, {rows}[:2])

    assert label.to_dict() == {{{first}: False, {second}: True}}
'''

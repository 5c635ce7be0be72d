"""A model's file in the catalog, and its test, as text: recency, counts and sums of an entity."""

import re
from dataclasses import dataclass

from catalog.kinds import Dataset
from core.scaffold.layout import Call, lay
from core.scaffold.rules import IDENTIFIER, quoted

MOST_NUMBERS, MOST_TEXTS = 4, 2
LONGEST = 27  # of a name: a feature is to stand on one line
NO_AMOUNT = re.compile(
    r"(?i)(\A|_| )(year|month|day|hour|minute|lat|lon|latitude|longitude|code)\Z"
)
CANDIDATES = '''
def logistic(seed: int) -> Any:
    """Logistic regression on a logarithm that knows signs: sums and counts are heavily skewed."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    return make_pipeline(
        FunctionTransformer(np.arcsinh, feature_names_out="one-to-one"),
        StandardScaler(),
        LogisticRegression(random_state=seed),
    )


def boosting(seed: int) -> Any:
    """Histogram gradient boosting."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.05, max_leaf_nodes=15, random_state=seed
    )


def forest(seed: int) -> Any:
    """A random forest of 100 trees, depth 10."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=100, max_depth=10, random_state=seed)

'''


@dataclass(frozen=True)
class Draft:
    """All that a model's file says.

    Attributes:
        numbers: columns whose sum, mean and largest value are features.
        flags: columns of which the share of rows is.
        texts: columns of which the number of different values is.
    """

    name: str
    dataset: str
    entity: str
    day: str
    horizon_days: int
    numbers: tuple[str, ...]
    flags: tuple[str, ...]
    texts: tuple[str, ...]
    nullable: frozenset[str]
    whole: bool

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns it reads."""
        return (self.entity, self.day, *self.numbers, *self.flags, *self.texts)


def draft(name: str, dataset: Dataset, entity: str, horizon_days: int) -> Draft:
    """Which columns a model of the entity would look at."""
    declared = dataset.checks.columns
    left = [
        column
        for column in dataset.columns
        if column not in (entity, dataset.day, *dataset.key)
        and not IDENTIFIER.search(column)
        and not NO_AMOUNT.search(column)
        and len(column) <= LONGEST
    ]

    def of(*kinds: str) -> list[str]:
        return [column for column in left if dataset.columns[column] in kinds]

    return Draft(
        name=name,
        dataset=dataset.name,
        entity=entity,
        day=dataset.day,
        horizon_days=horizon_days,
        numbers=tuple(of("float", "int")[:MOST_NUMBERS]),
        flags=tuple(column for column in of("bool") if not declared[column].nullable),
        texts=tuple(of("string")[:MOST_TEXTS]),
        nullable=frozenset(column for column in left if declared[column].nullable),
        whole=dataset.columns[entity] == "int",
    )


def features(made: Draft) -> dict[str, str]:
    """Each feature and what computes it."""
    found = {
        "recency_days": "(as_of - last).dt.days",
        "tenure_days": "(as_of - first).dt.days",
        "count": "known.size()",
    }
    for column in made.numbers:
        # Where nothing is known there is no mean, and not every estimator takes a gap.
        for how in ("sum",) if column in made.nullable else ("sum", "mean", "max"):
            found[f"{_word(column)}_{how}"] = f"known[{quoted(column)}].{how}()"
    found |= {f"{_word(column)}_share": f"known[{quoted(column)}].mean()" for column in made.flags}
    different = {f"different_{_word(column)}": column for column in made.texts}
    return found | {
        name: f"known[{quoted(column)}].nunique()" for name, column in different.items()
    }


def _word(column: str) -> str:
    return re.sub(r"\W+", "_", column).strip("_").lower()


def code(made: Draft) -> str:
    """The file in `catalog/models/`."""
    day, entity, rows = quoted(made.day), quoted(made.entity), f"{made.dataset}: pd.DataFrame"
    title = made.name.replace("_", " ").capitalize()
    head = lay(Call("def features(", ["as_of: pd.Timestamp", rows], ") -> pd.DataFrame:"))
    body = [f"{quoted(name)}: {text}" for name, text in features(made).items()]
    frame = lay(
        Call("return pd.DataFrame(", [Call("{", body, "}", literal=True, broken=True)]), 4, 4
    )
    label = lay(Call("def label(", ["entities: pd.Index", rows], ') -> "pd.Series[bool]":'))
    silent = [f"~entities.isin({made.dataset}[{entity}])", "index=entities"]
    gone = lay(Call("return pd.Series(", silent), 4, 4)
    read = Call(f"{quoted(made.dataset)}: (", [*map(quoted, made.inputs)], literal=True)
    inputs = lay(Call("inputs={", [read], "}", literal=True), 4, 4, 1)
    days = f"{made.horizon_days} day{'' if made.horizon_days == 1 else 's'}"
    return f'''"""{title}: of which {made.entity} will there be no row within {days}?

A first idea, to be made yours: the label is that an entity falls silent, the features are its
recency, counts and sums.
"""

from typing import Any

import pandas as pd

from catalog.kinds import Candidate, Gate, Model


{head}
    """What is known of each entity from its rows before `as_of`."""
    known = {made.dataset}.groupby({entity})
    first = known[{day}].min()
    last = known[{day}].max()
    {frame}


{label}
    """True for an entity without a row in the horizon."""
    {gone}

{CANDIDATES}
model = Model(
    name={quoted(made.name)},
    owner="nobody@example.com",  # fill in: who is told about drift, promotions and failures
    entity={entity},
    {inputs},
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


def test(made: Draft) -> str:
    """The test of its functions: on rows made up, of two entities."""
    first, second = ("1", "2") if made.whole else ('"a"', '"b"')
    days = '["2026-01-01", "2026-01-11", "2026-01-21"]'
    values = {
        **dict.fromkeys(made.numbers, "[1, 2, 3]"),
        **dict.fromkeys(made.flags, "[True, False, True]"),
        **dict.fromkeys(made.texts, '["x", "y", "x"]'),
    }
    parts: list[str | Call] = [
        f"{quoted(made.entity)}: [{first}, {first}, {second}]",
        Call(f"{quoted(made.day)}: pd.to_datetime(", [days, "utc=True"]),
        *(f"{quoted(name)}: {some}" for name, some in values.items()),
    ]
    rows = lay(Call("ROWS = pd.DataFrame(", [Call("{", parts, "}", literal=True, broken=True)]))
    title = made.name.replace("_", " ").capitalize()
    return f'''"""{title}: its features and its label, on rows of two entities."""

import pandas as pd

import catalog

{rows}
AS_OF = pd.Timestamp("2026-02-01", tz="UTC")


def test_an_entity_has_its_recency_and_count():
    features = catalog.model({quoted(made.name)}).features(AS_OF, {made.dataset}=ROWS)

    assert features["recency_days"].to_dict() == {{{first}: 21, {second}: 11}}
    assert features["count"].to_dict() == {{{first}: 2, {second}: 1}}


def test_an_entity_without_rows_in_the_horizon_is_what_it_looks_for():
    entities = pd.Index([{first}, {second}], name={quoted(made.entity)})

    label = catalog.model({quoted(made.name)}).label(entities, {made.dataset}=ROWS[:2])

    assert label.to_dict() == {{{first}: False, {second}: True}}
'''

"""A small shop for the tests: its buys as a CSV file, its dataset, and a model of its customers."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandera.pandas import Check, Column, DataFrameSchema

from catalog.kinds import Candidate, Dataset, File, Gate, Model
from core.intervals import DAY, Interval
from core.load import loading, recording
from core.sources import landing

START = date(2024, 1, 1)


def buys(days: int = 50, customers: int = 300, seed: int = 0, first: int = 0) -> pd.DataFrame:
    """Each customer buys with a chance of its own a day, so that the past tells the future."""
    random = np.random.default_rng(seed)
    chance = random.beta(0.6, 6, customers)
    day, customer = np.nonzero(random.random((days, customers)) < chance)
    return pd.DataFrame(
        {
            "customer": first + customer + 1,
            "at": [f"{START + timedelta(days=int(each))}T10:00:00Z" for each in day],
            "amount": random.gamma(2, 10, len(day)).round(2),
        }
    )


def dataset(folder: Path, rows: pd.DataFrame, name: str = "buys", kind: type = str) -> Dataset:
    """Writes the file and declares it; a negative amount is a bad row."""
    path = folder / f"{name}.csv"
    rows.to_csv(path, index=False)
    schema = DataFrameSchema(
        {
            "customer": Column(kind),
            "at": Column("datetime64[us, UTC]"),
            "amount": Column(float, Check.ge(0)),
        }
    )
    return Dataset(
        name=name,
        owner="shop@example.com",
        source=File(path=str(path)),
        schema=schema,
        day="at",
        min_rows=0,
    )


def load(declared: Dataset, days: int = 50, start: date = START) -> recording.Loaded:
    interval = Interval(start, start + days * DAY)
    return loading.load(declared, interval, landing.land(declared, interval))


def features(as_of: pd.Timestamp, buys: pd.DataFrame) -> pd.DataFrame:
    each = buys.groupby("customer")
    return pd.DataFrame(
        {
            "recency": (as_of - each["at"].max()).dt.days,
            "count": each.size(),
            "spent": each["amount"].sum(),
        }
    )


def label(entities: pd.Index, buys: pd.DataFrame) -> "pd.Series[bool]":
    return pd.Series(entities.isin(buys["customer"]), index=entities)


def logistic(seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(random_state=seed))


def stump(seed: int) -> Any:
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=1, random_state=seed)


def model(**changes: Any) -> Model:
    declared: dict[str, Any] = {
        "name": "returns",
        "owner": "crm@example.com",
        "entity": "customer",
        "inputs": {"buys": ("customer", "at", "amount")},
        "features": features,
        "label": label,
        "horizon_days": 10,
        "candidates": (Candidate(name="logistic", estimator=logistic),),
        "gate": Gate(floor=0.5, min_positives=10),
    }
    return Model(**{**declared, **changes})


def candidate(estimator: Callable[[int], Any], name: str = "other") -> Candidate:
    return Candidate(name=name, estimator=estimator)


class Oracle:
    """An estimator that knew the answer all along: it is in a column."""

    classes_ = (False, True)

    def __init__(self, name: str) -> None:
        self.name = name

    def predict_proba(self, rows: pd.DataFrame) -> "np.ndarray[Any, np.dtype[np.float64]]":
        scores = rows[self.name].to_numpy()
        return np.column_stack([1 - scores, scores])

"""The churn model's jobs, as the loop does them and bare: python -m benchmarks.models <job> <home>.

Bare is what a script would do that trusts the table: no trusted days, no intervals, no card.
"""

import os
import sys
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
from deltalake import DeltaTable

from benchmarks.jobs import HISTORY, dataset
from catalog.models import churn
from core import lake
from core.models import artifacts, card, features, gate, registry, scoring, training

DATASETS = {"sales": dataset(Path("sales.csv"))}
WHO = {"by": "bench", "reason": "to be measured"}
COLUMNS = ["customer_id", "date", "amount"]


def buckets() -> None:
    """The features, as the loop computes them."""
    version = lake.version("sales") or 0
    features.snapshot(churn.model, DATASETS, {"sales": version}, HISTORY.end)


def naive() -> pd.DataFrame:
    """The same features of the whole table at once."""
    return churn.features(_moment(HISTORY.end), _table())


def train() -> None:
    """Makes the first candidate the champion; prints where its model lies."""
    planned = training.plan(churn.model, DATASETS, HISTORY.end)
    training.prepare(churn.model, DATASETS, planned)
    made = training.fit(churn.model, churn.model.candidates[0], planned).artifact
    registry.promote("churn", registry.register("churn", made, **WHO), **WHO)
    print(f"{made.path}/{artifacts.MODEL_FILE}")


def score() -> None:
    """A day's predictions."""
    scoring.score(churn.model, DATASETS, HISTORY.end)


def bare_score(model: str) -> None:
    """The same numbers, kept nowhere."""
    import joblib

    rows = naive().sort_index()
    joblib.load(Path(os.environ["DAYLOOP_HOME"], model)).predict_proba(rows)


def retrain() -> None:
    """Fits all candidates, one after the other, and decides."""
    planned = training.plan(churn.model, DATASETS, HISTORY.end)
    training.prepare(churn.model, DATASETS, planned)
    fitted = [training.fit(churn.model, each, planned) for each in churn.model.candidates]
    challenger, _ = gate.choose(churn.model, fitted, planned)
    decision = gate.judge(churn.model, challenger, None, planned)
    number = registry.register("churn", challenger.artifact, **WHO, promote_over=0)
    card.write(churn.model, number, challenger.artifact, decision, fitted, planned)


def bare_retrain() -> None:
    """Reads, makes the same features and labels, fits the same candidates, ranks them."""
    import joblib
    from sklearn.metrics import roc_auc_score
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    horizon = timedelta(days=churn.model.horizon_days)
    rows, folder = _table(), Path(os.environ["DAYLOOP_HOME"])
    train_rows, train_labels = _cut(rows, HISTORY.end - 2 * horizon)
    unseen, truth = _cut(rows, HISTORY.end - horizon)
    for each in churn.model.candidates:
        estimator = each.estimator(churn.model.seed).fit(train_rows, train_labels)
        print(roc_auc_score(truth, estimator.predict_proba(unseen)[:, 1]))
        joblib.dump(estimator, folder / f"{each.name}.joblib")


def _cut(rows: pd.DataFrame, day: date) -> tuple[pd.DataFrame, "pd.Series[bool]"]:
    moment, end = _moment(day), _moment(day + timedelta(days=churn.model.horizon_days))
    known = churn.features(moment, rows[rows["date"] < moment])
    after = rows[(rows["date"] >= moment) & (rows["date"] < end)]
    return known, churn.label(known.index, after)


def _table() -> pd.DataFrame:
    return DeltaTable(f"{os.environ['DAYLOOP_HOME']}/tables/sales").to_pandas(columns=COLUMNS)


def _moment(day: date) -> pd.Timestamp:
    return pd.Timestamp(day, tz="UTC")


if __name__ == "__main__":
    os.environ["DAYLOOP_HOME"] = sys.argv[2]
    globals()[sys.argv[1]](*sys.argv[3:])

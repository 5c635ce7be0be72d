"""Churn: which customers will not buy again within 90 days?

Features are recency, frequency and money, the classic of direct marketing (Fader, Hardie and
Lee, "RFM and CLV", 2005). Trained at one date and tested 90 days later, the simple model
holds its own on this data (seen 2026-11-22), so it stands first.
"""

from typing import Any

import pandas as pd

from catalog.estimators import boosting, forest
from catalog.kinds import Candidate, Gate, Model


def features(as_of: pd.Timestamp, sales: pd.DataFrame) -> pd.DataFrame:
    """Recency, tenure, frequency and money of each customer who bought before `as_of`."""
    customers = sales.groupby("customer_id")
    first, last = customers["date"].min(), customers["date"].max()
    orders, spent = customers.size(), customers["amount"].sum()
    return pd.DataFrame(
        {
            "recency_days": (as_of - last).dt.days,
            "tenure_days": (as_of - first).dt.days,
            "orders": orders,
            "spent": spent,
            "mean_order": spent / orders,
            "largest_order": customers["amount"].max(),
        }
    )


def label(customers: pd.Index, sales: pd.DataFrame) -> "pd.Series[bool]":
    """True for a customer with no purchase in the horizon."""
    return pd.Series(~customers.isin(sales["customer_id"]), index=customers)


def logistic(seed: int) -> Any:
    """Logistic regression on the logarithms: money and counts are heavily skewed."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    return make_pipeline(
        FunctionTransformer(np.log1p, feature_names_out="one-to-one"),
        StandardScaler(),
        LogisticRegression(random_state=seed),
    )


model = Model(
    name="churn",
    owner="crm@example.com",
    description="customers with no purchase in the next 90 days",
    entity="customer_id",
    inputs={"sales": ("customer_id", "date", "amount")},
    features=features,
    label=label,
    horizon_days=90,
    candidates=(
        Candidate(name="logistic_regression", estimator=logistic),
        Candidate(name="gradient_boosting", estimator=boosting),
        Candidate(name="random_forest", estimator=forest),
    ),
    metric="roc_auc",
    gate=Gate(floor=0.75),
    slices={
        "one order": lambda rows: rows["orders"] == 1,
        "five orders or more": lambda rows: rows["orders"] >= 5,
    },
)

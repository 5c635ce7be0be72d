"""Makes the table of `gate.md` again: `python docs/gate.py` (about two minutes, seeded).

Challengers whose true gain is known are judged by the gate itself, each with many seeds.
"""

import io
import os
import re
import sys
import tempfile
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from catalog.kinds import Candidate, Gate, Model  # noqa: E402
from core import home  # noqa: E402
from core.models import artifacts, gate  # noqa: E402
from core.models.metrics import Estimate  # noqa: E402
from core.models.registry import Version  # noqa: E402
from core.models.training import Fitted, Plan  # noqa: E402

PAGE = Path(__file__).with_name("gate.md")
SEEDS, MORE_SEEDS = 50, 200  # more where a small rate is promised
ROWS, FEW, POSITIVE = 4_000, 400, 0.4
CHAMPION, ALIKE = 0.80, 0.95  # its true ROC AUC; how much of their noise both models share
SLICE = 0.1  # of the rows
AT_THE_MARGIN = "worse by 0.005, the margin"
CASES: dict[str, tuple[float, float, int]] = {  # true gain, gain within the slice, rows
    "better by 0.02": (0.02, 0.02, ROWS),
    "equal": (0.0, 0.0, ROWS),
    AT_THE_MARGIN: (-0.005, -0.005, ROWS),
    "worse by 0.01": (-0.01, -0.01, ROWS),
    "better by 0.02, but by chance alone in a tenth of the rows": (0.02, 0.5 - CHAMPION, ROWS),
    "better by 0.02, but worse by 0.1 in a tenth of the rows": (0.02, -0.1, ROWS),
    "better by 0.02, few rows": (0.02, 0.02, FEW),
    "equal, few rows": (0.0, 0.0, FEW),
    "worse by 0.02, few rows": (-0.02, -0.02, FEW),
}
VERDICTS = ("promote", "keep", "not enough data to say")
DAY = date(2026, 1, 1)


class Column:
    """An estimator that was right all along: its scores are a column of the rows."""

    classes_ = (False, True)

    def __init__(self, name: str) -> None:
        self.name = name

    def predict_proba(self, rows: pd.DataFrame) -> Any:
        """Its column."""
        scores = rows[self.name].to_numpy()
        return np.column_stack([1 - scores, scores])


def holdout(case: str, seed: int) -> pd.DataFrame:
    """Labels, and the scores of both models with exactly these true ROC AUCs.

    Of two normal distributions one standard deviation wide and d apart it is Phi(d / sqrt(2)).
    """
    gain, within, count = CASES[case]
    random = np.random.default_rng([seed, *case.encode()])
    truth, tenth = random.random(count) < POSITIVE, random.random(count) < SLICE
    shared, *own = random.normal(size=(3, count))
    rows = pd.DataFrame({"tenth": tenth.astype(float), "_label": truth})
    targets = (np.full(count, CHAMPION), CHAMPION + np.where(tenth, within, gain))
    for name, auc, noise in zip(("champion", "challenger"), targets, own, strict=True):
        apart = np.sqrt(2) * np.vectorize(NormalDist().inv_cdf)(auc)
        mixed = np.sqrt(ALIKE) * shared + np.sqrt(1 - ALIKE) * noise
        rows[name] = 1 / (1 + np.exp(-apart * (truth - 0.5) - mixed))
    return rows


MODEL = Model(
    name="simulated",
    owner="docs@example.com",
    entity="entity",
    inputs={"rows": ("entity",)},
    features=lambda as_of, rows: rows,
    label=lambda entities, rows: rows,
    horizon_days=1,
    candidates=(Candidate(name="challenger", estimator=lambda seed: None),),
    gate=Gate(floor=0.5),
    slices={"the tenth": lambda rows: rows["tenth"] == 1},
)


def fitted(column: str) -> Fitted:
    """A model that is a column, stored as a fitted one is."""
    manifest = {
        "features": ["tenth", "champion", "challenger"],
        "plan": {"holdout_day": str(DAY), "features_code": ""},
        "calibration_error": 0.0,
        "latency_ms": 0.0,
        "alone": {column: 0.5},
    }
    stored = artifacts.save(MODEL.name, column, Column(column), manifest)
    return Fitted(column, column, stored, Estimate(CHAMPION, CHAMPION, CHAMPION), 0.0, False)


def verdict(case: str, seed: int) -> str:
    """What the gate says."""
    plan = Plan(MODEL.name, DAY, DAY, DAY, {}, "", "", f"models/{MODEL.name}/snapshots/{seed}")
    buffer = io.BytesIO()
    holdout(case, seed).to_parquet(buffer)
    home.write_bytes(f"{plan.snapshots}/{DAY}.parquet", buffer.getvalue())
    serving = Version(1, "champion", fitted("champion").artifact, ())
    return gate.judge(MODEL, fitted("challenger"), serving, plan).verdict


def rates() -> list[str]:
    """The table."""
    head = ["the challenger is truly", "rows", "times", *VERDICTS]
    lines = [head, ["---"] * len(head)]
    for case, (_, _, count) in CASES.items():
        times = MORE_SEEDS if case == AT_THE_MARGIN else SEEDS
        found = Counter(verdict(case, seed) for seed in range(times))
        shares = [f"{100 * found[each] / times:.3g} %" for each in VERDICTS]
        lines.append([case.partition(", few")[0], f"{count:,}", str(times), *shares])
    return ["| " + " | ".join(line) + " |" for line in lines]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="dayloop-") as folder:
        os.environ["DAYLOOP_HOME"] = folder
        made = f"Measured {datetime.now(UTC):%d %B %Y} with `python docs/gate.py`."
        block = "\n".join(["<!-- rates -->", *rates(), "", made, "<!-- end -->"])
    text = PAGE.read_text()
    PAGE.write_text(re.sub("<!-- rates -->.*?<!-- end -->", lambda _: block, text, flags=re.DOTALL))

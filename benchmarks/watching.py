"""Measures monitoring beside a bare script, Evidently and NannyML, and writes it into README.md.

    python -m benchmarks.watching --evidently PYTHON --nannyml PYTHON

The two are interpreters of environments that have them; without them only the bare script is
compared. All read the same frame: a day of 20 features and a score, and 50,000 reference rows.
Ours knows the reference by its sketches only, as a manifest keeps them. The work is what comes
after imports and reading. Ours and the bare script: PSI, Kolmogorov-Smirnov, chi-squared,
Jensen-Shannon, Wasserstein, the classifier of all features on 1,000 rows of either side, and the
estimated ROC AUC. NannyML does the same but for PSI and chi-squared, which it has not for numbers;
its classifier gets the 1,000 rows too (of all it had not ended after four minutes), and stands in a
row without it as well. Evidently: PSI, one of the seven.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

FEATURES, REFERENCE, ROWS = 20, 50_000, 1_000
JOBS = ("ours", "bare", "evidently", "nannyml", "nannyml_without_classifier")


def make(folder: Path, rows: int) -> None:
    """Writes the day, the reference, and what a manifest would keep of it."""
    import numpy as np
    import pandas as pd

    from core.watch.estimation import Calibrator
    from core.watch.sketch import Sketch

    random = np.random.default_rng(0)

    def frame(count: int, moved: float) -> pd.DataFrame:
        shapes = (
            lambda: random.normal(moved, 1, count),
            lambda: random.gamma(2, 10 * (1 + moved), count),
            lambda: random.lognormal(moved, 1, count),
            lambda: random.poisson(3, count).astype(float),
        )
        made = {f"x{place}": shapes[place % 4]() for place in range(FEATURES)}
        made["score"] = random.beta(2, 3, count)
        return pd.DataFrame(made)

    known = frame(REFERENCE, 0.0)
    known["truth"] = random.random(REFERENCE) < known["score"] ** 1.3
    known.to_parquet(folder / "reference.parquet")
    frame(rows, 0.2).to_parquet(folder / "day.parquet")
    sketches = {name: Sketch.of(known[name].to_numpy()).to_json() for name in known.columns[:-1]}
    truth, scores = known["truth"].to_numpy(), known["score"].to_numpy()
    kept = {"reference": sketches, "calibrator": Calibrator.fit(truth, scores, 0).to_json()}
    (folder / "manifest.json").write_text(json.dumps(kept))


def ours(folder: Path) -> float:
    """As the loop does it, without the lake."""
    import numpy as np
    import pandas as pd
    import sklearn.ensemble
    import sklearn.model_selection  # noqa: F401  imports are not the work

    from catalog.kinds import Drift
    from core.watch import drift, estimation
    from core.watch.sketch import Sketch

    kept = json.loads((folder / "manifest.json").read_text())
    sketches = {name: Sketch.from_json(each) for name, each in kept["reference"].items()}
    sample = pd.read_parquet(folder / "reference.parquet").iloc[:ROWS, :FEATURES]
    frame = pd.read_parquet(folder / "day.parquet")
    data = {name: frame[name].to_numpy() for name in frame}
    begun = time.process_time()
    found = drift.measure_all(sketches, data, Drift())
    rows = frame.iloc[np.random.default_rng(0).choice(len(frame), ROWS, replace=False), :FEATURES]
    numbers = (each.to_numpy(np.float32) for each in (sample, rows))
    found = drift.judge([*found, drift.measure_jointly(*numbers, Drift(), 0)], Drift())
    calibrator = estimation.Calibrator.from_json(kept["calibrator"])
    auc = estimation.estimate("roc_auc", data["score"], calibrator, confidence=0.95, seed=0)
    assert abs(auc.value - 0.759) < 0.001
    return time.process_time() - begun


def bare(folder: Path) -> float:
    """The same statistics in numpy, each feature sorted once; no verdicts, no records."""
    import numpy as np
    import pandas as pd
    from scipy import stats
    from scipy.spatial.distance import jensenshannon
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.isotonic import IsotonicRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict

    known = pd.read_parquet(folder / "reference.parquet")
    frame = pd.read_parquet(folder / "day.parquet")
    begun = time.process_time()
    for name in frame:
        one, other = np.sort(known[name].to_numpy()), np.sort(frame[name].to_numpy())
        steps = np.unique(one)
        upto = [np.searchsorted(each, steps, side="right") / len(each) for each in (one, other)]
        gap = np.abs(upto[0] - upto[1]).max()
        stats.kstwo.sf(gap, len(one) * len(other) // (len(one) + len(other)))
        edges = np.unique(np.quantile(one, np.arange(1, 10) / 10))
        shares = [
            np.diff(np.r_[0, np.searchsorted(each, edges, side="right"), len(each)]) / len(each)
            for each in (one, other)
        ]
        ((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum()
        stats.chi2_contingency([shares[0] * len(one), shares[1] * len(other)])
        bins = np.histogram_bin_edges(one, bins="doane")
        jensenshannon(*(np.diff(np.searchsorted(each, bins)) for each in (one, other)), base=2)
        stats.wasserstein_distance(steps, steps, *(np.diff(np.r_[0, each]) for each in upto))
    names = list(frame.columns[:FEATURES])
    both = np.concatenate([known[names].to_numpy()[:ROWS], frame[names].sample(ROWS).to_numpy()])
    domain = np.repeat([0, 1], ROWS)
    trees = HistGradientBoostingClassifier(max_iter=30, max_leaf_nodes=8, max_bins=32)
    said = cross_val_predict(trees, both, domain, cv=5, method="predict_proba")
    roc_auc_score(domain, said[:, 1])
    scores = np.sort(frame["score"].to_numpy())[::-1]
    fitted = IsotonicRegression(out_of_bounds="clip").fit(known["score"], known["truth"])
    likely = fitted.predict(scores)
    true, false = np.cumsum(likely), np.cumsum(1 - likely)
    assert abs(np.trapezoid(true / true[-1], false / false[-1]) - 0.759) < 0.001
    return time.process_time() - begun


def evidently(folder: Path) -> float:
    """Its drift report with one statistic, PSI, and no estimate: it has none."""
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    known = pd.read_parquet(folder / "reference.parquet").drop(columns="truth")
    frame = pd.read_parquet(folder / "day.parquet")
    begun = time.process_time()
    Report([DataDriftPreset(method="psi")]).run(frame, known).dict()
    return time.process_time() - begun


def nannyml(folder: Path, *, jointly: bool = True) -> float:
    """Its drift by three statistics, its classifier, and its estimate of the ROC AUC."""
    import nannyml
    import pandas as pd

    known = pd.read_parquet(folder / "reference.parquet").astype({"truth": int})
    frame = pd.read_parquet(folder / "day.parquet")
    names = [*frame.columns[:FEATURES]]
    for each in (known, frame):
        each["said"] = (each["score"] > 0.5).astype(int)
    begun = time.process_time()
    drift = nannyml.UnivariateDriftCalculator(
        column_names=[*names, "score"],
        continuous_methods=["kolmogorov_smirnov", "jensen_shannon", "wasserstein"],
        chunk_number=1,
    )
    drift.fit(known).calculate(frame)
    if jointly:
        joint = nannyml.DomainClassifierCalculator(names, chunk_number=1)
        joint.fit(known[:ROWS]).calculate(frame.sample(ROWS, random_state=0))
    cbpe = nannyml.CBPE(
        problem_type="classification_binary",
        y_pred_proba="score",
        y_pred="said",
        y_true="truth",
        metrics=["roc_auc"],
        chunk_number=1,
    )
    found = cbpe.fit(known).estimate(frame).filter(period="analysis").to_df()
    assert abs(found["roc_auc"]["value"].iloc[0] - 0.759) < 0.001
    return time.process_time() - begun


def nannyml_without_classifier(folder: Path) -> float:
    """Without its classifier, for all else."""
    return nannyml(folder, jointly=False)


def cost(name: str, python: str, folder: Path) -> tuple[float, ...]:
    """CPU seconds of the work alone, of the whole process, and the most MB it held."""
    job = ["-m", "benchmarks.watching"] if name in ("ours", "bare") else [__file__]
    command = [python, "-W", "ignore", *job, "--job", name, "--folder", str(folder)]
    quiet = os.environ | {"NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}
    quiet["OMP_NUM_THREADS"] = "1"  # threads that wait for each other would count as work
    started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=quiet)  # noqa: S603
    assert started.stdout is not None
    said = started.stdout.read()
    _, status, usage = os.wait4(started.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    seconds = float(said.strip().splitlines()[-1])
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure(folder: Path, pythons: dict[str, str], rounds: int) -> list[list[str]]:
    """Runs each by turns, and takes medians."""
    costs: dict[str, list[tuple[float, ...]]] = {name: [] for name in pythons}
    for _ in range(rounds):
        for name, python in pythons.items():
            costs[name].append(cost(name, python, folder))
    middle = {
        name: [median(column) for column in zip(*each, strict=True)] for name, each in costs.items()
    }
    head = ["", "CPU s of the work", "CPU s of the process", "peak MB", "work, of ours"]
    return [
        head,
        *(
            [
                name.replace("_", " "),
                *(f"{value:,.1f}" for value in each),
                f"{each[0] / middle['ours'][0]:.1f}",
            ]
            for name, each in middle.items()
        ),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--evidently", default="")
    parser.add_argument("--nannyml", default="")
    parser.add_argument("--job", choices=JOBS)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "dayloop-watch"))
    given = parser.parse_args()
    if given.job:
        print(json.dumps(globals()[given.job](given.folder)))
        sys.exit()
    from benchmarks import run

    given.folder.mkdir(parents=True, exist_ok=True)
    make(given.folder, given.rows)
    pythons = {"ours": sys.executable, "bare": sys.executable}
    known = {
        "evidently": given.evidently,
        "nannyml": given.nannyml,
        "nannyml_without_classifier": given.nannyml,
    }
    pythons |= {name: python for name, python in known.items() if python}
    found = run.table(measure(given.folder, pythons, given.rounds))
    print(f"\nwatching, {given.rows:,} rows\n{found}")
    run.write("watching", given.rows, found)

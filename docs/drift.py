"""Makes the tables of `drift.md` again: `python docs/drift.py` (a minute or two, seeded).

False alarms of days that are like the training, and how often a shift is seen, by its size, its
shape and the rows of a day; how often the realised metric lies in the estimated interval. Every
table between markers in `drift.md` is written by this command.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from catalog.kinds import Drift  # noqa: E402
from core.models.metrics import weighted  # noqa: E402
from core.watch import drift  # noqa: E402
from core.watch.estimation import Calibrator, estimate  # noqa: E402
from core.watch.sample import Array  # noqa: E402
from core.watch.sketch import Sketch  # noqa: E402
from docs import measured  # noqa: E402
from docs.measured import table  # noqa: E402

PAGE = Path(__file__).with_name("drift.md")
LIMITS, REFERENCE, FEATURES = Drift(), 5_000, 10
SIZES = (100, 500, 2_000, 20_000)
Random = np.random.Generator
Draw = Callable[[Random, int], Array]


def normal(random: Random, rows: int, moved: float = 0, spread: float = 1) -> Array:
    """A score or a measure."""
    return random.normal(moved, spread, rows)


def money(random: Random, rows: int, more: float = 1) -> Array:
    """Amounts, heavily skewed."""
    return random.lognormal(3, 1, rows) * more


def count(random: Random, rows: int, mean: float = 2) -> Array:
    """Orders, visits: few values."""
    return random.poisson(mean, rows).astype(np.float64)


def flag(random: Random, rows: int, share: float = 0.05) -> Array:
    """Mostly false."""
    return (random.random(rows) < share).astype(np.float64)


def gone(random: Random, rows: int, share: float = 0.02) -> Array:
    """Numbers, some of them null."""
    return np.where(random.random(rows) < share, np.nan, random.normal(size=rows))


SHIFTS: tuple[tuple[str, Draw, Draw], ...] = (
    ("mean up by 0.1 of a standard deviation", normal, lambda r, n: normal(r, n, 0.1)),
    ("mean up by 0.3", normal, lambda r, n: normal(r, n, 0.3)),
    ("mean up by 0.5", normal, lambda r, n: normal(r, n, 0.5)),
    ("mean up by 1", normal, lambda r, n: normal(r, n, 1)),
    ("spread up by half", normal, lambda r, n: normal(r, n, 0, 1.5)),
    ("amounts up by a tenth", money, lambda r, n: money(r, n, 1.1)),
    ("amounts up by half", money, lambda r, n: money(r, n, 1.5)),
    ("amounts in cents", money, lambda r, n: money(r, n, 100)),
    ("counts: mean from 2 to 3", count, lambda r, n: count(r, n, 3)),
    ("flag: from 5 % to 20 %", flag, lambda r, n: flag(r, n, 0.2)),
    ("flag: never again", flag, lambda r, n: flag(r, n, 0)),
    ("nulls: from 2 % to 20 %", gone, lambda r, n: gone(r, n, 0.2)),
    ("all null", gone, lambda r, n: gone(r, n, 1)),
)


def main() -> None:
    """Measures and writes."""
    tables = {
        "false alarms": false_alarms(),
        "power": power(),
        "joint": joint(),
        "estimated": estimated(),
    }
    measured.write(PAGE, tables)


def percent(share: float) -> str:
    """In words of a table."""
    return f"{100 * share:.3g} %"


def false_alarms() -> list[str]:
    """The share of days of a model on which anything drifts though nothing has changed."""
    random, rows = np.random.default_rng(1), []
    shapes = (normal, money, count, flag, gone)
    for size in (*SIZES, 100_000):
        days = 200 if size <= 2_000 else 50
        alarms, tests, large = 0, 0, 0
        for _ in range(days):
            known = [Sketch.of(draw(random, REFERENCE)) for draw in shapes for _ in range(2)]
            data = [draw(random, size) for draw in shapes for _ in range(2)]
            pairs = zip(known, data, strict=True)
            found = [drift.measure("x", one, other, LIMITS) for one, other in pairs]
            family = drift.judge(found, LIMITS)
            alarms += any(each.verdict == "drifted" for each in family)
            tests += sum((each.p_value or 1) < 0.05 for each in found)
            large += any(drift.is_large(each, LIMITS) for each in family)
        shown = (large / days, tests / days / FEATURES, alarms / days)
        rows.append([f"{size:,}", f"{days:,}", *map(percent, shown)])
    head = ["rows a day", "days", "days with a PSI above its limit", "features with p < 0.05"]
    return table([*head, "**days that alarm**"], rows)


def power() -> list[str]:
    """How often each shift is seen on its first day, as one feature of ten."""
    random, rows = np.random.default_rng(2), []
    for name, before, after in SHIFTS:
        seen = []
        for size in SIZES:
            times = 60 if size <= 2_000 else 10
            hits = 0
            for _ in range(times):
                sketch = Sketch.of(before(random, REFERENCE))
                found = drift.measure("x", sketch, after(random, size), LIMITS)
                p_value = (found.p_value or 0) * FEATURES  # Holm's first step
                hits += drift.is_large(found, LIMITS) and p_value < LIMITS.alpha
            seen.append(percent(hits / times))
        rows.append([name, *seen])
    return table(["shift", *(f"{size:,} rows" for size in SIZES)], rows)


def joint() -> list[str]:
    """The classifier, where features move together and none alone."""
    random, rows = np.random.default_rng(3), []
    for name, correlation in (("nothing", 0.5), ("0.5 to 0", 0.0), ("0.5 to 0.9", 0.9)):
        seen, aucs = [], []
        for size in (200, 1_000):
            hits = [_jointly(random, size, correlation) for _ in range(15)]
            seen.append(percent(np.mean([hit for hit, _ in hits])))
            aucs.append(f"{np.mean([auc for _, auc in hits]):.2f}")
        rows.append([name, seen[0], aucs[0], seen[1], aucs[1]])
    head = ["correlation of two features of five", "200 rows: seen", "AUC"]
    return table([*head, "1,000 rows: seen", "AUC"], rows)


def _jointly(random: Random, size: int, correlation: float) -> tuple[bool, float]:
    def draw(rows: int, together: float) -> Array:
        found = random.normal(size=(rows, 5))
        found[:, 1] = together * found[:, 0] + np.sqrt(1 - together**2) * found[:, 1]
        return found.astype(np.float32)

    found = drift.measure_jointly(draw(1_000, 0.5), draw(size, correlation), LIMITS, 0)
    return found.verdict == "drifted", found.auc or 0.0


def estimated() -> list[str]:
    """How often the realised ROC AUC lies in the estimated interval of 95 %."""
    rows = []
    cases = (
        ("nothing changes", 1.0, 2.0),
        ("features spread more, same relation", 1.5, 2.0),
        ("the relation to the label weakens", 1.0, 1.0),
    )
    for name, spread, slope in cases:
        inside, off = [], []
        for seed in range(25):
            random = np.random.default_rng(seed)
            truth, scores = _labelled(random, 2_000, 1.0, 2.0)
            later, its_scores = _labelled(random, 2_000, spread, slope)
            calibrator = Calibrator.fit(truth, scores, 0)
            found = estimate("roc_auc", its_scores, calibrator, confidence=0.95, seed=0)
            real = weighted("roc_auc", later, its_scores)(np.ones(len(later)))
            inside.append(found.low <= real <= found.high)
            off.append(found.value - real)
        rows.append([name, percent(np.mean(inside)), f"{np.mean(off):+.3f}"])
    return table(["since training", "realised within", "estimated less realised, mean"], rows)


def _labelled(random: Random, rows: int, spread: float, slope: float) -> tuple[Array, Array]:
    logit = random.normal(-0.8, spread, rows)
    truth = random.random(rows) < 1 / (1 + np.exp(-slope * logit))
    return truth, 1 / (1 + np.exp(-logit))


if __name__ == "__main__":
    main()

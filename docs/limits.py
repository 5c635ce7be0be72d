"""Makes the tables of `limits.md` again: `python docs/limits.py` (a minute or two, seeded).

False alarms on datasets that stay the same, the days until a change is seen, and both on the real
CDNOW sample. Every table between markers in `limits.md` is written by this command.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from core.quality import run_rules  # noqa: E402
from core.quality.levels import Kind, Series, expect  # noqa: E402
from core.quality.limits import OTHERS, PARTS, judge_days  # noqa: E402
from core.quality.robust import Array  # noqa: E402
from core.quality.series import COUNT, SHARE, VALUES  # noqa: E402
from docs import measured  # noqa: E402
from docs.measured import table  # noqa: E402

PAGE = Path(__file__).with_name("limits.md")
ALARMS, WINDOW, LEARN = 0.01, 56, 28
SETTLED = 60  # days, after which the limits are as narrow as they get
WEEK = np.array([1.2, 1.15, 1.1, 1.1, 1.05, 0.8, 0.6])
SIZES = (50, 200, 500, 1_000, 10_000)
CHANCE, WEEKLY, NOISY = "chance alone", "a week", "a week, 10 % noise"
"""How datasets vary: by chance; with the weekday too; by a tenth from day to day too."""
SERIES, DAYS = 280, 100  # simulated, and the days before they change
ODDS = {COUNT: PARTS["rows"], SHARE: PARTS["nulls"] / 8, VALUES["mean"]: PARTS[OTHERS] / 36}
"""A dataset of 8 columns has about so many metrics."""
Random = np.random.Generator


def main() -> None:
    """Measures and writes."""
    tables = {
        "false alarms": false_alarms(),
        "rows": rows_lost(),
        "nulls": nulls_more(),
        "mean": mean_moved(),
        "volumes": other_volumes(),
        "after": after_a_change(),
        **cdnow(),
    }
    measured.write(PAGE, tables)


def percent(share: float, digits: int = 0) -> str:
    """In words of a table."""
    return f"{100 * share:.{digits}f} %"


# Datasets that stay the same


def false_alarms() -> list[str]:
    """The share of dataset-days with anything unusual."""
    random, rows = np.random.default_rng(1), []
    for size, datasets in ((50, 10), (200, 10), (1_000, 5), (10_000, 2)):
        for noise in (CHANCE, WEEKLY, NOISY):
            judged = [judge_days(profile(random, 300, size, noise)) for _ in range(datasets)]
            days = datasets * (300 - SETTLED)
            bad = pd.concat(
                each[each["verdict"] == "unusual"].assign(dataset=number)
                for number, each in enumerate(judged)
            )
            settled = bad["day"] >= judged[0]["day"].min() + np.timedelta64(SETTLED, "D")
            late, first = bad[settled], bad[~settled]
            by_limit = late[late["rule"].str.startswith("beyond")]
            shares = [_days(late) / days, _days(by_limit) / days]
            early = _days(first) / (datasets * (SETTLED - LEARN))
            metrics = judged[0].groupby(["column", "metric"]).ngroups
            rows.append(
                [f"{size:,}", noise, metrics, f"{days:,}"]
                + [percent(each, 1) for each in (*shares, early)]
            )
    head = ["rows a day", "varies by", "metrics", "days", "unusual days", "by the limit alone"]
    return table([*head, "days 29 to 60"], rows)


def _days(bad: pd.DataFrame) -> int:
    return len(bad[["dataset", "day"]].drop_duplicates())


def profile(random: Random, days: int, size: float, noise: str) -> pd.DataFrame:
    """A made-up dataset's profile: keys, categories, flags, and numbers of four shapes."""
    found: list[tuple[object, ...]] = []
    dates = np.datetime64("2024-01-01") + np.arange(days)
    for day, count in zip(dates, volume(random, days, size, noise)[:, 0].astype(int), strict=True):
        tilt = np.exp(0.1 * random.normal(size=4)) if noise == NOISY else np.ones(4)
        category = random.choice(8, count, p=[0.4, 0.25, 0.15, 0.09, 0.05, 0.03, 0.02, 0.01])
        numbers = {
            "amount": random.gamma(2, 10, count) * tilt[0],
            "price": np.exp(random.normal(size=count)) * tilt[1],
            "pieces": 1.0 + random.poisson(1, count),
            "score": random.normal(size=count) + np.log(tilt[2]),
        }
        gone = {"amount": 0.02, "price": 0.1 * tilt[3], "score": 0.003}
        measured: dict[tuple[str, str], float] = {("", "rows"): count}
        measured["at", "freshness_hours"] = random.exponential(24 / count)
        for name, keys in (("key", random.integers(0, 20 * size, count)), ("at", range(count))):
            measured[name, "nulls"], measured[name, "distinct"] = 0, len(set(keys))
        for name, values in (("category", category), ("flag", random.random(count) < 0.1)):
            each, of_each = np.unique(values, return_counts=True)
            measured[name, "nulls"], measured[name, "distinct"] = 0, len(each)
            for value, share in zip(each, of_each / count, strict=True):
                if share >= 0.05:
                    measured[name, f"share of {value}"] = share
        for name, values in numbers.items():
            kept = values[random.random(count) >= gone.get(name, 0)]
            measured |= {(name, metric): value for metric, value in described(kept).items()}
            measured[name, "nulls"] = count - len(kept)
        found += [(day, *key, value) for key, value in measured.items()]
    return pd.DataFrame(found, columns=["day", "column", "metric", "value"])


def described(values: Array) -> dict[str, float]:
    """What the profile says of a column of numbers."""
    p05, p50, p95 = np.quantile(values, [0.05, 0.5, 0.95])
    return {
        "distinct": len(np.unique(values)),
        "mean": values.mean(),
        "stddev": values.std(),
        "p05": p05,
        "p50": p50,
        "p95": p95,
    }


def volume(random: Random, days: int, size: float, noise: str, series: int = 1) -> Array:
    """Rows a day, days by series; each series begins on another weekday."""
    expected = np.full((days, series), float(size))
    if noise != CHANCE:
        expected *= WEEK[(np.arange(days)[:, None] + np.arange(series)) % 7]
    if noise == NOISY:
        expected *= np.exp(0.1 * random.normal(size=expected.shape))
    return random.poisson(expected).astype(float)


# Datasets that change


def broken(kind: Kind, values: Array, size: Array, spread: float = 1.0) -> Array:
    """Whether each day is unusual, days by series, at the widths in a dataset of 8 columns."""
    odds = ALARMS * ODDS[kind]
    found = np.zeros(values.shape, bool)
    for phase in range(7):
        every = slice(phase, None, 7)
        series = Series(kind, values[:, every], size[:, every], 0 * size[:, every] + spread)
        expected = expect(series, (np.arange(len(values)) + phase) % 7, WINDOW)
        limits = [run_rules.widths(odds)] * len(values)
        found[:, every] = run_rules.broken(expected.surprise, limits) > 0
    return found


def seen(found: Array) -> str:
    """The share of series that were unusual on day one / within 3 days / within 7."""
    shares = [found[DAYS : DAYS + days].any(axis=0).mean() for days in (1, 3, 7)]
    return " / ".join(f"{100 * share:.0f}" for share in shares)


def changed(
    kind: Kind, random: Random, size: float, noise: str, usual: float, then: float
) -> Array:
    """Whether days are unusual where a metric is `usual` for 100 days and `then` for 14."""
    rows = volume(random, DAYS + 14, size, noise, SERIES)
    level = np.where(np.arange(len(rows)) < DAYS, usual, then)[:, None] + 0 * rows
    tilt = 0.1 * random.normal(size=rows.shape) if noise == NOISY else 0 * rows
    if kind is COUNT:
        return broken(kind, random.binomial(rows.astype(int), level).astype(float), rows / rows)
    if kind is SHARE:
        share = np.clip(level * np.exp(tilt), 0, 1)
        return broken(kind, random.binomial(rows.astype(int), share) / rows, rows)
    means = level + tilt + random.normal(size=rows.shape) / np.sqrt(rows)
    return broken(kind, means, rows)


def rows_lost() -> list[str]:
    """A part of the rows is missing from some day on."""
    random, lines = np.random.default_rng(2), []
    for size in SIZES:
        for noise in (CHANCE, WEEKLY, NOISY):
            line = [f"{size:,}", noise]
            for left in (0.5, 0.7, 0.8):
                line.append(seen(changed(COUNT, random, size, noise, 1.0, left)))
            lines.append(line)
    return table(["rows a day", "varies by", "-50 %", "-30 %", "-20 %"], lines)


def nulls_more() -> list[str]:
    """A column's share of nulls is multiplied from some day on."""
    random, lines = np.random.default_rng(3), []
    for size in SIZES:
        for noise in (CHANCE, NOISY):
            line = [f"{size:,}", noise]
            for usual, then in ((0.02, 0.06), (0.05, 0.15), (0.05, 0.1)):
                line.append(seen(changed(SHARE, random, size, noise, usual, then)))
            lines.append([*line, percent(best(size, 0.02, 0.06)) if noise == CHANCE else ""])
    head = ["rows a day", "varies by", "2 % to 6 %", "5 % to 15 %", "5 % to 10 %"]
    return table([*head, "best possible, 2 % to 6 %, day one"], lines)


def best(size: int, usual: float, then: float) -> float:
    """What a test that knew the usual share would see, with the odds of our limit."""
    odds = ALARMS * ODDS[SHARE] * run_rules.LIMIT_ODDS / 2
    return float(stats.binom.sf(stats.binom.isf(odds, size, usual), size, then))


def mean_moved() -> list[str]:
    """A mean moves by a part of the values' standard deviation."""
    random, lines = np.random.default_rng(4), []
    for size in SIZES:
        for noise in (CHANCE, NOISY):
            line = [f"{size:,}", noise]
            for then in (1.0, 0.5, 0.25):
                line.append(seen(changed(VALUES["mean"], random, size, noise, 0.0, then)))
            lines.append(line)
    return table(["rows a day", "varies by", "1 sd", "0.5 sd", "0.25 sd"], lines)


# Volumes that are not as simple


def other_volumes() -> list[str]:
    """Of 1,000 rows a day and 5 % noise, in other ways: how often, and what is seen."""
    random, days = np.random.default_rng(7), np.arange(2 * DAYS)
    weekday, ones = days % 7, np.ones(len(days))
    echo = random.normal(size=(len(days), SERIES))
    for day in days[1:]:
        echo[day] = 0.6 * echo[day - 1] + 0.8 * echo[day]
    shapes: dict[str, tuple[Array, Array]] = {
        "nothing else": (ones, random.normal(size=echo.shape)),
        "30 % on Sundays": (np.where(weekday == 6, 0.3, 1), random.normal(size=echo.shape)),
        "no rows at weekends": (np.where(weekday > 4, 0, 1), random.normal(size=echo.shape)),
        "growth by 1 % a day": (np.exp(0.01 * days), random.normal(size=echo.shape)),
        "decline by 2 % a day": (8 * np.exp(-0.02 * days), random.normal(size=echo.shape)),
        "twice as much every 30th day": (np.where(days % 30 == 0, 2, 1), 0 * echo),
        "noise that stays for days (0.6 of it on the next)": (ones, echo),
        "noise with heavy tails (t, 3)": (ones, random.standard_t(3, echo.shape) / 3**0.5),
    }
    lines = []
    for name, (shape, noise) in shapes.items():
        rows = random.poisson(1_000 * shape[:, None] * np.exp(0.05 * noise)).astype(float)
        half = random.binomial(rows.astype(int), 0.5)
        known = expect(Series(COUNT, rows, 0 * rows + 1, rows), weekday, WINDOW)
        limits = run_rules.widths(ALARMS * ODDS[COUNT])
        false = run_rules.broken(known.surprise, [limits] * len(days)) > 0
        lost = (half < known.value_at(np.array(-limits.one)))[shape > 0]
        early = false[LEARN:SETTLED].mean()
        shares = (early, false[SETTLED:].mean(), lost[-DAYS:].mean())
        lines.append([name, *(percent(each, 1) for each in shares)])
    head = ["volume", "unusual, days 29 to 60", "unusual, later", "half of the rows lost: seen"]
    return table(head, lines)


# What unusual days do to the days after them


def after_a_change() -> list[str]:
    """With unusual days kept in the history, and with unusual days left out of it."""
    lines = []
    for left_out in (False, True):
        random = np.random.default_rng(5)
        rows = volume(random, DAYS + 28, 1_000, NOISY, 7 * 140)[:, ::7]  # one weekday to begin on
        half = random.binomial(rows.astype(int), 0.5).astype(float)
        line = ["left out" if left_out else "kept"]
        for bad in (0, 1, 3, 7):
            values = rows.copy()
            values[DAYS : DAYS + bad] = half[DAYS : DAYS + bad]
            values[DAYS + bad + 1] = half[DAYS + bad + 1]  # after one good day
            line.append(percent(without(values, left_out)[DAYS + bad + 1].mean()))
        values = np.where(np.arange(len(rows))[:, None] < DAYS, rows, half)
        line.append(f"{without(values, left_out)[DAYS : DAYS + 28].sum(axis=0).mean():.0f}")
        lines.append(line)
    head = ["unusual days are", "a halved day is seen", "after 1 other", "after 3", "after 7"]
    return table([*head, "unusual days in the 28 after volume is halved for good"], lines)


def without(values: Array, left_out: bool) -> Array:
    """Whether days are beyond the limit, where unusual days of the change may be left out.

    Their places are taken by what was expected of them.
    """
    limit = np.array(run_rules.widths(ALARMS * ODDS[COUNT]).one)
    weekdays, one = np.arange(len(values)) % 7, np.ones(values.shape)
    seen, unusual = values, np.ones(values.shape, bool)
    for _ in range(len(values)):  # a day's verdict needs those of the days before it
        before = unusual
        known = expect(Series(COUNT, seen, one, one), weekdays, WINDOW)
        unusual = (values < known.value_at(-limit)) | (values > known.value_at(limit))
        if not left_out or (unusual == before).all():
            break
        late = np.arange(len(values))[:, None] >= DAYS
        seen = np.where(unusual & late, known.level, values)
    return unusual


# The real sample


def cdnow() -> dict[str, list[str]]:
    """What is unusual in CDNOW, and how much of what might befall it is seen on the day."""
    random = np.random.default_rng(6)
    profile = cdnow_profile(random)
    judged = judge_days(profile)
    judged = judged[judged["verdict"] != "learning"]
    bad = judged[judged["verdict"] == "unusual"]
    beyond = bad[bad["rule"].str.startswith("beyond")]
    key = ["column", "metric", "day"]
    before = set(bad[key].assign(day=bad["day"] + pd.Timedelta(days=1)).itertuples(index=False))
    news = [each.day for each in bad[key].itertuples(index=False) if each not in before]
    by_metric = judged.set_index(["column", "metric"]).sort_index()
    rows, nulls, amount, spread = (
        by_metric.loc[name].set_index("day")
        for name in (("", "rows"), ("made_up", "nulls"), ("amount", "mean"), ("amount", "stddev"))
    )
    count = rows["value"].astype(int)
    done: dict[str, Array] = {
        "half of the rows lost": random.binomial(count, 1 / 2) < rows["low"],
        "two thirds of the rows lost": random.binomial(count, 1 / 3) < rows["low"],
        "nulls from 2 % to 6 %": random.binomial(count, 0.06) > nulls["high"],
        "nulls from 2 % to 20 %": random.binomial(count, 0.2) > nulls["high"],
        "amounts up by half a standard deviation": amount["value"] + spread["value"] / 2
        > amount["high"],
        "amounts up by one": amount["value"] + spread["value"] > amount["high"],
    }
    facts = {
        "days judged": len(rows),
        "with anything unusual": bad["day"].nunique(),
        "with anything beyond its limit": beyond["day"].nunique(),
        "with anything unusual that was not so the day before": len(set(news)),
        "August 1997 to June 1998 in random order (20 times): unusual": percent(
            shuffled(random, profile[profile["day"] >= "1997-08-01"]), 1
        ),
    }
    calm = rows.index >= "1997-12-01"
    return {
        "cdnow": table(["CDNOW, January 1997 to June 1998", "days"], facts.items()),
        "cdnow seen": table(
            ["done to each day alone, and seen on it", "all days", "from December 1997 on"],
            ([name, percent(hit.mean()), percent(hit[calm].mean())] for name, hit in done.items()),
        ),
        "cdnow days": table(["day", "metric", "value", "limits", "rule"], _told(bad, beyond)),
    }


def shuffled(random: Random, profile: pd.DataFrame) -> float:
    """The share of unusual days where real days come in random order: nothing changes."""
    days, shares = np.sort(profile["day"].unique()), []
    for _ in range(20):
        moved = dict(zip(days, random.permutation(days), strict=True))
        judged = judge_days(profile.assign(day=profile["day"].map(moved)))
        settled = judged[judged["day"] >= days[SETTLED]]
        bad = settled[settled["verdict"] == "unusual"]
        shares.append(bad["day"].nunique() / settled["day"].nunique())
    return float(np.mean(shares))


def _told(bad: pd.DataFrame, beyond: pd.DataFrame) -> Iterable[list[str]]:
    for day, of_day in beyond.groupby("day"):
        worst = of_day.loc[of_day["sigmas"].abs().idxmax()]
        others = int((bad["day"] == day).sum()) - 1
        yield [
            f"{day:%Y-%m-%d}",
            f"{worst['column']} {worst['metric']}".strip()
            + (f" and {others} more" if others else ""),
            f"{worst['value']:.4g}",
            f"{worst['low']:.4g} to {worst['high']:.4g}",
            worst["rule"],
        ]


def cdnow_profile(random: Random) -> pd.DataFrame:
    """CDNOW's profile, and a made-up column with 2 % nulls, for it has none."""
    rows = pd.read_csv(ROOT / "data" / "cdnow.csv.gz", parse_dates=["date"])
    found: list[tuple[object, ...]] = []
    for day, of_day in rows.groupby("date"):
        measured: dict[tuple[str, str], float] = {("", "rows"): len(of_day)}
        for name in ("customer_id", "cds", "amount"):
            measured[name, "nulls"], measured[name, "distinct"] = 0, of_day[name].nunique()
        for name in ("cds", "amount"):
            values = described(of_day[name].to_numpy())
            measured |= {(name, metric): value for metric, value in values.items()}
        measured["made_up", "nulls"] = random.binomial(len(of_day), 0.02)
        measured["made_up", "distinct"] = 2
        found += [(day, *key, value) for key, value in measured.items()]
    return pd.DataFrame(found, columns=["day", "column", "metric", "value"])


if __name__ == "__main__":
    main()

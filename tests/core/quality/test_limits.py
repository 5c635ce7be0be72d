from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from core.quality.limits import Judged, judge, judge_days

DAYS = 100
WEEK = np.array([1.2, 1.15, 1.1, 1.1, 1.05, 0.8, 0.6])
Values = dict[tuple[str, str], np.ndarray]
Draw = Callable[[np.random.Generator, int], np.ndarray]


def normal(generator: np.random.Generator, count: int) -> np.ndarray:
    return generator.normal(size=count)


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def profile(values: Values) -> pd.DataFrame:
    """By day, from a Monday on; NaN is left out."""
    days = pd.date_range("2024-01-01", periods=len(next(iter(values.values()))), name="day")
    wide = pd.DataFrame(dict(values), index=days).rename_axis(["column", "metric"], axis=1)
    return wide.stack(["column", "metric"]).rename("value").reset_index()


def numbers(rows: np.ndarray, draw: Draw, nulls: float = 0.0, seed: int = 1) -> Values:
    """The profile of a column `x` of numbers, as `draw` makes so many."""
    generator, found = random(seed), []
    for count in rows.astype(int):
        values = draw(generator, count - generator.binomial(count, nulls))
        p05, p50, p95 = np.quantile(values, [0.05, 0.5, 0.95])
        distinct = len(np.unique(values))
        found.append([count - len(values), distinct, values.mean(), values.std(), p05, p50, p95])
    names = ("nulls", "distinct", "mean", "stddev", "p05", "p50", "p95")
    return {("x", name): each for name, each in zip(names, np.array(found).T, strict=True)}


def told(values: Values, metric: str, column: str = "x", **declared: float) -> pd.DataFrame:
    """What is said of a metric, by number of day."""
    found = judge_days(profile(values), **declared)  # type: ignore[arg-type]
    found = found[(found["column"] == column) & (found["metric"] == metric)]
    return found.set_index((found["day"] - pd.Timestamp("2024-01-01")).dt.days)


def volume(size: float = 1_000, days: int = DAYS, noise: float = 0.05, seed: int = 0) -> np.ndarray:
    generator = random(seed)
    week = WEEK[np.arange(days) % 7]
    return generator.poisson(size * week * np.exp(noise * generator.normal(size=days))) * 1.0


def with_last(values: np.ndarray, *last: float) -> np.ndarray:
    return np.r_[values[: len(values) - len(last)], last]


def test_too_little_history_says_learning_and_not_fine() -> None:
    found = told({("", "rows"): with_last(volume(days=29), 0.0)}, "rows", column="")
    assert (found["verdict"][:28] == "learning").all()
    assert found["low"][:28].isna().all()
    assert found["verdict"][28] == "unusual"
    assert (
        told({("", "rows"): volume()}, "rows", "", learn_days=60)["verdict"][:60] == "learning"
    ).all()


def test_a_column_that_is_new_learns_for_itself() -> None:
    values = {("", "rows"): volume()} | numbers(volume(), normal)
    values["x", "mean"][:60] = np.nan
    found = told(values, "mean")
    assert (found["verdict"][60:88] == "learning").all() and found.index.min() == 60
    assert (found["verdict"][88:] != "learning").all()


@pytest.mark.parametrize("seed", range(5))
def test_half_of_the_rows_lost_is_unusual_that_day(seed: int) -> None:
    rows = volume(seed=seed)
    rows[-1] /= 2
    last = told({("", "rows"): rows}, "rows", "").iloc[-1]
    assert last["verdict"] == "unusual" and last["rule"].startswith("beyond")
    assert last["value"] < last["low"] < last["centre"] < last["high"]


@pytest.mark.parametrize("seed", range(5))
def test_three_times_the_share_of_nulls_is_unusual_that_day(seed: int) -> None:
    rows = volume(seed=seed)
    nulls = random(seed).binomial(rows.astype(int), 0.02) * 1.0
    values = {("", "rows"): rows, ("x", "nulls"): nulls, ("x", "distinct"): 0 * rows + 4}
    assert told(values, "nulls").iloc[-1]["verdict"] == "usual"
    values["x", "nulls"] = with_last(nulls, 0.06 * rows[-1])
    last = told(values, "nulls").iloc[-1]
    assert last["verdict"] == "unusual" and last["value"] > last["high"]


def test_a_mean_half_a_deviation_off_is_unusual_that_day() -> None:
    values = numbers(volume(), lambda r, n: r.normal(10, 1, n))
    values["", "rows"] = volume()
    values["x", "mean"] = with_last(values["x", "mean"], 10.5)
    assert told(values, "mean").iloc[-1]["verdict"] == "unusual"


def test_a_dataset_that_stays_the_same_is_rarely_unusual() -> None:
    unusual = days = 0
    for seed in range(6):
        rows = volume(200, 240, 0.1, seed)
        values = {("", "rows"): rows}
        for column, draw in {
            "gamma": lambda r, n: r.gamma(2, 10, n),
            "normal": normal,
            "count": lambda r, n: r.poisson(2, n) * 1.0,
            "tailed": lambda r, n: np.exp(r.normal(size=n)),
        }.items():
            known = numbers(rows, draw, 0.02, seed)
            values |= {(column, metric): each for (_, metric), each in known.items()}
        found = judge_days(profile(values))
        found = found[found["verdict"] != "learning"]
        unusual += found.loc[found["verdict"] == "unusual", "day"].nunique()
        days += found["day"].nunique()
    assert unusual / days < 0.03


def test_no_day_is_judged_by_a_later_one() -> None:
    rows = volume(days=120)
    values = {("", "rows"): rows} | numbers(rows, lambda r, n: r.gamma(2, 1, n), 0.05)
    values["x", "share of a"] = np.r_[np.full(90, np.nan), np.full(30, 0.3)]
    whole = judge_days(profile(values))
    for end in (40, 80, 91, 119):
        part = judge_days(profile({key: each[:end] for key, each in values.items()}))
        same = whole[whole["day"].isin(part["day"])]
        order = ["column", "metric", "day"]
        pd.testing.assert_frame_equal(
            part.sort_values(order, ignore_index=True), same.sort_values(order, ignore_index=True)
        )


def test_days_longer_ago_than_five_windows_change_nothing() -> None:
    whole = profile({("", "rows"): volume(days=400)})
    all_days, last = judge_days(whole).iloc[-1], judge_days(whole[-5 * 56 - 1 :]).iloc[-1]
    for name in ("centre", "low", "high", "sigmas"):
        assert all_days[name] == pytest.approx(last[name], rel=1e-9)


def test_one_day_is_judged_as_it_is_among_all() -> None:
    values = {("", "rows"): with_last(volume(), 400.0)}
    values |= numbers(volume(), normal)
    whole = profile(values)
    today = whole[whole["day"] == whole["day"].max()]
    found = judge(whole.drop(today.index), today)
    expected = judge_days(whole)
    expected = expected[expected["day"] == whole["day"].max()].drop(columns="day")
    assert found == [Judged(**row) for row in expected.to_dict("records")]  # type: ignore[misc]
    assert {each.verdict for each in found if each.metric == "rows"} == {"unusual"}


def test_the_limits_say_what_the_verdict_says() -> None:
    rows = volume(60, 300, 0.2)
    nulls = random(3).binomial(rows.astype(int), 0.01) * 1.0
    values = {("", "rows"): rows, ("x", "nulls"): nulls, ("x", "distinct"): rows - nulls}
    found = judge_days(profile(values), false_alarms=0.5)
    found = found[found["verdict"] != "learning"]
    outside = (found["value"] < found["low"] - 1e-9) | (found["value"] > found["high"] + 1e-9)
    assert (outside == found["rule"].str.startswith("beyond")).all()
    assert outside.sum() > 10


def test_a_quiet_sunday_is_usual_and_the_same_on_a_wednesday_is_not() -> None:
    week = np.where(np.arange(DAYS) % 7 == 6, 300.0, 1_000.0)
    rows = week * np.exp(random().normal(0, 0.05, DAYS))
    sunday, wednesday = 97, 93
    found = told({("", "rows"): rows}, "rows", "")
    assert (found["verdict"][28:] == "usual").mean() > 0.95
    assert found["verdict"][sunday] == "usual"
    rows[wednesday] = rows[sunday]
    assert told({("", "rows"): rows}, "rows", "")["verdict"][wednesday] == "unusual"


def test_days_without_rows_are_usual_where_they_always_are() -> None:
    rows = np.where(np.arange(DAYS) % 7 > 4, 0.0, volume())
    found = told({("", "rows"): rows}, "rows", "")
    assert (found["verdict"][28:] == "usual").mean() > 0.95
    sunday, monday = 97, 98
    assert found["verdict"][sunday] == "usual" and rows[sunday] == 0
    rows[sunday], rows[monday] = 200.0, 0.0
    found = told({("", "rows"): rows}, "rows", "")
    assert found["verdict"][[sunday, monday]].tolist() == ["unusual", "unusual"]


def test_weekdays_do_not_widen_or_narrow_what_has_none() -> None:
    rows = random(2).poisson(1_000, 300) * 1.0
    found = told({("", "rows"): rows}, "rows", "").iloc[60:]
    width = (found["high"] - found["low"]) / 2 / np.sqrt(1_000)
    assert 2.5 < width.median() < 4


def test_slow_growth_is_usual_and_a_break_is_not() -> None:
    growing = volume(days=200) * np.exp(0.01 * np.arange(200))
    found = told({("", "rows"): growing}, "rows", "")
    assert (found["verdict"][60:] == "unusual").mean() < 0.03
    growing[-1] /= 2
    assert told({("", "rows"): growing}, "rows", "")["verdict"].iloc[-1] == "unusual"


def test_a_lasting_change_alarms_for_days_and_is_then_usual() -> None:
    rows = volume(days=160)
    rows[100:] /= 2
    verdicts = told({("", "rows"): rows}, "rows", "")["verdict"]
    assert (verdicts[100:103] == "unusual").all()
    assert 3 <= (verdicts[100:] == "unusual").sum() <= 14
    assert (verdicts[125:] == "usual").all()


def test_a_few_bad_days_do_not_hide_the_next() -> None:
    rows = volume()
    rows[[-5, -4, -3, -1]] /= 2
    assert told({("", "rows"): rows}, "rows", "")["verdict"].iloc[-1] == "unusual"


def test_a_column_that_was_constant_is_unusual_when_it_changes() -> None:
    values = numbers(volume(), lambda r, n: np.full(n, 3.0))
    values["", "rows"] = volume()
    assert (told(values, "mean")["verdict"][28:] == "usual").all()
    values["x", "mean"] = with_last(values["x", "mean"], 4.0)
    assert told(values, "mean").iloc[-1]["verdict"] == "unusual"


def test_one_null_where_there_never_was_one_is_usual_and_a_few_are_not() -> None:
    rows = volume(200)
    for nulls, verdict in ((1.0, "usual"), (8.0, "unusual")):
        values = {("", "rows"): rows, ("x", "nulls"): with_last(0 * rows, nulls)}
        values["x", "distinct"] = 0 * rows + 4
        assert told(values, "nulls").iloc[-1]["verdict"] == verdict


def test_a_quantile_that_jumps_between_steps_is_not_judged() -> None:
    values = numbers(volume(200), lambda r, n: (r.random(n) < 0.03) * 1.0)
    values["", "rows"] = volume(200)
    assert {0.0, 1.0} <= set(values["x", "p95"])
    assert told(values, "p95").empty and told(values, "p50").empty
    assert not told(values, "mean").empty


def test_keys_that_come_twice_are_unusual_by_their_repeats() -> None:
    rows = volume()
    keys = rows - random().binomial(rows.astype(int), 0.01)
    values = {("", "rows"): rows, ("x", "nulls"): 0 * rows, ("x", "distinct"): keys}
    found = told(values, "distinct")
    assert (found["verdict"][28:] == "usual").mean() > 0.95
    assert (found["value"] == keys[found.index]).all()
    values["x", "distinct"] = with_last(keys, 0.9 * rows[-1])
    last = told(values, "distinct").iloc[-1]
    assert last["verdict"] == "unusual" and last["value"] < last["low"]


def test_values_that_do_not_come_any_more_are_unusual_by_their_number() -> None:
    shops = 40.0 - random().binomial(2, 0.1, DAYS)
    values = {("", "rows"): volume(), ("x", "nulls"): 0 * shops, ("x", "distinct"): shops}
    assert (told(values, "distinct")["verdict"][28:] == "usual").mean() > 0.95
    values["x", "distinct"] = with_last(shops, 28.0)
    assert told(values, "distinct").iloc[-1]["verdict"] == "unusual"


def test_a_category_that_is_gone_or_new_is_unusual() -> None:
    rows = volume()
    share = random().binomial(rows.astype(int), 0.4) / rows
    values = {("", "rows"): rows, ("x", "nulls"): 0 * rows, ("x", "distinct"): 0 * rows + 3}
    values["x", "share of a"] = with_last(share, np.nan)
    values["x", "share of b"] = with_last(np.full(DAYS, np.nan), 0.3)
    values["x", "share of c"] = with_last(np.full(DAYS, np.nan), 0.051)
    assert (told(values, "share of a")["verdict"][28:-1] == "usual").mean() > 0.95
    gone = told(values, "share of a").iloc[-1]
    assert gone["verdict"] == "unusual" and gone["value"] == 0.05
    assert told(values, "share of b")["verdict"].tolist() == ["unusual"]
    assert told(values, "share of c")["verdict"].tolist() == ["usual"]


def test_a_day_that_ends_too_early_is_unusual() -> None:
    values = {("", "rows"): volume(), ("at", "nulls"): np.zeros(DAYS)}
    values["at", "distinct"] = volume()
    waits = random(4).exponential(24 / 1_000, DAYS)
    values["at", "freshness_hours"] = with_last(waits, 6.0)
    found = told(values, "freshness_hours", "at")["verdict"]
    assert (found[28:-1] == "usual").all() and found.iloc[-1] == "unusual"


def test_a_column_of_nulls_only_is_unusual_by_its_nulls_and_has_no_mean() -> None:
    rows = volume()
    values = numbers(rows, normal, 0.1) | {("", "rows"): rows}
    for metric in ("mean", "stddev", "p05", "p50", "p95"):
        values["x", metric] = with_last(values["x", metric], np.nan)
    values["x", "nulls"] = with_last(values["x", "nulls"], rows[-1])
    values["x", "distinct"] = with_last(values["x", "distinct"], 0.0)
    assert told(values, "nulls").iloc[-1]["verdict"] == "unusual"
    assert DAYS - 1 not in told(values, "mean").index


def test_more_metrics_make_wider_limits() -> None:
    rows = volume()
    one = {("", "rows"): rows} | numbers(rows, normal)
    many = dict(one)
    for column in "abcdefgh":
        many |= {(column, metric): each for (_, metric), each in one.items() if metric != "rows"}
    narrow, wide = (told(each, "mean").iloc[-1] for each in (one, many))
    assert wide["high"] > narrow["high"] > narrow["low"] > wide["low"]
    looser = told(one, "mean", false_alarms=0.1).iloc[-1]
    assert narrow["high"] > looser["high"]


def test_the_order_of_the_profile_does_not_matter() -> None:
    whole = profile({("", "rows"): volume()})
    mixed = whole.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(judge_days(whole), judge_days(mixed))

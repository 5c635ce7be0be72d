import numpy as np
import pytest

from core.quality.run_rules import RULES, Widths, broken, rule, widths

HANDBOOK = Widths(3, 2, 1, 8)


def said(points: list[float], limits: Widths = HANDBOOK) -> list[str]:
    """The rule that each point breaks."""
    numbers = broken(np.array(points)[:, None], [limits] * len(points))[:, 0]
    return [rule(number, limits) for number in numbers]


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([0, 3.1], "beyond 3.0 sigma"),
        ([0, 2.1, 0, 2.1], "2 of 3 beyond 2.0 sigma"),
        ([0, 1.1, 1.1, 0.5, 1.1, 1.1], "4 of 5 beyond 1.0 sigma"),
        ([-1, *[0.1] * 8], "8 in a row on one side"),
        ([2.1, 2.1, 3.1], "beyond 3.0 sigma"),
    ],
)
def test_each_rule_is_seen_on_the_day_that_completes_it(
    points: list[float], expected: str, side: int
) -> None:
    assert said([side * each for each in points])[-1] == expected


@pytest.mark.parametrize(
    "points",
    [
        [2.9],
        [2.1, -2.1],
        [2.1, 0, 0, 2.1],
        [2.1, 2.1, 1.9],
        [1.1, 1.1, 1.1, 1.1, 0.9],
        [0.1] * 7,
        [*[0.1] * 4, 0, *[0.1] * 4],
        [*[0.1] * 4, np.nan, *[0.1] * 4],
    ],
)
def test_what_completes_no_rule_breaks_none(points: list[float]) -> None:
    assert said(points)[-1] == ""


def test_at_the_handbooks_odds_the_widths_are_about_the_handbooks() -> None:
    found = widths(2 * 0.0027)
    assert found.one == pytest.approx(3, abs=0.01)
    assert found.two_of_three == pytest.approx(2, abs=0.2)
    assert found.four_of_five == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize("odds", [0.05, 0.01])
def test_stable_series_break_a_rule_as_often_as_declared(odds: float) -> None:
    points = np.random.default_rng(0).normal(size=(400, 1_000))
    found = broken(points, [widths(odds)] * 400)
    share = (found[30:] > 0).mean()
    assert odds / 2 < share < odds * 1.2
    assert set(np.unique(found)) <= set(range(len(RULES)))


def test_the_limits_may_differ_from_day_to_day() -> None:
    points = np.full((2, 1), 3.5)
    assert broken(points, [Widths(4, 9, 9, 9), HANDBOOK]).ravel().tolist() == [0, 1]

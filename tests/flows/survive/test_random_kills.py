"""SIGKILLs at random moments of `daily`, day after day.

LONG_TEST_KILLS says how many; another number is another seed too.
"""

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.flows.survive.flow_runs import Flow, Problems, day_by_day
from tests.flows.survive.outcomes import Outcomes
from tests.flows.survive.state import State

KILLS = int(os.environ.get("LONG_TEST_KILLS", "2"))
DAYS = min(KILLS, 12)  # in one home, one after the other
AT_ONCE = len(os.sched_getaffinity(0)) if KILLS > 2 else 1
pytestmark = pytest.mark.timeout(300 + 30 * KILLS)


def test_killed_at_random_moments_daily_loses_and_doubles_nothing(
    daily: Flow, outcomes: Outcomes
) -> None:
    undisturbed = day_by_day(daily, DAYS)
    kills, made, problems = 0, 0, Problems()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        while kills < KILLS:  # a run that had ended before was not killed
            numbers = range(made, made := made + AT_ONCE)
            for killed, some in threads.map(lambda n: one_home(undisturbed, n), numbers):
                kills, problems = kills + killed, problems + some
            assert not problems, "\n".join(problems)
    what = f"`daily` killed (SIGKILL) at a random moment, and run again; seed {KILLS}"
    expected = "0 rows lost, 0 doubled, 0 torn models, 0 alerts lost, the rerun completes"
    outcomes.add(what, f"{kills} kills", expected, "so it was, each time")


def one_home(undisturbed: list[tuple[Flow, State, float]], number: int) -> tuple[int, Problems]:
    """Each day killed once, then run to its end and compared; how many were killed in time."""
    dice, kills, problems = random.Random(1000 * KILLS + number), 0, Problems()
    home = undisturbed[0][0].home(str(number))
    for today, expected, seconds in undisturbed:
        run = today.start(home)
        time.sleep(dice.uniform(0, seconds))
        with suppress(ProcessLookupError):
            run.kill()
        kills += run.wait() != 0
        problems += today.finish(expected, home, f"kill of {today.words} in home {number}")
    return kills, problems

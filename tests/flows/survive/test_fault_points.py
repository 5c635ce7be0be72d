"""A kill at every write and send of every flow, then the run again: as if nothing had happened.

Every sixth kind of point once, in the flow that reaches it first; with LONG_TEST_KILLS every point
of every flow, as often as it is reached.
"""

import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.core.alerting.local_receiver import Server as Receiver
from tests.flows.survive.flow_runs import FLOWS, Flow, Homes, Problems
from tests.flows.survive.outcomes import Outcomes
from tests.flows.survive.shop import Shop
from tests.flows.survive.state import State

AT_ONCE, SAMPLE = len(os.sched_getaffinity(0)), 6
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def flows(shop: Shop, homes: Homes, told: Receiver, tmp_path: Path) -> dict[str, Flow]:
    return {
        name: Flow(name, shop, homes[base], words, tmp_path, told)
        for name, (base, words) in FLOWS.items()
    }


def test_killed_once_at_each_kind_of_point_a_flow_ends_as_undisturbed(
    flows: dict[str, Flow],
) -> None:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        undisturbed = list(threads.map(Flow.undisturbed, flows.values()))
        points = first_of_each_kind([numbered(seen) for _, seen in undisturbed])
        expected = [state for state, _ in undisturbed]
        found = list(threads.map(chain, flows.values(), expected, points))
    problems = [problem for some in found for problem in some]
    assert not problems, "\n".join(problems)


@pytest.mark.skipif("LONG_TEST_KILLS" not in os.environ, reason="set LONG_TEST_KILLS: an hour")
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", FLOWS)
def test_killed_at_any_point_a_flow_ends_as_undisturbed(
    flows: dict[str, Flow], outcomes: Outcomes, name: str
) -> None:
    flow = flows[name]
    expected, seen = flow.undisturbed()
    points = numbered(seen)

    def kill(number: int) -> tuple[bool, Problems]:
        home = flow.home(str(number))
        run = flow.ended(home, DAYLOOP_FAULT=points[number])
        # How often the outbox is written to depends on how quickly receivers answer.
        if run.wait() not in (-signal.SIGKILL, flow.ends):
            return False, [f"{name} until {points[number]}: status {run.status}\n{run.said}"]
        return run.status != flow.ends, flow.finish(expected, home, points[number])

    with ThreadPoolExecutor(AT_ONCE) as threads:
        found = list(threads.map(kill, range(len(points))))
    problems = [problem for _, some in found for problem in some]
    assert not problems, "\n".join(problems)
    kills = sum(killed for killed, _ in found)
    assert kills >= 0.9 * len(points)
    what = f"`{name}` killed at each of its writes and sends, and run again"
    outcomes.add(what, f"{kills} kills", "it ends as undisturbed", "so it did, each time")


def numbered(seen: list[str]) -> list[str]:
    return [f"{point}:{seen[: place + 1].count(point)}" for place, point in enumerate(seen)]


def first_of_each_kind(points: list[list[str]]) -> list[list[str]]:
    """A sample of the points, each once over all flows, whatever hashes and days are in it."""
    known: set[str] = set()
    chosen: list[list[str]] = []
    for own in points:
        kinds = {re.sub(r"[0-9a-f]{16,}|\d{4}-\d\d-\d\d|:\d+$", "*", p): p for p in own[::-1]}
        new = {point for kind, point in kinds.items() if kind not in known}
        chosen.append([point for point in own if point in new])
        known |= {*kinds}
    return [own[::SAMPLE] for own in chosen]


def chain(flow: Flow, expected: State, points: list[str]) -> Problems:
    """In one home each run gets a little further than the one before; the last to the end."""
    problems, before = Problems(), ""
    home = flow.home("chain")
    for point in points:
        run = flow.ended(home, DAYLOOP_FAULT=point)
        if run.wait() == flow.ends:  # an earlier run had done that already
            problems += flow.finish(expected, home, before)
            home = flow.home("chain")
            run = flow.ended(home, DAYLOOP_FAULT=point)
        if run.wait() != -signal.SIGKILL:
            return [*problems, f"{flow.name}: {point} was not reached\n{run.said}"]
        before = point
    return problems + (flow.finish(expected, home, before) if points else [])

"""What is not a kill: full and read-only disks, a source that dies, two and eight at once."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.intervals import Interval
from tests.core.alerting.local_receiver import Request, serve
from tests.core.alerting.local_receiver import Server as Receiver
from tests.flows.survive.flow_runs import FLOWS, Flow, Homes
from tests.flows.survive.outcomes import Outcomes
from tests.flows.survive.shop import END, START, Run, Shop
from tests.flows.survive.state import State, damage, differences, state

LONG = "LONG_TEST_KILLS" in os.environ
LEVELS, PAIRS, CROWD = (10, 50, 8) if LONG else (2, 1, 3)
MOUNT = [] if os.getuid() == 0 else ["sudo", "-n"]
pytestmark = pytest.mark.timeout(3600 if LONG else 300)


@contextmanager
def disk(flow: Flow, name: str) -> Iterator[Path]:
    """The flow's home on a disk of its own, of 8 MB."""
    home = flow.folder / flow.name / name / "home"
    home.mkdir(parents=True)
    options = ["-t", "tmpfs", "-o", "size=8m,mode=1777", "tmpfs", str(home)]
    made = subprocess.run([*MOUNT, "mount", *options], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"a disk of its own needs root: {made.stderr.strip()}")
    try:
        shutil.copytree(flow.base, home, dirs_exist_ok=True)
        yield home
    finally:
        subprocess.run([*MOUNT, "umount", "-l", str(home)], check=True)


def free(home: Path) -> int:
    found = os.statvfs(home)
    return found.f_bavail * found.f_frsize


def one_line(run: Run, why: str) -> list[str]:
    """What is wrong about how a run refused: status 1, and one line that says why."""
    status, said = run.wait(), run.said
    lines = [line for line in said.splitlines() if line.startswith("dayloop: ")]
    good = status == 1 and len(lines) == 1 and why in lines[0] and "Traceback" not in said
    return [] if good else [f"status {status}\n{said}"]


def test_a_full_disk_refuses_in_one_line_and_is_made_good(daily: Flow, outcomes: Outcomes) -> None:
    with disk(daily, "roomy") as home:
        before = free(home)
        run = daily.start(home)
        assert run.wait() == 0, run.said
        needed, expected = before - free(home), state(home)
    problems = []
    for level in range(LEVELS):
        with disk(daily, f"level-{level}") as home:
            filler = home / "filler"
            filler.write_bytes(bytes(free(home) - needed * level // LEVELS))
            problems += one_line(daily.start(home), "No space left on device")
            problems += damage(home)
            filler.unlink()
            problems += daily.finish(expected, home, f"{level} of {LEVELS} of the room it needs")
    assert not problems, "\n".join(problems)
    outcomes.add(
        "the disk of `daily` full, at 0 to 9 tenths of the room it needs",
        f"{LEVELS} fill levels",
        "status 1 in one line, nothing torn; with room again it ends as undisturbed",
        "so it was, at each level",
    )


def test_a_read_only_home_is_one_line_and_can_be_read(
    daily: Flow, expected: State, outcomes: Outcomes
) -> None:
    with disk(daily, "read-only") as home:
        remount = [*MOUNT, "mount", "-o"]
        subprocess.run([*remount, "remount,ro", str(home)], check=True)
        kept = state(home)
        problems = one_line(daily.start(home), "Read-only file system")
        for verb in ("models returns", "alerts", "history buys", "diagnose"):
            read = daily.shop.run(home, verb)
            problems += [read.said] if read.status else []
        problems += differences(kept, state(home))
        subprocess.run([*remount, "remount,rw", str(home)], check=True)
        problems += daily.finish(expected, home, "a read-only home")
    assert not problems, "\n".join(problems)
    outcomes.add(
        "`daily` in a home that is read-only",
        "1 run",
        "status 1 in one line; verbs that only read work; writable again it ends as undisturbed",
        "so it was",
    )


def test_a_source_that_dies_midway_leaves_whole_days_only(
    shop: Shop, told: Receiver, outcomes: Outcomes, tmp_path: Path
) -> None:
    words = f"backfill buys --start {START} --end {END}"
    flow = Flow("source", shop, Path("nowhere"), words, tmp_path, told)
    data, days = shop.project.root / "data" / "buys", len(Interval(START, END))
    asked: list[str] = []

    def whole(request: Request) -> None:
        asked.append(request.path)
        request.answer(200, (data / f"{request.path.rpartition('/')[2]}.csv").read_bytes())

    def dying(request: Request) -> None:
        if len(asked) < dies_after:
            return whole(request)
        body = (data / f"{request.path.rpartition('/')[2]}.csv").read_bytes()
        request.send_response(200)
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: len(body) // 2])
        request.wfile.flush()
        return request.reset()

    times, problems = (days if LONG else 2), []
    with serve(whole) as source:
        env = {"SHOP_URL": source.url.replace("/hook/TOKEN-in-the-path", "")}
        env |= {"DAYLOOP_RETRY_SECONDS": "0"}
        dies_after = 0
        expected, _ = flow.undisturbed(**env)
        for number in range(times):
            home, dies_after = flow.home(str(number)), number * days // times
            asked.clear()
            source.behave = dying
            problems += one_line(flow.start(home, **env), "buys")
            problems += damage(home)
            source.behave = whole
            problems += flow.finish(expected, home, f"a source dead after {dies_after}", **env)
    assert not problems, "\n".join(problems)
    outcomes.add(
        "the source of a `backfill` of 21 days breaking off in the middle of an answer",
        f"{times} times, after 0 to {days - 1} days",
        "status 1 in one line, only whole days are kept; once it answers it ends as undisturbed",
        "so it was, each time",
    )


def test_a_rollback_run_again_is_the_same_one(
    shop: Shop, homes: Homes, told: Receiver, tmp_path: Path
) -> None:
    base, words = FLOWS["rollback"]
    flow = Flow("rollback", shop, homes[base], words, tmp_path, told)
    expected, _ = flow.undisturbed()
    problems = flow.finish(expected, tmp_path / "rollback" / "undisturbed" / "home", "itself")
    assert not problems, "\n".join(problems)


def test_the_same_run_started_twice_at_once_ends_as_one(
    daily: Flow, expected: State, outcomes: Outcomes
) -> None:
    problems = []
    for number in range(PAIRS):
        problems += at_once(daily, expected, 2, f"pair-{number}")
    assert not problems, "\n".join(problems)
    outcomes.add(
        "the same `daily` started twice at once",
        f"{PAIRS} times",
        "both end well, as one",
        "so it was",
    )


def test_many_of_the_same_day_at_once_end_as_one(
    daily: Flow, expected: State, outcomes: Outcomes
) -> None:
    problems = at_once(daily, expected, CROWD, "crowd")
    assert not problems, "\n".join(problems)
    outcomes.add(
        f"{CROWD} concurrent `daily` of the same day", "once", "all end well, as one", "so it was"
    )


def at_once(flow: Flow, expected: State, number: int, name: str) -> list[str]:
    home = flow.home(name)
    running = [flow.start(home) for _ in range(number)]
    failed = [run for run in running if run.wait()]
    problems = [f"{len(failed)} of {number} failed\n{failed[0].said}"] if failed else []
    return problems + differences(expected, state(home)) + flow.untold(home)

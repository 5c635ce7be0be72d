"""One day of the sample loaded ad hoc: a bare script, this project, and what others would take.

    python -m benchmarks.peers --kedro PYTHON --dagster PYTHON --metaflow PYTHON

Each run is a process of its own, by turns, into an empty folder. `PYTHON` is one of an environment
with that peer, pandas, pandera[pandas], deltalake and pyarrow of this one's versions; a peer whose
Python is not given is left out. The bare script and the peers do what benchmarks/peers/day.py says,
each peer as its documentation shows; the loop does that and all else that it does of a day.
A first round is not counted: it compiles, and Prefect makes its database.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from deltalake import DeltaTable

from benchmarks.run import README, table, write
from benchmarks.servers import Server, free_port, started

SCRIPTS = README.parent / "peers"
PROJECT = README.parents[1]
ROWS = 46  # of the day, all good
PEERS = {
    "kedro": {"Kedro": "-m kedro run --env base"},
    "dagster": {
        "Dagster, in process": "dagster_day.py",
        "Dagster, its command": "-m dagster job execute -f dagster_day.py",
    },
    "metaflow": {"Metaflow": "metaflow_day.py run"},
}
OURS, BARE = "-m flows etl sales --day 1998-04-01", "bare script"
EMPTY = "prefect_empty.py"
QUIET = {
    "DO_NOT_TRACK": "1",
    "METAFLOW_USER": "bench",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
}
Cost = tuple[float, float, float, float]  # wall s, CPU s, peak MB, CPU s of the running server
Run = tuple[str, str, dict[str, str]]  # Python, its arguments, its environment


def runs(pythons: dict[str, str], states: Path, api: str) -> dict[str, Run]:
    """What is run, by name."""
    alone = {"PREFECT_HOME": str(states / "alone")}
    server = {**alone, "PREFECT_API_URL": api}
    found = {
        BARE: (sys.executable, "day.py", {}),
        "the loop, a server running": (sys.executable, OURS, server),
        "plain Prefect, a server running": (sys.executable, "prefect_day.py", server),
        "an empty Prefect flow, a server running": (sys.executable, EMPTY, server),
        "the loop, no server": (sys.executable, OURS, alone),
        "plain Prefect, no server": (sys.executable, "prefect_day.py", alone),
        "an empty Prefect flow, no server": (sys.executable, EMPTY, alone),
    }
    for peer, python in pythons.items():
        found |= {name: (python, how, {}) for name, how in PEERS[peer].items()}
    return found


def cost(run: Run, folder: Path, server: Server) -> Cost:
    """One run into an empty folder; memory is that of the largest of its processes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    python, how, env = run
    places = ("DAY_FOLDER", "DAYLOOP_HOME", "METAFLOW_DATASTORE_SYSROOT_LOCAL")
    env = {**os.environ, **QUIET, **dict.fromkeys(places, str(folder)), **env}
    before, theirs = time.perf_counter(), server.cpu_seconds()
    process = subprocess.Popen(  # noqa: S603  programs of this file's own
        [python, *how.split()],
        cwd=PROJECT if how == OURS else SCRIPTS,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall, theirs = time.perf_counter() - before, server.cpu_seconds() - theirs
    if status or how != EMPTY and DeltaTable(folder / "tables" / "sales").count() != ROWS:
        raise SystemExit(f"{python} {how} failed\n{said}")
    used = usage.ru_utime + usage.ru_stime
    return wall, used, usage.ru_maxrss / 1024, theirs if env.get("PREFECT_API_URL") else 0.0


def measure(pythons: dict[str, str], states: Path, rounds: int) -> dict[str, list[Cost]]:
    """Runs each by turns; what each round cost, the first one left out."""
    port = free_port()
    words = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    home = {"PREFECT_HOME": str(states / "server")}
    with started(words, port, "/api/health", **QUIET, **home) as server:
        what = runs(pythons, states, f"http://127.0.0.1:{port}/api")
        costs: dict[str, list[Cost]] = {name: [] for name in what}
        for _ in range(1 + rounds):
            for name, run in what.items():
                costs[name].append(cost(run, states / "day", server))
                print(name, *map(_s, costs[name][-1]), flush=True)
    return {name: each[1:] for name, each in costs.items()}


def summary(costs: dict[str, list[Cost]]) -> list[list[str]]:
    """Medians, and what they are of the bare script's."""
    middle = {name: [*map(median, zip(*each, strict=True))] for name, each in costs.items()}
    bare = middle[BARE]
    rows = [["", "wall s", "CPU s", "peak MB", "server's CPU s", "wall, of bare", "CPU, of bare"]]
    for name, each in middle.items():
        ratios = [f"{each[column] / bare[column]:.1f}" for column in (0, 1)]
        rows.append([name, *map(_s, each), *ratios])
    return rows


def versions(pythons: dict[str, str]) -> str:
    """Of Prefect and of each peer, and who was left out."""
    code = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
    found = [
        f"{name} {subprocess.check_output([python, '-c', code, name], text=True).strip()}"  # noqa: S603
        for name, python in {"prefect": sys.executable, **pythons}.items()
    ]
    return ", ".join([*found, *(f"no {peer} given" for peer in PEERS if peer not in pythons)])


def _s(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.2f}" if number else "-"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    for peer in PEERS:
        parser.add_argument(f"--{peer}", metavar="PYTHON", help=f"of an environment with {peer}")
    given = parser.parse_args()
    if "PREFECT_API_URL" in os.environ or (PROJECT / ".dayloop" / "server").exists():
        raise SystemExit("a Prefect server is set or running; unset PREFECT_API_URL, stop it")
    pythons = {peer: getattr(given, peer) for peer in PEERS if getattr(given, peer)}
    with tempfile.TemporaryDirectory(prefix="dayloop-") as folder:
        found = table(summary(measure(pythons, Path(folder), given.rounds)))
    found += f"\n\nMeasured: {versions(pythons)}."
    print(f"\npeers, one day\n{found}")
    write("peers", "one day", found)

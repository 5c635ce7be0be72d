"""Measures the loop beside bare scripts and writes the figures into benchmarks/README.md.

    python -m benchmarks.run --rows 10000000 --only load features

Each job runs in a fresh process, the two that are compared by turns. Wall and CPU seconds are
medians; memory is the most that a process held.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import data, jobs

README = Path(__file__).parent / "README.md"
LIBRARIES = ("pyarrow", "pandas", "pandera", "deltalake", "numpy")
Row = list[str]


def process(module: str, *arguments: object) -> tuple[float, float, float, str]:
    """Wall seconds, CPU seconds, peak MB and output of a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    before = time.perf_counter()
    started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
    assert started.stdout is not None
    output = started.stdout.read()
    _, status, usage = os.wait4(started.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return (
        time.perf_counter() - before,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
        output,
    )


class Bench:
    """What is measured at one size, in a folder that is kept for the next run."""

    def __init__(self, folder: Path, rows: int, rounds: int) -> None:
        self.rows, self.rounds, self.folder = rows, rounds, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.history = data.history(folder / f"{rows}.csv", rows)
        self.home = folder / f"home-{rows}"

    def load(self) -> list[Row]:
        """The whole job beside the bare script, without and with its accounts of days."""

        def bare(*accounts: str) -> tuple[float, float, float, str]:
            return process("bare", self.history, self._empty("bare"), *accounts)

        def ours() -> tuple[float, float, float, str]:
            shutil.rmtree(self.home, ignore_errors=True)
            self.home.mkdir()
            return process("jobs", "load", self.history, self.home)

        with_accounts = {"with accounts": lambda: bare("accounts")}
        return self._beside("the loop", ours, "bare script", bare, **with_accounts)

    def features(self) -> list[Row]:
        """The churn model's features beside naive pandas over the whole table."""
        home = self._loaded()
        return self._beside(
            "entity buckets",
            lambda: process("models", "buckets", home),
            "naive pandas",
            lambda: process("models", "naive", home),
        )

    def scoring(self) -> list[Row]:
        """A day's predictions beside the table read, its features and `predict_proba`."""
        home = self._loaded()
        model = process("models", "train", home)[3].strip()

        def ours() -> tuple[float, float, float, str]:
            shutil.rmtree(home / "tables" / "churn_predictions", ignore_errors=True)
            return process("models", "score", home)

        def bare() -> tuple[float, float, float, str]:
            return process("models", "bare_score", home, model)

        return self._beside("the loop", ours, "bare script", bare)

    def retrain(self) -> list[Row]:
        """All candidates fitted, judged and stored beside the same fits alone."""
        home = self._loaded()

        def ours() -> tuple[float, float, float, str]:
            for known in ("models", "tables/runs", "tables/registry"):
                shutil.rmtree(home / known, ignore_errors=True)
            return process("models", "retrain", home)

        def bare() -> tuple[float, float, float, str]:
            return process("models", "bare_retrain", home)

        return self._beside("the loop", ours, "bare script", bare)

    def days(self) -> list[Row]:
        """One day after another into an empty home, a home of such days, and into this history."""
        found = json.loads(process("jobs", "days", self._loaded(), self.rows // data.DAYS, 24)[3])
        empty, young, full = (_medians(each[1:]) for each in found.values())
        head = ["one day into", "wall s", "CPU s", "CPU ratio"]
        name = f"the same, and {self.rows:,} rows before them"
        return [
            head,
            ["an empty home: no tables to read yet", *map(_s, empty), _s(empty[1] / young[1])],
            ["a table of 1 to 24 such days", *map(_s, young), "1"],
            [name, *map(_s, full), _s(full[1] / young[1])],
        ]

    def year(self) -> list[Row]:
        """A year of daily loads."""
        costs = json.loads(process("jobs", "year", self.rows // data.DAYS)[3])
        head = ["days", "wall s", "CPU s"]
        parts = ((1, 11), (30, 40), (90, 100), (180, 190), (355, 365))
        return [head, *([f"{a}-{b}", *map(_s, _medians(costs[a:b]))] for a, b in parts)]

    def reading(self) -> list[Row]:
        """The strict reader beside plain reads; CPU seconds."""
        found = json.loads(process("reading", min(self.rows, 1_000_000))[3])
        head = ["form", "strict", "pyarrow", "pandas", "of pyarrow", "of pandas"]
        rows = []
        for form, costs in found.items():
            strict, plain, pandas = (costs.get(name) for name in ("strict", "plain", "pandas"))
            ratios = [_s(strict / each) if each else "-" for each in (plain, pandas)]
            rows.append(
                [form, *(_s(each) if each else "-" for each in (strict, plain, pandas)), *ratios]
            )
        return [head, *rows]

    def grain(self) -> list[Row]:
        """Tables partitioned by day, by month and not at all; wall seconds."""
        home = self._loaded()
        found = {name: json.loads(process("jobs", "grain", home, name)[3]) for name in jobs.GRAINS}
        head = ["partitioned by", *next(iter(found.values()))]
        return [head, *([name, *map(_s, each.values())] for name, each in found.items())]

    def _beside(
        self,
        one: str,
        ours: Callable[[], Any],
        other: str,
        bare: Callable[[], Any],
        **more: Callable[[], Any],
    ) -> list[Row]:
        jobs = {other: bare, **more, one: ours}
        costs: dict[str, list[tuple[float, ...]]] = {name: [] for name in jobs}
        for _ in range(self.rounds):
            for name, job in jobs.items():
                costs[name].append(job()[:3])
        middle = {name: _medians(each) for name, each in costs.items()}
        rows = [[name, *map(_s, each)] for name, each in middle.items()]
        for name in (other, *more):
            ratios = [_s(a / b) for a, b in zip(middle[one], middle[name], strict=True)]
            rows.append([f"ratio to {name}" if more else "ratio", *ratios])
        return [["", "wall s", "CPU s", "peak MB"], *rows]

    def _loaded(self) -> Path:
        if not (self.home / "tables" / "sales").exists():
            self._empty(self.home.name)
            process("jobs", "load", self.history, self.home)
        return self.home

    def _empty(self, name: str) -> Path:
        shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / name).mkdir()
        return self.folder / name


PARTS = ("load", "features", "scoring", "retrain", "days", "year", "reading", "grain")


def _medians(costs: list[Any]) -> list[float]:
    return [median(each) for each in zip(*costs, strict=True)]


def _s(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.2f}"


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table, the first one its head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def write(part: str, size: int | str, found: str) -> None:
    """Puts a table into its place in the README, or at its end; a whole number is of rows."""
    begin, end = f"<!-- {part} {size} -->", f"<!-- end {part} {size} -->"
    title = f"{part}, {size:,} rows" if isinstance(size, int) else f"{part}, {size}"
    block = f"{begin}\n**{title}** ({machine()})\n\n{found}\n{end}"
    text = README.read_text()
    pattern = re.escape(begin) + ".*?" + re.escape(end)
    new, times = re.subn(pattern, lambda _: block, text, flags=re.DOTALL)
    README.write_text(new if times else f"{text.rstrip()}\n\n{block}\n")


def machine() -> str:
    """What it was measured on."""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    load = os.getloadavg()[0]
    return (
        f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores, {memory} GB, load "
        f"{load:.1f}, Python {platform.python_version()}, {libraries}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "dayloop-bench"))
    given = parser.parse_args()
    bench = Bench(given.folder, given.rows, given.rounds)
    for part in given.only:
        found = table(getattr(bench, part)())
        print(f"\n{part}, {given.rows:,} rows\n{found}", flush=True)
        write(part, given.rows, found)

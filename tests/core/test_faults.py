"""Fault points: they stand wherever anything is written or sent, and a process dies at one."""

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from core import faults, lake
from tests.conftest import ROOT

WRITES = {
    "write_deltalake",
    "compact",
    "create_checkpoint",
    "vacuum",
    "open_output_stream",
    "new_file",
    "write_bytes",
    "write_text",
    "rename",
    "unlink",
    "rmtree",
    "copytree",
    "mkdir",
    "symlink_to",
    "hardlink_to",
    "copyfile",
}
SENDS = {"request", "handle_async_request", "notify", "emit_event", "run", "Popen"}
# Without points of their own, and why.
CALLER, TEMPORARY = "whoever calls it has them", "a file of its own, gone with the run"
EXEMPT = {
    "core/alerting/apprises.py send": CALLER,
    "core/alerting/delivery.py _turn": "a file to lock, which says nothing",
    "core/alerting/delivery.py send": CALLER,
    "core/alerting/webhooks.py _exchange_with": CALLER,
    "core/code.py version": "asks git",
    "core/home.py _renamed": CALLER,
    "core/home.py in_turn": "a folder to lock",
    "core/lake/commits.py _write": CALLER,
    "core/lake/commits.py commit": CALLER,
    "core/lake/commits.py rewrite": CALLER,
    "core/load/spool.py _writer": TEMPORARY,
    "core/load/spool.py again": TEMPORARY,
    "core/models/features.py _deal": TEMPORARY,
    "core/models/mlflow_mirror.py _problem": CALLER,
    "core/models/mlflow_mirror.py _tell_version": TEMPORARY,
    "core/scaffold/proving.py declared": TEMPORARY,
    "core/scaffold/targets.py write": "files of the project, made once, for a person to keep",
    "core/sources/fetching.py _ask": "asks a source, and changes nothing there",
    "core/watch/replay.py fork": TEMPORARY,
    "flows/progress.py line": "how long a verb took, for the next time's estimate",
}


def calls(function: ast.AST) -> Iterator[ast.Call]:
    """Those within a function."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            yield node


def is_write_or_send(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    of = getattr(getattr(call.func, "value", None), "id", "")
    if of == "home":  # core.home: it has the points
        return False
    modes = [str(each.value) for each in call.args if isinstance(each, ast.Constant)]
    if name == "open":
        return any(set(mode) <= set("rwaxbt+") and set(mode) & set("wax+") for mode in modes)
    if name == "replace":  # of a path: text takes two, a record takes names
        return len(call.args) == 1 and not call.keywords
    if name == "create":
        return of == "DeltaTable"
    if name in ("run", "Popen"):
        return of == "subprocess"
    return name in WRITES | SENDS


def found_in(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            said = [ast.unparse(each.func) for each in calls(node)]
            if any(map(is_write_or_send, calls(node))) and "faults.reached" not in said:
                yield f"{file.relative_to(ROOT)} {node.name}"


def test_whatever_writes_or_sends_has_fault_points() -> None:
    folders = [ROOT / name for name in ("core", "tasks", "flows")]
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    without = {each for file in files for each in found_in(file)}
    assert without - {*EXEMPT} == set()


KILLED = """
import sys, pyarrow as pa
from core import lake
for number in range(40):
    lake.append("t", pa.table({"a": [number]}))
    print(number, flush=True)
"""


@pytest.mark.parametrize("point", ["compacted t:1", "checkpointed t:1"])
def test_killed_while_it_tidies_a_table_loses_nothing(home: Path, point: str) -> None:
    env = {**os.environ, faults.VARIABLE: point}
    done = subprocess.run(
        [sys.executable, "-c", KILLED], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL
    told = len(done.stdout.split())
    assert told == 31  # commits that were reported done; the 32nd was being tidied
    lake.append("t", pa.table({"a": [-1]}))
    assert sorted(lake.read("t")["a"].to_pylist()) == [-1, *range(told + 1)]


def test_where_nothing_is_set_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(faults.VARIABLE, raising=False)
    faults.reached("committed t")
    assert faults.seen == []

"""The two verbs that write files: what they leave passes the project's own checks."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT, Project

ORDERS = "".join(
    f"{n},c{n % 90},2026-{n % 3 + 1:02}-{n % 28 + 1:02}T10:00:00Z,{n % 7}.50,"
    f"{str(n % 2 == 0).lower()}\n"
    for n in range(900)
)
WITHOUT_PREFECT = """
import sys
from flows.__main__ import main
status = main(sys.argv[1:])
sys.exit(status or ("prefect imported" if "prefect" in sys.modules else 0))
"""
OF_FILES = "entrypoint or deployed or says_what or retrained_when"  # these need no server


@pytest.fixture
def made(project: Project) -> Project:
    """A project with a dataset and a model more."""
    for part in ("tests", "pyproject.toml"):
        source = ROOT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, project.root / part)
    (project.root / "orders.csv").write_text("id,customer,at,total,gift\n" + ORDERS)
    for words in (("new", "orders", "orders.csv", "--key", "id"), ("new-model", "quiet", "orders")):
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_PREFECT, *words],
            cwd=project.root,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return project


def test_what_is_written_passes_the_projects_own_checks(made: Project):
    ours = ["catalog/datasets/orders.py", "catalog/models/quiet.py"]
    tests = ["tests/catalog/datasets/test_dataset_orders.py"]
    tests += ["tests/catalog/models/test_model_quiet.py"]
    python = (sys.executable, "-m")
    for words in (
        (*python, "ruff", "check", *ours, *tests),
        (*python, "ruff", "format", "--check", *ours, *tests),
        (*python, "mypy", "--follow-imports=silent", *ours),
        (*python, "pytest", *tests),
        (*python, "pytest", "tests/flows/test_deployments.py", "-k", OF_FILES),
    ):
        done = subprocess.run(words, cwd=made.root, capture_output=True, text=True, timeout=280)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_second_run_overwrites_nothing_and_is_a_mistake_in_the_call(made: Project):
    done = made.run("new", "orders", "orders.csv", "--json")

    assert done.returncode == 2
    said = json.loads(done.stdout)
    assert said["message"].startswith("catalog/datasets/orders.py is there already; ")


def test_what_was_found_is_one_line_a_column(project: Project):
    (project.root / "orders.csv").write_text("id,customer,at,total,gift\n" + ORDERS)

    done = project.run("new", "orders", "orders.csv", COLUMNS="120")

    for said in (
        r"total +float +0 +0.5 to 6.5",
        r"gift +bool +0 +50% true",
        "A row belongs to the day of at.",
        "No two rows share id: --key makes that a rule.",
        "python -m flows backfill orders --start 2026-01-01 --end 2026-03-29",
    ):
        assert re.search(said, done.stdout), (said, done.stdout)

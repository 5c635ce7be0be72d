"""The tutorial: each of its commands, in its order, in a copy of the project."""

import re
import shlex
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT, Project
from tests.flows.support import rows

BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/tutorial.md").read_text(), re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]


@pytest.mark.usefixtures("server")
def test_every_command_of_the_tutorial_does_what_it_says(project: Project, home):
    shutil.copytree(ROOT / "tests", project.root / "tests")
    shutil.copy(ROOT / "pyproject.toml", project.root)
    assert len(COMMANDS) >= 10
    said = {}
    for command in COMMANDS:
        python, *words = shlex.split(command)
        assert python == "python"
        done = subprocess.run(
            [sys.executable, *words], cwd=project.root, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        said[command] = done.stdout

    assert "orders: 0 rows in quarantine" in said["python -m flows quarantine orders"]
    assert len(rows(home, "orders")) == 63_799  # with the day that etl loaded
    assert len(rows(home, "quiet_predictions")) == 23_570
    assert "version 1 promoted" in said["python -m flows retrain quiet --as-of 1998-04-01"]

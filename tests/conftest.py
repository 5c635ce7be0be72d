"""What all tests share: a home of their own, and a throw-away copy of the project."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PARTS = ("catalog", "core", "tasks", "flows", "data", "prefect.yaml")

# Whoever runs the tests may have a loop and receivers of their own.
for _name in [name for name in os.environ if name.startswith("DAYLOOP_")]:
    del os.environ[_name]


@dataclass(frozen=True)
class Project:
    """A copy of the project: a test may rewrite its files and run it."""

    root: Path

    def rewrite(self, file: str, *changes: tuple[str, str]) -> None:
        """Replaces pieces of a text file, each of which must be there."""
        text = (self.root / file).read_text()
        for old, new in changes:
            assert old in text, f"{file} has no {old!r}"
            text = text.replace(old, new)
        (self.root / file).write_text(text)

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "flows", *words]

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """`python -m flows` with these words, to its end."""
        return subprocess.run(
            self.command(*words),
            cwd=self.root,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=240,
        )

    def start(self, *words: str, **env: str) -> subprocess.Popen[bytes]:
        """The same, not waited for."""
        return subprocess.Popen(
            self.command(*words),
            cwd=self.root,
            env={**os.environ, **env},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty DAYLOOP_HOME."""
    monkeypatch.setenv("DAYLOOP_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def copied(root: Path) -> Project:
    """A copy of the project in a new folder."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / part)
    return Project(root)


@pytest.fixture
def project(tmp_path: Path, home: Path) -> Project:
    """A copy of the project, and an empty home beside it."""
    return copied(tmp_path / "project")

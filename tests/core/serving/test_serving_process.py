"""`python -m flows serve` as a process of its own: what it imports, holds, and leaves behind."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core import lake
from core.models.artifacts import Artifact
from tests.conftest import ROOT
from tests.core.serving.local_api import PATH, ROW, Client, free_port, promote

TOKEN = "a-token-of-many-signs"
MIB = 1 << 20


@contextmanager
def process(folder: Path, home: Path, *words: str) -> Iterator[tuple[Client, subprocess.Popen]]:
    """Serves from a copy of the project that has the model, where Prefect cannot be imported."""
    root, port = folder / "project", free_port()
    for part in ("catalog", "core", "flows"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, root / part, ignore=ignored, dirs_exist_ok=True)
    (root / "catalog/models/returns.py").touch()
    (root / "prefect.py").write_text("raise ImportError('Prefect is not for serving')")
    started = subprocess.Popen(
        [sys.executable, "-m", "flows", "serve", "returns", "--port", str(port), *words],
        cwd=root,
        env={**os.environ, "DAYLOOP_HOME": str(home), "DAYLOOP_API_TOKEN": TOKEN},
        stderr=subprocess.PIPE,
    )
    address, shown = f"http://127.0.0.1:{port}", {"authorization": f"Bearer {TOKEN}"}
    try:
        with Client(base_url=address, headers=shown, timeout=60) as client:
            client.port = port
            client.wait_until_up(started)
            yield client, started
    finally:
        started.kill()
        started.communicate()


@pytest.fixture(scope="module")
def serving(
    shop: tuple[Path, dict[str, Artifact]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Client, subprocess.Popen]]:
    home, models = shop
    folder = tmp_path_factory.mktemp("serving")
    shutil.copytree(home, folder / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAYLOOP_HOME", str(folder / "home"))
        promote(models["logistic"])
    with process(folder, folder / "home") as started:
        yield started


def test_it_serves_without_prefect_to_who_has_the_token(
    serving: tuple[Client, subprocess.Popen],
) -> None:
    client, _ = serving
    assert client.predict(ROW).json()["version"] == 1
    assert client.predict(ROW, headers={"authorization": ""}).status_code == 401


def peak(started: subprocess.Popen) -> int:
    """The most memory the process has ever held, in bytes."""
    status = Path(f"/proc/{started.pid}/status").read_text()
    [kilobytes] = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(kilobytes) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_body_of_100_megabytes_takes_less_than_50_of_memory(
    serving: tuple[Client, subprocess.Popen],
) -> None:
    client, started = serving
    client.predict(ROW)
    before = peak(started)
    kind = {"content-type": "application/json"}

    streamed = client.post(PATH, content=iter([b" " * MIB] * 100), headers=kind)
    declared = client.post(PATH, content=b" " * 100 * MIB, headers=kind)

    assert [streamed.status_code, declared.status_code] == [413, 413]
    assert peak(started) - before < 50 * MIB


def test_it_answers_whatever_its_own_description_lets_one_make_up(
    serving: tuple[Client, subprocess.Popen], tmp_path: Path
) -> None:
    client, _ = serving
    # Numbers may be as described and yet have no score: that is a 422, as for what may not be.
    words = f"""run {client.base_url}/openapi.json --seed 1 --max-examples 40 --no-color
        --phases examples,coverage,fuzzing --suppress-health-check all
        --checks all --exclude-checks positive_data_acceptance""".split()
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", *words]
        + ["--header", f"Authorization: Bearer {TOKEN}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout


def test_a_signal_ends_it_after_it_has_written_its_log(
    fitted: dict[str, Artifact], home: Path, tmp_path: Path
) -> None:
    promote(fitted["logistic"])
    with process(tmp_path, home, "--log") as (client, started):
        score = client.predict({**ROW, "entity": "4711"}).json()["scores"]
        started.send_signal(signal.SIGTERM)
        _, said = started.communicate(timeout=60)

    assert b"returns: version 1 serves now" in said and b"Traceback" not in said
    rows = lake.read("returns_requests")
    assert (rows["entity"].to_pylist(), rows["score"].to_pylist()) == (["4711"], score)

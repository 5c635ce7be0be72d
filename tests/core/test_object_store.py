"""The same loop with its home on a real S3 server."""

import gzip
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from catalog.kinds import File
from core import care, home, lake
from core.alerting import outbox
from core.alerting.alerts import Alert
from core.models import registry, scoring, training
from tests.core import local_s3, synthetic

AS_OF = date(2024, 2, 19)


@pytest.fixture(scope="module")
def settings() -> Iterator[dict[str, str]]:
    with local_s3.serve() as found:
        yield found


@pytest.fixture
def bucket(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DAYLOOP_HOME", f"s3://{local_s3.BUCKET}/{tmp_path.name}")


def run(folder: Path) -> tuple[list[dict], str]:
    """Loads, trains, promotes, scores and queues an alert; returns scores and fingerprint."""
    declared, model = synthetic.dataset(folder, synthetic.buys()), synthetic.model()
    datasets = {"buys": declared}
    synthetic.load(declared)
    planned = training.plan(model, datasets, AS_OF)
    training.prepare(model, datasets, planned)
    fitted = training.fit(model, model.candidates[0], planned)
    registry.register("returns", fitted.artifact, by="test", reason="test", promote_over=0)
    scoring.score(model, datasets, AS_OF)
    outbox.queue([Alert(kind="test", subject="buys", title="a test")])
    rows = lake.read("returns_predictions", lake.equal(day=AS_OF))
    assert rows is not None
    columns = ["entity", "score", "model_version", "data_version"]
    return rows.select(columns).sort_by("entity").to_pylist(), fitted.fingerprint


def test_the_loop_on_an_object_store_comes_to_the_same_bits(
    bucket: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    remote = run(tmp_path)
    assert outbox.waiting() == 1
    assert care.verify() == []
    assert not synthetic.load(synthetic.dataset(tmp_path, synthetic.buys())).changed
    monkeypatch.setenv("DAYLOOP_HOME", str(tmp_path / "local"))
    assert run(tmp_path) == remote


def test_compressed_files_are_landed_as_they_are(bucket: None, tmp_path: Path):
    declared = synthetic.dataset(tmp_path, synthetic.buys(days=3))
    packed = tmp_path / "buys.csv.gz"
    packed.write_bytes(gzip.compress((tmp_path / "buys.csv").read_bytes()))
    loaded = synthetic.load(replace(declared, source=File(path=str(packed))), days=3)
    assert loaded.rows_good > 0
    [name] = home.listing("landing/buys")
    assert home.read_bytes(f"landing/buys/{name}") == packed.read_bytes()

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.kinds import Candidate
from core.models import mlflow_mirror, registry, runs, training
from core.models.training import Fitted
from tests.core import synthetic
from tests.core.alerting.local_receiver import Request
from tests.core.alerting.local_receiver import serve as receiver
from tests.core.models import mlflow_server

AS_OF = synthetic.START + timedelta(days=45)
BY = {"by": "Ann", "reason": "a test"}
SECRET = "s3cret"
MODEL = synthetic.model(
    candidates=(
        Candidate(name="logistic", estimator=synthetic.logistic),
        Candidate(name="stump", estimator=synthetic.stump),
    )
)


@pytest.fixture
def fitted(home: Path, tmp_path: Path) -> list[Fitted]:
    """Both candidates; the logistic one is version 1 and serves."""
    declared = synthetic.dataset(tmp_path, synthetic.buys())
    synthetic.load(declared)
    planned = training.plan(MODEL, {"buys": declared}, AS_OF)
    training.prepare(MODEL, {"buys": declared}, planned)
    found = [training.fit(MODEL, each, planned) for each in MODEL.candidates]
    registry.register("returns", found[0].artifact, **BY, promote_over=0)
    return found


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of a real server, which the mirror is told of too."""
    with mlflow_server.serve(tmp_path / "mlflow") as address:
        monkeypatch.setenv(mlflow_mirror.ADDRESS, address)
        mlflow = pytest.importorskip("mlflow")
        yield mlflow.MlflowClient(address, address)


def told(client: Any) -> tuple[list[Any], dict[str, Any]]:
    """Its runs, and its versions by number."""
    experiment = client.get_experiment_by_name("returns").experiment_id
    versions = client.search_model_versions("name = 'returns'")
    return list(client.search_runs([experiment])), {each.version: each for each in versions}


def test_a_server_shows_each_run_once_and_who_serves(
    fitted: list[Fitted], server: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mlflow_mirror.mirror("returns")

    shown, versions = told(server)
    assert len(shown) == 2 and list(versions) == ["1"]
    for mine in runs.runs("returns"):
        run = next(r for r in shown if r.data.tags["dayloop.fingerprint"] == mine.fingerprint)
        assert run.info.status == "FINISHED" and run.info.run_name == mine.candidate
        assert run.data.tags["dayloop.data_version"] == mine.data_version
        assert run.data.tags["dayloop.code_version"] == mine.code_version
        assert run.data.tags["dayloop.seed"] == "0"
        interval = [run.data.metrics[f"roc_auc{end}"] for end in ("_low", "", "_high")]
        assert interval == [mine.estimate.low, mine.estimate.value, mine.estimate.high]
        assert run.data.params == dict(mine.parameters)
    first = versions["1"]
    assert server.get_model_version_by_alias("returns", "champion").version == "1"
    assert first.tags["dayloop.state"] == "champion"
    manifest = server.download_artifacts(first.run_id, "model/manifest.json", str(tmp_path))
    assert json.loads(Path(manifest).read_text())["fingerprint"] == fitted[0].fingerprint
    stored = server.download_artifacts(first.run_id, "model/model.joblib", str(tmp_path))
    ours = tmp_path / "home" / fitted[0].artifact.path / "model.joblib"
    assert Path(stored).read_bytes() == ours.read_bytes()

    mlflow_mirror.mirror("returns")
    assert [r.info.run_id for r in told(server)[0]] == [r.info.run_id for r in shown]

    registry.register("returns", fitted[1].artifact, **BY)
    registry.promote("returns", 2, **BY)
    mlflow_mirror.mirror("returns")
    assert server.get_model_version_by_alias("returns", "champion").version == "2"
    registry.close("returns", 2, "rejected", **BY)
    mlflow_mirror.mirror("returns")
    assert "champion" not in server.get_registered_model("returns").aliases
    assert told(server)[1]["2"].tags["dayloop.state"] == "rejected"
    assert not caplog.records


def test_what_a_killed_mirror_or_two_at_once_left_is_put_right(
    fitted: list[Fitted], server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    experiment = server.create_experiment("returns")
    for _ in range(2):
        server.create_run(experiment, 0, {mlflow_mirror.FINGERPRINT: fitted[0].fingerprint})

    mlflow_mirror.mirror("returns")

    shown, _ = told(server)
    names = [run.data.tags["dayloop.fingerprint"] for run in shown]
    assert sorted(names) == sorted(each.fingerprint for each in fitted)
    assert all(run.info.status == "FINISHED" for run in shown)
    assert all("roc_auc" in run.data.metrics for run in shown)
    assert not caplog.records


def refuse(request: Request) -> None:
    request.answer(403, b'{"error_code": "PERMISSION_DENIED", "message": "for s3cret"}')


@pytest.mark.parametrize("server_is", ["away", "refusing", "dripping"])
def test_a_dead_server_is_one_warning_without_a_secret(
    fitted: list[Fitted],
    server_is: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pytest.importorskip("mlflow")
    with receiver() as local:
        port = int(local.url.rpartition(":")[2].partition("/")[0])
        local.behave = refuse if server_is == "refusing" else lambda request: request.drip(60)
        if server_is == "away":
            port = 9  # nobody's
        if server_is == "dripping":
            monkeypatch.setattr(mlflow_mirror, "SECONDS", 8.0)
        monkeypatch.setenv(mlflow_mirror.ADDRESS, f"http://ann:{SECRET}@127.0.0.1:{port}/{SECRET}")
        caplog.set_level(logging.WARNING, "dayloop")

        mlflow_mirror.mirror("returns")

    (said,) = caplog.messages
    assert said.startswith("returns: MLflow is not up to date: ")
    why = {
        "away": "ConnectionRefusedError",
        "refusing": "PERMISSION_DENIED",
        "dripping": "not done within 8 seconds",
    }
    assert why[server_is] in said
    assert SECRET not in caplog.text


def test_a_client_that_is_not_installed_is_said(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(mlflow_mirror.ADDRESS, f"http://ann:{SECRET}@127.0.0.1:9")
    monkeypatch.setattr(mlflow_mirror, "find_spec", lambda name: None)
    mlflow_mirror.mirror("returns")
    assert "pip install -r requirements-mlflow.txt" in caplog.text and SECRET not in caplog.text


def test_without_the_setting_nothing_is_imported_started_or_said(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(mlflow_mirror.ADDRESS, raising=False)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("something was started"))
    mlflow_mirror.mirror("returns")
    assert not caplog.records


def test_the_loop_itself_never_imports_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(mlflow_mirror.ADDRESS, "http://127.0.0.1:9")
    script = "import sys, flows.retrain, flows.promote; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0

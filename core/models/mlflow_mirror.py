"""MLflow's picture of a model: its runs and versions, for teams that look there.

With `MLFLOW_TRACKING_URI` set and the client installed (`requirements-mlflow.txt`), the
experiment and the registered model `<model>` are made to say what the lake says, in a process of
its own: it may be killed, its imports are nobody else's, and what MLflow prints is dropped. What
a dead server was not told, the next retrain or decision tells. Nothing reads MLflow back.
"""

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from core import faults, home
from core.models import artifacts, registry, runs
from core.models.runs import Run
from core.models.versions import Version

ADDRESS = "MLFLOW_TRACKING_URI"
SECONDS = 60.0  # for all of it; the next time goes on where this one ended
MOST_PARAMETERS, MOST_CHARACTERS = 100, 6_000  # that MLflow takes at a time, and of each
CLIENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""The client's own settings, where the environment has none: by default it tries for minutes."""
FINGERPRINT, VERSION, CHAMPION = "dayloop.fingerprint", "dayloop.version", "champion"
FILES = (artifacts.MODEL_FILE, artifacts.MANIFEST_FILE, "card.html")  # and no sample of rows
log = logging.getLogger("dayloop")


def mirror(model: str) -> None:
    """Brings MLflow up to date, where it is asked for; what goes wrong is a warning, no more."""
    if not os.environ.get(ADDRESS):
        return
    if find_spec("mlflow") is None:
        said = "is set and MLflow's client is not installed: pip install -r requirements-mlflow.txt"
        log.warning("%s %s", ADDRESS, said)
        return
    faults.reached("before mirroring")
    problem = _problem(model)
    faults.reached("mirrored")
    if problem:
        again = "the next retrain or decision tries again"
        log.warning("%s: MLflow is not up to date: %s; %s", model, problem, again)


def _problem(model: str) -> str:
    paths = filter(None, (str(home.PROJECT), os.environ.get("PYTHONPATH")))
    here = {"DAYLOOP_HOME": home.address(), "PYTHONPATH": os.pathsep.join(paths)}
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__, model],
            env={**CLIENT, **os.environ, **here},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"not done within {SECONDS:.0f} seconds"
    except OSError as error:  # no memory or no process left
        return type(error).__name__
    return done.stdout.strip() or (f"status {done.returncode}" if done.returncode else "")


def _told(model: str) -> str:
    """What went wrong: the kind of error only, as its text may hold an address or a token."""
    try:
        with redirect_stdout(sys.stderr):
            tell(model)
    except Exception as error:  # of the network, the server, its store: a retrain goes on
        first: BaseException = error
        while first.__context__:
            first = first.__context__
        code = getattr(error, "error_code", "")
        return f"{type(first).__name__} {code}".strip()
    return ""


def tell(model: str) -> None:
    """Makes MLflow's experiment and registered model what the lake's are.

    Raises:
        Exception: whatever the client or the server has to say.
    """
    import mlflow

    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name(model)
    experiment = found.experiment_id if found else client.create_experiment(model)
    told = _told_runs(client, experiment)
    for run in reversed(runs.runs(model)):
        if (one := told.get(run.fingerprint)) is None or one.info.status != "FINISHED":
            told[run.fingerprint] = _tell_run(client, experiment, run, one)
    _tell_versions(client, model, registry.versions(model), told)


def _told_runs(client: Any, experiment: str) -> dict[str, Any]:
    """MLflow's runs by fingerprint; of two that were told at once the second is removed."""
    told: dict[str, Any] = {}
    token = None
    while True:
        page = client.search_runs(
            [experiment], order_by=["attributes.start_time", "attributes.run_id"], page_token=token
        )
        for run in page:
            name = run.data.tags.get(FINGERPRINT, run.info.run_id)
            if told.setdefault(name, run) is not run:
                client.delete_run(run.info.run_id)
        token = page.token
        if not token:
            return told


def _tell_run(client: Any, experiment: str, run: Run, begun: Any) -> Any:
    """Tells a run, or the rest of one that was begun; it is finished once all of it is there."""
    from mlflow.entities import Metric, Param

    at = int(run.at.timestamp() * 1000)
    tags = {
        FINGERPRINT: run.fingerprint,
        "dayloop.data_version": run.data_version,
        "dayloop.code_version": run.code_version,
        "dayloop.seed": str(run.seed),
        "dayloop.as_of": str(run.as_of),
    }
    begun = begun or client.create_run(experiment, at, tags, run_name=run.candidate)
    measured = {
        run.metric: run.estimate.value,
        f"{run.metric}_low": run.estimate.low,
        f"{run.metric}_high": run.estimate.high,
        "rows": run.rows,
        "seconds": run.seconds,
        "peak_mb": run.peak_mb,
    }
    known = {name: value for name, value in measured.items() if value is not None}
    client.log_batch(begun.info.run_id, [Metric(*each, at, 0) for each in known.items()])
    parameters = [Param(name, value[:MOST_CHARACTERS]) for name, value in run.parameters.items()]
    for start in range(0, len(parameters), MOST_PARAMETERS):
        client.log_batch(begun.info.run_id, params=parameters[start : start + MOST_PARAMETERS])
    client.set_terminated(begun.info.run_id, "FINISHED", at + int(run.seconds * 1000))
    return begun


def _tell_versions(
    client: Any, model: str, versions: list[Version], told: Mapping[str, Any]
) -> None:
    from mlflow.exceptions import MlflowException

    try:
        registered = client.get_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        registered = client.create_registered_model(model)
    known = client.search_model_versions(f"name = '{model}'", max_results=10_000)
    numbers = {each.tags.get(VERSION): each for each in known}
    for version in versions:
        if (each := numbers.get(str(version.number))) is None:
            run = told[version.artifact.path.rpartition("/")[2]]
            each = _tell_version(client, model, version, run)
        if each.tags.get("dayloop.state") != version.state:
            client.set_model_version_tag(model, each.version, "dayloop.state", version.state)
        if version.state == "champion" and registered.aliases.get(CHAMPION) != each.version:
            client.set_registered_model_alias(model, CHAMPION, each.version)
    if CHAMPION in registered.aliases and all(each.state != "champion" for each in versions):
        client.delete_registered_model_alias(model, CHAMPION)


def _tell_version(client: Any, model: str, version: Version, run: Any) -> Any:
    path = version.artifact.path
    with tempfile.TemporaryDirectory(prefix="dayloop-") as folder:
        for name in sorted({*FILES} & {*home.listing(path)}):
            Path(folder, name).write_bytes(home.read_bytes(f"{path}/{name}"))
        client.log_artifacts(run.info.run_id, folder, "model")
    return client.create_model_version(
        model,
        f"{run.info.artifact_uri}/model",
        run.info.run_id,
        tags={VERSION: str(version.number), "dayloop.sha256": version.artifact.sha256},
        description=version.events[0].reason,
    )


if __name__ == "__main__":
    print(_told(sys.argv[1]))

"""The how-tos: each section's commands as one shell script, in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from pyarrow import fs

from core.models import artifacts, registry
from tests.conftest import ROOT, Project
from tests.core.alerting.local_receiver import Server as Receiver
from tests.flows.support import Server, free_port, models, rows, until

SECTIONS = dict(
    re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", (ROOT / "docs/howto.md").read_text(), re.S | re.M)
)


def script(section: str) -> str:
    return "".join(re.findall(r"^```sh\n(.*?)^```", SECTIONS[section], re.S | re.M))


def follow(project: Project, section: str, *changes: tuple[str, str], **env: str) -> str:
    """Runs a section's commands, and gives what they printed."""
    programs = project.root / "bin"
    programs.mkdir()
    for name, words in (("python", ""), ("prefect", " -m prefect")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{words} "$@"\n')
        (programs / name).chmod(0o755)
    text = script(section)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    done = subprocess.run(
        ["bash", "-euc", text],
        cwd=project.root,
        env={**os.environ, **env, "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.usefixtures("server")
def test_history_is_loaded_and_loaded_again(project: Project, home: Path):
    said = follow(project, "Load history, and load it again")

    assert "63,753 rows in 455 days, 0 in quarantine" in said
    assert len(rows(home, "sales")) == 63_753


def test_the_earlier_model_serves_again(project: Project, trained: Path, receiver: Receiver):
    first = registry.champion("churn")
    assert first is not None
    other = artifacts.find(
        "churn", next(Path(p).name for p in models(trained) if p != first.artifact.path)
    )
    assert other is not None
    registry.register("churn", other, by="test", reason="better by far", promote_over=1)

    said = follow(project, "Let the earlier model serve again", DAYLOOP_WEBHOOKS=receiver.url)

    assert "champion now: version 1" in said
    assert {row["model_version"] for row in rows(trained, "churn_predictions")} == {1}
    assert [version.state for version in registry.versions("churn")] == ["champion", "retired"]
    assert any("Ann Smith" in seen.json["title"] for seen in receiver.seen)


def test_a_receiver_is_added(project: Project, trained: Path, receiver: Receiver):
    said = follow(project, "Add a receiver", ("https://example.com/hook", receiver.url), **PRIVATE)

    assert {"late", "drift", "failed_flow"} <= {seen.json["kind"] for seen in receiver.seen}
    assert "skipped" in said  # the first champion is no more than news


PRIVATE = {"DAYLOOP_ALLOW_PRIVATE": "1"}
CLOUD = "https://api.prefect.cloud/api/accounts/ACCOUNT/workspaces/WORKSPACE"


def test_it_goes_to_another_server_by_two_settings(
    project: Project, server: Server, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("PREFECT_API_URL")
    shutil.copytree(ROOT / "deployments", project.root / "deployments")
    follow(project, "Go to Prefect Cloud", (CLOUD, server.url), PREFECT_HOME=str(tmp_path / "kept"))

    assert len(rows(home, "sales")) == 46
    names = {found["name"] for found in server.ask("deployments/filter")}
    assert {"daily", "etl-sales", "retrain-churn"} <= names
    assert "etl sales 1998-04-01" in {run["name"] for run in server.ask("flow_runs/filter")}


def test_it_goes_to_an_object_store_and_takes_along_what_there_is(
    project: Project, trained: Path, server: Server, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("DAYLOOP_HOME")
    trained.rename(project.root / ".dayloop")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        until(lambda: answers(url), 60, "the S3 server answers")
        httpx.put(f"{url}/lake").raise_for_status()
        changes = (("BUCKET", "lake"), ("eu-central-1", "us-east-1"))
        env = {"AWS_ENDPOINT_URL": url, "AWS_ALLOW_HTTP": "true"}

        said = follow(project, "Go to S3", *changes, **env)

        store = fs.S3FileSystem(endpoint_override=url, access_key="KEY", secret_key="SECRET")
        found = store.get_file_info(fs.FileSelector("lake/dayloop/tables"))
        running.terminate()
    assert "no damage" in said and "1998-04-01" in said
    assert "churn_predictions" in {each.base_name for each in found}


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False


def test_the_tab_key_is_switched_on(project: Project):
    assert "Usage: python -m flows COMMAND" in follow(project, "Switch the Tab key on")


def test_no_section_with_commands_is_left_out():
    text = Path(__file__).read_text()
    assert all(section in text for section in SECTIONS if script(section))

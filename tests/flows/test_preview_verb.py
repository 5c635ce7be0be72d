"""The verb `preview` on CDNOW, as a person runs it and as the workflow of pull requests does."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

import catalog
from core.intervals import Interval
from core.load import loading
from core.models import registry, scoring, training
from core.sources import landing
from tests.conftest import ROOT, Project

AS_OF = date(1998, 4, 1)
STRICTER = ("Check.in_range(0, 5_000)", "Check.in_range(0, 50)")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CDNOW to the end of March 1998 and a champion that has scored. A preview only reads it."""
    home = tmp_path_factory.mktemp("lake") / "home"
    sales, churn = catalog.dataset("sales"), catalog.model("churn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAYLOOP_HOME", str(home))
        patch.chdir(ROOT)
        history = Interval(date(1997, 1, 1), AS_OF)
        loading.load(sales, history, landing.land(sales, history))
        planned = training.plan(churn, {"sales": sales}, AS_OF)
        training.prepare(churn, {"sales": sales}, planned)
        fitted = training.fit(churn, churn.candidates[0], planned)
        registry.register("churn", fitted.artifact, by="test", reason="test", promote_over=0)
        scoring.score(churn, {"sales": sales}, AS_OF)
    return home


@pytest.fixture
def preview(project: Project, lake: Path) -> Run:
    """Runs the verb on the lake, which must stay as it is, byte for byte."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        before = files(lake)
        done = project.run("preview", *words, DAYLOOP_HOME=str(lake))
        assert files(lake) == before
        return done

    return run


def files(home: Path) -> dict[str, str]:
    found = (each for each in home.rglob("*") if each.is_file())
    return {str(each): sha256(each.read_bytes()).hexdigest() for each in found}


def test_nothing_differs_by_the_code_that_made_the_lake(preview: Run) -> None:
    done = preview()
    assert done.returncode == 0, done.stderr
    assert "sales     1998-03-25      7   unchanged" in done.stdout
    assert "churn   1         1998-04-01      2,000       0" in done.stdout
    assert done.stdout.endswith("all within the tolerances; the lake was only read\n")


def test_a_stricter_rule_ends_with_1_and_says_which_days_and_rows(
    preview: Run, project: Project
) -> None:
    project.rewrite("catalog/datasets/sales.py", STRICTER)
    done = preview("sales", "--days", "2")
    assert done.returncode == 1, done.stderr
    assert "sales 1998-03-31 would be refused and keep its rows: 16 of 61 rows" in done.stdout
    assert "TOO MUCH  sales: 2 of 2 days would be refused, 0 are tolerated" in done.stdout
    assert "flows requeue sales --start 1998-03-30" in done.stdout
    assert preview("sales", "--days", "2", "--max-refused", "2").returncode == 0


def test_json_says_the_same_for_programs(preview: Run, project: Project) -> None:
    project.rewrite("catalog/models/churn.py", ('"recency_days"', '"days_since"'))
    done = preview("--json")
    seen = json.loads(done.stdout)
    assert done.returncode == 1
    assert seen["failed"]
    [churn] = seen["models"]
    assert churn["features"] == ["recency_days went", "days_since came", "their code changed"]
    assert len(churn["refits"]) == 3
    assert seen["datasets"][0]["interval"] == {"start": "1998-03-25", "end": "1998-04-01"}


def test_a_wrong_name_or_number_is_a_mistake_in_the_call(preview: Run) -> None:
    assert (done := preview("sale")).returncode == 2
    assert "no dataset 'sale'; did you mean 'sales'?" in done.stderr
    assert (done := preview("--days", "0")).returncode == 2
    assert "--days must be 1 or more, not 0" in done.stderr


def test_it_needs_no_prefect(project: Project, lake: Path) -> None:
    code = (
        "import sys; from flows.__main__ import main; status = main(['preview']);"
        "sys.exit(status or 'prefect' in sys.modules)"
    )
    env = {**os.environ, "DAYLOOP_HOME": str(lake)}
    subprocess.run([sys.executable, "-c", code], cwd=project.root, env=env, check=True)


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    return yaml.safe_load((ROOT / ".github/workflows/data.yml").read_text())


def step(workflow: dict[Any, Any], name: str) -> dict[str, Any]:
    steps = workflow["jobs"]["preview"]["steps"]
    return next(each for each in steps if each.get("name") == name)


def test_the_workflow_runs_on_pull_requests_and_gives_away_little(
    workflow: dict[Any, Any],
) -> None:
    [event] = workflow[True]  # `on` is a yes in YAML
    assert event == "pull_request"  # its forks get no secrets; `pull_request_target` gives them
    assert workflow[True][event]["paths"] == ["catalog/**", "core/**"]
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write"}
    steps = workflow["jobs"]["preview"]["steps"]
    assert [each["name"] for each in steps if "secrets." in str(each)] == ["Preview"]
    assert all(len(each["uses"].split("@")[1]) == 40 for each in steps if "uses" in each)


def run_step(project: Project, workflow: dict[Any, Any], home: str) -> tuple[str, str]:
    """The workflow's preview step as GitHub runs it; returns its output and the job's summary."""
    files = {name: project.root / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    subprocess.run(
        ["bash", "-e", "-c", step(workflow, "Preview")["run"]],
        cwd=project.root,
        env={
            **os.environ,
            **{name: str(file) for name, file in files.items()},
            "DAYLOOP_HOME": home,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        check=True,
        timeout=240,
    )
    output, summary = (file.read_text() if file.exists() else "" for file in files.values())
    return output, summary


def test_the_workflow_says_what_differs_and_keeps_the_status(
    project: Project, lake: Path, workflow: dict[Any, Any]
) -> None:
    project.rewrite("catalog/datasets/sales.py", STRICTER)
    output, summary = run_step(project, workflow, str(lake))
    assert output == "status=1\n"
    assert "TOO MUCH  sales: 7 of 7 days would be refused" in summary
    assert (project.root / "comment.md").read_text() == summary
    assert json.loads((project.root / "preview.json").read_text())["failed"]


def test_the_workflow_says_so_where_no_lake_is_configured(
    project: Project, workflow: dict[Any, Any]
) -> None:
    output, summary = run_step(project, workflow, "")
    assert output == ""  # so neither a comment nor a failure follows
    assert "no lake is configured" in summary


def test_the_workflow_shows_a_catalog_that_cannot_be_right(
    project: Project, lake: Path, workflow: dict[Any, Any]
) -> None:
    project.rewrite("catalog/datasets/sales.py", ("min_rows=20", "min_rows=-20"))
    output, summary = run_step(project, workflow, str(lake))
    assert output == "status=2\n"
    assert "catalog/datasets/sales.py: min_rows: must not be negative" in summary

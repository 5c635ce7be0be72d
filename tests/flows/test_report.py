"""`python -m flows report`, and what `daily` leaves to look at."""

import json
from datetime import date
from pathlib import Path

import pytest

from core.intervals import DAY
from flows.daily import daily
from tests.conftest import Project
from tests.flows.support import Server

NEXT = date(1998, 4, 1)


def test_the_page_is_written_and_its_path_said_last(
    trained: Path, project: Project, tmp_path: Path
) -> None:
    (project.root / "prefect.py").write_text("raise ImportError('Prefect is not for looking')")
    said = project.run("report", DAYLOOP_HOME=str(trained))
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines()[-1] == f"The page: {trained / 'report.html'}"
    html = (trained / "report.html").read_text()
    assert "sales" in html and "churn" in html
    [card] = trained.glob("models/churn/*/card.html")
    assert f'href="./{card.relative_to(trained)}"' in html

    other = tmp_path / "here" / "page.html"
    said = project.run("report", "--to", str(other), "--json", DAYLOOP_HOME=str(trained))
    found = json.loads(said.stdout)
    assert (found["path"], found["page"]["verdict"]) == (str(other), "deployment")
    assert f"../{trained.name}/models/churn/" in other.read_text()


def test_a_page_that_cannot_be_written_is_one_line(project: Project, tmp_path: Path) -> None:
    done = project.run("report", "--to", str(tmp_path))
    assert done.returncode == 1 and done.stdout == ""
    assert f"{tmp_path} cannot be written" in done.stderr and "Traceback" not in done.stderr


def test_a_day_ends_with_the_page_and_its_run_leads_to_it(
    trained: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    daily(NEXT)
    assert f"{NEXT}" in (trained / "report.html").read_text()
    monkeypatch.setenv("DAYLOOP_REPORT_URL", "https://loop.example.com/")
    daily(NEXT + DAY)
    shown = server.ask("artifacts/latest/filter", artifacts={"key": {"any_": ["page"]}})
    assert "https://loop.example.com/" in shown[0]["data"]

"""ETL through the flow, on days that are not as they should be."""

import gzip
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from core import home as places
from core.errors import DataRefused, SourceUnreachable
from flows.etl import etl
from tests.conftest import Project
from tests.flows.support import Server, alerts, rows

DAY = date(1998, 4, 1)
FILE = "data/cdnow.csv.gz"
pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def source(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str], None]:
    """Puts the real purchases of the day into the project's file, some of them broken."""
    monkeypatch.setattr(places, "PROJECT", project.root)
    lines = gzip.decompress((project.root / FILE).read_bytes()).decode().splitlines()
    header, purchases = lines[0], [line for line in lines if f",{DAY}," in line]
    assert len(purchases) == 46

    def write(broken: int, old: str = header) -> None:
        bad = [",".join([*line.split(",")[:2], "-1", "9.99"]) for line in purchases[:broken]]
        text = "\n".join([old, *bad, *purchases[broken:], ""])
        (project.root / FILE).write_bytes(gzip.compress(text.encode()))

    write(0)
    return write


def test_one_broken_row_goes_to_quarantine_and_the_day_is_loaded(source, home: Path):
    source(1)

    done = etl("sales", DAY)

    assert (done.rows_read, done.rows_good, done.rows_bad) == (46, 45, 1)
    assert len(rows(home, "sales")) == 45
    [bad] = rows(home, "sales_quarantine")
    assert (bad["row"], bad["column"], bad["value"]) == (1, "cds", "-1")
    assert bad["day"] == DAY
    assert "in_range" in bad["rule"]
    assert bad["file"].startswith("landing/sales/")
    assert alerts(home) == []


def test_a_fifth_of_broken_rows_refuses_the_day_and_the_table_keeps_what_it_had(source, home: Path):
    etl("sales", DAY)
    before = rows(home, "sales")
    source(10)

    with pytest.raises(DataRefused, match="10 of 46 rows are bad"):
        etl("sales", DAY)

    assert rows(home, "sales") == before
    assert len(rows(home, "sales_quarantine")) == 10
    [told] = alerts(home)
    assert (told["kind"], told["severity"]) == ("refused_data", "page")
    assert told["todo"].endswith("python -m flows etl sales --day 1998-04-01")

    with pytest.raises(DataRefused):
        etl("sales", DAY)
    assert len(alerts(home)) == 1

    source(0)
    assert etl("sales", DAY).rows_good == 46
    assert rows(home, "sales_quarantine") == []


def test_a_missing_column_refuses_the_day(source, home: Path):
    source(0, "customer_id,date,cds,dollars")

    with pytest.raises(DataRefused, match="amount"):
        etl("sales", DAY)

    assert rows(home, "sales") == []
    assert [told["kind"] for told in alerts(home)] == ["refused_data"]


def test_an_unreachable_source_is_tried_three_times_and_then_told(
    source, project: Project, home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DAYLOOP_RETRY_SECONDS", "0.1")
    (project.root / FILE).unlink()

    with pytest.raises(SourceUnreachable, match="there is no file data/cdnow.csv.gz"):
        etl("sales", DAY)

    [told] = alerts(home)
    assert told["kind"] == "failed_flow"
    assert "there is no file" in told["title"]
    assert told["todo"] == "python -m flows etl sales --day 1998-04-01"
    run = told["run_url"].rsplit("/", 1)[-1]
    tried = server.ask("task_runs/filter", flow_runs={"id": {"any_": [run]}})
    assert {task["name"]: task["run_count"] for task in tried}["land sales 1998-04-01"] == 3


def test_json_is_one_document_on_standard_output_and_nothing_else(source, project: Project):
    done = project.run("etl", "sales", "--day", str(DAY), "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows_good"] == 46
    assert done.stderr == ""  # nobody watches


def test_a_refused_day_ends_the_command_with_1_and_one_line_of_reason(source, project: Project):
    source(10)

    done = project.run("etl", "sales", "--day", str(DAY), "--json")

    assert done.returncode == 1
    assert json.loads(done.stdout)["error"] == "DataRefused"
    said = [line for line in done.stderr.splitlines() if line.startswith("dayloop: ")]
    assert len(said) == 1
    assert "10 of 46 rows are bad" in said[0]


def test_an_unknown_dataset_ends_the_command_with_2_and_a_hint(project: Project):
    done = project.run("etl", "sale")

    assert done.returncode == 2
    assert done.stderr.strip() == "dayloop: no dataset 'sale'; did you mean 'sales'?"
    assert done.stdout == ""

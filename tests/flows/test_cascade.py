"""A changed schema upstream ends at the dataset it came to; nothing behind it is touched."""

import gzip
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest

from tests.conftest import ROOT, Project, copied
from tests.flows.support import alerts, rows

BEFORE, DAY = date(1998, 4, 1), date(1998, 4, 2)
SOURCE = "data/cdnow.csv.gz"
TELLING = {"ledger", "outbox", "sales_quarantine", "decisions"}
OTHERS = {"visits": "", "refunds": "sales", "returns": "refunds"}  # what each is checked against
DECLARATION = """
from pandera.pandas import Column, DataFrameSchema

from catalog.kinds import Dataset, File, Reference

dataset = Dataset(
    name="NAME",
    owner="web@example.com",
    source=File(path="data/NAME/{day}.csv"),
    schema=DataFrameSchema({"customer_id": Column(str), "at": Column("datetime64[us, UTC]")}),
    day="at",
    references=(REFERENCE),
)
"""
pytestmark = [pytest.mark.usefixtures("server"), pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Shop:
    """A project with four datasets and a model, and a home where all is well up to a day."""

    project: Project
    home: Path


@pytest.fixture(scope="module")
def shop(first_champion: Path, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    project, home = copied(folder / "project"), folder / "home"
    shutil.copytree(first_champion, home)
    for name, other in OTHERS.items():
        reference = f'Reference(column="customer_id", dataset="{other}"),' if other else ""
        text = DECLARATION.replace("NAME", name).replace("REFERENCE", reference)
        (project.root / "catalog" / "datasets" / f"{name}.py").write_text(text)
        (project.root / "data" / name).mkdir()
        for day in (BEFORE, DAY):
            text = f"customer_id,at\n00001,{day}\n"
            (project.root / "data" / name / f"{day}.csv").write_text(text)
    done = project.run("daily", "--day", str(BEFORE), DAYLOOP_HOME=str(home))
    assert done.returncode == 0, done.stderr
    done = project.run("etl", "visits", "--day", str(DAY), DAYLOOP_HOME=str(home))
    assert done.returncode == 0, done.stderr
    return Shop(project, home)


def renamed(lines: list[str]) -> list[str]:
    return [lines[0].replace("amount", "dollars"), *lines[1:]]


def dropped(lines: list[str]) -> list[str]:
    return [line.rpartition(",")[0] for line in lines]


def of_another_type(lines: list[str]) -> list[str]:
    return [lines[0], *(line.rpartition(",")[0] + ",USD 9.99" for line in lines[1:])]


@pytest.mark.parametrize(
    ("change", "column", "expected", "found"),
    [
        (renamed, "'amount'", "expected 'customer_id', 'date', 'cds', 'amount'", "'dollars'"),
        (dropped, "'amount'", "expected 'customer_id', 'date', 'cds', 'amount'", "found"),
        (of_another_type, "amount", "not a number", "'USD 9.99'"),
    ],
)
def test_a_changed_column_refuses_the_day_and_touches_nothing_else(
    shop: Shop,
    tmp_path: Path,
    receiver,
    change: Callable[[list[str]], list[str]],
    column: str,
    expected: str,
    found: str,
):
    home = tmp_path / "home"
    shutil.copytree(shop.home, home)
    send(shop.project, change)

    done = shop.project.run(
        "daily", "--day", str(DAY), DAYLOOP_HOME=str(home), DAYLOOP_WEBHOOKS=receiver.url
    )

    assert done.returncode == 1
    assert bytes_of(home) == bytes_of(shop.home)
    before = rows(shop.home, "ledger")
    [refused] = [row for row in rows(home, "ledger") if row not in before]
    assert (refused["dataset"], refused["day"], refused["status"]) == ("sales", DAY, "refused")
    [told] = alerts(home)[len(alerts(shop.home)) :]
    assert told["subject"] in [seen.json["subject"] for seen in receiver.seen]
    assert (told["kind"], told["owner"]) == ("refused_data", "shop@example.com")
    assert told["title"].startswith(f"sales {DAY} was refused: ")
    for word in (column, expected, found):
        assert word in told["title"]


def send(project: Project, change: Callable[[list[str]], list[str]]) -> None:
    """Puts the day's real purchases into the project's file, changed."""
    header, *lines = gzip.decompress((ROOT / SOURCE).read_bytes()).decode().splitlines()
    changed = change([header, *(line for line in lines if f",{DAY}," in line)])
    (project.root / SOURCE).write_bytes(gzip.compress("\n".join([*changed, ""]).encode()))


def bytes_of(home: Path) -> dict[str, str]:
    """The hash of every file of models and tables, but for those that tell of a refusal."""
    files = [path for part in ("models", "tables") for path in (home / part).rglob("*")]
    return {
        str(path.relative_to(home)): sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file() and not TELLING & set(path.relative_to(home).parts)
    }


def test_a_dataset_that_waits_for_what_never_came_is_told(shop: Shop, home: Path):
    done = shop.project.run("etl", "refunds", "--day", str(DAY))

    assert done.returncode == 1
    [told] = alerts(home)
    assert (told["kind"], told["subject"]) == ("failed_flow", f"etl refunds {DAY}")
    assert f"refunds {DAY} is checked against sales, and sales {DAY} has not been" in told["title"]

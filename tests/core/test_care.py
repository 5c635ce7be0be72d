import os
import tempfile
import time
from datetime import date
from pathlib import Path
from uuid import uuid4

import pytest

from core import care, lake
from core.intervals import DAY
from core.models import registry, training
from tests.core import synthetic
from tests.core.load.test_loading import FIRST, day_lines, load, orders, write


@pytest.fixture
def source(home: Path, tmp_path: Path) -> Path:
    path = tmp_path / "in" / "orders.csv"
    write(path, day_lines(FIRST) + day_lines(FIRST + DAY))
    load(orders(path))
    load(orders(path), start=FIRST + DAY)
    return path


def last_commit(home: Path) -> Path:
    return sorted((home / "tables" / "orders" / "_delta_log").glob("*.json"))[-1]


def problems() -> list[tuple[str, str]]:
    return [(each.where, each.what) for each in care.verify()]


def test_a_sound_lake_has_no_problems(source: Path):
    assert problems() == []


def test_an_emptied_last_commit_is_found(source: Path, home: Path):
    last_commit(home).write_text("")
    assert [where for where, _ in problems()] == ["tables/orders"]
    assert f"its last commit {last_commit(home).name} is empty" in problems()[0][1]


def test_a_torn_last_commit_is_found(source: Path, home: Path):
    text = last_commit(home).read_text()
    last_commit(home).write_text(text[: len(text) // 2])
    assert [where for where, _ in problems()] == ["tables/orders"]
    assert "Truncated record" in problems()[0][1]


def test_a_missing_and_a_torn_data_file_are_found(source: Path, home: Path):
    one, other = sorted((home / "tables" / "orders").glob("_month=*/*.parquet"))
    one.unlink()
    other.write_bytes(other.read_bytes()[:100])
    found = dict(problems())
    assert found[f"tables/orders/{one.parent.name}/{one.name}"] == "the file is missing"
    assert found[f"tables/orders/{other.parent.name}/{other.name}"].startswith("cannot be read")


def test_a_table_that_is_short_of_its_ledger_is_found(source: Path):
    lake.replace(
        "orders",
        lake.read("orders", lake.equal(id="none")).to_reader,
        lake.equal(id="00001"),
        schema=lake.read("orders").schema,
    )
    assert ("tables/orders", "holds 18 rows, the ledger says 20") in problems()


def test_changed_landed_bytes_are_found(source: Path, home: Path):
    [file] = (home / "landing" / "orders").iterdir()
    file.write_bytes(file.read_bytes() + b" ")
    assert problems() == [(f"landing/orders/{file.name}", "is not the bytes that were landed")]


def test_a_changed_model_file_is_found(home: Path, tmp_path: Path):
    train(tmp_path)
    [file] = (home / "models" / "returns").glob("*/model.joblib")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert [what for where, what in problems() if "model.joblib" in where] == [
        "is missing or changed"
    ]


def test_care_changes_no_rows_and_joins_small_files(source: Path):
    write(source, [line for n in range(10) for line in day_lines(FIRST + n * DAY)])
    for number in range(2, 10):
        load(orders(source), start=FIRST + number * DAY)
    before = lake.read("orders").sort_by("at")
    [done] = [each for each in care.maintain() if each.table == "orders"]
    assert done.files_after < done.files_before
    assert lake.read("orders").sort_by("at").equals(before)
    assert problems() == []


def test_the_version_a_model_was_trained_on_stays_readable(home: Path, tmp_path: Path):
    version = train(tmp_path)
    declared = synthetic.dataset(tmp_path, synthetic.buys(seed=9))
    synthetic.load(declared)
    old = lake.read("buys", at=version)
    care.maintain()
    assert lake.read("buys", at=version).equals(old)


def train(folder: Path) -> int:
    declared, model = synthetic.dataset(folder, synthetic.buys()), synthetic.model()
    synthetic.load(declared)
    planned = training.plan(model, {"buys": declared}, date(2024, 2, 19))
    training.prepare(model, {"buys": declared}, planned)
    fitted = training.fit(model, model.candidates[0], planned)
    registry.register("returns", fitted.artifact, by="test", reason="test")
    return planned.table_versions["buys"]


def test_what_killed_processes_left_behind_goes_after_a_week(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    name = uuid4().hex
    landing, models = home / "landing" / "orders", home / "models" / "churn"
    old = [landing / f".{name}", models / f".12ab.{name}", tmp_path / "dayloop-a_b8c2d1"]
    old += [models / "12ab" / f".{name}", home / f".report.html.{name}"]
    young = [landing / f".{uuid4().hex}", landing / "aa.csv", landing / ".keep"]
    for folder in (landing, *old[1:3], models / "12ab"):
        folder.mkdir(parents=True)
    for file in (old[0], old[1] / "model.joblib", old[2] / "0.arrow", *old[3:], *young):
        file.write_bytes(b"half")
    last_month = time.time() - 30 * 86_400
    for path in (*old, young[1], young[2]):
        os.utime(path, (last_month, last_month))
    care.maintain()
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in young)


def test_a_table_whose_making_was_cut_off_is_no_damage(source: Path, home: Path) -> None:
    (home / "tables" / "drift" / "_delta_log").mkdir(parents=True)
    assert "drift" not in [each.table for each in care.maintain()]
    assert problems() == []

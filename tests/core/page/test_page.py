import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from catalog.kinds import Dataset
from core import lake, ledger
from core.alerting import outbox
from core.alerting.alerts import Alert
from core.errors import DayloopError
from core.intervals import Interval
from core.models import registry, scoring, training
from core.page import rendering
from core.page.contents import Contents, contents
from core.watch import monitoring
from tests.core import synthetic

MODEL = synthetic.model(horizon_days=8)
DAYS = 60
NOW = datetime(2026, 11, 22, tzinfo=UTC)
SPITE = "<script>alert('1')</script> & \"quoted\""


def on(days: int) -> date:
    return synthetic.START + timedelta(days=days)


def look(datasets: Mapping[str, Dataset], *models: Any) -> Contents:
    return contents(datasets, models or [MODEL], now=NOW)


def page(datasets: Mapping[str, Dataset], *models: Any) -> str:
    return rendering.html(look(datasets, *models))


def words(html: str) -> str:
    """What a reader sees."""
    without = re.sub(r"(?s)<(style|script)>.*?</\1>|<title>.*?</title>", "", html)
    return " ".join(re.sub(r"<[^>]*>", " ", without).split())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Dataset]]:
    """60 days, of which one is refused; two versions, of which the second serves. To be copied."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAYLOOP_HOME", str(folder / "home"))
        return folder / "home", make(folder)


def make(folder: Path) -> dict[str, Dataset]:
    rows = synthetic.buys(days=DAYS)
    declared = synthetic.dataset(folder, rows)
    synthetic.load(declared, days=DAYS)
    for number, days in enumerate((30, 40), 1):
        planned = training.plan(MODEL, {"buys": declared}, on(days))
        training.prepare(MODEL, {"buys": declared}, planned)
        fitted = training.fit(MODEL, MODEL.candidates[0], planned)
        registry.register("returns", fitted.artifact, by="gate", reason=f"the {number}. {SPITE}")
        registry.promote("returns", number, by="ann", reason="looked at the card")
        for morning in range(days, days + 10):
            scoring.score(MODEL, {"buys": declared}, on(morning))
            monitoring.monitor(MODEL, {"buys": declared}, on(morning))
    day = on(DAYS - 3)
    spoilt = rows["amount"].mask(rows["at"].str.startswith(str(day)), -1.0)
    declared = synthetic.dataset(folder, rows.assign(amount=spoilt))
    synthetic.load(declared, days=1, start=day)
    return {"buys": declared}


@pytest.fixture
def shop(made: tuple[Path, dict[str, Dataset]], home: Path) -> dict[str, Dataset]:
    """A home of the test's own."""
    shutil.copytree(made[0], home)
    return made[1]


def test_the_verdict_comes_first_with_its_evidence_and_what_to_type(
    shop: dict[str, Dataset],
) -> None:
    seen = look(shop)
    assert (seen.verdict, seen.made_at) == ("data", NOW)
    html = rendering.html(seen)
    text = words(html)
    said = "The data cannot be trusted: fix them before the model."
    assert 0 < text.index(said) < text.index(f"buys {on(57)} was refused") < 300
    assert seen.steps[0].command == f"python -m flows quarantine buys --day {on(57)}"
    assert seen.steps[0].command in text
    assert f"buys {on(57)} was refused" in seen.steps[0].why
    assert f'<span class="whole-word">--day {on(57)}</span>' in html  # no line ends within it


def test_every_day_is_on_the_calendar_as_the_ledger_has_it(shop: dict[str, Dataset]) -> None:
    ledger.record("buys", Interval.of_day(on(20)), [])
    [part] = look(shop).datasets
    kinds = {each.day: each.status for each in part.days}
    assert len(kinds) == DAYS and part.trusted == DAYS - 2
    assert (kinds[on(20)], kinds[on(57)], kinds[on(58)]) == ("missing", "refused", "loaded")
    html = page(shop)
    drawn = {kind: html.count(f'href="#day-{kind}" x=') for kind in ("refused", "missing")}
    assert drawn == {"refused": 1, "missing": 1}
    assert "58 days loaded, 1 refused, 1 missing" in words(html)
    assert html.count('<use href="#day-') - html.count('aria-hidden="true"><use') == DAYS


def test_a_day_that_breaks_its_limits_is_marked_in_the_chart_and_on_the_calendar(
    home: Path, tmp_path: Path
) -> None:
    rows = synthetic.buys(days=DAYS)
    wild = rows["at"].str.startswith(str(on(50)))
    rows = pd.concat([rows, *[rows[wild]] * 9], ignore_index=True)
    shop = {"buys": synthetic.dataset(tmp_path, rows)}
    synthetic.load(shop["buys"], days=DAYS)
    [part] = look(shop).datasets
    first = part.charts[0]
    assert (first.name, [each.day for each in first.broken][:1]) == ("rows a day", [on(50)])
    assert first.points[5].low is None and first.points[50].high < first.points[50].value
    assert any(said.startswith("rows a day") for said in part.days[50].unusual)
    html = page(shop)
    assert f'title="{on(50)}: ' in html and f"<title>{on(50)} loaded" in html


def test_the_metric_is_drawn_estimated_and_realised_with_the_versions_that_predicted(
    shop: dict[str, Dataset],
) -> None:
    [part] = look(shop).models
    assert part.serving == ((on(30), 1), (on(40), 2))
    realised = [each.day for each in part.performance if each.kind == "realised"]
    assert realised == [on(days) for days in range(30, 42)]
    html = page(shop)
    for kind in ("estimated", "realised", "promised"):
        assert f'<path class="{kind}" d="M' in html
    assert html.count('class="flag"') == 2 and ">v1<" in html and ">v2<" in html


def test_drift_is_drawn_by_feature_in_units_of_its_limit(shop: dict[str, Dataset]) -> None:
    [part] = look(shop).models
    assert {each.name for each in part.features} == {
        *("count", "recency", "spent", "score", "all features")
    }
    rows = lake.read(monitoring.DRIFT_TABLE, lake.equal(feature="recency", day=on(49)))
    recency = next(each for each in part.features if each.name == "recency")
    assert recency.shifts[-1].size == pytest.approx(rows["psi"][0].as_py() / MODEL.drift.psi)
    assert len(recency.shifts) == 20


def test_versions_say_why_and_lineage_says_of_what(shop: dict[str, Dataset]) -> None:
    [part] = look(shop).models
    assert [(each.number, each.state) for each in part.versions] == [
        (2, "champion"),
        (1, "registered"),
    ]
    assert part.versions[0].scored == (on(40), on(49), 10)
    assert set(part.versions[0].tables) == {"buys"}
    text = words(page(shop))
    assert "promoted by ann: looked at the card" in text
    assert f"version 2 ★ buys at {part.versions[0].tables['buys']}, as of {on(40)}" in text
    assert f"10 days {on(40)} to {on(49)}" in text


def test_what_data_and_people_wrote_is_text_and_never_markup(
    shop: dict[str, Dataset], tmp_path: Path
) -> None:
    outbox.queue([Alert(kind="late", subject="buys", title=SPITE, todo=SPITE, owner=SPITE)])
    html = page(shop)
    assert "<script>alert" not in html and html.count("<script>") == 1
    assert "&lt;script&gt;alert" in html

    class Balanced(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            assert not any(name.startswith("on") for name, _ in attributes)
            assert tag not in ("iframe", "link", "img", "object", "form", "base")

    Balanced().feed(html)


def test_it_loads_nothing_from_anywhere(shop: dict[str, Dataset]) -> None:
    html = rendering.html(look(shop), home="../a home#1")
    targets = re.findall(r'(?:href|src|url)\s*[=(]\s*["\']?([^"\')\s>]+)', html)
    inside = [each for each in targets if not each.startswith("#day-")]
    assert inside == [] and "http:" not in html and "https:" not in html


def test_it_holds_no_secret_of_the_environment(
    shop: dict[str, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAYLOOP_WEBHOOKS", "https://hooks.example.com/services/T0/B0/s3cr3t")
    monkeypatch.setenv("DAYLOOP_API_TOKEN", "t0ken-t0ken-t0ken")
    outbox.queue([Alert(kind="late", subject="buys", title="late")])
    html = page(shop)
    assert "s3cr3t" not in html and "t0ken" not in html and "hooks.example" not in html


def test_an_alert_is_open_until_it_is_resolved_and_news_never_is(home: Path) -> None:
    def tell(kind: str, key: str, severity: Any = "warn") -> None:
        outbox.queue(
            [Alert(kind=kind, subject="buys", title=f"{kind} {key}", key=key, severity=severity)]
        )

    tell("drift", "1")
    tell("drift", "2")
    tell("refused", "1", "page")
    tell("promotion", "1", "info")
    seen = look({})
    assert [(each.title, each.times) for each in seen.alerts] == [("refused 1", 1), ("drift 2", 2)]
    assert [each.title for each in seen.over] == ["promotion 1"]
    outbox.resolve("drift", "buys")
    seen = look({})
    assert [each.title for each in seen.alerts] == ["refused 1"]
    assert [each.title for each in seen.over] == ["drift 2", "promotion 1"]


def test_before_anything_is_there_every_section_says_what_to_do(home: Path, tmp_path: Path) -> None:
    declared = synthetic.dataset(tmp_path, synthetic.buys(days=3))
    text = words(page({"buys": declared}))
    for said in (
        "The data cannot be trusted",
        "No day of it has been loaded yet.",
        "None is open.",
        "Nothing was measured yet",
        "Nobody has measured it yet.",
        "No version was trained yet: python -m flows retrain returns",
    ):
        assert said in text
    assert not home.exists()  # it only reads


def test_one_day_alone_can_be_drawn(home: Path, tmp_path: Path) -> None:
    declared = synthetic.dataset(tmp_path, synthetic.buys(days=3))
    synthetic.load(declared, days=1)
    [part] = look({"buys": declared}).datasets
    assert [each.status for each in part.days] == ["loaded"]
    assert "1 day loaded" in words(page({"buys": declared}))


def test_of_years_the_last_one_is_shown(home: Path, tmp_path: Path) -> None:
    declared = synthetic.dataset(tmp_path, synthetic.buys(days=500, customers=20))
    synthetic.load(declared, days=500)
    [part] = look({"buys": declared}).datasets
    assert (len(part.days), part.earlier, part.days[-1].day) == (365, 135, on(499))


def test_a_damaged_version_is_on_the_page_and_does_not_keep_it_from_being_made(
    shop: dict[str, Dataset], home: Path
) -> None:
    manifest = home / registry.get("returns", 2).artifact.path / "manifest.json"
    manifest.write_text("{}")
    seen = look(shop)
    assert "manifest.json" in seen.models[0].versions[0].problem
    assert seen.models[0].versions[0].problem in words(rendering.html(seen)).replace("&#39;", "'")


def test_what_it_is_made_of_is_json(shop: dict[str, Dataset]) -> None:
    found = json.loads(json.dumps(asdict(look(shop)), default=str, allow_nan=False))
    assert found["datasets"][0]["charts"][0]["points"][0]["low"] is None
    assert found["models"][0]["versions"][0]["number"] == 2


def test_every_point_lies_within_its_plot(shop: dict[str, Dataset]) -> None:
    html = page(shop)
    drawn = re.findall(
        r'<path class="(?:value|limits|estimated|realised|promised)" d="([^"]*)"', html
    )
    numbers = [float(each) for d in drawn for each in re.findall(r"-?[\d.]+", d)]
    assert len(numbers) > 300 and min(numbers) >= 0 and max(numbers) <= 100


def test_it_is_written_whole_or_said_in_one_line_why_not(tmp_path: Path) -> None:
    rendering.write(tmp_path / "new" / "page.html", "one")
    rendering.write(tmp_path / "new" / "page.html", "two")
    assert [each.read_text() for each in (tmp_path / "new").iterdir()] == ["two"]
    (tmp_path / "folder").mkdir()
    with pytest.raises(DayloopError, match="folder cannot be written: .*--to"):
        rendering.write(tmp_path / "folder", "three")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder", "new"]

"""Replays of a small shop: they see nothing of the future, share fits and leave the lake alone."""

import xml.etree.ElementTree as xml
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.kinds import Retrain
from core.ci import scratch
from core.errors import NotTrained, UsageError
from core.intervals import Interval
from core.models import registry, runs, training
from core.models.metrics import Estimate
from core.watch import replay, replay_outcome, replay_plot
from core.watch.replay_outcome import Alarm, Measured, Outcome
from tests.core import synthetic
from tests.core.watch import replays

MODEL = synthetic.model(horizon_days=6, retrain=Retrain(every_days=7, cooldown_days=7))
DAYS, FIRST = 32, 19  # the first morning whose candidate reaches the floor


def on(days: int) -> date:
    return synthetic.START + timedelta(days=days)


def lake(folder: Path, days: int) -> dict[str, Any]:
    shop = synthetic.dataset(folder, synthetic.buys(days=DAYS))
    synthetic.load(shop, days=days)
    return {"buys": shop}


def replayed(
    shop: dict[str, Any], folder: Path, names: tuple[str, ...], end: int = DAYS
) -> dict[str, Outcome]:
    return replays.replayed(MODEL, shop, folder, names, on(FIRST), on(end))


def test_policies_go_side_by_side_share_their_fits_and_only_read_the_lake(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, fit, fitted = lake(tmp_path, DAYS), training.fit, []
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}

    def seen(*given: Any) -> Any:
        fitted.append(fit(*given))
        return fitted[-1]

    monkeypatch.setattr(training, "fit", seen)
    found = replayed(shop, tmp_path, ("weekly", "declared"))

    new = [each.fingerprint for each in fitted if not each.reused]
    assert len(new) == len(set(new)) < len(fitted)
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before
    weekly, declared = found["weekly"], found["declared"]
    assert weekly.mornings == declared.mornings == Interval(on(FIRST), on(DAYS))
    assert [each.as_of for each in weekly.retrained] == [on(26)]
    assert weekly.retrained[0].seconds == declared.retrained[0].seconds == weekly.seconds > 0
    assert [each.day for each in weekly.measured] == [on(n) for n in range(FIRST, DAYS - 6)]
    assert replay_outcome.headline([weekly, declared]).endswith("for 1 retraining")


def test_what_comes_later_changes_nothing_of_what_was_decided_before(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    known = replayed(lake(whole, DAYS), whole, ("declared",), end=30)["declared"]
    monkeypatch.setenv("DAYLOOP_HOME", str(tmp_path / "other"))
    early = replayed(lake(cut, 29), cut, ("declared",), end=30)["declared"]

    assert known.measured and known.measured == early.measured
    assert known.alarms == early.alarms
    assert [(e.as_of, e.promoted) for e in known.retrained] == [
        (e.as_of, e.promoted) for e in early.retrained
    ]


def test_the_past_until_the_first_champion_is_one(home: Path, tmp_path: Path) -> None:
    shop = lake(tmp_path, DAYS)
    replay.seed(MODEL, str(tmp_path / "past"))
    unreached = replace(MODEL, gate=replace(MODEL.gate, floor=0.999))
    with pytest.raises(NotTrained, match="no champion by .*floor of 0.999"):
        replay.begin(unreached, shop, Interval(on(16), on(30)), str(tmp_path / "past"))
    with scratch.at(str(tmp_path / "past")):
        assert runs.trained_as_of("returns") == [on(n) for n in range(16, 30, 7)]
        assert registry.champion("returns") is None


def test_a_replay_is_of_the_mornings_that_the_lake_knows(home: Path, tmp_path: Path) -> None:
    with pytest.raises(NotTrained, match="buys has never been loaded"):
        replay.span(MODEL, None, None)
    lake(tmp_path, 20)
    assert replay.span(MODEL, None, None) == Interval(on(1), on(21))
    assert replay.span(MODEL, on(5), on(99)) == Interval(on(5), on(21))
    with pytest.raises(UsageError, match="no day lies"):
        replay.span(MODEL, on(30), None)
    with pytest.raises(UsageError, match="no policy 'daily'; there is never, weekly"):
        replay.policies(MODEL, ["daily"])


def measured(broken: int | None, days: int = 10) -> list[Measured]:
    fine = Estimate(0.8, 0.79, 0.81)
    return [Measured(on(n), 1, fine, fine, n != broken) for n in range(days)]


@pytest.mark.parametrize(
    ("day", "broken", "verdict"),
    [
        (0, 5, "mattered"),
        (0, 6, "false"),
        (0, None, "false"),
        (5, None, "open"),
        (6, 6, "mattered"),
    ],
)
def test_an_alarm_matters_where_the_horizon_after_it_broke_its_promise(
    day: int, broken: int | None, verdict: str
) -> None:
    assert replay_outcome.verdict(MODEL, on(day), measured(broken)) == verdict


@pytest.mark.parametrize(("name", "begins"), [("seen.svg", b"<?xml"), ("seen.png", b"\x89PNG\r\n")])
def test_the_picture_is_one_file_that_needs_no_other(
    tmp_path: Path, name: str, begins: bytes, outcomes: Callable[[], list[Outcome]]
) -> None:
    replay_plot.write(MODEL, outcomes(), tmp_path / name)
    drawn = (tmp_path / name).read_bytes()
    assert drawn.startswith(begins)
    if name.endswith(".svg"):
        links = [v for e in xml.fromstring(drawn).iter() for k, v in e.items() if "href" in k]
        assert all(each.startswith(("#", "data:")) for each in links)
        replay_plot.write(MODEL, outcomes(), tmp_path / "again.svg")
        assert (tmp_path / "again.svg").read_bytes() == drawn


@pytest.fixture
def outcomes() -> Callable[[], list[Outcome]]:
    """Two policies, one of which nothing is known yet."""

    def made() -> list[Outcome]:
        alarms = (Alarm(on(2), ("spent",), "mattered"), Alarm(on(9), ("spent", "score"), "open"))
        known = {"mornings": Interval(on(0), on(16)), "alarms": alarms, "retrained": ()}
        seen = tuple(measured(5))
        first = Outcome(
            policy="never",
            metric=0.8,
            worst=0.8,
            broken=1,
            seconds=0.0,
            measured=seen,
            **known,  # type: ignore[arg-type]
        )
        return [first, replace(first, policy="drift", metric=None, measured=())]

    return made

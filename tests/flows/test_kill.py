"""SIGKILL in the middle: the next run makes it whole, as if nothing had happened."""

import signal
import time
from pathlib import Path

import pytest

from tests.conftest import Project
from tests.flows.support import alerts, contents, models, rows

BACKFILL = ("backfill", "sales", "--start", "1997-01-01", "--end", "1998-04-01")
RETRAIN = ("retrain", "churn", "--as-of", "1998-04-01")
pytestmark = [pytest.mark.usefixtures("server"), pytest.mark.timeout(600)]


def killed(project: Project, home: Path, words: tuple[str, ...], sign: str) -> bool:
    """Runs until the first file of this kind is there, and kills; False where it was before."""
    if any(home.glob(sign)):
        return False
    running = project.start(*words)
    while running.poll() is None and not any(home.glob(sign)):
        time.sleep(0.001)
    assert running.poll() is None, f"it ended before there was {sign}"
    running.send_signal(signal.SIGKILL)
    running.wait()
    return True


def chain(project: Project, home: Path, words: tuple[str, ...], signs: tuple[str, ...]) -> None:
    """Each run gets a little further than the one before; the last to the end."""
    kills = [killed(project, home, words, sign) for sign in signs]
    # Where two follow each other closely, a kill may come after both.
    assert sum(kills) >= len(signs) - 1
    done = project.run(*words)
    assert done.returncode == 0, done.stderr


def test_a_backfill_killed_on_its_way_ends_as_an_undisturbed_one(
    project: Project, home: Path, history: Path
):
    chain(
        project,
        home,
        BACKFILL,
        (
            "landing/sales/*.csv.gz",
            "tables/sales/_delta_log/*1.json",  # its rows are there, profile and ledger are not
            "tables/ledger/_delta_log/*0.json",  # the ledger is made and says nothing yet
        ),
    )

    assert contents(home) == contents(history)
    assert len(rows(home, "sales")) == 63_753
    assert len(rows(home, "ledger")) == 455
    assert alerts(home) == []


def test_a_retraining_killed_on_its_way_ends_as_an_undisturbed_one(
    project: Project, loaded: Path, first_champion: Path
):
    chain(
        project,
        loaded,
        RETRAIN,
        (
            "models/churn/snapshots/*/*.parquet",
            "models/churn/*/model.joblib",
            "tables/registry/_delta_log/*0.json",  # fitted, not yet registered
            "tables/registry/_delta_log/*1.json",  # registered and promoted, nobody told yet
        ),
    )

    assert models(loaded) == models(first_champion)
    found, expected = contents(loaded), contents(first_champion)
    found.pop("outbox"), expected.pop("outbox")  # it names the run
    assert found == expected
    assert news(loaded) == news(first_champion)
    for path in models(loaded):
        kept, undisturbed = (home / path / "model.joblib" for home in (loaded, first_champion))
        assert kept.read_bytes() == undisturbed.read_bytes()


def news(home: Path) -> list[tuple[str, str, str]]:
    return [(told["kind"], told["subject"], told["title"]) for told in alerts(home)]

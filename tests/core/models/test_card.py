"""The model card: one page that holds all it needs."""

import re
from datetime import date
from pathlib import Path

import pytest

from catalog.kinds import Gate
from core import home as store
from core.models import card, gate, training
from core.models.gate import Decision
from core.models.training import Fitted, Plan
from tests.core import synthetic

AS_OF = date(2024, 2, 19)
SLICES = {"spenders": lambda rows: rows["spent"] > 50, "nobody": lambda rows: rows["count"] < 0}


@pytest.fixture
def trained(home: Path, tmp_path: Path) -> tuple[Plan, Fitted]:
    datasets = {"buys": synthetic.dataset(tmp_path, synthetic.buys())}
    model = synthetic.model(slices=SLICES)
    synthetic.load(datasets["buys"])
    planned = training.plan(model, datasets, AS_OF)
    training.prepare(model, datasets, planned)
    return planned, training.fit(model, model.candidates[0], planned)


def page(trained: tuple[Plan, Fitted], **changes: object) -> str:
    planned, fitted = trained
    model = synthetic.model(**changes)
    decision = gate.judge(model, fitted, None, planned)
    path = card.write(model, 3, fitted.artifact, decision, [fitted], planned)
    return store.read_bytes(path).decode()


def test_it_says_what_how_well_for_whom_and_how_to_go_back(trained: tuple[Plan, Fitted]) -> None:
    html = page(trained, slices=SLICES, gate=Gate(floor=0.5, min_positives=10))
    for words in (
        "returns 3",
        "Good enough to serve",
        str(trained[1].metric),
        "spenders",
        "too few to say",
        str(trained[0].train_day),
        str(trained[0].holdout_day),
        "scikit-learn",
        trained[1].fingerprint,
        "python -m flows rollback returns",
        "owner",
    ):
        assert words in html
    assert html.count("<svg") == 5


def test_it_asks_for_nothing_from_elsewhere_and_no_two_ids_are_the_same(
    trained: tuple[Plan, Fitted],
) -> None:
    html = page(trained)
    links = set(re.findall(r'(?:src|href)="([^"]+)"', html))
    assert all(link.startswith("#") for link in links)
    assert "<script" not in html and "url(http" not in html
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links} <= set(ids)
    clips = set(re.findall(r"url\(#([^)]+)\)", html))
    assert clips <= set(ids)


def test_what_people_wrote_cannot_break_the_page(trained: tuple[Plan, Fitted]) -> None:
    planned, fitted = trained
    nasty = '<script>alert("x")</script>'
    model = synthetic.model(description=nasty)
    path = card.write(model, 1, fitted.artifact, Decision("keep", nasty), [fitted], planned)
    html = store.read_bytes(path).decode()
    assert "<script" not in html
    assert "Not to serve" in html

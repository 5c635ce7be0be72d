from datetime import timedelta
from pathlib import Path

import pytest

from catalog.kinds import Candidate
from core.errors import UsageError
from core.models import registry, runs, training
from core.models.runs import Run
from tests.core import synthetic

AS_OF = synthetic.START + timedelta(days=45)
MODEL = synthetic.model(
    candidates=(
        Candidate(name="logistic", estimator=synthetic.logistic),
        Candidate(name="stump", estimator=synthetic.stump),
    )
)


@pytest.fixture
def known(home: Path, tmp_path: Path) -> list[Run]:
    """Both candidates as of two days; the stump of the first one became version 1."""
    declared = synthetic.dataset(tmp_path, synthetic.buys())
    synthetic.load(declared)
    for as_of in (AS_OF, AS_OF + timedelta(days=1)):
        planned = training.plan(MODEL, {"buys": declared}, as_of)
        training.prepare(MODEL, {"buys": declared}, planned)
        fitted = [training.fit(MODEL, each, planned) for each in MODEL.candidates]
        registry.register("returns", fitted[1].artifact, by="test", reason="a test")
    return runs.runs("returns")


def test_every_candidate_fitted_is_a_run_the_newest_first(known: list[Run]) -> None:
    listed = [(run.candidate, run.as_of, run.version) for run in known]
    later = AS_OF + timedelta(days=1)
    assert listed == [
        ("stump", later, 2),
        ("logistic", later, 0),
        ("stump", AS_OF, 1),
        ("logistic", AS_OF, 0),
    ]
    for run in known:
        assert run.estimate.low <= run.estimate.value <= run.estimate.high
        assert run.rows > 100 and run.seconds > 0 and (run.peak_mb or 0) > 10
        assert run.data_version and run.code_version and run.seed == 0
        assert len(run.fingerprint) == 16
    assert known[0].parameters["max_depth"] == "1"
    assert runs.runs("nobody") == []


def test_runs_are_called_by_version_or_by_how_their_id_begins(known: list[Run]) -> None:
    assert runs.choose(known, ["1", known[1].fingerprint[:8]]) == [known[2], known[1]]
    with pytest.raises(UsageError, match="no runs are called 'zz'"):
        runs.choose(known, ["zz"])
    with pytest.raises(UsageError, match="4 runs are called ''"):
        runs.choose(known, [""])


def test_only_what_differs_is_compared(known: list[Run]) -> None:
    stumps = runs.differences([known[0], known[2]])
    assert stumps["as_of"] == (str(known[0].as_of), str(known[2].as_of))
    assert {"version", "data_version", "rows"} <= set(stumps)
    assert not {"candidate", "metric", "seed", "max_depth", "code_version"} & set(stumps)
    kinds = runs.differences(known[:2])
    assert kinds["candidate"] == ("stump", "logistic")
    assert "max_depth" not in kinds

from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from catalog.kinds import DeclarationError, Model
from core import lake
from core.errors import ArtifactRefused, FeaturesChanged, ModelRefused, NotTrained
from core.models import artifacts, registry, scoring, training
from tests.core import synthetic

AS_OF = synthetic.START + timedelta(days=40)
WHO = {"by": "ann", "reason": "test"}
TABLE = "returns_predictions"


@pytest.fixture
def shop(home: Path, tmp_path: Path) -> Any:
    declared = synthetic.dataset(tmp_path, synthetic.buys())
    synthetic.load(declared)
    return declared


def train(model: Model, shop: Any, days_ago: int = 0) -> int:
    planned = training.plan(model, {"buys": shop}, AS_OF - timedelta(days=days_ago))
    training.prepare(model, {"buys": shop}, planned)
    fitted = training.fit(model, model.candidates[0], planned)
    return registry.register(model.name, fitted.artifact, **WHO)


@pytest.fixture
def serving(shop: Any) -> Any:
    registry.promote("returns", train(synthetic.model(), shop), **WHO)
    return shop


def score(shop: Any, days: int = 40, model: Model | None = None, **how: Any) -> scoring.Scored:
    day = synthetic.START + timedelta(days=days)
    return scoring.score(model or synthetic.model(), {"buys": shop}, day, **how)


def test_every_entity_known_before_the_day_gets_a_score_and_its_origin(serving: Any) -> None:
    done = score(serving)
    rows = lake.read(TABLE).to_pandas()
    buys = synthetic.buys()
    known = buys[buys["at"] < str(AS_OF)]["customer"].astype("str")
    assert sorted(rows["entity"]) == sorted(known.unique())
    assert (done.rows, done.version, done.changed) == (len(rows), 1, True)
    assert rows["score"].between(0, 1).all() and rows["score"].nunique() > 10
    assert set(rows["model_version"]) == {1}
    [data_version] = set(rows["data_version"])
    assert data_version.startswith("buys:")


def test_scoring_again_gives_the_same_bits_and_commits_nothing(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    score(serving)
    before, first = lake.version(TABLE), lake.read(TABLE).sort_by("entity")
    again = score(serving)
    assert not again.changed and lake.version(TABLE) == before
    lake.replace(TABLE, first.slice(0, 0).to_reader, (), schema=first.schema)
    assert score(serving).changed
    assert lake.read(TABLE).sort_by("entity").equals(first)
    monkeypatch.setattr(scoring, "CHUNK_ROWS", 7)
    chunked = score(serving)
    assert chunked.mean_score == pytest.approx(again.mean_score, rel=1e-12)


def test_another_day_leaves_the_first_alone(serving: Any) -> None:
    score(serving, 40)
    first = lake.read(TABLE, lake.equal(day=AS_OF))
    score(serving, 41)
    assert lake.read(TABLE, lake.equal(day=AS_OF)).equals(first)
    assert lake.read(TABLE).num_rows > first.num_rows


def test_keep_leaves_a_day_alone_whichever_version_scored_it(serving: Any) -> None:
    score(serving)
    registry.promote("returns", train(synthetic.model(), serving, days_ago=1), **WHO)
    kept = score(serving, keep=True)
    assert (kept.version, kept.changed) == (1, False)
    assert score(serving, 41, keep=True).version == 2
    assert score(serving).version == 2


def test_keep_scores_anew_when_any_day_before_was_put_right(tmp_path: Path, serving: Any) -> None:
    score(serving)
    rows = synthetic.buys()
    rows.loc[rows["at"].str.startswith("2024-01-05"), "amount"] += 500
    declared = synthetic.dataset(tmp_path, rows)
    synthetic.load(declared)
    before = lake.read(TABLE)["data_version"][0]
    assert score(declared, keep=True).changed
    assert lake.read(TABLE)["data_version"][0] != before


def test_later_days_change_neither_scores_nor_data_version(home: Path, tmp_path: Path) -> None:
    declared = synthetic.dataset(tmp_path, synthetic.buys())
    synthetic.load(declared, days=40)
    registry.promote("returns", train(synthetic.model(), declared), **WHO)
    score(declared)
    first = lake.read(TABLE)
    synthetic.load(declared, days=10, start=AS_OF)
    assert not score(declared).changed
    assert lake.read(TABLE).equals(first)


def test_stale_data_refuse(serving: Any) -> None:
    with pytest.raises(NotTrained, match="buys 2024-02-20 has not been loaded; .*stale"):
        score(serving, 51)
    assert lake.read(TABLE) is None


def test_a_refused_day_before_refuses(tmp_path: Path, serving: Any) -> None:
    rows = synthetic.buys()
    rows.loc[rows["at"].str.startswith("2024-02-09"), "amount"] = -1.0
    broken = synthetic.dataset(tmp_path, rows)
    synthetic.load(broken)
    with pytest.raises(NotTrained, match="buys 2024-02-09 was refused"):
        score(broken)
    assert score(broken, 41).changed


def test_without_a_champion_nothing_is_scored(shop: Any) -> None:
    train(synthetic.model(), shop)
    with pytest.raises(ModelRefused, match="returns has no champion"):
        score(shop)


@pytest.mark.parametrize("event", ["rejected", "retired"])
def test_a_rejected_or_retired_version_never_scores(serving: Any, event: Any) -> None:
    registry.close("returns", 1, event, **WHO)
    with pytest.raises(ModelRefused, match="returns has no champion"):
        score(serving)
    with pytest.raises(ModelRefused):
        registry.promote("returns", 1, **WHO)
    assert lake.read(TABLE) is None


def test_a_damaged_champion_does_not_score(home: Path, serving: Any) -> None:
    champion = registry.champion("returns")
    assert champion is not None
    file = home / champion.artifact.path / artifacts.MODEL_FILE
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ArtifactRefused, match="has been changed"):
        score(serving)


def test_features_of_other_code_do_not_score(serving: Any) -> None:
    def features(as_of: pd.Timestamp, buys: pd.DataFrame) -> pd.DataFrame:
        return synthetic.features(as_of, buys) * 2

    with pytest.raises(FeaturesChanged, match="returns: the features have changed"):
        score(serving, model=synthetic.model(features=features))


def test_a_feature_that_is_not_there_today_is_one_line(shop: Any) -> None:
    def fading(as_of: pd.Timestamp, buys: pd.DataFrame) -> pd.DataFrame:
        found = synthetic.features(as_of, buys)
        return found.drop(columns="spent") if as_of.date() > AS_OF else found

    model = synthetic.model(features=fading)
    registry.promote("returns", train(model, shop), **WHO)
    score(shop, 40, model=model)
    with pytest.raises(DeclarationError, match="returns.py: features: returned no 'spent' for"):
        score(shop, 41, model=model)

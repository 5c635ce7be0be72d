import json
import os
import pickle
import random
from pathlib import Path
from typing import Any

import joblib
import pytest

from core import artifacts
from core.artifacts import Artifact
from core.errors import ArtifactRefused
from tests.core import workers


@pytest.fixture
def stored(home: Path) -> Artifact:
    return artifacts.save("m", "f00", {"weights": list(range(2_000))}, {"seconds": 1.5})


def file(home: Path, name: str) -> Path:
    return home / "models" / "m" / "f00" / name


@pytest.fixture
def never_unpickled(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> None:
        raise AssertionError("unpickled")

    monkeypatch.setattr(joblib, "load", refuse)


def test_what_is_stored_comes_back_with_its_manifest(stored: Artifact) -> None:
    estimator, manifest = artifacts.load(stored)
    assert estimator == {"weights": list(range(2_000))}
    assert manifest["seconds"] == 1.5
    assert manifest["libraries"] == artifacts.libraries()
    assert artifacts.find("m", "f00") == stored
    assert artifacts.find("m", "f01") is None


@pytest.mark.usefixtures("never_unpickled")
@pytest.mark.parametrize("name", [artifacts.MODEL_FILE, artifacts.MANIFEST_FILE])
def test_any_flipped_bit_or_cut_is_refused_before_a_byte_is_unpickled(
    home: Path, stored: Artifact, name: str
) -> None:
    whole, dice = file(home, name).read_bytes(), random.Random(0)
    for _ in range(60):
        flipped = bytearray(whole)
        flipped[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
        file(home, name).write_bytes(flipped)
        with pytest.raises(ArtifactRefused, match=name):
            artifacts.load(stored)
    for length in [0, len(whole) - 1, *(dice.randrange(len(whole)) for _ in range(40))]:
        file(home, name).write_bytes(whole[:length])
        with pytest.raises(ArtifactRefused, match=name):
            artifacts.load(stored)


class Bomb:
    def __init__(self, fuse: Path) -> None:
        self.fuse = fuse

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.fuse),)


def test_a_bomb_in_the_place_of_a_model_never_goes_off(home: Path, stored: Artifact) -> None:
    fuse = home / "exploded"
    for dump in (joblib.dump, lambda bomb, path: Path(path).write_bytes(pickle.dumps(bomb))):
        dump(Bomb(fuse), file(home, artifacts.MODEL_FILE))
        with pytest.raises(ArtifactRefused):
            artifacts.load(stored)
    assert not fuse.exists()


@pytest.mark.usefixtures("never_unpickled")
def test_a_bomb_with_a_manifest_of_its_own_is_refused_too(home: Path, stored: Artifact) -> None:
    data = pickle.dumps(Bomb(home / "exploded"))
    manifest = json.loads(file(home, artifacts.MANIFEST_FILE).read_bytes())
    manifest["files"][artifacts.MODEL_FILE]["sha256"] = artifacts._sha256(data)
    file(home, artifacts.MODEL_FILE).write_bytes(data)
    file(home, artifacts.MANIFEST_FILE).write_text(json.dumps(manifest))
    with pytest.raises(ArtifactRefused, match="not the one that was registered"):
        artifacts.load(stored)


@pytest.mark.parametrize("name", [artifacts.MODEL_FILE, artifacts.MANIFEST_FILE])
def test_a_missing_file_is_one_line_with_a_remedy(home: Path, stored: Artifact, name: str) -> None:
    file(home, name).unlink()
    with pytest.raises(ArtifactRefused) as refusal:
        artifacts.load(stored)
    assert str(refusal.value).startswith(f"models/m/f00/{name} is missing; roll back")
    assert "\n" not in str(refusal.value)
    file(home, name).mkdir()
    with pytest.raises(ArtifactRefused, match="cannot be read"):
        artifacts.load(stored)


@pytest.mark.usefixtures("never_unpickled")
def test_another_release_of_scikit_learn_is_refused(
    stored: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "installed", lambda name: "0.1.7")
    with pytest.raises(ArtifactRefused, match="made with scikit-learn .* and this is 0.1.7"):
        artifacts.load(stored)


def test_a_stored_model_is_never_written_over(stored: Artifact) -> None:
    again = artifacts.save("m", "f00", {"weights": []}, {"seconds": 9})
    assert again == stored
    assert artifacts.load(stored)[1]["seconds"] == 1.5


def test_of_two_that_store_at_once_one_stands_whole(home: Path) -> None:
    arguments = [("m", "f00", weight) for weight in range(8)]
    assert workers.together(workers.save, arguments) == [0] * 8
    found = artifacts.find("m", "f00")
    assert found is not None
    estimator, manifest = artifacts.load(found)
    assert estimator["weight"] == manifest["seconds"]
    assert sorted(entry.name for entry in (home / "models" / "m").iterdir()) == ["f00"]


def test_a_slower_one_that_had_already_fitted_gets_the_first_ones(
    stored: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([None])
    find = artifacts.find
    monkeypatch.setattr(artifacts, "find", lambda *key: next(answers, find(*key)))
    assert artifacts.save("m", "f00", {"weights": []}, {"seconds": 9}) == stored


def test_a_damaged_manifest_of_an_unregistered_model_is_refused(
    home: Path, stored: Artifact
) -> None:
    path = file(home, artifacts.MANIFEST_FILE)
    for text in ('{"fingerprint": "other"}', path.read_text()[:-3], "\xff"):
        path.write_text(text)
        with pytest.raises(ArtifactRefused, match=artifacts.MANIFEST_FILE):
            artifacts.find("m", "f00")

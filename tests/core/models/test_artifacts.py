import copy
import io
import json
import os
import pickle
import random
import shutil
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core.errors import ArtifactRefused
from core.models import artifacts
from core.models.artifacts import Artifact
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


def damaged(whole: bytes) -> list[bytes]:
    """The same with one bit flipped, 300 times, and cut off, 200 times."""
    dice, found = random.Random(0), []
    for _ in range(300):
        flipped = bytearray(whole)
        flipped[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
        found.append(bytes(flipped))
    lengths = [0, len(whole) - 1, *(dice.randrange(len(whole)) for _ in range(198))]
    return found + [whole[:length] for length in lengths]


@pytest.mark.usefixtures("never_unpickled")
@pytest.mark.parametrize("name", [artifacts.MODEL_FILE, artifacts.MANIFEST_FILE])
def test_any_flipped_bit_or_cut_is_refused_before_a_byte_is_unpickled(
    home: Path, stored: Artifact, name: str
) -> None:
    for each in damaged(file(home, name).read_bytes()):
        file(home, name).write_bytes(each)
        with pytest.raises(ArtifactRefused, match=name):
            artifacts.load(stored)


@pytest.mark.usefixtures("never_unpickled")
def test_every_file_that_the_manifest_names_is_verified(home: Path, stored: Artifact) -> None:
    manifest = json.loads(file(home, artifacts.MANIFEST_FILE).read_bytes())
    [known] = manifest["files"].values()
    assert known["size_bytes"] == file(home, artifacts.MODEL_FILE).stat().st_size
    manifest["files"]["more.txt"] = known
    file(home, artifacts.MANIFEST_FILE).write_text(text := json.dumps(manifest))
    changed = Artifact(stored.path, artifacts._sha256(text.encode()))
    with pytest.raises(ArtifactRefused, match="more.txt is missing"):
        artifacts.load(changed)
    file(home, "more.txt").write_text("other")
    with pytest.raises(ArtifactRefused, match="more.txt has been changed"):
        artifacts.load(changed)


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


KEY, OTHER = "a key of the team", "another key"


@pytest.fixture
def signed(home: Path, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    monkeypatch.setenv(artifacts.SIGNING_KEY, KEY)
    return artifacts.save("m", "f00", {"weights": [1]}, {})


def test_with_a_key_manifests_are_signed_and_verified(home: Path, signed: Artifact) -> None:
    assert artifacts.load(signed)[0] == {"weights": [1]}
    assert artifacts.find("m", "f00") == signed
    text = file(home, artifacts.SIGNATURE_FILE).read_text()
    assert len(text) == 64 and KEY not in text


@pytest.mark.usefixtures("never_unpickled")
def test_any_damage_to_a_signature_is_refused(home: Path, signed: Artifact) -> None:
    for each in damaged(file(home, artifacts.SIGNATURE_FILE).read_bytes()):
        file(home, artifacts.SIGNATURE_FILE).write_bytes(each)
        with pytest.raises(ArtifactRefused, match="is of no key in DAYLOOP_SIGNING_KEY"):
            artifacts.load(signed)


@pytest.mark.usefixtures("never_unpickled")
def test_what_another_key_has_signed_is_refused(
    signed: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(artifacts.SIGNING_KEY, OTHER)
    with pytest.raises(ArtifactRefused, match="is of no key") as refusal:
        artifacts.load(signed)
    assert KEY not in str(refusal.value) and OTHER not in str(refusal.value)
    with pytest.raises(ArtifactRefused, match="is of no key"):
        artifacts.sign(signed)


def test_a_key_is_replaced_by_naming_both_for_a_while(
    signed: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(artifacts.SIGNING_KEY, f"{OTHER}, {KEY}")
    artifacts.load(signed)
    newer = artifacts.save("m", "f01", {}, {})
    monkeypatch.setenv(artifacts.SIGNING_KEY, OTHER)
    artifacts.load(newer)


@pytest.mark.usefixtures("never_unpickled")
def test_with_a_key_unsigned_models_are_refused(
    stored: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(artifacts.SIGNING_KEY, KEY)
    for refused in (artifacts.load, artifacts.manifest):
        with pytest.raises(ArtifactRefused, match="is not signed"):
            refused(stored)
    with pytest.raises(ArtifactRefused, match="is not signed"):
        artifacts.find("m", "f00")


def test_a_model_from_before_there_was_a_key_can_be_signed(
    stored: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts.sign(stored)  # without a key it does nothing
    monkeypatch.setenv(artifacts.SIGNING_KEY, KEY)
    artifacts.sign(stored)
    assert artifacts.load(stored)[1]["seconds"] == 1.5
    changed = Artifact(stored.path, "0" * 64)
    with pytest.raises(ArtifactRefused, match="not the one that was registered"):
        artifacts.sign(changed)


@pytest.mark.usefixtures("never_unpickled")
def test_a_signed_model_is_not_another_ones_wherever_it_is_copied(
    home: Path, signed: Artifact
) -> None:
    shutil.copytree(home / signed.path, home / "models" / "m" / "f01")
    with pytest.raises(ArtifactRefused, match="is of no key"):
        artifacts.load(Artifact("models/m/f01", signed.sha256))


EVIL = ["../../etc/passwd", "models/m/../f00", "/models/m/f00", "models/m/f00\n", "models/M/f"]
EVIL += ["models/m/f00/x", "models//f00", "models/m/", "xmodels/m/f00", "models/m/f 0"]
EVIL += ["models/m/.f", ""]


@pytest.mark.parametrize("path", EVIL)
def test_what_is_no_place_of_a_model_is_refused_whole(path: str) -> None:
    with pytest.raises(ArtifactRefused, match="is no place of a model"):
        Artifact(path, "0")


def test_it_is_said_which_libraries_are_others(
    stored: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = artifacts.manifest(stored)
    assert artifacts.differences(manifest) == ()
    numpy = manifest["libraries"]["numpy"]
    there = {**manifest, "machine": "abacus", "libraries": {**artifacts.libraries(), "numpy": "1"}}
    assert artifacts.differences(there) == (
        f"numpy was 1, is {numpy}",
        f"machine was abacus, is {artifacts.machine()}",
    )


def test_an_estimator_has_the_same_bytes_where_another_was_loaded_before() -> None:
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(
        pd.DataFrame({"a": [0.0, 1, 2, 3], "b": [1.0, 0, 1, 0]}), [False, False, True, True]
    )
    other = copy.deepcopy(fitted)
    for step in other:  # as an unpickled estimator leaves them: equal, and objects of their own
        step.__dict__ = {"".join([*name]): value for name, value in vars(step).items()}
    assert artifacts.dump(fitted) == artifacts.dump(other)
    back = joblib.load(io.BytesIO(artifacts.dump(other)))
    assert back[-1].coef_.tolist() == fitted[-1].coef_.tolist()

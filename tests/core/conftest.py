"""What the tests of the scoring API share."""

import shutil
from pathlib import Path

import pytest

from core.models.artifacts import Artifact
from tests.core.serving import local_api


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Artifact]]:
    """A home with one model of each kind, made once."""
    folder = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAYLOOP_HOME", str(folder / "home"))
        return folder / "home", local_api.shop(folder / "files")


@pytest.fixture
def fitted(shop: tuple[Path, dict[str, Artifact]], home: Path) -> dict[str, Artifact]:
    """The models of the shop, in a home of the test's own."""
    shutil.copytree(shop[0], home)
    return shop[1]

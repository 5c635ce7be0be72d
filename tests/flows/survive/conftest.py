"""The tiny shop, its homes to begin from, who is told, and the page that is made of outcomes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.alerting.local_receiver import Server as Receiver
from tests.core.alerting.local_receiver import serve
from tests.flows.support import Server
from tests.flows.survive.flow_runs import FLOWS, Flow, Homes
from tests.flows.survive.outcomes import Outcomes
from tests.flows.survive.shop import Shop, opened
from tests.flows.survive.state import State


@pytest.fixture(scope="session")
def shop(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The project with the tiny catalog, all of it imported."""
    with opened(tmp_path_factory.mktemp("shop")) as found:
        yield found


@pytest.fixture(scope="session")
def homes(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Homes:
    """Homes to begin from, each made when it is first asked for."""
    return Homes(shop, tmp_path_factory.mktemp("homes"))


@pytest.fixture(scope="session")
def told() -> Iterator[Receiver]:
    """A receiver that takes everything; the path says of which home."""
    with serve() as found:
        yield found


@pytest.fixture(scope="session")
def outcomes() -> Outcomes:
    """What was done, how often, and what came of it; written to the page where that is asked."""
    return Outcomes(Path(__file__).parents[3] / "docs" / "survives.md")


@pytest.fixture
def daily(shop: Shop, homes: Homes, told: Receiver, tmp_path: Path) -> Flow:
    """A day of the loop, on which it also retrains."""
    base, words = FLOWS["daily"]
    return Flow("daily", shop, homes[base], words, tmp_path, told)


@pytest.fixture(scope="session")
def expected(
    shop: Shop, homes: Homes, told: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> State:
    """What that day leaves when nothing comes between."""
    base, words = FLOWS["daily"]
    folder = tmp_path_factory.mktemp("expected")
    return Flow("daily", shop, homes[base], words, folder, told).undisturbed()[0]

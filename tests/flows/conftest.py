"""One real Prefect server for all tests of flows, and one home with CDNOW's history in it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import pytest
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)

from tests.core.alerting.local_receiver import Server as Receiver
from tests.core.alerting.local_receiver import serve
from tests.core.sources import postgres
from tests.flows.support import PASSWORD, Server, free_port, is_up, program, until


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps its database and log."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="session")
def server(server_folder: Path) -> Iterator[Server]:
    """A Prefect server with a password; flows called here and commands started here use it.

    Below it is SQLite, or PostgreSQL with TEST_PREFECT_DATABASE=postgresql.
    """
    folder, port = server_folder, free_port()
    url = f"http://127.0.0.1:{port}/api"
    settings = {
        PREFECT_API_URL: url,
        PREFECT_API_AUTH_STRING: PASSWORD,
        PREFECT_LOGGING_TO_API_ENABLED: False,  # of flows in this process; commands do send
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,  # it costs a second at each flow's end
    }
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        stack.enter_context(temporary_settings(settings))
        patch.setenv("PREFECT_HOME", str(folder))
        patch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
        patch.setenv("PREFECT_SERVER_DATABASE_TIMEOUT", "60")  # as `make server` has it
        patch.setenv("PREFECT_API_URL", url)
        for name in ("PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"):
            patch.setenv(name, PASSWORD)
        if os.environ.get("TEST_PREFECT_DATABASE") == "postgresql":
            database = stack.enter_context(postgres.serve(whole=True)).url()
            asynchronous = database.replace("postgresql:", "postgresql+asyncpg:")
            patch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", asynchronous)
        # Receivers of the tests are on this machine.
        patch.setenv("DAYLOOP_ALLOW_PRIVATE", "1")
        words = ("server", "start", "--no-ui", "--port", str(port))
        stack.enter_context(program(folder / "server.log", *words))
        until(lambda: is_up(url), 120, "the server is up")
        yield Server(url)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A real HTTP server that takes alerts; what it answers is its `behave`."""
    with serve() as found:
        yield found


@pytest.fixture(scope="session")
def history(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with CDNOW to the end of March 1998 and no model. To be copied, not changed."""
    from flows.backfill import backfill

    home = tmp_path_factory.mktemp("history") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAYLOOP_HOME", str(home))
        backfill("sales", date(1997, 1, 1), date(1998, 4, 1))
    return home


@pytest.fixture(scope="session")
def first_champion(history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the first champion. To be copied, not changed."""
    from flows.retrain import retrain

    home = tmp_path_factory.mktemp("trained") / "home"
    shutil.copytree(history, home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAYLOOP_HOME", str(home))
        retrain("churn", date(1998, 4, 1))
    return home


@pytest.fixture
def loaded(history: Path, home: Path) -> Path:
    """A home of its own with the history."""
    shutil.copytree(history, home)
    return home


@pytest.fixture
def trained(first_champion: Path, home: Path) -> Path:
    """A home of its own with the history and the first champion."""
    shutil.copytree(first_champion, home)
    return home

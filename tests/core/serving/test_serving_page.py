"""The page at `/` of the scoring API."""

import base64
import os
import threading
from pathlib import Path

import pytest

from core.models.artifacts import Artifact
from tests.core.serving.local_api import PATH, ROW, promote, serve

TOKEN = "a-token-of-many-signs"


def page() -> str:
    """Of a process: it is made in one of its own, and each time anew."""
    with Path(os.environ["PAGES"]).open("a") as file:
        file.write(f"{os.getpid()}\n")
    return f"<!doctype html><p>{os.getpid()}"


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PAGES", str(tmp_path / "pages"))
    return tmp_path / "pages"


def test_the_page_is_made_by_another_process_once_for_all_who_ask(home: Path, pages: Path) -> None:
    with serve(make_page=page) as client:
        asking = [threading.Thread(target=client.get, args=("/",)) for _ in range(4)]
        for each in asking:
            each.start()
        for each in asking:
            each.join()
        seen = client.get("/")
        [made_by] = pages.read_text().split()
        assert made_by != str(os.getpid()) and seen.text.endswith(made_by)
        assert seen.headers["content-type"] == "text/html; charset=utf-8"
        assert seen.headers["content-security-policy"].startswith("default-src 'none'")
        assert client.count('dayloop_api_requests_total{path="/",status="200"}') == 5


def test_where_there_is_no_page_there_is_nothing_at_its_place(home: Path) -> None:
    with serve() as client:
        assert client.get("/").status_code == 404


def test_the_page_wants_the_token_which_a_browser_shows_as_a_password(
    fitted: dict[str, Artifact], pages: Path
) -> None:
    promote(fitted["logistic"])
    with serve(token=TOKEN, make_page=page) as client:

        def basic(text: str) -> dict[str, str]:
            return {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}

        for wrong in ({}, basic("me:wrong"), basic(TOKEN), {"authorization": "Basic é"}):
            headers = {name: value.encode() for name, value in wrong.items()}
            refused = client.get("/", headers=headers)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"].startswith("Basic realm=")
        assert not pages.exists()
        assert client.get("/", headers=basic(f"anybody:{TOKEN}")).status_code == 200
        assert client.get("/", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
        # A password is for looking only: what a browser sends by itself must not score.
        refused = client.post(PATH, json={"rows": [ROW]}, headers=basic(f"me:{TOKEN}"))
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")

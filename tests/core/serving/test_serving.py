"""The scoring API over real HTTP: what it answers, what it refuses, who serves."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.errors import UsageError
from core.models import artifacts, fitting, registry
from core.models.artifacts import Artifact
from core.serving import app as serving
from core.serving.champion import load
from tests.core.serving.local_api import PATH, ROW, WHO, Client, body, promote, serve

SECRET = "sk-4711-secret"


@pytest.fixture
def client(fitted: dict[str, Artifact]) -> Iterator[Client]:
    promote(fitted["logistic"])
    with serve() as found:
        yield found


def rows(count: int, seed: int = 0) -> list[dict[str, float]]:
    random = np.random.default_rng(seed)
    columns = {name: random.gamma(2, 10, count).tolist() for name in ROW}
    return pd.DataFrame(columns).to_dict("records")


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("logistic", "line"),
        ("forest", "trees"),
        ("boosting", "array"),
        ("stump", "array"),
        ("by_name", "frame"),
    ],
)
def test_the_scores_are_bit_for_bit_those_of_predict_proba(
    fitted: dict[str, Artifact], name: str, way: str
) -> None:
    estimator, manifest = artifacts.load(fitted[name])
    if name == "forest":
        estimator.n_jobs = 1  # several add its trees up in any order
    champion = load("returns", 1, fitted[name])
    assert champion.way == way
    promote(fitted[name])

    with serve() as client:
        for count in (1, 7, 1000):
            asked = rows(count, seed=count)
            answer = client.predict(*asked).json()
            expected = fitting.predict(estimator, pd.DataFrame(asked)[manifest["features"]])
            assert answer == {"model": "returns", "version": 1, "scores": expected.tolist()}


def test_columns_may_come_in_any_order_and_whole_numbers_are_numbers(client: Client) -> None:
    other = {name: int(ROW[name]) for name in reversed(ROW)}
    same = {name: float(other[name]) for name in ROW}

    assert client.predict(other).json()["scores"] == client.predict(same).json()["scores"]


def changed(**values: Any) -> bytes:
    return body({**ROW, **values})


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"\xff\xfe{}", 400, "not JSON"),
        (b"[" * 100_000, 400, "not JSON"),
        (body(ROW).replace(b"3.0", b"NaN"), 400, "NaN or Infinity"),
        (body(ROW).replace(b"3.0", b"-Infinity"), 400, "NaN or Infinity"),
        (body(ROW).replace(b'"count"', b'"spent"'), 400, "a key twice"),
        (b'{"rows": [], "rows": []}', 400, "a key twice"),
        (b"[]", 422, 'an object with "rows"'),
        (json.dumps({"rows": [ROW], SECRET: 1}).encode(), 422, 'an object with "rows"'),
        (b'{"rows": {}}', 422, "1 to 1,000 rows"),
        (body(), 422, "1 to 1,000 rows"),
        (body(*[ROW] * 1001), 422, "1 to 1,000 rows"),
        (body(ROW, [1, 2, 3]), 422, "rows[1] must be an object"),
        (body({"spent": 1, "count": 2}), 422, "rows[0]: missing: 'recency'"),
        (body(ROW, {**ROW, "Spent": 1}), 422, "rows[1]: unknown: 'Spent'"),
        (body({"Spent": 1, "count": 2}), 422, "missing: 'recency', 'spent'; unknown: 'Spent'"),
        (body({**ROW, "x" * 65: 1, "a\nb": 1, "\ud800": 1}), 422, "unknown: 3 not shown"),
        (body({**ROW, **{f"c{n:02}": 1 for n in range(12)}}), 422, "'c09', 2 not shown"),
        (changed(spent=SECRET), 422, "rows[0]: 'spent' must be a finite number"),
        (changed(spent="81.5"), 422, "rows[0]: 'spent' must be a finite number"),
        (changed(spent=True), 422, "rows[0]: 'spent' must be a finite number"),
        (changed(spent=None), 422, "rows[0]: 'spent' must be a finite number"),
        (changed(spent=[81.5]), 422, "rows[0]: 'spent' must be a finite number"),
        (body(ROW).replace(b"81.5", b"1e400"), 422, "rows[0]: 'spent' must be a finite number"),
        (changed(spent=10**400), 422, "rows[0]: 'spent' must be a finite number"),
        (changed(entity=4711), 422, "rows[0]: entity must be a text"),
        (changed(entity=""), 422, "rows[0]: entity must be a text"),
        (changed(entity="\ud800"), 422, "rows[0]: entity must be a text"),
        (changed(entity=SECRET * 100), 422, "rows[0]: entity must be a text"),
    ],
)
def test_what_is_no_rows_of_numbers_is_refused_in_words_that_repeat_nothing(
    client: Client, sent: bytes, status: int, said: str
) -> None:
    answer = client.post(PATH, content=sent, headers={"content-type": "application/json"})

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["detail"]
    assert (answer.json()["model"], answer.json()["version"]) == ("returns", 1)
    assert SECRET not in answer.text and len(answer.text) < 500


def test_numbers_that_the_model_has_no_score_for_are_refused(
    fitted: dict[str, Artifact],
) -> None:
    promote(fitted["forest"])  # its trees compare in single precision
    with serve() as client:
        answer = client.predict({**ROW, "spent": 1e39})
        assert answer.status_code == 422
        assert "no score for such numbers" in answer.json()["detail"]
        assert client.predict({**ROW, "spent": 1e38}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_only_plain_json_is_read(client: Client, headers: dict[str, str]) -> None:
    assert client.post(PATH, content=body(ROW), headers=headers).status_code == 415


def test_without_the_token_there_is_nothing_but_the_probes(fitted: dict[str, Artifact]) -> None:
    promote(fitted["logistic"])
    with serve(token="a-token-of-many-signs") as client:
        for given in (None, "Bearer", "Bearer wrong", "Basic a-token-of-many-signs", "Bearer é"):
            headers = {} if given is None else {"authorization": given.encode()}
            refused = client.predict(ROW, headers=headers)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert refused.json()["version"] == 1
        right = {"authorization": "bearer a-token-of-many-signs"}
        assert client.predict(ROW, headers=right).status_code == 200
        for path in ("/metrics", "/docs", "/openapi.json"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers=right).status_code == 200
        for path in ("/health", "/ready"):
            assert client.get(path).status_code == 200
        refused = 'dayloop_api_requests_total{path="/metrics",status="401"} 1.0'
        assert refused in client.get("/metrics", headers=right).text


@pytest.mark.parametrize(("host", "token"), [("0.0.0.0", ""), ("127.0.0.1", "short"), ("::", "")])
def test_it_is_not_opened_to_others_without_a_token_worth_the_name(
    monkeypatch: pytest.MonkeyPatch, host: str, token: str
) -> None:
    monkeypatch.setenv(serving.TOKEN, token)
    with pytest.raises(UsageError, match=serving.TOKEN):
        serving.serve("returns", host=host, port=0, log=False)


def test_without_a_champion_it_lives_is_not_ready_and_begins_when_there_is_one(
    fitted: dict[str, Artifact],
) -> None:
    with serve() as client:
        assert client.get("/health").status_code == 200
        assert client.get("/ready").status_code == 503
        refused = client.predict(ROW)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["detail"] == "no champion serves"

        promote(fitted["logistic"])
        client.wait_for(1)
        assert client.predict(ROW).json()["version"] == 1


def test_a_new_champion_takes_over_and_the_old_one_after_a_rollback(
    client: Client, fitted: dict[str, Artifact]
) -> None:
    before = client.predict(ROW).json()

    promote(fitted["forest"])
    client.wait_for(2)
    assert client.predict(ROW).json()["scores"] != before["scores"]
    registry.rollback("returns", **WHO)
    client.wait_for(1)
    assert client.predict(ROW).json() == before
    assert client.count("dayloop_api_swaps_total") == 3


def spoil(home: Path, artifact: Artifact, file: str = artifacts.MODEL_FILE) -> None:
    path = home / artifact.path / file
    path.write_bytes(path.read_bytes()[:-1] + b"!")


@pytest.mark.parametrize("file", [artifacts.MODEL_FILE, artifacts.MANIFEST_FILE])
def test_a_corrupt_champion_leaves_the_old_one_serving_and_is_told(
    client: Client, fitted: dict[str, Artifact], home: Path, file: str
) -> None:
    promote(fitted["forest"])
    client.wait_for(2)
    spoil(home, fitted["logistic"], file)
    with pytest.raises(Exception):  # noqa: B017  promote itself refuses it
        promote(fitted["logistic"])
    force(fitted["logistic"])

    while not client.count("dayloop_api_look_failures_total"):
        pass
    assert client.predict(ROW).json()["version"] == 2
    assert client.get("/ready").status_code == 200


def force(artifact: Artifact) -> None:
    """Makes it the champion although it is damaged, as if it were damaged later."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_verify", lambda *_: None)
        promote(artifact)


@pytest.mark.parametrize("event", ["rejected", "retired"])
def test_a_rejected_or_retired_version_does_not_serve(client: Client, event: Any) -> None:
    registry.close("returns", 1, event, **WHO)

    client.wait_for(None)
    assert client.predict(ROW).status_code == 503


def test_a_retired_version_does_not_serve_on_in_place_of_a_corrupt_one(
    client: Client, fitted: dict[str, Artifact], home: Path
) -> None:
    registry.register("returns", fitted["forest"], **WHO)
    spoil(home, fitted["forest"])
    force(fitted["forest"])
    registry.close("returns", 1, "retired", **WHO)

    client.wait_for(None)
    assert client.predict(ROW).status_code == 503


def test_the_example_in_the_documentation_is_answered_as_it_says(client: Client) -> None:
    operation = client.get("/openapi.json").json()["paths"][PATH]["post"]
    asked = operation["requestBody"]["content"]["application/json"]["example"]
    answered = operation["responses"]["200"]["content"]["application/json"]["example"]

    assert client.post(PATH, json=asked).json() == answered
    assert client.get("/docs").status_code == 200


def test_requests_are_counted_by_path_and_status(client: Client) -> None:
    client.predict(ROW, ROW)
    client.predict({})
    client.get("/no/such/path")

    counted = 'dayloop_api_requests_total{path="%s",status="%s"}'
    assert client.count(counted % (PATH, 200)) == 1
    assert client.count(counted % (PATH, 422)) == 1
    assert client.count(counted % ("other", 404)) == 1
    assert client.count('dayloop_api_rows_total{model="returns",version="1"}') == 2
    assert client.count('dayloop_api_model_info{model="returns",version="1"}') == 1

"""The scoring API against bad company: half requests, giants, crowds, and swaps meanwhile."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.models.artifacts import Artifact
from core.serving import app as serving
from core.serving import champion as serving_champion
from core.serving import http as serving_http
from tests.core.serving.local_api import PATH, ROW, Client, body, head, promote, serve

MIB = 1 << 20
ENDED = (ConnectionResetError, BrokenPipeError)


@pytest.fixture
def client(fitted: dict[str, Artifact]) -> Iterator[Client]:
    promote(fitted["logistic"])
    with serve() as found:
        yield found


def answer(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    with connection:
        found = b""
        while chunk := connection.recv(1 << 16):
            found += chunk
    return found


def test_a_body_of_a_mebibyte_is_read_and_one_byte_more_is_not(client: Client) -> None:
    fits = body(ROW) + b" " * (MIB - len(body(ROW)))
    kind = {"content-type": "application/json"}
    assert client.post(PATH, content=fits, headers=kind).status_code == 200

    declared = client.post(PATH, content=fits + b" ", headers=kind)
    streamed = client.post(PATH, content=iter([fits, b" "]), headers=kind)

    assert [declared.status_code, streamed.status_code] == [413, 413]
    assert "1,048,576 bytes" in declared.json()["detail"]


def test_a_giant_is_refused_at_its_head(client: Client) -> None:
    connection = client.raw(head(10**9, "connection: close"))  # and nothing of the body

    assert answer(connection).startswith(b"HTTP/1.1 413")


def test_a_body_that_does_not_come_is_given_up(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "SECONDS", 0.2)
    connection = client.raw(head(100, "connection: close") + b"{")

    found = answer(connection)

    assert found.startswith(b"HTTP/1.1 408") and b"no answer within" in found


def slow(champion: serving_champion.Champion, seconds: float) -> threading.Event:
    """Has it think; returns what ends that."""
    done, score = threading.Event(), champion.score

    def think(numbers: serving_champion.Matrix) -> serving_champion.Matrix:
        done.wait(seconds)
        return score(numbers)

    object.__setattr__(champion, "score", think)
    object.__setattr__(champion, "seconds", seconds)
    return done


def test_a_model_that_thinks_too_long_is_a_503_and_the_process_lives(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "SECONDS", 0.2)
    assert client.api.serving.champion
    done = slow(client.api.serving.champion, 60)

    refused = client.predict(ROW)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert client.get("/health").status_code == 200
    done.set()


def test_more_than_it_can_do_at_once_is_refused_at_once(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "WAITING", 3)
    assert client.api.serving.champion
    done = slow(client.api.serving.champion, 60)
    ask = head(len(body(ROW)), "connection: close") + body(ROW)
    waiting = [client.raw(ask) for _ in range(3)]
    while client.count("dayloop_api_waiting") < 3:
        pass

    refused = client.predict(ROW)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    done.set()
    for connection in waiting:
        assert answer(connection).startswith(b"HTTP/1.1 200")
    assert client.predict(ROW).status_code == 200


def test_all_bodies_together_take_no_more_than_so_much_memory(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "HELD_BYTES", 3010)
    halves = [client.raw(head(2000) + b" " * 1000) for _ in range(3)]
    while client.count("dayloop_api_held_bytes") < 3000:
        pass

    refused = client.predict(ROW)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    halves[0].close()
    while client.count("dayloop_api_held_bytes") > 2000:
        pass
    assert client.predict(ROW).status_code == 200
    for connection in halves[1:]:
        connection.close()


def test_half_sent_requests_are_ended_and_others_are_served_meanwhile(
    fitted: dict[str, Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_http, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr(serving, "SECONDS", 1.0)
    promote(fitted["logistic"])
    halves = [b"", b"POST ", head(100)[:-2], head(100) + b"{", b"GET /health HTTP/1.1\r\n\r\n GET"]
    with serve() as client:
        held = [client.raw(halves[number % len(halves)]) for number in range(300)]
        assert client.predict(ROW).status_code == 200
        for connection in held:
            with connection:
                while connection.recv(1 << 16):
                    pass
        assert client.predict(ROW).status_code == 200


def test_drops_of_a_head_do_not_keep_a_connection(
    fitted: dict[str, Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_http, "HEAD_SECONDS", 0.5)
    with serve() as client:
        connection = client.raw(b"GET /health HTTP/1.1\r\nx: ")
        with connection, pytest.raises(ENDED):
            while True:
                connection.sendall(b"x")
                time.sleep(0.05)


def test_one_who_asks_and_never_reads_is_ended(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_http, "REQUEST_SECONDS", 0.5)
    ask = b"GET /metrics HTTP/1.1\r\nhost: api\r\n\r\n"
    with client.raw(ask) as connection, pytest.raises(ENDED):
        while True:
            connection.sendall(ask * 100)


def test_a_crowd_of_connections_is_kept_small(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_http, "MOST_CONNECTIONS", 10)
    held = [client.raw(b"") for _ in range(30)]
    ended = 0
    for connection in held[10:]:
        connection.settimeout(5)
        try:
            ended += connection.recv(1) == b""
        except ConnectionResetError:
            ended += 1
    assert ended == 20
    for connection in held:
        connection.close()


def test_what_is_no_http_is_a_400(client: Client) -> None:
    assert answer(client.raw(b"\x16\x03\x01 hello\r\n\r\n")).startswith(b"HTTP/1.1 400")


def test_who_hangs_up_half_way_leaves_nothing_behind(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        client.raw(head(100) + b"{").close()
    while client.count("dayloop_api_held_bytes"):
        pass

    assert client.predict(ROW).status_code == 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_swaps_drop_no_request(client: Client, fitted: dict[str, Artifact]) -> None:
    names = ["forest", "logistic", "boosting", "stump"]
    answers: list[tuple[int, int, float]] = []
    stop = threading.Event()

    def ask() -> None:
        with Client(base_url=client.base_url, timeout=30) as own:
            while not stop.is_set():
                found = own.predict(ROW)
                said = found.json()
                answers.append((found.status_code, said["version"], said["scores"][0]))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(8):
        client.wait_for(promote(fitted[names[number % len(names)]]))
    stop.set()
    for thread in threads:
        thread.join()

    assert {status for status, _, _ in answers} == {200}
    by_version = {version: {s for _, v, s in answers if v == version} for _, version, _ in answers}
    assert len(by_version) == 4
    assert all(len(scores) == 1 for scores in by_version.values())


def test_stopping_answers_first_what_was_asked(fitted: dict[str, Artifact], home: Path) -> None:
    promote(fitted["logistic"])
    with serve() as client:
        assert client.api.serving.champion
        slow(client.api.serving.champion, 0.5)
        connection = client.raw(head(len(body(ROW)), "connection: close") + body(ROW))
        while not client.count("dayloop_api_waiting"):
            pass
    assert answer(connection).startswith(b"HTTP/1.1 200")

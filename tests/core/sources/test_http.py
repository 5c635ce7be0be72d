"""HTTP APIs, on real sockets: what is whole is landed as it came, all else is said."""

import asyncio
import gzip
import logging
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from itertools import repeat
from pathlib import Path
from re import fullmatch
from typing import Any

import pytest
from pandera.pandas import Column, DataFrameSchema

from catalog.kinds import Cursor, Dataset, Http, LinkHeader, PageNumber
from core import lake, ledger
from core.errors import DayloopError, SourceFailed, SourceUnreachable, UsageError
from core.intervals import DAY, Interval
from core.load import loading, recording
from core.reader.pages import SEPARATOR
from core.sources import fetching, landing, paging, pull
from tests.core.alerting.local_receiver import Behaviour, Request, Server, serve
from tests.core.alerting.test_webhooks import _self_signed
from tests.core.sources.api_server import (
    chained,
    encoded,
    endless,
    head,
    in_turn,
    linked,
    numbered,
    path,
    query,
    raw,
    say,
)

FIRST = date(1998, 4, 1)
TOKEN = "TOKEN-4711"
ROWS = [[{"id": "1"}, {"id": "2"}], [{"id": "3"}], [{"id": "4"}]]
CSV = "id,n\n1,1\n2,2\n"
CHUNKED = head("transfer-encoding: chunked")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "FIRST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(fetching, "LAST_RETRY_SECONDS", 0.1)


def api(server: Server, at: str = "/v1/orders", **declared: Any) -> Http:
    return Http(url=f"http://127.0.0.1:{server.port}{at}", **declared)


def days(count: int = 1) -> Interval:
    return Interval(FIRST, FIRST + count * DAY)


def pulled(source: Http, interval: Interval | None = None) -> list[tuple[str, bytes]]:
    """Name and bytes of each arrival; names without the server's address."""
    found = []
    for arrival in pull(source, interval or days(), lambda name: f"{TOKEN}\n"):
        server, _, name = arrival.name.partition("/")
        assert server == source.url.split("/")[2]
        found.append((name, b"".join(arrival.chunks)))
    return found


def answers(behave: Behaviour, **declared: Any) -> list[bytes]:
    with serve(behave) as server:
        return [body for _, body in pulled(api(server, **declared))]


def refused(behave: Behaviour, **declared: Any) -> str:
    """Why a pull fails in a way that asking again does not mend."""
    with serve(behave) as server, pytest.raises(SourceFailed) as caught:
        pulled(api(server, **declared))
    return str(caught.value)


def unreachable(behave: Behaviour, **declared: Any) -> str:
    """Why a pull gives up."""
    with serve(behave) as server, pytest.raises(SourceUnreachable) as caught:
        pulled(api(server, **{"deadline_seconds": 0.8, **declared}))
    return str(caught.value)


def sequence(*bodies: Any) -> bytes:
    return b"".join(SEPARATOR + encoded(body) + b"\n" for body in bodies)


# What is asked for


def test_without_a_day_in_it_the_interval_is_asked_for_at_once() -> None:
    with serve(say([])) as server:
        source = api(server, params={"from": "{start}", "to": "{end}", "kind": "a b"})
        assert pulled(source, days(30)) == [
            ("v1/orders 1998-04-01 through 1998-04-30.json", sequence([]))
        ]
        assert [query(request) for request in server.seen] == [
            {"from": "1998-04-01", "to": "1998-05-01", "kind": "a b"}
        ]


@pytest.mark.parametrize("at", ["/v1/{day}", "/v1/orders"])
def test_with_a_day_in_it_each_day_is_asked_for_by_itself(at: str) -> None:
    with serve(lambda request: request.answer(200, encoded([request.path]))) as server:
        source = api(server, at, params={"day": "{day}", "until": "{end}"})
        arrivals = [
            (arrival.day, b"".join(arrival.chunks)) for arrival in pull(source, days(2), str)
        ]
        assert [day for day, _ in arrivals] == [FIRST, FIRST + DAY]
        where = at.replace("{day}", "1998-04-02")
        assert arrivals[1][1] == sequence([f"{where}?day=1998-04-02&until=1998-04-03"])


def test_the_pages_of_a_pull_share_a_connection() -> None:
    with serve(numbered(ROWS, [])) as server:
        pulled(api(server, pages=PageNumber()))
        assert len({request.client_address for request in server.seen}) == 1


def test_a_pull_can_be_made_inside_a_running_event_loop() -> None:
    async def inside() -> list[bytes]:
        return answers(numbered(ROWS, []), pages=PageNumber())

    assert asyncio.run(inside()) == [sequence(*ROWS, [])]


def test_a_pull_that_is_given_up_leaves_no_connection_and_no_thread_behind() -> None:
    with serve(numbered(ROWS, [])) as server:
        arrivals = pull(api(server, pages=PageNumber()), days(), str)
        chunks = iter(next(arrivals).chunks)
        assert next(chunks) == SEPARATOR
        assert "portal" in str(threading.enumerate())
        arrivals.close()
        assert "portal" not in str(threading.enumerate())
        assert len(server.seen) == 1


def test_a_token_is_sent_as_a_bearers_or_as_it_is_in_a_header_of_its_own() -> None:
    with serve(say([])) as server:
        pulled(api(server))
        pulled(api(server, token="SHOP_TOKEN"))
        pulled(api(server, token="SHOP_TOKEN", header="X-Api-Key"))
        bare, bearer, key = (request.headers for request in server.seen)
    assert (bare["authorization"], bare["accept-encoding"]) == (None, "identity")
    assert bearer["authorization"] == f"Bearer {TOKEN}"
    assert (key["authorization"], key["x-api-key"]) == (None, TOKEN)


@pytest.mark.parametrize("token", ["", " \n", "two\nlines", "schlüssel"])
def test_a_secret_that_no_header_can_take_is_named_and_not_shown(token: str) -> None:
    with serve(say([])) as server, pytest.raises(UsageError) as caught:
        list(pull(api(server, token="SHOP_TOKEN"), days(), lambda name: token))
    assert "SHOP_TOKEN is not one line" in str(caught.value)
    assert not token.strip() or token not in str(caught.value)


def test_the_allow_list_of_hosts_holds_for_sources_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYLOOP_ALLOWED_HOSTS", "api.example.com")
    assert "DAYLOOP_ALLOWED_HOSTS" in refused(say([]))


# Pages


@pytest.mark.parametrize(("first", "param"), [(1, "page"), (0, "p")])
def test_numbered_json_pages_end_with_one_without_rows(first: int, param: str) -> None:
    pages = [{"rows": rows} for rows in ROWS]
    behave = numbered(pages, {"rows": []}, param, first)
    how = PageNumber(param=param, first=first)
    got = answers(behave, pages=how, records="rows", params={"size": "2"})
    assert got == [sequence(*pages, {"rows": []})]


@pytest.mark.parametrize("after", ["id,n\n", "id,n", "id,n\r\n\r\n", ""])
def test_numbered_csv_pages_are_files_of_their_own_up_to_one_without_rows(after: str) -> None:
    with serve(numbered([CSV, "id,n\n3,3"], after)) as server:
        assert pulled(api(server, format="csv", pages=PageNumber())) == [
            ("v1/orders 1998-04-01 page 1.csv", CSV.encode()),
            ("v1/orders 1998-04-01 page 2.csv", b"id,n\n3,3"),
        ]


def test_numbered_jsonl_pages_end_with_an_empty_one() -> None:
    got = answers(numbered(['{"id": 1}\n', '{"id": 2}'], "\n"), format="jsonl", pages=PageNumber())
    assert got == [b'{"id": 1}\n', b'{"id": 2}']


def test_a_first_page_without_rows_is_landed_all_the_same() -> None:
    for kind, empty in {"csv": "id,n\n", "jsonl": "", "json": "[]"}.items():
        [got] = answers(numbered([], empty), format=kind, pages=PageNumber())
        assert got == (sequence([]) if kind == "json" else empty.encode())


def test_csv_in_utf_16_is_paged_too() -> None:
    pages = [text.encode("utf-16") for text in (CSV, "id,n\r\n")]
    got = answers(numbered(pages, ""), format="csv", encoding="utf-16", pages=PageNumber())
    assert got == pages[:1]


@pytest.mark.parametrize("last", [{"next": None}, {"next": ""}, {}])
def test_cursors_are_followed_to_a_page_that_names_none(last: dict[str, Any]) -> None:
    cursor = Cursor(param="after", path="next")
    with serve(chained(ROWS, last)) as server:
        [(name, got)] = pulled(api(server, pages=cursor, records="data.rows", params={"a": "b"}))
        asked = [query(request) for request in server.seen]
    assert name == "v1/orders 1998-04-01.json"
    assert got.count(SEPARATOR) == 3
    assert asked == [{"a": "b"}, {"a": "b", "after": "c1"}, {"a": "b", "after": "c2"}]


def test_a_cursor_may_be_a_number_deep_in_the_page() -> None:
    pages = [{"meta": {"more": {"at": 0}}}, {"meta": {"more": None}}]
    with serve(in_turn(*map(say, pages))) as server:
        pulled(api(server, pages=Cursor(param="at", path="meta.more.at")))
        assert [query(request) for request in server.seen] == [{}, {"at": "0"}]


@pytest.mark.parametrize("found", [["x"], {"x": 1}, True, 1.5, "\ud800", "x" * 70_000])
def test_a_cursor_that_cannot_be_one_is_refused(found: Any) -> None:
    said = refused(say({"next": found}), pages=Cursor(param="after", path="next"))
    assert "page 1: what stands at 'next' is no cursor; correct source.pages.path" in said
    assert len(said) < 200


@pytest.mark.parametrize(
    "link",
    [
        '</v1/orders?p={}>; rel="next"',
        "<?p={}>; REL=Next",
        '<http://127.0.0.1:{port}/v1/orders?p={}>; rel="prefetch next"; title="last"',
        '</v1/a,b;c?p=9>; rel="prev", <?p={}>;rel=next, <?p=7>; rel="last"',
        r'<?p=9>; title="<?p=8>; rel=next, \"<?p=7>; rel=next"; rel=prev , <?p={}> ; rel = next',
        '<?p=9>; rel="last"; rel="next", <?p={}>; rel="next"',
    ],
)
def test_link_headers_are_followed(link: str) -> None:
    with serve() as server:
        server.behave = linked(
            ROWS, lambda n: link.replace("{}", str(n)).replace("{port}", str(server.port))
        )
        [(_, got)] = pulled(api(server, pages=LinkHeader(), params={"size": "2"}))
        assert got == sequence(*ROWS)
        assert [query(request) for request in server.seen] == [
            {"size": "2"},
            {"p": "1"},
            {"p": "2"},
        ]


@pytest.mark.parametrize("header", ["", "next", "<>", '<?p=1; rel="next"', '<?p=1>; rel="nexts"'])
def test_a_header_that_names_no_next_page_names_none(header: str) -> None:
    assert paging.next_link(header) is None


def test_several_link_headers_are_one() -> None:
    page = head("content-length: 2", "link: </a>; rel=prev", "link: </b>; rel=next") + b"[]"
    with serve(in_turn(raw(page), say([]))) as server:
        pulled(api(server, pages=LinkHeader()))
        assert path(server.seen[1]) == "/b"


def test_linked_csv_pages_are_files_of_their_own() -> None:
    pages = [CSV, CSV, "id,n\n", CSV]  # which say nothing about how many there are
    behave = linked(pages, lambda number: f"<?p={number}>; rel=next")
    got = answers(behave, format="csv", pages=LinkHeader())
    assert got == [page.encode() for page in pages]


def test_a_relative_link_is_one_from_where_the_page_was_found() -> None:
    moved, page = say("", 302, location="/v2/orders"), say([], link="<more>; rel=next")
    with serve(in_turn(moved, page, say([]))) as server:
        pulled(api(server, pages=LinkHeader()))
        assert [path(request) for request in server.seen][1:] == ["/v2/orders", "/v2/more"]


@pytest.mark.parametrize(
    "how", [PageNumber(), Cursor(param="after", path="next"), LinkHeader(), None]
)
@pytest.mark.parametrize("body", ["<html>sorry</html>", '{"next": "a",', "[" * 100_000, b"\xff"])
def test_a_page_that_is_not_json_is_kept_and_the_last(how: Any, body: Any) -> None:
    with serve(say(body)) as server:
        [(_, got)] = pulled(api(server, pages=how))
        assert got == sequence(body)
        assert len(server.seen) == 1


def test_a_page_is_given_out_before_anything_looks_at_it() -> None:
    got = b""
    with serve(say({"next": ["x"]})) as server, pytest.raises(SourceFailed, match="no cursor"):
        how = Cursor(param="after", path="next")
        for arrival in pull(api(server, pages=how), days(), str):
            for chunk in arrival.chunks:
                got += chunk
    assert got == sequence({"next": ["x"]})


def test_204_says_that_there_is_nothing_or_no_more() -> None:
    nothing: Behaviour = raw(head(status="204 No Content"))
    assert answers(nothing) == []
    assert answers(in_turn(say([1]), nothing), pages=PageNumber()) == [sequence([1])]
    assert answers(in_turn(say(CSV), nothing), pages=PageNumber(), format="csv") == [CSV.encode()]
    with serve(in_turn(nothing, say([]))) as server:
        found = [arrival.day for arrival in pull(api(server, "/{day}"), days(2), str)]
    assert found == [FIRST + DAY]


def test_an_empty_answer_is_no_json_and_asked_for_again() -> None:
    assert answers(in_turn(say(""), say([]))) == [sequence([])]
    assert "answered with nothing, which is not JSON" in unreachable(say(""))


# What never ends


def test_more_pages_than_declared_are_refused() -> None:
    said = refused(numbered(ROWS, []), pages=PageNumber(), max_pages=2)
    assert "page 3: is not the last; ask for less at once, or raise source.max_pages" in said
    assert answers(numbered(ROWS, []), pages=PageNumber(), max_pages=3) == [sequence(*ROWS, [])]
    cursor = Cursor(param="after", path="next")
    assert "page 2: is not" in refused(chained(ROWS, {}), pages=cursor, max_pages=2)
    assert len(answers(chained(ROWS, {}), pages=cursor, max_pages=3)) == 1


def test_a_server_that_ignores_the_number_of_the_page_is_found_out() -> None:
    said = refused(say([1]), pages=PageNumber(param="seite"))
    assert "page 2: is the same as the page before it; correct source.pages.param" in said
    assert "page before" in refused(say(CSV), pages=PageNumber(), format="csv")


def test_a_cursor_or_link_that_comes_again_is_refused() -> None:
    circle = in_turn(*map(say, [{"next": "a"}, {"next": "b"}, {"next": "a"}]))
    said = refused(circle, pages=Cursor(param="after", path="next"))
    assert "page 3: names as the next page one that was there already" in said
    circle = say([], link='<>; rel="next"')
    assert "page 1: names as the next page" in refused(circle, pages=LinkHeader())


def test_an_endless_body_ends_at_the_declared_size() -> None:
    said = refused(endless(repeat(b"x" * 65536)), max_bytes=1 << 20)
    assert "sends more than 1,048,576 bytes in all; ask for less at once" in said


def test_the_size_is_that_of_all_pages_together() -> None:
    pages = [["x" * 80], ["y" * 80], ["z" * 80]]
    for most, fits in [(254, True), (253, False)]:
        with serve(numbered(pages, [])) as server:
            source = api(server, pages=PageNumber(), max_bytes=most)
            if fits:
                assert pulled(source) == [("v1/orders 1998-04-01.json", sequence(*pages, []))]
            else:
                with pytest.raises(SourceFailed, match="page 4: sends more than 253 bytes"):
                    pulled(source)


# Tries, and their end


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_go_away_is_asked_for_again(status: int) -> None:
    with serve(in_turn(say("", status), say("", status), say([1]))) as server:
        assert pulled(api(server)) == [("v1/orders 1998-04-01.json", sequence([1]))]
        assert len(server.seen) == 3


def test_after_the_deadline_it_says_how_often_it_tried_and_what_came_last() -> None:
    with serve(say("", 503)) as server, pytest.raises(SourceUnreachable) as caught:
        pulled(api(server, deadline_seconds=1.5))
    said = r".*/v1/orders 1998-04-01: not to be had within 1.5 s \(tries: (\d+); the last: (.*)\)"
    found = fullmatch(said, str(caught.value))
    assert found
    assert found[2] == "answered 503"
    assert int(found[1]) - len(server.seen) in (0, 1)  # the last may not have got there
    assert len(server.seen) >= 3


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []

    async def note(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr(fetching, "_sleep", note)
    return found


def test_retry_after_is_honoured_in_seconds_and_as_a_date(waits: list[float]) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    behave = in_turn(say("", 429, retry_after="7"), say("", 503, retry_after=soon), say([]))
    assert answers(behave) == [sequence([])]
    assert waits[0] == 7
    assert 60 < waits[1] <= 90


def test_a_wait_beyond_the_deadline_is_not_begun(waits: list[float]) -> None:
    said = unreachable(say("", 429, retry_after="601"), deadline_seconds=600)
    assert "(tries: 1; the last: answered 429, asking to wait 601 s)" in said
    assert waits == []


def test_waits_double_and_are_jittered(waits: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "FIRST_RETRY_SECONDS", 1.0)
    monkeypatch.setattr(fetching, "LAST_RETRY_SECONDS", 60.0)
    assert answers(in_turn(*repeat(say("", 500), 9), say([])))
    assert all(
        low <= wait <= 2 * low
        for wait, low in zip(waits, [0.5, 1, 2, 4, 8, 16, 30, 30, 30], strict=True)
    )
    assert len(set(waits)) == 9


BREAKS = {
    "a length that is too long": head("content-length: 99") + CSV[:8].encode(),
    "chunks cut off": CHUNKED + b"5\r\nid,n\n\r\n9\r\n1,1\n",
    "no last chunk": CHUNKED + b"5\r\nid,n\n\r\n",
    "no end of the last chunk": CHUNKED + b"5\r\nid,n\n\r\n0\r\n",
    "headers cut off": b"HTTP/1.1 200 OK\r\ncontent-le",
    "nothing": b"",
    "no HTTP": b"\x00\x01 hello\r\n\r\n",
}


@pytest.mark.parametrize("broken", BREAKS.values(), ids=BREAKS)
def test_a_body_that_breaks_off_is_asked_for_again_and_no_byte_is_doubled(broken: bytes) -> None:
    with serve(in_turn(raw(broken), raw(broken), say(CSV))) as server:
        assert pulled(api(server, format="csv")) == [("v1/orders 1998-04-01.csv", CSV.encode())]
        assert len(server.seen) == 3
    assert "its answer broke off, or is no HTTP" in unreachable(raw(broken), format="csv")


@pytest.mark.parametrize("framing", ["content-length: 13", "transfer-encoding: chunked"])
def test_wherever_an_answer_is_cut_the_body_comes_whole_and_once(framing: str) -> None:
    body = b"9\r\nid,n\n1,1\n\r\n4\r\n2,2\n\r\n0\r\n\r\n" if "chunked" in framing else CSV.encode()
    answer = head(framing) + body
    with serve() as server:
        source = api(server, format="csv")
        for cut in range(len(answer)):
            server.behave = in_turn(raw(answer[:cut]), raw(answer))
            assert [got for _, got in pulled(source)] == [CSV.encode()]
        assert len(server.seen) == 2 * len(answer)


def test_a_reset_in_the_middle_of_a_body_is_asked_for_again() -> None:
    def reset(request: Request) -> None:
        request.wfile.write(head("content-length: 13") + b"id,n\n1,1\n")
        request.reset()

    assert answers(in_turn(reset, say(CSV)), format="csv") == [CSV.encode()]
    assert "the last: " in unreachable(reset, format="csv")


def test_a_page_that_breaks_off_is_asked_for_again_by_itself() -> None:
    broken = raw(head("content-length: 99") + b'{"data"')
    left = iter([False, True, False, False])

    def behave(request: Request) -> None:
        (broken if next(left) else whole)(request)

    whole = chained(ROWS, {})
    with serve(behave) as server:
        [(_, got)] = pulled(api(server, pages=Cursor(param="after", path="next")))
        assert [query(request).get("after") for request in server.seen] == [None, "c1", "c1", "c2"]
    assert got.count(SEPARATOR) == got.count(b'"rows"') == 3


def test_nobody_listening_is_unreachable() -> None:
    with serve(say([])) as server:
        source = api(server, deadline_seconds=0.3)
    with pytest.raises(SourceUnreachable, match="the last: connection refused"):
        pulled(source)


def test_an_unknown_host_is_unreachable() -> None:
    source = Http(url="http://no-such-host.invalid/x", deadline_seconds=2)
    with pytest.raises(SourceUnreachable, match="x 1998-04-01: .* its host name has no address"):
        pulled(source)


def test_a_certificate_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = _self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with serve(say([])) as server:
        # Each handshake in its request's thread: the deadline may end one half way.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        source = Http(url=f"https://localhost:{server.port}/x", deadline_seconds=2)
        with pytest.raises(SourceUnreachable, match="its certificate is not trusted"):
            pulled(source)
        assert server.seen == []
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        assert pulled(source) == [("x 1998-04-01.json", sequence([]))]


def drip(pieces: bytes) -> Behaviour:
    return raw(*(bytes([byte]) for byte in pieces), pause=0.05)


SLOW = {
    "body": lambda: raw(head("content-length: 99"), *[b"."] * 99, pause=0.05),
    "chunk": lambda: raw(CHUNKED, *[b"1\r\n.\r\n"] * 99, pause=0.05),
    "frame of a chunk": lambda: raw(CHUNKED + b"1", *[b";"] * 99, pause=0.05),
    "header": lambda: drip(head("x: " + "y" * 99)),
    "silence": lambda: raw(head("content-length: 9"), pause=5),
}


@pytest.mark.parametrize("slow", SLOW.values(), ids=SLOW)
def test_what_drips_ends_at_the_deadline(slow: Any) -> None:
    began = time.monotonic()
    said = unreachable(slow(), deadline_seconds=1)
    assert time.monotonic() - began < 4  # each would take 5 s
    assert "not to be had within 1 s" in said


def test_a_name_server_that_keeps_silent_does_not_hold_the_deadline_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(8))
    began = time.monotonic()
    with pytest.raises(SourceUnreachable):
        pulled(Http(url="http://api.example.com/x", deadline_seconds=0.5))
    assert time.monotonic() - began < 4


def test_the_deadline_is_that_of_all_pages_together() -> None:
    numbers = iter(range(1000))

    def behave(request: Request) -> None:
        time.sleep(0.1)
        request.answer(200, encoded([next(numbers)]))

    assert "not to be had within 0.8 s" in unreachable(behave, pages=PageNumber())


# What asking again does not mend


@pytest.mark.parametrize(
    ("status", "todo"),
    [
        (401, "check the secret SHOP_TOKEN"),
        (403, "check the secret SHOP_TOKEN"),
        (404, "correct source.url"),
        (410, "correct source.url"),
        (400, "correct source.params"),
        (422, "correct source.params"),
        (405, "ask upstream, or correct source"),
        (202, "ask upstream"),
        (206, "ask upstream"),
        (304, "ask upstream"),
    ],
)
def test_other_answers_are_refused_with_what_to_do(status: int, todo: str) -> None:
    with serve(say("", status)) as server, pytest.raises(SourceFailed) as caught:
        pulled(api(server, "/v1/{day}", token="SHOP_TOKEN"))
    assert f"/v1/1998-04-01 1998-04-01: answered {status}; {todo}" in str(caught.value)
    assert len(server.seen) == 1


def test_401_without_a_token_says_where_to_name_one() -> None:
    assert "answered 401; name its secret in source.token" in refused(say("", 401))


def test_a_body_that_would_look_whole_wherever_it_was_cut_is_refused() -> None:
    said = refused(raw(head() + CSV.encode()), format="csv")
    assert "says neither how long its answer is nor where it ends" in said
    assert said.endswith("ask upstream, or declare source.end_marker")


def test_more_bytes_than_announced_are_refused_and_never_taken_for_the_next_answer() -> None:
    short = say(CSV, content_length="9")  # beside the right one: refused by any client
    assert "broke off, or is no HTTP" in unreachable(short, format="csv")
    for more in (b"2,2\n", head("content-length: 2") + b"[]"):
        page = head("content-length: 9") + b"id,n\n1,1\n" + more
        assert "sends more bytes than it announces" in refused(raw(page), format="csv")
    late = CHUNKED + b"5\r\nid,n\n\r\n0\r\n\r\n1,1\n"
    assert "sends more bytes than it announces" in refused(raw(late), format="csv")


@pytest.mark.parametrize("framing", [[], ["content-length: 15"], ["transfer-encoding: chunked"]])
def test_a_declared_end_marker_is_demanded_of_every_body(framing: list[str]) -> None:
    def framed(body: bytes) -> Behaviour:
        chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        return raw(head(*framing) + (chunks if "chunked" in str(framing) else body))

    whole, cut = b"id,n\n1,1\n#EOF\r\n", b"id,n\n1,1\n2,2\n3,"
    declared = {"format": "csv", "end_marker": "#EOF"}
    assert answers(framed(whole), **declared) == [whole]
    assert answers(in_turn(framed(cut), framed(whole)), **declared) == [whole]
    assert "does not end with source.end_marker" in unreachable(framed(cut), **declared)


def test_an_end_marker_is_text_in_the_source_s_encoding_and_may_be_a_line_end() -> None:
    text = "id,n\n" + "ä,1\n" * 5000 + "Ende\n "
    body = raw(head() + text.encode("utf-16"))
    assert answers(body, format="csv", encoding="utf-16", end_marker="Ende")
    assert answers(raw(head() + b"id,n\n"), format="csv", end_marker="\n")
    assert "end_marker" in unreachable(raw(head() + b"id,n"), format="csv", end_marker="\n")


def test_a_packed_answer_is_refused() -> None:
    said = refused(say(gzip.compress(b"[]"), content_encoding="gzip"))
    assert "sends it packed (Content-Encoding), though asked not to" in said
    assert answers(say([], content_encoding="identity")) == [sequence([])]


# Where it leads


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_on_the_same_server_are_followed(status: int) -> None:
    def behave(request: Request) -> None:
        if path(request) == "/v1/orders":
            request.answer(status, b"moved", location="../v2/orders?x=1#there")
        else:
            request.answer(200, encoded([request.path]))

    with serve(behave) as server:
        assert pulled(api(server, token="SHOP_TOKEN")) == [
            ("v1/orders 1998-04-01.json", sequence(["/v2/orders?x=1"]))
        ]
        assert server.seen[1].headers["authorization"] == f"Bearer {TOKEN}"


def test_redirects_in_a_circle_are_refused() -> None:
    with serve(say("", 302, location="?again")) as server, pytest.raises(SourceFailed) as caught:
        pulled(api(server))
    assert "redirects over and over; correct source.url" in str(caught.value)
    assert len(server.seen) == 6


def test_no_other_server_is_asked_nor_told_the_token() -> None:
    with serve() as other, serve() as server:
        here, there = (f"http://127.0.0.1:{each.port}" for each in (server, other))
        lead = f"{there}/x?key=hidden"
        for behave, verb in [
            (say("", 307, location=lead), "redirects"),
            (say([], link=f"<{lead}>; rel=next"), "its header Link leads"),
        ]:
            server.behave = behave
            with pytest.raises(SourceFailed) as caught:
                pulled(api(server, token="SHOP_TOKEN", pages=LinkHeader()))
            assert f"{verb} from {here} to {there}, and no other" in str(caught.value)
            assert "hidden" not in str(caught.value)
        assert other.seen == []


@pytest.mark.parametrize(
    "lead",
    ["https://127.0.0.1:{}/", "http://localhost:{}/", "//u:p@localhost:{}/", "http://127.0.0.1/"]
    + ["ftp://127.0.0.1:{}/", "http://127.0.0.1:{}@evil.example/", "file:///etc/passwd"],
)
def test_another_scheme_host_or_port_is_another_server(lead: str) -> None:
    with serve() as server:
        server.behave = say("", 302, location=lead.format(server.port))
        with pytest.raises(SourceFailed, match="no other server") as caught:
            pulled(api(server))
        assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("lead", ["http://127.0.0.1:port/", "http://[::1/", "/\x01"])
def test_a_redirect_to_nowhere_is_refused(lead: str) -> None:
    assert "to an address that is none" in refused(say("", 302, location=lead))


# Secrets

LEAKS: dict[str, tuple[Behaviour, dict[str, Any]]] = {
    "401": (say(f"{TOKEN}?", 401, x_echo=TOKEN), {}),
    "500": (lambda request: request.answer(500, encoded(str(request.headers))), {}),
    "429": (say("", 429, retry_after="9999"), {}),
    "broken": (raw(head("content-length: 9")), {}),
    "no HTTP": (raw(TOKEN.encode() + b"\r\n\r\n"), {}),
    "bad length": (raw(head(f"content-length: {TOKEN}")), {}),
    "redirect": (say("", 302, location=f"http://evil.example/{TOKEN}"), {}),
    "bad redirect": (say("", 302, location=f"http://[{TOKEN}]:{TOKEN}/"), {}),
    "link": (say([], link=f"<http://evil.example/?{TOKEN}>; rel=next"), {"pages": LinkHeader()}),
    "repeated": (say({"next": TOKEN}), {"pages": Cursor(param="next", path="next")}),
    "cursor": (say({"next": [TOKEN]}), {"pages": Cursor(param="next", path="next")}),
    "slow": (drip(head(*["x: y"] * 99)), {}),
}


@pytest.mark.parametrize(("behave", "declared"), LEAKS.values(), ids=LEAKS)
def test_no_failure_tells_the_token_or_the_query(
    behave: Behaviour, declared: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with serve(behave) as server, pytest.raises(DayloopError) as caught:
        source = api(server, token="SHOP_TOKEN", deadline_seconds=0.5, params={"q": "QUERY-1"})
        pulled(Http(**{**vars(source), **declared}))
    told = caplog.text + "".join(traceback.format_exception(caught.value))
    for error in chain(caught.value):
        assert isinstance(error, DayloopError)
        told += repr(error) + repr(vars(error))
    assert TOKEN not in told
    assert "QUERY-1" not in caplog.text + str(caught.value)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def test_the_token_is_in_no_variable_that_a_traceback_with_variables_shows() -> None:
    with serve(say("", 401)) as server, pytest.raises(SourceFailed) as caught:
        pulled(api(server, token="SHOP_TOKEN"))
    stack = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    ours = [frame for frame in stack if f"{Path(fetching.__file__).parent}" in frame.filename]
    assert {"pull", "fetch", "_try", "_take"} <= {frame.name for frame in ours}
    assert TOKEN not in str([frame.locals for frame in ours])


def test_a_pull_that_goes_well_logs_no_address(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    got = answers(
        numbered(ROWS, []), token="SHOP_TOKEN", params={"q": "QUERY-1"}, pages=PageNumber()
    )
    assert got
    assert TOKEN not in caplog.text
    assert "QUERY-1" not in caplog.text


# To the table

SCHEMA = DataFrameSchema(
    {"id": Column(str), "at": Column("datetime64[us, UTC]"), "amount": Column(float)}
)


def orders(source: Http) -> Dataset:
    return Dataset(name="orders", owner="me", source=source, schema=SCHEMA, day="at")


def load(declared: Dataset, interval: Interval) -> recording.Loaded:
    return loading.load(
        declared, interval, landing.land(declared, interval, lambda name: f"{TOKEN}\n")
    )


def shop(request: Request) -> None:
    """Orders by day or interval, two a page: 3 a day, each with its day."""
    asked = query(request)
    start = date.fromisoformat(asked.get("day") or asked["from"])
    end = date.fromisoformat(asked["to"]) if "to" in asked else start + DAY
    count = 3 * (end - start).days
    rows = [
        {"id": f"{n:05}", "at": f"{start + n // 3 * DAY}T08:00:00Z", "amount": n / 2}
        for n in range(count)
    ]
    number = int(asked.get("after", "0"))
    more = number + 2 if number + 2 < count else None
    request.answer(200, encoded({"rows": rows[number : number + 2], "meta": {"next": more}}))


@pytest.mark.parametrize(
    "params", [{"day": "{day}"}, {"from": "{start}", "to": "{end}"}], ids=["a day", "an interval"]
)
def test_an_api_is_landed_and_loaded(params: dict[str, str], home: Path) -> None:
    with serve(shop) as server:
        source = api(
            server,
            params=params,
            records="rows",
            pages=Cursor(param="after", path="meta.next"),
            token="SHOP_TOKEN",
        )
        declared = orders(source)
        loaded = load(declared, days(2))
        assert (loaded.rows_good, loaded.rows_bad, loaded.days_loaded) == (6, 0, 2)
        assert not load(declared, days(2)).changed
    rows = lake.read("orders")
    assert rows is not None
    assert sorted(rows["at"].to_pylist()) == [
        datetime(1998, 4, day, 8, tzinfo=UTC) for day in (1, 1, 1, 2, 2, 2)
    ]
    assert ledger.trust("orders", days(2)).trusted
    landed = list((home / "landing" / "orders").iterdir())
    assert [file.suffix for file in landed] == [".json"] * (2 if "day" in params else 1)


def test_csv_pages_are_loaded_together(home: Path) -> None:
    pages = [f"id,at,amount\n{n},{FIRST},1\n" for n in range(3)]
    with serve(numbered(pages, "id,at,amount\n")) as server:
        declared = orders(api(server, "/{day}.csv", format="csv", pages=PageNumber()))
        assert load(declared, days()).rows_good == 3
    assert len(list((home / "landing" / "orders").iterdir())) == 3


def test_an_html_page_with_status_200_is_landed_and_refused_by_the_reader(home: Path) -> None:
    for kind, says in {"json": "page 1 is not JSON", "csv": "HTML", "jsonl": "HTML"}.items():
        with serve(say("<html>down for maintenance</html>")) as server:
            declared = orders(api(server, "/{day}", format=kind, records="rows"))
            [(day, reason)] = load(declared, days()).refused
        assert day == FIRST
        assert says in reason
    assert len(list((home / "landing" / "orders").iterdir())) == 3


def test_a_source_that_has_nothing_yet_is_worth_another_try(home: Path) -> None:
    nothing = pytest.raises(SourceUnreachable, match="orders 1998-04-01: .* has nothing for it")
    with serve(raw(head(status="204 No Content"))) as server, nothing:
        load(orders(api(server)), days())


def test_landing_says_which_dataset_could_not_be_had_and_where_to_correct_it(home: Path) -> None:
    with serve(say("", 404)) as server, pytest.raises(SourceFailed) as caught:
        load(orders(api(server, "/v1/{day}")), days())
    assert str(caught.value) == (
        f"orders 1998-04-01: 127.0.0.1:{server.port}/v1/1998-04-01 1998-04-01: answered 404; "
        "correct source.url"
    )
    assert not list((home / "landing" / "orders").glob("*"))

import asyncio
import base64
import logging
import ssl
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.alerting import addresses, webhooks
from core.alerting.addresses import AddressRefused, is_public, resolve
from core.alerting.webhooks import Answer, Line, judge, sign, verify
from tests.core.alerting.local_receiver import Request, serve

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
BODY = '{"test": 2432232314}'
THEN = datetime.fromtimestamp(1614265330, UTC)


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYLOOP_ALLOW_PRIVATE", "1")
    monkeypatch.delenv("DAYLOOP_ALLOWED_HOSTS", raising=False)


def post(url: str, body: bytes = b"{}", *, seconds: float = 5) -> Answer:
    async def once() -> Answer:
        line = Line(url)
        try:
            return await line.request("POST", body, seconds=seconds)
        finally:
            await line.close()

    return asyncio.run(once())


def signed(
    signature: str, *, timestamp: str = "1614265330", message_id: str = ID
) -> dict[str, str]:
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": signature,
    }


GOOD = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


# The vectors published with Standard Webhooks (tests of its libraries, testdata).
@pytest.mark.parametrize(
    ("timestamp", "body", "expected"),
    [
        (1614265330, BODY, GOOD),
        (
            1696200454,
            '{"type": "example.created", "timestamp":"2023-09-28T19:20:22+00:00", '
            '"data":{"str":"string","bool":true,"int":42}}',
            "v1,GgjvufBlIj71MBIVQotYGb+xEC3LNXCsIZp0HsDC8qs=",
        ),
    ],
)
def test_the_published_vectors_are_signed_and_verified(
    timestamp: int, body: str, expected: str
) -> None:
    assert sign([SECRET], ID, timestamp, body.encode()) == expected
    at = datetime.fromtimestamp(timestamp, UTC)
    assert verify([SECRET], signed(expected, timestamp=str(timestamp)), body, now=at)


@pytest.mark.parametrize(
    "secret", [SECRET, SECRET.removeprefix("whsec_"), OTHER, OTHER.rstrip("=")]
)
def test_a_secret_works_with_and_without_prefix_and_padding(secret: str) -> None:
    headers = signed(sign([secret], ID, 1614265330, BODY.encode()))
    whole = OTHER if secret.startswith(OTHER[:12]) else SECRET
    assert verify([whole], headers, BODY, now=THEN)
    assert verify([secret], headers, BODY.encode(), now=THEN)


def test_a_rotation_signs_with_both_secrets_and_either_verifies() -> None:
    headers = signed(sign([OTHER, SECRET], ID, 1614265330, BODY.encode()))
    assert headers["webhook-signature"].count("v1,") == 2
    assert verify([SECRET], headers, BODY, now=THEN)
    assert verify([OTHER], headers, BODY, now=THEN)


def test_a_receiver_in_rotation_takes_the_old_secret_and_the_new() -> None:
    assert verify([OTHER, SECRET], signed(GOOD), BODY, now=THEN)


def test_one_good_signature_among_others_is_enough() -> None:
    wrong = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
    several = f"{wrong} {wrong.replace('v1', 'v2')} {GOOD} {wrong}"
    assert verify([SECRET], signed(several), BODY, now=THEN)


def test_names_of_headers_are_read_in_any_case() -> None:
    headers = {name.title(): value for name, value in signed(GOOD).items()}
    assert verify([SECRET], headers, BODY, now=THEN)


@pytest.mark.parametrize("seconds", [-300, 300])
def test_five_minutes_early_or_late_is_accepted(seconds: int) -> None:
    assert verify([SECRET], signed(GOOD), BODY, now=THEN + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-301, 301])
def test_more_than_five_minutes_early_or_late_is_not(seconds: int) -> None:
    assert not verify([SECRET], signed(GOOD), BODY, now=THEN + timedelta(seconds=seconds))


def test_a_clock_of_another_zone_verifies_too() -> None:
    there = THEN.astimezone(timezone(timedelta(hours=-7)))
    assert verify([SECRET], signed(GOOD), BODY, now=there)


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "v1",
        "v1,",
        "v2" + GOOD[2:],
        GOOD[:-1],
        GOOD + "=",
        GOOD.replace("v1,", ""),
        "v1,é",
        " , ",
    ]
    + ["v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA=", GOOD.replace(" ", "\t") + "\t" + GOOD],
)
def test_a_wrong_signature_is_false(signature: str) -> None:
    assert verify([SECRET], signed(signature), BODY, now=THEN) is False


@pytest.mark.parametrize(
    "timestamp",
    ["", "hello", "1e9", "-1614265330", "1614265330.0", "１６１４２６５３３０", "9" * 400]
    + [" 1614265330", "nan", "inf"],
)
def test_a_malformed_timestamp_is_false(timestamp: str) -> None:
    assert verify([SECRET], signed(GOOD, timestamp=timestamp), BODY, now=THEN) is False


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_false(missing: str) -> None:
    headers = signed(GOOD)
    del headers[missing]
    assert verify([SECRET], headers, BODY, now=THEN) is False


def test_a_changed_body_or_id_is_false() -> None:
    assert not verify([SECRET], signed(GOOD), BODY + " ", now=THEN)
    assert not verify([SECRET], signed(GOOD, message_id="other"), BODY, now=THEN)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from(list(signed(""))), st.text() | st.none()))
def test_no_headers_whatever_crash_it(headers: dict[str, str]) -> None:
    assert verify([SECRET], headers, BODY, now=THEN) is False


def test_no_secret_verifies_nothing() -> None:
    assert verify([], signed(GOOD), BODY, now=THEN) is False


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_%%%", "whsec_é"])
def test_an_empty_or_broken_secret_is_an_error_that_does_not_show_it(secret: str) -> None:
    with pytest.raises(ValueError, match="^a webhook secret is whsec_ and base64$"):
        verify([secret], signed(GOOD), BODY, now=THEN)


PRIVATE = (
    "127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 100.127.255.255 0.0.0.0 "
    "192.0.0.192 192.0.2.1 198.18.0.1 198.51.100.7 203.0.113.9 224.0.0.1 239.1.1.1 240.0.0.1 "
    "255.255.255.255 168.63.129.16 ::1 :: fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 ff02::1 "
    "64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 2002:7f00:1:: 2002:a00:1:: 2001:db8::1 "
    "2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 3fff::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 "
    "::127.0.0.1 fec0::1 100::1 5f00::1"
)


@pytest.mark.parametrize("address", PRIVATE.split())
def test_private_and_special_addresses_are_told_apart(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "100.63.255.255", "172.32.0.1", "223.255.255.255", "192.0.1.1"]
    + ["2606:4700:4700::1111", "64:ff9b::808:808", "2002:808:808::"],
)
def test_public_addresses_pass(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_this_machine_is_allowed_where_it_is_written_out(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAYLOOP_ALLOW_PRIVATE")
    assert asyncio.run(resolve(host, 80, encrypted=False))
    monkeypatch.setenv("DAYLOOP_ALLOWED_HOSTS", "hooks.example.com")
    with pytest.raises(AddressRefused, match="DAYLOOP_ALLOWED_HOSTS"):
        asyncio.run(resolve(host, 80))


@pytest.mark.parametrize(
    "host", ["127.0.0.2", "127.1", "2130706433", "0x7f000001", "::ffff:7f00:1", "017700000001"]
)
def test_loopback_is_refused_however_it_is_disguised(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAYLOOP_ALLOW_PRIVATE")
    with pytest.raises(AddressRefused, match="DAYLOOP_ALLOW_PRIVATE"):
        asyncio.run(resolve(host, 80))


def test_a_refused_address_is_a_failure_with_its_reason_and_nothing_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DAYLOOP_ALLOW_PRIVATE")
    with serve() as server:
        answer = post(server.url.replace("127.0.0.1", "127.1"))
        assert server.seen == []
    assert answer.verdict == "retry"
    assert "private or special" in answer.detail


def test_a_host_of_the_allow_list_may_be_private(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAYLOOP_ALLOW_PRIVATE")
    monkeypatch.setenv("DAYLOOP_ALLOWED_HOSTS", "hooks.example.com, 127.*")
    with serve() as server:
        assert post(server.url.replace("127.0.0.1", "127.1")).verdict == "ok"


def test_with_an_allow_list_no_other_host_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYLOOP_ALLOWED_HOSTS", "hooks.example.com")
    with serve() as server:
        answer = post(server.url)
        assert server.seen == []
    assert answer.detail == "not called: its host is not in DAYLOOP_ALLOWED_HOSTS"


def test_the_internet_is_not_called_without_encryption(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAYLOOP_ALLOW_PRIVATE")
    with pytest.raises(AddressRefused, match="https"):
        asyncio.run(resolve("8.8.8.8", 80, encrypted=False))
    assert asyncio.run(resolve("8.8.8.8", 443)) == ["8.8.8.8"]


def test_the_host_header_names_the_host_though_the_address_is_connected() -> None:
    with serve() as server:
        assert post(f"http://localhost:{server.port}/x?y=1").verdict == "ok"
        assert server.seen[0].headers["host"] == f"localhost:{server.port}"
        assert server.seen[0].path == "/x?y=1"


def test_a_login_in_the_address_becomes_a_header() -> None:
    with serve() as server:
        post(f"http://me:p%40ss@127.0.0.1:{server.port}/")
        expected = "Basic " + base64.b64encode(b"me:p@ss").decode()
        assert server.seen[0].headers["authorization"] == expected


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(200, "ok"), (202, "ok"), (204, "ok"), (301, "refused"), (302, "refused"), (307, "refused")]
    + [(308, "refused"), (304, "refused"), (400, "refused"), (401, "refused"), (404, "refused")]
    + [(408, "retry"), (410, "gone"), (413, "refused"), (425, "retry"), (429, "retry")]
    + [(500, "retry"), (502, "retry"), (503, "retry"), (504, "retry"), (599, "retry")],
)
def test_a_status_means_one_thing(status: int, verdict: str) -> None:
    assert judge(status, {}).verdict == verdict


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("1.5", 1.5), ("0", 0.0), ("86400", 3600.0), ("-1", None), ("soon", None)]
    + [("", None), ("9" * 30, None), ("nan", None)],
)
def test_retry_after_is_honoured_up_to_an_hour(header: str, seconds: float | None) -> None:
    assert judge(429, {"retry-after": header}).retry_after == seconds


def test_retry_after_may_be_a_date() -> None:
    now = datetime(2015, 10, 21, 7, 27, tzinfo=UTC)
    assert webhooks._retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now) == 60.0


def test_a_redirect_is_not_followed() -> None:
    with serve() as target, serve(lambda r: r.answer(307, location=target.url)) as server:
        answer = post(server.url)
        assert target.seen == []
    assert answer.verdict == "refused"
    assert answer.detail == "answered 307: redirects are not followed"


def test_a_dripped_answer_ends_at_the_deadline() -> None:
    with serve(lambda request: request.drip(5)) as server:
        began = time.monotonic()
        answer = post(server.url, seconds=0.4)
        assert time.monotonic() - began < 1.5
    assert (answer.verdict, answer.detail) == ("retry", "no whole answer within 0.4 s")


def test_dripped_headers_end_at_the_deadline() -> None:
    def drip(request: Request) -> None:
        for _ in range(50):
            request.wfile.write(b"HTTP/1.1 200 OK\r\n"[:1])
            time.sleep(0.1)

    with serve(drip) as server:
        assert post(server.url, seconds=0.4).verdict == "retry"


def test_silence_ends_at_the_deadline() -> None:
    with serve(lambda request: time.sleep(3)) as server:
        assert post(server.url, seconds=0.3).detail == "no whole answer within 0.3 s"


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    def pour(request: Request) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while True:
                request.wfile.write(b"x" * 65536)
        except OSError:
            request.close_connection = True

    with serve(pour) as server:
        answer = post(server.url)
    assert answer.verdict == "ok"
    assert len(answer.body) == webhooks.MOST_BYTES


def test_a_reset_and_a_refused_connection_are_failures_with_a_reason() -> None:
    with serve(lambda request: request.reset()) as server:
        url = server.url
        assert post(url).verdict == "retry"
    assert post(url).detail == "connection refused"


def test_an_answer_that_is_no_http_is_a_failure() -> None:
    def babble(request: Request) -> None:
        request.wfile.write(b"\x00\x01 hello\r\n\r\n")
        request.close_connection = True

    with serve(babble) as server:
        assert post(server.url).verdict == "retry"


def test_an_unknown_host_is_a_failure_with_a_reason() -> None:
    assert post("https://no-such-host.invalid/x").detail == "its host name has no address"


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(tmp_path))
    with serve() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        answer = post(server.url.replace("http://", "https://"))
        assert server.seen == []
    assert answer.detail == "its certificate is not trusted"


def test_a_trusted_certificate_is_checked_against_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = _self_signed(tmp_path)
    client = ssl.create_default_context(cafile=str(pem))
    monkeypatch.setattr(webhooks, "_tls", lambda: client)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with serve() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        assert post(f"https://localhost:{server.port}/").verdict == "ok"
        assert post(f"https://127.0.0.1:{server.port}/").detail == "its certificate is not trusted"


def _self_signed(folder: Path) -> Path:
    cryptography = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = cryptography.Name(
        [cryptography.NameAttribute(cryptography.NameOID.COMMON_NAME, "localhost")]
    )
    now = datetime.now(UTC)
    made = (
        cryptography.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            cryptography.SubjectAlternativeName([cryptography.DNSName("localhost")]), False
        )
        .sign(key, hashes.SHA256())
    )
    pem = folder / "both.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return pem


def test_nothing_of_the_address_is_logged_or_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serve(lambda request: request.answer(500, x_echo=request.path)) as server:
        answer = post(server.url)
    assert "TOKEN" not in caplog.text + repr(answer) + answer.detail


def test_a_ping_asks_for_the_address_also_from_inside_a_running_loop() -> None:
    async def from_inside() -> Answer:
        return webhooks.ping(server.url)

    with serve() as server:
        assert asyncio.run(from_inside()).verdict == "ok"
        assert server.seen[0].command == "GET"


def test_what_blocks_does_not_hold_up_the_end() -> None:
    async def give_up() -> None:
        async with asyncio.timeout(0.1):
            await addresses.aside(lambda: time.sleep(5))

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    assert time.monotonic() - began < 2

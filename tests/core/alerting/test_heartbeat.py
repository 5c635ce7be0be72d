"""Silence: what should have come and has not is told once, and over when it comes."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pandera.pandas as pa
import pyarrow
import pytest
from deltalake import DeltaTable

from catalog.kinds import Candidate, Dataset, DeclarationError, File, Gate, Model
from core import lake, ledger
from core.alerting import heartbeat, outbox
from core.alerting.heartbeat import beat, check
from core.alerting.receivers import parse
from core.errors import LakeDamaged
from core.intervals import DAY, Interval
from core.ledger import Entry
from core.models import artifacts, registry, scoring
from tests.core.alerting.local_receiver import Server, serve

MONDAY, TUESDAY, WEDNESDAY = (date(2026, 1, day) for day in (5, 6, 7))
SCHEMA = pa.DataFrameSchema({"id": pa.Column(str), "at": pa.Column("datetime64[us, UTC]")})
pytestmark = pytest.mark.usefixtures("home")


def orders(due: str = "12:00") -> Dataset:
    source = File(path="orders.csv")
    return Dataset(name="orders", owner="o@x", source=source, schema=SCHEMA, day="at", due=due)


def churn(due: str = "12:00") -> Model:
    return Model(
        name="churn",
        owner="m@x",
        entity="id",
        inputs={"orders": ("id",)},
        features=lambda as_of, orders: orders,
        label=lambda entities, orders: orders,
        horizon_days=7,
        candidates=(Candidate(name="a", estimator=lambda seed: None),),
        gate=Gate(floor=0.5),
        due=due,
    )


def at(day: date, hour: int = 13, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), UTC)


def record(day: date, status: str = "loaded", when: datetime | None = None) -> None:
    entry = Entry(
        dataset="orders",
        day=day,
        status=status,  # type: ignore[arg-type]
        rows_read=1,
        rows_good=1,
        rows_bad=0,
        reason="half of it is bad" if status == "refused" else "",
        source_sha256="",
        contract="",
        content="",
        table_version=1,
        code_version="",
        run_id="",
        loaded_at=when or at(day + DAY, 6),
    )
    ledger.record("orders", Interval.of_day(day), [entry])


def predict(day: date) -> None:
    row = {"entity": "1", "day": day, "score": 0.5, "model_version": 1, "data_version": "x"}
    rows = pyarrow.Table.from_pylist([row | {"_month": f"{day:%Y-%m}"}], schema=scoring.SCHEMA)
    lake.append(scoring.predictions("churn"), rows, partition_by=["_month"])


def train(when: datetime) -> None:
    stored = artifacts.save("churn", "a", {}, {})
    registry.register("churn", stored, by="me", reason="a test", now=when)


def statuses(now: datetime, models: tuple[Model, ...] = ()) -> list[str]:
    return [pulse.status for pulse in check([orders()], models, now=now).pulses]


def told() -> list[tuple[str, str, str]]:
    found = [record.alert for record in outbox.state()]
    return [
        ("over" if a.resolves else a.kind, a.subject, a.key if not a.resolves else "")
        for a in found
    ]


def test_a_day_that_is_not_in_by_its_time_is_told_once_with_the_command() -> None:
    record(MONDAY)

    assert statuses(at(WEDNESDAY, 11, 59)) == ["on time"]
    assert told() == []
    for hour in (12, 13, 23):
        assert statuses(at(WEDNESDAY, hour)) == ["late"]

    [alert] = [each.alert for each in outbox.state()]
    assert (alert.kind, alert.subject, alert.severity) == ("late", "orders", "page")
    assert alert.owner == "o@x"
    assert alert.title == "orders 2026-01-06 is not in: it was due on 2026-01-07 by 12:00 UTC"
    assert alert.todo == "python -m flows daily --day 2026-01-06"


@pytest.mark.parametrize("status", ["loaded", "empty", "refused"])
def test_it_is_over_when_the_day_comes(status: str) -> None:
    record(MONDAY)
    check([orders()], [], now=at(WEDNESDAY))

    record(TUESDAY, status)
    found = check([orders()], [], now=at(WEDNESDAY, 14))

    assert found.resolved == 1
    assert not found.failed
    assert told() == [("late", "orders", "2026-01-06"), ("over", "orders", "")]
    assert check([orders()], [], now=at(WEDNESDAY, 15)).resolved == 0


def test_a_refused_day_is_not_told_twice() -> None:
    record(MONDAY)
    record(TUESDAY, "refused")

    [pulse] = check([orders()], [], now=at(WEDNESDAY)).pulses

    assert (pulse.status, pulse.detail) == ("refused", "2026-01-06 was refused: half of it is bad")
    assert told() == []


def test_each_late_day_is_news_and_all_must_come_before_it_is_over() -> None:
    record(MONDAY)
    thursday = WEDNESDAY + DAY
    check([orders()], [], now=at(WEDNESDAY))
    check([orders()], [], now=at(thursday))
    record(WEDNESDAY)

    assert statuses(at(thursday, 14)) == ["late"]
    record(TUESDAY)
    assert statuses(at(thursday, 15)) == ["on time"]

    late = ("late", "orders")
    assert told() == [(*late, "2026-01-06"), (*late, "2026-01-07"), ("over", "orders", "")]
    second = outbox.state()[1].alert
    assert second.todo == (
        "python -m flows backfill orders --start 2026-01-06 --end 2026-01-07; "
        "python -m flows daily --day 2026-01-07"
    )


def test_what_has_never_run_is_not_late() -> None:
    assert statuses(at(WEDNESDAY), (churn(),)) == ["not begun", "not begun"]
    record(MONDAY, when=at(WEDNESDAY, 12, 30))  # installed today after noon: due tomorrow
    train(at(WEDNESDAY, 12, 30))

    assert statuses(at(WEDNESDAY), (churn(),)) == ["not begun", "not begun"]
    assert told() == []
    assert statuses(at(WEDNESDAY + DAY), (churn(),)) == ["late", "waiting"]


def test_predictions_that_are_not_there_by_their_time_are_told_and_over_when_they_come() -> None:
    train(at(MONDAY))
    for day in (MONDAY, TUESDAY):
        record(day)
    predict(TUESDAY)
    assert statuses(at(WEDNESDAY, 11), (churn(),)) == ["on time", "on time"]

    assert statuses(at(WEDNESDAY), (churn(),)) == ["on time", "late"]
    assert told() == [("late", "churn predictions", "2026-01-07")]
    alert = outbox.state()[0].alert
    assert (alert.owner, alert.todo) == ("m@x", "python -m flows daily --day 2026-01-06")

    predict(WEDNESDAY)
    assert statuses(at(WEDNESDAY, 14), (churn(),)) == ["on time", "on time"]
    assert told()[1:] == [("over", "churn predictions", "")]


@pytest.mark.parametrize(("status", "kinds"), [("refused", []), (None, ["late"])])
def test_a_model_that_waits_for_its_data_is_told_with_them_and_not_by_itself(
    status: str | None, kinds: list[str]
) -> None:
    train(at(MONDAY))
    record(MONDAY)
    if status:
        record(TUESDAY, status)

    *_, pulse = check([orders()], [churn()], now=at(WEDNESDAY)).pulses

    assert (pulse.subject, pulse.status) == ("churn predictions", "waiting")
    assert [kind for kind, _, _ in told()] == kinds
    assert all("Waiting for it: churn." in each.alert.text for each in outbox.state())


def test_a_table_that_cannot_be_read_is_told_and_does_not_blind_it_for_the_rest(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(MONDAY)
    train(at(MONDAY))
    real = ledger.entries

    def torn(*_: object) -> list[Entry]:
        raise LakeDamaged("table ledger: a file is missing")

    monkeypatch.setattr(ledger, "entries", torn)
    predict(WEDNESDAY)
    found = check([orders()], [churn()], broken={"other": "no name"}, now=at(WEDNESDAY))

    assert [(p.subject, p.status) for p in found.pulses] == [
        ("other", "not checked"),
        ("orders", "not checked"),
        ("churn predictions", "on time"),
    ]
    assert found.failed
    titles = [each.alert.title for each in outbox.state()]
    assert "heartbeat: orders cannot be looked at: table ledger: a file is missing" in titles
    assert "heartbeat: other cannot be looked at: no name" in titles

    monkeypatch.setattr(ledger, "entries", real)
    record(TUESDAY)
    assert check([orders()], [], now=at(WEDNESDAY, 14)).resolved == 1


@pytest.mark.parametrize("due", ["24:00", "9:00", "12:60", "noon", "", "12:00 ", "१२:००"])
def test_a_time_of_day_must_be_one(due: str) -> None:
    for declare in (orders, churn):
        with pytest.raises(DeclarationError, match="^due: "):
            declare(due)


def test_the_last_time_that_is_over_is_of_today_or_yesterday_in_utc() -> None:
    assert heartbeat.last_due("12:00", at(TUESDAY, 12)) == TUESDAY
    assert heartbeat.last_due("12:00", at(TUESDAY, 11, 59)) == MONDAY
    assert heartbeat.last_due("00:00", at(TUESDAY, 0)) == TUESDAY
    tokyo = at(TUESDAY, 20).astimezone(datetime.strptime("+0900", "%z").tzinfo)
    assert heartbeat.last_due("19:00", tokyo) == TUESDAY


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Server:  # type: ignore[misc]
    monkeypatch.setenv("DAYLOOP_ALLOW_PRIVATE", "1")
    with serve() as found:
        yield found


def asked(service: Server) -> list[tuple[str, str]]:
    return [
        (seen.command, seen.path.replace("/hook/TOKEN-in-the-path", "")) for seen in service.seen
    ]


@pytest.mark.parametrize(("end", "fail"), [("", "/fail"), ("/", "/fail"), ("?a=b", "/fail?a=b")])
def test_the_dead_man_service_is_asked_when_all_is_well_and_told_of_trouble(
    service: Server, end: str, fail: str
) -> None:
    record(MONDAY)
    url = service.url + end

    found = beat([orders()], [], url=url, now=at(TUESDAY))
    assert found.ping == "answered 200"
    beat([orders()], [], url=url, now=at(WEDNESDAY))
    record(TUESDAY, "refused")  # the loop lives
    beat([orders()], [], url=url, now=at(WEDNESDAY, 14))

    assert asked(service) == [("GET", end), ("GET", fail), ("GET", end)]


def test_without_an_address_nobody_is_asked(service: Server) -> None:
    assert beat([orders()], [], now=at(TUESDAY)).ping == ""
    assert service.seen == []


def test_a_service_that_does_not_answer_is_said_and_its_address_is_not(service: Server) -> None:
    service.behave = lambda request: request.answer(500, request.path.encode())

    found = beat([orders()], [], url=service.url, now=at(TUESDAY))

    assert found.ping == "not heard: answered 500"
    assert not found.failed


@pytest.mark.parametrize(
    "url", ["TOKEN", "ftp://x/TOKEN", "https:///TOKEN", "https://[TOKEN", "http://h:TOKEN/"]
)
def test_what_is_no_address_is_said_without_showing_it_and_silences_nothing(url: str) -> None:
    record(MONDAY)

    found = beat([orders()], [], url=url, now=at(WEDNESDAY))

    assert found.ping == "not heard: DAYLOOP_DEADMAN_URL is no http or https address"
    assert found.told == 1


def test_an_outbox_that_cannot_be_read_is_trouble_for_the_service(
    service: Server, home: Path
) -> None:
    record(MONDAY)
    check([orders()], [], now=at(WEDNESDAY))
    for file in DeltaTable(home / "tables" / "outbox").file_uris():
        Path(file).unlink()

    with pytest.raises(LakeDamaged):
        beat([orders()], [], url=service.url, now=at(WEDNESDAY))

    assert asked(service) == [("GET", "/fail")]


def test_what_is_late_reaches_the_receivers_and_so_does_its_end(service: Server) -> None:
    record(MONDAY)
    receivers = parse(service.url)

    beat([orders()], [], receivers, now=at(WEDNESDAY))
    record(TUESDAY)
    beat([orders()], [], receivers, now=at(WEDNESDAY) + timedelta(minutes=15))

    assert [(seen.json["status"], seen.json["kind"]) for seen in service.seen] == [
        ("open", "late"),
        ("resolved", "late"),
    ]
    first, second = (seen.json["fingerprint"] for seen in service.seen)
    assert first == second

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.alerting.alerts import Alert, Message, shorten

NOW = datetime(1998, 4, 3, 6, tzinfo=UTC)
ANY_TEXT = st.text(st.characters(codec=None), max_size=40)


def make(**changes: str) -> Alert:
    return Alert(**{"kind": "drift", "subject": "churn", "title": "recency moved"} | changes)  # type: ignore[arg-type]


def test_the_same_kind_subject_and_key_are_the_same_event() -> None:
    assert make(title="a", text="x").id == make(title="b", severity="page").id


@pytest.mark.parametrize("field", ["kind", "subject", "key"])
def test_another_kind_subject_or_key_is_another_event(field: str) -> None:
    assert make().id != make(**{field: "other"}).id


def test_parts_of_the_identity_cannot_run_into_each_other() -> None:
    assert make(kind="a", subject="b c").id != make(kind="a b", subject="c").id


def test_alerts_about_one_thing_share_a_fingerprint_whatever_their_key() -> None:
    assert make(key="1").fingerprint == make(key="2").fingerprint
    assert make().fingerprint != make(subject="sales").fingerprint


def test_the_id_does_not_change_between_versions_of_the_program() -> None:
    assert make(key="1998-04-02").id == "alert_d31d6bca25f2cad9"


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(title=ANY_TEXT, key=ANY_TEXT)
def test_any_text_survives_storage_even_broken_unicode(title: str, key: str) -> None:
    alert = make(title=title, key=key)
    again = Alert.from_json(alert.to_json().encode().decode())
    assert again == alert
    assert again.id == alert.id


def test_a_field_of_a_later_version_is_left_out_when_read() -> None:
    assert Alert.from_json(make().to_json()[:-1] + ', "colour": "red"}') == make()


def test_an_unknown_severity_is_refused() -> None:
    with pytest.raises(ValueError, match="page, warn, info"):
        make(severity="fatal")


def test_a_huge_text_is_cut() -> None:
    assert len(make(text="x" * 1_000_000).text) == 16_000
    assert shorten("abcdef", 4) == "abc…"
    assert shorten("abcd", 4) == "abcd"


def test_the_worst_alert_speaks_for_its_group() -> None:
    alerts = (make(title="one"), make(title="two", severity="page"), make(title="one", key="3"))
    message = Message(id=alerts[0].id, alerts=alerts, since=NOW)
    assert message.first.title == "two"
    assert message.headline == "two (and 2 more)"
    assert message.others == ("one",)

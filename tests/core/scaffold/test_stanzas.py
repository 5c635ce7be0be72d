"""Stanzas in `prefect.yaml`: where they go, and that nothing else changes."""

from difflib import SequenceMatcher
from typing import Any

import pytest
import yaml

from core.scaffold.deploying import with_dataset, with_model
from tests.conftest import ROOT

TEXT = (ROOT / "prefect.yaml").read_text()


def names(text: str) -> list[str]:
    return [each["name"] for each in yaml.safe_load(text)["deployments"]]


def stanza(text: str, name: str) -> dict[str, Any]:
    return next(each for each in yaml.safe_load(text)["deployments"] if each["name"] == name)


def test_all_else_stays_byte_for_byte():
    text = with_model(with_dataset(with_dataset(TEXT, "orders"), "returns"), "quiet")

    kinds = {kind for kind, *_ in SequenceMatcher(a=TEXT, b=text, autojunk=False).get_opcodes()}
    assert kinds == {"equal", "insert"}
    added = ["etl-orders", "backfill-orders", "etl-returns", "backfill-returns"]
    added += ["retrain-quiet", "score-quiet", "monitor-quiet"]
    assert sorted(names(text)) == sorted([*names(TEXT), *added])


def test_they_stand_beside_their_like_and_say_what_those_say():
    text = with_dataset(TEXT, "orders")
    order = names(text)
    assert order[order.index("backfill-sales") + 1] == "etl-orders"
    assert "  # ... and for each model.\n  - name: retrain-" in text

    ours, theirs = stanza(text, "etl-orders"), stanza(text, "etl-sales")
    assert ours["work_pool"] == theirs["work_pool"]
    assert ours["concurrency_limit"] == theirs["concurrency_limit"]
    ours, theirs = stanza(with_model(TEXT, "quiet"), "retrain-quiet"), stanza(TEXT, "retrain-churn")
    for name, value in theirs.items():
        assert str(ours[name]) == str(value).replace("churn", "quiet")


@pytest.mark.parametrize("name", ["yes", "off", "null"])
def test_a_name_that_yaml_takes_for_no_text_is_quoted(name: str):
    assert stanza(with_dataset(TEXT, name), f"etl-{name}")["parameters"] == {"dataset": name}


def test_those_that_are_there_are_not_written_again():
    text = with_dataset(TEXT, "orders")
    assert with_dataset(text, "orders") == text
    assert with_dataset(TEXT, "sales") == TEXT


def test_a_file_without_any_gets_them_at_its_end():
    text = with_dataset("name: mine\ndeployments:\n  - name: daily\n    tags: []", "orders")

    assert names(text) == ["daily", "etl-orders", "backfill-orders"]
    assert stanza(text, "etl-orders")["work_pool"] == {"name": "dayloop"}

from collections.abc import Callable
from typing import Any

import pytest
from pandera.pandas import Column, DataFrameModel, DataFrameSchema

from catalog.kinds import (
    Candidate,
    Dataset,
    DeclarationError,
    Drift,
    File,
    Gate,
    Model,
    Retrain,
)

SCHEMA = DataFrameSchema(
    {
        "who": Column(str),
        "at": Column("datetime64[us, UTC]"),
        "maybe": Column("datetime64[us, UTC]", nullable=True),
        "amount": Column(float),
    }
)


def source(**changes: Any) -> File:
    return File(**{"path": "data/sales.csv", **changes})


def dataset(**changes: Any) -> Dataset:
    declared = {"name": "sales", "owner": "a@example.com", "schema": SCHEMA, "day": "at"}
    return Dataset(**{"source": source(), **declared, **changes})


def candidate(**changes: Any) -> Candidate:
    return Candidate(**{"name": "simple", "estimator": lambda seed: seed, **changes})


def model(**changes: Any) -> Model:
    declared: dict[str, Any] = {
        "name": "churn",
        "owner": "a@example.com",
        "entity": "who",
        "inputs": {"sales": ("who", "at")},
        "features": lambda as_of, sales: sales,
        "label": lambda entities, sales: sales,
        "horizon_days": 90,
        "candidates": (candidate(),),
        "gate": Gate(floor=0.5),
    }
    return Model(**{**declared, **changes})


WRONG: list[tuple[Callable[..., Any], str, Any, str]] = [
    (dataset, "name", "Sales", "name"),
    (dataset, "name", "../sales", "name"),
    (dataset, "name", "sales\n", "name"),
    (dataset, "name", "ledger", "name"),
    (dataset, "name", "churn_predictions", "name"),
    (dataset, "name", 7, "name"),
    (dataset, "owner", "", "owner"),
    (dataset, "source", "data/sales.csv", "source"),
    (dataset, "max_bad_share", -0.01, "max_bad_share"),
    (dataset, "max_bad_share", 1, "max_bad_share"),
    (dataset, "max_bad_share", float("nan"), "max_bad_share"),
    (dataset, "max_bad_share", "0.05", "max_bad_share"),
    (dataset, "min_rows", -1, "min_rows"),
    (dataset, "min_rows", 1.5, "min_rows"),
    (dataset, "day", "date", "day"),
    (dataset, "day", "who", "day"),
    (dataset, "day", "maybe", "day"),
    (dataset, "schema", DataFrameSchema({}), "schema"),
    (dataset, "schema", {"at": "datetime"}, "schema"),
    (dataset, "schema", DataFrameSchema({"at": Column("datetime64[ns]")}), "schema"),
    (dataset, "schema", DataFrameSchema({"at": Column("int32")}), "schema"),
    (dataset, "schema", DataFrameSchema({"_month": Column(str)}), "schema"),
    (dataset, "source", source(date_formats={"when": "%Y"}), "source.date_formats"),
    (source, "path", "", "source.path"),
    (source, "path", "data/sales.xlsx", "source.path"),
    (source, "delimiter", "||", "source.delimiter"),
    (source, "encoding", "utf-9", "source.encoding"),
    (source, "timezone", "Mars/Olympus", "source.timezone"),
    (source, "max_bytes", 0, "source.max_bytes"),
    (Gate, "floor", 1.1, "gate.floor"),
    (Gate, "floor", "0.5", "gate.floor"),
    (lambda **to: Gate(floor=0.5, **to), "margin", -0.1, "gate.margin"),
    (lambda **to: Gate(floor=0.5, **to), "confidence", 1.0, "gate.confidence"),
    (lambda **to: Gate(floor=0.5, **to), "min_positives", 1, "gate.min_positives"),
    (lambda **to: Gate(floor=0.5, **to), "mode", "on", "gate.mode"),
    (Retrain, "every_days", -1, "retrain.every_days"),
    (Retrain, "cooldown_days", True, "retrain.cooldown_days"),
    (Drift, "psi", 0.0, "drift.psi"),
    (Drift, "alpha", 1.0, "drift.alpha"),
    (Drift, "min_rows", 9, "drift.min_rows"),
    (candidate, "name", "Simple", "candidates"),
    (candidate, "estimator", "forest", "candidates"),
    (model, "name", "churn-1", "name"),
    (model, "owner", "", "owner"),
    (model, "horizon_days", 0, "horizon_days"),
    (model, "horizon_days", 10**6, "horizon_days"),
    (model, "horizon_days", 1.5, "horizon_days"),
    (model, "metric", "accuracy", "metric"),
    (model, "inputs", {}, "inputs"),
    (model, "inputs", {"sales": ("at",)}, "inputs"),
    (model, "inputs", {"sales": "who"}, "inputs"),
    (model, "features", lambda as_of: as_of, "features"),
    (model, "features", lambda as_of, buys: as_of, "features"),
    (model, "features", "rfm", "features"),
    (model, "label", lambda sales: sales, "label"),
    (model, "candidates", (), "candidates"),
    (model, "candidates", candidate(), "candidates"),
    (model, "candidates", (candidate(), candidate()), "candidates"),
    (model, "gate", 0.75, "gate"),
]


@pytest.mark.parametrize(("make", "field", "value", "named"), WRONG)
def test_a_wrong_value_is_one_line_that_names_the_field(
    make: Callable[..., Any], field: str, value: Any, named: str
) -> None:
    with pytest.raises(DeclarationError) as error:
        make(**{field: value})
    assert str(error.value).startswith(f"{named}: ")
    assert "\n" not in str(error.value)


def test_right_declarations_pass_as_they_are() -> None:
    assert dataset().columns == {
        "who": "string",
        "at": "datetime",
        "maybe": "datetime",
        "amount": "float",
    }
    assert dataset(max_bad_share=0).max_bad_share == 0
    assert model().metric == "roc_auc"
    model().check_inputs({"sales": dataset()})


def test_a_schema_may_be_a_model_class() -> None:
    class Rows(DataFrameModel):
        who: str
        count: int

    declared = DataFrameSchema({**Rows.to_schema().columns, "at": Column("datetime64[us, UTC]")})
    assert dataset(schema=declared).columns == {"who": "string", "count": "int", "at": "datetime"}


def test_inputs_are_checked_against_the_datasets() -> None:
    with pytest.raises(DeclarationError, match="inputs: no dataset 'sales'"):
        model().check_inputs({})
    with pytest.raises(DeclarationError, match="inputs: dataset 'sales' has no column 'when'"):
        model(inputs={"sales": ("who", "when")}).check_inputs({"sales": dataset()})


def test_the_entity_is_text_or_whole_numbers_the_same_everywhere() -> None:
    with pytest.raises(DeclarationError, match="entity: 'amount' must be str or int"):
        model(entity="amount", inputs={"sales": ("amount",)}).check_inputs({"sales": dataset()})
    numbers = dataset(
        name="visits",
        schema=DataFrameSchema({"who": Column(int), "at": Column("datetime64[us, UTC]")}),
    )
    both = model(
        inputs={"sales": ("who",), "visits": ("who",)},
        features=lambda as_of, **rows: rows,
        label=lambda entities, **rows: rows,
    )
    with pytest.raises(DeclarationError, match="entity: 'who' must be .* the same in each input"):
        both.check_inputs({"sales": dataset(), "visits": numbers})

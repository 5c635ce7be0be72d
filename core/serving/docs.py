"""The API's own description: OpenAPI of the champion that serves, with its real numbers."""

from http import HTTPStatus
from typing import Any

import numpy as np

from core.serving.champion import Champion
from core.serving.rows import ENTITY, ENTITY_CHARACTERS, MOST_ROWS

LARGEST = float(np.finfo(np.float64).max)
REFUSALS = {
    400: "the body is not JSON, has a key twice, or NaN or Infinity",
    401: "no token, or another one",
    408: "the body did not come in time",
    413: "the body is larger than 1 MiB",
    415: "the body is not said to be JSON",
    422: "an unknown or missing column, something else than a finite number, too many rows, or "
    "numbers that the model has no score for",
    503: "no champion, or too much to do; the header says when to ask again",
}


def openapi(model: str, champion: Champion | None, *, protected: bool) -> dict[str, Any]:
    """The document; without a champion its rows have any columns."""
    answers = {str(status): _refusal(status, said) for status, said in REFUSALS.items()}
    security: list[dict[str, list[str]]] = [{"token": []}] if protected else []
    if not protected:
        del answers["401"]
    predict = {
        "summary": f"Probabilities of {model}, a row each",
        "operationId": "predict",
        "requestBody": {"required": True, "content": _json("Request", _request_example(champion))},
        "responses": {
            "200": {
                "description": "scores in the order of the rows",
                "content": _json("Scores", _answer_example(champion)),
            },
            **answers,
        },
        "security": security,
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Dayloop: {model}",
            "version": str(champion.version) if champion else "none",
            "description": "Scores of the registry's champion. What was sent is never sent back.",
        },
        "paths": {
            f"/v1/models/{model}/predict": {"post": predict},
            "/health": _probe("health", "Whether the process lives", {"200": "it does"}),
            "/ready": _probe(
                "ready", "Whether a champion serves", {"200": "it does", "503": "none does"}
            ),
            "/metrics": _metrics(security),
        },
        "components": {
            "schemas": _schemas(champion),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _schemas(champion: Champion | None) -> dict[str, Any]:
    state = {"model": {"type": "string"}, "version": {"type": ["integer", "null"]}}
    score = {"type": "number", "minimum": 0, "maximum": 1}
    request = _object({"rows": _list({"$ref": "#/components/schemas/Row"})})
    problem = {"title": {"type": "string"}, "status": {"type": "integer"}}
    return {
        "Row": _row(champion),
        "Request": request,
        "Scores": _object({**state, "scores": _list(score)}),
        "Problem": _object({**problem, "detail": {"type": "string"}, **state}),
        "State": _object({"status": {"type": "string"}, **state}),
    }


def _row(champion: Champion | None) -> dict[str, Any]:
    if champion is None:
        return {"type": "object"}
    finite = {"minimum": -LARGEST, "maximum": LARGEST}
    features = {
        name: {
            "type": ["number", "null"] if name in champion.nullable else "number",
            **finite,
            "examples": [known],
        }
        for name, known in champion.typical.items()
    }
    entity = {
        "description": "whose the row is, for the log",
        "type": "string",
        "minLength": 1,
        "maxLength": ENTITY_CHARACTERS,
    }
    return _object({ENTITY: entity, **features}, required=list(features))


def _object(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "additionalProperties": False,
    }


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": MOST_ROWS}


def _request_example(champion: Champion | None) -> Any:
    return {"rows": [champion.typical]} if champion else None


def _answer_example(champion: Champion | None) -> Any:
    if champion is None:
        return None
    scores = champion.scores(np.array([list(champion.typical.values())])).tolist()
    return {"model": champion.model, "version": champion.version, "scores": scores}


def _json(schema: str, example: Any = None, kind: str = "application/json") -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    if example is not None:
        content["example"] = example
    return {kind: content}


def _refusal(status: int, said: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "description": f"{HTTPStatus(status).phrase}: {said}",
        "content": _json("Problem", kind="application/problem+json"),
    }
    if status == 503:
        found["headers"] = {"retry-after": {"schema": {"type": "integer"}}}
    return found


def _probe(name: str, summary: str, answers: dict[str, str]) -> dict[str, Any]:
    responses = {
        status: {"description": said, "content": _json("State")} for status, said in answers.items()
    }
    return {"get": {"summary": summary, "operationId": name, "responses": responses}}


def _metrics(security: list[dict[str, list[str]]]) -> dict[str, Any]:
    content = {"text/plain": {"schema": {"type": "string"}}}
    answers = {"200": {"description": "Prometheus's text format", "content": content}}
    if security:
        answers["401"] = _refusal(401, REFUSALS[401])
    get = {"summary": "Counters", "operationId": "metrics", "responses": answers}
    return {"get": {**get, "security": security}}

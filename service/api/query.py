"""Questions in the query string, read by their model.

FastAPI can read a query string into a model, but looks at every field's annotation anew in each
request, which takes longer than finding the answer; pydantic reads the strings in one go.
"""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

__all__ = ["described", "read_query"]

Question = TypeVar("Question", bound=BaseModel)


def read_query(request: Request, model: type[Question]) -> Question:
    """Return the question that a request's query string asks.

    Raises:
        RequestValidationError: A parameter is unknown, malformed or given twice.
    """
    items = request.query_params.multi_items()
    given = dict(items)
    if len(given) != len(items):
        raise RequestValidationError([_repeated(items)])
    try:
        return model.model_validate_strings(given)
    except ValidationError as error:
        raise RequestValidationError(
            [{**entry, "loc": ("query", *entry["loc"])} for entry in error.errors()]
        ) from error


def described(model: type[BaseModel]) -> dict[str, Any]:
    """Return the OpenAPI parameters of a question in the query string."""
    schema = model.model_json_schema()
    required = schema.get("required", [])
    return {
        "parameters": [
            {
                "name": name,
                "in": "query",
                "required": name in required,
                "description": field.pop("description", ""),
                "schema": field,
            }
            for name, field in schema["properties"].items()
        ]
    }


def _repeated(items: list[tuple[str, str]]) -> dict[str, Any]:
    names = [name for name, _ in items]
    twice = next(name for name in names if names.count(name) > 1)
    return {"loc": ("query", twice), "msg": "given more than once; ask for many in one batch"}

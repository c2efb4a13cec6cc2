"""Questions in the query string, read by their model.

FastAPI can read a query string into a model, but looks at every field's annotation anew in each
request, which takes longer than finding the answer; pydantic reads the strings in one go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar
from urllib.parse import unquote_plus

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

__all__ = ["described", "read_query"]

_JSON_PUNCTUATION: Final = tuple(
    (f"%{ord(character):02X}".encode(), character.encode()) for character in '"{}[]:,'
)
"""Of the characters that have a meaning in JSON and none in a query string, as most programs
escape them; escapes in small letters are left to the library."""
_MOST_PARAMETERS: Final = 200
"""The question with the most has 54."""

Question = TypeVar("Question", bound=BaseModel)


def read_query(request: Request, model: type[Question]) -> Question:
    """Return the question that a request's query string asks.

    Raises:
        RequestValidationError: A parameter is unknown, malformed or given twice, or there are too
            many.
    """
    query = request.scope["query_string"]
    if query.count(b"&") >= _MOST_PARAMETERS:
        told = f"it has more than {_MOST_PARAMETERS} parameters"
        raise RequestValidationError([{"loc": ("query",), "msg": told}])
    items = _read(query)
    given = dict(items)
    if len(given) != len(items):
        raise RequestValidationError([_repeated(items)])
    try:
        return model.model_validate_strings(given)
    except ValidationError as error:
        raise RequestValidationError(
            [{**entry, "loc": ("query", *entry["loc"])} for entry in error.errors()]
        ) from error


def _read(query: bytes) -> list[tuple[str, str]]:
    """Return names and values of a query string, as `urllib.parse.parse_qsl` reads it."""
    # Escaped JSON is mostly escapes of its punctuation, a hundred of them in a cell: replaced
    # whole they take a tenth of the time. None of them stands for a part of another escape.
    if b"%" in query:
        for escaped, plain in _JSON_PUNCTUATION:
            query = query.replace(escaped, plain)
    pairs = (pair.partition("=") for pair in query.decode("latin-1").split("&") if pair)
    return [(_unquoted(name), _unquoted(value)) for name, _, value in pairs]


def _unquoted(text: str) -> str:
    return unquote_plus(text) if "%" in text or "+" in text else text


def described(model: type[BaseModel], *, required: Iterable[str] = ()) -> dict[str, Any]:
    """Return the OpenAPI parameters of a question in the query string.

    Args:
        model: The question.
        required: Parameters that it is refused without, whatever the model says.
    """
    schema = model.model_json_schema()
    needed = {*schema.get("required", []), *required}
    return {
        "parameters": [
            {
                "name": name,
                "in": "query",
                "required": name in needed,
                "description": field.pop("description", ""),
                "schema": _without_null(field),
            }
            for name, field in schema["properties"].items()
        ]
    }


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a field that may be left out: a query string cannot say null."""
    field = {name: value for name, value in field.items() if (name, value) != ("default", None)}
    kinds = [kind for kind in field.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return field
    del field["anyOf"]
    return {**kinds[0], **field}


def _repeated(items: list[tuple[str, str]]) -> dict[str, Any]:
    names = [name for name, _ in items]
    twice = next(name for name in names if names.count(name) > 1)
    return {"loc": ("query", twice), "msg": "given more than once; ask for many in one batch"}

"""Requests that are right but for one string, made from the OpenAPI document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

__all__ = ["NETWORKS", "HostileRequests", "Place"]

NETWORKS: Final[dict[str, dict[str, Any]]] = {
    "SearchedNetwork": {"model": "proxyless-mobile"},
    "SpaceNetwork": {"space": "ProxylessNAS", "arch": {"s2_depth": 2}},
    "BenchmarkNetwork": {"benchmark": "nasbench201", "arch": 0, "dataset": "cifar10"},
}
"""A network in each form, of which one field is then replaced; the first has weights, too."""

_JSON: Final = "application/json"
_BENCHMARK: Final = re.compile(r"^/v1/(nasbench101|nasbench201|natssss|nds|hw-nas-bench)/")
_ONLY_TOLD: Final = {"description", "examples", "title"}
"""Members of a schema by which nothing is judged."""
_JUDGED: Final = {"enum", "pattern"}
_NO_TEXT: Final = {"array", "boolean", "integer", "null", "number", "object"}
_NETWORK: Final = "network"
_SMALL: Final = {"select": {"kind": "list", "archs": [0]}}
"""Fields without which a question that is right otherwise would be about thousands of networks."""
_WHOLE: Final = NETWORKS["SearchedNetwork"]
_EMPTY_SAFETENSORS: Final = b"\x02\0\0\0\0\0\0\0{}"


class Place(NamedTuple):
    """Where a string is put.

    Attributes:
        method: Of the request.
        path: Of the operation, parameters in braces.
        kind: `path`, `query`, `header` or `body`.
        name: Of the parameter or the field; fields of a network are led by its form.
    """

    method: str
    path: str
    kind: str
    name: str


class HostileRequests:
    """Makes requests of the operations of a document.

    Args:
        document: Describes them; its examples fill what a request cannot do without.
        job_id: A job that there is, for what is asked of one.
    """

    def __init__(self, document: dict[str, Any], *, job_id: str) -> None:
        self._job_id = job_id
        self._schemas = document["components"]["schemas"]
        self._operations = {
            (method.upper(), path): operation
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }

    def places(self) -> Iterator[Place]:
        """Yield every parameter, every field of a body, and every field of its network."""
        for (method, path), operation in self._operations.items():
            for parameter in operation.get("parameters", []):
                yield Place(method, path, parameter["in"], parameter["name"])
            for field in self._fields(operation):
                forms = NETWORKS if field == _NETWORK else ()
                yield Place(method, path, "body", field)
                for form in forms:
                    for inner in self._schemas[form]["properties"]:
                        yield Place(method, path, "body", f"{form}.{inner}")

    def question(self, place: Place) -> tuple[str, ...]:
        """Return what places have in common that belong to one question and are read alike.

        It is the same question whichever benchmark is asked. The bounds on each metric are read
        alike in it, say.
        """
        return place.method, _BENCHMARK.sub("/v1/*/", place.path), *self.reader(place)

    def reader(self, place: Place) -> tuple[str, ...]:
        """Return what places have in common that the same code judges, in whichever question.

        That is the kind and the declared type; if any text fits that, the name decides what is
        made of it.
        """
        operation = self._operations[place.method, place.path]
        if place.kind == "body":
            form, _, inner = place.name.rpartition(".")
            fields = self._schemas[form]["properties"] if form else self._fields(operation)
            schema = fields[inner]
        else:
            (schema,) = (
                parameter["schema"]
                for parameter in operation["parameters"]
                if (parameter["in"], parameter["name"]) == (place.kind, place.name)
            )
        declared = {name: said for name, said in schema.items() if name not in _ONLY_TOLD}
        name = "" if declared.keys() & _JUDGED or declared.get("type") in _NO_TEXT else place.name
        return place.kind, name, json.dumps(declared, sort_keys=True)

    def request(self, place: Place, value: str) -> bytes:
        """Return the request that has a string at a place."""
        operation = self._operations[place.method, place.path]
        path, query, headers = place.path, {}, "Host: localhost\r\n"
        for parameter in operation.get("parameters", []):
            name, kind = parameter["name"], parameter["in"]
            here = (kind, name) == (place.kind, place.name)
            if kind == "path":
                path = path.replace(f"{{{name}}}", quote(value, safe="") if here else self._job_id)
            elif kind == "header" and here:
                headers += f"{name}: {value}\r\n"
            elif here:
                query[name] = value
            elif parameter["required"]:
                query[name] = parameter["schema"]["examples"][0]
        media_type, body = self._body(operation, place, value)
        if body:
            headers += f"Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n"
        address = f"{path}?{urlencode(query)}" if query else path
        return f"{place.method} {address} HTTP/1.1\r\n{headers}\r\n".encode() + body

    def _body(self, operation: dict[str, Any], place: Place, value: str) -> tuple[str, bytes]:
        """Return the media type of a request's body, and the body."""
        content = operation.get("requestBody", {}).get("content", {})
        if _JSON not in content:
            return next(iter(content), ""), _EMPTY_SAFETENSORS if content else b""
        fields, required = self._fields(operation), self._question(operation).get("required", [])
        body = {
            name: _WHOLE if name == _NETWORK else fields[name]["examples"][0] for name in required
        }
        body |= {name: said for name, said in _SMALL.items() if name in fields}
        if place.kind == "body":
            form, _, inner = place.name.rpartition(".")
            if form:
                body[_NETWORK] = {**NETWORKS[form], inner: value}
            else:
                body[inner] = [value] if fields[inner].get("type") == "array" else value
        return _JSON, json.dumps(body).encode()

    def _fields(self, operation: dict[str, Any]) -> dict[str, Any]:
        fields: dict[str, Any] = self._question(operation).get("properties", {})
        return fields

    def _question(self, operation: dict[str, Any]) -> dict[str, Any]:
        content = operation.get("requestBody", {}).get("content", {})
        named = content.get(_JSON, {}).get("schema", {}).get("$ref")
        question: dict[str, Any] = self._schemas[named.rpartition("/")[2]] if named else {}
        return question

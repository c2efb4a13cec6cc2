"""The route of pictures of architectures."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, create_model

from benchmark_db.answers import drawing_answer
from benchmark_db.benchmark import Benchmark
from benchmark_db.errors import InvalidArchitectureError
from service.http.openapi import READ_PROBLEMS
from service.http.questions import (
    cache_headers,
    described,
    installed,
    read_query,
    scanned,
)
from service.http.response_cache import ResponseCache
from service.routes.parameters import QuestionModel

__all__ = ["PictureRoute"]

_SVG: Final = "image/svg+xml"
_LONGEST_ARCH: Final = 16_384
_STYLE: Final = re.compile(rb"<style>(.*?)</style>", re.DOTALL)
_POLICY: Final = "default-src 'none'; style-src 'sha256-{}'; frame-ancestors 'none'; sandbox"


class _PictureQuestion(QuestionModel):
    theme: Annotated[
        Literal["light", "dark"], Field(description="Colour scheme.", examples=["light"])
    ] = "light"


@dataclass(frozen=True, kw_only=True)
class PictureRoute:
    """The route of pictures of a benchmark's architectures.

    Attributes:
        name: The benchmark.
        arch: Description of an architecture in a query string.
        example: An example of one.
        drawable: Whether architectures have a structure, and not only names.
    """

    name: str
    arch: str
    example: str
    drawable: bool = True

    def add_to(self, router: APIRouter) -> None:
        """Add the route to the benchmark's router."""
        name, question_model = self.name, self._question()

        async def picture(request: Request) -> Response:
            """Return an SVG picture of an architecture: its cells, its choices, or its widths."""
            question: Any = read_query(request, question_model)
            benchmark = installed(request, name)
            headers = cache_headers(request, benchmark.provenance.identity)
            cache: ResponseCache = request.app.state.response_cache
            content = cache.get(headers["ETag"])
            if content is None:
                make = partial(_picture, benchmark, question.arch, question.theme)
                content = await scanned(request, benchmark, make)
                cache.keep(headers["ETag"], content)
            headers["Content-Security-Policy"] = _policy(content)
            return Response(content, headers=headers, media_type=_SVG)

        router.get(
            "/picture",
            operation_id=f"{name.replace('-', '_')}_picture",
            summary="Draw an architecture",
            response_class=Response,
            responses={
                200: {"description": "The picture.", "content": {_SVG: {}}},
                **READ_PROBLEMS,
            },
            openapi_extra=described(question_model),
            # If nothing can be drawn, the route explains why; the document omits it.
            include_in_schema=self.drawable,
        )(picture)

    def _question(self) -> type[BaseModel]:
        arch = Field(max_length=_LONGEST_ARCH, description=self.arch, examples=[self.example])
        title = self.name.title().replace("-", "")
        fields: dict[str, Any] = {"arch": (Annotated[str, arch], ...)}
        return create_model(f"{title}PictureQuestion", __base__=_PictureQuestion, **fields)


def _picture(benchmark: Benchmark, arch: str, theme: Literal["light", "dark"]) -> bytes:
    # Imported for the first picture only: it loads the model hub, which takes half a second.
    from bench_client.pictures import svg_of  # noqa: PLC0415

    drawing = drawing_answer(benchmark, arch)
    try:
        return svg_of(drawing, theme).encode()
    except ValueError as error:
        raise InvalidArchitectureError(str(error)) from error


def _policy(picture: bytes) -> str:
    """Return a content security policy that allows only the style of a picture."""
    style = _STYLE.search(picture)
    digest = hashlib.sha256(b"" if style is None else style[1]).digest()
    return _POLICY.format(b64encode(digest).decode())

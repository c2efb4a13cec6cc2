"""Wire model of pictures of architectures."""

from __future__ import annotations

from pydantic import Field

from bench_client.models.answers import WireModel

__all__ = ["Picture"]


class Picture(WireModel):
    """A picture of an architecture as SVG."""

    svg: str = Field(description="The picture as SVG.")

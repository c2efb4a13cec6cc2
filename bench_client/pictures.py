"""Pictures of architectures from the drawing descriptions of benchmarks.

The module loads `model_hub` (without PyTorch); the service and local mode import it on first use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_hub.cell_picture import cell_svg
from model_hub.drawing import Bar, Theme, bars_svg, choices_svg
from model_hub.errors import ModelHubError

__all__ = ["svg_of"]


def svg_of(drawing: Mapping[str, Any], theme: Theme) -> str:
    """Return the picture of an architecture as SVG.

    Args:
        drawing: Description as `Benchmark.drawn` returns it.
        theme: `light` or `dark`.

    Raises:
        ValueError: The description has an invalid cell.
    """
    if "row" in drawing:
        try:
            return cell_svg(drawing["row"], theme=theme)
        except ModelHubError as error:
            raise ValueError(str(error)) from error
    if "choices" in drawing:
        return choices_svg(drawing["title"], drawing["choices"], theme=theme)
    bars = [Bar(label, int(size)) for label, size in drawing["bars"]]
    return bars_svg(drawing["title"], bars, theme=theme)

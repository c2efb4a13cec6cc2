from __future__ import annotations

import pytest
import torch

from nas_search.training import Images


@pytest.fixture(scope="session")
def images() -> Images:
    """240 images of 8 x 8 in four classes, each a pattern of its class with noise."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.rand((4, 3, 8, 8), generator=generator)
    labels = torch.arange(240) % 4
    noise = torch.rand((240, 3, 8, 8), generator=generator)
    pixels = (255 * (0.6 * patterns[labels] + 0.4 * noise)).to(torch.uint8)
    return Images(pixels, labels, mean=(0.5,), std=(0.25,))

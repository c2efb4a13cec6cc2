"""Texts of a made-up language, which tests of spaces of ids learn."""

from __future__ import annotations

import torch

from nas_search.training import Tokens

__all__ = ["patterned_texts"]

_PADDING = 1


def patterned_texts(count: int, *, length: int = 12, vocabulary: int = 20) -> Tokens:
    """Return texts of which the label says whether small or large ids are frequent."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 2
    half = (vocabulary - 2) // 2
    ids = 2 + torch.randint(half, (count, length), generator=generator)
    strays = torch.rand((count, length), generator=generator) < 0.2
    ids = ids + half * (labels[:, None].bool() ^ strays)
    ends = length - torch.randint(length // 3, (count, 1), generator=generator)
    return Tokens(torch.where(torch.arange(length) < ends, ids, _PADDING), labels)

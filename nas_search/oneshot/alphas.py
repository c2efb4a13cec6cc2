"""The architecture logits (alphas) of a differentiable search, and the draws of paths from them.

There is one row of logits for each choice, shared by all modules that the choice controls. They are
not parameters of the supernet, so no optimizer of weights can change them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from nas_search.errors import NoMixtureError
from nas_search.oneshot.supernet import Supernet
from nas_search.training.data import seeded

__all__ = ["Alphas", "check_single_paths", "drawn_path", "gumbels", "one_hot", "probabilities_of"]

_SPREAD: Final = 1e-3
"""Standard deviation of the initial logits, as in all published code."""

_TRIES: Final = 1000


class Alphas(Mapping[str, nn.Parameter]):
    """The architecture logits: one row for each choice, initialised with N(0, 1) / 1000.

    Args:
        rows: The number of candidates of each choice.
        seed: Seed of the initial values.
        device: The device of the logits.

    Attributes:
        baseline: The moving average of rewards, and 1 once it has a value; for `Reinforced`.
    """

    def __init__(
        self, rows: Mapping[str, int], *, seed: int = 0, device: torch.device | str = "cpu"
    ) -> None:
        generator = seeded(seed, "alphas")
        self.baseline = torch.zeros(2)
        self._rows = {
            name: nn.Parameter((_SPREAD * torch.randn(size, generator=generator)).to(device))
            for name, size in rows.items()
        }

    @classmethod
    def of(cls, supernet: Supernet, *, seed: int = 0) -> Alphas:
        """Return logits for a supernet, with a row for each of its mixtures.

        Raises:
            NoMixtureError: Candidates of this space cannot be mixed; the message says why.
        """
        rows = {name: len(candidates) for name, candidates in supernet.mixtures.items()}
        return cls(rows, seed=seed, device=next(supernet.parameters()).device)

    def __getitem__(self, name: str) -> nn.Parameter:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The rows, in order."""
        return list(self._rows.values())


def check_single_paths(supernet: Supernet, user: str) -> None:
    """Raise if a row of logits of a supernet is not a choice of its space.

    Args:
        supernet: The supernet.
        user: The feature that requires single paths, for the message.

    Raises:
        NoMixtureError: Rows are edges of cells, of which a path uses two for each node.
    """
    others = supernet.mixtures.keys() - set(supernet.space.choices.labels)
    if others:
        raise NoMixtureError(
            f"{user} needs one row of candidates for each choice, but {min(others)} of "
            f"{type(supernet.space).__name__} is an edge of a cell; Softmax and Gumbel search cells"
        )


def probabilities_of(alphas: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the softmax of each row."""
    return {name: row.softmax(0) for name, row in alphas.items()}


def gumbels(row: Tensor, generator: torch.Generator) -> Tensor:
    """Draw one finite value from the standard Gumbel distribution for each entry of a row."""
    for _ in range(_TRIES):
        uniform = torch.rand(row.shape, generator=generator, dtype=torch.float64)
        drawn = -torch.log(-torch.log(uniform))
        if bool(torch.isfinite(drawn).all()):
            break
    return drawn.to(row)


def one_hot(places: Mapping[str, int], alphas: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return one-hot rows with the ones at the given indices."""
    hot = {}
    for name, row in alphas.items():
        hot[name] = torch.zeros_like(row, requires_grad=False)
        hot[name][places[name]] = 1
    return hot


def drawn_path(
    supernet: Any, alphas: Mapping[str, Tensor], generator: torch.Generator
) -> tuple[dict[str, Any], dict[str, int]]:
    """Draw a candidate of each row by its probabilities.

    Returns:
        The sample, and the index of the candidate of each row.
    """
    places = {
        name: int(torch.multinomial(row.detach().softmax(0).cpu(), 1, generator=generator))
        for name, row in alphas.items()
    }
    return supernet.decode(one_hot(places, alphas)), places


def entropy(probabilities: Sequence[Tensor]) -> float:
    """Return the mean entropy of rows of probabilities, in nats."""
    rows = [row.detach() for row in probabilities]
    return sum(float(torch.special.entr(row).sum()) for row in rows) / len(rows)

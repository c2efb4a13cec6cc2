"""Base class of data sets about architectures: strings, indices, neighbours, columns, drawings.

It depends only on the search space, not on recorded runs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from benchmark_db.config_columns import ConfigColumn, columns_of_spec
from benchmark_db.errors import (
    InvalidArchitectureError,
    UnsupportedQuestionError,
    shown,
)
from benchmark_db.features import Feature
from benchmark_db.installed_dataset import InstalledDataset
from benchmark_db.items import Item
from benchmark_db.numbered_space import NumberedSpace
from benchmark_db.questions import (
    MAX_BATCH,
    checked_batch,
    checked_count,
    integer,
    known_filters,
    result_or_error,
)
from benchmark_db.sampling import is_among, sample_numbers
from benchmark_spec import OpenSpace

if TYPE_CHECKING:
    from benchmark_db.benchmark import Benchmark

__all__ = ["Architectures"]


class Architectures(InstalledDataset):
    """Installed data about architectures that can be described, sampled and compared.

    Args:
        path: Its database.

    Raises:
        UnusableDatabaseError: The file is not a database of this data and schema.
    """

    spelled_by: str = "arch_str"
    """Field of a described architecture that holds the text which identifies it."""
    recorded_by: str = 'SELECT "index" FROM architecture ORDER BY "index"'
    """SQL that selects the indices of all architectures with runs, ascending."""

    @classmethod
    def numbered_space(cls) -> OpenSpace | None:
        """Return the space of its architectures; None where they have no index of their own."""
        return None

    def features(self) -> tuple[Feature, ...]:
        """Return the columns that are derived from the architectures alone."""
        space = self.arch_space
        return space.features() if isinstance(space, NumberedSpace) else ()

    def drawn(self, arch: Any) -> Item:
        """Return the data from which a page draws an architecture.

        Returns:
            `title`, and one of: `row`, the description of the cells in a row of the benchmark;
            `choices`, in the order of the network; `bars`, a label and a width each.

        Raises:
            InvalidArchitectureError: The architecture is malformed or outside the space.
            UnsupportedQuestionError: The benchmark knows its architectures only by name.
        """
        space = self.arch_space
        if not isinstance(space, NumberedSpace):
            raise UnsupportedQuestionError(
                f"{self.spec.title} lists its architectures by name: they cannot be drawn"
            )
        return space.drawn(space.number(arch))

    def spelled(self, filters: Mapping[str, Any], numbers: Sequence[int]) -> dict[int, str]:
        """Return the architecture strings of these indices; unknown indices are left out.

        Args:
            filters: The part of the architectures, where each part has indices of its own.
            numbers: Indices.

        Raises:
            InvalidQuestionError: A filter is malformed.
        """
        # All parts share their indices: the filters are only checked.
        known_filters({one: filters[one] for one in filters if one in self.filters}, self.filters)
        known = [one for one in dict.fromkeys(numbers) if is_among(one, self.recorded())]
        named = zip(known, self.architectures(known), strict=True)
        return {number: str(names[self.spelled_by]) for number, names in named}

    @classmethod
    def network_arch(cls, arch: Any, opened: Callable[[], Benchmark]) -> Any:
        """Return the architecture string from which `model_hub` builds a network.

        Args:
            arch: The architecture in any accepted spelling, as decoded from JSON.
            opened: Returns the benchmark's database, which some spellings need.

        Raises:
            InvalidArchitectureError: The architecture is malformed, outside the space or unknown.
        """
        del opened
        space = cls.numbered_space()
        if space is None:
            raise NotImplementedError
        return space.names(space.number(arch))["arch_str"]

    @property
    def arch_space(self) -> OpenSpace | None:
        """The space of its architectures; None where they have no index of their own."""
        return self.numbered_space()

    def exported(self) -> Sequence[ConfigColumn]:
        """Return the columns of a configuration in exports: by default those of the description.

        A benchmark whose architectures have no index overrides it.
        """
        space = self.arch_space
        if space is None:
            raise NotImplementedError
        return columns_of_spec(self.spec, space, self.numbered_by)

    def describe_many(self, archs: Sequence[Any]) -> list[Item | InvalidArchitectureError]:
        """Return `describe` of each architecture, in order, or the error of an invalid one.

        Raises:
            InvalidQuestionError: There are too many architectures.
        """
        return [result_or_error(self.describe, arch) for arch in checked_batch(archs)]

    def describe(self, arch: Any) -> Item:
        """Return the representations of an architecture and properties derived from it alone.

        A subclass overrides this method or `describe_many`; each is implemented by the other.

        Raises:
            InvalidArchitectureError: The architecture is malformed or outside the space.
        """
        (described,) = self.describe_many([arch])
        if isinstance(described, InvalidArchitectureError):
            raise described
        return described

    def number_of(self, arch: Any) -> int | None:
        """Return the index of an architecture among the candidates; None if it has no runs.

        Raises:
            InvalidArchitectureError: The architecture is malformed or outside the space.
            UnsupportedQuestionError: An architecture may have several candidates.
        """
        number: int = self.filters["arch"].read(arch)  # type: ignore[assignment]  # of numbered ones
        return number

    def recorded(self) -> Sequence[int]:
        """Return the indices of all architectures that have runs, ascending."""
        return self._recorded

    @cached_property
    def _recorded(self) -> Sequence[int]:
        numbers = [number for (number,) in self.database.rows(self.recorded_by)]
        # Usually the indices have no gap, and a range takes no memory.
        whole = range(numbers[0], numbers[0] + len(numbers)) if numbers else range(0)
        return whole if numbers == list(whole) else numbers

    @abstractmethod
    def architectures(self, numbers: Sequence[int]) -> list[Item]:
        """Return the descriptions of the architectures with these indices, as `describe` does."""

    def sample(self, n: int, seed: int) -> list[Item]:
        """Return descriptions of architectures drawn uniformly from those that have runs.

        Args:
            n: Size of the sample, 1 to `MAX_BATCH`, without repetitions.
            seed: Any integer from 0 to 2^63 - 1. The same seed gives the same sample.

        Raises:
            InvalidQuestionError: `n` or `seed` is malformed, or there are fewer architectures.
        """
        recorded = self.recorded()
        n = checked_count("n", n, min(MAX_BATCH, len(recorded)))
        drawn = sample_numbers(len(recorded), n, integer("seed")(seed))
        return self.architectures([recorded[place] for place in drawn])

    def neighbors(self, arch: Any) -> list[Item]:
        """Return the descriptions of all architectures that are one edit away, in a fixed order.

        Raises:
            InvalidArchitectureError: The architecture is malformed or outside the space.
            UnsupportedQuestionError: The benchmark defines no edits of its architectures.
        """
        raise UnsupportedQuestionError(
            f"{self.spec.title} is a sample of spaces too large to list: hardly any architecture "
            f"one edit away from {shown(arch)} has been trained"
        )

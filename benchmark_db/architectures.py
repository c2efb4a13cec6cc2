"""Base class of what has architectures: their names, numbers, neighbours, columns and drawings.

None of it depends on what was trained but which architectures there are.
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
    """Installed data about architectures that can be named, drawn by lot and compared.

    Args:
        path: Its database.

    Raises:
        UnusableDatabaseError: The file is not a database of this data and schema.
    """

    spelled_by: str = "arch_str"
    """Which of an architecture's names is a text that stands for it alone."""
    recorded_by: str = 'SELECT "index" FROM architecture ORDER BY "index"'
    """Selects the numbers of all architectures that have runs, ascending."""

    @classmethod
    def numbered_space(cls) -> OpenSpace | None:
        """Return the space of its architectures; None where they have no numbers of their own."""
        return None

    def features(self) -> tuple[Feature, ...]:
        """Return the columns that follow from its architectures alone."""
        space = self.arch_space
        return space.features() if isinstance(space, NumberedSpace) else ()

    def drawn(self, arch: Any) -> Item:
        """Return how an architecture is drawn.

        Returns:
            `title`, and one of: `row`, what a row of the benchmark says of its cells; `choices`,
            in the order in which they follow each other; `bars`, a label and a width each.

        Raises:
            InvalidArchitectureError: It is malformed or outside the space.
            UnsupportedQuestionError: Nothing is known of architectures but their names.
        """
        space = self.arch_space
        if not isinstance(space, NumberedSpace):
            raise UnsupportedQuestionError(
                f"{self.spec.title} lists its architectures by name: there is nothing to draw"
            )
        return space.drawn(space.number(arch))

    def spelled(self, filters: Mapping[str, Any], numbers: Sequence[int]) -> dict[int, str]:
        """Return a spelling of the architectures with these numbers, as text; others are left out.

        Args:
            filters: Which part they are of, where numbers are those of a part.
            numbers: Whole numbers.

        Raises:
            InvalidQuestionError: A filter is malformed.
        """
        # Numbers are those of all parts: values are judged, and mean nothing else.
        known_filters({one: filters[one] for one in filters if one in self.filters}, self.filters)
        known = [one for one in dict.fromkeys(numbers) if is_among(one, self.recorded())]
        named = zip(known, self.architectures(known), strict=True)
        return {number: str(names[self.spelled_by]) for number, names in named}

    @classmethod
    def network_arch(cls, arch: Any, opened: Callable[[], Benchmark]) -> Any:
        """Return an architecture in the spelling by which networks are built: its string.

        Args:
            arch: In any spelling, as JSON has it.
            opened: Gives the benchmark's database, where a spelling needs that.

        Raises:
            InvalidArchitectureError: It is malformed, outside the space or not known.
        """
        del opened
        space = cls.numbered_space()
        if space is None:
            raise NotImplementedError
        return space.names(space.number(arch))["arch_str"]

    @property
    def arch_space(self) -> OpenSpace | None:
        """The space of its architectures; None where they have no numbers of their own."""
        return self.numbered_space()

    def exported(self) -> Sequence[ConfigColumn]:
        """Return the columns of a configuration in exports: by default what its description says.

        Where architectures have no numbers, a benchmark says it itself.
        """
        space = self.arch_space
        if space is None:
            raise NotImplementedError
        return columns_of_spec(self.spec, space, self.numbered_by)

    def describe_many(self, archs: Sequence[Any]) -> list[Item | InvalidArchitectureError]:
        """Return `describe` of each architecture, in order, or the error that says why not.

        Raises:
            InvalidQuestionError: They are too many.
        """
        return [result_or_error(self.describe, arch) for arch in checked_batch(archs)]

    def describe(self, arch: Any) -> Item:
        """Return the names of an architecture and what follows from it alone.

        A subclass redefines this or `describe_many`, each of which is made of the other.

        Raises:
            InvalidArchitectureError: It is malformed or outside the space.
        """
        (described,) = self.describe_many([arch])
        if isinstance(described, InvalidArchitectureError):
            raise described
        return described

    def number_of(self, arch: Any) -> int | None:
        """Return the number of an architecture among the candidates; None if it has no runs.

        Raises:
            InvalidArchitectureError: It is malformed or outside the space.
            UnsupportedQuestionError: An architecture may have several candidates.
        """
        number: int = self.filters["arch"].read(arch)  # type: ignore[assignment]  # of numbered ones
        return number

    def recorded(self) -> Sequence[int]:
        """Return the numbers of all architectures that have runs, ascending."""
        return self._recorded

    @cached_property
    def _recorded(self) -> Sequence[int]:
        numbers = [number for (number,) in self.database.rows(self.recorded_by)]
        # All of them, as a rule: a range takes no memory.
        whole = range(numbers[0], numbers[0] + len(numbers)) if numbers else range(0)
        return whole if numbers == list(whole) else numbers

    @abstractmethod
    def architectures(self, numbers: Sequence[int]) -> list[Item]:
        """Return the names of the architectures with these numbers, as `describe` does."""

    def sample(self, n: int, seed: int) -> list[Item]:
        """Return the names of architectures drawn uniformly from those that have runs.

        Args:
            n: How many, 1 to `MAX_BATCH`, each once.
            seed: Any integer from 0 to 2^63 - 1; the sample depends on nothing else.

        Raises:
            InvalidQuestionError: A number is malformed, or there are fewer architectures.
        """
        recorded = self.recorded()
        n = checked_count("n", n, min(MAX_BATCH, len(recorded)))
        drawn = sample_numbers(len(recorded), n, integer("seed")(seed))
        return self.architectures([recorded[place] for place in drawn])

    def neighbors(self, arch: Any) -> list[Item]:
        """Return the names of all architectures that one edit makes of one, in a fixed order.

        Raises:
            InvalidArchitectureError: It is malformed or outside the space.
            UnsupportedQuestionError: The benchmark's architectures have no edits.
        """
        raise UnsupportedQuestionError(
            f"{self.spec.title} is a sample of spaces too large to list: what is one edit "
            f"away from {shown(arch)} has hardly ever been trained"
        )

"""Functions of a whole stratum: `rank`, `zscore`, `quantile`; and `noise`, which is chance.

What they need is observed before the expression is evaluated, and stands in the batch as a column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.select.nodes import Node, in_column
from pipeline.select.pools import Pool, quantile, ranks

Frozen = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Kind:
    """What a function takes and looks at."""

    takes: tuple[str, ...]
    observes: Literal["moments", "ranks"] | None
    parameter: Literal["share", "purpose"] | None = None

    @property
    def of_values(self) -> bool:
        """Whether its first argument is a value of each row."""
        return self.observes is not None

    def fits(self, count: int) -> bool:
        """Whether it takes so many arguments."""
        return count == len(self.takes)

    def usage(self, name: str) -> str:
        """How it is called."""
        return f"{name}({', '.join(self.takes)})"

    def accepts(self, literal: object) -> bool:
        """Whether the parameter is one."""
        if self.parameter == "purpose":
            return isinstance(literal, str)
        return isinstance(literal, int | float) and 0 <= literal <= 1


FITTED: Mapping[str, Kind] = MappingProxyType(
    {
        "rank": Kind(("a number",), "ranks"),
        "zscore": Kind(("a number",), "moments"),
        "quantile": Kind(("a number", "a share from 0 to 1"), "ranks", "share"),
        "noise": Kind(("a name in quotes",), None, "purpose"),
    }
)


@dataclass(frozen=True)
class FittedCall:
    """One call: the column that it stands in, and the values that it is of."""

    name: str
    function: str
    argument: Node | None
    parameter: object
    needs: tuple[str, ...] = ()
    """The calls that its argument is made of."""

    @property
    def observes(self) -> Literal["moments", "ranks"] | None:
        """What is to be observed before it can be given."""
        return FITTED[self.function].observes

    def freeze(self, pool: Pool) -> dict[str, list[float]]:
        """What a stratum's pool tells, as it stands in the plan."""
        if self.function == "zscore":
            return {"mean": [pool.mean], "deviation": [pool.deviation]}
        table = pool.table()
        if self.function == "rank":
            return table
        found = quantile(table, float(str(self.parameter)))
        return {"quantile": [] if found is None else [found]}

    def values(self, numbers: npt.NDArray[np.float64], frozen: Frozen) -> npt.NDArray[np.float64]:
        """The function's values for rows of one stratum."""
        if self.function == "zscore":
            return (numbers - frozen["mean"][0]) / (frozen["deviation"][0] or 1.0)
        if self.function == "rank":
            return ranks(numbers, frozen)
        return np.full(len(numbers), frozen["quantile"][0] if frozen["quantile"] else np.nan)


def fitted_node(call: FittedCall) -> Node:
    """The column of a call."""
    return in_column(call.name, pa.float64())

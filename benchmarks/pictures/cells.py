"""The cells of a condition, and the base that all start from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.pictures.look import Look

LIGHT_BLUE, BLUE_INK, RED_INK, GREEN_INK = (0.68, 0.82, 0.95), (0.12, 0.18, 0.55), (0.75, 0.12, 0.15), (0.1, 0.42, 0.2)
CREAM, YELLOW, PINK, SKY = (0.96, 0.93, 0.84), (0.98, 0.92, 0.5), (0.97, 0.78, 0.82), (0.75, 0.87, 0.97)
KRAFT, WOOD, BOARD, SLATE = (0.72, 0.58, 0.42), (0.4, 0.27, 0.17), (0.13, 0.27, 0.2), (0.2, 0.22, 0.25)

#: A pen on light paper in a picture of some 250 pixels; each condition changes one aspect of it.
BASE = Look()

Strengths = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Cell:
    """A condition at one strength.

    `counted` is false if a person could not read the picture without effort. `share` is the share of the requested
    digits that the cell gets: large pictures take long.
    """

    condition: str
    strength: str
    look: Look
    counted: bool
    share: float

    @property
    def name(self) -> str:
        """The cell's short name."""
        return f"{self.condition}/{self.strength}"


def condition(
    name: str, strengths: Strengths, *, base: Look = BASE, shown: tuple[str, ...] = (), share: float = 1.0
) -> list[Cell]:
    """Return the cells of a condition: the changes of `base` at each of the `strengths`.

    The strengths in `shown` do not count, and get half of the digits.
    """
    return [
        Cell(name, strength, replace(base, **changes), strength not in shown, share / (2 if strength in shown else 1))
        for strength, changes in strengths.items()
    ]

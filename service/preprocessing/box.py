"""A rectangle of pixels."""

from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle, in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def longer(self) -> int:
        """The longer side."""
        return max(self.width, self.height)

    @property
    def right(self) -> int:
        """The first column beyond it."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The first row below it."""
        return self.top + self.height

    @property
    def area(self) -> int:
        """Width times height."""
        return self.width * self.height

    def slices(self, room: int) -> tuple[slice, slice]:
        """Return the rows and columns of the rectangle and `room` pixels around it."""
        top, left = max(0, self.top - room), max(0, self.left - room)
        return slice(top, self.bottom + room), slice(left, self.right + room)

    def moved(self, across: int, down: int) -> "Box":
        """Return it further to the right and down."""
        return self._replace(left=self.left + across, top=self.top + down)

    def around(self, other: "Box") -> "Box":
        """Return the smallest rectangle that holds both."""
        left, top = min(self.left, other.left), min(self.top, other.top)
        return Box(left, top, max(self.right, other.right) - left, max(self.bottom, other.bottom) - top)

    def gaps(self, other: "Box") -> tuple[int, int]:
        """Return the distance to another across and down; negative is by how much they overlap."""
        across = max(self.left, other.left) - min(self.right, other.right)
        return across, max(self.top, other.top) - min(self.bottom, other.bottom)

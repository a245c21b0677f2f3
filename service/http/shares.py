"""Which worker takes a connection: the one that has fewest.

All workers wait at one socket, and the kernel wakes all of them for each client. The one that is awake already comes
first, again and again: of eight connections made one after the other, one of two workers got all in five trials of
eight, and had them as long as the clients kept them, the other processor idle. So a worker that holds more than another
leaves a client to it for a moment (`service.worker`). A socket for each worker (SO_REUSEPORT) would deal connections
out by chance, and lose those that wait at one whose worker dies.
"""

import mmap


class Shares:
    """How many connections each of so many workers holds, in memory that all processes share which are forked later."""

    def __init__(self, workers: int) -> None:
        """Begin with no worker there."""
        self._counts = memoryview(mmap.mmap(-1, 8 * workers)).cast("q")  # one more than a worker holds; 0: no worker

    def __len__(self) -> int:
        """Return for how many workers there is room."""
        return len(self._counts)

    def hold(self, worker: int, connections: int) -> None:
        """Say that a worker, by its number, takes connections and holds so many."""
        self._counts[worker] = connections + 1

    def leave(self, worker: int) -> None:
        """Say that a worker takes none any more."""
        self._counts[worker] = 0

    def has_fewest(self, worker: int) -> bool:
        """Tell whether no other worker holds fewer connections."""
        mine = self._counts[worker]
        return all(count == 0 or count >= mine for count in self._counts)

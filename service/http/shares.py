"""Connection counts of all workers, so that the one with the fewest takes the next connection.

The workers share one listening socket, and the first to wake would take every connection; docs/architecture.md has
figures, and why not SO_REUSEPORT.
"""

import mmap


class Shares:
    """Connections held by each worker, in memory shared with processes forked later."""

    def __init__(self, workers: int) -> None:
        """Make room for `workers`, none of them active."""
        self._counts = memoryview(mmap.mmap(-1, 8 * workers)).cast("q")  # connections + 1; 0: no worker

    def __len__(self) -> int:
        """Return the most workers."""
        return len(self._counts)

    def hold(self, worker: int, connections: int) -> None:
        """Record that a worker takes connections and holds this many."""
        self._counts[worker] = connections + 1

    def leave(self, worker: int) -> None:
        """Record that a worker takes no more connections."""
        self._counts[worker] = 0

    def has_fewest(self, worker: int) -> bool:
        """Return whether no other worker holds fewer connections."""
        mine = self._counts[worker]
        return all(count == 0 or count >= mine for count in self._counts)

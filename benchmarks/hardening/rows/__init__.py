"""The rows of the scorecard, a module each: `TITLE`, `EXPECTED` and `run(plan)`."""

#: Row 1 is the first.
NAMES = (
    "mutated_pictures",
    "requests",
    "killed_workers",
    "stops",
    "slow_clients",
    "overload",
    "long_run",
    "missing_cuda",
    "dependencies",
)

"""The rows of the scorecard, a module each: `TITLE`, `EXPECTED` and `run(score)`."""

#: Row 1 is the first.
NAMES = (
    "mutated_pictures",
    "requests",
    "expanding_uploads",
    "limits",
    "killed_workers",
    "stops",
    "slow_clients",
    "overload",
    "bad_versions",
    "interrupted_publishing",
    "long_run",
    "missing_cuda",
    "confinement",
    "dependencies",
)

"""How many CPUs this process may use; the service and training share it."""

import os
from pathlib import Path


def available_cpus() -> int:
    """Return how many CPUs this process may use: its affinity, and its container's quota rounded up."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota(Path("/sys/fs/cgroup/cpu.max"))
    return max(1, min(cpus, quota or cpus))


def _cgroup_quota(cpu_max: Path) -> int | None:
    """Return the CPUs that cgroup v2 allows ("200000 100000" is 2), None if unlimited."""
    try:
        quota, period = cpu_max.read_text(encoding="ascii").split()
        return -(-int(quota) // int(period))
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return None

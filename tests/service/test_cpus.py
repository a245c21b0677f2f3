"""How many CPUs this process may use."""

import os
from pathlib import Path

import pytest

from service.cpus import _cgroup_quota, available_cpus


@pytest.mark.parametrize(("text", "cpus"), [("200000 100000\n", 2), ("150000 100000\n", 2), ("max 100000\n", None)])
def test_quota_of_a_container_is_rounded_up(tmp_path: Path, text: str, cpus: int | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert _cgroup_quota(tmp_path / "cpu.max") == cpus
    assert _cgroup_quota(tmp_path / "absent") is None


def test_without_affinity_all_cpus_count(monkeypatch: pytest.MonkeyPatch) -> None:  # macOS has none
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert available_cpus() == 1

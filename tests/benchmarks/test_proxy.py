"""The targets of `python -m benchmarks.proxy`."""

import pytest

from benchmarks import proxy
from benchmarks.serving.load import Load


@pytest.mark.parametrize(
    ("rate", "p99", "met"), [(800, 10, True), (790, 5, False), (1000, 10.1, False)], ids=["met", "rate", "p99"]
)
def test_targets_are_those_of_the_medians(
    capsys: pytest.CaptureFixture[str], rate: float, p99: float, met: bool
) -> None:
    direct = [Load(each, 2.0, 5.0, 3000) for each in (1, 1000, 9000)]
    proxied = [Load(rate, 2.0, p99, 3000)] * 3
    assert proxy.report({"directly": direct, "over the proxy": proxied}, 3) == met
    assert "directly: 1,000 requests/s (1 to 9,000), p50 2.0 ms, p99 5.0 ms" in capsys.readouterr().out

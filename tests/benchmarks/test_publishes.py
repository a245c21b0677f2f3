"""New versions under load: the short form of `python -m benchmarks.publishes`."""

import pytest

from benchmarks import publishes

SECONDS = 10.0  # for all workers to switch; the long form allows 3 on an idle machine


@pytest.mark.slow
def test_no_request_is_lost_and_each_answer_is_that_of_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = publishes.measure(publishes=6, rate=50, blocks=2)
    with capsys.disabled():
        print("\n" + publishes.report(outcome))
    assert len(outcome.answers) == round(50 * 2 * 6 * publishes.INTERVAL_SECONDS)
    assert (outcome.failed, outcome.wrong) == ([], [])
    assert sorted(outcome.published) == list(range(2, 8))
    assert outcome.longest_switch < SECONDS
    assert max(outcome.seen) == 7

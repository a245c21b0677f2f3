"""Every recorded request still gets the recorded answer."""

import pytest

from tests.contract.exchanges import exchanges
from tests.contract.server import Servers
from tests.contract.transcripts import answered, exchange_of, golden, mismatches

ENTRIES = golden()


@pytest.mark.parametrize("name", ENTRIES)
def test_answer_matches_the_record(live: Servers, name: str) -> None:
    assert mismatches(ENTRIES[name], answered(live, exchange_of(name, ENTRIES[name]))) == []


def test_record_is_complete_and_current() -> None:
    found = {exchange.name: (exchange.sent, exchange.settings, exchange.changed) for exchange in exchanges()}
    on_record = {name: exchange_of(name, entry) for name, entry in ENTRIES.items()}
    assert found == {
        name: (exchange.sent, exchange.settings, ENTRIES[name].get("changed", ""))
        for name, exchange in on_record.items()
    }

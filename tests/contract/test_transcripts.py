"""Every exchange still gets the recorded answer."""

import pytest

from tests.contract.exchanges import exchanges
from tests.contract.server import Servers
from tests.contract.transcripts import answered, digest, golden, mismatches

ENTRIES = golden()
EXCHANGES = {exchange.name: exchange for exchange in exchanges()}


@pytest.mark.parametrize("name", ENTRIES)
def test_answer_matches_the_record(live: Servers, name: str) -> None:
    assert mismatches(ENTRIES[name], answered(live, EXCHANGES[name])) == []


def test_record_is_complete_and_current() -> None:
    found = {name: (digest(each.sent), each.settings, each.changed) for name, each in EXCHANGES.items()}
    assert found == {
        name: (entry["sent"], entry["settings"], entry.get("changed", "")) for name, entry in ENTRIES.items()
    }

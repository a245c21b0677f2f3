"""The 28x28 input or error code of 2,000 pictures matches the record."""

from tests.contract.pictures import ask, differences, golden
from tests.contract.server import Servers


def test_every_picture_gives_the_same_digit_or_error_as_before(live: Servers) -> None:
    before = golden()
    assert sum(map(len, before.values())) > 2000
    assert differences(before, ask(live.address())) == {}

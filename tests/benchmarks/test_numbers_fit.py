"""The fit of the weights by which numbers are read."""

import numpy as np

from benchmarks.numbers.fit import fit, lattice, likelihood
from service.preprocessing.box import Box
from service.preprocessing.numbers.candidates import Candidate
from service.preprocessing.numbers.path import TERMS, Step

BOX = Box(0, 0, 20, 40)
WEIGHTS = np.array(list(TERMS.values()))


def pair(cut: float) -> list[Step]:
    """A piece that is one digit, a 4, or two, 1 and 2; or one of these beside a skip."""
    candidate = Candidate(0, 2, 0, BOX)
    return [
        Step(0, 2, {"digit": 1.0, "likelihood": -1.0}, 4, candidate),
        Step(0, 1, {"digit": 1.0, "cut": cut}, 1, candidate),
        Step(1, 2, {"digit": 1.0, "cut": cut}, 2, candidate),
        Step(1, 2, {"skip": 1.0}),
    ]


def test_likelihoods_of_all_texts_sum_to_one() -> None:
    values = [likelihood(lattice(pair(1.0), text), WEIGHTS)[0] for text in ("4", "12", "1")]
    assert np.isclose(np.exp(values).sum(), 1)
    assert likelihood(lattice(pair(1.0), "7"), WEIGHTS)[0] == -np.inf


def test_gradient_is_the_slope() -> None:
    line = lattice(pair(1.0), "12")
    _, gradient = likelihood(line, WEIGHTS)
    for index in range(len(WEIGHTS)):
        aside = np.eye(len(WEIGHTS))[index] * 1e-5
        slope = (likelihood(line, WEIGHTS + aside)[0] - likelihood(line, WEIGHTS - aside)[0]) / 2e-5
        assert np.isclose(gradient[index], slope, atol=1e-6)


def test_fit_makes_what_is_written_likelier_and_leaves_what_is_set() -> None:
    lines = [lattice(pair(1.0), "12")] * 64
    weights, after = fit(lines)
    assert after > likelihood(lines[0], WEIGHTS)[0]
    names = list(TERMS)
    assert weights[names.index("cut")] > TERMS["cut"]
    assert weights[names.index("skip")] == TERMS["skip"]

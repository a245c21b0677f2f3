from typing import Any

import cv2
import numpy as np
import pytest

from service.preprocessing.mnist_format import canonical_digit
from training.data.mnist import Bytes, Mnist
from training.synthesis import conditions, forms, pen

SEEDS = range(12)
RANDOM = np.random.default_rng


@pytest.fixture(scope="module")
def ink() -> Bytes:
    """A neat 2, its strokes a tenth of its height wide."""
    hand = pen.Hand(0, 0, 0, 1, 0, 0, 0.1, 0, 1, None, 0)
    form = next(form for form in forms.FORMS if form.label == 2)
    return pen.draw(forms.lines(form, 0, RANDOM(1)), hand, RANDOM(1))


def inked(picture: Bytes) -> int:
    return int((picture > 127).sum())


def whole(picture: Bytes) -> int:
    """Return the number of pixels of the largest connected stroke."""
    _, pieces = cv2.connectedComponents((picture > 127).astype(np.uint8))
    return int(np.bincount(pieces.ravel())[1:].max())


def test_enlarge_keeps_the_shape_and_sharpens_the_edge(data: Mnist) -> None:
    digit = data.train_images[0]
    large = conditions.enlarge(digit)
    assert (large.shape, large.dtype) == ((112, 112), np.uint8)
    small = cv2.resize(large, (28, 28), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - digit).mean() < 12
    grey = ((large > 20) & (large < 235)).mean()
    assert grey < 0.6 * ((digit > 20) & (digit < 235)).mean()


@pytest.mark.parametrize("share", [0.2, 0.5, 0.65])
def test_thin_takes_the_outside_and_hardly_breaks_a_stroke(ink: Bytes, share: float) -> None:
    thinner = conditions.thin(ink, share)
    assert inked(thinner) / inked(ink) == pytest.approx(1 - share, abs=0.15)
    assert whole(thinner) > 0.9 * inked(thinner)
    assert not np.any((thinner > 127) & (ink < 128))


def test_embolden_widens(ink: Bytes) -> None:
    bolder = conditions.embolden(ink, 3)
    assert inked(bolder) > 1.3 * inked(ink)
    assert np.all(bolder >= ink)


def test_turn_loses_no_ink(ink: Bytes) -> None:
    for seed in SEEDS:
        assert inked(conditions.turn(ink, RANDOM(seed))) == pytest.approx(inked(ink), rel=0.05)


@pytest.mark.parametrize("condition", conditions.CONDITIONS, ids=lambda condition: condition.take.__name__)
def test_a_condition_gives_pictures_by_the_seed(ink: Bytes, condition: conditions.Condition) -> None:
    for seed in SEEDS:
        picture = condition.take(ink, RANDOM(seed))
        assert picture.dtype == np.uint8
        assert picture.ndim == 2
        assert picture.max() > picture.min()
        np.testing.assert_array_equal(condition.take(ink, RANDOM(seed)), picture)


@pytest.mark.parametrize("condition", conditions.CONDITIONS, ids=lambda condition: condition.take.__name__)
def test_preprocessing_keeps_the_digit_in_most_pictures(ink: Bytes, condition: conditions.Condition) -> None:
    wanted = canonical_digit(ink).astype(float)
    alike = [_likeness(wanted, condition.take(ink, RANDOM(seed))) for seed in range(30)]
    assert np.median(alike) > 0.6


def _likeness(wanted: Any, picture: Bytes) -> float:
    try:
        found = canonical_digit(picture).astype(float)
    except conditions.RequestError:
        return 0.0
    return float(np.corrcoef(wanted.ravel(), found.ravel())[0, 1])


def test_a_bitmap_is_small_and_filled_by_the_digit(ink: Bytes) -> None:
    sides, filled = set(), 0
    for seed in range(60):
        small = conditions.stretched(conditions.tight(ink), 16, RANDOM(seed))
        assert small.shape[0] == 16
        filled += small.shape[1] == 16
        sides.add(max(conditions.bitmap(ink, RANDOM(seed)).shape))
    assert filled > 30
    assert min(sides) <= 8
    assert len(sides) > 6


def test_a_narrow_digit_is_not_stretched_to_a_square() -> None:
    bar = np.full((100, 10), 255, np.uint8)
    assert max(conditions.stretched(bar, 32, RANDOM(seed)).shape[1] for seed in SEEDS) <= 12


def test_some_strokes_are_cut_off_at_the_border(ink: Bytes) -> None:
    borders = []
    for seed in range(150):
        sheet = conditions.place(ink, RANDOM(seed))
        assert 0 <= sheet.min() <= sheet.max() <= 1
        borders.append(max(edge.max() for edge in (sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1])))
    assert 0.02 < np.mean(np.array(borders) > 0.5) < 0.15


def test_light_only_darkens() -> None:
    for seed in SEEDS:
        bright = conditions.light((40, 60), RANDOM(seed))
        assert bright.shape == (40, 60)
        assert 0.4 < bright.min() <= bright.max() <= 1


def test_ruling_leaves_most_of_the_paper() -> None:
    for seed in SEEDS:
        lines = conditions.ruling((100, 120), RANDOM(seed))
        assert set(np.unique(lines)) <= {0, 1}
        assert lines.mean() < 0.4


def test_seen_is_the_services_input_or_nothing(ink: Bytes) -> None:
    answers = [conditions.seen(ink, RANDOM(seed)) for seed in SEEDS]
    assert sum(answer is not None for answer in answers) > len(SEEDS) / 2
    for seed, answer in zip(SEEDS, answers, strict=True):
        if answer is not None:
            np.testing.assert_array_equal(answer, canonical_digit(conditions.picture(ink, RANDOM(seed))))
    assert conditions.seen(np.zeros((112, 112), np.uint8), RANDOM(1)) is None

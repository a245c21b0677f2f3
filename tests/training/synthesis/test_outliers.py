import numpy as np
import pytest

from training.synthesis import outliers, pen

#: Letters and signs that some people write like a digit.
RESEMBLING = "ODQUCoauc ILJijl|/\\!()[]{}^':;,.`\" Zz? Ss$ Gb T> B& gq Yy 0123456789"


def test_draw_is_a_function_of_the_seed() -> None:
    first, again, other = (outliers.draw(np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert (first.shape, first.dtype) == ((pen.SIDE, pen.SIDE), np.uint8)
    np.testing.assert_array_equal(again, first)
    assert np.any(other != first)


def test_every_picture_has_ink() -> None:
    inked = [(outliers.draw(np.random.default_rng([1, number])) > 127).mean() for number in range(200)]
    assert min(inked) > 0.0005
    assert max(inked) < 0.8


def test_no_letter_that_looks_like_a_digit_is_drawn() -> None:
    for characters in outliers.LETTERS.values():
        assert not set(characters) & set(RESEMBLING)


def test_no_glyph_is_listed_twice() -> None:
    for characters in [*outliers.LETTERS.values(), *outliers.SIGNS.values()]:
        assert len(characters) == len(set(characters))


@pytest.mark.parametrize("font", [*outliers.LETTERS, *outliers.SIGNS])
def test_every_listed_glyph_has_strokes_of_one_height(font: str) -> None:
    for name, character in outliers.glyph_names():
        if name == font:
            every = np.concatenate(outliers.glyph(name, character))
            assert np.ptp(every, axis=0).max() == pytest.approx(1)


@pytest.mark.parametrize("doodle", outliers.DOODLES, ids=lambda doodle: doodle.__name__)
def test_every_doodle_is_drawn_and_distinct(doodle: outliers.Doodle) -> None:
    found = [doodle(np.random.default_rng(seed)) for seed in (1, 1, 2)]
    flat = [np.concatenate(strokes) for strokes in found]
    assert all(stroke.shape[1] == 2 and len(stroke) >= 2 for strokes in found for stroke in strokes)
    np.testing.assert_array_equal(flat[0], flat[1])
    assert flat[0].shape != flat[2].shape or np.any(flat[0] != flat[2])
    assert pen.draw(found[0], pen.draw_hand(np.random.default_rng(1)), np.random.default_rng(1)).max() == 255


def test_letters_resembling_a_digit_are_not_outliers() -> None:
    drawn = [outliers.draw_alike(np.random.default_rng(seed)) for seed in range(60)]
    assert {digit for _, digit in drawn} == set(outliers.LIKE_A_DIGIT.values())
    assert all(picture.max() == 255 and picture.shape == (pen.SIDE, pen.SIDE) for picture, _ in drawn)
    assert not set(outliers.LIKE_A_DIGIT) & set(outliers.glyph_names())


def test_residue_is_mostly_paper() -> None:
    for seed in range(10):
        stain = outliers.residue(np.random.default_rng(seed))
        assert (stain.shape, stain.dtype) == ((pen.SIDE, pen.SIDE), np.uint8)
        assert 0 < (stain > 0).mean() < 0.5

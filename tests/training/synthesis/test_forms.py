import cv2
import numpy as np
import pytest

from training.synthesis import forms, pen
from training.synthesis.forms import FORMS, Form

PLACINGS = 40
PLAIN = pen.Hand(
    looseness=1, slant=0, rotation=0, aspect=1, warp=0, tremor=0, width=0.04, pressure=0, taper=1, nib=None, gap=0
)
UP_STROKES = [form for form in FORMS if form.label == 1 and ("up-stroke" in form.name or form.name == "round top")]
UNDER_THE_TOP = [form for form in FORMS if form.label == 1 and "under the top" in form.name]
LONG = [form for form in UP_STROKES if form.name.startswith("long")]


def identify(form: Form) -> str:
    return f"{form.label} {form.name}"


def placed(form: Form, stroke: int = 0) -> list[pen.Points]:
    """Return the points of a stroke as a loose hand places them, many times."""
    return [forms.place(form.strokes[stroke], 1.7, np.random.default_rng(seed)) for seed in range(PLACINGS)]


def holes(form: Form, seed: int) -> int:
    """Return how many regions of paper the ink of a form, drawn neatly, encloses."""
    random = np.random.default_rng(seed)
    ink = pen.draw(forms.lines(form, 0.2, random), PLAIN, random)
    regions, _ = cv2.connectedComponents((ink < 128).astype(np.uint8), connectivity=4)
    return regions - 2  # the ink itself and its surroundings


def find(label: int, name: str) -> Form:
    return next(form for form in FORMS if (form.label, form.name) == (label, name))


def test_every_digit_has_several_forms_with_names_of_their_own() -> None:
    for label in range(10):
        names = [form.name for form in FORMS if form.label == label]
        assert len(names) == len(set(names)) >= 4


def test_draw_is_a_function_of_the_seed() -> None:
    (first, label), (again, same), (other, _) = (forms.draw(np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert (first.shape, first.dtype) == ((pen.SIDE, pen.SIDE), np.uint8)
    np.testing.assert_array_equal(again, first)
    assert label == same
    assert np.any(other != first)


def test_every_drawing_has_ink_and_none_at_the_border() -> None:
    drawn = [forms.draw(np.random.default_rng([3, number])) for number in range(250)]
    assert {label for _, label in drawn} == set(range(10))
    pictures = np.stack([picture for picture, _ in drawn])
    assert (pictures.max(axis=(1, 2)) == 255).all()
    border = np.concatenate([pictures[:, [0, -1]].ravel(), pictures[:, :, [0, -1]].ravel()])
    assert border.max() == 0


def test_confusable_digits_are_drawn_most() -> None:
    labels = [forms.draw(np.random.default_rng([1, number]))[1] for number in range(900)]
    counts = np.bincount(labels, minlength=10)
    assert set(np.argsort(counts)[-4:]) == {1, 4, 7, 9}
    assert counts.min() > 0.03 * len(labels)


@pytest.mark.parametrize("form", UP_STROKES, ids=identify)
def test_the_up_stroke_of_a_1_climbs_to_the_top_of_the_stem(form: Form) -> None:
    for points in placed(form):
        start, top = points[0], points[points[:, 1].argmin()]
        assert start[0] < top[0] - 0.1, "it comes from the left"
        assert start[1] > top[1] + 0.15, "and from below"


@pytest.mark.parametrize("form", UNDER_THE_TOP, ids=identify)
def test_a_stroke_under_the_top_of_a_1_ends_at_the_stem(form: Form) -> None:
    for stroke, stem in zip(placed(form), placed(form, 1), strict=True):
        on_stem = np.interp(stroke[-1, 1], stem[:, 1], stem[:, 0])
        assert stroke[0, 0] < on_stem - 0.1, "it comes from the left"
        assert abs(stroke[-1, 0] - on_stem) < 0.12, "and does not cross"
        assert stem[0, 1] + 0.08 < stroke[-1, 1] < stem[0, 1] + 0.6, "under the top"


@pytest.mark.parametrize("form", LONG, ids=identify)
def test_a_long_up_stroke_is_long(form: Form) -> None:
    for points in placed(form):
        across, down = points[points[:, 1].argmin()] - points[0]
        assert 0.4 < np.hypot(across, down) < 0.95
        assert 12 < np.degrees(np.arctan2(across, -down)) < 60, "degrees off the stem"


@pytest.mark.parametrize("form", [form for form in FORMS if form.label == 7], ids=identify)
def test_the_top_of_a_7_runs_level_to_the_stem(form: Form) -> None:
    for points in placed(form):
        upper = points[points[:, 1] < 0.22]
        left = points[1] if "hook" in form.name else upper[upper[:, 0].argmin()]
        across, down = upper[upper[:, 0].argmax()] - left
        assert across > 0.4
        assert abs(down) < 0.5 * across
        assert points[-1, 1] > 0.85, "the stem goes to the bottom"


@pytest.mark.parametrize("form", [form for form in FORMS if "bar" in form.name and form.label == 7], ids=identify)
def test_the_bar_of_a_7_crosses_its_stem(form: Form) -> None:
    for seed in range(10):
        random = np.random.default_rng(seed)
        stem, bar = forms.lines(form, 1.0, random)
        on_stem = stem[np.abs(stem[:, 1] - bar[:, 1].mean()).argmin()]
        assert bar[0, 0] < on_stem[0] < bar[-1, 0]


@pytest.mark.parametrize(
    ("label", "name", "expected"),
    [
        (0, "open at the top", 0),
        (1, "long up-stroke, foot", 0),
        (4, "open", 0),
        (4, "stem under the bar", 0),
        (4, "lightning", 0),
        (6, "spiral", 0),
        (9, "flat foot", 1),
        (9, "looped s", 1),
        (4, "open, crossed", 0),
        (4, "closed, crossed", 1),
        (4, "one stroke", 1),
        (7, "bar", 0),
        (8, "two circles", 2),
    ],
)
def test_loops_are_open_or_closed(label: int, name: str, expected: int) -> None:
    found = [holes(find(label, name), seed) for seed in range(5)]
    assert sorted(found)[2] == expected


def test_a_foot_lies_under_the_stem() -> None:
    for form in (form for form in FORMS if form.label == 1 and "foot" in form.name):
        for stem, foot in zip(placed(form), placed(form, 1), strict=True):
            assert foot[0, 0] < stem[-1, 0] < foot[-1, 0]
            assert np.abs(foot[:, 1] - stem[-1, 1]).max() < 0.15

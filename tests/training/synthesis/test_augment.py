import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from scipy.ndimage import gaussian_filter, gaussian_filter1d, map_coordinates

from training.data.mnist import Mnist
from training.recipe import Deformation
from training.synthesis import augment

SIDE = 28
CENTRE = (SIDE - 1) / 2
SEED = tf.constant([3, 7])
NOTHING = Deformation(rotation_degrees=0, scale=0, shear=0, translation_pixels=0, elastic_alpha=0, elastic_sigma=5)
Floats = npt.NDArray[np.float64]


def noise(count: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(1).uniform(0, 255, (count, SIDE, SIDE)).astype(np.float32)


def identity_grid() -> npt.NDArray[np.float32]:
    return np.mgrid[:SIDE, :SIDE].astype(np.float32)[:, None]


def affine_maps(deformation: Deformation, count: int = 400) -> tuple[Floats, Floats]:
    """Return the linear parts [N, 2, 2] and shifts [N, 2] of the drawn maps, by least squares."""
    grid = augment.affine_grid(count, SEED, deformation).numpy().astype(float)
    offsets = np.mgrid[:SIDE, :SIDE].reshape(2, -1) - CENTRE
    design = np.vstack([offsets, np.ones(SIDE * SIDE)]).T
    found, residuals, *_ = np.linalg.lstsq(design, grid.transpose(2, 3, 1, 0).reshape(SIDE * SIDE, -1), rcond=None)
    assert residuals.max() < 1e-6, "the map is affine"
    solution = found.reshape(3, count, 2)
    return solution[:2].transpose(1, 2, 0), solution[2] - CENTRE


def check_spread(draws: Floats, bound: float) -> None:
    """Check that the draws fill [-bound, bound]."""
    assert np.abs(draws).max() <= bound + 1e-4
    assert draws.max() > 0.95 * bound
    assert draws.min() < -0.95 * bound
    assert abs(draws.mean()) < 0.15 * bound
    assert draws.std() == pytest.approx(bound / math.sqrt(3), rel=0.1)


def test_bounds_of_zero_change_nothing() -> None:
    images = noise(5)
    np.testing.assert_allclose(augment.deform(images, SEED, NOTHING), images, atol=1e-3)


@pytest.mark.parametrize(
    ("low", "high", "edge"),
    [(0, 27, "constant"), (-3, 30, "constant"), (-500, 500, "constant"), (-40, 70, "grid-constant")],
)
def test_sample_agrees_with_scipy(low: float, high: float, edge: str) -> None:
    images = noise(8)
    if edge == "constant":  # as in MNIST; on an inked edge scipy does not interpolate then, and we fade
        images[:, [0, -1]] = images[:, :, [0, -1]] = 0
    coordinates = np.random.default_rng(2).uniform(low, high, (2, 8, SIDE, SIDE)).astype(np.float32)
    expected = [
        map_coordinates(image, coordinates[:, number], order=1, mode=edge, prefilter=False)
        for number, image in enumerate(images)
    ]
    np.testing.assert_allclose(augment.sample(images, coordinates), expected, atol=0.01)


def test_sample_reads_at_row_and_column() -> None:
    image = np.zeros((1, SIDE, SIDE), np.float32)
    image[0, 10, 20] = 200
    moved = augment.sample(image, identity_grid() + np.array([2, -3], np.float32).reshape(2, 1, 1, 1)).numpy()
    assert moved[0, 8, 23] == 200  # read 2 rows below and 3 columns to the left
    assert moved.sum() == 200


def test_rotation_alone_is_a_rotation_about_the_centre_to_either_side() -> None:
    linear, shift = affine_maps(replace(NOTHING, rotation_degrees=12))
    np.testing.assert_allclose(shift, 0, atol=1e-4)
    np.testing.assert_allclose(np.linalg.det(linear), 1, atol=1e-4)
    np.testing.assert_allclose(linear @ linear.transpose(0, 2, 1), np.broadcast_to(np.eye(2), linear.shape), atol=1e-4)
    check_spread(np.degrees(np.arctan2(linear[:, 0, 1], linear[:, 0, 0])), 12)


def test_scale_alone_scales_each_axis_on_its_own() -> None:
    linear, shift = affine_maps(replace(NOTHING, scale=0.15))
    np.testing.assert_allclose(shift, 0, atol=1e-4)
    np.testing.assert_allclose(linear[:, [0, 1], [1, 0]], 0, atol=1e-5)
    rows, columns = 1 / linear[:, 0, 0] - 1, 1 / linear[:, 1, 1] - 1
    check_spread(rows, 0.15)
    check_spread(columns, 0.15)
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.2


def test_shear_alone_slants_the_upright() -> None:
    linear, _ = affine_maps(replace(NOTHING, shear=0.15))
    np.testing.assert_allclose(linear[:, [0, 1], [0, 1]], 1, atol=1e-5)
    np.testing.assert_allclose(linear[:, 0, 1], 0, atol=1e-5)
    check_spread(linear[:, 1, 0], 0.15)


def test_shift_alone_shifts() -> None:
    linear, shift = affine_maps(replace(NOTHING, translation_pixels=1.5))
    np.testing.assert_allclose(linear, np.broadcast_to(np.eye(2), linear.shape), atol=1e-5)
    check_spread(shift[:, 0], 1.5)
    check_spread(shift[:, 1], 1.5)


@pytest.mark.parametrize("sigma", [3.0, 5.0, 8.0])
def test_noise_basis_has_the_covariance_of_smoothed_noise(sigma: float) -> None:
    smooth = gaussian_filter1d(np.eye(SIDE), sigma, axis=0, mode="constant", truncate=(SIDE - 1) / sigma)
    expected = smooth @ smooth.T / math.sqrt(3)  # one factor per axis; their product is uniform noise's variance, 1/3
    basis = augment.smooth_noise_basis(sigma)
    np.testing.assert_allclose(basis @ basis.T, expected, atol=2e-3 * expected.max())


def test_elastic_field_is_distributed_like_uniform_noise_that_scipy_smoothed() -> None:
    count, alpha, sigma = 3_000, 36, 5
    uniform = np.random.default_rng(4).uniform(-1, 1, (count, SIDE, SIDE))
    expected = alpha * gaussian_filter(uniform, sigma, mode="constant", axes=(1, 2))
    deformation = replace(NOTHING, elastic_alpha=alpha, elastic_sigma=sigma)
    found = augment.elastic_field(count, SEED, deformation).numpy()
    for axis in found:
        assert np.abs(axis.mean(axis=0)).max() < 0.15
        np.testing.assert_allclose(axis.std(axis=0), expected.std(axis=0), rtol=0.1)
        for other in [(14, 15), (14, 19), (19, 19), (14, 26), (2, 2)]:
            found_correlation = np.corrcoef(axis[:, 14, 14], axis[:, *other])[0, 1]
            expected_correlation = np.corrcoef(expected[:, 14, 14], expected[:, *other])[0, 1]
            assert found_correlation == pytest.approx(expected_correlation, abs=0.08)
    assert abs(np.corrcoef(found[0, :, 14, 14], found[1, :, 14, 14])[0, 1]) < 0.08, "rows and columns are independent"


def test_same_seed_same_deformation_other_seed_other(data: Mnist) -> None:
    images = data.train_images[:10].astype(np.float32)
    first = augment.deform(images, SEED, Deformation()).numpy()
    np.testing.assert_array_equal(augment.deform(images, SEED, Deformation()), first)
    assert np.abs(augment.deform(images, SEED + tf.constant([0, 1]), Deformation()) - first).max(axis=(1, 2)).min() > 10
    assert np.abs(augment.deform(images, SEED + tf.constant([1, 0]), Deformation()) - first).max(axis=(1, 2)).min() > 10


@pytest.mark.parametrize("deformation", [replace(NOTHING, rotation_degrees=12), replace(NOTHING, elastic_alpha=36)])
def test_each_image_has_its_own_deformation(data: Mnist, deformation: Deformation) -> None:
    images = np.repeat(data.train_images[:1], 10, axis=0).astype(np.float32)
    deformed = augment.deform(images, SEED, deformation).numpy()
    differences = np.abs(deformed[:, None] - deformed[None]).max(axis=(2, 3))
    assert differences[~np.eye(10, dtype=bool)].min() > 1


def test_values_stay_between_background_and_ink() -> None:
    images = np.where(noise(200) > 127, np.float32(255), np.float32(0))
    deformed = augment.deform(images, SEED, Deformation()).numpy()
    assert deformed.dtype == np.float32
    assert deformed.shape == images.shape
    assert deformed.min() >= 0
    assert deformed.max() <= 255.001
    assert deformed.max() > 250


def test_digits_stay_where_they_were_on_average(data: Mnist) -> None:
    images = data.train_images.astype(np.float32)
    deformed = augment.deform(images, SEED, Deformation()).numpy()
    assert deformed.sum() == pytest.approx(images.sum(), rel=0.05)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for axis in (rows, columns):
        before = (images * axis).sum() / images.sum()
        assert (deformed * axis).sum() / deformed.sum() == pytest.approx(before, abs=0.2)


def test_xla_deforms_alike(data: Mnist) -> None:
    images = data.train_images[:50].astype(np.float32)
    deformation = Deformation()  # another one would be compiled anew
    compiled = tf.function(augment.deform, jit_compile=True)
    for step in range(20):
        seed = tf.constant([3, step])
        expected = augment.deform(images, seed, deformation)
        np.testing.assert_allclose(compiled(images, seed, deformation), expected, atol=0.1)  # of 255
